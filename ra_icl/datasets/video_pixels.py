"""What a decoded frame of a video shows: its grey levels or colours, turned and mirrored as the file says."""

from typing import Any

import numpy as np


def pixels(frame: Any, grey: bool) -> np.ndarray:
    """(H, W), or (H, W, 3) RGB, as it is shown; uint8, or uint16 as stored."""
    import cv2  # here, as a run is planned without it

    stored = frame.format.name
    kind = ("gray16le" if stored.startswith("gray") else "rgb48le") if is_deep(frame.format) else "rgb24"
    image = _as_shown(frame.to_ndarray(format=kind), frame)
    if image.ndim == 2:
        return image if grey else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if grey else image


def is_deep(pixel_format: Any) -> bool:
    """Of 16 bits that may hold fewer; formats of 10 or 12 bits say so themselves, and are read as 8 bits."""
    return pixel_format is not None and pixel_format.components[0].bits == 16


def _as_shown(image: np.ndarray, frame: Any) -> np.ndarray:
    """The image turned in steps of 90 degrees and mirrored by the frame's display matrix, if it has one.

    The matrix (a b u / c d v / x y w) shows the pixel (x, y) at (a x + c y, b x + d y). PyAV's `rotation` is its
    angle alone, which does not tell a mirror image.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(b) > abs(a):
        image, a, d = image.swapaxes(0, 1), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
