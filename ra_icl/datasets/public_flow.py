"""Published flow maps of the 442 CDE sequences, read from a clone of the repository that publishes them.

A PNG without suffix is the map from onset to apex. If a repository publishes two instances per sequence, `_1` is the
map from apex to offset, whose motion runs back. Red is u, green v, blue strain, scaled to 0..255. Only the flow folder
and the table that lists it are read.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd

from ra_icl.datasets.cells import text_cell
from ra_icl.datasets.delimited import read_delimited
from ra_icl.datasets.index import index_frame, validate
from ra_icl.datasets.names import file_safe
from ra_icl.errors import FaultKind, Faults
from ra_icl.files import save_tensors
from ra_icl.options import Help, Options, at_least

FOLDER = "datasets/STSNet_whole_norm_u_v_os"
TABLE = "combined_3_class2_for_optical_flow.csv"
CLASSES = {"0": "negative", "1": "positive", "2": "surprise"}
FRAMES_PER_SECOND = {"casme2": 200, "samm": 200, "smic": 100}
_TABLE_COLUMNS = ("dataset", "sub", "filename_o", "label")
_MAP = {"where": "public/HTNet/datasets/STSNet_whole_norm_u_v_os/006_006_1_2 .png"}
_CLONE = "clone the repository again"
_COMMIT = {"commit": "8a3c1d0", "key": "public_flow.htnet"}

TABLES_DIFFER = FaultKind(
    "clone-tables-differ",
    "its {table} differs from that of {other}",
    "clone both again",
    {"where": "public_flow.causalnet.root", "table": TABLE, "other": "htnet"},
)
CLONE_MISSING = FaultKind(
    "clone-missing",
    "folder {folder} does not exist",
    "clone the repository that config/public-flow.yaml names and set {key} to the clone",
    {"where": "public_flow.htnet.root", "folder": f"public/HTNet/{FOLDER}", "key": "public_flow.htnet.root"},
)
CLONE_UNREADABLE = FaultKind(
    "clone-unreadable",
    "cannot be read ({reason})",
    "set {key} to a complete clone",
    {"where": f"public/HTNet/{TABLE}", "reason": "No such file or directory", "key": "public_flow.htnet.root"},
)
CLONE_CELL = FaultKind(
    "clone-cell",
    "{column} is {cell!r}, not one of {known}",
    _CLONE,
    {"where": f"public/HTNet/{TABLE}, row 17", "column": "label", "cell": "3", "known": "0, 1, 2"},
)
CLONE_NAME = FaultKind(
    "clone-name",
    "{column} is {cell!r}, which is no name of a published map",
    _CLONE,
    {"where": f"public/HTNet/{TABLE}, row 17", "column": "sub", "cell": "a/b"},
)
MAP_SIZES = FaultKind("map-sizes", "its maps differ in size", _CLONE, {"where": "006_006_1_2"})
MAP_MISSING = FaultKind("map-missing", "published map missing", _CLONE, _MAP)
MAP_UNREADABLE = FaultKind("map-unreadable", "not a readable 8-bit colour PNG", _CLONE, _MAP)
CLONE_FILES = FaultKind(
    "clone-files",
    "holds {found} files, but {key}.files is {wanted}",
    "clone commit {commit} again",
    {"where": f"public/HTNet/{FOLDER}", "found": 440, "wanted": 442, **_COMMIT},
)
CLONE_CHECKSUM = FaultKind(
    "clone-checksum",
    "the files or {table} differ from those of commit {commit} (SHA-256 {found}, but {key}.sha256 is {wanted})",
    "clone that commit again",
    {"where": f"public/HTNet/{FOLDER}", "table": TABLE, "found": "9f2c...", "wanted": "41d0...", **_COMMIT},
)
SUFFIXES = {"onset_apex": ("",), "onset_apex_offset": ("", "_1")}


@dataclass(frozen=True)
class PublishedOptions(Options):
    """One source of published maps."""

    root: Annotated[str, Help("folder of the clone")] = ""
    layout: Annotated[
        Literal["onset_apex", "onset_apex_offset"],
        Help("onset_apex: one map per sequence; onset_apex_offset: a second one from apex to offset"),
    ] = "onset_apex"
    reverse_decay: Annotated[
        bool,
        Help("reverse the motion of apex-to-offset maps (u, v become 1 - u, 1 - v), so that all start from neutral"),
    ] = True
    commit: Annotated[str, Help("commit that the maps were taken from")] = ""
    files: Annotated[int, at_least(0), Help("files in its flow folder; 0: not compared")] = 0
    sha256: Annotated[str, Help("their checksum, see `clone_checksum`; empty: not compared")] = ""


def read_index(sources: Mapping[str, PublishedOptions], dataset: str) -> pd.DataFrame:
    """The index of one dataset, from the tables of all clones, which must list the same sequences.

    Emotions are the three class names. Frames and apex are unknown and left empty; onset and offset are set to 0 and 1.
    Raises InputError if a folder or table is missing, a row of a table cannot be read, or if two clones disagree.
    """
    tables = {name: _read_table(name, source, dataset) for name, source in sources.items()}
    first, *others = tables
    for other in others:
        if not tables[other].equals(tables[first]):
            raise TABLES_DIFFER.error(f"public_flow.{other}.root", table=TABLE, other=first)
    return tables[first]


def _require_clone(key: str, source: PublishedOptions) -> None:
    folder = Path(source.root) / FOLDER
    if not source.root or not folder.is_dir():
        found = folder if source.root else "(not set)"
        raise CLONE_MISSING.error(f"{key}.root", folder=found, key=f"{key}.root")


def _read_table(name: str, source: PublishedOptions, dataset: str) -> pd.DataFrame:
    path = Path(source.root) / TABLE
    _require_clone(f"public_flow.{name}", source)
    faults = Faults()
    table = read_delimited(path, _TABLE_COLUMNS).columns(_TABLE_COLUMNS, _TABLE_COLUMNS, faults)
    rows = {}
    for number, cells in table.iterrows():
        with faults.catching():
            # A row of an unknown dataset would be lost to all of them, so each of them names it.
            if _choice(cells, "dataset", FRAMES_PER_SECOND, f"{path}, row {number}") == dataset:
                rows[number] = _row(dataset, cells, f"{path}, row {number}")
    index = index_frame(rows.values(), list(rows))
    with faults.catching():
        validate(index, path)
    faults.raise_any()
    return index.sort_values(["subject", "sequence"], ignore_index=True)


def _row(dataset: str, cells: pd.Series, where: str) -> dict[str, object]:
    return {
        **{"dataset": dataset, "subject": _name(cells, "sub", where), "sequence": _name(cells, "filename_o", where)},
        **{"frames": "", "onset": 0, "apex": None, "offset": 1, "fps": FRAMES_PER_SECOND[dataset]},
        "emotion": CLASSES[_choice(cells, "label", CLASSES, where)],
    }


def _choice(cells: pd.Series, column: str, known: Collection[str], where: str) -> str:
    cell = cells[column].strip()
    if cell not in known:
        raise CLONE_CELL.error(where, column=column, cell=cell, known=", ".join(known))
    return cell


def _name(cells: pd.Series, column: str, where: str) -> str:
    """A cell that is a part of the names of maps and folds."""
    cell = text_cell(cells[column], column, where)
    if file_safe(cell) != cell:
        raise CLONE_NAME.error(where, column=column, cell=cell)
    return cell


def read_maps(options: PublishedOptions, subject: str, sequence: str) -> np.ndarray:
    """The published maps of a sequence: (N, 3, H, W) float16 in [0, 1], channels u, v, strain.

    Raises InputError if a file is missing, unreadable or not an 8-bit colour image.
    """
    maps = []
    for suffix in SUFFIXES[options.layout]:
        image = _read_image(Path(options.root) / FOLDER / f"{subject}_{sequence}{suffix} .png")
        channels = image[:, :, ::-1].transpose(2, 0, 1) / 255  # OpenCV reads blue first
        if suffix and options.reverse_decay:
            channels[:2] = 1 - channels[:2]
        maps.append(channels)
    if len({map.shape for map in maps}) > 1:
        raise MAP_SIZES.error(f"{subject}_{sequence}")
    return np.stack(maps).astype(np.float16)


def _read_image(path: Path) -> np.ndarray:
    import cv2

    if not path.is_file():
        raise MAP_MISSING.error(path)
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != "uint8" or image.ndim != 3 or image.shape[2] != 3:
        raise MAP_UNREADABLE.error(path)
    return image


def write_subject(index: pd.DataFrame, options: PublishedOptions, out: Path) -> None:
    """Write the maps of one subject's sequences, the rows of `index`, to `out`: float16 (N, 3, H, W) per sequence.

    Raises InputError like `read_maps`.
    """
    metadata = {
        "source": f"published maps, layout {options.layout}",
        "units": "0..1 as published, not pixels",
        "reverse_decay": options.reverse_decay,
    }
    maps = {row.sequence: read_maps(options, row.subject, row.sequence) for row in index.itertuples()}
    save_tensors(out, maps, metadata)


def clone_checksum(root: str | Path) -> tuple[int, str]:
    """The number of files in a clone's flow folder, and a SHA-256 over these files and the table.

    The checksum is that of the lines "{name}\\0{SHA-256 of the content}\\n" in order of the names, which are relative
    to the clone, with forward slashes.
    """
    root = Path(root)
    maps = [path for path in (root / FOLDER).rglob("*") if path.is_file()]
    contents = {path.relative_to(root).as_posix(): path for path in (*maps, root / TABLE)}
    digest = sha256()
    for name, path in sorted(contents.items()):
        digest.update(f"{name}\0{sha256(path.read_bytes()).hexdigest()}\n".encode())
    return len(maps), digest.hexdigest()


def check_clone(key: str, options: PublishedOptions) -> None:
    """Compare a clone with the number of files and the checksum that its options, those of `key`, state.

    Raises InputError if the clone is missing, incomplete or different.
    """
    root = Path(options.root)
    _require_clone(key, options)
    if not options.files and not options.sha256:
        return
    try:
        count, checksum = clone_checksum(root)
    except OSError as error:
        raise CLONE_UNREADABLE.error(error.filename, reason=error.strerror, key=f"{key}.root") from error
    if options.files not in (0, count):
        values = {"found": count, "wanted": options.files, "commit": options.commit, "key": key}
        raise CLONE_FILES.error(root / FOLDER, **values)
    if options.sha256 not in ("", checksum):
        values = {"found": checksum, "wanted": options.sha256, "commit": options.commit, "key": key}
        raise CLONE_CHECKSUM.error(root / FOLDER, table=TABLE, **values)
