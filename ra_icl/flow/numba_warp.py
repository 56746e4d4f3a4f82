"""The compiled warp of `tvl1_numba`: a frame and its slopes sampled at the flow."""

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from ra_icl.flow.compile_cache import compiled

RING = 4  # pixels of 0 around a frame: where all taps lie outside, they lie in there
CHANNELS = 4  # level, slope to the right, slope down, 0: a vector


@compiled
def with_slopes(image):
    """(H, W) to (H + 2 RING, W + 2 RING, CHANNELS): the image, its slopes to the right and down, 0; a ring of 0.

    Slopes are half differences, on the border too.
    """
    height, width = image.shape
    planes = np.zeros((height + 2 * RING, width + 2 * RING, CHANNELS), np.float32)
    half = np.float32(0.5)
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

    Bicubic; taps outside the frame count as 0, as OpenCV's remap has it. onset: (H, W); planes: see `with_slopes`;
    field, warped: see `inner_loop`.
    """
    height, width = onset.shape
    row, stride = field.shape[1] // (height + 2), planes.shape[1] * CHANNELS
    places, across, down = np.empty(width, np.int64), np.empty((4, width), np.float32), np.empty((4, width), np.float32)
    level = np.empty(width, np.float32)
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
    for x in range(width):
        left = min(max(x + np.int64(np.floor(u[x])), 1 - RING), width + RING - 3)
        top = min(max(y + np.int64(np.floor(v[x])), 1 - RING), height + RING - 3)
        places[x] = (top + RING - 1) * stride + (left + RING - 1) * CHANNELS


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
        level[i], slope_x[i], slope_y[i], _ = _weighted_taps(planes, places[i], stride, columns, rows)


@intrinsic
def _weighted_taps(typingctx, planes, place, stride, across, down):
    """Sum of 4 x 4 taps, each a vector of CHANNELS values: Numba has no vectors, and LLVM finds them in loops only."""

    def generate(context, builder, signature, arguments):
        planes, place, stride, across, down = arguments
        values = make_array(signature.args[0])(context, builder, planes).data
        vector = ir.VectorType(ir.FloatType(), CHANNELS)

        def tap(row, column):
            offset = builder.add(place, builder.mul(stride, ir.Constant(stride.type, row)))
            offset = builder.add(offset, ir.Constant(offset.type, column * CHANNELS))
            return builder.load(builder.bitcast(builder.gep(values, [offset]), vector.as_pointer()), align=4)

        def weighted_sum(vectors, weights):
            terms = []
            for one, weight in zip(vectors, cgutils.unpack_tuple(builder, weights), strict=True):
                lane = builder.insert_element(ir.Constant(vector, ir.Undefined), weight, ir.IntType(32)(0))
                everywhere = ir.Constant(ir.VectorType(ir.IntType(32), CHANNELS), None)
                weight = builder.shuffle_vector(lane, lane, everywhere)
                terms.append(builder.fmul(one, weight, flags=["fast"]))
            first, second, third, fourth = terms
            total = builder.fadd(first, second, flags=["fast"])
            total = builder.fadd(total, third, flags=["fast"])
            return builder.fadd(total, fourth, flags=["fast"])

        rows = [weighted_sum([tap(row, column) for column in range(4)], across) for row in range(4)]
        total = weighted_sum(rows, down)
        channels = [builder.extract_element(total, ir.IntType(32)(i)) for i in range(CHANNELS)]
        return context.make_tuple(builder, signature.return_type, channels)

    return types.UniTuple(types.float32, CHANNELS)(planes, place, stride, across, down), generate


@compiled
def _linearise(onset, level, gx, gy, u, v, inverse, rho):
    for x in range(len(onset)):
        square = gx[x] * gx[x] + gy[x] * gy[x]
        inverse[x] = np.float32(1) / max(square, np.float32(1e-12))
        rho[x] = level[x] - gx[x] * u[x] - gy[x] * v[x] - onset[x]
