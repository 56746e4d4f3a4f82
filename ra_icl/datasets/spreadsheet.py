"""The table of an annotation spreadsheet (.xlsx): its header, the columns that are needed, and every fault of them."""

from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.datasets.cells import is_empty
from ra_icl.datasets.workbook import DamagedWorkbookError, Sheet, Workbook, cell_name
from ra_icl.errors import FaultKind, Faults

_HEADER_SEARCH = 60  # rows; SAMM's header follows 13 rows of notes
_SHOWN = 3  # cells that a message names
_OFFICIAL = "give the dataset's official annotation file"
_XLSX = "open it in a spreadsheet program and save it again as .xlsx"
_EXAMPLE = "CASME2-coding-20140508.xlsx"

UNREADABLE = FaultKind(
    "file-unreadable",
    "cannot be read ({reason})",
    "restore the file, or give yourself permission to read it",
    {"where": _EXAMPLE, "reason": "Permission denied"},
)
NOT_XLSX = FaultKind(
    "spreadsheet-format",
    "cannot be read as an .xlsx spreadsheet: it is {seen}",
    _XLSX,
    {"where": "CASME2-coding-20140508.xls", "seen": "an old .xls workbook, or one with a password"},
)
DAMAGED = FaultKind(
    "spreadsheet-damaged",
    "cannot be read as an .xlsx spreadsheet: it is damaged ({reason})",
    _XLSX + ", or get it again",
    {"where": _EXAMPLE, "reason": "no element found: line 1, column 5163"},
)
NO_HEADER = FaultKind(
    "header-missing",
    "no header row with a column '{column}' (in sheet '{sheet}'; the file has the sheets {sheets})",
    "move the sheet that has it to the front, or " + _OFFICIAL,
    {"where": _EXAMPLE, "column": "Subject", "sheet": "Summary", "sheets": "Summary, Codes"},
)
NO_COLUMN = FaultKind(
    "column-missing",
    "no column '{column}' (found: {found})",
    _OFFICIAL,
    {"where": f"{_EXAMPLE}, row 1", "column": "OffsetFrame", "found": "Subject, Filename, OnsetFrame, ApexFrame"},
)
COLUMN_TWICE = FaultKind(
    "column-twice",
    "the column '{column}' occurs {count} times ({found})",
    "remove or rename all but the one that holds",
    {"where": "annotation.csv, row 1", "column": "emotion", "count": 2, "found": "emotion, Emotion"},
)
NOT_COMPUTED = FaultKind(
    "formula-not-computed",
    "{cells} hold{s} a formula without a stored value",
    _XLSX + ", which stores the values",
    {"where": f"{_EXAMPLE}, row 2", "cells": "cells E2, E3, E4 and 252 more", "s": ""},
)
MERGED_CELLS = FaultKind(
    "cells-merged",
    "the cells {range} are merged, so that it is not certain what each row says",
    "unmerge them and fill in every cell",
    {"where": f"{_EXAMPLE}, row 2", "range": "A2:A10"},
)


def read_table(path: str | Path, columns: Sequence[str], sheet: str | None = None) -> pd.DataFrame:
    """Read the named columns of an annotation spreadsheet (.xlsx), cells unchanged.

    The header is the first row whose first cell is `columns[0]`, or, if there is none, the first with that in another
    cell; names are compared without regard to case and extra blanks. Rows with fewer than two of the columns filled are
    notes and are left out, and so are cells beside the named columns. sheet: name of the sheet; if there is no such
    sheet, the first is read. The result's index holds the spreadsheet's row numbers (1-based), named "row".
    Raises InputError if the file cannot be read, has no header, lacks a column or has one twice, or if a cell of the
    columns is merged with others or holds a formula that was never computed.
    """
    name, page, others = _sheet(Path(path), sheet)
    header = _header(page, _plain(columns[0]))
    if header is None:
        raise NO_HEADER.error(path, column=columns[0], sheet=name, sheets=", ".join(others))
    places = _places(page.rows[header], columns, f"{path}, row {header}")
    below = {row: [page.rows[row].get(place) for place in places] for row in sorted(page.rows) if row > header}
    uncomputed = [[(row, place) in page.uncomputed for place in places] for row in below]
    filled = [
        sum(not is_empty(cell) for cell in cells) + sum(empty)
        for cells, empty in zip(below.values(), uncomputed, strict=True)
    ]
    kept = {row: below[row] for row, count in zip(below, filled, strict=True) if count > 1}
    _refuse_uncertain(page, list(kept), places, path)
    table = pd.DataFrame(list(kept.values()), columns=list(columns), dtype="object")
    return table.set_axis(pd.Index(list(kept), name="row", dtype="int64"))


