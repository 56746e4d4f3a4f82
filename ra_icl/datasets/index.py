"""The index: one row per sequence of a dataset, read from its annotation, and its frames."""

import os
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.errors import InputError

# Column -> dtype. An apex may be empty; a subject such as "006" must stay text.
_DTYPES = {
    "dataset": "str",
    "subject": "str",
    "sequence": "str",
    "frames": "str",
    "onset": "int64",
    "apex": "Int64",
    "offset": "int64",
    "fps": "int64",
    "emotion": "str",
}
COLUMNS = list(_DTYPES)
_KEY = ["dataset", "subject", "sequence"]
_IMAGES = {".jpg", ".jpeg", ".png", ".bmp"}
_EMPTY = {"", "/", "-", "nan", "none"}
_HEADER_SEARCH = 60  # rows; SAMM's header follows 13 rows of notes


def index_frame(rows: Iterable[Mapping[str, Any]], numbers: Sequence[int] | None = None):
    """Make an index from one mapping of COLUMNS per sequence.

    `numbers` are the spreadsheet rows (1-based) that the sequences come from: they become the
    frame's index, named "row", which is how `validate` can name them.
    """
    index = None if numbers is None else pd.Index(numbers, name="row", dtype="int64")
    return pd.DataFrame(list(rows), columns=COLUMNS, index=index).astype(_DTYPES)


