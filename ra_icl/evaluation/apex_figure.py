"""The paper's claim about sampling without the apex as one picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ra_icl.errors import InputError
from ra_icl.evaluation.apex import Bin, apex_distances, hit_rates, joined, notes_of, read_predicted
from ra_icl.evaluation.intervals import LEAST_SUBJECTS
from ra_icl.evaluation.records import read_metrics
from ra_icl.evaluation.style import COLOURS, MARKERS, PAGE, TINY, clear_legends, data_of, pyplot, save_figure, say_below
from ra_icl.evaluation.sweeps import SWEPT, draw_sweep
from ra_icl.flow.sampling import Sampling

ABOVE = 12  # points between a panel and its title, for the words on a shaded part


def apex_figure(
    fold_csvs: Sequence[Path],
    indexes: Sequence[Path],
    sampling: Sampling,
    out_stem: Path,
    titles: Mapping[str, str] | None = None,
    sweep: Mapping[Any, Path] | None = None,
    default: Any = None,
) -> None:
    """Draw scores over N, how far windows are from the apex, and hit rates over that distance.

    fold_csvs: of the method whose windows are meant first, then of methods that look at the apex, under one protocol.
    sampling: of the first. titles: {method: its title}. sweep: {N: metrics JSON} of the first method, or none for
    no such panel; default: its own N. Sequences without an annotated apex are left out of the last two panels.
    Writes `out_stem`.pdf and .png. Raises InputError as `read_predicted` and `apex_distances`, and if no sequence has
    an annotated apex.
    """
    predicted, distances = read_predicted(fold_csvs), apex_distances(indexes, sampling)
    if not predicted:
        raise InputError(f"{out_stem}: no folds given; name their CSV files")
    rows = {one.method: joined(one, distances) for one in predicted}
    first = rows[predicted[0].method]
    if first.empty:
        raise InputError(f"{out_stem}: no sequence has an annotated apex; nothing to compare with")
    names = {one.method: (titles or {}).get(one.method) or one.method.upper() for one in predicted}
    swept = {value: read_metrics(path) for value, path in (sweep or {}).items()}
    plt = pyplot()
    figure, axes = plt.subplots(1, 3 if swept else 2, figsize=(PAGE, 3.2), layout="constrained", squeeze=False)
    if swept:
        draw_sweep(axes[0, 0], list(swept), list(swept.values()), default)
        _draw_others(axes[0, 0], [(names[one.method], one.content) for one in predicted[1:]])
    _draw_distances(axes[0, -2], first, sampling)
    rates = {names[method]: hit_rates(found) for method, found in rows.items()}
    _draw_rates(axes[0, -1], rates, sampling)
    title = f"{names[predicted[0].method]}: does it matter where the apex is?"
    figure.suptitle("\n".join([title, *notes_of(predicted[0], first, distances)]))
    say_below(figure, f"{data_of([predicted[0].content])}\n{_bars(rates, swept)}")
    clear_legends(figure)
    save_figure(figure, out_stem)


def _bars(rates: Mapping[str, Sequence[Bin]], swept: Mapping[Any, Mapping[str, Any]]) -> str:
    """What the error bars are, and why there are none."""
    bins = [one for found in rates.values() for one in found]
    said = ["right bars: 95 % intervals over people"] if not all(np.isnan(one.low) for one in bins) else []
    if any(one.subjects < LEAST_SUBJECTS for one in bins):
        said.append(f"no interval over fewer than {LEAST_SUBJECTS} people")
    if any(len(content["seeds"]) > 1 for content in swept.values()):
        said.append("left bars: deviation over seeds")
    return "; ".join(said).capitalize()


def _draw_others(axis: Any, others: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """UF1 of the methods that look at the apex, as dashed lines in the colours that they have in the other panels."""
    for colour, (title, content) in zip(COLOURS[2:], others, strict=False):
        value = 100 * content["scores"]["composite"]["uf1"]["mean"]
        axis.axhline(value, color=colour, linestyle="--", linewidth=1, label=f"UF1 of {title}")
    axis.legend(loc="lower center", ncols=2, fontsize=TINY - 1)
    axis.set_xlabel(SWEPT["sampling.instances"])
    axis.set_title("scores", pad=ABOVE)


def _draw_distances(axis: Any, rows: pd.DataFrame, sampling: Sampling) -> None:
    """How many sequences have their window how far from the apex."""
    values = rows["distance"].to_numpy()
    width = max(1, int(np.ptp(values)) // 24)
    bins = np.arange(values.min() - width / 2, values.max() + width, width)
    axis.hist(values, bins=bins, color="0.6", edgecolor="white", linewidth=0.3)
    _shade(axis, sampling)
    axis.set_title("where the middle instance is", pad=ABOVE)
    axis.set(xlabel="frames after the apex", ylabel="sequences")


def _draw_rates(axis: Any, rates: Mapping[str, Sequence[Bin]], sampling: Sampling) -> None:
    """Hit rates of each method, side by side."""
    colours = (COLOURS[0], *COLOURS[2:])  # the second is that of UAR in the panel of scores
    spread = np.ptp([one.distance for one in next(iter(rates.values()))]) or 1
    for number, (title, bins) in enumerate(rates.items()):
        places = [one.distance + 0.012 * spread * (number - (len(rates) - 1) / 2) for one in bins]
        ends = np.array([[one.rate - one.low, one.high - one.rate] for one in bins]).T * 100
        axis.errorbar(
            places,
            [100 * one.rate for one in bins],
            yerr=None if np.isnan(ends).all() else ends,
            color=colours[number % len(colours)],
            marker=MARKERS[number % len(MARKERS)],
            capsize=2,
            linewidth=1,
            label=title,
        )
    _shade(axis, sampling)
    axis.set_title("predicted right", pad=ABOVE)
    axis.set(xlabel="frames after the apex", ylabel="% of the sequences")
    axis.legend(loc="lower center", fontsize=TINY - 1)


def _shade(axis: Any, sampling: Sampling) -> None:
    """The distances at which the apex is in a window of N frames."""
    if sampling.mode == "middle":
        after = sampling.instances // 2  # frames of the window after its middle instance
        axis.axvspan(-after - 0.5, sampling.instances - 1 - after + 0.5, color="0.9", zorder=0, linewidth=0)
        place = (((sampling.instances - 1) / 2 - after, 1), (0, 2), ("data", "axes fraction"), "offset points")
        axis.annotate("apex inside", *place, ha="center", fontsize=TINY)
