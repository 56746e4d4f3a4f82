"""3x3 convolutions in a quarter of the multiplications: Winograd's F(4x4, 3x3) (Lavin and Gray, 2016), on a CPU.

An image is cut into tiles of 4 x 4 outputs. Linear transforms take the 6 x 6 inputs of a tile, and each kernel, to 36
values; a convolution is then 36 products of matrices, over all tiles and channels, and a transform back. The gradients
are the same transforms and products turned round.
"""

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ra_icl.model.winograd_kernels import INPUT, LANES, OUTPUT, SIDE, STEP, WEIGHT, to_images, to_planes

# Floats of the maps' transform that are worked on at once: what this needs stays small beside the maps themselves.
AT_ONCE = 2**22
# Floats between two planes: those of a size that is a power of two would all fall on the same lines of a cache.
GAP = 16


class WinogradConv2d(nn.Module):
    """A convolution of float32 maps (B, C, H, W) by `weight` (K, C, 3, 3) with stride 1, padding 1 and no bias.

    The sums of products are PyTorch's, rounded otherwise: outputs and gradients are off by some 2e-6 of their size, in
    place of 5e-7. Second derivatives are not to be had. Raises ValueError where C or K is no multiple of LANES.
    """

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        if weight.shape[2:] != (3, 3) or any(number % LANES for number in weight.shape[:2]):
            raise ValueError(f"weight of shape {tuple(weight.shape)}; give 3x3, channels in multiples of {LANES}")
        self.weight = weight

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return _Winograd.apply(maps, self.weight)


class _Winograd(torch.autograd.Function):
    """Some maps at a time; nothing but maps and weight is kept for the gradients, as what else they need is large."""

    @staticmethod
    def forward(ctx, maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(maps, weight)
        out = _channels_last(len(maps), len(weight), *maps.shape[2:])
        kernels = _planes(WEIGHT, weight).mT
        for part in _parts(maps):
            _images(OUTPUT, _products(_planes(INPUT, maps[part]), kernels), out[part])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        of_maps, of_weight = ctx.needs_input_grad
        maps, weight = ctx.saved_tensors
        kernels = _planes(WEIGHT, weight) if of_maps else None
        maps_slope, total = _channels_last(*maps.shape) if of_maps else None, None
        for part in _parts(maps):
            outputs = _planes(OUTPUT, slope[part])
            if of_maps:
                _images(INPUT, _products(outputs, kernels), maps_slope[part])
            if of_weight:
                total = _products(outputs.mT, _planes(INPUT, maps[part]), total)
        return maps_slope, _images(WEIGHT, total, _channels_last(*weight.shape)) if of_weight else None


def _parts(maps: torch.Tensor) -> list[slice]:
    """Which maps (B, C, H, W) to work on at once."""
    channels, height, width = maps.shape[1:]
    count = max(AT_ONCE // (SIDE**2 * _tiles(INPUT, height, width) * channels), 1)
    return [slice(start, start + count) for start in range(0, len(maps), count)]


def _tiles(kind: int, height: int, width: int) -> int:
    return -(-height // STEP[kind]) * -(-width // STEP[kind])


def _planes(kind: int, images: torch.Tensor) -> torch.Tensor:
    """Images (N, C, H, W) as planes (36, tiles, C)."""
    planes = _planes_for(len(images) * _tiles(kind, *images.shape[2:]), images.shape[1])
    to_planes(kind, _pixels(images.detach().contiguous(memory_format=torch.channels_last)), _memory(planes))
    return planes


def _images(kind: int, planes: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Planes (36, tiles, C) as images (N, C, H, W), written to those given, which are channels_last."""
    to_images(kind, _memory(planes), _pixels(images))
    return images


def _products(first: torch.Tensor, second: torch.Tensor, total: torch.Tensor | None = None) -> torch.Tensor:
    """The products of 36 pairs of matrices, added to `total` where there is one."""
    if total is None:
        return torch.bmm(first, second, out=_planes_for(first.shape[1], second.shape[2]))
    return torch.baddbmm(total, first, second, out=total)


def _planes_for(rows: int, columns: int) -> torch.Tensor:
    """Memory for 36 matrices, GAP apart."""
    return torch.empty(SIDE**2, rows * columns + GAP)[:, :-GAP].unflatten(1, (rows, columns))


def _channels_last(*shape: int) -> torch.Tensor:
    """Memory for images of a shape (N, C, H, W)."""
    return torch.empty(shape, memory_format=torch.channels_last)


def _memory(planes: torch.Tensor) -> np.ndarray:
    """Planes and gaps, a row each."""
    return planes.as_strided((SIDE**2, planes.stride(0)), (planes.stride(0), 1)).numpy()


def _pixels(images: torch.Tensor) -> np.ndarray:
    """Images (N, C, H, W) that are channels_last as an array (N, H, W, C)."""
    return images.permute(0, 2, 3, 1).numpy()
