"""A peer of the tests that is fed depth: `nearest`, a nearest-mean classifier of the last channel."""

import sys
from contextlib import contextmanager

from ra_icl import peers
from ra_icl.planning.peers import declared_peers

SOURCE = """
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ra_icl.options import Options
from ra_icl.peers.settings import choice

FED = "flow"


@dataclass(frozen=True)
class Settings(Options):
    depth: Annotated[bool, choice("also the depth")] = True


def describe(maps, settings):
    assert maps.shape[1] == (4 if settings.depth else 3), maps.shape
    return maps[:, -1].flatten(1).numpy()


def classifier(settings):
    return Nearest()


class Nearest:
    def fit(self, values, labels):
        self.classes_ = np.unique(labels)
        self.means = np.stack([values[labels == label].mean(axis=0) for label in self.classes_])

    def decision_function(self, values):
        return -np.linalg.norm(values[:, None] - self.means, axis=2)
"""
METHOD = "methods: {peer_deep: {title: Deep, sampling: {mode: apex, depth: true}, peer: {name: nearest}}}\n"


@contextmanager
def deep_peer(folder):
    """Inside, `nearest` is one of the peers; folder: where its file is written."""
    (folder / "nearest.py").write_text(SOURCE)
    peers.__path__.append(str(folder))
    declared_peers.cache_clear()
    try:
        yield
    finally:
        peers.__path__.remove(str(folder))
        declared_peers.cache_clear()
        sys.modules.pop("ra_icl.peers.nearest", None)
