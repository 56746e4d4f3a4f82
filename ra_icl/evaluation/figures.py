"""Confusion matrices (Figures 4 and 11), as PDF and PNG."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ra_icl import files
from ra_icl.datasets.index import TITLES
from ra_icl.datasets.protocols import CDE
from ra_icl.errors import InputError
from ra_icl.evaluation.caveats import caveats
from ra_icl.evaluation.records import read_metrics

Panel = tuple[str, Sequence[Sequence[int]], Sequence[str]]  # title, matrix (C, C), class names
CELL = 0.72  # inches: one cell of every matrix, so that panels of 3 and 7 classes read alike
MARGIN = 1.25  # inches: class names and title beside a matrix
BAR = 0.9  # inches: the colour bar
LEAST_WIDTH = 6.0  # inches: what the longest title needs
# No creation date and no version in the file: the same metrics give the same bytes.
METADATA = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "png": {"Software": None},
}


def figure4(metrics_json: Path, out_stem: Path) -> None:
    """Confusion matrices under the CDE setting: the composite, then each dataset that was run.

    Writes `out_stem`.pdf and .png. Raises InputError for metrics of another protocol.
    """
    metrics = metrics_of(metrics_json, *CDE)
    titles = {"composite": "Composite", **TITLES}
    found = [name for name in titles if name in metrics["confusion"]]
    panels = [_panel(titles[name], name, metrics) for name in found]
    confusion_figure(panels, out_stem, _suptitle("CDE", [metrics]))


def figure11(metrics_jsons: Sequence[Path], out_stem: Path) -> None:
    """Confusion matrices on CAS(ME)³: 3, 4 and 7 classes, a panel for each metrics JSON given.

    Writes `out_stem`.pdf and .png. Raises InputError for metrics of another protocol.
    """
    if not metrics_jsons:
        raise InputError(f"{out_stem}: no metrics given; name the JSON of casme3_3, casme3_4, casme3_7")
    found = [metrics_of(path, "casme3_3", "casme3_4", "casme3_7") for path in metrics_jsons]
    found.sort(key=lambda metrics: len(metrics["classes"]))
    panels = [_panel(f"{len(m['classes'])} classes", "composite", m) for m in found]
    confusion_figure(panels, out_stem, _suptitle(TITLES["casme3"], found))


def figure_own(metrics_json: Path, out_stem: Path) -> None:
    """Confusion matrix of own data. Writes `out_stem`.pdf and .png; raises InputError for another protocol."""
    metrics = metrics_of(metrics_json, "own")
    confusion_figure([_panel(TITLES["own"], "composite", metrics)], out_stem, _suptitle(TITLES["own"], [metrics]))


def confusion_figure(panels: Sequence[Panel], out_stem: Path, suptitle: str) -> None:
    """Draw confusion matrices side by side; write `out_stem`.pdf and .png.

    A panel is (title, matrix (C, C) of counts with true classes as rows, C class names). Colour and
    first line of a cell: % of the true class's samples; second line: the count.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    sides = [len(classes) * CELL for _, _, classes in panels]
    width = sum(sides) + MARGIN * len(sides) + BAR
    figure = Figure(figsize=(max(width, LEAST_WIDTH), max(sides) + 2.2), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, width_ratios=sides)[0]
    for axis, panel in zip(axes, panels, strict=True):
        _draw(axis, *panel)
    axes[0].set_ylabel("true class")
    bar = figure.colorbar(axes[0].collections[0], ax=list(axes), pad=0.02, fraction=0.05, panchor=False)
    bar.set_label("% of the true class")
    bar.outline.set_visible(False)
    figure.suptitle(suptitle, fontsize=11)
    save_figure(figure, out_stem)


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
        cmap="Blues",
        square=True,
        cbar=False,
        annot=_cell_texts(share, counts),
        fmt="",
        annot_kws={"fontsize": 8.5},
        linewidths=0.8,
        linecolor="white",
        xticklabels=names,
        yticklabels=names,
    )
    axis.set_anchor("N")
    axis.set_title(title, fontsize=10)
    axis.set_xlabel("predicted class")
    axis.tick_params(length=0, labelsize=9)
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


def _suptitle(setting: str, metrics: Sequence[Mapping[str, Any]]) -> str:
    """Method and setting; on further lines what must be said about data, missing datasets and selection."""
    methods = dict.fromkeys(content["method"].upper() for content in metrics)
    title = f"{', '.join(methods)}, {setting}: % of the true class (count)"
    notes = [note for content in metrics for note in caveats(content)]
    return "\n".join([title, *dict.fromkeys(notes)])


def save_figure(figure: Any, out_stem: Path) -> None:
    """Write the figure as PDF (text stays text) and PNG (150 dpi), atomically."""
    import matplotlib

    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every font table that it leaves out
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        for suffix, metadata in METADATA.items():
            with files.atomic(f"{out_stem}.{suffix}") as temporary:
                figure.savefig(temporary, dpi=150, metadata=metadata)
