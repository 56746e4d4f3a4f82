"""The index: one row per sequence of a dataset, and how its annotation is read."""

import os
import re
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.errors import FaultKind, Faults, InputError

TITLES = {"casme2": "CASME II", "samm": "SAMM", "smic": "SMIC-HS", "casme3": "CAS(ME)³", "own": "Own data"}
NAMES = tuple(TITLES)

# Column -> dtype. `frames` is relative to the dataset's root. An apex may be empty; a subject such as "006" stays text.
_DTYPES = {
    "dataset": "str",
    "subject": "str",
    "sequence": "str",
    "frames": "str",
    "onset": "int64",
    "apex": "Int64",
    "offset": "int64",
    "fps": "float64",
    "emotion": "str",
}
COLUMNS = list(_DTYPES)
_KEY = ["dataset", "subject", "sequence"]
_EMPTY = {"", "/", "-", "nan", "none"}
_HEADER_SEARCH = 60  # rows; SAMM's header follows 13 rows of notes


# Far beyond any recording, and few enough to list: a cell that holds more is a slip that would keep a run busy.
_LAST_FRAME, _MOST_FRAMES = 10_000_000, 100_000
ENDLESS = FaultKind(
    "sequence-endless",
    "frames {onset} to {offset}, more than a sequence may have ({most} frames, up to number {last})",
    "correct onset and offset",
    {"where": "annotation.csv, row 3", "onset": 1, "offset": 40_000_000, "most": _MOST_FRAMES, "last": _LAST_FRAME},
)


def index_frame(rows: Iterable[Mapping[str, Any]], numbers: Sequence[int] | None = None):
    """Make an index from one mapping of COLUMNS per sequence.

    numbers: the spreadsheet rows (1-based) that the sequences come from. They become the frame's index, named "row", so
    that `validate` can name them.
    """
    index = None if numbers is None else pd.Index(numbers, name="row", dtype="int64")
    return pd.DataFrame(list(rows), columns=COLUMNS, index=index).astype(_DTYPES)


def read_index_csv(path: str | Path) -> pd.DataFrame:
    """Read an index written as CSV, with its dtypes: ids stay text, an empty apex is <NA>.

    Raises InputError if the file cannot be read or lacks a column.
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
        for optional in ("apex", "fps"):
            text[optional] = pd.to_numeric(text[optional].where(text[optional] != ""))
        return text[COLUMNS].astype(_DTYPES)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: a frame number is not an integer ({error}); {remedy}") from error


def validate(frame: pd.DataFrame, source: str | Path, emotions: Collection[str] = ()) -> None:
    """Check an index: no key twice, onset < offset, a given apex within [onset, offset], emotions known.

    source: the file or folder that the index was read from. emotions: those that may occur; if empty, any may.
    Raises ManyFaultsError; each fault names source, sequence (with its spreadsheet row if known) and remedy.
    """
    strange = ~frame["emotion"].isin(emotions) & bool(emotions)
    outside = (frame["apex"] < frame["onset"]) | (frame["apex"] > frame["offset"])
    checks = [
        (frame.duplicated(_KEY), "is listed twice; remove one of the two"),
        (
            frame["offset"] <= frame["onset"],
            "offset {offset} is not after onset {onset}; correct it",
        ),
        (
            outside.fillna(False).astype(bool),
            "apex {apex} is outside onset..offset ({onset}..{offset}); correct it or empty the cell",
        ),
        (strange, f"emotion '{{emotion}}' is not known (known: {', '.join(sorted(emotions))}); correct it"),
    ]
    faults = Faults()
    for wrong, text in checks:
        for number, row in frame[wrong].iterrows():
            place = f"{source}, row {number}" if frame.index.name == "row" else f"{source}"
            faults.append(f"{place}: {row.subject}/{row.sequence}: {text.format(**row)}")
    faults.raise_any()


def read_table(path: str | Path, columns: Sequence[str], sheet: str | None = None) -> pd.DataFrame:
    """Read the named columns of an annotation spreadsheet (.xlsx), cells unchanged.

    The header is the first row whose first cell is `columns[0]`; names are compared without regard to case and extra
    blanks. Rows with fewer than two of the columns filled are notes and are left out. sheet: name of the sheet; if
    there is no such sheet, the first is read. The result's index holds the spreadsheet's row numbers (1-based), named
    "row".
    Raises InputError if the file cannot be read, has no header or lacks a column.
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


