"""The compiled resize and inner loop of `tvl1_numba`."""

import numba
import numpy as np

from ra_icl.flow.compile_cache import compiled

BLOCK = 16  # rows
VERSION = f"numba {numba.__version__}"


@compiled
def resize(image, height, width, step_x, step_y=0.0):
    """Bilinear resize of (H, W) to (height, width) with pixel centres aligned; step: source pixels per pixel."""
    step_y = step_x if step_y == 0.0 else step_y
    left, right, share = _between(image.shape[1], width, step_x)
    above, below, share_below = _between(image.shape[0], height, step_y)
    out = np.empty((height, width), np.float32)
    blend = np.empty(image.shape[1], np.float32)
    for y in range(height):
        _blend(image[above[y]], image[below[y]], share_below[y], blend)
        row = out[y]
        for x in range(width):
            a, b = blend[left[x]], blend[right[x]]
            row[x] = a + share[x] * (b - a)
    return out


@compiled
def _between(source, count, step):
    """The two source pixels that each of `count` lies between, and the second one's share."""
    first, second, share = np.empty(count, np.uintp), np.empty(count, np.uintp), np.empty(count, np.float32)
    for i in range(count):
        place = min(max((i + 0.5) * step - 0.5, 0.0), source - 1.0)
        first[i] = int(place)
        second[i] = min(int(place) + 1, source - 1)
        share[i] = place - int(place)
    return first, second, share


@compiled
def _blend(first, second, share, out):
    for x in range(len(out)):
        out[x] = first[x] + share * (second[x] - first[x])


@compiled
def inner_loop(warped, field, dual, height, width, limit, theta, taut, stop, iterations):
    """Up to `iterations` of the fixed point; True where the change fell to `stop`.

    warped (4, S), field (2, S), dual (4, S): planes of (height + 2) x row, flat, row > width. The row above and the row
    and the columns beyond the image hold what makes the borders come out without a case of their own: dual fields and
    slopes of 0, and u equal to its neighbour's. A block of rows is finished while it is in the cache: the dual step
    follows the primal one, a row behind.
    """
    row = field.shape[1] // (height + 2)
    for _ in range(iterations):
        change = np.float32(0)
        for top in range(1, height + 1, BLOCK):
            bottom = min(top + BLOCK, height + 1)
            change += _primal(warped, field, dual, top * row, bottom * row, row, limit, theta)
            first, last = max(top - 1, 1) * row, (bottom - 1 if bottom <= height else bottom) * row
            for one in range(2):
                u, p, pa = field[one], dual[2 * one], dual[2 * one + 1]
                _repeat_last(u, top * row, bottom * row, row, width)
                if bottom == height + 1:
                    u[bottom * row : (bottom + 1) * row] = u[height * row : (height + 1) * row]
                _dual(
                    u[first:last],
                    u[first + 1 : last + 1],
                    u[first + row : last + row],
                    p[first:last],
                    pa[first:last],
                    taut,
                )
                _clear_beyond(p, first, last, row, width)
                _clear_beyond(pa, first, last, row, width)
        if change <= stop:
            return True
    return False


@compiled
def _primal(warped, field, dual, first, last, row, limit, theta):
    """Thresholding, then u = v + theta div p, in place from first to last; returns the sum of squared changes.

    Both components in one loop, which reads the slopes once. The thresholding step is -rho / slope² along the slope,
    within the limit.
    """
    gx, gy, inverse, rho = warped[0, first:last], warped[1, first:last], warped[2, first:last], warped[3, first:last]
    u, v = field[0, first:last], field[1, first:last]
    pu, pu_left, pv, pv_left = (
        dual[0, first:last],
        dual[0, first - 1 : last - 1],
        dual[2, first:last],
        dual[2, first - 1 : last - 1],
    )
    qu, qu_above, qv, qv_above = (
        dual[1, first:last],
        dual[1, first - row : last - row],
        dual[3, first:last],
        dual[3, first - row : last - row],
    )
    change = np.float32(0)
    for x in range(len(u)):
        along = min(max(-(rho[x] + gx[x] * u[x] + gy[x] * v[x]) * inverse[x], -limit), limit)
        du = along * gx[x] + theta * (pu[x] - pu_left[x] + qu[x] - qu_above[x])
        dv = along * gy[x] + theta * (pv[x] - pv_left[x] + qv[x] - qv_above[x])
        u[x] += du
        v[x] += dv
        change += du * du + dv * dv
    return change


@compiled
def _dual(u, u_right, u_below, p, pa, taut):
    """The dual step of one component, in place."""
    one = np.float32(1)
    for x in range(len(u)):
        right, down = u_right[x] - u[x], u_below[x] - u[x]
        scale = one / (one + taut * np.sqrt(right * right + down * down))
        p[x] = (p[x] + taut * right) * scale
        pa[x] = (pa[x] + taut * down) * scale


@compiled
def _repeat_last(u, first, last, row, width):
    """Continue each row by its last pixel, which makes the slope there 0."""
    for beyond in range(first + width, last, row):
        u[beyond] = u[beyond - 1]


@compiled
def _clear_beyond(p, first, last, row, width):
    for beyond in range(first + width, last, row):
        for i in range(beyond, beyond + row - width):
            p[np.uintp(i)] = 0
