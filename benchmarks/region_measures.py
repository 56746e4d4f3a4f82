"""Measures of region heatmaps against known regions, for `regions.py`.

Heatmaps are (I, N, H, W): I images, N queries, their sum over the queries 1. Masks are (I, H, W) in [0, 1]: where the
face is active. Correlations are Pearson's, over the pixels of two pictures; one without a pattern has none.
"""

import numpy as np

from ra_icl.attention.measures import FLAT, correlation, finite_means, standard

DRAWS = 20  # of masks moved at random


def grid(count: int, height: int, width: int) -> np.ndarray:
    """A fixed grid of `count` cells, 8 as 2 rows of 4: (count, H, W), each 1 in its place and 0 elsewhere."""
    rows = max(row for row in range(1, int(count**0.5) + 1) if count % row == 0)
    row, column = np.arange(height) * rows // height, np.arange(width) * (count // rows) // width
    return (row[:, None] * (count // rows) + column == np.arange(count)[:, None, None]).astype(float)


def winners(heatmaps: np.ndarray) -> np.ndarray:
    """1 where a query wins the pixel, 0 elsewhere: (I, N, H, W)."""
    return (heatmaps.argmax(axis=1)[:, None] == np.arange(heatmaps.shape[1])[:, None, None]).astype(float)


def information(assigned: np.ndarray, masks: np.ndarray) -> float:
    """Mutual information, in bits, of the query that a pixel is assigned to and whether the pixel is active.

    assigned: `winners` of the heatmaps, or the heatmaps themselves, as probabilities of the query.
    """
    active = np.einsum("inhw,ihw->n", assigned, masks)
    joint = np.stack([active, assigned.sum(axis=(0, 2, 3)) - active]) / masks.size
    apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    return float((joint[seen] * np.log2(joint[seen] / apart[seen])).sum())


def others(masks: np.ndarray) -> np.ndarray:
    """For each image the mean mask of the other images: what `shares` and `information` expect of shuffled masks."""
    return (masks.sum(axis=0) - masks) / max(len(masks) - 1, 1)


def chance_information(assigned: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> float:
    """`information` about masks moved at random, by another distance in each image: its bias, as it should be 0."""
    found = []
    for _ in range(DRAWS):
        steps = [(rng.integers(masks.shape[1]), rng.integers(masks.shape[2])) for _ in masks]
        moved = [np.roll(mask, step, axis=(0, 1)) for mask, step in zip(masks, steps, strict=True)]
        found.append(information(assigned, np.stack(moved)))
    return float(np.mean(found))


def agreement(heatmaps: np.ndarray, subjects: np.ndarray) -> dict[str, np.ndarray]:
    """Mean correlation of heatmaps of two images, for each query (N,); NaN if there are no such pairs.

    Of the same query, in images of one subject (`same_subject`) and of two (`other_subject`); of a query with the other
    queries, in images of two subjects (`other_query`).
    """
    count, queries = heatmaps.shape[:2]
    maps = standard(heatmaps.reshape(count, queries, -1))
    found = np.einsum("inx,jmx->nmij", maps, maps, optimize=True)
    own = subjects[:, None] == subjects
    apart = ~np.eye(queries, dtype=bool)
    return {
        "same_subject": finite_means([found[n, n][own & ~np.eye(count, dtype=bool)] for n in range(queries)]),
        "other_subject": finite_means([found[n, n][~own] for n in range(queries)]),
        "other_query": finite_means([found[n, apart[n]][:, ~own] for n in range(queries)]),
    }


def subject_means(heatmaps: np.ndarray, subjects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean heatmaps of every subject, and the subjects."""
    names = np.unique(subjects)
    return np.stack([heatmaps[subjects == name].mean(axis=0) for name in names]), names


def fixed_share(heatmaps: np.ndarray) -> np.ndarray:
    """Eta squared (N,): share of a heatmap's variance over images and pixels that its mean picture explains.

    1 for a fixed partition of the picture; 1 / I for heatmaps that have nothing in common. NaN if all are flat.
    """
    whole, fixed = heatmaps.var(axis=(0, 2, 3)), heatmaps.mean(axis=0).var(axis=(1, 2))
    return np.where(whole > FLAT**2, fixed / np.maximum(whole, FLAT**2), np.nan)


def following(before: np.ndarray, after: np.ndarray, columns: int) -> dict[str, np.ndarray]:
    """What the heatmaps do (N,) when the input moves to the right by `columns` columns of theirs.

    Mean correlation of the heatmaps after the move with those before it (`stayed`), with those before it moved along
    (`followed`), and of these two with each other (`itself`), over the columns that were in the picture before.
    """
    here, moved, now = before[..., columns:], before[..., :-columns], after[..., columns:]
    pairs = {"stayed": (now, here), "followed": (now, moved), "itself": (here, moved)}
    return {name: finite_means(correlation(*pair).T) for name, pair in pairs.items()}
