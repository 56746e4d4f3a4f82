"""The device that a fold is trained on."""

import gc

import torch


def free_gpu(device: str) -> None:
    """Give back what a fold that has ended held, its graphs and what they worked in: other processes share the GPU."""
    if device.startswith("cuda"):
        gc.collect()
        torch.cuda.empty_cache()
