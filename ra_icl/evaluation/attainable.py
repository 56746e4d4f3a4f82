"""Which scores confusion matrices can have: exactly, as whole numbers of sequences, and as means over several runs.

UF1 and UAR depend on a confusion matrix (C, C) through two numbers a class: `hits`, its diagonal, and `wrong`, how
often the class is predicted for another one. With n sequences of a class, its F1 is 2 hits / (n + hits + wrong) and its
recall hits / n. `hits` and `wrong` (C,) belong to some matrix if and only if 0 <= hits <= n, `wrong` sums to the number
of misses, and wrong + misses of a class is at most that sum: no class is mistaken for itself.

Scores are in 0..1. A score is met if it is within a tolerance, which `EPSILON` widens against rounding in the computer.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

EPSILON = 1e-9
GRID = 20_000_000  # ways to choose the hits of a dataset, up to which they are tried one by one
WORK = 100_000_000  # ways to choose `wrong`, or sums over the datasets, up to which they are tried: seconds
ROW = 3000  # a row of hits takes as long as so many of `wrong`
TRIES, STEPS, KICKS = 60, 500, 5  # of the search where there are too many ways


def hits_with_uar(counts: Sequence[int], uar: float | None, tolerance: float) -> np.ndarray | None:
    """All hits (K, C) of this UAR, all hits if that is None; None if there are more than `GRID` ways to choose hits."""
    if np.prod([count + 1.0 for count in counts]) > GRID:
        return None
    recalls = [np.arange(count + 1) / count for count in counts]
    means = sum(np.ix_(*recalls)) / len(counts)
    return np.argwhere(np.abs(means - uar) <= tolerance + EPSILON if uar is not None else means >= 0)


def confusions_with_uf1(counts: Sequence[int], hits: np.ndarray, uf1: float, tolerance: float) -> Iterator[np.ndarray]:
    """For each row of `hits` (K, C), all (hits, wrong) that have this UF1 as rows (k, 2 C), where there are any."""
    counts = np.asarray(counts)
    for chosen in hits:
        wrong = _every_wrong(counts - chosen)
        scores = (2 * chosen / (counts + chosen + wrong)).mean(-1)
        found = wrong[np.abs(scores - uf1) <= tolerance + EPSILON]
        if len(found):
            yield np.concatenate([np.broadcast_to(chosen, found.shape), found], 1)


def rows_with(
    counts: Sequence[int], uf1: float, uar: float | None, tolerance: float, most: int | None = None
) -> tuple[np.ndarray, bool]:
    """Rows (K, 2 C) of (hits, wrong) with these scores, and whether they are all that there are.

    most: how many are enough. Where there are too many ways to try each of them, rows come from `search`.
    """
    hits = hits_with_uar(counts, uar, tolerance)
    every = hits is not None and _work_of(counts, hits) <= WORK
    if every:  # even recalls first, as they are likelier to be met than the first few that are counted
        hits = hits[np.argsort(np.ptp(hits / np.asarray(counts), axis=1), kind="stable")]
    found = confusions_with_uf1(counts, hits, uf1, tolerance) if every else search(counts, uf1, uar, tolerance)
    rows = list(islice(found, most))
    return np.concatenate([np.zeros((0, 2 * len(counts)), int), *rows]), every and (most is None or len(rows) < most)


def _work_of(counts: Sequence[int], hits: np.ndarray) -> float:
    """How many `wrong` `confusions_with_uf1` looks at, at most; a row of hits costs as much as `ROW` of them."""
    misses = np.asarray(counts) - hits
    sizes = misses.sum(-1, keepdims=True) - misses + 1.0
    return float(sizes[:, :-1].prod(-1).sum()) + ROW * len(hits)


def _every_wrong(misses: np.ndarray) -> np.ndarray:
    """All `wrong` (k, C) that go with the misses (C,) of each class."""
    total = misses.sum()
    first = np.indices(total - misses[:-1] + 1).reshape(len(misses) - 1, -1)
    last = total - first.sum(0)
    kept = (last >= 0) & (last <= total - misses[-1])
    return np.concatenate([first[:, kept], last[None, kept]]).T


def together(
    counts: np.ndarray, lists: Sequence[np.ndarray], uf1: float | None, uar: float | None, tolerance: float
) -> list[np.ndarray] | None:
    """A row of each list such that all sequences together have these scores, or None if no rows do.

    counts: (datasets, C). lists: of each dataset, rows (K, 2 C) of (hits, wrong). A score that is None may be any.
    """
    total, classes = counts.sum(0), counts.shape[1]
    order = sorted(range(len(lists)), key=lambda place: len(lists[place]))
    *few, most = order
    for rows in np.ndindex(*(len(lists[place]) for place in few)):
        begun = sum((lists[place][row] for place, row in zip(few, rows, strict=True)), np.zeros(2 * classes, int))
        sums = begun + lists[most]
        hits, wrong = sums[:, :classes], sums[:, classes:]
        met = np.ones(len(sums), bool)
        if uar is not None:
            met &= np.abs((hits / total).mean(-1) - uar) <= tolerance + EPSILON
        if uf1 is not None:
            met &= np.abs((2 * hits / (total + hits + wrong)).mean(-1) - uf1) <= tolerance + EPSILON
        if met.any():
            chosen = dict(zip(order, [*rows, int(met.argmax())], strict=True))
            return [lists[place][chosen[place]] for place in range(len(lists))]
    return None


def uar_range(counts: np.ndarray, uars: Sequence[float], tolerance: float) -> tuple[float, float]:
    """The least and the largest UAR of all sequences together that these UARs of the datasets allow.

    counts: (datasets, C). A linear programme over the hits, as fractions: the range also holds for means over runs.
    """
    from scipy.optimize import linprog

    recall, low, high = _recall_limits(counts, uars, tolerance)
    share = _composite_recall(counts)
    limits, bounds = np.concatenate([recall, -recall]), [(0, count) for count in counts.ravel()]
    least, most = (linprog(sign * share, limits, np.concatenate([high, -low]), bounds=bounds).fun for sign in (1, -1))
    return least, -most


def hits_with_uars(
    counts: np.ndarray,
    uars: Sequence[float],
    composite: float | None,
    tolerance: float,
    box: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray | None:
    """Hits (datasets, C), whole numbers, with the UAR of each dataset and of all sequences together; None if none are.

    counts: (datasets, C). composite: None if it may be any. box: the least and most hits, shaped like `counts`.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp

    recall, low, high = _recall_limits(counts, uars, tolerance)
    if composite is not None:
        recall = np.concatenate([recall, _composite_recall(counts)[None]])
        low, high = (np.append(ends, composite + off) for ends, off in ((low, -tolerance), (high, tolerance)))
    # In thousands, as the solver's own tolerance is absolute.
    limits = LinearConstraint(1000 * recall, 1000 * (low - EPSILON), 1000 * (high + EPSILON))
    least, most = box or (np.zeros_like(counts), counts)
    whole = np.ones(counts.size)
    found = milp(0 * whole, constraints=limits, integrality=whole, bounds=Bounds(least.ravel(), most.ravel()))
    if found.status not in (0, 2):  # neither solved nor infeasible
        raise RuntimeError(f"the integer programme was not solved: {found.message}")
    return None if found.x is None else np.round(found.x).astype(int).reshape(counts.shape)


