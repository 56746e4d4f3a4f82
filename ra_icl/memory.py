"""Memory that is kept for what comes next, and memory that is given back."""

import ctypes
import gc

import torch

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Let glibc's malloc keep what is freed for what comes next; does nothing with another C library.

    Else every large tensor of every step is asked of the system anew, which clears it page by page: a tenth of the
    time of training on a CPU.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def free_gpu(device: str) -> None:
    """Give back what a fold that has ended held, its graphs and what they worked in: other processes share the GPU."""
    if device.startswith("cuda"):
        gc.collect()
        torch.cuda.empty_cache()
