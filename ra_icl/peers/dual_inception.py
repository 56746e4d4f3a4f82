"""Dual-Inception network (Zhou, Mao, Xue, FG 2019).

u and v between the onset and the middle frame, no apex, a stream of two inception blocks each. The authors' code trains
on the two databases that the test subject is not in, and keeps the epoch of the best validation loss on the others of
the subject's own; here all other subjects train and the last epoch is taken, as for every method.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import nn

from ra_icl.options import above, at_least
from ra_icl.peers.maps import resize, stretch
from ra_icl.peers.settings import NetworkSettings, choice, code

FED = "flow"


@dataclass(frozen=True)
class Settings(NetworkSettings):
    """Dual-Inception's settings."""

    size: Annotated[int, at_least(4), code("28 pixels")] = 28
    optimiser: Annotated[Literal["adam", "sgd"], code("Adam")] = "adam"
    learning_rate: Annotated[float, above(0), code("learning rate")] = 1e-4
    momentum: Annotated[float, at_least(0), choice("Adam has none")] = 0.0
    weight_decay: Annotated[float, at_least(0), code("none")] = 0.0
    batch: Annotated[int, at_least(1), code("sequences per step")] = 3
    shuffle: Annotated[bool, code("sequences are shuffled")] = True
    epochs: Annotated[int, at_least(1), code("40; the authors then take the best on validation subjects")] = 40
    maps: Annotated[
        tuple[Annotated[int, at_least(1)], Annotated[int, at_least(1)]],
        code("maps of each branch, in the first and the second block"),
    ] = (6, 16)
    top: Annotated[float, above(0), choice("u and v of each map run from 0 to it; code: pictures / 255")] = 1.0
    hidden: Annotated[int, at_least(1), code("units of the fully connected layer")] = 1024


def prepare(maps: torch.Tensor, settings: Settings) -> torch.Tensor:
    """u and v of maps (S, C, H, W), each scaled by itself, as a picture of three equal channels: (S, 6, size, size)."""
    return stretch(resize(maps[:, :2], settings.size), settings.top).repeat_interleave(3, dim=1)


class Inception(nn.Module):
    """Four branches of `maps` maps side by side: (B, inputs, H, W) to (B, 4 maps, H, W)."""

    def __init__(self, inputs: int, maps: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                _convolution(inputs, maps, 1),
                nn.Sequential(_convolution(inputs, maps, 1), _convolution(maps, maps, 3)),
                nn.Sequential(_convolution(inputs, maps, 1), _convolution(maps, maps, 5)),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), _convolution(inputs, maps, 1)),
            ]
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(features) for branch in self.branches], dim=1)


class DualInception(nn.Module):
    """Inputs (B, 6, size, size), u and then v, to logits (B, classes)."""

    def __init__(self, classes: int, settings: Settings) -> None:
        super().__init__()
        first, second = settings.maps
        self.streams = nn.ModuleList(
            nn.Sequential(Inception(3, first), nn.MaxPool2d(2), Inception(4 * first, second), nn.MaxPool2d(2))
            for _ in ("u", "v")
        )
        self.hidden = nn.Linear(2 * 4 * second * (settings.size // 2 // 2) ** 2, settings.hidden)
        self.classifier = nn.Linear(settings.hidden, classes)
        self.apply(_initialise)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        parts = zip(self.streams, inputs.split(3, dim=1), strict=True)
        features = torch.cat([stream(part).flatten(1) for stream, part in parts], dim=1)
        return self.classifier(self.hidden(features).relu())


def network(classes: int, settings: Settings) -> nn.Module:
    """The network for `classes` classes."""
    return DualInception(classes, settings)


def _convolution(inputs: int, maps: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, maps, kernel, padding=kernel // 2), nn.ReLU())


def _initialise(module: nn.Module) -> None:
    """As Keras does, with which the authors trained."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
