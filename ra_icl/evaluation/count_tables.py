"""Tables 4 and 5: sequences per class and subjects, counted from the annotation and compared with the paper."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ra_icl.datasets.index import TITLES
from ra_icl.datasets.protocols import EXPECTED, EXPECTED_SUBJECTS, PROTOCOLS, UNUSED_CASME2, select
from ra_icl.errors import InputError
from ra_icl.evaluation.metrics import DATA_SOURCE_CAVEATS
from ra_icl.evaluation.tables import EMPTY, Table, write_texts

CAPTIONS = {
    "4": "Sequences per class under the CDE setting",
    "5": "Sequences per class of CAS(ME)³ with 3, 4 and 7 classes",
}
COLUMNS_4 = {name: TITLES[name] for name in PROTOCOLS["cde"].datasets} | {"full": "Full"}
COLUMNS_5 = {"casme3_3": "3 classes", "casme3_4": "4 classes", "casme3_7": "7 classes"}
# The 7 classes below those of the 3- and 4-class protocols, as far as they are not the same.
ROWS_5 = dict.fromkeys((*PROTOCOLS["casme3_4"].classes, *PROTOCOLS["casme3_7"].classes))
RULE_5 = "Left out: rows that break onset < apex ≤ offset; with 3 classes also others"

Counts = dict[str, dict[str, int]]  # column -> row -> count


def write_counts(number: str, index: pd.DataFrame, out_stem: Path, data_source: str) -> None:
    """Write Table 4 or 5 of an index (all datasets of the table) as `out_stem`.csv, .md and .tex.

    data_source: datasets, twins or public_flow; twins are not compared with the paper.
    Raises InputError for another number, or an index without the table's datasets.
    """
    write_texts(build_counts(number, index, data_source), out_stem)


def build_counts(number: str, index: pd.DataFrame, data_source: str) -> Table:
    """Table 4 or 5 of an index; a count that differs from the paper's has the paper's in brackets."""
    if number not in CAPTIONS:
        raise InputError(f"table {number}: is no table of counts; choose 4 or 5")
    found, expected = _counts(number, index)
    if not any(found.values()):
        raise InputError(f"table {number}: the index holds none of its datasets; check `protocols` in the config")
    compared = expected if data_source != "twins" else found
    rows = list(ROWS_5) if number == "5" else list(PROTOCOLS["cde"].classes)
    titles = COLUMNS_5 if number == "5" else COLUMNS_4
    cells = [
        {"Class": row} | {titles[name]: _cell(found[name].get(row), compared[name].get(row)) for name in titles}
        for row in (*rows, "total", "subjects")
    ]
    caveat = DATA_SOURCE_CAVEATS[data_source]
    title = "; ".join(filter(None, [f"Table {number}. {CAPTIONS[number]}", caveat]))
    notes = _notes(number, found, compared, data_source)
    return Table(number, title, notes, pd.DataFrame(cells), 0)


def _counts(number: str, index: pd.DataFrame) -> tuple[Counts, Counts]:
    """What is found and what the paper gives, by column and row."""
    if number == "5":
        selected = {name: select(index, PROTOCOLS[name]) for name in COLUMNS_5}
        found = {name: _count(rows, PROTOCOLS[name].classes) for name, rows in selected.items()}
        expected = {name: _expected(name, "casme3") for name in COLUMNS_5}
        return found, expected
    rows, classes = select(index, PROTOCOLS["cde"]), PROTOCOLS["cde"].classes
    found = {name: _count(rows[rows["dataset"] == name], classes) for name in PROTOCOLS["cde"].datasets}
    expected = {name: _expected("cde", name) for name in PROTOCOLS["cde"].datasets}
    return found | {"full": _sum(found)}, expected | {"full": _sum(expected)}


def _count(rows: pd.DataFrame, classes: Sequence[str]) -> dict[str, int]:
    if rows.empty:
        return {}
    counts = {name: int((rows["label"] == label).sum()) for label, name in enumerate(classes)}
    return counts | {"total": len(rows), "subjects": int(rows["subject"].nunique())}


def _expected(protocol: str, dataset: str) -> dict[str, int]:
    counts = EXPECTED[protocol][dataset]
    return counts | {"total": sum(counts.values()), "subjects": EXPECTED_SUBJECTS[protocol][dataset]}


def _sum(counts: Counts) -> dict[str, int]:
    """The sum over datasets; subject ids repeat across datasets and are different people."""
    present = [one for one in counts.values() if one]
    return {row: sum(one[row] for one in present) for row in (present[0] if present else ())}


def _cell(found: int | None, expected: int | None) -> str:
    if found is None:
        return EMPTY
    return str(found) if found == expected else f"{found} ({expected})"


def _notes(number: str, found: Counts, compared: Counts, data_source: str) -> tuple[str, ...]:
    notes = [RULE_5 if number == "5" else _left_out(UNUSED_CASME2)]
    if data_source == "twins":
        return tuple(notes)
    differing = sum(
        count != compared[column].get(row) for column, counts in found.items() for row, count in counts.items()
    )
    verdict = f"{differing} counts differ from the paper's, which stand in brackets"
    return (*notes, verdict if differing else "Every count is the paper's")


def _left_out(sequences: Mapping[tuple[str, str], str]) -> str:
    by_reason: dict[str, list[str]] = {}
    for (subject, clip), reason in sequences.items():
        by_reason.setdefault(reason, []).append(f"{subject}/{clip}")
    named = ", ".join(f"{', '.join(names)} ({reason})" for reason, names in by_reason.items())
    return f"Left out of CASME II: others, sadness, fear, and {named}; of SAMM: other"
