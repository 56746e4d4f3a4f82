"""Removing the head's rigid motion from a sequence, as estimated where the face itself moves least."""

from collections.abc import Sequence
from math import cos, degrees, radians, sin

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

# Regions of a crop that expressions move least, as fractions of its side (left, top, right, bottom):
# the forehead above the brows, the bridge of the nose and the sides of the face beside the eyes.
STABLE = ((0.15, 0.04, 0.85, 0.2), (0.42, 0.36, 0.58, 0.56), (0.04, 0.3, 0.16, 0.6), (0.84, 0.3, 0.96, 0.6))
_BLUR = 1.0  # pixels: standard deviation, against sensor noise and aliasing
_ITERATIONS = 20
_CLOSE = 1e-4  # pixels: a step this small ends the search
_LARGEST = 0.25  # of the crop's side: no head moves further within half a second

Motion = np.ndarray  # right and down in crop pixels at the crop's centre, turn in radians


class Stabiliser:
    """Estimates how the head moved since the onset crop (H, W[, 3]) uint8, and undoes it.

    The motion is the translation and turn that minimise the squared difference of grey levels over STABLE, up to a gain
    and an offset of the light: Lucas and Kanade's method, by Gauss-Newton from the motion of the previous frame.
    Sampling uses cubic splines, because OpenCV rounds positions to 1/32 pixel and its ECC, given a mask, errs by up to
    a fifth of a pixel.
    """

    def __init__(self, onset: np.ndarray) -> None:
        size = len(onset)
        blurred = gaussian_filter(_grey(onset), _BLUR)
        inside = stable_mask(size).nonzero()
        self.centre = (size - 1) / 2
        self.rows, self.columns = (axis - self.centre for axis in inside)
        self.template = blurred[inside]
        self.motion: Motion = np.zeros(3)

    def steady(self, crop: np.ndarray, transform: list) -> tuple[list, list[float]]:
        """The transform (2x3) that cuts this frame without the head's motion, and that motion.

        crop: the frame cut with `transform`, the onset's. Motion: right and down in crop pixels at the crop's centre,
        degrees clockwise as seen. If the search finds nothing plausible, the motion of the previous frame is kept.
        """
        found = self._search(crop)
        if found is not None:
            self.motion = found
        right, down, turn = map(float, self.motion)
        head = [right, down, degrees(turn)]
        return without_head(transform, head, len(crop)), [round(number, 4) for number in head]

    def _search(self, crop: np.ndarray) -> Motion | None:
        blurred = gaussian_filter(_grey(crop), _BLUR)
        spline = spline_filter(blurred)
        slopes = np.gradient(blurred)  # down, right
        motion = self.motion.copy()
        for _ in range(_ITERATIONS):
            places, turned = self._places(motion)
            levels = map_coordinates(spline, places, prefilter=False, mode="nearest")
            down, right = (map_coordinates(slope, places, order=1, mode="nearest") for slope in slopes)
            turn = down * turned[1] - right * turned[0]
            light = (-self.template, -np.ones_like(levels))
            system = np.stack([right, down, turn, *light], axis=1)
            solution = np.linalg.lstsq(system, -levels, rcond=None)[0]
            step = solution[:3]
            motion += step
            if not np.isfinite(motion).all() or np.abs(motion[:2]).max() > _LARGEST * len(crop):
                return None
            if np.abs(step * (1, 1, self.centre)).max() < _CLOSE:
                break
        return motion

    def _places(self, motion: Motion) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Where the stable pixels of the onset are now (2, n), rows first; and relative to the centre of the turn."""
        right, down, turn = motion
        columns = cos(turn) * self.columns - sin(turn) * self.rows
        rows = sin(turn) * self.columns + cos(turn) * self.rows
        return np.stack([rows + down, columns + right]) + self.centre, (rows, columns)


def without_head(transform: list, head: Sequence[float], size: int) -> list:
    """The transform (2x3) that cuts a frame without the head's motion, into a crop of `size` pixels.

    transform: the onset's. head: as `Stabiliser.steady` returns it and the crops' metadata keep it.
    """
    right, down, turn = head
    middle = size / 2  # transforms measure from the corner, pixel indices from the centres
    steady = np.linalg.inv(_rigid((right, down, radians(turn)), middle)) @ np.vstack([transform, [0, 0, 1]])
    return steady[:2].tolist()


def stable_mask(size: int) -> np.ndarray:
    """(size, size) bool: STABLE."""
    mask = np.zeros((size, size), bool)
    for left, top, right, bottom in STABLE:
        mask[round(top * size) : round(bottom * size), round(left * size) : round(right * size)] = True
    return mask


def _rigid(motion: Sequence[float], middle: float) -> np.ndarray:
    """3x3: a point of the onset crop to where it is now, measured from the corner."""
    right, down, turn = motion
    c, s = cos(turn), sin(turn)
    return np.array(
        [[c, -s, middle - c * middle + s * middle + right], [s, c, middle - s * middle - c * middle + down], [0, 0, 1]]
    )


def _grey(crop: np.ndarray) -> np.ndarray:
    grey = crop if crop.ndim == 2 else cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    return grey.astype(np.float64)
