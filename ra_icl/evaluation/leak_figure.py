"""The figure of the leak: which epochs each rule chooses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from ra_icl.evaluation.caveats import all_caveats
from ra_icl.evaluation.style import BLUE, TEXT, TINY, data_of, pyplot, save_figure, say_below

LABEL = 18  # letters of a method's title in a line beside its row
CHOOSING = {  # the rules that choose, in words
    "subject": "best for each held-out subject",
    "mean": "best over all held-out subjects",
    "inner": "chosen by inner folds",
}


def draw_epochs(
    found: Sequence[tuple[Mapping[str, Any], Any, Mapping[str, np.ndarray]]], titles: Mapping[str, str], out_stem: Path
) -> None:
    """Draw histograms of the chosen epochs, a row per method and a column per rule, as `out_stem`.pdf and .png.

    found: of `leak.read_method`, for each method. A held-out subject counts once per seed.
    """
    plt = pyplot()
    rules = [rule for rule in CHOOSING if any(rule in chosen for _, _, chosen in found)]
    longest = max(int(epochs.lengths.max()) for _, epochs, _ in found)
    size = (2.2 * len(rules) + 0.4, 1.5 * len(found) + 1.1)
    figure, axes = plt.subplots(len(found), len(rules), figsize=size, sharex=True, squeeze=False, layout="constrained")
    bins = edges_of(longest)
    for row, (metrics, _, chosen) in zip(axes, found, strict=True):
        title = fill(titles.get(metrics["method"], metrics["method"].upper()), LABEL)
        row[0].set_ylabel(f"{title}\nheld-out subjects", fontsize=TINY)
        for axis, rule in zip(row, rules, strict=True):
            if rule in chosen:
                axis.hist(chosen[rule].ravel(), bins=bins, color=BLUE, edgecolor="white", linewidth=0.4)
    for axis, rule in zip(axes[0], rules, strict=True):
        axis.set_title(CHOOSING[rule], fontsize=TEXT)
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    contents = [metrics for metrics, _, _ in found]
    figure.suptitle("\n".join(["Chosen epochs", *all_caveats(contents)]))
    say_below(figure, data_of(contents))
    save_figure(figure, out_stem)


def edges_of(longest: int) -> np.ndarray:
    """The edges of about 20 bins of whole epochs from 1 to `longest`."""
    width = max(1, longest // 20)
    return np.arange(0.5, longest + width, width)
