"""Annotation tables as grids of cells, and what an index may say of a table that was changed.

The oracle of one row reads cells on its own. It knows what a cell means, not how the adapters find that out.
"""

import math
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import pandas as pd

from ra_icl.datasets.protocols import UNUSED_CASME2, UNUSED_EMOTIONS
from ra_icl.errors import Faults

EMPTY = {"", "/", "-", "nan", "none"}
UNKNOWN = EMPTY | {"?", "n/a", "na", "null", "unknown"}  # what an apex cell may hold that is not a number
NUMBERS = ("onset", "apex", "offset")
# Of the own data.
LABELS = {"negative": ("disgust", "fear"), "positive": ("joy",), "surprise": ("surprise",)}
CLASSES = {emotion: name for name, emotions in LABELS.items() for emotion in emotions}
EXCLUDED = ("others",)


@dataclass(frozen=True)
class Table:
    """A table: its cells, the position of its header row, and {role: title} of the columns that are read.

    dataset: name of the adapter. optional: roles whose column may be left out.
    """

    dataset: str
    cells: tuple[tuple[Any, ...], ...]
    header: int
    titles: Mapping[str, str]
    optional: tuple[str, ...] = ()

    def places(self) -> dict[str, int] | None:
        """{role: column}, or None if a column is missing or there twice."""
        titles = [plain(cell) for cell in self.cells[self.header]]
        found = {role: titles.index(plain(name)) for role, name in self.titles.items() if plain(name) in titles}
        needed = set(self.titles) - set(self.optional)
        return found if needed <= set(found) and all(titles.count(plain(self.titles[r])) == 1 for r in found) else None

    def rows(self) -> dict[int, dict[str, Any]]:
        """{row of the file, from 1: {role: cell}} of the rows below the header that are no notes and not empty."""
        places, found = self.places() or {}, {}
        for number, cells in enumerate(self.cells[self.header + 1 :], self.header + 2):
            row = {role: cells[place] if place < len(cells) else None for role, place in places.items()}
            if sum(not is_empty(cell) for cell in row.values()) > 1:
                found[number] = {role: row.get(role) for role in self.titles}
        return found


def plain(cell: Any) -> str:
    """A title as it is compared."""
    return "" if cell is None else " ".join(str(cell).split()).lower()


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing."""
    return cell is None or cell != cell or str(cell).strip().lower() in EMPTY


def number_of(cell: Any) -> int | None:
    """The frame number that a cell says, or None. A truth value, a date or a formula says none."""
    if isinstance(cell, bool | datetime) or cell is None:
        return None
    text = str(cell).strip()
    if not re.fullmatch(r"\+?\d+(\.\d*)?([eE][+-]?\d+)?", text):
        return None
    value = float(text)
    return int(value) if math.isfinite(value) and value == int(value) else None


# ---- one row ---------------------------------------------------------------------------------------------------------


def says(table: Table, row: Mapping[str, Any], found: Mapping[str, Any], classes: Mapping[str, str]) -> bool:
    """Whether a row of an index holds what a row of the table says. classes: {emotion: class} of own data."""
    if any(number_of(row[role]) != found[role] for role in ("onset", "offset") if role in row):
        return False
    if "apex" in row:
        given, unknown = number_of(row["apex"]), str(row["apex"]).strip().lower() in UNKNOWN
        if (given != found["apex"]) if not pd.isna(found["apex"]) else not (unknown or row["apex"] is None):
            return False
    if not is_empty(row.get("fps")) and str(found["fps"]) != str(_float(row["fps"])):
        return False
    return (
        _same_subject(table.dataset, row["subject"], found["subject"])
        and _same_clip(table.dataset, row["clip"], found)
        and _same_emotion(row, found, classes)
        and ("dataset" not in row or row["dataset"] == found["dataset"])
    )


def _float(cell: Any) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _text(cell: Any) -> str:
    return unicodedata.normalize("NFC", str(cell).strip())


def _written(name: str) -> str:
    """A name of an index as it was written, without the escapes =XX that stand for what a file's name may not hold."""
    return unquote(str(name).replace("%", "%25").replace("=", "%"))


def _same_subject(dataset: str, cell: Any, found: str) -> bool:
    if dataset in ("own", "published"):
        return _text(cell) == _text(_written(found))
    if isinstance(cell, bool) or re.fullmatch(r"-[\d.]+", str(cell).strip()):
        return False
    digits = re.fullmatch(r"\D*([0-9]+)(\.0*)?", str(cell).strip())
    return bool(digits) and int(digits[1]) == int(re.sub(r"\D", "", found))


def _same_clip(dataset: str, cell: Any, found: Mapping[str, Any]) -> bool:
    sequence = _written(found["sequence"])
    if dataset == "own":
        return os.path.normpath(_text(cell)) == _text(found["frames"])
    if dataset == "casme3":
        return _text(cell).lower() == sequence.rpartition("_")[0].lower()
    if dataset == "smic":
        digits = re.fullmatch(r"[sS]0*([0-9]+)(_.*)", _text(cell))
        return bool(digits) and f"s{int(digits[1]):02d}{digits[2].lower()}" == sequence
    return _text(cell) == _text(sequence)


