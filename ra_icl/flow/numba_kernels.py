"""The compiled inner parts of `tvl1_numba`: float32, no threads of their own, cached on disk.

Rows are handed to the loops as arrays of one dimension, and every loop over a row writes few arrays: that is what LLVM
turns into vector instructions.
"""

import llvmlite.binding
import numba
import numpy as np

from ra_icl.flow.compile_cache import prepare_cache

prepare_cache()
# LLVM vectorises a loop only after it has checked that the rows do not overlap, and by default not if that takes
# more than 8 comparisons; the loops here touch up to ten rows.
llvmlite.binding.set_option("", "--runtime-memory-check-threshold=1000")

BLOCK = 16  # rows
VERSION = f"numba {numba.__version__}"

_compiled = numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)


@_compiled
def resize(image, height, width, step_x, step_y=0.0):
    """Bilinear resize of (H, W) to (height, width) with pixel centres aligned; step: source pixels per pixel."""
    step_y = step_x if step_y == 0.0 else step_y
    out = np.empty((height, width), np.float32)
    for y in range(height):
        sy = min(max((y + 0.5) * step_y - 0.5, 0.0), image.shape[0] - 1.0)
        top = int(sy)
        below = min(top + 1, image.shape[0] - 1)
        fy = np.float32(sy - top)
        for x in range(width):
            sx = min(max((x + 0.5) * step_x - 0.5, 0.0), image.shape[1] - 1.0)
            left = int(sx)
            right = min(left + 1, image.shape[1] - 1)
            fx = np.float32(sx - left)
            upper = image[top, left] + fx * (image[top, right] - image[top, left])
            lower = image[below, left] + fx * (image[below, right] - image[below, left])
            out[y, x] = upper + fy * (lower - upper)
    return out


@_compiled
def centred_gradient(image, planes):
    """Slopes of (H, W) to the right and down into planes[..., 1] and [..., 2]; half differences on the border too."""
    height, width = image.shape
    half = np.float32(0.5)
    for y in range(height):
        above, below = image[max(y - 1, 0)], image[min(y + 1, height - 1)]
        row, out = image[y], planes[y]
        for x in range(width):
            out[x, 0] = row[x]
            out[x, 1] = half * (row[min(x + 1, width - 1)] - row[max(x - 1, 0)])
            out[x, 2] = half * (below[x] - above[x])


@_compiled
def _cubic(t):
    """Weights of the four taps of cubic convolution with A = -0.75, OpenCV's, at the offset t from the second."""
    a = np.float32(-0.75)
    one = np.float32(1)
    s = t + one
    first = ((a * s - np.float32(5) * a) * s + np.float32(8) * a) * s - np.float32(4) * a
    second = ((a + np.float32(2)) * t - (a + np.float32(3))) * t * t + one
    r = one - t
    third = ((a + np.float32(2)) * r - (a + np.float32(3))) * r * r + one
    return first, second, third, one - first - second - third


@_compiled
def warp(onset, planes, field, warped):
    """Sample frame and slopes (H, W, 3) at x + u, y + v; write slopes, 1 / slope², and rho without its flow terms.

    Bicubic; taps outside the frame count as 0, as OpenCV's remap has it. field: (2, H, W); warped: see `inner_loop`.
    """
    height, width = onset.shape
    for y in range(height):
        u, v = field[0, y], field[1, y]
        for x in range(width):
            px, py = x + u[x], y + v[x]
            left, top = int(np.floor(px)), int(np.floor(py))
            wx = _cubic(np.float32(px - left))
            wy = _cubic(np.float32(py - top))
            level = slope_x = slope_y = np.float32(0)
            if 1 <= left < width - 2 and 1 <= top < height - 2:
                for j in range(4):
                    row = planes[top - 1 + j]
                    a, b, c = np.float32(0), np.float32(0), np.float32(0)
                    for i in range(4):
                        a += wx[i] * row[left - 1 + i, 0]
                        b += wx[i] * row[left - 1 + i, 1]
                        c += wx[i] * row[left - 1 + i, 2]
                    level += wy[j] * a
                    slope_x += wy[j] * b
                    slope_y += wy[j] * c
            else:
                for j in range(4):
                    ty = top - 1 + j
                    if 0 <= ty < height:
                        for i in range(4):
                            tx = left - 1 + i
                            if 0 <= tx < width:
                                weight = wx[i] * wy[j]
                                level += weight * planes[ty, tx, 0]
                                slope_x += weight * planes[ty, tx, 1]
                                slope_y += weight * planes[ty, tx, 2]
            square = slope_x * slope_x + slope_y * slope_y
            place = (y + 1) * (width + 1) + x
            warped[0, place] = slope_x
            warped[1, place] = slope_y
            warped[2, place] = np.float32(1) / max(square, np.float32(1e-12))
            warped[3, place] = level - slope_x * u[x] - slope_y * v[x] - onset[y, x]


