"""How annotation tables are changed, and how a changed one is written to a file."""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from fuzz_tables import NUMBERS, Table
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook

STRANGE_NUMBERS = (
    *(
        None,
        "",
        " ",
        "/",
        "-",
        "?",
        "n/a",
        "NaN",
        "None",
        "unknown",
        True,
        "TRUE",
        "#N/A",
        "=D2+5",
        datetime(2014, 5, 8),
    ),
    *(
        0,
        1,
        -1,
        1.5,
        10**9,
        40_000_000,
        2**31,
        2**63,
        1e30,
        "1e5",
        "1_000",
        " 12 ",
        "12.0",
        "1,000",
        "０１",
        "0x10",
        "inf",
    ),
)
STRANGE_TEXTS = (
    *(
        "../x",
        "/etc",
        "a/b",
        "C:\\x",
        "~",
        "$HOME",
        "{x}",
        "%d",
        "x" * 300,
        "a\nb",
        "a\u2028b",
        'a"b',
        "a,b",
        "a;b",
        "a'b",
    ),
    *(
        "Others ",
        "HAPPINESS",
        "sad",
        "Émotion",
        "é",
        "e\u0301",
        "高兴",
        "sub01",
        "s01",
        "spNO.1",
        "006",
        "1.0",
        "01",
        "NA",
    ),
)


def numbers() -> st.SearchStrategy:
    """What a cell of a frame number may hold that it did not hold before."""
    near = st.integers(-5, 2000), st.floats(0, 2000).map(lambda number: round(number, 2))
    return st.one_of(st.sampled_from(STRANGE_NUMBERS), st.sampled_from(STRANGE_NUMBERS), *near)


def cells() -> st.SearchStrategy:
    """What any cell may hold that it did not hold before."""
    text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
    return st.one_of(st.sampled_from(STRANGE_TEXTS), st.sampled_from(STRANGE_TEXTS), numbers(), text)


@st.composite
def changes(draw: st.DrawFn) -> list[tuple]:
    """One to three operations (kind, row, column, other row, other column, cell), for `changed`."""
    place = st.integers(0, 99)
    operations = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(("number", "number", "cell", "cell", "other")))
        kind = draw(st.sampled_from(tuple(_OPERATIONS))) if kind == "other" else kind
        cell = draw(numbers() if kind == "number" else cells())
        operations.append((kind, *[draw(place) for _ in range(4)], cell))
    return operations


def changed(table: Table, operations: Sequence[tuple]) -> Table:
    """The table after the operations of `changes`."""
    for kind, *where, cell in operations:
        places = table.places() or {str(place): place for place in range(len(table.cells[table.header]))}
        grid = [list(row) for row in table.cells]
        first, count = table.header + 1, len(grid) - table.header - 1
        if not count or not places:
            return table
        used = list(places.values())
        frames = [places[role] for role in NUMBERS if role in places] or used
        row, other = first + where[0] % count, first + where[2] % count
        column, another = used[where[1] % len(used)], used[where[3] % len(used)]
        if kind == "number":
            kind, column = "cell", frames[where[1] % len(frames)]
        _OPERATIONS[kind](grid, row, column, other, another, as_stored(cell), table.header)
        table = replace(table, cells=tuple(map(tuple, grid)))
    return table


def _at(row: list, place: int) -> Any:
    return row[place] if place < len(row) else None


def _set(row: list, place: int, cell: Any) -> None:
    row += [None] * (place + 1 - len(row))
    row[place] = cell


def _cell(grid, row, column, other, another, cell, header):
    _set(grid[row], column, cell)


def _from_another_row(grid, row, column, other, another, cell, header):
    _set(grid[row], column, _at(grid[other], column))


def _swapped_cells(grid, row, column, other, another, cell, header):
    here, there = _at(grid[row], column), _at(grid[row], another)
    _set(grid[row], column, there)
    _set(grid[row], another, here)


def _row_twice(grid, row, column, other, another, cell, header):
    grid.insert(other, list(grid[row]))


def _no_row(grid, row, column, other, another, cell, header):
    del grid[row]


def _empty_row(grid, row, column, other, another, cell, header):
    grid.insert(row, [None] * len(grid[header]))


def _more_cells(grid, row, column, other, another, cell, header):
    grid[row].append(cell)


def _title(grid, row, column, other, another, cell, header):
    grid[header][column] = cell


def _title_in_capitals(grid, row, column, other, another, cell, header):
    grid[header][column] = f" {str(_at(grid[header], column) or '').upper()} "


def _column_twice(grid, row, column, other, another, cell, header):
    end = len(grid[header])
    for line in grid[header:]:
        _set(line, end, _at(line, another))
    grid[header][end] = _at(grid[header], column)


def _columns_swapped(grid, row, column, other, another, cell, header):
    if 0 in (column, another):  # the first column's title marks the header
        return
    for line in grid[header:]:
        _swapped_cells([line], 0, column, 0, another, None, 0)


def _no_column(grid, row, column, other, another, cell, header):
    for line in grid[header:]:
        if column < len(line):
            del line[column]


_OPERATIONS: dict[str, Callable] = {
    function.__name__.strip("_"): function
    for function in (
        *(_cell, _from_another_row, _swapped_cells, _row_twice, _no_row, _empty_row, _more_cells),
        *(_title, _title_in_capitals, _column_twice, _columns_swapped, _no_column),
    )
}


# ---- files -----------------------------------------------------------------------------------------------------------


def as_stored(cell: Any) -> Any:
    """A cell as a spreadsheet keeps it: 12.0 is 12, and of 2**63 only 15 digits are sure."""
    if isinstance(cell, int) and abs(cell) >= 1e15:
        return float(cell)
    if isinstance(cell, float) and math.isfinite(cell) and cell == int(cell) and abs(cell) < 1e15:
        return int(cell)
    return cell


def write_workbook(path: Path, table: Table, sheet: str = "Sheet1", first: Sequence[str] = ()) -> None:
    """The table as .xlsx; `first`: sheets that stand before it."""
    book = Workbook()
    page = book.active
    for title in first:
        page.title, page["A1"] = title, f"about {title}"
        page = book.create_sheet()
    page.title = sheet
    for row in table.cells:
        page.append(row)
    book.save(path)


def read_workbook(path: Path, sheet: str | None = None) -> tuple[tuple[Any, ...], ...]:
    """All cells of a sheet."""
    book = load_workbook(path)
    page = book[sheet] if sheet else book.active
    return tuple(page.iter_rows(values_only=True))


def csv_text(table: Table, **dialect: Any) -> tuple[str, dict[int, int]]:
    """The table as CSV, and {row: the line where it begins}. An empty cell is written as nothing."""
    text, lines = io.StringIO(), {}
    writer = csv.writer(text, **dialect)
    for number, row in enumerate(table.cells, 1):
        lines[number] = len(text.getvalue().splitlines()) + 1
        writer.writerow(["" if cell is None else cell for cell in row])
    return text.getvalue(), lines


def as_text(table: Table) -> Table:
    """The table with the texts that a CSV holds of its cells."""
    return replace(table, cells=tuple(tuple("" if cell is None else str(cell) for cell in row) for row in table.cells))
