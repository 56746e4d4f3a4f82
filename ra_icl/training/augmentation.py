"""Random transforms of flow maps, drawn per sample and computed for a whole batch on its device.

Maps are (B, 3, H, W) network inputs: u, v and strain in [0, 1]. Zero motion is at 0.5 in u and v, or wherever
per-instance scaling has moved it.
"""

import torch
from torch.nn import functional

from ra_icl.training.method import AugmentationOptions


def flip(maps: torch.Tensor, negate_u: bool = False) -> torch.Tensor:
    """Flip maps (..., W) horizontally (Eq. 6).

    negate_u: for network inputs (B, 3, H, W), u also becomes 1 - u, the reversed motion in [0, 1].
    """
    flipped = maps.flip(-1)
    if not negate_u:
        return flipped
    return torch.cat([1 - flipped[:, :1], flipped[:, 1:]], dim=1)


def transform(maps: torch.Tensor, options: AugmentationOptions, generator: torch.Generator) -> torch.Tensor:
    """T_theta or T_xi: colour jitter, then Gaussian blur, with separate parameters for each sample."""
    return blur(jitter(maps, options, generator), options, generator)


def jitter(maps: torch.Tensor, options: AugmentationOptions, generator: torch.Generator) -> torch.Tensor:
    """Scale brightness, contrast (about the sample's mean) and saturation (about the mean of the channels)."""
    strengths = (options.brightness, options.contrast, options.saturation)
    if not any(strengths):
        return maps
    draws = torch.rand(3, len(maps), 1, 1, 1, generator=generator, device=maps.device) * 2 - 1
    brightness, contrast, saturation = (
        (1 + strength * draw).to(maps.dtype) for strength, draw in zip(strengths, draws, strict=True)
    )
    maps = maps * brightness
    maps = _blend(maps, maps.mean(dim=(1, 2, 3), keepdim=True), contrast)
    return _blend(maps, maps.mean(dim=1, keepdim=True), saturation)


def blur(maps: torch.Tensor, options: AugmentationOptions, generator: torch.Generator) -> torch.Tensor:
    """Blur each sample with probability `options.blur` by a Gaussian of random width (reflected borders)."""
    if not options.blur:
        return maps
    batch, channels, height, width = maps.shape
    low, high = options.blur_sigma
    draws = torch.rand(2, batch, generator=generator, device=maps.device)
    sigma = low + (high - low) * draws[0]
    radius = min(int(3 * high + 0.5), height - 1, width - 1)
    offsets = torch.arange(-radius, radius + 1, device=maps.device)
    kernels = torch.exp(-(offsets**2) / (2 * sigma[:, None] ** 2))
    kernels = kernels / kernels.sum(dim=1, keepdim=True)
    identity = (offsets == 0).to(kernels.dtype)
    kernels = torch.where(draws[1][:, None] < options.blur, kernels, identity).to(maps.dtype)
    kernels = kernels.repeat_interleave(channels, dim=0)[:, None]  # (B C, 1, taps)
    flat = functional.pad(maps.reshape(1, -1, height, width), (radius,) * 4, mode="reflect")
    flat = functional.conv2d(flat, kernels[:, :, None, :], groups=batch * channels)
    flat = functional.conv2d(flat, kernels[:, :, :, None], groups=batch * channels)
    return flat.view_as(maps)


def share(
    pair: tuple[torch.Tensor, ...], options: AugmentationOptions, generator: torch.Generator
) -> tuple[torch.Tensor, ...]:
    """Flip and shift every instance of a sequence alike, so that their regions stay aligned."""
    batch, device = len(pair[0]), pair[0].device
    if options.flip:
        chosen = torch.rand(batch, 1, 1, 1, generator=generator, device=device) < options.flip
        pair = tuple(torch.where(chosen, flip(maps, options.flip_negates_u), maps) for maps in pair)
    if options.shift:
        steps = torch.randint(-options.shift, options.shift + 1, (2, batch), generator=generator, device=device)
        pair = tuple(_translate(maps, *steps) for maps in pair)
    return pair


def _translate(maps: torch.Tensor, down: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Translate each sample by whole pixels, repeating the border."""
    channels, height, width = maps.shape[1:]
    rows = (torch.arange(height, device=maps.device) - down[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=maps.device) - right[:, None]).clamp(0, width - 1)
    maps = maps.gather(2, rows[:, None, :, None].expand(-1, channels, -1, width))
    return maps.gather(3, columns[:, None, None, :].expand(-1, channels, height, -1))


def _blend(maps: torch.Tensor, middle: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    return middle + (maps - middle) * factor
