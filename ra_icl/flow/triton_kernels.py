"""The steps of `torch_kernels` as Triton kernels for a GPU: same names, arguments, shapes and results.

A kernel's tile is BLOCK pixels of one pair, in the order of rows. A fixed number of programs shares the tiles of the
pairs that are active, whose list and number lie on the device: nothing is read back, and converged pairs cost nothing.
The sums of squared changes of a pair's strips are kept side by side, not added up by atomics: two runs give the same
bits. Rounding: float32 with fused multiply-adds; division and square root are the GPU's fast ones, right to about two
units in the last place.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from ra_icl.flow.torch_kernels import median_network

BLOCK = 512  # pixels of a tile: two for each thread, whose values then stay in its registers
STRIP = 4  # tiles for which a program looks up once whether their pair has converged
WARPS = 8  # of 32 threads, in a program
_PROGRAMS = 8  # on each multiprocessor, more than run there at once


def warp(onset: Tensor, planes: Tensor, field: Tensor, warped: Tensor) -> None:
    """As `torch_kernels.warp`."""
    _require_contiguous(onset, planes, field, warped)
    pairs, height, width = onset.shape
    blocks = triton.cdiv(height * width, BLOCK)
    _warp[(pairs * blocks,)](onset, planes, field, warped, height, width, blocks, BLOCK=BLOCK, num_warps=WARPS)


def median(field: Tensor, active: Tensor, size: int) -> None:
    """As `torch_kernels.median`."""
    _require_contiguous(field)
    _, _, height, width = field.shape
    order, count = _listed(active)
    filtered = torch.empty_like(field)
    blocks = triton.cdiv(height * width, BLOCK)
    _median[_grid(field)](
        field, filtered, order, count, height, width, blocks,
        SIDE=size, NETWORK=median_network(size * size), BLOCK=BLOCK, num_warps=WARPS,
    )  # fmt: skip
    _take(filtered, field, torch.ones_like(order), order, count)


def inner_loop(
    warped: Tensor, field: Tensor, dual: Tensor, active: Tensor, steps: tuple[float, ...], iterations: int
) -> Tensor:
    """As `torch_kernels.inner_loop`.

    Each iteration reads one pair of buffers and writes the other. A pair that has converged is not touched again, so
    its result lies where its own last iteration wrote it: in the second buffers after an odd number of them.
    """
    _require_contiguous(warped, field, dual)
    pairs, _, height, width = field.shape
    strips = triton.cdiv(height * width, STRIP * BLOCK)
    order, count = _listed(active)
    change = torch.full((pairs, 2, strips), torch.inf, device=field.device)
    done = torch.zeros(pairs, dtype=torch.int32, device=field.device)
    here, there = (field, dual), (torch.empty_like(field), torch.empty_like(dual))
    grid = _grid(field)
    for number in range(iterations):
        source, target = (here, there) if number % 2 == 0 else (there, here)
        _iterate[grid](
            warped, *source, *target, change, done, order, count, number, height * width, width, strips, *steps,
            STRIPS=triton.next_power_of_2(strips), STRIP=STRIP, BLOCK=BLOCK, num_warps=WARPS, num_stages=1,
        )  # fmt: skip
    for mine, other in zip(here, there, strict=True):
        _take(other, mine, done, order, count)
    active &= change[:, (iterations - 1) % 2].sum(dim=1) > steps[3]
    return done


def _require_contiguous(*tensors: Tensor) -> None:
    """The kernels compute addresses from the shape alone."""
    if not all(tensor.is_contiguous() for tensor in tensors):
        raise ValueError("a tensor is not contiguous; the kernels would read it wrongly")


def _listed(active: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers of the active pairs, then of the others; and how many are active. Both stay on the device."""
    return (~active).int().argsort(stable=True).int(), active.sum(dtype=torch.int32).reshape(1)


def _grid(field: Tensor) -> tuple[int]:
    """As many programs as the GPU runs at once; two where the kernels are interpreted on a CPU."""
    if field.device.type != "cuda":
        return (2,)
    return (_PROGRAMS * torch.cuda.get_device_properties(field.device).multi_processor_count,)


def _take(source: Tensor, target: Tensor, done: Tensor, order: Tensor, count: Tensor) -> None:
    """Copy the active pairs with an odd number in `done` from source to target, (P, C, H, W)."""
    length = source[0].numel()
    blocks = triton.cdiv(length, BLOCK)
    _copy[_grid(source)](source, target, done, order, count, length, blocks, BLOCK=BLOCK, num_warps=WARPS)


