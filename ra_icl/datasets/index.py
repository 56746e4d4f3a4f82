"""The index: one row per sequence of a dataset, and how its annotation is read."""

import csv
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl import files
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
# What numbers look like in an index that was written; Python reads more, such as 1_000.
_NUMBERS = {"int64": "[0-9]{1,15}", "Int64": "([0-9]{1,15})?", "float64": "([0-9]+[.]?[0-9]*(e[+-]?[0-9]+)?)?"}
_KEY = ["dataset", "subject", "sequence"]
_NAME_BYTES, _PATH_BYTES = 255, 2000  # of a file's name on all common file systems, and of a path below a dataset's

_GIVE_INDEX = "give the index CSV that `ra-icl index` writes; if it is one, make it again"
_SEQUENCE = {"where": "CASME2-coding-20140508.xlsx, row 60: sub05/EP02_07"}

NO_INDEX = FaultKind(
    "index-unreadable",
    "cannot be read as an index ({reason})",
    _GIVE_INDEX,
    {"where": "results/index/samm.csv", "reason": "EOF inside string starting at row 3"},
)
INDEX_CHANGED = FaultKind(
    "index-changed",
    "is not as it was written: its checksum differs from that in {checksum}",
    files.RERUN,
    {"where": "results/index/samm.csv", "checksum": "samm.csv.sha256"},
)
INDEX_COLUMN = FaultKind(
    "index-column-missing",
    "lacks the column {columns}",
    _GIVE_INDEX,
    {"where": "results/index/samm.csv", "columns": "fps"},
)
INDEX_NUMBER = FaultKind(
    "index-number",
    "{column} is {cell!r}, which is no number of an index",
    _GIVE_INDEX,
    {"where": "results/index/samm.csv", "column": "onset", "cell": "4x6"},
)
LISTED_TWICE = FaultKind(
    "listed-twice", "is listed twice, first in {first}", "remove one of the two", _SEQUENCE | {"first": "row 12"}
)
OFFSET_EARLY = FaultKind(
    "offset-before-onset",
    "offset {offset} is not after onset {onset}",
    "correct it",
    _SEQUENCE | {"onset": 91, "offset": 71},
)
APEX_OUTSIDE = FaultKind(
    "apex-outside",
    "apex {apex} is outside onset..offset ({onset}..{offset})",
    "correct it or empty the cell",
    _SEQUENCE | {"apex": 9, "onset": 91, "offset": 131},
)
EMOTION_UNKNOWN = FaultKind(
    "emotion-unknown",
    "emotion '{emotion}' is not known (known: {known})",
    "correct it",
    _SEQUENCE | {"emotion": "hapiness", "known": "disgust, fear, happiness, others, repression, sadness, surprise"},
)
OUTSIDE_FOLDER = FaultKind(
    "name-leaves-folder",
    "{name!r} leaves the folder {folder}",
    "give a name below it",
    {"where": "annotation.csv, row 3", "name": "../smile.mp4", "folder": "/data/mine"},
)
LONG_NAME = FaultKind(
    "name-long",
    "{name!r} has {length} bytes, more than the {limit} that a name on disk can have",
    "correct the cell",
    {"where": "annotation.csv, row 3", "name": "smile smile smile...", "length": 300, "limit": 255},
)


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


def write_index_csv(path: str | Path, frame: pd.DataFrame) -> None:
    """Write an index as CSV, and beside it `path`.sha256, a checksum as `sha256sum` writes it.

    With it `read_index_csv` notices a row that is lost later, without which everything would be whole.
    """
    path, checksum = Path(path), _checksum_of(path)
    checksum.unlink(missing_ok=True)
    files.write_csv(path, frame)
    with files.atomic(checksum) as temporary:
        temporary.write_text(f"{_digest(path)}  {path.name}\n", encoding="utf-8")


