"""Data of folds for the tests: every pixel, channel, instance and sequence has its own value."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from ra_icl.datasets.index import COLUMNS
from ra_icl.files import save_tensors
from ra_icl.training.fold import Fold, run_fold
from ra_icl.training.instances import InstanceSets

CLASSES = 3
EMOTIONS = ("disgust", "happiness", "surprise")  # in label order


def distinct_maps(*shapes, seed=0):
    """Float16 arrays of these shapes in which no value between 0 and 1 occurs twice, in random order."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    assert sum(sizes) <= 0x3C00, "there are no more float16 numbers from 0 to 1"
    codes = 0x3C00 - 1 - np.random.default_rng(seed).permutation(sum(sizes))  # the floats below 1
    values = codes.astype(np.uint16).view(np.float16)
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def write_workspace(folder, subjects=2, sequences=3, instances=2, size=8, frames=4, channels=3):
    """Index and flow of CASME II subjects sub01, sub02, ...; returns {(subject, sequence): maps}.

    frames: those after the onset.
    """
    names = [(f"sub{subject + 1:02d}", f"EP{n:02d}") for subject in range(subjects) for n in range(sequences)]
    maps = dict(zip(names, distinct_maps(*[(instances, channels, size, size)] * len(names)), strict=True))
    rows = [
        ("casme2", subject, sequence, "x", 1, 3, 1 + frames, 200, EMOTIONS[number % 3])
        for number, (subject, sequence) in enumerate(names)
    ]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "casme2.csv", index=False)
    for subject in {subject for subject, _ in names}:
        tensors = {name: value for (owner, name), value in maps.items() if owner == subject}
        save_tensors(folder / "flow" / "casme2" / f"{subject}.safetensors", tensors, {})
    return maps


def train_fold(workspace, options, name="casme2-sub01", folder="folds", seed=0, protocol="cde", **keeping):
    """Run a fold of a workspace; returns the path of its predictions."""
    out = workspace / folder / f"{name}.csv"
    fold = Fold(protocol, "m6", name, seed, "twins")
    run_fold(out, fold, [workspace / "casme2.csv"], workspace / "flow", options, **keeping)
    return out


def changed(method, **changes):
    """The method with other options: changed(method, training={"epochs": 3}, loss={"regions": 0})."""
    return replace(method, **{name: replace(getattr(method, name), **values) for name, values in changes.items()})


def moving_blobs(sequences, instances, seed, size=16, device="cpu"):
    """Instance sets whose class is the height of a bump in u, weak in some instances, under noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(sequences) % CLASSES
    rows, columns = np.mgrid[:size, :size]
    centres = [(3, 8), (8, 8), (13, 8)]  # a mirror keeps the class
    maps = rng.normal(0.5, 0.1, (sequences, instances, 3, size, size))
    for s, label in enumerate(labels):
        y, x = centres[label]
        bump = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 6)
        maps[s, :, 0] += rng.uniform(0.3, 0.8, (instances, 1, 1)) * bump
    names = [f"s{i}" for i in range(sequences)]
    table = pd.DataFrame({"dataset": "casme2", "subject": "sub01", "sequence": names, "label": labels})
    table["frames"] = instances
    first = torch.arange(sequences) * instances
    flat = torch.from_numpy(maps.astype(np.float16)).flatten(0, 1)
    tensors = (flat, first, torch.full((sequences,), instances), torch.from_numpy(labels))
    return InstanceSets(*(tensor.to(device) for tensor in tensors), table, np.zeros((sequences, 3, 3)))
