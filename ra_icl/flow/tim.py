"""Temporal interpolation model (TIM): a sequence of any length as a fixed number of frames.

Source: Zhou, Zhao and Pietikäinen, "Towards a practical lipreading system", CVPR 2011.
"""

import numpy as np


def interpolate(frames: np.ndarray, count: int) -> np.ndarray:
    """`count` frames, evenly spaced from the first to the last, of frames (n, ...): (count, ...) float32.

    The model: the n frames are the nodes of a path graph. Eigenvector k = 1..n-1 of its Laplacian has the entries
    sin(pi k t + pi (n - k) / 2n) at t = 1/n, 2/n, ..., 1, so that for all t in [1/n, 1] these sines make a curve
    through the embedded frames, and any point of the curve is mapped back to an image.
    The embedding starts from the singular vectors of the frames less their mean. Where these have rank n - 1, as frames
    of a camera do, it is exact and the singular vectors cancel: every pixel over time is expanded in those sines, which
    are the cosines cos(pi k (p + 1/2) / n) of the position p = nt - 1. This is computed here; it stands for frames
    that repeat, too. Positions 0..n-1 give the frames themselves. Only their order counts, not the time between them.
    """
    weights = interpolation_weights(len(frames), count).astype(np.float32)
    return (weights @ frames.reshape(len(frames), -1).astype(np.float32)).reshape(count, *frames.shape[1:])


def interpolation_weights(frames: int, count: int) -> np.ndarray:
    """The share of each of n = `frames` frames in each of `count`, (count, n); rows sum to 1."""
    waves = np.arange(1, frames)[:, None]
    nodes, points = np.arange(frames), np.linspace(0, frames - 1, count)
    at_nodes, at_points = (np.cos(np.pi / frames * waves * (where + 0.5)) for where in (nodes, points))
    return (1 + 2 * at_points.T @ at_nodes) / frames
