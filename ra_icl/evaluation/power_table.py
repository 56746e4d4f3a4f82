"""The table of power: which printed differences a paired test over subjects could see, and from what size on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ra_icl.datasets.paper import EXPECTED
from ra_icl.errors import FaultKind, InputError
from ra_icl.evaluation.audit import COMPOSITE, Scores, audit_row
from ra_icl.evaluation.audit_table import read_scores
from ra_icl.evaluation.intervals import SCORES, subjects_of
from ra_icl.evaluation.power import power, smallest_seen
from ra_icl.evaluation.records import read_metrics
from ra_icl.evaluation.simulation import Agreement, People, measure_agreement
from ra_icl.evaluation.table_formats import EMPTY, Table, write_formats
from ra_icl.files import RERUN

OTHER_PEOPLE = FaultKind(
    "power-other-people",
    "{method} was tested on other subjects or labels than {first}",
    "give metrics of the same sequences",
    {"where": "m2.json", "method": "m2", "first": "m1"},
)
NOT_CDE = FaultKind(
    "power-not-cde",
    "{method} was tested on {found}, and not on the three datasets of Table 3",
    "give metrics of protocol cde or groups5 on CASME II, SAMM and SMIC-HS",
    {"where": "m2.json", "method": "m2", "found": "casme3"},
)
ONE_METHOD = FaultKind(
    "power-one-method",
    "all metrics are of {method}",
    "give those of another method too, since how far two methods agree decides what a test can see",
    {"where": "m2.json", "method": "m2"},
)
NOT_PRINTED = FaultKind(
    "power-not-printed",
    "Table 3 has no row {method} for which confusion matrices were found",
    "restore the file, or run `ra-icl audit` on it to see why",
    {"where": "config/published.csv", "method": "M6 (ours)"},
)
OURS = "M6 (ours)"
# The differences that the paper explains, and those that the table of differences has besides: Holm's adjustment is
# over all of them.
ASKED = (("M1", "M2"), ("M5", OURS), (OURS, "M7"), (OURS, "M8"), (OURS, "M9"))
OTHERS = (("M1", OURS), ("M2", OURS), ("M3", OURS), ("M4", OURS), ("M10", OURS))
SIMULATIONS = 1000
CAPTION = "Power of a paired test over {subjects} subjects, simulated, differences in points"
PRINTED = "M6, as printed"
MEASURED, SEEDS = "two methods", "two seeds"


@dataclass(frozen=True)
class Run:
    """What one training predicted. matrices: (subjects, C, C). hits: (sequences,), which are predicted rightly."""

    method: str
    matrices: np.ndarray
    hits: np.ndarray


def write_power(metrics_jsons: Sequence[Path], published: Path, out_stem: Path, simulations: int = SIMULATIONS) -> None:
    """Write the table of power as `out_stem`.csv, .md, .tex, .notes.md and .html; see `build_power`."""
    metrics = {Path(path): read_metrics(path) for path in metrics_jsons}
    write_formats(build_power(metrics, published, simulations), out_stem)


def build_power(metrics: Mapping[Path, Mapping[str, Any]], published: Path, simulations: int) -> Table:
    """The table of power.

    metrics: {file: content} of at least two methods on the same sequences; they tell how many sequences of each class
    a subject has, and how far methods agree. published: the CSV of published rows; Table 3 tells the methods' scores.
    simulations: experiments per question.
    Raises InputError for metrics of one method, of different sequences or of an older version, and without Table 3.
    """
    people, runs = _read_runs(metrics)
    agreements = _agreements(people, runs)
    printed, scores = _printed_rates(published)
    names, pairs = list(printed), (*ASKED, *OTHERS)
    places = [(names.index(first), names.index(second)) for first, second in pairs]
    levels = {PRINTED: printed[OURS], f"{runs[0].method}, as measured": people.rates(runs[0].matrices)}
    rows = []
    for agreement in agreements:
        found = power(people, np.stack(list(printed.values())), agreements[agreement], places, simulations)
        for number, (first, second) in enumerate(ASKED):
            row = {"question": f"{first} to {second}".replace(OURS, "M6"), "agreement": agreement}
            for place, score in enumerate(SCORES):
                row[f"{score}_difference"] = round(scores[second][place] - scores[first][place], 2)
                row |= {f"{score}_power": found["alone"][number, place], f"{score}_holm": found["holm"][number, place]}
            rows.append(row)
    for level, rates in levels.items():
        for agreement in agreements:
            seen = smallest_seen(people, rates, agreements[agreement], len(pairs), simulations)
            rows += _smallest_rows(level, agreement, seen)
    data = pd.DataFrame(rows)
    data.insert(0, "data", "simulated")
    caption = CAPTION.format(subjects=len(people.labels))
    notes = _notes(people, agreements, runs, simulations, len(pairs))
    return Table("power", caption, (), notes, data, _printed(data))


def _smallest_rows(level: str, agreement: str, seen: np.ndarray) -> list[dict[str, Any]]:
    """Two rows: the smallest difference that is seen, alone and among all; `seen` as `smallest_seen` returns it."""
    rows = []
    for place, (kind, words) in enumerate({"power": "", "holm": " after Holm"}.items()):
        row = {"question": f"smallest seen{words}, from {level}", "agreement": agreement}
        for score, found in zip(SCORES, seen, strict=True):
            row[f"{score}_difference"] = round(100 * found[place], 1)
            row |= {f"{score}_power": np.nan, f"{score}_holm": np.nan} | {f"{score}_{kind}": 0.8}
        rows.append(row)
    return rows


def _read_runs(metrics: Mapping[Path, Mapping[str, Any]]) -> tuple[People, list[Run]]:
    """The people, and the runs of all methods, a seed each."""
    runs, people, names = [], None, []
    for path, content in metrics.items():
        subjects = subjects_of(content)
        sequences = _sequences(path, content)
        named = [(one["dataset"], one["subject"], one["label"], one["sequence"]) for one in sequences]
        if people is None:
            found, datasets = np.unique([dataset for dataset, _ in subjects.names], return_inverse=True)
            if list(found) != sorted(EXPECTED["cde"]):
                raise NOT_CDE.error(path, method=content["method"], found=", ".join(found))
            people, names = People(subjects.matrices[:, 0].sum(-1), datasets), named
        if names != named:
            raise OTHER_PEOPLE.error(path, method=content["method"], first=runs[0].method)
        hits = np.array([np.equal(one["predictions"], one["label"]) for one in sequences]).T
        runs += [
            Run(content["method"], *of_seed) for of_seed in zip(subjects.matrices.swapaxes(0, 1), hits, strict=True)
        ]
    if len({run.method for run in runs}) < 2:
        raise ONE_METHOD.error(next(iter(metrics), "metrics"), method=runs[0].method if runs else "no method")
    return people, runs


def _sequences(path: Path, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All sequences with dataset and subject, sorted as `People.sequences` has them."""
    if any("sequences" not in subject for subject in content["subjects"]):
        raise InputError(f"{path}: key subjects.sequences is missing, as an older version wrote it; {RERUN}")
    found = [
        {"dataset": subject["dataset"], "subject": subject["subject"], **one}
        for subject in content["subjects"]
        for one in subject["sequences"]
    ]
    return sorted(found, key=itemgetter("dataset", "subject", "label", "sequence"))


