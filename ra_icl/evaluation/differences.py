"""The table of differences: one method against every other, on the same sequences."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ra_icl.errors import InputError
from ra_icl.evaluation.caveats import DATA, all_caveats
from ra_icl.evaluation.choice import selection_notes
from ra_icl.evaluation.data_notes import data_notes
from ra_icl.evaluation.intervals import RESAMPLES, SCORES, Subjects, compare, holm, interval_notes, subjects_of
from ra_icl.evaluation.records import read_metrics
from ra_icl.evaluation.table_formats import Table, write_formats
from ra_icl.evaluation.tables import DECIMALS, SYNTHETIC_NOTE, record, signed

REFERENCE = "m6"
VALUES = ("difference", "low", "high", "p", "p_holm")
# What two methods must share, besides the sequences, for a difference of scores to be theirs alone.
SHARED = ("protocol", "data_source", "classes", "selection")


def write_differences(
    metrics_jsons: Sequence[Path],
    out_stem: Path,
    reference: str = REFERENCE,
    methods: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write the table of differences as `out_stem`.csv, .md, .tex, .notes.md and .html; see `build_differences`."""
    metrics = [read_metrics(path) for path in metrics_jsons]
    write_formats(build_differences(metrics, reference, methods or {}), out_stem)


def build_differences(
    metrics: Sequence[Mapping[str, Any]], reference: str, methods: Mapping[str, Mapping[str, Any]]
) -> Table:
    """`reference` minus each other method, in points of UF1 and UAR over all datasets.

    metrics: as `metrics.aggregate` writes them, of one protocol, a method once; rows keep their order, and that of
    `methods`, which maps a method's name to its "title", for those that it has. Holm's adjustment runs over the rows,
    for UF1 and UAR apart.
    Raises InputError unless the reference and another method are there, and all predicted the same sequences.
    """
    ours, others = _parted(metrics, reference, list(methods))
    subjects = subjects_of(ours)
    rows = []
    for content in others:
        theirs = subjects_of(content)
        if content.get("draws", True) is False:  # every seed predicts alike
            theirs = Subjects(theirs.names, theirs.matrices[:, :1])
        _require_same(ours, subjects, content, theirs)
        theirs = Subjects(theirs.names, np.broadcast_to(theirs.matrices, subjects.matrices.shape))
        rows.append(_row(content, reference, methods, theirs, subjects))
    data = pd.DataFrame(rows)
    for score in SCORES:
        data[f"{score}_p_holm"] = holm(data[f"{score}_p"])
    ids = [column for column in data if not column.startswith(tuple(SCORES))]
    data = data[[*ids, *(f"{score}_{value}" for score in SCORES for value in VALUES)]]
    title = _title(reference, methods)
    caption = f"{title} minus each other method, protocol {ours['protocol']}, in points of UF1 and UAR"
    all_of_them = [ours, *others]
    notes = _notes(ours, subjects, len(others), [*data_notes(all_of_them, methods), *selection_notes(all_of_them)])
    said = tuple(all_caveats(all_of_them))
    return Table("differences", caption, said, notes, data, _printed(data), record=record(all_of_them))


def _parted(
    metrics: Sequence[Mapping[str, Any]], reference: str, order: Sequence[str]
) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """The reference's metrics, and the others' in the order of the config."""
    names = [content["method"] for content in metrics]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated:
        raise InputError(f"differences: {repeated} is given twice; name each method's metrics once")
    if reference not in names:
        raise InputError(f"differences: no metrics of the reference {reference} given; add them, or give --reference")
    if len(names) == 1:
        raise InputError(f"differences: only {reference} is given; name the metrics of a method to compare it with")
    places = {name: place for place, name in enumerate(order)}
    ranked = sorted(metrics, key=lambda content: places.get(content["method"], len(places)))
    return metrics[names.index(reference)], [content for content in ranked if content["method"] != reference]


