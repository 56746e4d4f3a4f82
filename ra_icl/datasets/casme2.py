"""CASME II (200 fps): spreadsheet of codes and a folder of frames per clip."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

from ra_icl.datasets import folders, index
from ra_icl.datasets.cells import id_number, text_cell, timing
from ra_icl.datasets.spreadsheet import read_table
from ra_icl.errors import Faults

FPS = 200
_TIMING = ("OnsetFrame", "ApexFrame", "OffsetFrame", "Estimated Emotion")


def read_index(annotation: Path | None, frames: Path, faults: Faults) -> pd.DataFrame:
    """Read CASME2-coding-*.xlsx as an index: every row, in the file's order.

    frames: the folder that holds sub01/EP02_01f/..., raw (img46.jpg) or cropped (reg_img46.jpg); the case of
    their names does not count.
    A missing apex (blank or "/", about 21 in some editions) is empty. The wrong offset of sub07/EP06_01, which public
    loaders correct, needs no repair because no protocol uses that clip's emotion.
    The result is indexed by spreadsheet row and not validated; rows with an unreadable cell are left out and added to
    `faults`. Raises InputError if the file cannot be read or lacks a column.
    """
    table = read_table(annotation, ("Subject", "Filename", *_TIMING))
    return index.read_rows(table, annotation, partial(_row, frames, folders.finder()), faults)


def _row(frames: Path, find: Callable[..., Path], source: str, cells: pd.Series) -> dict:
    subject = f"sub{id_number(cells['Subject'], 'Subject', source):02d}"
    sequence = text_cell(cells["Filename"], "Filename", source)
    index.below(frames / subject, sequence, source=source)
    return {
        "dataset": "casme2",
        "subject": subject,
        "sequence": sequence,
        "frames": str(find(frames, subject, sequence)),
        "fps": FPS,
        **timing(cells, _TIMING, source),
    }
