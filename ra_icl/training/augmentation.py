"""Random transforms of flow maps, drawn per sample and computed for a whole batch on its device.

Maps are (B, 3, H, W) network inputs: u, v and strain in [0, 1]. Zero motion is at 0.5 in u and v, or wherever
per-instance scaling has moved it.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class AugmentationOptions:
    """T_theta and T_xi (independent draws), and transforms that both instances of a sequence share.

    brightness, contrast, saturation: colour jitter, factors drawn from 1 - x to 1 + x (hue would mix u with v and is
    left out). blur: probability of a Gaussian blur with a standard deviation drawn from blur_sigma, in pixels.
    mirror: probability of mirroring the whole sequence; shift: largest translation of the whole sequence in pixels,
    both 0 in the paper. mirror_negates_u: a horizontal flip also reverses horizontal motion, as a mirror does; the
    paper flips the image alone. flip_target: T_xi flips the target's view, as in the paper; its maps are flipped back.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    blur: float = 0.5
    blur_sigma: tuple = (0.1, 2.0)
    mirror: float = 0.0
    shift: int = 0
    mirror_negates_u: bool = False
    flip_target: bool = True

    def __post_init__(self) -> None:
        if not all(0 <= value <= 1 for value in (self.brightness, self.contrast, self.saturation)):
            raise ValueError("brightness, contrast and saturation must lie in [0, 1]")
        if not all(0 <= value <= 1 for value in (self.blur, self.mirror)) or self.shift < 0:
            raise ValueError("blur and mirror are probabilities, and shift is 0 or more pixels")
        if len(self.blur_sigma) != 2 or not 0 < self.blur_sigma[0] <= self.blur_sigma[1]:
            raise ValueError("blur_sigma is a pair: the smallest and the largest standard deviation")


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
    """Mirror and shift every instance of a sequence alike, so that their regions stay aligned."""
    batch, device = len(pair[0]), pair[0].device
    if options.mirror:
        chosen = torch.rand(batch, 1, 1, 1, generator=generator, device=device) < options.mirror
        pair = tuple(torch.where(chosen, flip(maps, options.mirror_negates_u), maps) for maps in pair)
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