@_compiled
def _threshold(gx, gy, inverse, rho, u, v, out, limit):
    """The thresholding step: its length along the slope, -rho / slope² within the limit."""
    for x in range(len(out)):
        out[x] = min(max(-(rho[x] + gx[x] * u[x] + gy[x] * v[x]) * inverse[x], -limit), limit)


@_compiled
def _primal(u, along, slope, p, p_left, pa, pa_above, theta):
    """u = v + theta div p, in place; returns the sum of squared changes.

    p, pa: the horizontal and the vertical part of the dual field; the same one pixel to the left and one row above.
    """
    change = np.float32(0)
    for x in range(len(u)):
        du = along[x] * slope[x] + theta * (p[x] - p_left[x] + pa[x] - pa_above[x])
        u[x] += du
        change += du * du
    return change


@_compiled
def _dual(u, u_right, u_below, p, pa, taut):
    """The dual step of one component, in place."""
    one = np.float32(1)
    for x in range(len(u)):
        right, down = u_right[x] - u[x], u_below[x] - u[x]
        scale = one / (one + taut * np.sqrt(right * right + down * down))
        p[x] = (p[x] + taut * right) * scale
        pa[x] = (pa[x] + taut * down) * scale


@_compiled
def inner_loop(warped, field, dual, height, width, limit, theta, taut, stop, iterations):
    """Up to `iterations` of the fixed point; True where the change fell to `stop`.

    warped (4, S), field (2, S), dual (4, S): planes of (height + 2) x (width + 1), flat. The row above and the row and
    the column beyond the image hold what makes the borders come out without a case of their own: dual fields of 0, and
    u equal to its neighbour's, which is a slope of 0. A block of rows is finished while it is in the cache: the dual
    step follows the primal one, a row behind.
    """
    row = width + 1
    along = np.empty(BLOCK * row, np.float32)
    for _ in range(iterations):
        change = np.float32(0)
        for top in range(1, height + 1, BLOCK):
            bottom = min(top + BLOCK, height + 1)
            a, b = top * row, bottom * row
            steps = along[: b - a]
            gx, gy, inverse, rho = warped[0, a:b], warped[1, a:b], warped[2, a:b], warped[3, a:b]
            _threshold(gx, gy, inverse, rho, field[0, a:b], field[1, a:b], steps, limit)
            for one in range(2):
                u, p, pa = field[one], dual[2 * one], dual[2 * one + 1]
                change += _primal(
                    u[a:b], steps, warped[one, a:b], p[a:b], p[a - 1 : b - 1], pa[a:b], pa[a - row : b - row], theta
                )
                for y in range(top, bottom):
                    u[y * row + width] = u[y * row + width - 1]
                if bottom == height + 1:
                    u[b : b + row] = u[b - row : b]
                first, last = max(top - 1, 1) * row, (bottom - 1 if bottom <= height else bottom) * row
                right, below = u[first + 1 : last + 1], u[first + row : last + row]
                _dual(u[first:last], right, below, p[first:last], pa[first:last], taut)
                for end in range(first + width, last, row):
                    p[end] = 0
                    pa[end] = 0
        if change <= stop:
            return True
    return False
