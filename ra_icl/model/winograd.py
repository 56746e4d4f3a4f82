"""3x3 convolutions in a quarter of the multiplications, for CPUs: Winograd's F(4x4, 3x3) (Lavin and Gray, 2016).

Maps are cut into tiles of 4 x 4 outputs. A linear transform takes a tile's 6 x 6 inputs, and each 3 x 3 kernel, to 36
values; there a convolution is 36 products, each a product of matrices over all tiles and channels. Gradients are the
same three transforms and products turned round. Sums are rounded otherwise than those of a direct convolution, at
about 1e-5 of the values' size.
"""

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ra_icl.model.winograd_kernels import INPUT, LANES, OUTPUT, SIDE, STEP, WEIGHT, to_images, to_planes

# Where fewer channels meet, the products are too small to be worth the transforms.
LEAST_CHANNELS = 32
# Floats between planes: planes of a power of two would fall onto the same lines of the cache.
GAP = 16


def use_winograd(model: nn.Module) -> None:
    """Let the model's 3x3 convolutions run as Winograd's, where it serves: stride 1, padding 1, channels enough.

    Parameters, their names and the function stay; gradients of gradients are not to be had any more. For float32 on a
    CPU.
    """
    for parent in model.modules():
        for name, child in parent.named_children():
            if type(child) is nn.Conv2d and _suits(child):
                setattr(parent, name, _WinogradConv2d(child))


def _suits(convolution: nn.Conv2d) -> bool:
    shape = convolution.kernel_size, convolution.stride, convolution.padding, convolution.dilation
    channels = convolution.in_channels, convolution.out_channels
    return (
        shape == ((3, 3), (1, 1), (1, 1), (1, 1))
        and (convolution.groups, convolution.padding_mode, convolution.bias) == (1, "zeros", None)
        and all(number >= LEAST_CHANNELS and number % LANES == 0 for number in channels)
    )


class _WinogradConv2d(nn.Module):
    """A convolution that took over another's weight (K, C, 3, 3): maps (B, C, H, W) to (B, K, H, W)."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight = convolution.weight

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return _Winograd.apply(maps, self.weight)


class _Winograd(torch.autograd.Function):
    """Y = A^T [(B^T x B) (G w G^T)^T] A, tile by tile; V and U are the two transforms, of maps and of weight."""

    @staticmethod
    def forward(ctx, maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        v, u = _planes(INPUT, maps), _planes(WEIGHT, weight)
        ctx.save_for_backward(v, u)
        ctx.shapes = maps.shape, weight.shape
        return _images(OUTPUT, _product(v, u.mT), (len(maps), len(weight), *maps.shape[2:]))

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        v, u = ctx.saved_tensors
        m = _planes(OUTPUT, slope)
        of_maps, of_weight = ctx.needs_input_grad
        return (
            _images(INPUT, _product(m, u), ctx.shapes[0]) if of_maps else None,
            _images(WEIGHT, _product(m.mT, v), ctx.shapes[1]) if of_weight else None,
        )


def _planes(kind: int, images: torch.Tensor) -> torch.Tensor:
    """Images (N, C, H, W) as planes (36, tiles, C)."""
    count, channels, height, width = images.shape
    tiles = count * -(-height // STEP[kind]) * -(-width // STEP[kind])
    planes = _planes_for(tiles, channels)
    images = images.detach().contiguous(memory_format=torch.channels_last)
    to_planes(kind, images.permute(0, 2, 3, 1).numpy(), _flat(planes))
    return planes


def _images(kind: int, planes: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Planes (36, tiles, C) as images of a shape (N, C, H, W)."""
    images = torch.empty(shape, memory_format=torch.channels_last)
    to_images(kind, _flat(planes), images.permute(0, 2, 3, 1).numpy())
    return images


def _product(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """The products of 36 pairs of matrices."""
    return torch.bmm(first, second, out=_planes_for(first.shape[1], second.shape[2]))


def _planes_for(rows: int, columns: int) -> torch.Tensor:
    """Memory for 36 matrices, GAP apart."""
    return torch.empty(SIDE**2, rows * columns + GAP)[:, :-GAP].unflatten(1, (rows, columns))


def _flat(planes: torch.Tensor) -> np.ndarray:
    """The same memory, a row a plane and its gap."""
    return planes.as_strided((SIDE**2, planes.stride(0)), (planes.stride(0), 1)).numpy()
