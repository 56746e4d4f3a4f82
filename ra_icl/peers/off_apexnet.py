"""OFF-ApexNet: optical flow features from apex frame network (Gan, Liong, Yau, Huang, Tan, 2019).

u and v of onset and apex, a stream each, joined in two fully connected layers. The authors count 2.77 million weights
in five layers; this layout, that of another group's re-implementation, has 2.66 million.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import nn

from ra_icl.options import above, at_least, below
from ra_icl.peers.maps import resize, stretch
from ra_icl.peers.settings import NetworkSettings, choice, code, paper

FED = "flow"


@dataclass(frozen=True)
class Settings(NetworkSettings):
    """OFF-ApexNet's settings. "code" is that of others' re-implementations: the authors published none."""

    size: Annotated[int, at_least(4), paper("28 pixels, as STSTNet's paper reports")] = 28
    optimiser: Annotated[Literal["adam", "sgd"], code("Adam")] = "adam"
    learning_rate: Annotated[float, above(0), code("learning rate")] = 1e-4
    momentum: Annotated[float, at_least(0), choice("Adam has none")] = 0.0
    weight_decay: Annotated[float, at_least(0), code("none; another re-implementation has 1e-3")] = 0.0
    batch: Annotated[int, at_least(1), choice("as in STSTNet by the same authors; re-implementations: 32, 64")] = 256
    shuffle: Annotated[bool, code("shuffled")] = True
    epochs: Annotated[int, at_least(1), code("epochs")] = 3000
    top: Annotated[float, above(0), choice("u and v of each map run from 0 to it; others: in pixels")] = 1.0
    relu: Annotated[bool, choice("after the convolutions; the re-implementation of this layout has none there")] = True
    hidden: Annotated[int, at_least(1), code("units of both fully connected layers")] = 1024
    dropout: Annotated[float, at_least(0), below(1), code("after both")] = 0.5


def prepare(maps: torch.Tensor, settings: Settings) -> torch.Tensor:
    """u and v of maps (S, C, H, W), each scaled by itself: (S, 2, size, size)."""
    return stretch(resize(maps[:, :2], settings.size), settings.top)


def network(classes: int, settings: Settings) -> nn.Module:
    """Inputs (B, 2, size, size) to logits (B, classes).

    The two groups of the convolutions are the streams. ReLU and max-pooling give the same in either order.
    """
    activation = nn.ReLU if settings.relu else nn.Identity
    hidden, features = settings.hidden, 32 * (settings.size // 2 // 2) ** 2
    return nn.Sequential(
        nn.Conv2d(2, 12, kernel_size=5, padding=2, groups=2),
        nn.MaxPool2d(2),
        activation(),
        nn.Conv2d(12, 32, kernel_size=5, padding=2, groups=2),
        nn.MaxPool2d(2),
        activation(),
        nn.Flatten(),  # the stream of u, then that of v
        nn.Linear(features, hidden),
        nn.ReLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Dropout(settings.dropout),
        nn.Linear(hidden, classes),
    )
