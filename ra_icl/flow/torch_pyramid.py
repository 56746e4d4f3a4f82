"""Pyramids, slopes and enlarged flow of batches of images in torch: what a level of TV-L1 starts from."""

from math import exp, sqrt

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ra_icl.flow.options import SMALLEST_SIDE


def pyramid(images: Tensor, scales: int, step: float, presmooth: float, smooth: float) -> list[Tensor]:
    """The levels of images (P, H, W), the images themselves first; parameters as in `options.Schedule`."""
    levels = [smoothed(images, presmooth)]
    before = smooth * sqrt(1 / step**2 - 1)
    for _ in range(scales - 1):
        height, width = (round(side * step) for side in levels[-1].shape[1:])
        if min(height, width) < SMALLEST_SIDE:
            break
        levels.append(resize(smoothed(levels[-1], before), (height, width), (1 / step, 1 / step)))
    return levels


def enlarged(field: Tensor, shape: tuple[int, int], step: float) -> Tensor:
    """The flow (P, 2, *shape) that a level starts from: that of the coarser level, and its vectors, made larger."""
    ratios = tuple(coarse / fine for coarse, fine in zip(field.shape[2:], shape, strict=True))
    return resize(field, shape, ratios) / step


def slopes(frames: Tensor) -> Tensor:
    """Frames (P, H, W) and their slopes to the right and down, (P, 3, H, W); half differences on the border too."""
    padded = F.pad(frames, (1, 1, 1, 1), mode="replicate")
    right = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2
    return torch.stack([frames, right, down], dim=1)


def resize(images: Tensor, shape: tuple[int, int], steps: tuple[float, float]) -> Tensor:
    """Bilinear resize of (..., H, W) to (..., *shape), pixel centres aligned; steps: source pixels per pixel."""
    (top, below, down), (left, right, across) = map(_places, images.shape[-2:], shape, steps, 2 * (images.device,))
    rows = torch.lerp(images.index_select(-1, left), images.index_select(-1, right), across)
    return torch.lerp(rows.index_select(-2, top), rows.index_select(-2, below), down[:, None])


def _places(side: int, wanted: int, step: float, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `wanted` pixels the source pixels before and after, and how far it lies from the first."""
    place = (torch.arange(wanted, dtype=torch.float64, device=device) + 0.5) * step - 0.5
    place = place.clamp(0, side - 1)
    before = place.long()
    return before, (before + 1).clamp(max=side - 1), (place - before).float()


def smoothed(images: Tensor, deviation: float) -> Tensor:
    """Gaussian of that standard deviation, cut off at 4 of them, the border repeated outwards; 0 leaves them alone."""
    if not deviation:
        return images
    radius = int(4 * deviation + 0.5)
    weights = [exp(-0.5 * (offset / deviation) ** 2) for offset in range(-radius, radius + 1)]
    out = F.pad(images, (radius,) * 4, mode="replicate")
    for axis in (1, 2):
        parts = (weight * out.narrow(axis, start, images.shape[axis]) for start, weight in enumerate(weights))
        out = sum(parts) / sum(weights)
    return out
