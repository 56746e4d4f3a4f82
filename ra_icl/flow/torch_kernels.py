"""The steps of TV-L1 on batches of image pairs in PyTorch.

The P pairs of a batch lie along the first axis of every tensor, and no pair's values enter another's. Everything is
float32 and elementwise apart from a few sums, so TF32 has no effect.

warped: (P, 4, H, W), slopes to the right and down, 1 / slope², and rho without its flow terms. field: (P, 2, H, W), u
and v in pixels. dual: (P, 4, H, W), the horizontal and the vertical part of u's dual field, then of v's.
"""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def smoothed(images: Tensor, deviation: float) -> Tensor:
    """Gaussian filter of (P, C, H, W), cut off at 4 deviations, the border repeated outwards; 0 changes nothing."""
    if not deviation:
        return images
    radius = int(4 * deviation + 0.5)
    weights = torch.softmax(-0.5 * (torch.arange(-radius, radius + 1, device=images.device) / deviation) ** 2, dim=0)
    out = F.pad(images, (radius,) * 4, mode="replicate")
    for axis in (2, 3):
        out = (out.unfold(axis, len(weights), 1) * weights).sum(dim=-1)
    return out


def slopes(frames: Tensor) -> Tensor:
    """Frames (P, H, W) and their slopes to the right and down, (P, 3, H, W); half differences on the border too."""
    padded = F.pad(frames, (1, 1, 1, 1), mode="replicate")
    right = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2
    return torch.stack([frames, right, down], dim=1)


def warp(pairs: Tensor, field: Tensor) -> Tensor:
    """`warped`, of onset and frame (P, 2, H, W), the latter and its slopes sampled at x + u, y + v.

    Bicubic with A = -0.75, zeros outside. Each offset is split into whole pixels and the rest before anything is added
    to it. `grid_sample`, whose positions are shares of the width, errs by 1e-5 px, and a still picture would move.
    """
    (u, v), (height, width) = field.unbind(1), field.shape[2:]
    y, x = (torch.arange(side, device=field.device) for side in (height, width))
    left, top = u.floor(), v.floor()
    columns = [(x + left + tap).clamp(-1, width).long() + 1 for tap in range(-1, 3)]
    rows = [(y[:, None] + top + tap).clamp(-1, height).long() + 1 for tap in range(-1, 3)]
    onset, planes = pairs[:, 0], slopes(pairs[:, 1])
    ringed = F.pad(planes, (1, 1, 1, 1)).flatten(2)  # what lies outside is 0
    sampled = torch.zeros_like(planes)
    for row, down in zip(rows, _cubic(v - top), strict=True):
        for column, across in zip(columns, _cubic(u - left), strict=True):
            place = (row * (width + 2) + column).flatten(1)[:, None].expand(-1, 3, -1)
            sampled = sampled + ringed.gather(2, place).view_as(planes) * (down * across)[:, None]
    level, gx, gy = sampled.unbind(1)
    inverse = 1 / (gx * gx + gy * gy).clamp(min=1e-12)
    return torch.stack([gx, gy, inverse, level - gx * u - gy * v - onset], dim=1)


def _cubic(t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights of the four taps of cubic convolution at the offset t from the second."""
    r = 1 - t
    second, third = (1.25 * t - 2.25) * t * t + 1, (1.25 * r - 2.25) * r * r + 1
    return -0.75 * t * r * r, second, third, -0.75 * r * t * t


def median(field: Tensor, size: int) -> Tensor:
    """Median filter of size x size, 3 or 5; the border is repeated outwards.

    The columns of a window are sorted, each once for all windows that it is part of, then the rows. The value at row i
    and column j is then no smaller than (i + 1) (j + 1) - 1 others and no larger than (size - i) (size - j) - 1. Where
    that is more than half, it is not the median; as many are excluded on either side.
    """
    (height, width), places = field.shape[2:], range(size)
    padded = F.pad(field, (size // 2,) * 4, mode="replicate")
    columns = _sorted([padded[:, :, i : i + height] for i in places])
    window = [_sorted([row[..., j : j + width] for j in places]) for row in columns]
    most = size * size // 2 + 1
    left = [window[i][j] for i in places for j in places if max((i + 1) * (j + 1), (size - i) * (size - j)) <= most]
    return _sorted(left)[len(left) // 2]


def _sorted(values: list[Tensor]) -> list[Tensor]:
    """The values at each place in ascending order, by exchanges of neighbours."""
    values = list(values)
    for start in range(len(values)):
        for i in range(start % 2, len(values) - 1, 2):
            values[i : i + 2] = torch.minimum(*values[i : i + 2]), torch.maximum(*values[i : i + 2])
    return values


def iterate(warped: Tensor, field: Tensor, dual: Tensor, active: Tensor, steps: tuple[float, ...]) -> tuple:
    """One iteration of the fixed point: the new field, dual and active.

    The flow moves along the slope by thresholding, and by theta times the divergence of the dual field; the dual field
    then along the slopes of the flow, which are 0 across the right and the lower border.
    active: (P,) bool, the pairs that still change; the others stay exactly as they are. steps: lambda theta, theta,
    tau / theta, and the mean square change at or below which a pair is active no longer.
    """
    limit, theta, taut, stop = steps
    going = active[:, None, None, None]
    (gx, gy, inverse, rho), (u, v) = warped.split(1, dim=1), field.split(1, dim=1)
    along = (-(rho + gx * u + gy * v) * inverse).clamp(-limit, limit)
    across, down = dual[:, 0::2], dual[:, 1::2]
    divergence = across - F.pad(across[..., :-1], (1, 0)) + down - F.pad(down[..., :-1, :], (0, 0, 1, 0))
    change = along * warped[:, :2] + theta * divergence
    field = torch.where(going, field + change, field)
    right = F.pad(field[..., 1:] - field[..., :-1], (0, 1))
    below = F.pad(field[..., 1:, :] - field[..., :-1, :], (0, 0, 0, 1))
    scale = 1 + taut * (right * right + below * below).sqrt()
    moved = torch.stack([(across + taut * right) / scale, (down + taut * below) / scale], dim=2).flatten(1, 2)
    # A sum in double precision, so that its order, which may depend on the size of the batch, has no effect.
    squares = change.square().sum(dim=(1, 2, 3), dtype=torch.float64)
    return field, torch.where(going, moved, dual), active & (squares > stop * change[0, 0].numel())
