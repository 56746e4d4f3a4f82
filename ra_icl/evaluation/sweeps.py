"""Scores over the values of one key of a method: Figures 6-10, as PDF and PNG."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ra_icl.datasets.protocols import CDE
from ra_icl.errors import InputError
from ra_icl.evaluation.caveats import all_caveats
from ra_icl.evaluation.figures import metrics_of
from ra_icl.evaluation.style import COLUMN, MARKERS, TINY, clear_legends, data_of, pyplot, save_figure, say_below

# What the paper calls the keys of its sweeps, in letters that figures and the report can show.
SWEPT = {
    "sampling.instances": "number of instances N",
    "model.regions.queries": "number of facial queries",
    "loss.classification": "weight λ₁ of classification",
    "loss.attention": "weight λ₂ of attention consistency",
    "loss.regions": "weight λ₃ of region discovery",
}
ASIDE = 0.012  # of the axis: UF1 stands left of its value and UAR right of it, so that the bars of both are seen


def over(key: str) -> str:
    """What a sweep is over, for a title: in the paper's words, or the key itself if the paper does not vary it."""
    return f"over the {SWEPT[key]}" if key in SWEPT else f"over {key}"


def sweep_figure(
    values: Sequence[Any],
    metrics_jsons: Sequence[Path],
    key: str,
    out_stem: Path,
    default: Any = None,
    method: str = "",
) -> None:
    """Composite UF1 and UAR in % over the values of one key, evenly spaced as in the paper.

    Error bars: the standard deviation over seeds. default: the value of the method itself, which is marked, or None.
    method: its title. Writes `out_stem`.pdf and .png. Raises InputError if values and metrics differ in number, and for
    metrics of another protocol than CDE.
    """
    if len(values) != len(metrics_jsons):
        raise InputError(f"{out_stem}: {len(values)} values for {len(metrics_jsons)} metrics files; give one each")
    if default is not None and default not in values:
        raise InputError(f"{out_stem}: default {default} is none of the values {', '.join(map(str, values))}")
    found = [metrics_of(path, *CDE) for path in metrics_jsons]
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(COLUMN + 1, 3.2), layout="constrained")
    draw_sweep(axis, values, found, default)
    axis.set_xlabel(f"{SWEPT[key]} ({key})" if key in SWEPT else key)
    title = f"{method}, CDE {over(key)}" if method else f"CDE {over(key)}"
    bars = [] if _seeds(found) > 1 else ["one seed: no error bars"]
    figure.suptitle("\n".join([title, *all_caveats(found), *bars]))
    say_below(figure, data_of(found))
    clear_legends(figure)
    save_figure(figure, out_stem)


def draw_sweep(axis: Any, values: Sequence[Any], metrics: Sequence[Any], default: Any = None) -> None:
    """UF1 and UAR in % of one metrics content per value, a tick for each; `default` is marked."""
    ticks = range(len(values))
    for marker, score, side in zip(MARKERS, ("uf1", "uar"), (-1, 1), strict=False):
        cells = [content["scores"]["composite"][score] for content in metrics]
        means = [100 * cell["mean"] for cell in cells]
        deviations = [100 * (cell["std"] or 0) for cell in cells] if _seeds(metrics) > 1 else None
        places = [tick + side * ASIDE * len(values) for tick in ticks]
        axis.errorbar(places, means, yerr=deviations, marker=marker, capsize=3, label=score.upper())
    axis.set_xticks(ticks, [str(value) for value in values])
    axis.set_ylabel("score (%)")
    axis.margins(x=0.08, y=0.15)
    if default is not None:
        place = list(values).index(default)
        axis.axvline(place, color="0.85", linewidth=8, zorder=0)
        axis.annotate(
            "default", (place, 1), (0, 2), ("data", "axes fraction"), "offset points", ha="center", fontsize=TINY
        )
        axis.get_xticklabels()[place].set_fontweight("bold")
    axis.legend(loc="lower center", ncols=2)


def _seeds(metrics: Sequence[Any]) -> int:
    return min(len(content["seeds"]) for content in metrics)