def read_index_csv(path: str | Path) -> pd.DataFrame:
    """Read an index written as CSV, with its dtypes: ids stay text, an empty apex is <NA>.

    Raises InputError if the file cannot be read, lacks a column, or has a checksum beside it that is not its own.
    """
    checksum = _checksum_of(Path(path))
    try:
        if checksum.is_file() and not checksum.read_bytes().startswith(_digest(path).encode()):
            raise INDEX_CHANGED.error(path, checksum=checksum.name)
        with open(path, encoding="utf-8", newline="") as file:
            rows = [cells for cells in csv.reader(file, strict=True) if cells]
    except InputError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise NO_INDEX.error(path, reason=" ".join(str(error).split())) from error
    header = rows.pop(0) if rows else []
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise INDEX_COLUMN.error(path, columns=", ".join(missing))
    if len(set(header)) < len(header) or any(len(cells) != len(header) for cells in rows):
        raise NO_INDEX.error(path, reason="a column twice, or a row with more or fewer cells than the header")
    text = pd.DataFrame(rows, columns=header, dtype="str")[COLUMNS]
    for column, kind in _DTYPES.items():
        for cell in text[column] if kind in _NUMBERS else ():
            if not re.fullmatch(_NUMBERS[kind], cell):
                raise INDEX_NUMBER.error(path, column=column, cell=cell)
    empty = {name: text[name].where(text[name] != "") for name in ("apex", "fps")}
    return text.assign(**{name: pd.to_numeric(cells) for name, cells in empty.items()}).astype(_DTYPES)


def read_index_csvs(paths: Iterable[str | Path]) -> pd.DataFrame:
    """The rows of the indexes of several datasets, in one. Raises InputError for a sequence that is there twice."""
    index = pd.concat([read_index_csv(path).assign(path=str(path)) for path in paths], ignore_index=True)
    first = index.groupby(_KEY)["path"].transform("first")
    for row in index[index.duplicated(_KEY)].itertuples():
        raise LISTED_TWICE.error(f"{row.path}: {row.dataset}/{row.subject}/{row.sequence}", first=first[row.Index])
    return index.drop(columns="path")


def validate(frame: pd.DataFrame, source: str | Path, emotions: Collection[str] = ()) -> None:
    """Check an index: no key twice, onset < offset, a given apex within [onset, offset], emotions known.

    source: the file or folder that the index was read from. emotions: those that may occur; if empty, any may.
    Raises ManyFaultsError; each fault names source, sequence (with its spreadsheet row if known) and remedy.
    """
    outside = (frame["apex"] < frame["onset"]) | (frame["apex"] > frame["offset"])
    checks = [
        (frame.duplicated(_KEY), LISTED_TWICE),
        (frame["offset"] <= frame["onset"], OFFSET_EARLY),
        (outside, APEX_OUTSIDE),
        (~frame["emotion"].isin(emotions) & bool(emotions), EMOTION_UNKNOWN),
    ]
    numbered, faults = frame.index.name == "row", Faults()
    places = [f"row {number}" for number in frame.index] if numbered else list(frame["frames"])
    named = list(frame[_KEY].itertuples(index=False, name=None))
    first = dict(zip(reversed(named), reversed(places), strict=True))
    for wrong, kind in checks:
        for position in wrong.fillna(False).to_numpy(bool).nonzero()[0]:
            row = frame.iloc[position]
            where = f"{source}, {places[position]}" if numbered else f"{source}"
            values = {"known": ", ".join(sorted(emotions)), "first": first[named[position]], **row}
            faults.append(kind.at(f"{where}: {row.subject}/{row.sequence}", **values))
    faults.raise_any()


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
    """Join names to a folder.

    Raises InputError if the result is outside the folder (.. or an absolute path), or too long for a file system.
    """
    whole = "/".join(names)
    for part, limit in ((whole, _PATH_BYTES), *((part, _NAME_BYTES) for part in whole.split("/"))):
        if len(part.encode()) > limit:
            raise LONG_NAME.error(source, name=f"{part[:20]}...", length=len(part.encode()), limit=limit)
    path = os.path.normpath(folder.joinpath(*names))
    if not Path(path).is_relative_to(os.path.normpath(folder)):
        raise OUTSIDE_FOLDER.error(source, name="/".join(names), folder=folder)
    return Path(path)


def refuse_endless(row: Mapping[str, Any], source: str) -> None:
    """Raise InputError for more frames, or higher numbers, than any sequence has: nothing may list or convert them."""
    onset, offset = row["onset"], row["offset"]
    if offset - onset >= _MOST_FRAMES or max(onset, offset, row.get("apex") or 0) > _LAST_FRAME:
        raise ENDLESS.error(source, onset=onset, offset=offset, most=_MOST_FRAMES, last=_LAST_FRAME)


def _checksum_of(path: Path) -> Path:
    return Path(f"{path}.sha256")  # also of ".", which has no name


def _digest(path: str | Path) -> str:
    return sha256(Path(path).read_bytes()).hexdigest()
