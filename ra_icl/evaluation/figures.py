"""Confusion matrices (Figures 4 and 11), as PDF and PNG."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from ra_icl.datasets.index import TITLES
from ra_icl.datasets.protocols import CDE
from ra_icl.errors import InputError
from ra_icl.evaluation.caveats import all_caveats
from ra_icl.evaluation.records import read_metrics
from ra_icl.evaluation.style import MAP, PAGE, TEXT, TINY, data_of, pyplot, readable_on, save_figure, say_below

Panel = tuple[str, Sequence[Sequence[int]], Sequence[str]]  # title, matrix (C, C), class names
CELL = 0.53  # inches: one cell of every matrix, so that panels of 3 and 7 classes read alike
BESIDE, ABOVE = 0.85, 1.2  # inches: class names and titles beside and above a matrix
LEAST_WIDTH = 5.0  # inches: what the longest title needs


def figure4(metrics_json: Path, out_stem: Path, title: str = "") -> None:
    """Confusion matrices under the CDE setting: the composite, then each dataset that was run.

    title: of the method; by default its name. Writes `out_stem`.pdf and .png. Raises InputError for metrics of another
    protocol.
    """
    metrics = metrics_of(metrics_json, *CDE)
    titles = {"composite": "Composite", **TITLES}
    found = [name for name in titles if name in metrics["confusion"]]
    panels = [_panel(titles[name], name, metrics) for name in found]
    confusion_figure(panels, out_stem, _suptitle("CDE", [metrics], title), data_of([metrics]))


def figure11(metrics_jsons: Sequence[Path], out_stem: Path, title: str = "") -> None:
    """Confusion matrices on CAS(ME)³: 3, 4 and 7 classes, a panel for each metrics JSON given.

    title: of the method; by default its name. Writes `out_stem`.pdf and .png. Raises InputError for metrics of another
    protocol.
    """
    if not metrics_jsons:
        raise InputError(f"{out_stem}: no metrics given; name the JSON of casme3_3, casme3_4, casme3_7")
    found = [metrics_of(path, "casme3_3", "casme3_4", "casme3_7") for path in metrics_jsons]
    found.sort(key=lambda metrics: len(metrics["classes"]))
    panels = [_panel(f"{len(m['classes'])} classes", "composite", m) for m in found]
    confusion_figure(panels, out_stem, _suptitle(TITLES["casme3"], found, title), data_of(found))


def figure_own(metrics_json: Path, out_stem: Path, title: str = "") -> None:
    """Confusion matrix of own data.

    title: of the method; by default its name. Writes `out_stem`.pdf and .png. Raises InputError for metrics of another
    protocol.
    """
    metrics = metrics_of(metrics_json, "own")
    panels = [_panel(TITLES["own"], "composite", metrics)]
    confusion_figure(panels, out_stem, _suptitle(TITLES["own"], [metrics], title), data_of([metrics]))


def confusion_figure(panels: Sequence[Panel], out_stem: Path, suptitle: str, data: str) -> None:
    """Draw confusion matrices in rows that fit a page; write `out_stem`.pdf and .png.

    A panel is (title, matrix (C, C) of counts with true classes as rows, C class names). Colour and
    first line of a cell: % of the true class's samples; second line: the count. data: what they are of, printed below.
    """
    plt = pyplot()
    lines = rows_of(panels)
    widths = [sum(len(classes) * CELL + BESIDE for _, _, classes in line) for line in lines]
    heights = [max(len(classes) for _, _, classes in line) * CELL + ABOVE for line in lines]
    size = (max(LEAST_WIDTH, *widths), sum(heights) + 0.4)
    figure = plt.figure(figsize=size, layout="constrained")
    for part, line in zip(np.ravel(figure.subfigures(len(lines), 1, height_ratios=heights)), lines, strict=True):
        sides = [len(classes) for _, _, classes in line]
        axes = part.subplots(1, len(line), squeeze=False, width_ratios=sides)[0]
        for axis, panel in zip(axes, line, strict=True):
            _draw(axis, *panel)
        axes[0].set_ylabel("true class")
    figure.suptitle(suptitle)
    say_below(figure, data)
    save_figure(figure, out_stem)


def rows_of(panels: Sequence[Panel]) -> list[Sequence[Panel]]:
    """Panels in as few rows as fit a page, about as many in each."""
    width = sum(len(classes) * CELL + BESIDE for _, _, classes in panels)
    each = ceil(len(panels) / ceil(width / PAGE))
    return [panels[start : start + each] for start in range(0, len(panels), each)]


def row_percent(matrix: np.ndarray) -> np.ndarray:
    """Each row of counts (C, C) as % of its sum: recall on the diagonal; 0 for a class without samples."""
    matrix = np.asarray(matrix, dtype=float)
    return 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)


def _draw(axis: Any, title: str, matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> None:
    """One matrix as an annotated heatmap with square cells."""
    import seaborn

    counts = np.asarray(matrix)
    share = row_percent(counts)
    names = list(classes)
    seaborn.heatmap(
        share,
        ax=axis,
        vmin=0,
        vmax=100,
        cmap=MAP,
        square=True,
        cbar=False,
        annot=_cell_texts(share, counts),
        fmt="",
        annot_kws={"fontsize": TINY},
        linewidths=0.8,
        linecolor="white",
        xticklabels=names,
        yticklabels=names,
    )
    colours = axis.collections[0].cmap(share / 100).reshape(-1, 4)
    for text, colour in zip(axis.texts, colours, strict=True):
        text.set_color(readable_on(colour))
    axis.set_anchor("N")
    axis.set_title(title, fontsize=TEXT)
    axis.set_xlabel("predicted class", fontsize=TEXT)
    axis.tick_params(length=0, labelsize=TINY)
    axis.tick_params(axis="x", rotation=35 if len(names) > 4 else 0)
    axis.tick_params(axis="y", rotation=0)


def _cell_texts(share: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The two lines of every cell, (C, C) strings; "–" along a class without samples."""
    empty = counts.sum(1, keepdims=True) == 0
    lines = [f"{p:.1f}\n({n})" for p, n in zip(share.flat, counts.flat, strict=True)]
    return np.where(empty, "–", np.array(lines, dtype=object).reshape(counts.shape))


def metrics_of(path: Path, *protocols: str) -> dict[str, Any]:
    """Read metrics. Raises InputError if they are of another protocol."""
    metrics = read_metrics(path)
    if metrics["protocol"] not in protocols:
        raise InputError(f"{path}: protocol is {metrics['protocol']}; give {' or '.join(protocols)}")
    return metrics


def _panel(title: str, subset: str, metrics: Mapping[str, Any]) -> Panel:
    """A panel of one subset's matrix; its counts are summed over the seeds that the title gives."""
    matrix = metrics["confusion"][subset]
    seeds = len(metrics["seeds"])
    sequences = f"{int(np.sum(matrix)) // seeds} sequences" + (f" × {seeds} seeds" if seeds > 1 else "")
    return f"{title}\n{sequences}", matrix, metrics["classes"]


def _suptitle(setting: str, metrics: Sequence[Mapping[str, Any]], title: str) -> str:
    """Method and setting; on further lines what must be said about data, missing datasets and selection."""
    methods = dict.fromkeys(content["method"].upper() for content in metrics)
    first = f"{title or ', '.join(methods)}, {setting}: % of the true class (count)"
    return "\n".join([first, *all_caveats(metrics)])
