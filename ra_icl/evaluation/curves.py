"""How the trainings of a method went: loss terms, gradients, regions and target over the epochs of all its folds."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ra_icl.errors import InputError
from ra_icl.evaluation.caveats import FOLDS_CAVEATS, SELECTION_CAVEATS, data_caveats
from ra_icl.evaluation.explain import ALIKE, TERMS, UNIFORM, WARNINGS, WINS, count_warnings, diagnosed, guessing
from ra_icl.evaluation.folds import SEQUENCE_KEY, class_count, read_fold, require_same
from ra_icl.evaluation.style import (
    COLOURS,
    MAP,
    PAGE,
    RED,
    TINY,
    clear_legends,
    data_of,
    pyplot,
    save_figure,
    say_below,
)

ACROSS = 4  # panels side by side
LEGEND = {"loc": "lower left", "fontsize": TINY - 1, "handlelength": 1, "borderpad": 0.2, "labelspacing": 0.2}
INNER, OUTER = (10, 90), (0, 100)  # percentiles over folds: the dark band, and the light one
BANDS = (
    "Lines: means over the trainings; dark bands: 80 % of them, light bands: all\n"
    "Dashed: what guessing gives, or where ra-icl explain begins to warn"
)
# {term: its name, in Matplotlib's spelling}
LOSSES = {term: re.sub(r"L_(\w+)", r"$L_{\\mathrm{\1}}$", name) for term, name in ({"cls": "L_cls"} | TERMS).items()}


@dataclass(frozen=True)
class Curves:
    """The curves of several folds on one axis.

    times: (E,), epochs, or % of the training where folds have different numbers of them. values: {name: (folds, E)} of
    what every fold tells; a gradient is "gradients.{term}". wins: (folds, E, N), the queries' shares of the pixels,
    largest first, or None. epochs: whether `times` are epochs.
    """

    times: np.ndarray
    values: dict[str, np.ndarray]
    wins: np.ndarray | None
    epochs: bool

    def named(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """The values of those of these names that every fold tells."""
        return {name: self.values[name] for name in names if name in self.values}


def curves_figure(fold_csvs: Sequence[Path], out_stem: Path, title: str = "") -> None:
    """Draw the trainings of one method's folds, all seeds together: means, and bands over the folds.

    fold_csvs: CSVs of one method under one protocol, with the JSON of each beside it. title: of the method; by default
    its name. Dark bands hold 80 % of the folds, light ones all of them. Of the regions, the queries' shares of the
    pixels are stacked with the largest below: a collapse fills the panel with one colour. The title counts what
    `explain` finds.
    Writes `out_stem`.pdf and .png. Raises InputError for folds without curves, and for those of several methods.
    """
    folds = [read_fold(Path(path), class_count(Path(path))) for path in fold_csvs]
    if not folds:
        raise InputError(f"{out_stem}: no folds given; name their CSV files")
    records = [record for _, record in folds]
    shared = {key: records[0][key] for key in ("method", "protocol", "data_source", "selection")}
    for path, record in zip(fold_csvs, records, strict=True):
        require_same(path, record, shared, "name folds of one method and one run")
        if not record.get("curve"):
            raise InputError(f"{path}: its record holds no curve, as those of ensembles; name folds that were trained")
    plt = pyplot()
    panels = _panels(curves_of(records), records)
    rows = math.ceil(len(panels) / ACROSS)
    figure, axes = plt.subplots(
        rows, ACROSS, figsize=(PAGE, 1.55 * rows + 0.7), squeeze=False, sharex=True, layout="constrained"
    )
    for axis, (name, draw) in zip(axes.flat, panels.items(), strict=False):
        draw(axis)
        axis.set_title(name)
    _label(axes, panels, curves_of(records).epochs)
    figure.suptitle("\n".join(_title(folds, title)))
    say_below(figure, f"{_data(folds)}\n{BANDS}")
    clear_legends(figure)
    save_figure(figure, out_stem)


def curves_of(records: Sequence[Mapping[str, Any]]) -> Curves:
    """The curves of folds' records, of what every fold tells of every epoch."""
    flat = [[_flat(epoch) for epoch in record["curve"]] for record in records]
    lengths = {len(curve) for curve in flat}
    times = np.arange(1, max(lengths) + 1, dtype=float)
    if len(lengths) > 1:
        times *= 100 / len(times)
    names = set.intersection(*(set(epoch) for curve in flat for epoch in curve))
    values = {
        name: np.array([_stretched([epoch[name] for epoch in curve], len(times)) for curve in flat])
        for name in sorted(names)
    }
    wins = [np.sort([epoch["wins"] for epoch in record["curve"]])[:, ::-1] for record in records if _wins(record)]
    whole = len(wins) == len(records) and len({one.shape[1] for one in wins}) == 1
    stretched = [np.stack([_stretched(query, len(times)) for query in one.T], axis=1) for one in wins if whole]
    return Curves(times, values, np.array(stretched) if whole else None, len(lengths) == 1)