def read_index_csv(path: str | Path) -> pd.DataFrame:
    """Read an index written as CSV, with its dtypes: ids stay text, an empty apex is <NA>.

    Raises InputError where the file cannot be read or lacks a column.
    """
    remedy = "delete it and run again"
    try:
        text = pd.read_csv(path, dtype="str", keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as an index ({error}); {remedy}") from error
    missing = [column for column in COLUMNS if column not in text]
    if missing:
        raise InputError(f"{path}: lacks the column {', '.join(missing)}; {remedy}")
    try:
        text["apex"] = pd.to_numeric(text["apex"].where(text["apex"] != ""))
        return text[COLUMNS].astype(_DTYPES)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: a frame number is no integer ({error}); {remedy}") from error


def validate(frame: pd.DataFrame, source: str | Path) -> None:
    """Check an index: no key twice, onset < offset, a given apex within [onset, offset].

    `source` is the file or folder that the index was read from. Raises InputError that names it,
    the first row at fault (the spreadsheet's row where known) and the remedy.
    """
    outside = (frame["apex"] < frame["onset"]) | (frame["apex"] > frame["offset"])
    faults = [
        (frame.duplicated(_KEY), "is listed twice; remove one of the two"),
        (
            frame["offset"] <= frame["onset"],
            "offset {offset} is not after onset {onset}; correct it",
        ),
        (
            outside.fillna(False).astype(bool),
            "apex {apex} is outside onset..offset ({onset}..{offset}); correct it or empty the cell",
        ),
    ]
    for wrong, text in faults:
        if wrong.any():
            row = frame[wrong].iloc[0]
            place = f"{source}, row {row.name}" if frame.index.name == "row" else f"{source}"
            raise InputError(f"{place}: {row.subject}/{row.sequence}: {text.format(**row)}")


def frame_files(folder: str | Path) -> dict[int, Path]:
    """List the image files of a folder by frame number, in order of the numbers.

    The number is the last run of digits of the file's stem, with or without zero padding. Hidden
    files and other types are passed over. Raises InputError where two files have one number and
    FileNotFoundError where there is no such folder.
    """
    found: dict[int, Path] = {}
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            stem, suffix = os.path.splitext(entry.name)
            digits = re.findall(r"[0-9]+", stem)
            if suffix.lower() not in _IMAGES or not digits or stem.startswith("."):
                continue
            number = int(digits[-1])
            if number in found:
                raise InputError(
                    f"{folder}: {found[number].name} and {entry.name} are both frame {number}; keep one of them"
                )
            found[number] = Path(folder, entry.name)
    return dict(sorted(found.items()))


def sequence_frames(row) -> list[tuple[int, Path]]:
    """Find the frames onset..offset of an index row (a Series or a named tuple) on disk.

    Returns (frame number, file) in order, the onset first; frames that are missing in between are
    left out. Raises InputError that names the sequence where the folder, the onset frame or
    everything after it is missing.
    """
    name = f"{row.dataset} {row.subject}/{row.sequence}"
    if not Path(row.frames).is_dir():
        raise InputError(
            f"{name}: frame folder {row.frames} is missing; restore it or check datasets.{row.dataset}.frames"
        )
    files = frame_files(row.frames)
    if not files:
        raise InputError(f"{name}: {row.frames} holds no frames (jpg, png or bmp); restore them")
    if row.onset not in files:
        raise InputError(f"{name}: the onset frame {row.onset} is missing in {row.frames}; restore it")
    found = [(n, file) for n, file in files.items() if row.onset <= n <= row.offset]
    if len(found) < 2:
        raise InputError(
            f"{name}: no frame after the onset, {row.onset + 1}..{row.offset}, is in {row.frames}; restore them"
        )
    return found


def read_table(path: str | Path, columns: Sequence[str], sheet: str | None = None) -> pd.DataFrame:
    """Read the named columns of an annotation spreadsheet (.xlsx), cells as they are.

    The header is the first row whose first cell is `columns[0]`; header names are compared without
    surrounding or doubled blanks and case. Rows with fewer than two of the columns filled are
    notes and are left out. `sheet` names the sheet; where there is none of that name the first is
    read. The result's index holds the spreadsheet's row numbers (1-based), named "row".
    Raises InputError where the file cannot be read, has no header, or lacks a column (named).
    """
    rows = _sheet_rows(Path(path), sheet)
    header = next(
        (i for i, row in enumerate(rows[:_HEADER_SEARCH]) if row and _plain(row[0]) == _plain(columns[0])),
        None,
    )
    if header is None:
        raise InputError(
            f"{path}: no header row that starts with '{columns[0]}'; give the dataset's official annotation file"
        )
    titles = [_plain(cell) for cell in rows[header]]
    for column in columns:
        if _plain(column) not in titles:
            raise InputError(
                f"{path}, row {header + 1}: no column '{column}' "
                f"(found: {', '.join(str(c).strip() for c in rows[header] if not is_empty(c))}); "
                "give the dataset's official annotation file"
            )
    places = [titles.index(_plain(column)) for column in columns]
    cells = {i + 1: [rows[i][p] if p < len(rows[i]) else None for p in places] for i in range(header + 1, len(rows))}
    kept = {row: values for row, values in cells.items() if sum(not is_empty(v) for v in values) > 1}
    table = pd.DataFrame(list(kept.values()), columns=list(columns), dtype="object")
    return table.set_axis(pd.Index(list(kept), name="row", dtype="int64"))


def is_empty(cell: Any) -> bool:
    """Say whether a spreadsheet cell holds nothing: blank, "/", "-" or not-a-number."""
    return cell is None or cell != cell or str(cell).strip().lower() in _EMPTY


def frame_number(cell: Any, column: str, source: str) -> int:
    """Read a cell as a frame number. Raises InputError naming `source` (file, row) and `column`."""
    try:
        number = float(cell)
        if number == int(number) and number >= 0:
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{source}: {column} is {cell!r}, which is no frame number; correct the cell")


def timing(cells: pd.Series, columns: Sequence[str], source: str) -> dict[str, Any]:
    """Read onset, apex (None where empty), offset and emotion (lower case) from the cells of a row.

    `columns` are the spreadsheet's names of these four, in this order; `source` names file and row.
    """
    onset, apex, offset, emotion = columns
    return {
        "onset": frame_number(cells[onset], onset, source),
        "apex": None if is_empty(cells[apex]) else frame_number(cells[apex], apex, source),
        "offset": frame_number(cells[offset], offset, source),
        "emotion": text_cell(cells[emotion], emotion, source).lower(),
    }


def text_cell(cell: Any, column: str, source: str) -> str:
    """Read a cell as text without surrounding blanks. Raises InputError where it is empty."""
    if is_empty(cell):
        raise InputError(f"{source}: {column} is empty; fill the cell in or remove the row")
    return str(cell).strip()


def id_number(cell: Any, column: str, source: str) -> int:
    """Read the number of a subject id such as 6, "006", "sub06" or "spNO.6".

    Raises InputError where the cell holds no number.
    """
    digits = re.fullmatch(r"\D*([0-9]+)(\.0)?", str(cell).strip())
    if not digits:
        raise InputError(f"{source}: {column} is {cell!r}, which holds no number; correct the cell")
    return int(digits[1])


def subfolders(folder: str | Path) -> dict[str, str]:
    """Map the lower-case name of each entry of a folder to its real name; {} without a folder."""
    try:
        return {name.lower(): name for name in sorted(os.listdir(folder)) if name[0] != "."}
    except OSError:
        return {}


def _sheet_rows(path: Path, sheet: str | None) -> list[tuple]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True, data_only=True)
        try:
            page = book[sheet] if sheet in book.sheetnames else book.worksheets[0]
            page.reset_dimensions()  # some writers store a wrong size
            return list(page.iter_rows(values_only=True))
        finally:
            book.close()
    except (
        OSError,
        KeyError,
        IndexError,
        ValueError,
        zipfile.BadZipFile,
        InvalidFileException,
    ) as error:
        raise InputError(
            f"{path}: cannot be read as an .xlsx spreadsheet ({error}); give the dataset's official annotation file"
        ) from error


def _plain(cell: Any) -> str:
    return "" if cell is None else " ".join(str(cell).split()).lower()
