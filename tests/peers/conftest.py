"""One small set of flow maps that every peer's network has to learn."""

import numpy as np
import pytest
import torch

from ra_icl.peers.registry import load_peer
from ra_icl.training.peers import NetworkTraining

CENTRES = ((8, 9), (8, 19), (19, 14))  # row and column of each class's movement


@pytest.fixture(scope="session")
def blobs():
    """Maps (24, 3, 28, 28) in pixels of motion and labels (24,): the class is where a blob moves, under noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 3
    rows, columns = np.mgrid[:28, :28]
    maps = rng.normal(0, 0.05, (24, 3, 28, 28))
    for one, label in zip(maps, labels, strict=True):
        row, column = CENTRES[label] + rng.uniform(-1, 1, 2)
        blob = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 12)
        one += np.stack([rng.uniform(0.5, 1), rng.uniform(-1, -0.5), rng.uniform(0.2, 0.4)])[:, None, None] * blob
    return torch.from_numpy(maps).float(), torch.from_numpy(labels)


@pytest.fixture
def learn(blobs):
    """A function that trains a peer on the set with these settings; returns the loss of each epoch."""
    maps, labels = blobs

    def train(name, **settings):
        peer = load_peer({"name": name, **settings})
        training = NetworkTraining(peer, maps, maps[:3], labels, 3, seed=0, device="cpu")
        return [epoch["loss"] for epoch in training.run().curve]

    return train
