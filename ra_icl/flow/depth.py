"""The depth channel: by how much the skin has come nearer or gone back since the onset.

It stands for the three-dimensional Lucas-Kanade flow that the authors of CAS(ME)³ compute from colour and depth.
"""

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

LIMIT = 3.0  # standard deviations, at which the authors cut depth
WHOLE = 0.999  # of the weight of the four pixels that a position lies between: fewer are the depth of another place
BLUR = 0.03  # of the side of a crop: standard deviation of the average that fills gaps
PRIOR = 0.01  # weight of the mean in that average, which far from any measurement is all of it


def depth_change(depth: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Depth of each frame, warped back by its flow, minus the onset's: (N, H, W) float32 in mm, negative is nearer.

    depth: (1 + N, H, W) in mm, the onset first, 0 where not measured. flow: (N, 2, H, W), u and v from the onset to
    each frame in pixels. Values of a frame beyond LIMIT standard deviations from their mean are set to that limit.
    Where the onset or the frame has no measurement, the value is an average of the measured ones around, and their
    mean far from all: no step at the rim, and 0 everywhere if nothing is measured.
    """
    onset = depth[0].astype(np.float32)
    return np.stack([_change(onset, *one) for one in zip(depth[1:].astype(np.float32), flow, strict=True)])


def _change(onset: np.ndarray, frame: np.ndarray, flow: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(onset.shape, np.float32)
    places = np.stack([rows + flow[1], columns + flow[0]])  # 0, not measured, outside the crop
    share = map_coordinates((frame > 0).astype(np.float32), places, order=1)
    known = (onset > 0) & (share > WHOLE)
    if not known.any():
        return np.zeros_like(onset)
    change = map_coordinates(frame, places, order=1) / np.maximum(share, WHOLE) - onset
    mean, deviation = change[known].mean(dtype=float), change[known].std(dtype=float)
    return _filled(np.clip(change - mean, -LIMIT * deviation, LIMIT * deviation), known) + np.float32(mean)


def _filled(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`values` (H, W) of mean 0 where they are known, elsewhere a Gaussian average of those, drawn towards 0."""
    sigma = BLUR * values.shape[1]
    total = gaussian_filter(np.where(known, values, 0), sigma)
    weight = gaussian_filter(known.astype(values.dtype), sigma)
    return np.where(known, values, total / (weight + PRIOR)).astype(np.float32)
