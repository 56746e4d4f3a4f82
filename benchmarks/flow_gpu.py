"""All pairs of the CDE protocol with strain on a GPU: seconds, iterations, bytes, and the share of its bandwidth."""

import time

import numpy as np
import torch

from ra_icl.flow import tvl1_torch
from ra_icl.flow.maps import flow_maps
from ra_icl.flow.options import FlowOptions

OPTIONS = FlowOptions(backend="torch")


def measure(pairs: list[tuple[np.ndarray, np.ndarray]], repeats: int, bytes_an_iteration: int) -> dict:
    """Flow maps of the pairs, all of them `repeats` times over, from images in memory to maps in memory.

    bytes_an_iteration: that an iteration moves a pixel. The bytes of warps, median filters and levels are not counted.
    """
    onsets, frames = (np.concatenate([np.stack(part)] * repeats) for part in zip(*pairs, strict=True))
    flow_maps(onsets[:8], frames[:8], OPTIONS)  # compiles
    seconds = _seconds(onsets, frames)
    iterations, pixels = _iterations(onsets[: len(pairs)], frames[: len(pairs)])
    moved = bytes_an_iteration * pixels * repeats
    bandwidth = copy_bandwidth()
    return {
        "version": tvl1_torch.VERSION,
        "pairs": len(onsets),
        "seconds": seconds,
        "pairs_a_second": len(onsets) / seconds,
        "iterations": iterations * repeats,
        "terabytes": moved / 1e12,
        "copy_gb_s": bandwidth / 1e9,
        "share_of_copy_bandwidth": moved / seconds / bandwidth,
        "peak_gb": torch.cuda.max_memory_allocated() / 1e9 if tvl1_torch.CUDA else None,
    }


def report(found: dict) -> None:
    """Print what was measured."""
    rate = f"{found['pairs_a_second']:.0f} a second"
    print(f"{found['version']}: {found['pairs']} pairs with strain in {found['seconds']:.2f} s, {rate}")
    moved = f"{found['terabytes']:.2f} TB moved by {found['iterations']} iterations of a pair"
    share = f"{100 * found['share_of_copy_bandwidth']:.0f} % of the measured copy bandwidth"
    print(f"{moved}: {share}, {found['copy_gb_s']:.0f} GB/s")


def copy_bandwidth(megabytes: int = 1024, repeats: int = 10) -> float:
    """Bytes a second that the device reads and writes in a copy; the best of several."""
    source = torch.ones(megabytes << 18, device=tvl1_torch.DEVICE)
    target, seconds = torch.empty_like(source), []
    for _ in range(repeats):
        start = _now()
        target.copy_(source)
        seconds.append(_now() - start)
    return 2 * source.nbytes / min(seconds)


def _seconds(onsets: np.ndarray, frames: np.ndarray) -> float:
    """Seconds of all pairs, in calls of as many as the backend asks for."""
    start = _now()
    for first in range(0, len(onsets), tvl1_torch.PAIRS_AT_ONCE):
        part = slice(first, first + tvl1_torch.PAIRS_AT_ONCE)
        flow_maps(onsets[part], frames[part], OPTIONS)
    return _now() - start


def _iterations(onsets: np.ndarray, frames: np.ndarray) -> tuple[int, int]:
    """Iterations that the pairs do, and these times the pixels of their levels, in a run of its own."""
    kernels = tvl1_torch._kernels
    inner_loop, counts = kernels.inner_loop, []

    def counted(warped, *others):
        done = inner_loop(warped, *others)
        counts.append((int(done.sum()), warped[0, 0].numel()))
        return done

    kernels.inner_loop = counted
    try:
        flow_maps(onsets, frames, OPTIONS)
    finally:
        kernels.inner_loop = inner_loop
    return sum(done for done, _ in counts), sum(done * pixels for done, pixels in counts)


def _now() -> float:
    if tvl1_torch.CUDA:
        torch.cuda.synchronize()
    return time.perf_counter()
