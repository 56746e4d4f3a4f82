"""The compiled resize and inner loop of `tvl1_numba`."""

import numba
import numpy as np

from ra_icl.flow.compiled import compiled, inlined

BLOCK = 32  # rows: fewer spend their time on starting loops
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


@inlined
def _between(source, count, step):
    """The two source pixels that each of `count` pixels lies between, and the second one's share."""
    first, second, share = np.empty(count, np.uintp), np.empty(count, np.uintp), np.empty(count, np.float32)
    for i in range(count):
        place = min(max((i + 0.5) * step - 0.5, 0.0), source - 1.0)
        first[i] = int(place)
        second[i] = min(int(place) + 1, source - 1)
        share[i] = place - int(place)
    return first, second, share


@inlined
def _blend(first, second, share, out):
    """One row between two others."""
    for x in range(len(out)):
        out[x] = first[x] + share * (second[x] - first[x])


@compiled
def inner_loop(warped, field, dual, height, width, limit, theta, taut, stop, iterations):
    """Up to `iterations` of the fixed point; True if the change fell to `stop`.

    warped (4, S), field (2, S), dual (4, S): flat planes of (height + 2) x row, row > width. The row above the image
    and the row and columns beyond it hold values that make the borders need no special case: dual fields and slopes of
    0, and u repeated from its neighbour, which is a slope of 0. The dual step follows the primal one a row behind, so
    that each block of rows is finished while it is in the cache.
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
                    u[bottom * row : (bottom + 1) * row] = u[height * row : bottom * row]
                _dual(u, p, pa, first, last, row, taut)
                _clear_beyond(p, first, last, row, width)
                _clear_beyond(pa, first, last, row, width)
        if change <= stop:
            return True
    return False


@inlined
def _primal(warped, field, dual, first, last, row, limit, theta):
    """Thresholding, then u = v + theta div p, in place from first to last; returns the sum of squared changes.

    Both components in one loop, which reads the slopes once. The thresholding step is -rho / slope² along the slope,
    within the limit.
    """
    here, left, above = slice(first, last), slice(first - 1, last - 1), slice(first - row, last - row)
    gx, gy, inverse, rho = warped[0, here], warped[1, here], warped[2, here], warped[3, here]
    u, v = field[0, here], field[1, here]
    pu, pau, pv, pav = dual[0, here], dual[1, here], dual[2, here], dual[3, here]
    pu_left, pau_above, pv_left, pav_above = dual[0, left], dual[1, above], dual[2, left], dual[3, above]
    change = np.float32(0)
    for x in range(len(u)):
        along = min(max(-(rho[x] + gx[x] * u[x] + gy[x] * v[x]) * inverse[x], -limit), limit)
        du = along * gx[x] + theta * (pu[x] - pu_left[x] + pau[x] - pau_above[x])
        dv = along * gy[x] + theta * (pv[x] - pv_left[x] + pav[x] - pav_above[x])
        u[x] += du
        v[x] += dv
        change += du * du + dv * dv
    return change


@inlined
def _dual(field, across, down, first, last, row, taut):
    """The dual step of one component, in place from first to last."""
    u, u_right, u_below = field[first:last], field[first + 1 : last + 1], field[first + row : last + row]
    p, pa = across[first:last], down[first:last]
    one = np.float32(1)
    for x in range(len(u)):
        right, below = u_right[x] - u[x], u_below[x] - u[x]
        scale = one / (one + taut * np.sqrt(right * right + below * below))
        p[x] = (p[x] + taut * right) * scale
        pa[x] = (pa[x] + taut * below) * scale


@inlined
def _repeat_last(u, first, last, row, width):
    """Continue each row by its last pixel."""
    for beyond in range(first + width, last, row):
        u[beyond] = u[beyond - 1]


@inlined
def _clear_beyond(p, first, last, row, width):
    """Set what the dual step left beyond the image to 0."""
    for beyond in range(first + width, last, row):
        for i in range(beyond, beyond + row - width):
            p[np.uintp(i)] = 0
