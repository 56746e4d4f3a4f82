"""The cells of an .xlsx workbook, read from its XML.

Of the styles only the formats of numbers are looked at, because a date is a number with a date's format; it is read as
text. Many programs write styles that other libraries stumble over: those that cannot be read are passed over. A formula
that no program has computed is seen, which the usual readers take for an empty cell; a cell far away costs nothing,
where a reader with dense rows runs out of memory.
"""

import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from io import BytesIO
from xml.etree import ElementTree

_LARGEST = 50 * 2**20  # bytes of one part; the official annotations have less than one million
_ROWS = 2**20  # of a sheet
_EXACT = 1e15  # spreadsheets keep 15 digits; 1e30 stays as it is
_ESCAPE = re.compile("_x(00[0-9A-Fa-f]{2})_")  # control characters, which XML does not allow, and the underscore
# What the standard library raises about damaged bytes; KeyError and NotImplementedError, say, are kinds of these.
_FAULTS = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    ElementTree.ParseError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    RuntimeError,
    OverflowError,
)

# Of the standard's numbers of formats, those of dates and times; 27 to 36 and 50 to 58 are Chinese, Japanese, Korean.
_DATE_FORMATS = {str(number) for number in (*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59))}

Cell = int | float | str | bool | None


class DamagedWorkbookError(ValueError):
    """A workbook that cannot be read; the text says why."""


@dataclass(frozen=True)
class Merged:
    """A range of merged cells: rows and columns counted from 1, both ends included."""

    name: str
    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass
class Sheet:
    """A sheet: {row: {column: value}} of the cells that hold anything, rows and columns counted from 1.

    uncomputed: (row, column) of the formulas without a stored value, which `rows` has no value of.
    """

    rows: dict[int, dict[int, Cell]] = field(default_factory=dict)
    merged: list[Merged] = field(default_factory=list)
    uncomputed: set[tuple[int, int]] = field(default_factory=set)


class Workbook:
    """An open workbook. data: the file's bytes. Raises DamagedWorkbookError, here and when a sheet is read."""

    def __init__(self, data: bytes) -> None:
        with _reporting():
            self._zip = zipfile.ZipFile(BytesIO(data))
            # Some programs write backslashes, some another case than the one by which the parts are named.
            self._names = {_plain(name): name for name in self._zip.namelist()}
            self._book = next(iter(self._related("", "/officeDocument").values()), "xl/workbook.xml")
            self._targets = self._related(self._book, "/worksheet")
            sheets = [element for element in self._xml(self._book).iter() if _tag(element) == "sheet"]
            listed = {sheet.get("name", ""): _attribute(sheet, "id") for sheet in sheets}
            self.parts = {name: self._targets[id] for name, id in listed.items() if id in self._targets}
        if not self.parts:
            raise DamagedWorkbookError("holds no sheet")

    @property
    def sheet_names(self) -> list[str]:
        """The names of the sheets of cells, in their order."""
        return list(self.parts)

    def sheet(self, name: str) -> Sheet:
        """Read a sheet."""
        with _reporting():
            return self._read(self._xml(self.parts[name]))

    def _read(self, root: ElementTree.Element) -> Sheet:
        sheet = Sheet(merged=[_merged(part.get("ref", "")) for part in root.iter() if _tag(part) == "mergeCell"])
        place = (0, 0)
        for row in (element for element in root.iter() if _tag(element) == "row"):
            place = (int(row.get("r") or place[0] + 1), 0)
            for cell in (element for element in row if _tag(element) == "c"):
                place = _place(cell.get("r")) if cell.get("r") else (place[0], place[1] + 1)
                self._take(cell, *place, sheet)
        return sheet

    def _take(self, cell: ElementTree.Element, row: int, column: int, sheet: Sheet) -> None:
        """Add a cell to the sheet."""
        cells = sheet.rows.setdefault(row, {})
        if column in cells or not 0 < row <= _ROWS:
            raise DamagedWorkbookError(f"has cell {cell_name(row, column)} twice, or too far down")
        parts = {_tag(part): part for part in cell}
        value = self._value(cell.get("t", "n"), parts)
        if isinstance(value, int | float) and not isinstance(value, bool) and cell.get("s") in self._date_styles:
            value = _date(value)
        if value is not None:
            cells[column] = value
        elif "f" in parts and not (cell.get("t") == "str" and "v" in parts):  # computed, and empty text
            sheet.uncomputed.add((row, column))

    def _value(self, kind: str, parts: dict[str, ElementTree.Element]) -> Cell:
        if kind == "inlineStr":
            return _text(parts["is"]) if "is" in parts else None
        text = parts["v"].text if "v" in parts else None
        if text is None or not text.strip():
            return None
        if kind == "s":
            return self._strings[int(text)]
        if kind == "b":
            return text.strip().lower() in ("1", "true")
        return _number(text) if kind == "n" else _unescaped(text)

    @cached_property
    def _date_styles(self) -> frozenset[str]:
        """The numbers of the styles that show a date or a time; none if the styles cannot be read."""
        with suppress(DamagedWorkbookError), _reporting():
            path = next(iter(self._related(self._book, "/styles").values()), "xl/styles.xml")
            styles = list(self._xml(path).iter())
            own = {part.get("numFmtId"): part.get("formatCode", "") for part in styles if _tag(part) == "numFmt"}
            formats = next(([*part] for part in styles if _tag(part) == "cellXfs"), [])
            return frozenset(
                str(number) for number, part in enumerate(formats) if _is_date(part.get("numFmtId", "0"), own)
            )
        return frozenset()

    @cached_property
    def _strings(self) -> dict[int, str]:
        path = next(iter(self._related(self._book, "/sharedStrings").values()), "xl/sharedStrings.xml")
        return dict(enumerate(_text(item) for item in self._xml(path) if _tag(item) == "si"))

    def _related(self, part: str, kind: str) -> dict[str, str]:
        """{id: path} of the parts of a kind that a part (the package, if empty) refers to."""
        folder, name = posixpath.split(part)
        path = posixpath.join(folder, "_rels", f"{name}.rels")
        if _plain(path) not in self._names:
            return {}
        found = [element for element in self._xml(path) if element.get("Type", "").endswith(kind)]
        return {
            element.get("Id", ""): posixpath.normpath(posixpath.join("/", folder, element.get("Target", "")))[1:]
            for element in found
        }

    def _xml(self, path: str) -> ElementTree.Element:
        if _plain(path) not in self._names:
            raise DamagedWorkbookError(f"lacks its part {path}")
        part = self._zip.getinfo(self._names[_plain(path)])
        if part.file_size > _LARGEST:
            raise DamagedWorkbookError(f"its part {path} has {part.file_size} bytes, which is no annotation")
        return ElementTree.fromstring(self._zip.read(part))


