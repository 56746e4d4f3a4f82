"""TV-L1 optical flow of many image pairs at once in PyTorch, for a GPU.

The scheme is that of `tvl1_numba`, step by step. Each pair has its own stopping rule, checked after every iteration as
there, and takes no further part once it has converged, so no pair's flow depends on the others in its batch.
"""

from math import sqrt

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ra_icl.flow import torch_kernels
from ra_icl.flow.options import SMALLEST_SIDE, Schedule
from ra_icl.flow.strain import optical_strain

CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"
VERSION = f"torch {torch.__version__}, " + (f"cuda {torch.cuda.get_device_name()}" if CUDA else "cpu")
PAIRS_AT_ONCE = 512 if CUDA else 1  # pairs that a call should bring; on a GPU the largest batch
PLANES = 150  # float32 per pixel and pair that a GPU has to hold, most of them for the median filter
PIXELS_IN_CACHE = 65536  # of a batch on a CPU
LOOK_EVERY = 5  # iterations after which a GPU is asked whether all pairs have converged, which makes it wait


@torch.no_grad()
def tvl1(
    onset: np.ndarray,
    frames: np.ndarray,
    *,
    strain: bool = False,
    device: str = DEVICE,
    **parameters: float,
) -> np.ndarray:
    """Return the TV-L1 flow from the onset to each of `frames`; with `strain`, that as a third channel.

    onset: (H, W) uint8 for all frames, or (N, H, W), one for each. frames: (N, H, W) uint8. parameters: those of
    `options.Schedule`, gamma 0. Returns (N, 2 or 3, H, W) float32, in the units of `tvl1_opencv.tvl1`.
    Memory on a GPU: 4 PLANES bytes per pixel and pair, 30 MB per pair at 224 px; a batch is as large as fits, and is
    halved if another process has taken the memory meanwhile.
    """
    schedule = Schedule(**parameters)
    onsets = np.broadcast_to(onset, frames.shape)
    result = np.empty((len(frames), 3 if strain else 2, *frames.shape[1:]), np.float32)
    count = _pairs_in_a_batch(device, *frames.shape[1:])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # pairs are run side by side as processes, so threads would only fight over the cores
    try:
        first = 0
        while first < len(frames):
            part = slice(first, first + count)
            try:
                result[part] = _maps(onsets[part], frames[part], schedule, strain, device)
                first += count
                continue
            except torch.OutOfMemoryError:
                if count == 1:
                    raise
            # Not in the except clause, where the error still holds the tensors of the batch.
            count //= 2
            torch.cuda.empty_cache()
    finally:
        torch.set_num_threads(threads)
    return result


def _maps(onsets: np.ndarray, frames: np.ndarray, schedule: Schedule, strain: bool, device: str) -> np.ndarray:
    """The maps (P, 2 or 3, H, W) of a batch of onsets and frames, (P, H, W) each."""
    pairs = torch.as_tensor(np.stack([onsets, frames], axis=1), device=device).float()
    field = _flow(pairs, schedule)
    maps = torch.cat([field, optical_strain(field)[:, None]], dim=1) if strain else field
    return maps.cpu().numpy()


def _pairs_in_a_batch(device: str, height: int, width: int) -> int:
    """As many as fit the free memory of the GPU, or the cache of a CPU."""
    if device == "cpu":
        return max(1, PIXELS_IN_CACHE // (height * width))
    reusable = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    free = torch.cuda.mem_get_info()[0] + reusable
    return max(1, min(PAIRS_AT_ONCE, int(0.8 * free) // (4 * PLANES * height * width)))


def _flow(pairs: Tensor, schedule: Schedule) -> Tensor:
    """The flow (P, 2, H, W) of onsets and frames (P, 2, H, W), from the coarsest level to the finest."""
    field = pairs.new_zeros(len(pairs), 2, 1, 1)
    for level in reversed(pyramid(pairs, schedule)):
        field = F.interpolate(field, level.shape[2:], mode="bilinear") / schedule.scale_step
        _refine(level, field, schedule)
    return field


def pyramid(images: Tensor, schedule: Schedule) -> list[Tensor]:
    """The levels of images (P, C, H, W), the images themselves first."""
    ratio = schedule.scale_step
    levels = [torch_kernels.smoothed(images, schedule.presmooth)]
    for _ in range(schedule.scales - 1):
        shape = tuple(round(side * ratio) for side in levels[-1].shape[2:])
        if min(shape) < SMALLEST_SIDE:
            break
        before = torch_kernels.smoothed(levels[-1], schedule.pyramid_smooth * sqrt(1 / ratio**2 - 1))
        # Unlike F.interpolate, this scales by the ratio itself and not by the ratio of the rounded sides.
        levels.append(torch.ops.aten.upsample_bilinear2d(before, shape, False, ratio, ratio))
    return levels


def _refine(pairs: Tensor, field: Tensor, schedule: Schedule) -> None:
    """Refine `field` (P, 2, H, W) in place on one level."""
    dual = torch.cat([torch.zeros_like(field)] * 2, dim=1)
    for _ in range(schedule.warps):
        warped = torch_kernels.warp(pairs, field)
        moving = torch.arange(len(field), device=field.device)
        for _ in range(schedule.outer_iterations):
            start = field[moving]
            if schedule.median_filter > 1:
                start = torch_kernels.median(start, schedule.median_filter)
            field[moving], dual[moving], active = inner_loop(warped[moving], start, dual[moving], schedule)
            moving = moving[active]
            if not len(moving):
                break


def inner_loop(warped: Tensor, field: Tensor, dual: Tensor, schedule: Schedule) -> tuple[Tensor, ...]:
    """At most `schedule.inner_iterations` of `torch_kernels.iterate`: field, dual, and the pairs that still change."""
    steps = (schedule.lambda_ * schedule.theta, schedule.theta, schedule.tau / schedule.theta, schedule.epsilon**2)
    active = torch.ones(len(field), dtype=torch.bool, device=field.device)
    every = 1 if field.device.type == "cpu" else LOOK_EVERY
    for number in range(1, schedule.inner_iterations + 1):
        field, dual, active = torch_kernels.iterate(warped, field, dual, active, steps)
        if number % every == 0 and not active.any():
            break
    return field, dual, active
