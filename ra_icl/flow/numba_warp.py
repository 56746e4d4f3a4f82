"""The compiled warp of `tvl1_numba`: a frame and its slopes sampled at the flow."""

from functools import reduce

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from ra_icl.flow.compiled import compiled

RING = 4  # pixels of 0 around a frame: where all taps lie outside, they lie in there
CHANNELS = 4  # level, slope to the right, slope down, 0: a vector of 128 bits


@compiled
def add_slopes(image, planes):
    """Write (H, W) and its slopes to the right and down into planes (H + 2 RING, W + 2 RING, CHANNELS) of 0.

    Slopes are half differences, on the border too.
    """
    height, width = image.shape
    half = np.float32(0.5)
    for y in range(height):
        above, below = image[max(y - 1, 0)], image[min(y + 1, height - 1)]
        row, out = image[y], planes[y + RING, RING:]
        for x in range(width):
            out[x, 0] = row[x]
            out[x, 1] = half * (row[min(x + 1, width - 1)] - row[max(x - 1, 0)])
            out[x, 2] = half * (below[x] - above[x])


@compiled
def warp(onset, planes, field, warped):
    """Sample frame and slopes at x + u, y + v; write slopes, 1 / slope², and rho without its flow terms.

    Bicubic; taps outside the frame count as 0, as OpenCV's remap has it. onset: (H, W); planes: see `add_slopes`;
    field, warped: see `inner_loop`.
    """
    height, width = onset.shape
    row, stride = field.shape[1] // (height + 2), planes.shape[1] * CHANNELS
    places, level = np.empty(width, np.int32), np.empty(width, np.float32)
    across, down = np.empty((2, 4, width), np.float32)
    for y in range(height):
        a = (y + 1) * row
        b = a + width
        u, v, gx, gy = field[0, a:b], field[1, a:b], warped[0, a:b], warped[1, a:b]
        _first_taps(u, v, y, height, stride, places)
        _cubic(u, across[0], across[1], across[2], across[3])
        _cubic(v, down[0], down[1], down[2], down[3])
        _sample(planes.ravel(), places, stride, across, down, level, gx, gy)
        _linearise(onset[y], level, gx, gy, u, v, warped[2, a:b], warped[3, a:b])


@compiled
def _first_taps(u, v, y, height, stride, places):
    """Where in the flat planes the first of the 16 taps of each pixel of a row lies."""
    width = len(u)
    first, last_left, last_top = np.float32(1 - RING), np.float32(width + RING - 3), np.float32(height + RING - 3)
    for x in range(width):
        left = min(max(np.float32(np.int32(x)) + np.floor(u[x]), first), last_left)
        top = min(max(np.float32(y) + np.floor(v[x]), first), last_top)
        places[x] = (np.int32(top) + (RING - 1)) * stride + (np.int32(left) + (RING - 1)) * CHANNELS


@compiled
def _cubic(shift, first, second, third, fourth):
    """Weights of the four taps of cubic convolution with A = -0.75, OpenCV's, for each shift's share of a pixel."""
    a, one = np.float32(-0.75), np.float32(1)
    for x in range(len(shift)):
        t = shift[x] - np.floor(shift[x])
        r = one - t
        first[x] = a * t * r * r
        second[x] = ((a + np.float32(2)) * t - (a + np.float32(3))) * t * t + one
        third[x] = ((a + np.float32(2)) * r - (a + np.float32(3))) * r * r + one
        fourth[x] = a * r * t * t


@compiled
def _sample(planes, places, stride, across, down, level, slope_x, slope_y):
    """The weighted sums of 4 x 4 taps for a row of pixels."""
    for x in range(len(level)):
        i = np.uintp(x)
        columns = across[0, i], across[1, i], across[2, i], across[3, i]
        rows = down[0, i], down[1, i], down[2, i], down[3, i]
        level[i], slope_x[i], slope_y[i], _ = _weighted_taps(planes, np.intp(places[i]), stride, columns, rows)


@intrinsic
def _weighted_taps(typingctx, planes, place, stride, across, down):
    """Sum of 4 x 4 taps of CHANNELS values, the first at `place` in the flat planes; across, down: weights, 4 each.

    As vectors of LLVM, of any processor that has such: Numba has no type for them, and LLVM by itself would find them
    in loops over many pixels only, which cannot load 48 values each from its own place.
    """

    def generate(context, builder, signature, arguments):
        planes, place, stride, across, down = arguments
        values = make_array(signature.args[0])(context, builder, planes).data
        vector, lanes = ir.VectorType(ir.FloatType(), CHANNELS), ir.VectorType(ir.IntType(32), CHANNELS)
        number = ir.IntType(32)

        def tap(row, column):
            offset = builder.add(place, builder.mul(stride, stride.type(row)))
            pointer = builder.gep(values, [builder.add(offset, offset.type(column * CHANNELS))])
            return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=4)

        def product(one, weight):
            weight = builder.insert_element(vector(ir.Undefined), weight, number(0))
            return builder.fmul(one, builder.shuffle_vector(weight, weight, lanes(None)), flags=["fast"])

        def weighted_sum(vectors, weights):
            products = map(product, vectors, cgutils.unpack_tuple(builder, weights))
            return reduce(lambda one, other: builder.fadd(one, other, flags=["fast"]), products)

        rows = [weighted_sum([tap(row, column) for column in range(4)], across) for row in range(4)]
        total = weighted_sum(rows, down)
        channels = [builder.extract_element(total, number(channel)) for channel in range(CHANNELS)]
        return context.make_tuple(builder, signature.return_type, channels)

    return types.UniTuple(types.float32, CHANNELS)(planes, place, stride, across, down), generate


@compiled
def _linearise(onset, level, gx, gy, u, v, inverse, rho):
    """1 / slope², and the difference of the frames without the flow's part."""
    for x in range(len(onset)):
        square = gx[x] * gx[x] + gy[x] * gy[x]
        inverse[x] = np.float32(1) / max(square, np.float32(1e-12))
        rho[x] = level[x] - gx[x] * u[x] - gy[x] * v[x] - onset[x]