def _require_same(ours: Mapping[str, Any], subjects: Subjects, content: Mapping[str, Any], theirs: Subjects) -> None:
    """Raise InputError unless two methods predicted the same sequences, as far as counts by class and subject tell."""
    pair = f"differences: {content['method']} and {ours['method']}"
    # What draws nothing predicts alike with every seed, and is run with the first alone.
    alike = content.get("draws", True) is False and set(content["seeds"]) <= set(ours["seeds"])
    for key in [*SHARED, *([] if alike else ["seeds"])]:
        if content[key] != ours[key]:
            raise InputError(f"{pair} differ in {key} ({content[key]}, {ours[key]}); compare like with like")
    only = sorted(set(subjects.names) ^ set(theirs.names))
    if only:
        raise InputError(f"{pair}: only one predicted subject {'/'.join(only[0])}; run both on the same sequences")
    differ = (subjects.matrices.sum(-1) != theirs.matrices.sum(-1)).any((1, 2))  # one seed stands for all
    if differ.any():
        name = "/".join(subjects.names[int(differ.argmax())])
        raise InputError(f"{pair}: other labels or sequences of subject {name}; run both on the same sequences")


def _row(
    content: Mapping[str, Any],
    reference: str,
    methods: Mapping[str, Mapping[str, Any]],
    theirs: Subjects,
    subjects: Subjects,
) -> dict[str, Any]:
    """A row of the CSV without Holm's adjustment: differences and intervals in points."""
    method = content["method"]
    row = {"data": DATA[content["data_source"]], "method": method, "title": _title(method, methods)}
    row |= {"reference": reference, "protocol": content["protocol"]}
    row |= {"subjects": len(subjects), "seeds": len(content["seeds"])}
    for score, found in compare(subjects, theirs).items():
        points = {"difference": found.value, "low": found.low, "high": found.high}
        row |= {f"{score}_{name}": round(100 * value, DECIMALS) for name, value in points.items()}
        row[f"{score}_p"] = found.p
    return row


def _title(method: str, methods: Mapping[str, Mapping[str, Any]]) -> str:
    return methods.get(method, {}).get("title", method.upper())


def _printed(data: pd.DataFrame) -> pd.DataFrame:
    """The cells for people, all text."""
    cells = {"Method": data["title"], "Data": data["data"]}
    for score in SCORES:
        found = data[[f"{score}_{value}" for value in ("difference", "low", "high")]].itertuples(index=False)
        cells[score.upper()] = [signed(*values) for values in found]
        cells[f"{score.upper()}: p"] = data[f"{score}_p"].map("{:.4f}".format)
        cells[f"{score.upper()}: Holm"] = data[f"{score}_p_holm"].map("{:.4f}".format)
    return pd.DataFrame(cells)


def _notes(ours: Mapping[str, Any], subjects: Subjects, comparisons: int, said: Sequence[str]) -> tuple[str, ...]:
    """What was done with the data, which options were chosen, what the columns mean, why intervals may be missing."""
    exact = 2 ** len(subjects) <= RESAMPLES
    swaps = f"all {2 ** len(subjects):,} ways" if exact else f"{RESAMPLES:,} random ways"
    seeds, least = len(ours["seeds"]), 2 / 2 ** len(subjects)  # nothing swapped and all swapped always count
    too_few = f"With {len(subjects)} subjects p cannot be below {least:g}, however large a difference is"
    return (
        *([SYNTHETIC_NOTE] if ours["data_source"] == "twins" else []),
        *said,
        *interval_notes([ours["method"]], [subjects]),
        f"p: two-sided, from {swaps} of swapping subjects' predictions between the two methods",
        *([too_few] * (least > 0.05)),
        f"Holm: p adjusted for {comparisons} comparisons, separately for UF1 and UAR",
        *([f"A score is its mean over {seeds} seeds; those of a subject stay together"] * (seeds > 1)),
    )
