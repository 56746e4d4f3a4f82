"""Quality control as pictures: motion energy of every sequence, and contact sheets of onset crops."""

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ra_icl import files
from ra_icl.datasets.index import TITLES
from ra_icl.evaluation.metrics import DATA_SOURCE_CAVEATS

COLUMNS = 4  # curves side by side
THUMBNAIL = 96  # pixels
ODD, PLAIN = (200, 30, 30), (255, 255, 255)


def draw_subject(measures: Sequence[Mapping[str, Any]], out: Path, data_source: str) -> None:
    """Draw a subject's motion-energy curves, one panel a sequence, to a PNG.

    Line: difference from the onset crop in grey levels. Shaded: the sampled window. Dashed: the
    annotated apex. Dots (right axis): mean flow of the sampled frames in pixels.
    """
    plt = _pyplot()
    rows = ceil(len(measures) / COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(13, 0.7 + 2.1 * rows), layout="constrained", squeeze=False)
    for axis in axes.flat[len(measures) :]:
        axis.set_axis_off()
    for axis, measured in zip(axes.flat, measures, strict=False):
        _draw_curve(axis, measured)
    for axis in axes[:, 0]:
        axis.set_ylabel("grey levels", fontsize=8)
    axes[-1, 0].set_xlabel("frames after the onset", fontsize=8)
    first = measures[0]
    what = "motion energy (line, left axis) and mean flow in px (dots, right axis)"
    figure.suptitle(_title(f"{TITLES[first['dataset']]}, {first['subject']}: {what}", data_source), fontsize=10)
    _save(figure, out)


def contact_sheet(ranked: pd.DataFrame, crops: Path, out: Path, data_source: str) -> None:
    """Draw the onset crops of a dataset, in the order of `ranked` (see `qc.rank`), to a PNG.

    crops: the folder with a file per subject. A red frame marks a sequence with a remark.
    """
    plt = _pyplot()
    onsets = {}
    for subject in ranked["subject"].unique():
        path = crops / f"{subject}.safetensors"
        onsets |= {(subject, name): crop for name, crop in _first_frames(path).items()}
    tiles = [_tile(onsets[row.subject, row.sequence], row.oddness > 0) for row in ranked.itertuples()]
    across = max(4, ceil(sqrt(1.6 * len(tiles))))
    down = ceil(len(tiles) / across)
    side = tiles[0].shape[0]
    sheet = np.full((down * side, across * side, 3), 255, np.uint8)
    for position, tile in enumerate(tiles):
        y, x = side * (position // across), side * (position % across)
        sheet[y : y + side, x : x + side] = tile
    figure = plt.figure(figsize=(across * side / 100, down * side / 100 + 0.7))
    axis = figure.add_axes((0, 0, 1, down * side / 100 / (down * side / 100 + 0.7)))
    axis.imshow(sheet, interpolation="none", aspect="auto")
    axis.set_axis_off()
    for position, row in enumerate(ranked.itertuples()):
        corner = (side * (position % across) + 5, side * (position // across + 1) - 6)
        label = f"{row.subject}\n{row.sequence}"
        axis.text(*corner, label, fontsize=4.5, color="white", va="bottom", clip_on=True, linespacing=1)
    odd = int((ranked["oddness"] > 0).sum())
    name = TITLES[ranked["dataset"].iloc[0]]
    figure.suptitle(
        _title(f"{name}: {len(ranked)} onset crops, oddest first, {odd} with a remark", data_source), fontsize=9
    )
    _save(figure, out)


def _draw_curve(axis: Any, measured: Mapping[str, Any]) -> None:
    numbers = [number - measured["frames"][0] for number in measured["frames"]]
    sampled = [numbers[position] for position in measured["window"]]
    axis.axvspan(sampled[0] - 0.5, sampled[-1] + 0.5, color="tab:blue", alpha=0.15, linewidth=0)
    axis.plot(numbers, measured["energy"], color="tab:blue", linewidth=1.2)
    axis.set_ylim(bottom=0)
    if measured["apex"] is not None:
        axis.axvline(numbers[measured["apex"]], color="black", linestyle="--", linewidth=0.9)
    right = axis.twinx()
    right.plot(sampled, measured["motion"], ".", color="tab:orange", markersize=3)
    right.set_ylim(0, 1.2 * max(*measured["motion"], 1e-3))
    for one in (axis, right):
        one.tick_params(labelsize=6)
    title = f"{measured['sequence']} ({measured['emotion']})"
    text = "\n".join([title, *measured["remarks"]])
    axis.set_title(text, fontsize=7, color="tab:red" if measured["remarks"] else "black")


def _first_frames(path: Path) -> dict[str, np.ndarray]:
    """The onset crop of every sequence of a subject; only they are read."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return {name: file.get_slice(name)[0] for name in file.keys()}  # noqa: SIM118 (not a dict)


def _tile(crop: np.ndarray, odd: bool) -> np.ndarray:
    import cv2

    small = cv2.resize(crop, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    colour = small if small.ndim == 3 else np.repeat(small[..., None], 3, axis=2)
    border = [2] * 4
    return cv2.copyMakeBorder(colour, *border, cv2.BORDER_CONSTANT, value=ODD if odd else PLAIN)


def _title(text: str, data_source: str) -> str:
    return "\n".join(filter(None, [text, DATA_SOURCE_CAVEATS[data_source]]))


def _pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _save(figure: Any, out: Path) -> None:
    with files.atomic(out) as temporary:
        figure.savefig(temporary, dpi=100 if figure.get_size_inches()[1] > 20 else 150, metadata={"Software": None})
    _pyplot().close(figure)
