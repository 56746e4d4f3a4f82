"""STSTNet: shallow triple stream three-dimensional CNN (Liong, Gan, See, Khor, Huang, FG 2019).

Flow and strain of onset and apex as one image of 28 x 28 pixels, three shallow streams, 1,670 weights.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import nn

from ra_icl.options import above, at_least
from ra_icl.peers.maps import resize, stretch
from ra_icl.peers.settings import NetworkSettings, choice, code, paper

FED = "flow"
STREAMS = (3, 5, 8)  # maps of the three streams


@dataclass(frozen=True)
class Settings(NetworkSettings):
    """STSTNet's settings."""

    size: Annotated[int, at_least(9), paper("28 pixels")] = 28
    optimiser: Annotated[Literal["adam", "sgd"], code("Adam")] = "adam"
    learning_rate: Annotated[float, above(0), paper("learning rate")] = 5e-5
    momentum: Annotated[float, at_least(0), choice("Adam has none")] = 0.0
    weight_decay: Annotated[float, at_least(0), code("none")] = 0.0
    batch: Annotated[int, at_least(1), code("sequences per step")] = 256
    shuffle: Annotated[bool, choice("the PyTorch code does not shuffle; shuffled steps differ between seeds")] = True
    epochs: Annotated[int, at_least(1), paper("500; the PyTorch code has 800")] = 500


def prepare(maps: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Maps (S, 3, H, W) as the published images are: each channel of each map from 0 to 255."""
    return stretch(resize(maps[:, :3], settings.size), 255.0)


def stream(maps: int) -> nn.Sequential:
    """A stream of `maps` feature maps, a third of the input's side, rounded up."""
    return nn.Sequential(
        nn.Conv2d(3, maps, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(maps),
        nn.MaxPool2d(kernel_size=3, stride=3, padding=1),
        nn.Dropout(0.5),
    )


class STSTNet(nn.Module):
    """Inputs (B, 3, 28, 28) to logits (B, classes)."""

    def __init__(self, classes: int, size: int = 28) -> None:
        super().__init__()
        self.streams = nn.ModuleList(stream(maps) for maps in STREAMS)
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)
        side = ((size + 2) // 3) // 2
        self.classifier = nn.Linear(sum(STREAMS) * side**2, classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        features = torch.cat([one(inputs) for one in self.streams], dim=1)  # (B, 16, 10, 10)
        return self.classifier(self.pool(features).flatten(1))


def network(classes: int, settings: Settings) -> nn.Module:
    """The network for `classes` classes."""
    return STSTNet(classes, settings.size)
