"""CAS(ME)³ part A (30 fps): a sheet of labels; one file may hold several expressions."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

from ra_icl.datasets import folders, index
from ra_icl.datasets.cells import frame_number, id_number, text_cell, timing
from ra_icl.datasets.spreadsheet import read_table
from ra_icl.errors import Faults

FPS = 30
_TIMING = ("Onset", "Apex", "Offset", "emotion")
_CLIP = re.compile(r"spno\.[0-9]+_.+_[0-9]+")  # a clip's folder, in lower case


def read_index(annotation: Path | None, frames: Path, faults: Faults) -> pd.DataFrame:
    """Read cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx (sheet `label`) as an index: every row.

    frames: the folder that holds either edition, told apart folder by folder: spNO.1/a/color/355.jpg (whole videos) or
    spNO.1_a_355/355.jpg (clips). Names on disk are compared without regard to case (spNo and spNO, j and J both occur).
    A sequence is named by the file's letter in lower case and the onset, such as "a_355", since one file may hold
    several expressions. Rows that violate onset < apex <= offset are kept here; the protocols drop them.
    The result is indexed by spreadsheet row and not validated; rows with an unreadable cell are left out and added to
    `faults`. Raises InputError if the file cannot be read or lacks a column.
    """
    table = read_table(annotation, ("Subject", "Filename", *_TIMING), sheet="label")
    held = {name.lower() for name in folders.names(frames)}
    folder_of = partial(_folder, frames, held, folders.finder())
    return index.read_rows(table, annotation, partial(_row, folder_of), faults)


def depth_folder(frames: Path) -> Path:
    """The folder of depth images that belongs to a frame folder; it may not exist.

    spNO.1/a/depth beside spNO.1/a/color, or depth/spNO.1_a_355 beside frame/spNO.1_a_355. Case does not count.
    """
    find = folders.finder()
    if frames.name.lower() == "color":
        return find(frames.parent, "depth")
    return find(frames.parent.parent, "depth", frames.name)


def _row(folder_of, source: str, cells: pd.Series) -> dict:
    subject = f"spNO.{id_number(cells['Subject'], 'Subject', source)}"
    letter = text_cell(cells["Filename"], "Filename", source).lower()
    onset = frame_number(cells["Onset"], "Onset", source)
    return {
        "dataset": "casme3",
        "subject": subject,
        "sequence": f"{letter}_{onset}",
        "frames": str(folder_of(subject, letter, onset, source)),
        "fps": FPS,
        **timing(cells, _TIMING, source),
    }


def _folder(
    frames: Path, held: set[str], find: Callable[..., Path], subject: str, letter: str, onset: int, source: str
) -> Path:
    """The sequence's frame folder; if it is missing, where it would be in the edition that is there.

    held: what `frames` holds, in lower case.
    """
    index.below(frames / subject, letter, "color", source=source)
    clip = f"{subject}_{letter}_{onset}"
    missing = subject.lower() not in held and any(map(_CLIP.fullmatch, held))
    return find(frames, clip) if missing or clip.lower() in held else find(frames, subject, letter, "color")
