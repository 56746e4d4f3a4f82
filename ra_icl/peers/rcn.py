"""RCN: recurrent convolutional networks for shrunken data (Xia, Peng, Khor, Feng, Zhao, IEEE TIP 2020).

Variants: A, a shallow stem, a recurrent block and attention over its output; S, a shallow stem and a densely connected
block; W, a wide stem and a recurrent block; C, a wide stem and a densely connected block, and attention, made of the
network's input, over what enters that block. The published P and F cannot run.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import nn
from torch.nn import functional

from ra_icl.options import above, at_least, below
from ra_icl.peers.maps import resize, stretch
from ra_icl.peers.settings import NetworkSettings, choice, code

FED = "flow"


@dataclass(frozen=True)
class Settings(NetworkSettings):
    """RCN's settings."""

    variant: Annotated[Literal["A", "S", "W", "C"], choice("A is the row that others quote")] = "A"
    size: Annotated[int, at_least(8), choice("not published; 60 in the same authors' benchmark")] = 60
    optimiser: Annotated[Literal["adam", "sgd"], code("SGD")] = "sgd"
    learning_rate: Annotated[float, above(0), code("constant: the code makes a schedule but never steps it")] = 5e-4
    momentum: Annotated[float, at_least(0), code("of SGD")] = 0.9
    weight_decay: Annotated[float, at_least(0), code("none; a re-run by others has 5e-4")] = 0.0
    batch: Annotated[int, at_least(1), code("sequences per step")] = 64
    shuffle: Annotated[bool, code("shuffled")] = True
    epochs: Annotated[int, at_least(1), code("100; an example in its README has 20")] = 100
    channels: Annotated[Literal["u, v, strain"], choice("code: images of flow, made elsewhere")] = "u, v, strain"
    top: Annotated[float, above(0), choice("each channel of each map runs from 0 to it; code: pictures / 255")] = 1.0
    maps: Annotated[int, at_least(4), code("maps of every layer; an example in its README has 32")] = 64
    pooled: Annotated[int, at_least(1), code("side of the pooled features, which make attention; README: 5")] = 7
    dropout: Annotated[float, at_least(0), below(1), code("after the stem and after the block")] = 0.5


def prepare(maps: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Maps (S, 3, H, W) as images: each channel of each map scaled by itself.

    The code reads images of flow but does not make them; the same authors' benchmark has u, v and strain as channels.
    """
    return stretch(resize(maps[:, :3], settings.size), settings.top)


class Wide(nn.Module):
    """Three convolutions of 3 x 3 pixels at dilations 1, 2 and 3, side by side: (B, 3, H, W) to (B, maps, H/3, W/3)."""

    def __init__(self, maps: int, dropout: float) -> None:
        super().__init__()
        parts = (maps - 2 * (maps // 4), maps // 4, maps // 4)
        self.parts = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(3, part, kernel_size=3, stride=3, padding=dilation, dilation=dilation),
                nn.ReLU(),
                nn.BatchNorm2d(part),
                nn.Dropout(dropout),
            )
            for dilation, part in enumerate(parts, start=1)
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.cat([part(inputs) for part in self.parts], dim=1)


class Block(nn.Module):
    """One 3 x 3 convolution applied again and again to (B, maps, H, W), after one of 1 x 1.

    x being the input, y = f1(x). Recurrent: twice y = f3(x + y). Dense: three times f3 of the sum of x and all results
    so far. f3 is the same unit each time, its weights and its batch normalisation.
    """

    def __init__(self, maps: int, dense: bool) -> None:
        super().__init__()
        self.dense, self.once, self.again = dense, _unit(maps, 1), _unit(maps, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        found = self.once(inputs)
        sums = inputs
        for _ in range(3 if self.dense else 2):
            sums = sums + found if self.dense else inputs + found
            found = self.again(sums)
        return found


class RCN(nn.Module):
    """Inputs (B, 3, size, size) to logits (B, classes)."""

    def __init__(self, classes: int, settings: Settings) -> None:
        super().__init__()
        maps, self.variant, self.pooled = settings.maps, settings.variant, settings.pooled
        self.stem = Wide(maps, settings.dropout) if self.variant in "WC" else _shallow(maps, settings.dropout)
        self.block = Block(maps, dense=self.variant in "SC")
        self.reduce = nn.Sequential(nn.MaxPool2d(2), nn.Dropout(settings.dropout))
        self.classifier = nn.Linear(maps * self.pooled**2, classes)
        self.apply(_initialise)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        stem = self.stem(inputs)
        entering = stem
        if self.variant == "C":
            entering = stem * functional.interpolate(self.attention(inputs), stem.shape[-2:], mode="nearest")
        features = functional.adaptive_avg_pool2d(self.reduce(self.block(entering)), self.pooled)
        if self.variant == "A":
            features = features * self.attention(stem)
        return self.classifier(features.flatten(1))

    def attention(self, maps: torch.Tensor) -> torch.Tensor:
        """Where the classifier's weights respond to maps (B, M, H, W): (B, 1, pooled, pooled), 0 to 1.

        A class activation map per class, each scaled to 0..1, averaged over the classes; it has no parameters. A reads
        the stem's maps. C reads the network's input, whose channels all have the mean of a place's weights.
        """
        pooled = functional.adaptive_avg_pool2d(maps, self.pooled)
        weights = self.classifier.weight.unflatten(1, (-1, self.pooled, self.pooled))
        if self.variant == "C":
            weights = weights.mean(dim=1, keepdim=True).expand(-1, maps.shape[1], -1, -1)
        return stretch(torch.einsum("bmij,cmij->bcij", pooled, weights)).mean(dim=1, keepdim=True)


def network(classes: int, settings: Settings) -> nn.Module:
    """The network for `classes` classes."""
    return RCN(classes, settings)


def _shallow(maps: int, dropout: float) -> nn.Sequential:
    """(B, 3, H, W) to (B, maps, (H - 4)/2, (W - 4)/2).

    ReLU before max-pooling, as published, would give the same at four times the cost.
    """
    return nn.Sequential(
        nn.Conv2d(3, maps, kernel_size=5), nn.BatchNorm2d(maps), nn.MaxPool2d(2), nn.ReLU(), nn.Dropout(dropout)
    )


def _unit(maps: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(maps, maps, kernel, padding=kernel // 2), nn.BatchNorm2d(maps), nn.ReLU())


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)