def _agreements(people: People, runs: Sequence[Run]) -> dict[str, Agreement]:
    """How far two methods agree and, if a method was trained with several seeds, how far two trainings of it do."""
    found = {}
    for name, same in ((MEASURED, False), (SEEDS, True)):
        pairs = [(one.hits, other.hits) for one, other in combinations(runs, 2) if (one.method == other.method) == same]
        if pairs:
            found[name] = measure_agreement(people, pairs)
    return found


def _printed_rates(published: Path) -> tuple[dict[str, np.ndarray], dict[str, Scores]]:
    """Of the methods of Table 3 (datasets, C, C), the matrices that the audit found as shares, and UF1 and UAR in %."""
    rows = {row.method: row for row in read_scores(published, {}) if row.table == "3"}
    found = {}
    for method in dict.fromkeys(name for pair in (*ASKED, *OTHERS) for name in pair):
        matrices = audit_row(rows[method])[-1].matrices if method in rows else {}
        if not matrices:
            raise NOT_PRINTED.error(published, method=method)
        by_dataset = np.array([matrices[name] for name in sorted(matrices)], dtype=float)
        found[method] = by_dataset / by_dataset.sum(-1, keepdims=True)
    return found, {method: rows[method].scores[COMPOSITE] for method in found}


def _printed(data: pd.DataFrame) -> pd.DataFrame:
    """The cells for people, all text."""
    cells = {"Difference": data["question"], "Agreement": data["agreement"]}
    for score in SCORES:
        cells[score.upper()] = [
            _points(*row) for row in zip(data["question"], data[f"{score}_difference"], strict=True)
        ]
        for kind, title in {"power": "power", "holm": "after Holm"}.items():
            cells[f"{score.upper()}: {title}"] = [
                EMPTY if isnan(p) else f"{100 * p:.0f} %" for p in data[f"{score}_{kind}"]
            ]
    return pd.DataFrame(cells)