def read_rows(
    table: pd.DataFrame,
    annotation: Path,
    row_of: Callable[[str, pd.Series], Mapping[str, Any] | None],
    faults: Faults,
) -> pd.DataFrame:
    """Make an index from a table of cells that is indexed by the file's row numbers.

    row_of: takes "file, row number" and the cells; returns a mapping of COLUMNS, or None to leave the row out. If it
    raises InputError, the row is left out and the faults are added to `faults`.
    """
    rows = {}
    for number, cells in table.iterrows():
        with faults.catching():
            row = row_of(f"{annotation}, row {number}", cells)
            if row is not None:
                refuse_endless(row, f"{annotation}, row {number}")
                rows[number] = row
    return index_frame(rows.values(), list(rows))


def below(folder: Path, *names: str, source: str) -> Path:
    """Join names to a folder. Raises InputError if the result is outside the folder (.. or an absolute path)."""
    path = os.path.normpath(folder.joinpath(*names))
    if not Path(path).is_relative_to(os.path.normpath(folder)):
        raise InputError(f"{source}: {'/'.join(names)!r} leaves the folder {folder}; give a name below it")
    return Path(path)


def is_empty(cell: Any) -> bool:
    """Whether a spreadsheet cell holds nothing: blank, "/", "-" or not-a-number."""
    return cell is None or cell != cell or str(cell).strip().lower() in _EMPTY


def frame_number(cell: Any, column: str, source: str) -> int:
    """Read a cell as a frame number. Raises InputError naming `source` (file, row) and `column`."""
    try:
        number = float(cell)
        if number == int(number) and number >= 0:
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{source}: {column} is {cell!r}, which is not a frame number; correct the cell")


def refuse_endless(row: Mapping[str, Any], source: str) -> None:
    """Raise InputError for more frames, or higher numbers, than any sequence has: nothing may list or convert them."""
    onset, offset = row["onset"], row["offset"]
    if offset - onset >= _MOST_FRAMES or max(onset, offset, row.get("apex") or 0) > _LAST_FRAME:
        raise ENDLESS.error(source, onset=onset, offset=offset, most=_MOST_FRAMES, last=_LAST_FRAME)


def timing(cells: pd.Series, columns: Sequence[str], source: str) -> dict[str, Any]:
    """Read onset, apex (None if empty), offset and emotion (lower case) from the cells of a row.

    columns: the spreadsheet's names of these four, in this order. source: file and row, for messages.
    Raises ManyFaultsError for the cells that do not fit.
    """
    onset, apex, offset, emotion = columns
    readers = {
        "onset": lambda: frame_number(cells[onset], onset, source),
        "apex": lambda: None if is_empty(cells[apex]) else frame_number(cells[apex], apex, source),
        "offset": lambda: frame_number(cells[offset], offset, source),
        "emotion": lambda: text_cell(cells[emotion], emotion, source).lower(),
    }
    values, faults = {}, Faults()
    for name, read in readers.items():
        with faults.catching():
            values[name] = read()
    faults.raise_any()
    return values


def text_cell(cell: Any, column: str, source: str) -> str:
    """Read a cell as text without surrounding blanks. Raises InputError if it is empty."""
    if is_empty(cell):
        raise InputError(f"{source}: {column} is empty; fill the cell in or remove the row")
    return str(cell).strip()


def id_number(cell: Any, column: str, source: str) -> int:
    """Read the number of a subject id such as 6, "006", "sub06" or "spNO.6".

    Raises InputError if the cell holds no number.
    """
    digits = re.fullmatch(r"\D*([0-9]+)(\.0)?", str(cell).strip())
    if not digits:
        raise InputError(f"{source}: {column} is {cell!r}, which contains no number; correct the cell")
    return int(digits[1])


def subfolders(folder: str | Path) -> dict[str, str]:
    """Map the lower-case name of every subfolder to its real name; {} if the folder does not exist.

    Files, such as Windows' Thumbs.db, and hidden folders are skipped.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and entry.name[0] != ".")
        return {name.lower(): name for name in names}
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
