"""The steps of TV-L1 on batches of pairs in plain torch: the reference, on any device, of `triton_kernels`.

Everything is float32, elementwise or a sum; nothing here is a matrix product, so that TF32 has no say.
P pairs lie along the first axis. warped: (P, 4, H, W), slopes to the right and down, 1 / slope², and rho without its
flow terms. field: (P, 2, H, W), u and v. dual: (P, 4, H, W), the horizontal and the vertical part of u's, then of v's.
active: (P,) bool, the pairs that have not converged.
"""

from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def warp(onset: Tensor, planes: Tensor, field: Tensor, warped: Tensor) -> None:
    """Sample frame and slopes at x + u, y + v into `warped`; bicubic with A = -0.75, zeros outside.

    onset: (P, H, W). planes: (P, 3, H, W), see `slopes`.
    """
    u, v = field.unbind(1)
    level, gx, gy = _sample(planes, u, v).unbind(1)
    warped[:, 0] = gx
    warped[:, 1] = gy
    warped[:, 2] = 1 / (gx * gx + gy * gy).clamp(min=1e-12)
    warped[:, 3] = level - gx * u - gy * v - onset


def _sample(planes: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """The planes at x + u, y + v, (P, 3, H, W).

    Offsets are split into whole pixels and the rest before anything is added to them: `grid_sample`, whose positions
    are shares of the width, is off by 1e-5 px, and a still picture would move.
    """
    height, width = u.shape[1:]
    y, x = (torch.arange(side, device=u.device) for side in (height, width))
    left, top = u.floor(), v.floor()
    columns = [(x + left + tap).clamp(-1, width).long() + 1 for tap in range(-1, 3)]
    rows = [(y[:, None] + top + tap).clamp(-1, height).long() + 1 for tap in range(-1, 3)]
    ringed = F.pad(planes, (1, 1, 1, 1)).flatten(2)  # what lies outside is 0
    sampled = torch.zeros_like(planes)
    for row, down in zip(rows, _cubic(v - top), strict=True):
        for column, across in zip(columns, _cubic(u - left), strict=True):
            place = (row * (width + 2) + column).flatten(1)[:, None].expand(-1, 3, -1)
            sampled.addcmul_(ringed.gather(2, place).view_as(planes), (down * across)[:, None])
    return sampled


def _cubic(t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights of the four taps of cubic convolution with A = -0.75 at the offset t from the second."""
    s, r = t + 1, 1 - t
    first = ((-0.75 * s + 3.75) * s - 6) * s + 3
    second = (1.25 * t - 2.25) * t * t + 1
    third = (1.25 * r - 2.25) * r * r + 1
    return first, second, third, 1 - first - second - third


def median(field: Tensor, active: Tensor, size: int) -> None:
    """Median filter of size x size, 3 or 5, on the active pairs, in place; the border is repeated outwards."""
    height, width = field.shape[2:]
    for pair in active.nonzero().flatten().tolist():
        padded = F.pad(field[pair], (size // 2,) * 4, mode="replicate")
        values = [padded[:, j : j + height, i : i + width].clone() for j in range(size) for i in range(size)]
        free = torch.empty_like(values[0])
        for low, high in median_network(size * size):
            torch.minimum(values[low], values[high], out=free)
            torch.maximum(values[low], values[high], out=values[high])
            values[low], free = free, values[low]
        field[pair] = values[len(values) // 2]


def inner_loop(
    warped: Tensor, field: Tensor, dual: Tensor, active: Tensor, steps: tuple[float, ...], iterations: int
) -> Tensor:
    """Up to `iterations` of the fixed point on the active pairs; field, dual and active change in place.

    A pair whose sum of squared changes falls to the limit is done: it stays exactly as that iteration left it.
    steps: lambda theta, theta, tau / theta and that limit. Returns the iterations that each pair did, (P,) int32.
    """
    limit, theta, taut, stop = steps
    done = torch.zeros(len(field), dtype=torch.int32, device=field.device)
    for _ in range(iterations):
        if not active.any():
            break
        step = _primal_step(warped, field, dual, limit, theta)
        moved = field + step
        going = active[:, None, None, None]
        dual.copy_(torch.where(going, _dual_step(dual, moved, taut), dual))
        field.copy_(torch.where(going, moved, field))
        done += active
        active &= step.square_().sum(dim=(1, 2, 3)) > stop
    return done


def _primal_step(warped: Tensor, field: Tensor, dual: Tensor, limit: float, theta: float) -> Tensor:
    """The change of u and v: along the slope by thresholding, and theta times the divergence of the dual field."""
    gx, gy, inverse, rho = warped.unbind(1)
    u, v = field.unbind(1)
    along = (-(rho + gx * u + gy * v) * inverse).clamp_(-limit, limit)
    across, down = dual[:, 0::2], dual[:, 1::2]
    divergence = across + down
    divergence[..., 1:] -= across[..., :-1]
    divergence[..., 1:, :] -= down[..., :-1, :]
    return divergence.mul_(theta).addcmul_(along[:, None], warped[:, :2])


def _dual_step(dual: Tensor, field: Tensor, taut: float) -> Tensor:
    """The dual field after a step along the slopes of the flow, which are 0 across the right and the lower border."""
    right = F.pad(field.diff(dim=3), (0, 1))
    down = F.pad(field.diff(dim=2), (0, 0, 0, 1))
    slope = torch.stack([right, down], dim=2)
    scale = 1 + taut * (right * right + down * down).sqrt_()
    return (dual.unflatten(1, (2, 2)) + taut * slope).div_(scale[:, :, None]).flatten(1, 2)


@cache
def median_network(count: int) -> tuple[tuple[int, int], ...]:
    """Exchanges (low, high) that bring the median of `count` values, an odd number, to the place count // 2.

    Batcher's sorting network for the next power of two, without what lies beyond `count` (values that would be the
    largest stay where they are) and without what the median does not depend on.
    """
    needed, kept = {count // 2}, []
    exchanges = [pair for pair in _sorting_network(0, 1 << (count - 1).bit_length()) if pair[1] < count]
    for pair in reversed(exchanges):
        if needed.intersection(pair):
            needed.update(pair)
            kept.append(pair)
    return tuple(reversed(kept))


def _sorting_network(first: int, count: int) -> Iterator[tuple[int, int]]:
    if count > 1:
        yield from _sorting_network(first, count // 2)
        yield from _sorting_network(first + count // 2, count // 2)
        yield from _merging_network(first, count, 1)


def _merging_network(first: int, count: int, step: int) -> Iterator[tuple[int, int]]:
    """Merge the sorted halves of every `step`-th of `count` values."""
    if 2 * step >= count:
        yield first, first + step
        return
    yield from _merging_network(first, count, 2 * step)
    yield from _merging_network(first + step, count, 2 * step)
    for low in range(first + step, first + count - step, 2 * step):
        yield low, low + step