@contextmanager
def _reporting() -> Iterator[None]:
    """Turn what the standard library raises about damaged bytes into DamagedWorkbookError."""
    try:
        yield
    except DamagedWorkbookError:
        raise
    except _FAULTS as error:
        raise DamagedWorkbookError(" ".join(str(error).split()) or type(error).__name__) from error


def cell_name(row: int, column: int) -> str:
    """The name of a cell, such as E7; row and column count from 1."""
    letters = ""
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}{row}"


def _place(name: str) -> tuple[int, int]:
    parts = re.fullmatch(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7})", name.strip())
    if not parts:
        raise DamagedWorkbookError(f"has a cell named {name[:20]!r}")
    column = 0
    for letter in parts[1].upper():
        column = 26 * column + ord(letter) - ord("A") + 1
    return int(parts[2]), column


def _merged(reference: str) -> Merged:
    (top, left), (bottom, right) = (_place(name) for name in (reference.split(":") * 2)[:2])
    return Merged(reference, (top, bottom), (left, right))


def _number(text: str) -> int | float | str:
    """A number; text that is none is left for the column to judge."""
    if re.fullmatch(r"\s*-?[0-9]{1,40}\s*", text, re.ASCII):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


def _is_date(number: str, own: dict[str, str]) -> bool:
    """Whether a number format, of the standard's or of a workbook's own, shows a date or a time."""
    if number not in own:
        return number in _DATE_FORMATS
    shown = re.sub(r'"[^"]*"|\[[^\]]*\]|[\\_*].', "", own[number])  # without quoted text, colours, escaped letters
    return shown.lower() != "general" and re.search("[dmyhs]", shown, re.IGNORECASE) is not None


def _date(number: float) -> int | float | str:
    """The date that a number of days stands for, as text; the number itself where there is no such date."""
    try:
        return str(datetime(1899, 12, 30) + timedelta(days=number))
    except (OverflowError, ValueError):
        return number


def _text(element: ElementTree.Element) -> str:
    """The text of a string item: of itself or its runs, but not how to pronounce it."""
    return _unescaped("".join(_runs(element)))


def _runs(element: ElementTree.Element) -> Iterator[str]:
    for part in element:
        if _tag(part) == "t":
            yield part.text or ""
        if _tag(part) == "r":
            yield from _runs(part)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)


def _tag(element: ElementTree.Element) -> str:
    """The name without its namespace, of which there are two, transitional and strict."""
    return element.tag.rpartition("}")[2]


def _attribute(element: ElementTree.Element, name: str) -> str:
    """An attribute that has a namespace."""
    return next((value for key, value in element.items() if key.endswith("}" + name)), "")


def _plain(path: str) -> str:
    return path.replace("\\", "/").lower().lstrip("/")