def _same_emotion(row: Mapping[str, Any], found: Mapping[str, Any], classes: Mapping[str, str]) -> bool:
    emotion = _text(row["emotion"]).lower()
    return classes.get(emotion, None if classes else emotion) == found["emotion"]


def is_left_out(table: Table, row: Mapping[str, Any], excluded: Sequence[str]) -> bool:
    """Whether the rules leave a row out, so that it need not be named. excluded: emotions, of own data."""
    emotion = _text(row["emotion"]).lower()
    if emotion in UNUSED_EMOTIONS.get(table.dataset, ()) or emotion in excluded:
        return True
    if table.dataset == "casme2":
        return any(
            _same_subject("casme2", row["subject"], subject) and _text(row["clip"]) == clip
            for subject, clip in UNUSED_CASME2
        )
    if table.dataset != "casme3":
        return False
    onset, apex, offset = (number_of(row[role]) for role in NUMBERS)
    if apex is None and str(row["apex"]).strip().lower() in UNKNOWN | {"none"}:
        return None not in (onset, offset)
    return None not in (onset, apex, offset) and not onset < apex <= offset


# ---- a whole table ---------------------------------------------------------------------------------------------------


def names_row(line: str, number: int) -> bool:
    """Whether a line names a row of a file."""
    return bool(re.search(rf"\b(?:rows?|lines?) [^:;]*?\b{number}\b", line))


def check_index(
    before: tuple[Table, pd.DataFrame],
    after: tuple[Table, pd.DataFrame | None, Sequence[str]],
    classes: Mapping[str, str] | None = None,
    excluded: Sequence[str] = (),
    lines: Mapping[int, int] | None = None,
) -> None:
    """Assert that the index of a changed table is right, or that what is wrong was said.

    before: a sound table and its index. after: the changed one, its index (None: the file was refused) and what was
    said. lines: {row: the line where it begins}, of a CSV whose cells hold line breaks.
    """
    sound, old = before
    table, new, said = after
    if new is None:
        assert said
        return
    if table.places() is None:
        assert said, f"a column is missing or there twice, and nothing is said: {table.cells[table.header]}"
        return
    records = [record(row) for row in new.to_dict("records")]
    for record_before in _untouched(sound, old, table, excluded, classes or {}):
        assert record_before in records, f"a row that was not touched was {record_before} and is gone or another"
    rows = table.rows()
    for number, row in rows.items():
        numbers = {number, (lines or {}).get(number, number)}
        named = any(names_row(line, one) for line in said for one in numbers)
        read = any(says(table, row, found, classes or {}) for found in records)
        assert named or read or is_left_out(table, row, excluded), f"row {number} is lost or misread: {row}"
    for found in records:
        if table.dataset == "smic" and not any(_same_clip("smic", row["clip"], found) for row in rows.values()):
            continue  # its folder alone names it
        assert any(says(table, row, found, classes or {}) for row in rows.values()) or said, f"no row says {found}"
    _check_order(table, new, said)


def _check_order(table: Table, index: pd.DataFrame, said: Sequence[str]) -> None:
    """If nothing is a fault, keys are unique, frames in order, and names fit for files."""
    if Faults(said).serious:
        return
    assert len(index) <= len(table.rows()) or table.dataset == "smic"
    assert not index.duplicated(["dataset", "subject", "sequence"]).any()
    assert (index["onset"] < index["offset"]).all()
    apex = index["apex"].dropna()
    assert ((apex >= index["onset"][apex.index]) & (apex <= index["offset"][apex.index])).all()
    for subject in index["subject"]:
        assert subject not in ("", ".", "..")
        assert "/" not in subject
        assert subject.isprintable()


def record(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of an index with None for what is missing, so that equal rows compare equal."""
    return {key: None if pd.isna(value) else value for key, value in row.items()}


def _key(row: Mapping[str, Any]) -> tuple:
    return tuple((role, type(cell).__name__, str(cell)) for role, cell in row.items())


def _untouched(
    sound: Table, old: pd.DataFrame, table: Table, excluded: Sequence[str], classes: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The records of the sound table's rows that are in the changed table, once each and without surplus cells."""
    width, rows = len(table.cells[table.header]), table.rows()
    surplus = {_key(row) for number, row in rows.items() if len(table.cells[number - 1]) > width}
    kept = Counter(key for key in map(_key, rows.values()) if key not in surplus)
    records = [record(row) for row in old.to_dict("records")]
    found = []
    for row in sound.rows().values():
        if kept[_key(row)] == 1 and not is_left_out(sound, row, excluded):
            found += [one for one in records if says(sound, row, one, classes)]
    return found
