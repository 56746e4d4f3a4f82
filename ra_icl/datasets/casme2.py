"""CASME II (200 fps): spreadsheet of codes and a folder of frames per clip."""

from pathlib import Path

import pandas as pd

from ra_icl.datasets import index

FPS = 200
_TIMING = ("OnsetFrame", "ApexFrame", "OffsetFrame", "Estimated Emotion")


def read_index(root: Path, annotation: Path | None, frames: Path) -> pd.DataFrame:
    """Read CASME2-coding-*.xlsx as an index: every row, in the file's order.

    frames: the folder that holds sub01/EP02_01f/..., raw (img46.jpg) or cropped (reg_img46.jpg).
    A missing apex (blank or "/", about 21 in some editions) is empty. The one wrong offset that
    public loaders correct, sub07/EP06_01, needs no repair here: its emotion is in no protocol.
    The result is indexed by spreadsheet row and not validated. Raises InputError for a file that
    cannot be read, a missing column or a cell that is no frame number.
    """
    table = index.read_table(annotation, ("Subject", "Filename", *_TIMING))
    rows = [_row(number, cells, annotation, frames) for number, cells in table.iterrows()]
    return index.index_frame(rows, table.index)


def _row(number: int, cells: pd.Series, annotation: Path, frames: Path) -> dict:
    source = f"{annotation}, row {number}"
    subject = f"sub{index.id_number(cells['Subject'], 'Subject', source):02d}"
    sequence = index.text_cell(cells["Filename"], "Filename", source)
    return {
        "dataset": "casme2",
        "subject": subject,
        "sequence": sequence,
        "frames": str(frames / subject / sequence),
        "fps": FPS,
        **index.timing(cells, _TIMING, source),
    }
