"""How often a paired test over subjects finds a difference that is there: its power, by simulation.

The test is that of the table of differences: subjects' predictions are swapped between two methods, at random.
"""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from ra_icl.evaluation.intervals import holm
from ra_icl.evaluation.metrics import uar, uf1
from ra_icl.evaluation.simulation import Agreement, People, simulate

LEVEL = 0.05
ENOUGH = 0.8  # the power that a study is usually asked for
SWAPS = 1000  # one of which leaves the predictions as they are
FACTORS = tuple(1.1**step for step in range(1, 16))  # how many more sequences the weaker of two methods misses

Pair = tuple[int, int]


def p_values(matrices: np.ndarray, pairs: Sequence[Pair], rng: np.random.Generator) -> np.ndarray:
    """p-values (pairs, 2) of UF1 and UAR, two-sided, of pairs of methods; matrices: (methods, subjects, C, C).

    Every class has to have a sequence.
    """
    classes = matrices.shape[-1]
    counts = matrices[0].sum((0, 2))
    # Of a confusion matrix the scores need the hits and the predictions of each class.
    needed = np.concatenate([np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(-2)], -1).astype(float)
    one, other = (needed[[pair[place] for pair in pairs]] for place in (0, 1))
    swapped = rng.integers(0, 2, (SWAPS, matrices.shape[1])).astype(float)
    swapped[0] = 0
    moved = np.tensordot(other - one, swapped, (1, 1)).swapaxes(1, 2)
    found = []
    for sums in (one.sum(1)[:, None] + moved, other.sum(1)[:, None] - moved):
        hits, predicted = sums[..., :classes], sums[..., classes:]
        found.append(np.stack([(2 * hits / (counts + predicted)).mean(-1), (hits / counts).mean(-1)], -1))
    away = np.round(np.abs(found[0] - found[1]), 12)  # equal differences have to compare as equal
    return (away >= away[:, :1]).mean(1)


def power(
    people: People, rates: np.ndarray, agreement: Agreement, pairs: Sequence[Pair], simulations: int
) -> dict[str, np.ndarray]:
    """Shares (pairs, 2) of simulated experiments in which the test finds a difference in UF1 and UAR.

    rates: (methods, datasets, C, C), as `simulate` takes them. Returned are "alone", each test at 5 %, and "holm",
    after Holm's adjustment over all pairs.
    """
    rng = np.random.default_rng(0)
    experiments = tqdm(range(simulations), "differences as printed", unit="experiment", disable=None)
    found = np.array([p_values(simulate(people, rates, agreement, rng), pairs, rng) for _ in experiments])
    adjusted = np.array([[holm(p) for p in experiment.T] for experiment in found]).transpose(0, 2, 1)
    levels = {"alone": found <= LEVEL, "holm": adjusted <= LEVEL}
    return {name: hits.mean(0) for name, hits in levels.items()}


def scores_of(people: People, rates: np.ndarray) -> np.ndarray:
    """UF1 and UAR (2,) of the expected confusion matrix over all datasets; rates: (datasets, C, C)."""
    counts = np.array([people.labels[people.datasets == place].sum(0) for place in range(len(rates))])
    expected = (counts[..., None] * rates).sum(0)
    return np.array([uf1(expected), uar(expected)])


def weaker(rates: np.ndarray, factor: float) -> np.ndarray:
    """Rates (..., C, C) with `factor` times as many misses of each class, or nothing but misses."""
    misses = rates * (1 - np.eye(rates.shape[-1]))
    total = misses.sum(-1, keepdims=True)
    misses = misses * np.minimum(factor, np.divide(1, total, out=np.full_like(total, np.inf), where=total > 0))
    return misses + np.eye(rates.shape[-1]) * (1 - misses.sum(-1, keepdims=True))


def smallest_seen(
    people: People, rates: np.ndarray, agreement: Agreement, comparisons: int, simulations: int
) -> np.ndarray:
    """Differences (2, 2) of UF1 and of UAR that are found with a power of 80 %: alone, and among `comparisons`.

    The weaker of two methods misses every class more often than `rates`, (datasets, C, C), by one factor. Among others
    the first step of Holm's adjustment is taken, as if no other difference were found. NaN where the largest of
    `FACTORS` is not enough.
    """
    best = scores_of(people, rates)
    sizes, shares = [np.zeros(2)], [np.zeros((2, 2))]
    for factor in tqdm(FACTORS, "smallest difference seen", unit="size", disable=None):
        both = np.stack([rates, weaker(rates, factor)])
        rng = np.random.default_rng(0)
        p = np.array([p_values(simulate(people, both, agreement, rng), [(0, 1)], rng)[0] for _ in range(simulations)])
        sizes.append(best - scores_of(people, both[1]))
        shares.append(np.stack([(p <= level).mean(0) for level in (LEVEL, LEVEL / comparisons)], -1))
        if shares[-1].min() >= ENOUGH:
            break
    sizes, shares = np.array(sizes), np.maximum.accumulate(shares)
    found = np.full((2, 2), np.nan)
    for score, level in np.ndindex(2, 2):
        if shares[-1, score, level] >= ENOUGH:
            found[score, level] = np.interp(ENOUGH, shares[:, score, level], sizes[:, score])
    return found
