"""The compiled warp of `tvl1_numba`: a frame and its slopes sampled at the flow."""

import numpy as np

from ra_icl.flow.compiled import compiled, inlined

RING = 4  # pixels of zeros around a frame; taps that lie outside the frame are moved into the ring


@compiled
def with_slopes(image):
    """Return (H, W) with its slopes to the right and down, (H + 2 RING, W + 2 RING, 3), inside a ring of zeros.

    Slopes are half differences, on the border too.
    """
    height, width = image.shape
    half = np.float32(0.5)
    planes = np.zeros((height + 2 * RING, width + 2 * RING, 3), np.float32)
    for y in range(height):
        above, below = image[max(y - 1, 0)], image[min(y + 1, height - 1)]
        row, out = image[y], planes[y + RING, RING:]
        for x in range(width):
            out[x, 0] = row[x]
            out[x, 1] = half * (row[min(x + 1, width - 1)] - row[max(x - 1, 0)])
            out[x, 2] = half * (below[x] - above[x])
    return planes


@compiled
def warp(onset, planes, field, warped):
    """Sample frame and slopes at x + u, y + v; write slopes, 1 / slope², and rho without its flow terms.

    Bicubic; taps outside the frame count as 0, as in OpenCV's remap. onset: (H, W); planes: see `with_slopes`;
    field, warped: see `inner_loop`.
    """
    height, width = onset.shape
    row = field.shape[1] // (height + 2)
    for y in range(height):
        for x in range(width):
            i = (y + 1) * row + x
            u, v = field[0, i], field[1, i]
            level, gx, gy = _sample(planes, x, y, u, v)
            warped[0, i] = gx
            warped[1, i] = gy
            warped[2, i] = np.float32(1) / max(gx * gx + gy * gy, np.float32(1e-12))
            warped[3, i] = level - gx * u - gy * v - onset[y, x]


@inlined
def _sample(planes, x, y, u, v):
    """The three planes at x + u, y + v, from 4 x 4 taps."""
    height, width, _ = planes.shape
    whole_u, whole_v = np.floor(u), np.floor(v)
    left = int(min(max(x + whole_u + np.float32(RING - 1), np.float32(0)), np.float32(width - 4)))
    top = int(min(max(y + whole_v + np.float32(RING - 1), np.float32(0)), np.float32(height - 4)))
    across, down = _cubic(u - whole_u), _cubic(v - whole_v)
    level = gx = gy = np.float32(0)
    for j in range(4):
        for i in range(4):
            weight, tap = down[j] * across[i], planes[top + j, left + i]
            level += weight * tap[0]
            gx += weight * tap[1]
            gy += weight * tap[2]
    return level, gx, gy


@inlined
def _cubic(t):
    """Weights of the four taps of cubic convolution with A = -0.75, OpenCV's, at the offset t from the second."""
    a, one = np.float32(-0.75), np.float32(1)
    r = one - t
    second = ((a + np.float32(2)) * t - (a + np.float32(3))) * t * t + one
    third = ((a + np.float32(2)) * r - (a + np.float32(3))) * r * r + one
    return a * t * r * r, second, third, a * r * t * t