def _recall_limits(
    counts: np.ndarray, uars: Sequence[float], tolerance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows that take all hits to the UAR of each dataset, and the ends that it has to lie between."""
    recall = np.zeros((len(counts), *counts.shape))
    for row, count in enumerate(counts):
        recall[row, row] = 1 / (count * len(count))
    uars = np.asarray(uars, dtype=float)
    return recall.reshape(len(counts), -1), uars - tolerance, uars + tolerance


def _composite_recall(counts: np.ndarray) -> np.ndarray:
    """The row that takes all hits to the UAR of all sequences together."""
    return np.broadcast_to(1 / (counts.sum(0) * counts.shape[1]), counts.shape).ravel()


def uf1_range(counts: Sequence[int], uar: float, tolerance: float) -> tuple[float, float]:
    """Bounds of UF1 for this UAR; means over runs keep them too.

    Above: a class of recall r has an F1 of 2 r / (1 + r) at most, which is concave in r. Below: by Cauchy-Schwarz the
    F1s sum to (sum of sqrt(hits))^2 / n at least, n the number of sequences. That is concave in the hits, so that its
    means are bounded by its values where each recall is 0 or 1, smallest classes first.
    """
    ordered = np.sort(np.asarray(counts, dtype=float))
    least = np.concatenate([[0], np.cumsum(np.sqrt(ordered)) ** 2]) / (len(ordered) * ordered.sum())
    low, high = max(uar - tolerance, 0), min(uar + tolerance, 1)
    return float(np.interp(low, np.linspace(0, 1, len(least)), least)), 2 * high / (1 + high)


def search(counts: Sequence[int], uf1: float, uar: float | None, tolerance: float) -> Iterator[np.ndarray]:
    """Rows (hits, wrong) with these scores, found by trial; that none is found says nothing.

    Hits of the right recall come from an integer programme, about some drawn at random; then single predictions move
    from class to class, where there are too many ways to try each.
    """
    counts = np.asarray(counts)
    rng = np.random.default_rng(0)
    for _ in range(TRIES):
        recalls = rng.normal(uf1 if uar is None else uar, 0.1, len(counts)).clip(0, 1)
        hits = np.round(counts * recalls).astype(int)
        if uar is not None:
            reach = 2 + counts // 4
            box = (np.maximum(hits - reach, 0)[None], np.minimum(hits + reach, counts)[None])
            found = hits_with_uars(counts[None], [uar], None, tolerance, box)
            if found is None:
                continue
            hits = found[0]
            if abs((hits / counts).mean() - uar) > tolerance + EPSILON:
                continue  # within the solver's own tolerance only
        if _work_of(counts, hits[None]) <= WORK / 1000:
            yield from confusions_with_uf1(counts, hits[None], uf1, tolerance)
        elif (wrong := _walk(counts, hits, uf1, tolerance, rng)) is not None:
            yield np.concatenate([hits, wrong])[None]


def _walk(
    counts: np.ndarray, hits: np.ndarray, uf1: float, tolerance: float, rng: np.random.Generator
) -> np.ndarray | None:
    """`wrong` (C,) that gives these hits their UF1, by the best single moves, and random ones where none helps."""
    misses, classes = counts - hits, len(counts)
    wrong = np.roll(misses, 1)  # each class is taken for the next
    unit, kicks = np.eye(classes, dtype=int), 0
    moves = (unit[:, None] - unit).reshape(-1, classes)
    for _ in range(STEPS):
        tried = wrong + moves
        tried = tried[((tried >= 0) & (tried <= misses.sum() - misses)).all(-1)]
        off = np.abs((2 * hits / (counts + hits + tried)).mean(-1) - uf1)
        best = int(off.argmin())
        if off[best] <= tolerance + EPSILON:
            return tried[best]
        if np.array_equal(tried[best], wrong):
            kicks = KICKS
        wrong = tried[rng.integers(len(tried)) if kicks else best]
        kicks = max(kicks - 1, 0)
    return None


def confusion_of(counts: Sequence[int], hits: Sequence[int], wrong: Sequence[int]) -> np.ndarray:
    """A confusion matrix (C, C) with these hits and wrong predictions. Raises ValueError if there is none."""
    from scipy.optimize import linprog

    classes = len(counts)
    cells = np.arange(classes**2).reshape(classes, classes)
    sums = np.zeros((2 * classes, classes**2))
    for name in range(classes):
        sums[name, cells[name]] = sums[classes + name, cells[:, name]] = 1
    hits = np.asarray(hits)
    bounds = [(hits[row], hits[row]) if row == column else (0, None) for row, column in np.ndindex(classes, classes)]
    # A transport problem: its corners are whole numbers, and the simplex method ends in one.
    found = linprog(np.zeros(classes**2), A_eq=sums, b_eq=[*counts, *(hits + wrong)], bounds=bounds, method="highs-ds")
    if found.x is None:
        raise ValueError("no confusion matrix has these hits and wrong predictions")
    return np.round(found.x).astype(int).reshape(classes, classes)
