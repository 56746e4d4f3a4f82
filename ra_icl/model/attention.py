"""Attention heatmaps of the instance region consistency (IRC) module."""

import torch


def attention_maps(features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Class activation maps (Eq. 5): raw, without ReLU, softmax or normalisation.

    features F: (B, C, h, w); weight W of the classifier: (L, C). Returns M: (B, L, h, w).
    """
    return torch.einsum("lc,bchw->blhw", weight, features)
