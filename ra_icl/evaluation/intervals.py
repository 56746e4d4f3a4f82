"""Intervals of scores and differences of two methods, by resampling subjects.

The unit is the subject: sequences of one person resemble each other, so resampling sequences would promise too much.
With several seeds a score is the mean over seeds, and a subject brings its predictions of all seeds. The networks are
not trained again: intervals and p-values say what other subjects might change, the deviation over seeds says what
another training might.

Intervals are percentile intervals. BCa intervals covered no better in a simulation (2,000 resamples; 93 % of the time
both with 68 subjects, 87 % both with 14), and are not defined where all resamples score alike, as for two methods that
predict the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np

from ra_icl.errors import InputError
from ra_icl.evaluation.metrics import uar, uf1
from ra_icl.files import RERUN

SCORES = {"uf1": uf1, "uar": uar}
LEVEL = 0.95
RESAMPLES = 9_999  # with the observed value this makes 10,000: p-values are multiples of 0.0001
LEAST_SUBJECTS = 10  # of fewer, a resample is not much of a sample: no interval
BATCH = 500  # resamples at once: tens of MB
SEED = 0  # the same metrics give the same table


@dataclass(frozen=True)
class Subjects:
    """The predictions behind a metrics JSON by subject.

    names: (dataset, subject), sorted. matrices: (subjects, seeds, C, C), counts.
    """

    names: list[tuple[str, str]]
    matrices: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def strata(self) -> list[np.ndarray]:
        """The rows of each dataset's subjects."""
        return strata_of([dataset for dataset, _ in self.names])


@dataclass(frozen=True)
class Difference:
    """A score of one method minus that of another, in -1..1; NaN for an interval that too few subjects give."""

    value: float
    low: float
    high: float
    p: float


def strata_of(datasets: Sequence[str]) -> list[np.ndarray]:
    """The rows of each dataset's subjects, of the dataset of every subject."""
    return [np.flatnonzero(np.array(datasets) == name) for name in np.unique(datasets)]


def subjects_of(metrics: Mapping[str, Any]) -> Subjects:
    """The subjects of a metrics JSON's content.

    Raises InputError if an older version wrote it, without them, or if they do not add up to its confusion matrix.
    """
    where = f"metrics of {metrics['method']} under {metrics['protocol']}"
    if "subjects" not in metrics:
        raise InputError(f"{where}: key subjects is missing, as an older version wrote them; {RERUN}")
    entries = sorted(metrics["subjects"], key=lambda entry: (entry["dataset"], entry["subject"]))
    shape = (len(entries), len(metrics["seeds"]), *[len(metrics["classes"])] * 2)
    try:
        matrices = np.array([entry["confusion"] for entry in entries], dtype=int).reshape(shape)
    except ValueError:  # some subject has fewer seeds or classes
        matrices = np.zeros(shape, dtype=int)
    if not np.array_equal(matrices.sum((0, 1)), metrics["confusion"]["composite"]):
        raise InputError(f"{where}: key subjects does not add up to confusion.composite; {RERUN}")
    return Subjects([(entry["dataset"], entry["subject"]) for entry in entries], matrices)


def score_intervals(subjects: Subjects) -> dict[str, tuple[float, float]]:
    """{score: (low, high)}: the 95 % interval of UF1 and UAR over all datasets, in 0..1.

    A bootstrap: subjects are drawn with replacement within their dataset. A class that a draw lacks is left out of
    its mean, as everywhere. Empty with fewer than 10 subjects.
    """
    if len(subjects) < LEAST_SUBJECTS:
        return {}
    ends = bootstrap(subjects.strata(), lambda rows: _scores(subjects.matrices[rows].sum(-4)))
    return dict(zip(SCORES, ends.tolist(), strict=True))


def mean_interval(datasets: Sequence[str], values: np.ndarray) -> tuple[float, float] | None:
    """The 95 % interval of the mean over subjects of a value that each has, by the bootstrap of `score_intervals`.

    datasets: the dataset of every subject. values: (subjects,). None with fewer than 10 subjects.
    """
    if len(values) < LEAST_SUBJECTS:
        return None
    low, high = bootstrap(strata_of(datasets), lambda rows: values[rows].mean(-1)[None])[0]
    return float(low), float(high)


