"""What one cell of an annotation says: text, a number of a subject, a frame, a time, an apex that may be unknown."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ra_icl.errors import FaultKind, Faults

_DASHES = {"", "/", "-"}  # what coders write into a cell that they leave out
_EMPTY = _DASHES | {"nan", "none"}
_UNKNOWN = _EMPTY | {"?", "–", "—", "n/a", "na"}  # marks of annotators who have not seen an apex
_CONTROL = ("Cc", "Cs", "Zl", "Zp")  # Unicode's control characters, half characters and line breaks
_LONGEST = 1e6  # seconds of a video
_LARGEST = 2**53  # frame numbers that a cell, a float of 64 bits, can hold

EMPTY_CELL = FaultKind(
    "empty-cell",
    "{column} is empty",
    "fill the cell in or remove the row",
    {"where": "annotation.csv, row 5", "column": "clip"},
)
FRAME_NUMBER = FaultKind(
    "frame-number",
    "{column} is {cell!r}, which is not a frame number",
    "correct the cell",
    {"where": "CASME2-coding-20140508.xlsx, row 60", "column": "OnsetFrame", "cell": "4l"},
)
APEX_UNREADABLE = FaultKind(
    "apex-unreadable",
    "{column} is {cell!r}, which is neither a {unit} nor a mark for an unknown apex",
    "correct the cell, or empty it if the apex is not known",
    {"where": "CASME2-coding-20140508.xlsx, row 17", "column": "ApexFrame", "cell": "59?", "unit": "frame number"},
)
SECONDS = FaultKind(
    "seconds",
    "{column} is {cell!r}, which is not a time in seconds",
    "give seconds since the first frame, such as 0.433, with a point",
    {"where": "annotation.csv, row 2", "column": "onset_s", "cell": "0,433"},
)
ID_NUMBER = FaultKind(
    "id-number",
    "{column} is {cell!r}, which is no number of a subject",
    "correct the cell, or remove the row if it lists no sequence",
    {"where": "SAMM_Micro_FACS_Codes_v2.xlsx, row 15", "column": "Subject", "cell": "six"},
)
UNPRINTABLE = FaultKind(
    "unprintable-name",
    "{column} is {cell!r}, which holds a line break or another control character",
    "remove it from the cell and from the name on disk",
    {"where": "annotation.csv, row 4", "column": "clip", "cell": "smile\n1"},
)


def is_empty(cell: Any) -> bool:
    """Whether a cell holds nothing: blank, "/", "-" or not-a-number."""
    return cell is None or cell != cell or str(cell).strip().lower() in _EMPTY


def frame_number(cell: Any, column: str, source: str, kind: FaultKind = FRAME_NUMBER, **values: Any) -> int:
    """Read a cell as a frame number, 0 or more.

    source: file and row, for messages. Raises InputError if it is empty, and of `kind` if it is none; values: further
    fields of that text.
    """
    _require(cell, column, source)
    text = "" if isinstance(cell, bool) else str(cell).strip()
    whole = re.fullmatch(r"([0-9]+)(\.0*)?", text, re.ASCII)
    number = int(whole[1]) if whole and len(text) < 40 else -1
    if isinstance(cell, float) and cell.is_integer():
        number = int(cell)
    if not 0 <= number < _LARGEST:
        raise kind.error(source, column=column, cell=_shown(cell), **values)
    return number


def seconds(cell: Any, column: str, source: str, kind: FaultKind = SECONDS, **values: Any) -> float:
    """Read a cell as a time in seconds, 0 or more. Raises InputError like `frame_number`."""
    _require(cell, column, source)
    text = str(cell).strip()
    written = len(text) < 40 and re.fullmatch(r"[0-9]*\.?[0-9]+|[0-9]+\.", text, re.ASCII)
    time = float(text) if written else -1
    if not 0 <= time < _LONGEST:
        raise kind.error(source, column=column, cell=_shown(cell), **values)
    return time


def apex(cell: Any, column: str, source: str) -> int | None:
    """Read the apex frame: None if the cell is empty or holds a mark for "unknown", such as / - ? in CASME II.

    Raises InputError if it holds anything else than a frame number.
    """
    if is_unknown(cell):
        return None
    return frame_number(cell, column, source, APEX_UNREADABLE, unit="frame number")


def apex_seconds(cell: Any, column: str, source: str) -> float | None:
    """Like `apex`, in seconds."""
    return None if is_unknown(cell) else seconds(cell, column, source, APEX_UNREADABLE, unit="time in seconds")


def is_unknown(cell: Any) -> bool:
    """Whether an apex cell is empty or says that the apex is not known."""
    return is_empty(cell) or str(cell).strip().lower() in _UNKNOWN


def timing(cells: pd.Series, columns: Sequence[str], source: str, in_seconds: bool = False) -> dict[str, Any]:
    """Read onset, apex (None if empty or unknown), offset and emotion (lower case) from the cells of a row.

    columns: the spreadsheet's names of these four, in this order. source: file and row, for messages. in_seconds: read
    times instead of frame numbers.
    Raises ManyFaultsError for the cells that do not fit.
    """
    number, top = (seconds, apex_seconds) if in_seconds else (frame_number, apex)
    readers = {"onset": number, "apex": top, "offset": number, "emotion": emotion}
    values, faults = {}, Faults()
    for (name, read), column in zip(readers.items(), columns, strict=True):
        with faults.catching():
            values[name] = read(cells[column], column, source)
    faults.raise_any()
    return values


def emotion(cell: Any, column: str, source: str) -> str:
    """Read an emotion, in lower case. Raises InputError if the cell is empty."""
    return text_cell(cell, column, source).lower()


def text_cell(cell: Any, column: str, source: str) -> str:
    """Read a cell as text without surrounding blanks.

    Raises InputError if it is empty or holds a character that no name should have.
    """
    _require(cell, column, source)
    text = str(cell).strip()
    if any(unicodedata.category(character) in _CONTROL for character in text):
        raise UNPRINTABLE.error(source, column=column, cell=_shown(text))
    return text


def id_number(cell: Any, column: str, source: str) -> int:
    """Read the number of a subject id such as 6, "006", "sub06" or "spNO.6".

    Raises InputError if the cell is empty or holds no such number.
    """
    _require(cell, column, source)
    # What stands before the digits has a letter: -5 and .5 are not subject 5.
    digits = re.fullmatch(r"(?:[^0-9]*[^\W\d_][^0-9]*)?([0-9]{1,9})(\.0)?", str(cell).strip())
    if not digits:
        raise ID_NUMBER.error(source, column=column, cell=_shown(cell))
    return int(digits[1])


def _require(cell: Any, column: str, source: str) -> None:
    if cell is None or cell != cell or str(cell).strip() in _DASHES:
        raise EMPTY_CELL.error(source, column=column)


def _shown(cell: Any) -> Any:
    """A cell as a message shows it: long text is cut."""
    return f"{cell[:40]}..." if isinstance(cell, str) and len(cell) > 40 else cell
