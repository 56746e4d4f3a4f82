"""Measures of attention: where maps lie, and how much they resemble each other.

A correlation is Pearson's, over the pixels of two maps; a flat map has none (NaN).
"""

from collections.abc import Iterable

import numpy as np

FLAT = 1e-6  # a map whose standard deviation is less has no pattern to correlate


def shares(maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Share of each map that lies inside the mask: (I, N) of maps (I, N, H, W) >= 0 and masks (I, H, W) in [0, 1].

    NaN for a map that is 0 everywhere.
    """
    whole = maps.sum(axis=(2, 3))
    return np.einsum("inhw,ihw->in", maps, masks) / np.where(whole > 0, whole, np.nan)


def hits(maps: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The pointing game (Zhang et al., 2018): whether the largest value of each map (I, H, W) lies inside the mask.

    Without the tolerance around the point that some codes have. mask: (H, W) bool. Returns (I,) of 0 and 1, NaN for a
    map that is positive nowhere.
    """
    flat = maps.reshape(len(maps), -1)
    return np.where(flat.max(axis=1) > 0, mask.ravel()[flat.argmax(axis=1)].astype(float), np.nan)


def standard(maps: np.ndarray) -> np.ndarray:
    """Maps (..., X) with mean 0 and length 1; NaN where a map is flat."""
    centred = maps - maps.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    return centred / np.where(length > FLAT * maps.shape[-1] ** 0.5, length, np.nan)


def correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The correlation (...) of each pair of maps, both (..., H, W)."""
    return (standard(first.reshape(*first.shape[:-2], -1)) * standard(second.reshape(*second.shape[:-2], -1))).sum(-1)


def pair_correlation(maps: np.ndarray) -> float:
    """Mean correlation of all pairs of two different maps (I, H, W); NaN if there is none."""
    flat = standard(maps.reshape(len(maps), -1))
    return finite_mean((flat @ flat.T)[np.triu_indices(len(maps), 1)])


def finite_mean(values: np.ndarray) -> float:
    """The mean without NaNs; NaN if there is nothing else."""
    return float(finite_means([values])[0])


def finite_means(groups: Iterable[np.ndarray]) -> np.ndarray:
    """The mean of each group without its NaNs; NaN for a group that has nothing else."""
    found = [np.asarray(group)[np.isfinite(group)] for group in groups]
    return np.array([group.mean() if group.size else np.nan for group in found])