def compare(subjects: Subjects, others: Subjects) -> dict[str, Difference]:
    """{score: difference} of two methods, the first minus `others`; both predicted the same sequences per seed.

    The interval comes from the bootstrap of `score_intervals`, each draw scored for both. p is two-sided, of a
    permutation test: under the null hypothesis it does not matter which method made which of a subject's predictions,
    so those of all seeds are swapped together. Of n random swaps k are at least as far from 0: p = (k + 1) / (n + 1);
    up to 13 subjects all swaps are counted instead, and p is exact.
    Raises ValueError if subjects or shapes differ.
    """
    if subjects.names != others.names or subjects.matrices.shape != others.matrices.shape:
        raise ValueError("two methods of different subjects, seeds or classes cannot be compared")
    observed = _difference(subjects.matrices, others.matrices)
    ends = np.full((len(SCORES), 2), nan)
    if len(subjects) >= LEAST_SUBJECTS:
        matrices = subjects.matrices
        ends = bootstrap(subjects.strata(), lambda rows: _difference(matrices[rows], others.matrices[rows]))
    p_values = _permutation(subjects.matrices, others.matrices)
    found = zip(observed, *ends.T, p_values, strict=True)
    return {name: Difference(*map(float, values)) for name, values in zip(SCORES, found, strict=True)}


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: they keep the chance of any false finding below the level."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    return np.minimum(adjusted, 1).tolist()


def interval_notes(methods: Sequence[str], subjects: Sequence[Subjects | None]) -> list[str]:
    """What a table says about its rows' intervals, and why a row has none.

    subjects: of each method, None for metrics of an older version.
    """
    counts = sorted({len(found) for found in subjects if found})
    enough = [str(count) for count in counts if count >= LEAST_SUBJECTS]
    few = [str(count) for count in counts if count < LEAST_SUBJECTS]
    old = ", ".join(dict.fromkeys(name for name, found in zip(methods, subjects, strict=True) if found is None))
    notes = []
    if enough:
        drawn = f"{' or '.join(enough)} of them, each resampled within its dataset"
        notes.append(f"[ ]: 95 % bootstrap interval over subjects, {drawn}")
    if few:
        notes.append(f"No interval for {' or '.join(few)} subjects: at least {LEAST_SUBJECTS} are needed")
    if old:
        notes.append(f"No interval for {old}: an older version wrote the metrics, without results by subject")
    return notes


def _scores(matrices: np.ndarray) -> np.ndarray:
    """UF1 and UAR (2, ...) of confusion matrices (..., seeds, C, C), each the mean over seeds."""
    return np.stack([score(matrices).mean(-1) for score in SCORES.values()])


def _difference(matrices: np.ndarray, others: np.ndarray) -> np.ndarray:
    """UF1 and UAR (2, ...) of the one minus the other, both (..., subjects, seeds, C, C)."""
    difference = _scores(matrices.sum(-4)) - _scores(others.sum(-4))
    return np.round(difference, 12)  # equal differences have to compare as equal


def bootstrap(strata: list[np.ndarray], statistic: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The ends (scores, 2) of the interval of `statistic`, which takes rows (..., subjects) to (scores, ...)."""
    from scipy import stats  # here, as its import takes longer than a table without intervals

    # A dataset with one subject has nothing to draw from; scipy refuses it.
    alone = np.concatenate([rows for rows in strata if len(rows) == 1] or [np.array([], dtype=int)])

    def of_rows(*drawn: np.ndarray, axis: int) -> np.ndarray:
        fixed = np.broadcast_to(alone, (*drawn[0].shape[:-1], len(alone)))
        return statistic(np.concatenate([*drawn, fixed], axis))

    found = stats.bootstrap(
        [rows for rows in strata if len(rows) > 1],
        of_rows,
        n_resamples=RESAMPLES,
        batch=BATCH,
        vectorized=True,
        confidence_level=LEVEL,
        method="percentile",
        random_state=np.random.default_rng(SEED),
    )
    return np.stack(found.confidence_interval, axis=-1)


def _permutation(matrices: np.ndarray, others: np.ndarray) -> np.ndarray:
    """p-values (scores,) of the difference of two methods, both (subjects, seeds, C, C)."""
    from scipy import stats

    count = len(matrices)
    if count == 1:
        return np.ones(len(SCORES))  # swapped or not, the distance from 0 is the same
    both = np.concatenate([matrices, others])

    def distance(rows: np.ndarray, other_rows: np.ndarray, axis: int) -> np.ndarray:
        return np.moveaxis(np.abs(_difference(both[rows], both[other_rows])), 0, -1)

    return stats.permutation_test(
        (np.arange(count), np.arange(count, 2 * count)),
        distance,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        batch=BATCH,
        vectorized=True,
        alternative="greater",
        random_state=np.random.default_rng(SEED),
    ).pvalue
