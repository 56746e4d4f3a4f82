"""A prediction as a picture: frames, motion and where the network looks."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.evaluation.motion import draw_motion, full_colour
from ra_icl.flow.sampling import middle_instance
from ra_icl.flow.wheel import wheel
from ra_icl.recognition.card import NO_LIE_DETECTOR, SYNTHETIC
from ra_icl.recognition.clips import printable
from ra_icl.recognition.model import Model
from ra_icl.recognition.recognise import Recognition

SHOWN = 5  # instances at most
ARROWS = 12  # along a side
ROWS = ("frame", "motion", "strain", "attention")
SIDE = 1.75  # inches of a panel
SUFFIXES = (".png", ".pdf", ".svg")


def attention_of(found: Recognition, model: Model) -> np.ndarray:
    """The class activation maps (Eq. 5) of the predicted class for every instance: (N, h, w) float32, raw."""
    label = model.classes.index(found.prediction)
    with torch.no_grad():
        maps = model.network(found.inputs.float()).attention[:, label]
    return maps.numpy()


def draw(found: Recognition, model: Model, out: Path) -> None:
    """Write the picture of a prediction, see `picture_of`. Raises InputError as `require_picture`."""
    require_picture(out)
    with files.atomic(out) as temporary:
        picture_of(found, model).savefig(temporary, dpi=150)


def require_picture(out: Path) -> None:
    """Raise InputError for a suffix that is no picture's."""
    if Path(out).suffix.lower() not in SUFFIXES:
        raise InputError(f"{out}: is no kind of picture; end its name in {', '.join(SUFFIXES)}")


def picture_of(found: Recognition, model: Model) -> Figure:
    """A prediction as a figure: the onset's column, then one for each instance, five at most.

    Motion: colours and arrows, all columns on one scale. Attention: red where the picture speaks for the predicted
    class, blue where it speaks against it.
    """
    shown = _shown(len(found.positions))
    size = (SIDE * (len(shown) + 1) + 0.6, SIDE * len(ROWS) + 1.3)
    figure = Figure(figsize=size, layout="constrained")  # not by pyplot, whose backend is the caller's business
    axes = figure.subplots(len(ROWS), len(shown) + 1, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        for spine in axis.spines.values():
            spine.set_visible(False)
    for axis, name in zip(axes[:, 0], ROWS, strict=True):
        axis.set_ylabel(name)
    _draw_frames(axes[0], found, model, shown)
    _draw_motion(axes[1], found.maps[shown], axes[2])
    _draw_attention(axes[3], found, attention_of(found, model)[shown], shown)
    title = "\n".join(fill(line, int(10 * size[0])) for line in _title(found, model).splitlines())
    figure.suptitle(title, fontsize=9, parse_math=False)
    figure.supxlabel(fill(NO_LIE_DETECTOR, int(15 * size[0])), fontsize=7, color="0.35")
    return figure


def _shown(instances: int) -> list[int]:
    """Which instances are drawn: evenly spaced ones, with the middle one, from which most methods predict."""
    middle = middle_instance(instances)
    places = np.linspace(0, instances - 1, min(SHOWN, instances)).round().astype(int)
    places[len(places) // 2 if len(places) % 2 else len(places) // 2 - 1] = middle
    return sorted(set(places.tolist()))


def _draw_frames(axes: Sequence[Any], found: Recognition, model: Model, shown: Sequence[int]) -> None:
    one = model.method.inference.instances == "middle"
    middle = found.positions[middle_instance(len(found.positions))]
    positions = [0, *(found.positions[instance] for instance in shown)]
    for axis, position in zip(axes, positions, strict=True):
        axis.imshow(found.crops[position], cmap="gray", vmin=0, vmax=255)
        note = "\nonset" if position == 0 else "\npredicted from" if one and position == middle else ""
        axis.set_title(f"frame {found.numbers[position]}{note}", fontsize=8)


def _draw_motion(axes: Sequence[Any], maps: np.ndarray, strain_axes: Sequence[Any]) -> None:
    """Flow and strain of the instances (n, 3, H, W); in the first column their scales."""
    maps = maps.astype(np.float32)
    longest, strongest = full_colour(np.linalg.norm(maps[:, :2], axis=1)), full_colour(maps[:, 2])
    for axis, one, below in zip(axes[1:], maps, strain_axes[1:], strict=True):
        draw_motion(axis, one[:2], longest, ARROWS, width=0.006)
        below.imshow(one[2], cmap="magma", vmin=0, vmax=strongest)
    axes[0].imshow(wheel(101), extent=(0.25, 0.75, 0.25, 0.75))
    axes[0].set(xlim=(0, 1), ylim=(0, 1))
    axes[0].text(0.5, 0.15, f"edge: {longest:.2g} px of\nthe crop, or more", ha="center", va="center", fontsize=7)
    strain_axes[0].imshow(np.linspace(strongest, 0, 64)[:, None], cmap="magma", extent=(0.45, 0.55, 0.25, 0.75))
    strain_axes[0].set(xlim=(0, 1), ylim=(0, 1))
    for height, text in ((0.25, "0"), (0.75, f"{strongest:.2g}\nor more")):
        strain_axes[0].text(0.6, height, text, va="center", fontsize=7)


def _draw_attention(axes: Sequence[Any], found: Recognition, attention: np.ndarray, shown: Sequence[int]) -> None:
    largest, side = max(np.abs(attention).max(), 1e-6), found.crops.shape[1]
    place = (-0.5, side - 0.5, side - 0.5, -0.5)
    for axis, instance, values in zip(axes[1:], shown, attention, strict=True):
        axis.imshow(found.crops[found.positions[instance]], cmap="gray", vmin=0, vmax=255)
        style = {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest, "alpha": 0.55, "interpolation": "bilinear"}
        axis.imshow(values, extent=place, **style)
    axes[0].set_aspect("equal")  # its label stands where the other rows have theirs
    axes[0].text(
        0.5, 0.5, f"red: speaks for\n{found.prediction}\n\nblue: against", ha="center", va="center", fontsize=7
    )


def _title(found: Recognition, model: Model) -> str:
    values = ", ".join(f"{name} {value:.2f}" for name, value in found.probabilities.items())
    name = printable(found.clip.path.name)
    loud = f"{SYNTHETIC}: says nothing about people\n" if model.synthetic else ""
    return f"{loud}{name}, frames {found.numbers[0]} to {found.numbers[-1]}\n{values}\n{model.about['title']}"
