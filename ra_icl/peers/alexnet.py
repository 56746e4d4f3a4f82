"""The baseline of CAS(ME)³ (Li et al., TPAMI 2022): AlexNet on flow, with or without depth.

Public code has neither its network nor its training. The same laboratory's later code builds on AlexNet (Krizhevsky,
Sutskever, Hinton, 2012), here in torchvision's layout, with random weights. Its depth-flow is
three-dimensional Lucas-Kanade; here the change of depth from onset to apex is a fourth channel beside TV-L1 flow.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import nn
from torch.nn import functional

from ra_icl.errors import InputError
from ra_icl.options import above, at_least, below
from ra_icl.peers.maps import resize, stretch
from ra_icl.peers.settings import NetworkSettings, choice

FED = "flow"


@dataclass(frozen=True)
class Settings(NetworkSettings):
    """The baseline's settings, none of which is in the authors' public code."""

    size: Annotated[int, at_least(63), choice("AlexNet's usual input")] = 224
    optimiser: Annotated[Literal["adam", "sgd"], choice("plain SGD hardly moves an AlexNet of random weights")] = "adam"
    learning_rate: Annotated[float, above(0), choice("as OFF-ApexNet and Dual-Inception")] = 1e-4
    momentum: Annotated[float, at_least(0), choice("Adam has none")] = 0.0
    weight_decay: Annotated[float, at_least(0), choice("none")] = 0.0
    batch: Annotated[int, at_least(1), choice("as in the same laboratory's later code")] = 128
    shuffle: Annotated[bool, choice("shuffled steps differ between seeds")] = True
    epochs: Annotated[int, at_least(1), choice("as Ra-ICL")] = 100
    top: Annotated[float, above(0), choice("each channel of each map runs from 0 to it")] = 1.0
    depth: Annotated[bool, choice("whether the change of depth is a fourth channel; needs sampling.depth")] = False
    hidden: Annotated[int, at_least(1), choice("AlexNet's units of both fully connected layers")] = 4096
    dropout: Annotated[float, at_least(0), below(1), choice("AlexNet's, before both")] = 0.5


def prepare(maps: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Maps (S, C, H, W) with each channel of each scaled by itself: (S, 3, size, size), with depth (S, 4, size, size).

    Raises InputError if depth is wanted and the maps have none.
    """
    channels = 4 if settings.depth else 3
    if maps.shape[1] < channels:
        raise InputError("peer alexnet: depth: true needs maps with depth; set the method's sampling.depth: true")
    return stretch(resize(maps[:, :channels], settings.size), settings.top)


class AlexNet(nn.Module):
    """Inputs (B, channels, size, size) to logits (B, classes)."""

    def __init__(self, channels: int, classes: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, classes),
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.classifier(functional.adaptive_avg_pool2d(self.features(inputs), 6).flatten(1))


def network(classes: int, settings: Settings) -> nn.Module:
    """The network for `classes` classes."""
    return AlexNet(4 if settings.depth else 3, classes, settings.hidden, settings.dropout)
