"""The compiled median filter of `tvl1_numba`: OpenCV's medianBlur, which has no vectors of eight."""

import numpy as np

from ra_icl.flow.compiled import compiled


@compiled
def median5(field, height, width):
    """Median filter of 5 x 5 on each plane of `field`, in place, the border repeated outwards; field: see `inner_loop`.

    Columns of five are sorted once for the five windows they are part of, then the five of each rank.
    """
    row = field.shape[1] // (height + 2)
    wide = np.empty((height + 4, width + 4), np.float32)
    ranks = np.empty((5, width + 4), np.float32)
    for one in range(len(field)):
        for y in range(height + 4):
            a = (min(max(y - 2, 0), height - 1) + 1) * row
            wide[y, :2] = field[one, a]
            wide[y, 2:-2] = field[one, a : a + width]
            wide[y, -2:] = field[one, a + width - 1]
        for y in range(height):
            a = (y + 1) * row
            _sort_columns(
                wide[y], wide[y + 1], wide[y + 2], wide[y + 3], wide[y + 4],
                ranks[0], ranks[1], ranks[2], ranks[3], ranks[4],
            )  # fmt: skip
            _medians(ranks[0], ranks[1], ranks[2], ranks[3], ranks[4], field[one, a : a + width])


@compiled
def _sort_columns(a, b, c, d, e, least, second, middle, fourth, most):
    for x in range(len(least)):
        least[x], second[x], middle[x], fourth[x], most[x] = _sorted(a[x], b[x], c[x], d[x], e[x])


@compiled
def _sorted(a, b, c, d, e):
    a, b, d, e = min(a, b), max(a, b), min(d, e), max(d, e)
    c, e = min(c, e), max(c, e)
    c, d = min(c, d), max(c, d)
    b, e = min(b, e), max(b, e)
    a, d = min(a, d), max(a, d)
    a, c, b, d = min(a, c), max(a, c), min(b, d), max(b, d)
    b, c = min(b, c), max(b, c)
    return a, b, c, d, e


@compiled
def _medians(least, second, middle, fourth, most, out):
    """Medians of windows of 25 whose columns are sorted.

    With the five of each rank sorted too, 9 values are known to be too small or equal and 9 too large or equal, but for
    the largest (low) and the smallest (high) of those next to the diagonal; low, high and the diagonal's five are left.
    The median of these is found by merging.
    """
    for x in range(len(out)):
        i, j, k, m, n = np.uintp(x), np.uintp(x + 1), np.uintp(x + 2), np.uintp(x + 3), np.uintp(x + 4)
        _, _, _, low, e = _sorted(least[i], least[j], least[k], least[m], least[n])
        _, _, under, d, high = _sorted(second[i], second[j], second[k], second[m], second[n])
        low = max(low, under)
        _, under, c, over, _ = _sorted(middle[i], middle[j], middle[k], middle[m], middle[n])
        low, high = max(low, under), min(high, over)
        under, b, over, _, _ = _sorted(fourth[i], fourth[j], fourth[k], fourth[m], fourth[n])
        low, high = max(low, under), min(high, over)
        a, over, _, _, _ = _sorted(most[i], most[j], most[k], most[m], most[n])
        high = min(high, over)
        _, b, c, d, _ = _sorted(a, b, c, d, e)
        low, high = min(low, high), max(low, high)
        out[x] = min(d, max(c, low), max(b, high))
