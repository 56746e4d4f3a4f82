"""TV-L1 optical flow of many pairs at once by torch: by Triton's kernels on a GPU where there is Triton, else plainly.

The scheme is that of `tvl1_numba`, step by step. Each pair has its own stopping rule, checked in every iteration as
there, and stays as it is once it has converged: no pair's flow depends on its company. With Triton's kernels all that
happens on the GPU: the host asks for nothing between the images and the flow.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ra_icl.flow import torch_kernels
from ra_icl.flow.options import Schedule
from ra_icl.flow.strain import optical_strain
from ra_icl.flow.torch_pyramid import enlarged, pyramid, slopes

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
VERSION = ", ".join(
    (
        f"torch {torch.__version__}",
        f"cuda {torch.cuda.get_device_name()}" if CUDA else "cpu",
    )
)
PAIRS_AT_ONCE = 1024 if CUDA else 1  # the pairs that a call should bring; on a GPU the most that are worked on at once
PLANES = 28  # float32 a pixel and pair on a GPU: pyramids 6, slopes 3, warped 4, flow and dual field twice 12, rest 3
_PIXELS_IN_CACHE = 65536  # of a batch on a CPU


@torch.inference_mode()
def tvl1(onset: np.ndarray, frames: np.ndarray, *, strain: bool = False, **parameters: float) -> np.ndarray:
    """Return the TV-L1 flow from the onset to each of `frames`; with `strain`, that as a third channel.

    onset: (H, W) uint8 for all frames, or (N, H, W), one for each. frames: (N, H, W) uint8. parameters: those of
    `options.Schedule`, gamma 0. Returns (N, 2 or 3, H, W) float32, in the units of `tvl1_opencv.tvl1`.
    Memory on a GPU: 4 PLANES bytes a pixel and pair, 5.6 MB a pair at 224 px; a batch takes what is free, or less.
    """
    schedule = Schedule(**parameters)
    onsets = np.broadcast_to(onset, frames.shape)
    result = np.empty((len(frames), 3 if strain else 2, *frames.shape[1:]), np.float32)
    count = _pairs_in_a_batch(*frames.shape[1:])
    with _one_thread():
        for first in range(0, len(frames), count):
            part = slice(first, first + count)
            field = _flow(_on_device(onsets[part]), _on_device(frames[part]), schedule)
            result[part, :2] = field.cpu().numpy()
            if strain:
                result[part, 2] = optical_strain(field).cpu().numpy()
    return result


@contextmanager
def _one_thread() -> Iterator[None]:
    """On a CPU, pairs are run side by side as processes; threads within a pair would only fight over the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _on_device(images: np.ndarray) -> Tensor:
    return torch.as_tensor(np.array(images, order="C"), device=DEVICE).float()


def _pairs_in_a_batch(height: int, width: int) -> int:
    """As many as fit the free memory of the GPU; as fit the cache of a CPU."""
    if not CUDA:
        return max(1, _PIXELS_IN_CACHE // (height * width))
    kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()  # by torch, for the next one who asks
    free = torch.cuda.mem_get_info()[0] + kept
    return max(1, min(PAIRS_AT_ONCE, int(0.8 * free) // (4 * PLANES * height * width)))


def _flow(onsets: Tensor, frames: Tensor, schedule: Schedule) -> Tensor:
    """The flow (P, 2, H, W) of pairs (P, H, W), from the coarsest level to the finest."""
    shape = (schedule.scales, schedule.scale_step, schedule.presmooth, schedule.pyramid_smooth)
    levels = zip(pyramid(onsets, *shape), pyramid(frames, *shape), strict=True)
    field = None
    for onset, frame in reversed(list(levels)):
        size = onset.shape[1:]
        field = onset.new_zeros(len(onset), 2, *size) if field is None else enlarged(field, size, schedule.scale_step)
        _refine(onset, slopes(frame), field, schedule)
    return field


def _refine(onset: Tensor, planes: Tensor, field: Tensor, schedule: Schedule) -> None:
    """Refine `field` (P, 2, H, W) in place on one level; planes: the frame and its slopes."""
    pairs, height, width = onset.shape
    stop = schedule.epsilon**2 * height * width
    steps = (schedule.lambda_ * schedule.theta, schedule.theta, schedule.tau / schedule.theta, stop)
    warped, dual = (field.new_zeros(pairs, 4, height, width) for _ in range(2))
    for _ in range(schedule.warps):
        torch_kernels.warp(onset, planes, field, warped)
        active = torch.ones(pairs, dtype=torch.bool, device=field.device)
        for _ in range(schedule.outer_iterations):
            if schedule.median_filter > 1:
                torch_kernels.median(field, active, schedule.median_filter)
            torch_kernels.inner_loop(warped, field, dual, active, steps, schedule.inner_iterations)
