"""Can printed scores exist? From UF1 and UAR by dataset and the number of sequences of each class.

Three questions are asked of a row of a table: has any confusion matrix of a dataset the UF1 and the UAR printed for
it; do the UARs of the datasets allow the UAR of all sequences together; and do any matrices of the datasets have all
printed scores at once. A row is said to be possible only with matrices that have its scores, and impossible only where
bounds or all matrices say so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from ra_icl.evaluation import attainable
from ra_icl.evaluation.metrics import uar, uf1

# Verdicts, the worse the later.
POSSIBLE = "possible"
OFF_BY_ONE = "possible if a last digit is off by one"
NOT_DECIDED = "not decided"
NOT_IN_ONE_RUN = "not in one run"  # a mean over several runs might have such scores
IMPOSSIBLE = "impossible"  # a mean over runs cannot have them either
VERDICTS = (POSSIBLE, OFF_BY_ONE, NOT_DECIDED, NOT_IN_ONE_RUN, IMPOSSIBLE)
COMPOSITE = "composite"
FEW = 200  # matrices of a dataset, if there are too many to try each with those of the others

Scores = tuple[float | None, float | None]


@dataclass(frozen=True)
class Printed:
    """A row of a table.

    counts: {dataset: sequences of each class}. scores: {"composite" or dataset: (UF1, UAR)} in %, None where none is
    printed. unit: what the last printed digit is worth, in points.
    """

    table: str
    method: str
    source: str
    counts: Mapping[str, Sequence[int]]
    scores: Mapping[str, Scores]
    unit: float


@dataclass(frozen=True)
class Finding:
    """The answer to one question about a row.

    check: "{dataset}", "composite", "uar" or "all". matrices: {dataset: (C, C)} that have the scores, if it is
    possible and the question is about all of them.
    """

    check: str
    verdict: str
    why: str
    matrices: Mapping[str, np.ndarray] = field(default_factory=dict)


def audit_row(printed: Printed) -> list[Finding]:
    """Every question that the row's scores allow; "all" is asked last, and only if nothing before it is impossible."""
    names = list(printed.counts)
    if len(names) == 1:
        whole = printed.scores.get(names[0]) or printed.scores[COMPOSITE]
        return [_pair(printed, COMPOSITE, printed.counts[names[0]], whole)] if None not in whole else []
    findings = [
        _pair(printed, name, printed.counts[name], printed.scores[name])
        for name in names
        if None not in printed.scores[name]
    ]
    total = np.sum(list(printed.counts.values()), 0)
    if None not in printed.scores[COMPOSITE]:
        findings += _bounds(printed, COMPOSITE, total, printed.scores[COMPOSITE])
    if None not in [printed.scores[name][1] for name in (COMPOSITE, *names)]:
        findings.append(_uars(printed))
    fine = all(VERDICTS.index(finding.verdict) < VERDICTS.index(NOT_IN_ONE_RUN) for finding in findings)
    if fine and None not in [printed.scores[name][0] for name in (COMPOSITE, *names)]:
        findings.append(_all(printed))
    return findings


def worst(findings: Sequence[Finding]) -> str:
    """The worst verdict; "not decided" if there was nothing to ask."""
    return max((finding.verdict for finding in findings), key=VERDICTS.index, default=NOT_DECIDED)


def _tolerances(printed: Printed) -> dict[str, float]:
    """{verdict if it is met: how far, in 0..1, a score may be from the printed one}: rounded; or cut, or off by one."""
    return {POSSIBLE: printed.unit / 200, OFF_BY_ONE: printed.unit / 100}


def _bounds(printed: Printed, name: str, counts: Sequence[int], scores: Scores) -> list[Finding]:
    """An impossible finding if no UF1 goes with this UAR even in the mean over runs."""
    unit = printed.unit / 100
    low, high = attainable.uf1_range(counts, scores[1] / 100, unit)
    if low - unit <= scores[0] / 100 <= high + unit:
        return []
    allowed = f"from {100 * low:.2f} to {100 * high:.2f}"
    return [Finding(name, IMPOSSIBLE, f"UF1 is {_text(scores[0])}, but UAR {_text(scores[1])} allows UF1 {allowed}")]


