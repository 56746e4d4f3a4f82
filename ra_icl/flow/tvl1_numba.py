"""TV-L1 optical flow compiled by Numba: OpenCV's DualTVL1 with an exact warp, in single precision, one thread."""

from functools import partial
from itertools import repeat
from math import sqrt

import numpy as np

from ra_icl.flow.numba_kernels import VERSION, inner_loop, resize
from ra_icl.flow.numba_warp import warp, with_slopes
from ra_icl.flow.options import SMALLEST_SIDE

__all__ = ["VERSION", "tvl1"]

VECTOR = 8  # float32
PAIRS_AT_ONCE = 1  # pairs are computed one by one, so a caller gains nothing by collecting them


def tvl1(
    onset: np.ndarray,
    frames: np.ndarray,
    *,
    tau: float,
    lambda_: float,
    theta: float,
    scales: int,
    warps: int,
    epsilon: float,
    inner_iterations: int,
    outer_iterations: int,
    gamma: float,
    scale_step: float,
    median_filter: int,
    presmooth: float = 0.0,
    pyramid_smooth: float = 0.0,
) -> np.ndarray:
    """Return the TV-L1 flow from the onset to each of `frames`, one thread.

    Shapes, units and parameters as `tvl1_opencv.tvl1`; gamma has to be 0. The scheme is DualTVL1's, step by step:
    pyramid, warps, median filter before each outer iteration, stopping rule, borders. Two things differ: positions of
    the warp are exact (OpenCV 4 rounds them to 1/32 px), and sums run in single precision. presmooth and pyramid_smooth
    are those of `options.Schedule`.
    """
    levels = partial(_pyramid, scales=scales, step=scale_step, presmooth=presmooth, smooth=pyramid_smooth)
    onsets = repeat(levels(onset), len(frames)) if onset.ndim == 2 else map(levels, onset)
    result = np.empty((len(frames), 2, *frames.shape[1:]), np.float32)
    for out, first, frame in zip(result, onsets, frames, strict=True):
        field = None
        for level, moved in zip(reversed(first), reversed(levels(frame)), strict=True):
            field = _start(field, level.shape, scale_step)
            stop = epsilon * epsilon * level.size
            steps = tuple(map(np.float32, (lambda_ * theta, theta, tau / theta, stop)))
            _one_scale(level, moved, field, steps, warps, (inner_iterations, outer_iterations), median_filter)
        out[:] = field
    return result


def _pyramid(image: np.ndarray, scales: int, step: float, presmooth: float, smooth: float) -> list[np.ndarray]:
    """float32 levels, the whole image first."""
    levels = [_smoothed(image.astype(np.float32), presmooth)]
    before = smooth * sqrt(1 / step**2 - 1)
    for _ in range(scales - 1):
        height, width = (round(side * step) for side in levels[-1].shape)
        if min(height, width) < SMALLEST_SIDE:
            break
        levels.append(resize(_smoothed(levels[-1], before), height, width, 1 / step))
    return levels


def _smoothed(image: np.ndarray, deviation: float) -> np.ndarray:
    if not deviation:
        return image
    from scipy.ndimage import gaussian_filter  # here, as its import takes longer than ten pairs

    return gaussian_filter(image, deviation, mode="nearest")


def _start(coarser: np.ndarray | None, shape: tuple[int, int], step: float) -> np.ndarray:
    """The flow (2, H, W) that a level starts from: the coarser level's, enlarged, or none."""
    if coarser is None:
        return np.zeros((2, *shape), np.float32)
    height, width = shape
    across, down = coarser.shape[2] / width, coarser.shape[1] / height
    scaled = [resize(one, height, width, across, down) for one in coarser]
    return np.stack(scaled) * np.float32(1 / step)


def _one_scale(
    onset: np.ndarray,
    frame: np.ndarray,
    field: np.ndarray,
    steps: tuple[np.float32, ...],
    warps: int,
    iterations: tuple[int, int],
    median_filter: int,
) -> None:
    """Refine `field` (2, H, W) in place on one level of the pyramid.

    steps: lambda theta, theta, tau / theta and the sum of squared changes that ends a warp; iterations: inner, outer.
    """
    inner, outer = iterations
    height, width = onset.shape
    planes = with_slopes(frame)
    warped, padded, dual = flat_planes(height, width)
    inside = padded.reshape(2, height + 2, -1)[:, 1:-1, :width]
    inside[:] = field
    for _ in range(warps):
        warp(onset, planes, padded, warped)
        for _ in range(outer):
            if median_filter > 1:
                inside[:] = median(inside, median_filter)
            if inner_loop(warped, padded, dual, height, width, *steps, inner):
                break
    field[:] = inside


def flat_planes(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Zeros for `inner_loop`: warped (4, S), field (2, S) and dual (4, S).

    Rows are whole vectors, which makes the loop a tenth faster.
    """
    row = (width // VECTOR + 1) * VECTOR
    planes = np.zeros((10, (height + 2) * row), np.float32)
    return planes[:4], planes[4:6], planes[6:]


def median(field: np.ndarray, size: int) -> np.ndarray:
    """Median filter of size x size, 3 or 5, on u and v (2, H, W); the border is repeated outwards.

    By OpenCV or, on a machine without it, by SciPy, whose filter gives the same values in many times the time.
    """
    try:
        import cv2
    except ImportError:
        from scipy.ndimage import median_filter

        return median_filter(field, (1, size, size), mode="nearest")
    return np.stack([cv2.medianBlur(np.ascontiguousarray(one), size) for one in field])
