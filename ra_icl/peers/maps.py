"""What several peers do to flow maps before they read them."""

import torch
from torch.nn import functional


def resize(maps: torch.Tensor, size: int) -> torch.Tensor:
    """Maps (S, C, H, W) at `size` x `size` pixels: bilinear, averaged over the area of a pixel when they shrink.

    Values keep their unit: motion in pixels of the original map, for example.
    """
    if maps.shape[-2:] == (size, size):
        return maps
    return functional.interpolate(maps, (size, size), mode="bilinear", antialias=True, align_corners=False)


def stretch(maps: torch.Tensor, top: float = 1.0) -> torch.Tensor:
    """Each channel of each map (S, C, H, W) scaled so that its smallest value is 0 and its largest `top`."""
    low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    return (maps - low) / (high - low).clamp(min=1e-6) * top
