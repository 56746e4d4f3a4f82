"""Tables 4 and 5: sequences per class and subjects, counted from the annotation and compared with the paper."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ra_icl.datasets.index import TITLES
from ra_icl.datasets.paper import EXPECTED, EXPECTED_SUBJECTS
from ra_icl.datasets.protocols import PROTOCOLS, UNUSED_CASME2, select
from ra_icl.errors import InputError
from ra_icl.evaluation.caveats import DATA, data_caveats, missing_datasets
from ra_icl.evaluation.data_notes import left_out_notes
from ra_icl.evaluation.table_formats import EMPTY, Table, write_formats

CAPTIONS = {
    "4": "Sequences per class under the CDE setting",
    "5": "Sequences per class of CAS(ME)³ with 3, 4 and 7 classes",
}
COLUMNS_4 = {name: TITLES[name] for name in PROTOCOLS["cde"].datasets} | {"full": "Full"}
COLUMNS_5 = {"casme3_3": "3 classes", "casme3_4": "4 classes", "casme3_7": "7 classes"}
# The 7 classes below those of the 3- and 4-class protocols, without those that are the same.
ROWS_5 = dict.fromkeys((*PROTOCOLS["casme3_4"].classes, *PROTOCOLS["casme3_7"].classes))
RULE_4 = "Left out of CASME II: others, sadness and fear; of SAMM: other"
RULE_5 = "Left out: rows that break onset < apex ≤ offset; with 3 classes also others"

Counts = dict[str, dict[str, int]]  # column -> row -> count


def write_counts(
    number: str, index: pd.DataFrame, out_stem: Path, data_source: str, left_out: Mapping[str, int] | None = None
) -> None:
    """Write Table 4 or 5 of an index (all datasets of the table) as `out_stem`.csv, .md, .tex, .notes.md and .html.

    data_source: datasets, twins or public_flow; twins are not compared with the paper. left_out: how many sequences
    `data.exclude` took out of each dataset, for the notes.
    Raises InputError for another number, or an index without the table's datasets.
    """
    write_formats(build_counts(number, index, data_source, left_out), out_stem)


def build_counts(
    number: str, index: pd.DataFrame, data_source: str, left_out: Mapping[str, int] | None = None
) -> Table:
    """Table 4 or 5 of an index; a printed count that differs from the paper's has the paper's in brackets.

    Its data have a row per class, the total and the subjects, and for real data as many `published` rows of the paper.
    """
    if number not in CAPTIONS:
        raise InputError(f"table {number}: not a table of counts; choose 4 or 5")
    of_source = data_caveats(data_source)
    found, expected = _counts(number, index)
    present = {name: counts for name, counts in found.items() if counts}
    if not present:
        raise InputError(f"table {number}: the index holds none of its datasets; check `protocols` in the config")
    missing = missing_datasets("cde", present) if number == "4" else []
    real = DATA[data_source] == "real"
    # A sum over some of the datasets is not compared with the paper's sum over all.
    compared = {name: expected[name] for name in present if real and not (name == "full" and missing)}
    data = _data(number, found, DATA[data_source])
    if real:
        data = pd.concat([data, _data(number, expected, "published")], ignore_index=True)
    notes = (*_notes(number, present, compared, data_source), *left_out_notes([left_out or {}]))
    printed = _printed(number, found, compared)
    return Table(number, CAPTIONS[number], (*of_source, *missing), notes, data, printed)


def _rows(number: str) -> list[str]:
    return [*(ROWS_5 if number == "5" else PROTOCOLS["cde"].classes), "total", "subjects"]


def _data(number: str, counts: Counts, data: str) -> pd.DataFrame:
    """Counts as rows of the CSV; empty if a protocol lacks the class or the dataset is missing."""
    rows = _rows(number)
    frame = pd.DataFrame({name: [one.get(row) for row in rows] for name, one in counts.items()}).astype("Int64")
    frame.insert(0, "data", data)
    frame.insert(1, "row", rows)
    return frame


def _printed(number: str, found: Counts, compared: Counts) -> pd.DataFrame:
    """The cells for people."""
    rows, titles = _rows(number), COLUMNS_5 if number == "5" else COLUMNS_4
    cells = {
        title: [_cell(found[name].get(row), compared.get(name, found[name]).get(row)) for row in rows]
        for name, title in titles.items()
    }
    return pd.DataFrame({"Class": rows} | cells)


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
    # Of the subjects of CAS(ME)³ the paper says nothing.
    subjects = {} if dataset == "casme3" else {"subjects": EXPECTED_SUBJECTS[protocol][dataset]}
    return counts | {"total": sum(counts.values())} | subjects


def _sum(counts: Counts) -> dict[str, int]:
    """The sum over datasets; subject ids repeat across datasets and are different people."""
    present = [one for one in counts.values() if one]
    return {row: sum(one[row] for one in present) for row in (present[0] if present else ())}


def _cell(found: int | None, expected: int | None) -> str:
    if found is None:
        return EMPTY
    return str(found) if expected in (None, found) else f"{found} ({expected})"


def _notes(number: str, found: Counts, compared: Counts, data_source: str) -> list[str]:
    """Which sequences were left out, and how many counts differ from the paper's."""
    notes = [RULE_5 if number == "5" else RULE_4]
    if data_source == "datasets" and "casme2" in found:
        notes.append(_left_out(UNUSED_CASME2))
    differing = sum(found[name].get(row) != count for name, counts in compared.items() for row, count in counts.items())
    if compared:
        verdict = f"{differing} counts differ from the paper's, which follow in brackets"
        notes.append(verdict if differing else "Every count is the paper's")
    return notes


def _left_out(sequences: Mapping[tuple[str, str], str]) -> str:
    """The note on single sequences of CASME II, by reason."""
    by_reason: dict[str, list[str]] = {}
    for (subject, clip), reason in sequences.items():
        by_reason.setdefault(reason, []).append(f"{subject}/{clip}")
    named = ", ".join(f"{', '.join(names)} ({reason})" for reason, names in by_reason.items())
    return f"Also left out of CASME II: {named}"
