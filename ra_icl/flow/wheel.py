"""Optical flow as colours: the direction as hue, the length as saturation, no motion in white."""

import numpy as np

from ra_icl.errors import InputError


def flow_colours(flow: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Return the colours of one flow field.

    flow: (2, H, W), u (right) and v (down) in pixels. largest: the length, in pixels, that has the full colour; longer
    vectors have it too. By default the field's longest vector: give one value for fields that are to be compared.
    Returns RGB (H, W, 3) uint8. Right is red, down yellow-green, left cyan, up violet: hues 0, 90, 180 and 270 degrees,
    clockwise as seen, as in the colour code of the Middlebury flow benchmark (Baker et al., IJCV 2011).
    Raises InputError for another shape, or for values that are not finite.
    """
    flow = np.asarray(flow, dtype=np.float64)
    if flow.ndim != 3 or len(flow) != 2:
        raise InputError(f"flow colours: a field of shape {flow.shape}; give one of (2, H, W)")
    if not np.isfinite(flow).all():
        raise InputError("flow colours: the field has values that are not finite; compute it again")
    u, v = flow
    length = np.hypot(u, v)
    longest = length.max(initial=0) if largest is None else largest
    saturation = np.minimum(length / max(longest, 1e-9), 1)
    sector = 3 * np.arctan2(v, u) / np.pi  # of the six sectors of the hue circle
    # Hue, saturation and full brightness to RGB: each colour is absent over a third of the circle, 120 degrees apart.
    place = (np.array([5, 3, 1])[:, None, None] + sector) % 6
    absent = np.minimum(place, 4 - place).clip(0, 1)
    return np.rint(255 * (1 - saturation * absent)).astype(np.uint8).transpose(1, 2, 0)


def wheel(size: int) -> np.ndarray:
    """Return the key to `flow_colours`: RGB (size, size, 3) uint8, a disc whose centre is no motion, on white."""
    offsets = np.linspace(-1, 1, size)
    u, v = np.meshgrid(offsets, offsets)
    return flow_colours(np.where(np.hypot(u, v) <= 1, np.stack([u, v]), 0), largest=1)
