"""Optical flow in a picture: colours, and arrows over them."""

from typing import Any

import numpy as np

from ra_icl.flow.wheel import flow_colours

BRIGHT = 99.5  # percentile of what is shown that has the full colour: a few pixels at the border outshine all others


def full_colour(values: np.ndarray) -> float:
    """The value that has the full colour, of values >= 0 that share a scale; never 0."""
    return max(float(np.percentile(values, BRIGHT)), 1e-12)


def draw_motion(axis: Any, field: np.ndarray, longest: float, arrows: int, width: float) -> None:
    """Draw a flow field (2, H, W), u (right) and v (down): colours, and about `arrows` arrows across.

    longest: the length that has the full colour; longer vectors are drawn as that long. width: of an arrow's shaft, as
    a share of the panel's.
    """
    axis.imshow(flow_colours(field, longest))
    size = field.shape[-1]
    step = max(size // arrows, 1)
    places = np.arange(step // 2, size, step)
    u, v = field[:, places][:, :, places]
    shorter = np.minimum(1, longest / np.maximum(np.hypot(u, v), 1e-9))
    scale = longest / (1.5 * step)
    axis.quiver(places, places, u * shorter, v * shorter, angles="xy", scale_units="xy", scale=scale, width=width)
    axis.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
