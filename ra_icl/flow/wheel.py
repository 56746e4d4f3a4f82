"""Optical flow as colours: the direction as hue, the length as saturation, no motion in white."""

import numpy as np


def flow_colours(flow: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Return the colours of one flow field.

    flow: (2, H, W), u (right) and v (down) in pixels. largest: the length, in pixels, that has the full colour; longer
    vectors have it too. By default the field's longest vector: give one value for fields that are to be compared.
    Returns RGB (H, W, 3) uint8. Right is red, down yellow-green, left cyan, up violet: hues 0, 90, 180 and 270 degrees,
    clockwise as seen, as in the colour code of the Middlebury flow benchmark (Baker et al., IJCV 2011).
    """
    from matplotlib.colors import hsv_to_rgb  # here, as its import takes half a second

    u, v = np.asarray(flow, dtype=np.float64)
    length = np.hypot(u, v)
    longest = length.max(initial=0) if largest is None else largest
    saturation = np.minimum(length / max(longest, 1e-9), 1)
    hue = np.arctan2(v, u) / (2 * np.pi) % 1
    return np.rint(255 * hsv_to_rgb(np.stack([hue, saturation, np.ones_like(u)], axis=-1))).astype(np.uint8)


def wheel(size: int) -> np.ndarray:
    """Return the key to `flow_colours`: RGB (size, size, 3) uint8, a disc whose centre is no motion, on white."""
    offsets = np.linspace(-1, 1, size)
    u, v = np.meshgrid(offsets, offsets)
    return flow_colours(np.where(np.hypot(u, v) <= 1, np.stack([u, v]), 0), largest=1)