def _header(page: Sheet, title: str) -> int | None:
    rows = [row for row in sorted(page.rows) if row <= _HEADER_SEARCH]
    titled = [row for row in rows if title in map(_plain, page.rows[row].values())]
    return next((row for row in titled if _plain(page.rows[row].get(1)) == title), min(titled, default=None))


def _sheet(path: Path, wanted: str | None) -> tuple[str, Sheet, list[str]]:
    """The sheet that is wanted, or the first, with its name and the names of all."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UNREADABLE.error(path, reason=error.strerror) from error
    if not data.startswith(b"PK"):
        raise NOT_XLSX.error(path, seen=_kind_of(data))
    try:
        book = Workbook(data)
        named = [name for name in book.sheet_names if wanted and _plain(name) == _plain(wanted)]
        name = (named or book.sheet_names)[0]
        return name, book.sheet(name), book.sheet_names
    except DamagedWorkbookError as error:
        if b"mimetypeapplication/vnd.oasis.opendocument" in data[:200]:
            raise NOT_XLSX.error(path, seen="an OpenDocument file (.ods)") from error
        raise DAMAGED.error(path, reason=error) from error


def _kind_of(data: bytes) -> str:
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        return "an old .xls workbook, or one with a password"
    if not data.strip(b"\0\r\n\t "):
        return "empty"
    return "no workbook" if b"\0" in data[:1000] else "text, such as CSV"


def _places(cells: dict[int, Any], columns: Sequence[str], source: str) -> list[int]:
    """The column number of each column. Raises ManyFaultsError for those that are missing or there twice."""
    titles = {place: " ".join(str(cell).split()) for place, cell in sorted(cells.items()) if not is_empty(cell)}
    found = {
        column: [place for place, title in titles.items() if _plain(title) == _plain(column)] for column in columns
    }
    faults = Faults()
    for column, places in found.items():
        if not places:
            faults.append(NO_COLUMN.at(source, column=column, found=", ".join(titles.values())))
        if len(places) > 1:
            spellings = ", ".join(titles[place] for place in places)
            faults.append(COLUMN_TWICE.at(source, column=column, count=len(places), found=spellings))
    faults.raise_any()
    return [places[0] for places in found.values()]


def _refuse_uncertain(page: Sheet, rows: Sequence[int], places: Sequence[int], path: str | Path) -> None:
    """Raise ManyFaultsError for merged cells in the data, and for formulas that were never computed."""
    faults = Faults()
    for merged in page.merged:
        hit = rows[bisect_left(rows, merged.rows[0]) :][:1]
        if (
            hit
            and hit[0] <= merged.rows[1]
            and any(merged.columns[0] <= place <= merged.columns[1] for place in places)
        ):
            faults.append(MERGED_CELLS.at(f"{path}, row {hit[0]}", range=merged.name))
    cells = sorted(page.uncomputed & {(row, place) for row in rows for place in places})
    if cells:
        names = ", ".join(cell_name(*cell) for cell in cells[:_SHOWN])
        more = f" and {len(cells) - _SHOWN} more" if len(cells) > _SHOWN else ""
        one = len(cells) == 1
        text = f"cell{'' if one else 's'} {names}{more}"
        faults.append(NOT_COMPUTED.at(f"{path}, row {cells[0][0]}", cells=text, s="s" if one else ""))
    faults.raise_any()


def _plain(cell: Any) -> str:
    return "" if cell is None else " ".join(str(cell).split()).lower()