def _wins(record: Mapping[str, Any]) -> bool:
    return all("wins" in epoch for epoch in record["curve"])


def _flat(epoch: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an epoch by name."""
    gradients = {f"gradients.{term}": value for term, value in epoch.get("gradients", {}).items()}
    return {name: value for name, value in epoch.items() if isinstance(value, int | float)} | gradients


def _stretched(values: Sequence[float], length: int) -> np.ndarray:
    """A curve over `length` points: as it is, or interpolated at the same shares of its training."""
    ends = np.arange(1, len(values) + 1) / len(values)
    return (
        np.asarray(values, float)
        if len(values) == length
        else np.interp(np.arange(1, length + 1) / length, ends, values)
    )


def _panels(curves: Curves, records: Sequence[Mapping[str, Any]]) -> dict[str, Callable[[Any], None]]:
    """{title: what draws it on an axis}, of what the folds tell."""
    found: dict[str, Callable[[Any], None]] = {}
    guessed = [guessing(record) for record in records if diagnosed(record)]
    loss, majority = np.mean(guessed, axis=0) if guessed else (None, None)
    for name, values in (curves.named(list(LOSSES)) or curves.named(["loss"])).items():
        found[LOSSES.get(name, name)] = lambda axis, values=values, name=name: _lines(
            axis, curves.times, {name: values}, marked=loss if name == "cls" else None, mark="guessing"
        )
    if "accuracy" in curves.values:
        accuracy = {"accuracy": 100 * curves.values["accuracy"]}
        often = None if majority is None else 100 * majority
        found["training accuracy (%)"] = lambda axis: _lines(axis, curves.times, accuracy, often, "guessing")
    gradients = {
        name.removeprefix("gradients."): values for name, values in curves.values.items() if "gradients." in name
    }
    if gradients:
        found["gradient on the backbone"] = lambda axis: _gradients(axis, curves.times, gradients)
    if curves.wins is not None:
        found["pixels won by query (%)"] = lambda axis: _regions(axis, curves.times, curves.wins)
        most = math.log(max(2, curves.wins.shape[2]))
        measures = {"entropy of P / ln N": curves.values.get("assignment_entropy", np.nan) / most}
        if "mask_cosine" in curves.values:
            measures["cosine of masks"] = curves.values["mask_cosine"]
        found["regions: 1 is no division"] = lambda axis: _measures(axis, curves.times, measures)
    if "lag" in curves.values:
        lag = {"lag": 100 * curves.values["lag"]}
        found["target's distance (%)"] = lambda axis: _lines(axis, curves.times, lag)
    for values in curves.named(["weight_norm"]).values():
        found["norm of the classifier"] = lambda axis, values=values: _lines(axis, curves.times, {"W": values})
    return found


def _lines(
    axis: Any, times: np.ndarray, lines: Mapping[str, np.ndarray], marked: float | None = None, mark: str = ""
) -> None:
    """Means of (folds, E) with their bands; `marked` is a dashed line with the word `mark`."""
    for colour, (name, values) in zip(COLOURS, lines.items(), strict=False):
        for percentiles, alpha in ((OUTER, 0.15), (INNER, 0.3)):
            low, high = np.percentile(values, percentiles, axis=0)
            axis.fill_between(times, low, high, color=colour, alpha=alpha, linewidth=0)
        axis.plot(times, values.mean(axis=0), color=colour, label=name, marker="o" if len(times) == 1 else "")
    if marked is not None:
        axis.axhline(marked, color="black", linestyle="--", linewidth=0.8)
        axis.annotate(mark, (1, marked), (-2, 2), ("axes fraction", "data"), "offset points", ha="right", fontsize=TINY)


def _gradients(axis: Any, times: np.ndarray, gradients: Mapping[str, np.ndarray]) -> None:
    """Norms by loss term on a logarithmic axis; a term whose gradient is 0 is not on it."""
    order = [term for term in LOSSES if term in gradients]
    shown = {LOSSES[term]: np.maximum(gradients[term], 1e-12) for term in order if gradients[term].max() > 0}
    _lines(axis, times, shown)
    axis.set_yscale("log")
    if len(shown) > 1:
        axis.legend(ncols=2, **LEGEND)


def _regions(axis: Any, times: np.ndarray, wins: np.ndarray) -> None:
    """Shares of pixels (folds, E, N): means, the largest query's below; as a line, that of the most uneven fold."""
    import matplotlib

    shades = matplotlib.colormaps[MAP](np.linspace(0.85, 0.15, wins.shape[2]))
    axis.stackplot(times, 100 * wins.mean(axis=0).T, colors=shades, linewidth=0)
    axis.plot(times, 100 * wins[:, :, 0].max(axis=0), color=RED, label="largest, most uneven fold")
    axis.axhline(100 * WINS, color="black", linestyle="--", linewidth=0.8)
    axis.set_ylim(0, 101)
    axis.legend(**LEGEND)


def _measures(axis: Any, times: np.ndarray, measures: Mapping[str, np.ndarray]) -> None:
    """What is 1 where regions divide nothing, and from where `explain` says so."""
    _lines(axis, times, measures)
    axis.axhline(min(UNIFORM, ALIKE), color="black", linestyle="--", linewidth=0.8)
    low = min(float(np.min(values)) for values in measures.values())
    axis.set_ylim(min(UNIFORM, ALIKE, low) - 0.02, 1.02)
    axis.legend(**LEGEND)


def _label(axes: np.ndarray, panels: Mapping[str, Any], epochs: bool) -> None:
    """Ticks below the last panel of each column, words below the first; places without a panel are left out."""
    for number, axis in enumerate(axes.flat):
        if number >= len(panels):
            axis.set_axis_off()
        elif number + ACROSS >= len(panels):
            axis.tick_params(labelbottom=True)
    if epochs:
        axes[0, 0].locator_params(axis="x", integer=True, nbins=4)  # an axis that all share
    axes[-1, 0].set_xlabel("epoch" if epochs else "% of the training")


def _title(folds: Sequence[tuple[Any, Mapping[str, Any]]], title: str) -> list[str]:
    """Method and folds; what must be said about the data; what `explain` finds, and in how many folds."""
    first, number = folds[0][1], len(folds)
    lines = [f"{title or first['method'].upper()}, protocol {first['protocol']}: {number} training{'s' * (number > 1)}"]
    notes = [FOLDS_CAVEATS.get(first["protocol"]), SELECTION_CAVEATS.get(first["selection"])]
    lines += [*data_caveats(first["data_source"]), *filter(None, notes)]
    warnings = Counter(count_warnings(folds).get("warnings", {}))
    lines += [f"{count} of {number}: {WARNINGS.get(name, name)}" for name, count in warnings.most_common()]
    if not warnings and all(diagnosed(record) for _, record in folds):
        lines.append("ra-icl explain finds nothing in any of them")
    return lines


def _data(folds: Sequence[tuple[Any, Mapping[str, Any]]]) -> str:
    """`data_of` for folds: what they hold out."""
    held_out = {tuple(row) for rows, _ in folds for row in rows[SEQUENCE_KEY].itertuples(index=False)}
    people = {row[:2] for row in held_out}
    scores = {"composite": {"samples": len(held_out)}, **dict.fromkeys({dataset for dataset, _ in people})}
    seeds = sorted({record["seed"] for _, record in folds})
    return data_of([{"data_source": folds[0][1]["data_source"], "scores": scores, "subjects": people, "seeds": seeds}])
