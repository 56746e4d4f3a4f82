"""The compiled transforms of `winograd`: between maps and planes, a vector of channels at a time."""

from functools import reduce

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from ra_icl.compile_cache import compiled

LANES = 8  # channels in a vector of LLVM, which makes it of whatever vectors the processor has
FUSED = ("contract",)  # a product and a sum may be one instruction; a loss that is not a number has to stay one
SIDE = 6  # of a transformed tile: its SIDE² values lie in as many planes

# What is transformed: pixels of a tile, and pixels from one tile to the next. The tiles of inputs overlap, as an output
# sees the neighbours of its pixel too, and the first begin outside of the image.
INPUT, OUTPUT, WEIGHT = 0, 1, 2
TILE = (6, 4, 3)
STEP = (4, 4, 3)

# F(4x4, 3x3) with the points 0, 1, -1, 2, -2 and infinity: B^T, A and G of Lavin and Gray (2016).
MATRICES = (
    (
        (4, 0, -5, 0, 1, 0),
        (0, -4, -4, 1, 1, 0),
        (0, 4, -4, -1, 1, 0),
        (0, -2, -1, 2, 1, 0),
        (0, 2, -1, -2, 1, 0),
        (0, 4, 0, -5, 0, 1),
    ),
    ((1, 0, 0, 0), (1, 1, 1, 1), (1, -1, 1, -1), (1, 2, 4, 8), (1, -2, 4, -8), (0, 0, 0, 1)),
    (
        (1 / 4, 0, 0),
        (-1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6),
        (1 / 24, -1 / 12, 1 / 6),
        (0, 0, 1),
    ),
)


@compiled
def to_planes(kind, images, planes):
    """X = M x M^T for every tile x of images (N, H, W, C), M the kind's matrix, into planes (SIDE², >= tiles C).

    Plane i SIDE + j holds X[i, j], tile by tile of C channels. Outside of the images all is 0. C: a multiple of LANES.
    """
    count, height, width, channels = images.shape
    tiled, down, across, step, ring = _tiling(kind, height, width, channels)
    pixels, flat, place, plane, row = tiled.ravel(), planes.ravel(), 0, planes.shape[1], tiled.shape[1] * channels
    for n in range(count):
        for y in range(height):
            tiled[y + ring, ring : ring + width] = images[n, y]
        for y in range(down):
            for x in range(across):
                corner = y * step * row + x * step * channels
                for c in range(0, channels, LANES):
                    if kind == INPUT:
                        _forwards(INPUT, pixels, corner + c, row, channels, flat, place + c, plane)
                    elif kind == OUTPUT:
                        _forwards(OUTPUT, pixels, corner + c, row, channels, flat, place + c, plane)
                    else:
                        _forwards(WEIGHT, pixels, corner + c, row, channels, flat, place + c, plane)
                place += channels


@compiled
def to_images(kind, planes, images):
    """The adjoint of `to_planes`: x = M^T X M of every tile, added up where tiles overlap, into images (N, H, W, C)."""
    count, height, width, channels = images.shape
    tiled, down, across, step, ring = _tiling(kind, height, width, channels)
    pixels, flat, place, plane, row = tiled.ravel(), planes.ravel(), 0, planes.shape[1], tiled.shape[1] * channels
    for n in range(count):
        if kind == INPUT:
            tiled[:] = 0
        for y in range(down):
            for x in range(across):
                corner = y * step * row + x * step * channels
                for c in range(0, channels, LANES):
                    if kind == INPUT:
                        _backwards(INPUT, flat, place + c, plane, pixels, corner + c, row, channels)
                    elif kind == OUTPUT:
                        _backwards(OUTPUT, flat, place + c, plane, pixels, corner + c, row, channels)
                    else:
                        _backwards(WEIGHT, flat, place + c, plane, pixels, corner + c, row, channels)
                place += channels
        for y in range(height):
            images[n, y] = tiled[y + ring, ring : ring + width]


