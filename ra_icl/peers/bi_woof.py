"""Bi-WOOF: bi-weighted oriented optical flow, with a linear SVM (Liong, See, Wong, Phan, 2018).

Flow of onset and apex as histograms of its direction in blocks of the face: pixels count by the magnitude of their
flow, blocks by their optical strain.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch

from ra_icl.options import Options, above, at_least
from ra_icl.peers.classifiers import support_vectors
from ra_icl.peers.settings import choice, code

FED = "flow"


@dataclass(frozen=True)
class Settings(Options):
    """Bi-WOOF's settings.

    The function that fills the bins is not in the authors' code, which gives it eight edges, from -180 to 135 degrees.
    Here the eighth bin reaches from there to 180.
    """

    blocks: Annotated[int, at_least(1), code("blocks along each side; the paper compares several numbers")] = 5
    overlap: Annotated[int, at_least(0), code("lines of pixels that a block reaches into each neighbour")] = 1
    bins: Annotated[int, at_least(1), code("bins of direction, of 45 degrees from -180")] = 8
    zero: Annotated[
        Literal["none", "median"],
        choice(
            "where motion is zero. none: at 0, as in flow that is computed here; median: at the median of each channel "
            "of a map, for published maps, which are scaled so that 0 is their smallest value"
        ),
    ] = "none"
    c: Annotated[float, above(0), choice("C of the linear SVM; not stated, 1 is the plainest")] = 1.0


def describe(maps: torch.Tensor, settings: Settings) -> np.ndarray:
    """Maps (S, C, H, W) of u, v and strain as features (S, blocks^2 bins), of Euclidean norm 1.

    Blocks row by row, each the shares of its bins in the magnitude of its flow, times the sum of its strain; a block
    without motion gives zeros. The norm removes the factor by which a published map's strain is scaled. Its u and v
    have been scaled by different factors, so their directions are turned.
    """
    return np.stack([_describe(one, settings) for one in maps[:, :3].float().numpy()])


def _describe(one: np.ndarray, settings: Settings) -> np.ndarray:
    """The features (blocks^2 bins,) of one map (3, H, W)."""
    (u, v), strain = _motion(one, settings.zero), one[2]
    turn = np.arctan2(v, u) / (2 * np.pi) + 0.5  # 0 at -180 degrees, 1 at 180, which is the same direction
    bins = np.floor(turn * settings.bins).astype(int) % settings.bins
    weighted = np.where(bins == np.arange(settings.bins)[:, None, None], np.hypot(u, v), 0)  # (bins, H, W)
    found = _sums(np.concatenate([weighted, strain[None]]), settings)  # (bins + 1, blocks, blocks)
    histograms, strains = found[:-1], found[-1]
    shares = histograms / np.maximum(histograms.sum(axis=0), np.finfo(np.float32).tiny)
    features = (shares * strains).transpose(1, 2, 0).ravel()
    return features / max(np.linalg.norm(features), np.finfo(np.float32).tiny)


def _motion(one: np.ndarray, zero: str) -> np.ndarray:
    """u and v (2, H, W) of a map, 0 where there is no motion."""
    return one[:2] - (np.median(one[:2], axis=(1, 2), keepdims=True) if zero == "median" else 0)


def _sums(values: np.ndarray, settings: Settings) -> np.ndarray:
    """Sums of values (K, H, W) over each block: (K, blocks, blocks)."""
    rows, columns = (_members(side, settings) for side in values.shape[1:])
    return rows @ values.astype(np.float64) @ columns.T


def _members(side: int, settings: Settings) -> np.ndarray:
    """Which of `side` lines each block has, 0 or 1: (blocks, side). Lines that are left over go to the last."""
    begins, lines = np.arange(settings.blocks)[:, None] * (side // settings.blocks), np.arange(side)
    ends = np.append(begins[1:], [[side]], axis=0)
    return ((lines >= begins - settings.overlap) & (lines < ends + settings.overlap)).astype(float)


def classifier(settings: Settings):
    """The classifier: a linear SVM."""
    return support_vectors("linear", settings.c)