@triton.jit
def _copy(source, target, done, order, count, length, blocks, BLOCK: tl.constexpr):  # noqa: N803
    for tile in range(tl.program_id(0), tl.load(count) * blocks, tl.num_programs(0)):
        pair = tl.load(order + tile // blocks).to(tl.int64)
        if tl.load(done + pair) % 2 == 1:
            place = tile % blocks * BLOCK + tl.arange(0, BLOCK)
            inside = place < length
            value = tl.load(source + pair * length + place, mask=inside)
            tl.store(target + pair * length + place, value, mask=inside)


@triton.jit
def _pixels(tile, BLOCK: tl.constexpr):  # noqa: N803
    """The numbers of a tile's pixels, said not to be contiguous: one element a thread in every load.

    Else some planes are read by vectors and their neighbours are not, and values travel between threads.
    """
    return tl.max_contiguous(tile * BLOCK + tl.arange(0, BLOCK), 1)


@triton.jit(do_not_specialize=["number", "size", "width", "strips"])
def _iterate(
    warped, field, dual, new_field, new_dual, change, done, order, count, number, size, width, strips, limit, theta,
    taut, stop, STRIPS: tl.constexpr, STRIP: tl.constexpr, BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    """Iteration `number` of the active pairs: primal and dual step in one, each plane read and written once.

    change: (P, 2, strips), the sums of the iterations before this one and of this one, by turns.
    """
    for task in range(tl.program_id(0), tl.load(count) * strips, tl.num_programs(0)):
        pair = tl.load(order + task // strips).to(tl.int64)
        strip = task % strips
        places = tl.arange(0, STRIPS)
        last = change + (2 * pair + (number + 1) % 2) * strips
        total = tl.zeros((BLOCK,), tl.float32)
        if tl.sum(tl.load(last + places, mask=places < strips, other=0.0)) > stop:
            w, planes = warped + 4 * pair * size, 2 * pair * size
            old_u, old_p, new_u, new_p = field + planes, dual + 2 * planes, new_field + planes, new_dual + 2 * planes
            for tile in range(strip * STRIP, strip * STRIP + STRIP):
                pixel = _pixels(tile, BLOCK)
                total += _fused_step(w, old_u, old_p, new_u, new_p, pixel, size, width, limit, theta, taut)
            if strip == 0:
                tl.store(done + pair, number + 1)
        tl.store(change + (2 * pair + number % 2) * strips + strip, tl.sum(total))


@triton.jit
def _fused_step(warped, field, dual, new_field, new_dual, pixel, size, width, limit, theta, taut):
    """Both steps at `pixel`; returns the squared changes.

    The dual step needs the new flow of the pixels to the right and below: it is computed again, not waited for.
    """
    x, y = pixel % width, pixel // width
    inside, below = pixel < size, pixel + width < size
    right = inside & (x + 1 < width)
    u, v, du, dv = _primal(warped, field, dual, pixel, x, y, inside, size, width, limit, theta)
    u_right, v_right, _, _ = _primal(warped, field, dual, pixel + 1, x + 1, y, right, size, width, limit, theta)
    u_below, v_below, _, _ = _primal(warped, field, dual, pixel + width, x, y + 1, below, size, width, limit, theta)
    tl.store(new_field + pixel, u, mask=inside)
    tl.store(new_field + size + pixel, v, mask=inside)
    u_right, u_below = tl.where(right, u_right - u, 0.0), tl.where(below, u_below - u, 0.0)
    v_right, v_below = tl.where(right, v_right - v, 0.0), tl.where(below, v_below - v, 0.0)
    _dual(dual + pixel, new_dual + pixel, u_right, u_below, inside, size, taut)
    _dual(dual + 2 * size + pixel, new_dual + 2 * size + pixel, v_right, v_below, inside, size, taut)
    return du * du + dv * dv


@triton.jit
def _primal(warped, field, dual, pixel, x, y, inside, size, width, limit, theta):
    """u and v after the primal step, and their changes; 0 outside."""
    gx = tl.load(warped + pixel, mask=inside, other=0.0)
    gy = tl.load(warped + size + pixel, mask=inside, other=0.0)
    inverse = tl.load(warped + 2 * size + pixel, mask=inside, other=0.0)
    rho = tl.load(warped + 3 * size + pixel, mask=inside, other=0.0)
    u = tl.load(field + pixel, mask=inside, other=0.0)
    v = tl.load(field + size + pixel, mask=inside, other=0.0)
    along = tl.minimum(tl.maximum(-(rho + gx * u + gy * v) * inverse, -limit), limit)
    du = along * gx + theta * _divergence(dual + pixel, x, y, inside, size, width)
    dv = along * gy + theta * _divergence(dual + 2 * size + pixel, x, y, inside, size, width)
    return u + du, v + dv, du, dv


@triton.jit
def _divergence(dual, x, y, inside, size, width):
    across = tl.load(dual, mask=inside, other=0.0) - tl.load(dual - 1, mask=inside & (x > 0), other=0.0)
    down = tl.load(dual + size, mask=inside, other=0.0)
    return across + down - tl.load(dual + size - width, mask=inside & (y > 0), other=0.0)


@triton.jit
def _dual(dual, out, right, down, inside, size, taut):
    """The dual step of one component, along its slopes to the right and down."""
    scale = 1.0 / (1.0 + taut * tl.sqrt(right * right + down * down))
    across = (tl.load(dual, mask=inside, other=0.0) + taut * right) * scale
    tl.store(out, across, mask=inside)
    tl.store(out + size, (tl.load(dual + size, mask=inside, other=0.0) + taut * down) * scale, mask=inside)


@triton.jit(do_not_specialize=["height", "width", "blocks"])
def _warp(onset, planes, field, warped, height, width, blocks, BLOCK: tl.constexpr):  # noqa: N803
    tile = tl.program_id(0)
    pair = (tile // blocks).to(tl.int64)
    size = height * width
    pixel = _pixels(tile % blocks, BLOCK)
    inside = pixel < size
    u = tl.load(field + 2 * pair * size + pixel, mask=inside, other=0.0)
    v = tl.load(field + (2 * pair + 1) * size + pixel, mask=inside, other=0.0)
    left, top = tl.floor(u), tl.floor(v)
    across, down = _cubic(u - left), _cubic(v - top)
    first, upper = pixel % width + left.to(tl.int32) - 1, pixel // width + top.to(tl.int32) - 1
    level, gx, gy = tl.zeros_like(u), tl.zeros_like(u), tl.zeros_like(u)
    for j in tl.static_range(4):
        for i in tl.static_range(4):
            x, y = first + i, upper + j
            known = inside & (x >= 0) & (x < width) & (y >= 0) & (y < height)
            tap = planes + 3 * pair * size + y * width + x
            weight = across[i] * down[j]
            level += weight * tl.load(tap, mask=known, other=0.0)
            gx += weight * tl.load(tap + size, mask=known, other=0.0)
            gy += weight * tl.load(tap + 2 * size, mask=known, other=0.0)
    rho = level - gx * u - gy * v - tl.load(onset + pair * size + pixel, mask=inside, other=0.0)
    out = warped + 4 * pair * size + pixel
    tl.store(out, gx, mask=inside)
    tl.store(out + size, gy, mask=inside)
    tl.store(out + 2 * size, 1.0 / tl.maximum(gx * gx + gy * gy, 1e-12), mask=inside)
    tl.store(out + 3 * size, rho, mask=inside)


@triton.jit
def _cubic(t):
    """Weights of the four taps of cubic convolution with A = -0.75 at the offset t from the second."""
    s, r = t + 1.0, 1.0 - t
    first = ((-0.75 * s + 3.75) * s - 6.0) * s + 3.0
    second = (1.25 * t - 2.25) * t * t + 1.0
    third = (1.25 * r - 2.25) * r * r + 1.0
    return first, second, third, 1.0 - first - second - third


@triton.jit(do_not_specialize=["height", "width", "blocks"])
def _median(
    field, filtered, order, count, height, width, blocks,
    SIDE: tl.constexpr, NETWORK: tl.constexpr, BLOCK: tl.constexpr,  # noqa: N803
):  # fmt: skip
    size = height * width
    for tile in range(tl.program_id(0), tl.load(count) * 2 * blocks, tl.num_programs(0)):
        pair = tl.load(order + tile // (2 * blocks)).to(tl.int64)
        plane = (2 * pair + tile // blocks % 2) * size
        pixel = _pixels(tile % blocks, BLOCK)
        x, y = pixel % width, pixel // width
        values = ()
        for place in tl.static_range(SIDE * SIDE):
            row = tl.minimum(tl.maximum(y + place // SIDE - SIDE // 2, 0), height - 1)
            column = tl.minimum(tl.maximum(x + place % SIDE - SIDE // 2, 0), width - 1)
            values = values + (tl.load(field + plane + row * width + column),)  # noqa: RUF005
        for number in tl.static_range(len(NETWORK)):
            values = _exchange(values, NETWORK[number][0], NETWORK[number][1])
        tl.store(filtered + plane + pixel, values[SIDE * SIDE // 2], mask=pixel < size)


@triton.jit
def _exchange(values, low: tl.constexpr, high: tl.constexpr):
    """The two values in order, the smaller first."""
    smaller, larger = tl.minimum(values[low], values[high]), tl.maximum(values[low], values[high])
    return values[:low] + (smaller,) + values[low + 1 : high] + (larger,) + values[high + 1 :]  # noqa: RUF005