@compiled
def _tiling(kind, height, width, channels):
    """Zeros for an image made up to whole tiles, how many those are, the pixels between two, and those around all."""
    step, ring = STEP[kind], (TILE[kind] - STEP[kind]) // 2
    down, across = -(-height // step), -(-width // step)
    tiled = np.zeros((down * step + 2 * ring, across * step + 2 * ring, channels), np.float32)
    return tiled, down, across, step, ring


@intrinsic(prefer_literal=True)
def _forwards(typingctx, kind, pixels, corner, row, column, planes, place, plane):
    """M x M^T of the tile of vectors at pixels[corner], written to planes[place]; both are flat."""
    matrix = MATRICES[kind.literal_value]

    def generate(context, builder, signature, arguments):
        _, pixels, corner, row, column, planes, place, plane = arguments
        tile = _Vectors(context, builder, signature.args[1], pixels, corner, row, column)
        across = builder.mul(plane, plane.type(SIDE))
        transformed = _Vectors(context, builder, signature.args[5], planes, place, across, plane)
        _transform(builder, matrix, tile, transformed)
        return context.get_dummy_value()

    return types.void(kind, pixels, corner, row, column, planes, place, plane), generate


@intrinsic(prefer_literal=True)
def _backwards(typingctx, kind, planes, place, plane, pixels, corner, row, column):
    """M^T X M of the vectors at planes[place], written to pixels[corner]; added to what is there for INPUT."""
    matrix = tuple(zip(*MATRICES[kind.literal_value], strict=True))

    def generate(context, builder, signature, arguments):
        _, planes, place, plane, pixels, corner, row, column = arguments
        across = builder.mul(plane, plane.type(SIDE))
        transformed = _Vectors(context, builder, signature.args[1], planes, place, across, plane)
        tile = _Vectors(context, builder, signature.args[4], pixels, corner, row, column)
        _transform(builder, matrix, transformed, tile, add=kind.literal_value == INPUT)
        return context.get_dummy_value()

    return types.void(kind, planes, place, plane, pixels, corner, row, column), generate


class _Vectors:
    """LLVM's code for a square of vectors of LANES values in a flat array, `row` and `column` apart."""

    def __init__(self, context, builder, kind, array, place, row, column) -> None:
        self.builder, self.place, self.row, self.column = builder, place, row, column
        self.values = make_array(kind)(context, builder, array).data
        self.vector = ir.VectorType(ir.FloatType(), LANES)

    def load(self, i: int, j: int):
        """The vector in row i, column j."""
        return self.builder.load(self._pointer(i, j), align=4)

    def store(self, i: int, j: int, value) -> None:
        """Write it."""
        self.builder.store(value, self._pointer(i, j), align=4)

    def _pointer(self, i, j):
        down = self.builder.mul(self.row, self.row.type(i))
        right = self.builder.mul(self.column, self.column.type(j))
        pointer = self.builder.gep(self.values, [self.builder.add(self.place, self.builder.add(down, right))])
        return self.builder.bitcast(pointer, self.vector.as_pointer())


def _transform(builder, matrix, source: _Vectors, target: _Vectors, add: bool = False) -> None:
    """LLVM's code for matrix X matrix^T, X the vectors of `source`: written to `target`, or added to it."""
    rows, columns = range(len(matrix)), range(len(matrix[0]))
    halfway = []
    for j in columns:
        column = [source.load(i, j) for i in columns]
        halfway.append([_combination(builder, matrix[i], column) for i in rows])
    for i in rows:
        for j in rows:
            value = _combination(builder, matrix[j], [column[i] for column in halfway])
            target.store(i, j, builder.fadd(target.load(i, j), value, flags=FUSED) if add else value)


def _combination(builder, factors, vectors):
    """LLVM's code for a sum of vectors times constants; LLVM itself drops what is times 1."""
    terms = [
        builder.fmul(vector, ir.Constant(vector.type, [float(np.float32(factor))] * LANES), flags=FUSED)
        for factor, vector in zip(factors, vectors, strict=True)
        if factor
    ]
    return reduce(lambda one, other: builder.fadd(one, other, flags=FUSED), terms)