def _pair(printed: Printed, name: str, counts: Sequence[int], scores: Scores) -> Finding:
    """Whether one dataset's UF1 and UAR go together."""
    if bounded := _bounds(printed, name, counts, scores):
        return bounded[0]
    said = _said(scores)
    for verdict, tolerance in _tolerances(printed).items():
        rows, every = attainable.rows_with(counts, scores[0] / 100, scores[1] / 100, tolerance, most=1)
        if len(rows):
            matrices = _verified({name: counts}, rows[:1], {name: scores}, tolerance)
            return Finding(name, verdict, f"{said}: {_told(counts, rows[0])}", matrices)
        if not every:  # there may be one of exactly these scores, so that nothing is said against them
            return Finding(name, NOT_DECIDED, f"no confusion matrix with {said} was found, of too many to try each")
    return Finding(name, NOT_IN_ONE_RUN, f"no confusion matrix of {_slashed(counts)} sequences has {said}")


def _uars(printed: Printed) -> Finding:
    """Whether the datasets' UARs allow that of all sequences together."""
    counts = np.array(list(printed.counts.values()))
    composite = printed.scores[COMPOSITE][1]
    uars = [printed.scores[name][1] / 100 for name in printed.counts]
    unit = printed.unit / 100
    low, high = attainable.uar_range(counts, uars, unit)
    if not low - unit <= composite / 100 <= high + unit:
        allowed = f"from {100 * low:.2f} to {100 * high:.2f}"
        return Finding(
            "uar", IMPOSSIBLE, f"composite UAR is {_text(composite)}, but those of the datasets allow {allowed}"
        )
    for verdict, tolerance in _tolerances(printed).items():
        hits = attainable.hits_with_uars(counts, uars, composite / 100, tolerance)
        if hits is not None:
            told = ", ".join(f"{name} {_slashed(row)}" for name, row in zip(printed.counts, hits, strict=True))
            return Finding("uar", verdict, f"hits {told}")
    reason = "the UARs of the datasets have no whole numbers of hits"
    return Finding("uar", NOT_IN_ONE_RUN, f"{reason} that give composite UAR {_text(composite)}")


def _all(printed: Printed) -> Finding:
    """Whether some confusion matrices have all printed scores."""
    counts = np.array(list(printed.counts.values()))
    wanted = [None if score is None else score / 100 for score in printed.scores[COMPOSITE]]
    for verdict, tolerance in _tolerances(printed).items():
        found = [_rows(printed, name, tolerance) for name in printed.counts]
        lists, every = [rows for rows, _ in found], all(complete for _, complete in found)
        if prod(map(len, lists)) > attainable.WORK:
            lists, every = [rows[:: 1 + len(rows) // FEW] for rows in lists], False
        chosen = attainable.together(counts, lists, *wanted, tolerance)
        if chosen:
            matrices = _verified(printed.counts, chosen, printed.scores, tolerance)
            told = [f"{name} {_told(*row)}" for name, *row in zip(printed.counts, counts, chosen, strict=True)]
            return Finding("all", verdict, "; ".join(told), matrices)
        if not every:
            return Finding(
                "all", NOT_DECIDED, "no confusion matrices with all scores were found, of too many to try each"
            )
    said = _said(printed.scores[COMPOSITE])
    return Finding(
        "all", NOT_IN_ONE_RUN, f"each dataset's scores exist, but none of their matrices give {said} over all"
    )


def _rows(printed: Printed, name: str, tolerance: float) -> tuple[np.ndarray, bool]:
    f1, recall = printed.scores[name]
    return attainable.rows_with(printed.counts[name], f1 / 100, None if recall is None else recall / 100, tolerance)


def _verified(
    counts: Mapping[str, Sequence[int]], rows: Sequence[np.ndarray], scores: Mapping[str, Scores], tolerance: float
) -> dict[str, np.ndarray]:
    """{dataset: (C, C)} of rows (2 C,) of (hits, wrong), after their scores were computed from the matrices."""
    matrices = {
        name: attainable.confusion_of(count, *np.split(row, 2))
        for (name, count), row in zip(counts.items(), rows, strict=True)
    }
    subsets = {COMPOSITE: sum(matrices.values())} | matrices
    for name, wanted in scores.items():
        for score, value in zip((uf1, uar), wanted, strict=True):
            if value is not None and abs(score(subsets[name]) - value / 100) > tolerance + 2 * attainable.EPSILON:
                raise AssertionError(f"{name}: {score.__name__} {score(subsets[name])} is not {value / 100}")
    return matrices


def _told(counts: Sequence[int], row: np.ndarray) -> str:
    hits, wrong = np.split(row, 2)
    return f"hits {_slashed(hits)} of {_slashed(counts)}, wrongly predicted {_slashed(wrong)}"


def _said(scores: Scores) -> str:
    return " and ".join(f"{name} {_text(value)}" for name, value in zip(("UF1", "UAR"), scores, strict=True) if value)


def _slashed(values: Sequence[int]) -> str:
    return "/".join(map(str, values))


def _text(score: float) -> str:
    return f"{score:.2f}"
