"""Quality control as pictures: motion energy of every sequence, and contact sheets of onset crops."""

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ra_icl import files
from ra_icl.datasets.index import TITLES
from ra_icl.datasets.names import original
from ra_icl.evaluation.caveats import data_caveats
from ra_icl.evaluation.style import BLUE, ORANGE, RED

COLUMNS = 4  # curves side by side
LINE = 64  # characters of a remark that fit above one
THUMBNAIL = 96  # pixels
HEADING = 0.7  # inches above a contact sheet
ODD, PLAIN = (200, 30, 30), (255, 255, 255)


def draw_subject(measures: Sequence[Mapping[str, Any]], out: Path, data_source: str) -> None:
    """Draw a subject's motion-energy curves, one panel per sequence, to a PNG.

    Line: difference from the onset crop in grey levels. Shaded: the sampled window. Dashed: the
    annotated apex. Dots (right axis): mean flow of the sampled frames in pixels.
    """
    rows = ceil(len(measures) / COLUMNS)
    figure = Figure(figsize=(13, 0.7 + 2.1 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for axis in axes.flat[len(measures) :]:
        axis.set_axis_off()
    for axis, measured in zip(axes.flat, measures, strict=False):
        _draw_curve(axis, measured)
    for axis in axes[:, 0]:
        axis.set_ylabel("grey levels", fontsize=8)
    axes[-1, 0].set_xlabel("frames after the onset", fontsize=8)
    first = measures[0]
    what = "motion energy (line, left axis) and mean flow in px (dots, right axis)"
    title = f"{TITLES[first['dataset']]}, {original(first['subject'])}: {what}; shaded: sampled frames, dashed: apex"
    figure.suptitle(_title(title, data_source), fontsize=10, parse_math=False)
    _save(figure, out)


def contact_sheet(ranked: pd.DataFrame, crops: Path, out: Path, data_source: str) -> None:
    """Draw the onset crops of a dataset, in the order of `ranked` (see `qc.rank`), to a PNG.

    crops: the folder with a file per subject. A red frame marks a sequence with a remark.
    """
    onsets = {}
    for subject in ranked["subject"].unique():
        crops_of = _onset_crops(crops / f"{subject}.safetensors")
        onsets |= {(subject, name): crop for name, crop in crops_of.items()}
    tiles = [_tile(onsets[row.subject, row.sequence], row.oddness > 0) for row in ranked.itertuples()]
    sheet, corners = _sheet(tiles)
    height, width = (side / 100 for side in sheet.shape[:2])
    figure = Figure(figsize=(width, height + HEADING))
    axis = figure.add_axes((0, 0, 1, height / (height + HEADING)))
    axis.imshow(sheet, interpolation="none", aspect="auto")
    axis.set_axis_off()
    for (x, y), row in zip(corners, ranked.itertuples(), strict=True):
        style = {"fontsize": 4.5, "color": "white", "va": "bottom", "clip_on": True, "linespacing": 1}
        axis.text(x + 5, y - 6, f"{original(row.subject)}\n{row.sequence}", parse_math=False, **style)
    odd = int((ranked["oddness"] > 0).sum())
    what = f"{len(ranked)} onset crops, oddest first, {odd} with a remark"
    figure.suptitle(_title(f"{TITLES[ranked['dataset'].iloc[0]]}: {what}", data_source), fontsize=9)
    _save(figure, out)


def _sheet(tiles: Sequence[np.ndarray]) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Square tiles (S, S, 3) row by row on one image (H, W, 3), and each tile's lower left corner (x, y)."""
    side, across = tiles[0].shape[0], max(5, ceil(sqrt(1.6 * len(tiles))))  # the title is as wide as 5
    sheet = np.full((side * ceil(len(tiles) / across), side * across, 3), 255, np.uint8)
    corners = [(side * (number % across), side * (number // across + 1)) for number in range(len(tiles))]
    for tile, (x, y) in zip(tiles, corners, strict=True):
        sheet[y - side : y, x : x + side] = tile
    return sheet, corners


def _draw_curve(axis: Any, measured: Mapping[str, Any]) -> None:
    numbers = [number - measured["frames"][0] for number in measured["frames"]]
    sampled = [numbers[position] for position in measured["window"]]
    axis.axvspan(sampled[0] - 0.5, sampled[-1] + 0.5, color=BLUE, alpha=0.15, linewidth=0)
    axis.plot(numbers, measured["energy"], color=BLUE, linewidth=1.2)
    axis.set_ylim(bottom=0)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if measured["apex"] is not None:
        axis.axvline(numbers[measured["apex"]], color="black", linestyle="--", linewidth=0.9)
    right = axis.twinx()
    right.plot(sampled, measured["motion"], ".", color=ORANGE, markersize=3)
    right.set_ylim(0, 1.2 * max(*measured["motion"], 1e-3))
    for one in (axis, right):
        one.tick_params(labelsize=6)
    title = f"{measured['sequence']} ({measured['emotion']})"
    text = "\n".join([title, *(fill(remark, LINE) for remark in measured["remarks"])])
    # Names are no formulas, whatever they hold between two $.
    axis.set_title(text, fontsize=7, parse_math=False, color=RED if measured["remarks"] else "black")


def _onset_crops(path: Path) -> dict[str, np.ndarray]:
    """The onset crop (H, W[, 3]) of every sequence of a subject; one sequence is in memory at a time."""
    with files.open_tensors(path) as file:
        return {name: file.get(name)[0].copy() for name in file.names}


def _tile(crop: np.ndarray, odd: bool) -> np.ndarray:
    import cv2

    small = cv2.resize(crop, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    colour = small if small.ndim == 3 else np.repeat(small[..., None], 3, axis=2)
    border = [2] * 4
    return cv2.copyMakeBorder(colour, *border, cv2.BORDER_CONSTANT, value=ODD if odd else PLAIN)


def _title(text: str, data_source: str) -> str:
    return "\n".join([text, *data_caveats(data_source)])


def _save(figure: Figure, out: Path) -> None:
    with files.atomic(out) as temporary:
        figure.savefig(temporary, dpi=100 if figure.get_size_inches()[1] > 20 else 150, metadata={"Software": None})
