"""How figures look: sized for a page, read in print and by colour-blind people, with the data that they are of."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ra_icl import files
from ra_icl.datasets.index import TITLES

# Inches: a page of two columns. A figure no wider than this is printed at its own size, and its letters at theirs.
PAGE = 7.0
COLUMN = 3.4
# Points: nothing smaller than TINY, which is still read in print.
TITLE, TEXT, TINY = 9, 8, 7
# Okabe and Ito's colours: told apart by people who see no red or no green, and in grey by their order.
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"
PURPLE, SKY, YELLOW, BLACK = "#cc79a7", "#56b4e9", "#f0e442", "#000000"
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK, YELLOW)
MARKERS = "osD^vPX*"  # beside colours, for lines that are printed in grey
EQUAL_CONTRAST = 0.179  # the luminance with which black and white have the same contrast, 4.58:1
MAP = "Blues"  # of shares: light to dark in grey as well
RC = {
    "font.family": "DejaVu Sans",  # comes with Matplotlib: the same letters everywhere
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": TINY,
    "ytick.labelsize": TINY,
    "legend.fontsize": TINY,
    "figure.titlesize": TITLE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "pdf.fonttype": 42,  # TrueType: text stays text, as publishers ask
    "ps.fonttype": 42,
}
DPI = 200
# No creation date and no version in the file: the same metrics give the same bytes.
METADATA = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "png": {"Software": None},
}


def pyplot() -> Any:
    """Matplotlib's pyplot with these settings, without a window."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update(RC | {"axes.prop_cycle": plt.cycler(color=COLOURS)})
    return plt


def data_of(metrics: Sequence[Mapping[str, Any]]) -> str:
    """A line for a figure that says what data its metrics are of: source, datasets, sequences, people, seeds."""
    first = metrics[0]
    names = [title for name, title in TITLES.items() if any(name in content["scores"] for content in metrics)]
    kind = {"datasets": "", "twins": "synthetic twins of ", "public_flow": "published flow maps of "}
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "no dataset"
    counts = [f"{max(content['scores']['composite']['samples'] for content in metrics)} sequences"]
    if all("subjects" in content for content in metrics):
        counts.append(f"{max(len(content['subjects']) for content in metrics)} people")
    least, most = (find(len(content["seeds"]) for content in metrics) for find in (min, max))
    counts += [f"{least} to {most} seeds" if least < most else f"{most} seeds"] if most > 1 else []
    return f"Data: {kind[first['data_source']]}{listed}, {', '.join(counts)}"


def say_below(figure: Any, text: str) -> None:
    """Print what a figure is of, see `data_of`, in small letters below it."""
    figure.supxlabel(text, fontsize=TINY, color="0.35")


def readable_on(colour: Sequence[float]) -> str:
    """Black or white, whichever has more contrast with a colour (R, G, B in 0..1): always 4.5:1 or more."""
    from seaborn.utils import relative_luminance

    return "black" if relative_luminance(colour) > EQUAL_CONTRAST else "white"


def clear_legends(figure: Any) -> None:
    """Lengthen axes below their data by the height of the legends there, so that these cover nothing.

    Call it when all else is drawn: how much of an axis a legend takes depends on the size of its panel.
    """
    figure.draw_without_rendering()
    for axis in (axis for axis in figure.axes if axis.get_legend()):
        box, legend = axis.bbox, axis.get_legend().get_window_extent()
        taken = (legend.y1 - box.y0) / box.height
        ticks, (least, most) = axis.get_yticks(), axis.get_ylim()
        below = box.y0 - box.height * taken / (1 - taken)
        axis.set_ylim(axis.transData.inverted().transform((box.x0, below))[1], most)  # also on a logarithmic axis
        axis.set_yticks([tick for tick in ticks if least <= tick <= most])


def save_figure(figure: Any, out_stem: Path) -> None:
    """Write the figure as `out_stem`.pdf (text stays text) and .png, atomically, and close it."""
    import matplotlib

    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every font table that it leaves out
    with matplotlib.rc_context(RC):
        for suffix, metadata in METADATA.items():
            with files.atomic(f"{out_stem}.{suffix}") as temporary:
                figure.savefig(temporary, dpi=DPI, metadata=metadata)
    pyplot().close(figure)
