"""The transform that cuts a detected face out of a frame, and the cutting itself."""

from math import atan2, ceil, cos, hypot, sin, sqrt

import cv2
import numpy as np

from ra_icl.faces.haar import EYES, Box, Eyes, Point


def similarity(box: Box, eyes: Eyes | None, size: int, margin: float) -> list:
    """Frame to crop, 2x3: by the tilt and position of the eyes if they are known, else the box upright.

    The scale is the geometric mean of those given by the box and by the distance between the eyes, because their errors
    are independent: a box that is too large, an eye centre that is misplaced.
    """
    left, top, side = box
    angle, middle = 0.0, (left + side * 0.5, top + side * EYES[0][1])
    if eyes:
        (x0, y0), (x1, y1) = eyes
        angle, middle = atan2(y1 - y0, x1 - x0), ((x0 + x1) / 2, (y0 + y1) / 2)
        side = sqrt(side * hypot(x1 - x0, y1 - y0) / (EYES[1][0] - EYES[0][0]))
    scale = size / (side * (1 + 2 * margin))
    target = (size / 2, (EYES[0][1] + margin) * side * scale)
    return rotate_about(middle, target, angle, scale)


def rotate_about(source: Point, target: Point, angle: float, scale: float) -> list:
    """2x3 similarity that moves `source` to `target` and levels a line tilted by `angle`."""
    c, s = scale * cos(angle), scale * sin(angle)
    (x, y), (tx, ty) = source, target
    return [[c, s, tx - c * x - s * y], [-s, c, ty + s * x - c * y]]


def whole_frame(shape: tuple[int, int], size: int) -> list:
    """2x3 that fits the frame, centred and undistorted, into the crop."""
    height, width = shape
    return rotate_about((width / 2, height / 2), (size / 2, size / 2), 0.0, size / max(shape))


def cut(image: np.ndarray, transform: list, size: int, interpolation: int = cv2.INTER_CUBIC) -> np.ndarray:
    """Warp one frame to (size, size[, 3]); reductions average, since aliasing would look like motion.

    interpolation: one of OpenCV's.
    """
    matrix = np.array(transform)
    factor = max(1, ceil(1 / hypot(*matrix[:, 0]) - 1e-6))
    # Transforms measure from the corner of the image, warpAffine from the centre of its first pixel.
    matrix *= factor
    matrix[:, 2] += matrix[:, :2].sum(1) / 2 - 0.5
    large = cv2.warpAffine(
        image,
        matrix,
        (size * factor, size * factor),
        flags=interpolation,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
