"""A table of comma-separated values (CSV), with every cell in its column or a line that says which row does not fit."""

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pandas as pd

from ra_icl.datasets.spreadsheet import COLUMN_TWICE, UNREADABLE
from ra_icl.errors import FaultKind, Faults

_DELIMITERS = ",;\t"
_UTF_8 = "save it again as CSV UTF-8 (comma delimited)"
_EXAMPLE = "annotation.csv"
_ROW = {"where": f"{_EXAMPLE}, row 3"}

NOT_TEXT = FaultKind(
    "csv-format", "cannot be read as CSV: it is {seen}", _UTF_8, {"where": _EXAMPLE, "seen": "a workbook (.xlsx)"}
)
NOT_UTF_8 = FaultKind(
    "csv-encoding",
    "cannot be read as CSV: byte 0x{byte:02X} in line {line} is not UTF-8, so other letters may stand for it",
    _UTF_8,
    {"where": _EXAMPLE, "byte": 0xE9, "line": 3},
)
QUOTE = FaultKind(
    "csv-quote",
    "a quotation mark is not closed, or stands inside a cell ({reason})",
    "close it, double it inside a quoted cell, or take the line break out of the cell",
    _ROW | {"reason": "unexpected end of data"},
)
COLUMN_MISSING = FaultKind(
    "csv-column-missing",
    "no column {columns} (found: {found})",
    "the columns {needed} are required",
    {
        **{"where": f"{_EXAMPLE}, row 1", "columns": "'emotion'", "found": "subject, clip, onset, offset"},
        "needed": "subject, clip, onset, offset, emotion",
    },
)
CELL_COUNT = FaultKind(
    "csv-cell-count",
    "has {count} cells, the header {header}",
    "give every row a cell per column; a cell with a comma needs quotation marks",
    _ROW | {"count": 8, "header": 7},
)


@dataclass(frozen=True)
class Delimited:
    """The cells of a CSV. header: in lower case, without blanks around. rows: {row of the file: its cells}."""

    path: Path
    header_row: int
    titles: list[str]
    rows: dict[int, list[str]]

    @property
    def header(self) -> list[str]:
        """The names of the columns."""
        return [title.lower() for title in self.titles]

    def columns(self, names: Sequence[str], needed: Collection[str], faults: Faults) -> pd.DataFrame:
        """The named columns as text, indexed by the file's row numbers, named "row"; an absent column is left empty.

        needed: those that must be there. Rows with more cells than the header (but for empty ones) or without a cell of
        a needed column are left out and added to `faults`. Raises ManyFaultsError if a column is missing or there
        twice.
        """
        self._require(names, needed)
        places = {name: self.header.index(name) for name in names if name in self.header}
        width = len(self.header)
        # Some programs leave out the last cells of a row if they are empty; if no row is whole, the header is wrong.
        whole = any(len(cells) >= width for cells in self.rows.values())
        shortest = max(places[name] for name in needed) + 1 if whole else width
        found = {}
        for number, cells in self.rows.items():
            if any(cell.strip() for cell in cells[width:]) or len(cells) < shortest:
                faults.append(CELL_COUNT.at(f"{self.path}, row {number}", count=len(cells), header=width))
                continue
            padded = [*cells, *[""] * (width - len(cells))]
            found[number] = [padded[places[name]] if name in places else "" for name in names]
        index = pd.Index(list(found), name="row", dtype="int64")
        return pd.DataFrame(list(found.values()), columns=list(names), index=index, dtype="object")

    def _require(self, names: Sequence[str], needed: Collection[str]) -> None:
        where, faults = f"{self.path}, row {self.header_row}", Faults()
        missing = ", ".join(f"'{name}'" for name in needed if name not in self.header)
        if missing:
            shown = ", ".join(filter(None, self.titles))
            faults.append(COLUMN_MISSING.at(where, columns=missing, found=shown, needed=", ".join(needed)))
        for name in names:
            found = [title for title in self.titles if title.lower() == name]
            if len(found) > 1:
                faults.append(COLUMN_TWICE.at(where, column=name, count=len(found), found=", ".join(found)))
        faults.raise_any()


def read_delimited(path: Path, known: Collection[str]) -> Delimited:
    """Read a CSV in UTF-8; the first row that is not empty is the header, and rows of empty cells are left out.

    known: names of columns. Semicolons or tabs separate the cells if more of them are found so than with commas; a
    first line such as "sep=;", which spreadsheet programs write, is left out, and its character is taken.
    Raises InputError if the file cannot be read, is not text in UTF-8 or has a quotation mark that is not closed.
    """
    text, marks = _text(path), _DELIMITERS
    if stated := re.match(r'"?sep=([^"\r\n])"?[ ,;\t]*(?=[\r\n])', text, re.IGNORECASE):
        text, marks = text[stated.end() :], stated[1]  # its line, now empty, still counts as row 1
    found = max((_records(path, text, mark) for mark in marks), key=lambda rows: _matches(rows, known))
    if isinstance(found, Faults):
        found.raise_any()
    filled = {row: cells for row, cells in found.items() if any(cell.strip() for cell in cells)}
    if not filled:
        raise NOT_TEXT.error(path, seen="empty")
    header_row, *others = filled
    titles = [" ".join(cell.split()) for cell in filled[header_row]]
    while not titles[-1]:
        titles.pop()
    return Delimited(path, header_row, titles, {row: filled[row] for row in others})


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UNREADABLE.error(path, reason=error.strerror) from error
    for start, seen in {b"PK": "a workbook (.xlsx, .ods)", b"\xd0\xcf\x11\xe0": "an old workbook (.xls)"}.items():
        if data.startswith(start):
            raise NOT_TEXT.error(path, seen=seen)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NOT_TEXT.error(path, seen="text in UTF-16")
    if b"\0" in data:
        raise NOT_TEXT.error(path, seen=f"no text (a byte 0 in line {_line(data, data.index(0))})")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NOT_UTF_8.error(path, byte=error.object[error.start], line=_line(data, error.start)) from error


def _line(data: bytes, place: int) -> int:
    return data[:place].count(b"\n") + 1


def _records(path: Path, text: str, delimiter: str) -> dict[int, list[str]] | Faults:
    """{row: cells}, or what is wrong with the quotation marks.

    A mark that is closed only in a later row would hide the rows between; then a line of the cell looks like a row.
    """
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records: dict[int, list[str]] = {}
    try:
        for row, cells in enumerate(reader, 1):
            records[row] = cells
            lines = [line for cell in cells for line in cell.splitlines()[1:]]
            if any(line.count(delimiter) + 1 >= len(next(iter(records.values()))) for line in lines):
                return Faults([QUOTE.at(f"{path}, row {row}", reason="a cell holds a whole row")])
    except csv.Error as error:
        return Faults([QUOTE.at(f"{path}, row {len(records) + 1}", reason=error)])
    return records


def _matches(records: dict[int, list[str]] | Faults, known: Collection[str]) -> int:
    """How many of the known columns the first filled row names."""
    if isinstance(records, Faults):
        return 0
    header = next((cells for cells in records.values() if any(cell.strip() for cell in cells)), [])
    return len({cell.strip().lower() for cell in header} & set(known))