def _points(question: str, difference: float) -> str:
    if question.startswith("smallest"):
        return "none tried" if isnan(difference) else f"{difference:.1f}"
    return f"{difference:+.2f}".replace("-", "−")


def _notes(
    people: People,
    agreements: Mapping[str, Agreement],
    runs: Sequence[Run],
    simulations: int,
    comparisons: int,
) -> tuple[str, ...]:
    """What was assumed."""
    methods = ", ".join(f"{name} ({count})" for name, count in Counter(run.method for run in runs).items())
    told = "; ".join(
        f"{name}: {one.sequence:.2f} on one sequence, {one.person:.2f} on two sequences of a person, {one.method:.2f} "
        "if one method predicts both"
        for name, one in agreements.items()
    )
    return (
        f"Power: in how many of {simulations:,} simulated experiments the table of differences would have p ≤ 0.05; "
        f"after Holm: the adjusted p, of {comparisons} comparisons. A difference of 0 has 5 % or less",
        "Each method predicts each class of each dataset with the shares of confusion matrices that have its printed "
        "scores (target audit)",
        "Agreement: how alike two methods err, as correlations of the normal numbers behind two predictions of a "
        f"class, measured on {methods} (trainings): {told}",
        "Smallest seen: the difference with a power of 80 %, if the weaker method misses each class more often by one "
        f"factor; after Holm: with p ≤ 0.05 / {comparisons}, as if no other difference were found",
        f"{people.labels.sum()} sequences of {len(people.labels)} subjects, one training per method",
    )


def power_notes(table: Path, number: str) -> list[str]:
    """What the notes of Table 3 say about the paper's differences, from the CSV of `write_power`; [] without it."""
    if number != "3" or not Path(table).is_file():
        return []
    data = pd.read_csv(table)
    smallest = data[data["question"].str.startswith("smallest") & data["question"].str.endswith(PRINTED)]
    seen = [
        f"{rows['uf1_difference'].min():.1f} to {rows['uf1_difference'].max():.1f} points"
        for rows in (smallest[smallest[f"uf1_{kind}"].notna()] for kind in ("power", "holm"))
    ]
    asked = data[~data["question"].str.startswith("smallest")]
    most = [f"{100 * asked[f'{score}_power'].max():.0f} % in {score.upper()}" for score in SCORES]
    return [
        f"A paired test over 68 subjects sees a difference in UF1 of {seen[0]} with a power of 80 %, or of {seen[1]} "
        "after Holm's adjustment (simulated: docs/leak.md). The paper's differences between M1 and M2, M5 and M6, and "
        f"M6 and M7 to M9 are smaller: at best they have a power of {most[0]} and {most[1]}"
    ]
