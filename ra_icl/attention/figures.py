"""Figures 5 and 12: what networks look at, as grids of pictures, and the heatmaps of their regions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill, shorten
from typing import Any, NamedTuple

import numpy as np

from ra_icl.attention.grids import MethodView, Shown
from ra_icl.datasets.index import TITLES
from ra_icl.datasets.protocols import PROTOCOLS
from ra_icl.errors import InputError
from ra_icl.evaluation.caveats import caveats
from ra_icl.evaluation.motion import draw_motion, full_colour
from ra_icl.evaluation.style import PAGE, pyplot, save_figure
from ra_icl.flow.wheel import flow_colours, wheel

CELL, LEAST = 1.1, 0.5  # inches: a picture's side at most, and at least, so that there is room for its heading
HEADING = 0.7  # inches above the pictures of each sequence
GAP = 0.08  # inches between groups of columns, and below a sequence
LEFT = 0.58  # inches beside the grid, for the labels of instances
SMALL, MEDIUM, LARGE = 7, 8, 9  # points
LINE = 112  # characters of small print in a line
LONGEST = 26  # characters of a method's title above its maps
LEAST_RANGE = 0.001  # of P over all colours: less is as good as uniform, and has to look it
ARROWS = 8  # across a picture
MAPS = ("CAM", "Grad-CAM", "Guided")  # the last is Guided Grad-CAM, whose name is wider than its picture


def attention_figure(shown: Sequence[Shown], dataset: str, facts: Mapping[str, Any], out_stem: Path) -> None:
    """Draw frames, motion and strain of each sequence's instances beside the maps of every method.

    facts: of `shown_sequences`. Writes `out_stem`.pdf and .png. A row per instance. The colours of a map have one scale
    over the instances of a sequence: CAM blue against the class, red for it; Grad-CAM bright where it is large.
    """
    leading = (["frame"] if shown[0].frames is not None else []) + ["motion", "strain"]
    groups = [leading, *([*MAPS] for _ in shown[0].methods)]
    words = _words("What the networks look at", dataset, facts, shown, key=True)
    figure, axes = _grid(shown, groups, words.height)
    for sequence, rows in zip(shown, axes, strict=True):
        unit = f"\nto {sequence.speed:.2g} px" if sequence.pixels else ""
        heads = [f"{name}{unit}" if name == "motion" else name for name in leading]
        _heads(rows[0], [*heads, *(name for _ in sequence.methods for name in MAPS)])
        for number, row in enumerate(rows):
            _draw_instance(row, sequence, number)
            for place, view in enumerate(sequence.methods):
                first = len(leading) + place * len(MAPS)
                _draw_maps(row[first : first + len(MAPS)], view, number, sequence)
        for place, view in enumerate(sequence.methods):
            middle = rows[0][len(leading) + place * len(MAPS) + 1]
            text = f"{shorten(view.title, LONGEST, placeholder='…')}\n{view.judgement}"
            _say(middle, text, 0.5, "center")
    _draw_key(figure)
    _finish(figure, words, out_stem)


def regions_figure(shown: Sequence[Shown], dataset: str, facts: Mapping[str, Any], out_stem: Path) -> None:
    """Draw the heatmaps of every query of region discovery, P of Eq. 8, of each sequence's instances.

    Of every method that has regions. Writes `out_stem`.pdf and .png. A row per instance; the colours of a method have
    one scale over the instances of a sequence, which its heading gives. Raises InputError if no method has regions.
    """
    views = [view for view in shown[0].methods if view.regions is not None]
    if not views:
        names = ", ".join(view.title for view in shown[0].methods)
        raise InputError(f"--methods: {names}: no region discovery, so no queries; name a method with loss.regions")
    first = "motion" if shown[0].frames is None else "frame"
    groups = [[first], *([f"query {number + 1}" for number in range(view.regions.shape[1])] for view in views)]
    words = _words("Where the queries look", dataset, facts, shown)
    figure, axes = _grid(shown, groups, words.height)
    for sequence, rows in zip(shown, axes, strict=True):
        _heads(rows[0], [name for group in groups for name in group])
        column = 1
        for view in (view for view in sequence.methods if view.regions is not None):
            queries = view.regions.shape[1]
            low, high = float(view.regions.min()), float(view.regions.max())
            text = f"{view.title}: {view.judgement}\nP from {low:.3f} (dark) to {high:.3f}; uniform: {1 / queries:.3f}"
            low, high = min(low, high - LEAST_RANGE), max(high, low + LEAST_RANGE)
            _say(rows[0][column], text, 0, "left")
            for number, row in enumerate(rows):
                for query in range(queries):
                    row[column + query].imshow(view.regions[number, query], cmap="viridis", vmin=low, vmax=high)
                    _outline(row[column + query], sequence.active)
            column += queries
        for number, row in enumerate(rows):
            colours = flow_colours(sequence.motion[number], sequence.speed)
            row[0].imshow(
                colours if sequence.frames is None else sequence.frames[number], cmap="gray", vmin=0, vmax=255
            )
            _outline(row[0], sequence.active)
    _finish(figure, words, out_stem)


def _grid(shown: Sequence[Shown], groups: Sequence[Sequence[str]], head: float) -> tuple[Any, list[np.ndarray]]:
    """A figure, and the axes of each sequence as rows of columns; a gap parts groups of columns.

    head: inches above the grid. With more columns than a page has room for the figure is wider than a page.
    """
    plt = pyplot()
    widths = [len(group) for group in groups]
    counts = [len(sequence.labels) for sequence in shown]
    beside = LEFT + GAP * len(groups)
    cell = min(CELL, max(LEAST, (PAGE - beside) / sum(widths)))
    width = max(PAGE, beside + cell * sum(widths))
    height = cell * sum(counts) + (HEADING + GAP) * len(shown) + head
    figure = plt.figure(figsize=(width, height))
    starts = LEFT + np.cumsum([0, *(cell * count + GAP for count in widths[:-1])])
    lefts = [start + cell * number for start, count in zip(starts, widths, strict=True) for number in range(count)]
    found, top, side = [], head, 0.96 * cell
    for sequence, count in zip(shown, counts, strict=True):
        figure.text(0.05 / width, 1 - (top + 0.12) / height, sequence.title, fontsize=MEDIUM, parse_math=False)
        top += HEADING
        bottoms = [1 - (top + cell * (number + 1)) / height for number in range(count)]
        places = [[(left / width, bottom, side / width, side / height) for left in lefts] for bottom in bottoms]
        found.append(np.array([[figure.add_axes(place) for place in row] for row in places], dtype=object))
        top += cell * count + GAP
        for row, label in zip(found[-1], sequence.labels, strict=True):
            words = label.replace(" ", "\n")  # one below another: there is little room beside a picture
            row[0].set_ylabel(words, fontsize=SMALL, labelpad=3, rotation=0, ha="right", va="center", linespacing=1)
            for axis in row:
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_linewidth(0.3)
    return figure, found


def _say(axis: Any, text: str, place: float, align: str) -> None:
    """Write above the title of a column; place: 0 is its left edge, 1 its right one."""
    style = {"ha": align, "fontsize": MEDIUM, "fontweight": "bold", "linespacing": 1, "parse_math": False}
    above = {"xycoords": "axes fraction", "xytext": (0, 18), "textcoords": "offset points", "annotation_clip": False}
    axis.annotate(text, (place, 1), **above, **style)


def _heads(row: Sequence[Any], names: Sequence[str]) -> None:
    for axis, name in zip(row, names, strict=True):
        axis.set_title(name, fontsize=SMALL, pad=2, linespacing=0.95)


def _draw_instance(row: Sequence[Any], sequence: Shown, number: int) -> None:
    """Frame, motion as colours and arrows, and strain of an instance."""
    columns = iter(row)
    if sequence.frames is not None:
        axis = next(columns)
        axis.imshow(sequence.frames[number], cmap="gray", vmin=0, vmax=255)
        _outline(axis, sequence.active)
    draw_motion(next(columns), sequence.motion[number], sequence.speed, ARROWS, width=0.008)
    next(columns).imshow(sequence.strain[number], cmap="magma", vmin=0, vmax=full_colour(sequence.strain))


def _draw_maps(row: Sequence[Any], view: MethodView, number: int, sequence: Shown) -> None:
    """CAM, Grad-CAM on the frame, and Guided Grad-CAM of an instance."""
    limit = max(float(np.abs(view.cam).max()), 1e-9)
    row[0].imshow(view.cam[number], cmap="RdBu_r", vmin=-limit, vmax=limit)
    share = view.grad_cam[number] / max(float(view.grad_cam.max()), 1e-9)
    row[1].imshow(_ground(sequence, number), cmap="gray", vmin=0, vmax=255)
    row[1].imshow(share, cmap="inferno", vmin=0, vmax=1, alpha=0.8 * share.clip(0, 1))
    row[2].imshow(view.guided[number], cmap="inferno", vmin=0, vmax=full_colour(view.guided))
    for axis in row:
        _outline(axis, sequence.active)


def _ground(sequence: Shown, number: int) -> np.ndarray:
    """What a map is laid over: the frame or, without frames, the length of the motion in grey."""
    if sequence.frames is not None:
        return sequence.frames[number]
    length = np.linalg.norm(sequence.motion[number], axis=0) / sequence.speed
    return 255 * (1 - 0.6 * length.clip(0, 1))


def _outline(axis: Any, active: np.ndarray | None) -> None:
    """Draw the edge of the regions that the expression moves, where they are known: seen on light and on dark."""
    if active is not None and 0 < active.mean() < 1:
        axis.contour(active.astype(float), levels=[0.5], colors="black", linewidths=1.5)
        axis.contour(active.astype(float), levels=[0.5], colors="white", linewidths=0.7)


class Words(NamedTuple):
    """What is written above the grid, in lines: title and caveats, and notes that explain the pictures."""

    title: str
    notes: str

    @property
    def notes_below(self) -> float:
        """Inches from the upper edge to the notes."""
        return 0.16 + 0.15 * len(self.title.splitlines())

    @property
    def height(self) -> float:
        """Inches above the grid."""
        return self.notes_below + 0.12 * len(self.notes.splitlines()) + 0.05


def _words(what: str, dataset: str, facts: Mapping[str, Any], shown: Sequence[Shown], key: bool = False) -> Words:
    """key: whether CAMs are among the pictures."""
    said = caveats({**facts, "scores": PROTOCOLS[facts["protocol"]].tested})
    notes = [f"Shown: {facts['counts']} of this class.", "Each network is from a fold that held the person out."]
    if any("surest" in one.title for one in shown):
        kinds = [kind for kind in ("right", "wrong") if not any(f"surest {kind}" in one.title for one in shown)]
        notes.append(f"Surest: by {facts['chosen_by']}{''.join(f', which gets none {kind}' for kind in kinds)}.")
    if any(one.active is not None for one in shown):
        notes.append("Outlined: where the expression moves the skin, known of synthetic twins.")
    if key:
        notes.append("CAM: red speaks for the class named above it, blue against it.")
    title = f"{what}: {TITLES[dataset]}, class {facts['class_name']}"
    return Words("\n".join([title, *said]), fill(" ".join(notes), LINE))


def _finish(figure: Any, words: Words, out_stem: Path) -> None:
    """Write title and explanations, and the files."""
    width, height = figure.get_size_inches()
    style = {"va": "top", "parse_math": False}
    figure.text(0.05 / width, 1 - 0.08 / height, words.title, fontsize=LARGE, **style)
    figure.text(0.05 / width, 1 - words.notes_below / height, words.notes, fontsize=SMALL, **style)
    save_figure(figure, out_stem)


def _draw_key(figure: Any) -> None:
    """The circle of the motion's colours, in the upper right corner."""
    width, height = figure.get_size_inches()
    side = 0.5
    axis = figure.add_axes((1 - (side + 0.1) / width, 1 - (side + 0.2) / height, side / width, side / height))
    axis.imshow(wheel(64))
    axis.set_axis_off()
    axis.set_title("motion", fontsize=SMALL, pad=1)
