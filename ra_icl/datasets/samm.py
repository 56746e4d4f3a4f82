"""SAMM (200 fps, greyscale): spreadsheet of FACS codes and a folder of frames per clip."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ra_icl.datasets import folders, index
from ra_icl.datasets.cells import id_number, text_cell, timing
from ra_icl.datasets.spreadsheet import read_table
from ra_icl.errors import Faults

FPS = 200
_TIMING = ("Onset Frame", "Apex Frame", "Offset Frame", "Estimated Emotion")

# Known faults of the official annotation, (subject, clip) -> (column, right value, reason). None empties an apex that
# is outside onset..offset: the true one is unknown, and methods that need an apex then take the midpoint. Any other
# fault stops the run.
REPAIRS = {
    ("013", "013_1_9"): ("offset", 5739, "wrong offset; public loaders correct it"),
    ("028", "028_4_1"): ("apex", None, "apex outside onset..offset"),
    ("032", "032_3_1"): ("apex", None, "apex outside onset..offset"),
}
_LONGEST = 200  # frames, one second: if the repaired offset is further from the onset, the clip is a different one


def read_index(annotation: Path | None, frames: Path, faults: Faults) -> pd.DataFrame:
    """Read SAMM_Micro_FACS_Codes_v2.xlsx as an index: every row, in the file's order.

    frames: the folder that holds 006/006_1_2/... The header is found below the notes at the top; subject ids are padded
    to three digits; REPAIRS are applied.
    The result is indexed by spreadsheet row and not validated; rows with an unreadable cell are left out and added to
    `faults`. Raises InputError if the file cannot be read or lacks a column.
    """
    table = read_table(annotation, ("Subject", "Filename", *_TIMING))
    find = folders.finder()
    return index.read_rows(table, annotation, lambda *cells: _repaired(_row(frames, find, *cells)), faults)


def _row(frames: Path, find: Callable[..., Path], source: str, cells: pd.Series) -> dict:
    subject = f"{id_number(cells['Subject'], 'Subject', source):03d}"
    sequence = text_cell(cells["Filename"], "Filename", source)
    index.below(frames / subject, sequence, source=source)
    return {
        "dataset": "samm",
        "subject": subject,
        "sequence": sequence,
        "frames": str(find(frames, subject, sequence)),
        "fps": FPS,
        **timing(cells, _TIMING, source),
    }


def _repaired(row: dict) -> dict:
    column, value, _ = REPAIRS.get((row["subject"], row["sequence"]), (None, None, None))
    if column == "offset" and 0 < value - row["onset"] <= _LONGEST:
        return row | {"offset": value}
    if column == "apex" and row["apex"] is not None and not row["onset"] <= row["apex"] <= row["offset"]:
        return row | {"apex": None}
    return row
