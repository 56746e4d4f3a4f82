"""HTNet: hierarchical transformer network (Wang, Zhang, Luo, Sankaranarayana, Neurocomputing 2024).

Flow maps cut at the eyes and the corners of the mouth, joined, and read as 4 x 4 tokens at three levels. Each level
lets the tokens of a block attend to each other, but a block holds ONE token at every level: the softmax over a single
key is 1, and what is left of attention is a linear layer (its queries and keys are never trained). The published figure
is that of the best epoch on each test subject; here the last epoch is taken.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import torch
from torch import nn
from torch.nn import functional

from ra_icl.options import above, at_least, between
from ra_icl.peers.maps import resize, stretch
from ra_icl.peers.settings import NetworkSettings, choice, code

FED = "flow"
# x, y of the left eye, the right eye and the left and right corners of the mouth in a face of 28 pixels: what the code
# takes when it finds no face. Landmarks of single faces cannot be had from flow maps.
LANDMARKS = ((9.53, 11.06), (21.40, 10.92), (10.26, 22.12), (20.58, 22.26))
HALF, PATCH = 7, 7  # pixels either side of a landmark, pixels along a token


@dataclass(frozen=True)
class Settings(NetworkSettings):
    """HTNet's settings."""

    size: Annotated[int, between(28, 28), code("28 pixels, in which the landmarks are given")] = 28
    optimiser: Annotated[Literal["adam", "sgd"], code("Adam")] = "adam"
    learning_rate: Annotated[float, above(0), code("learning rate")] = 5e-5
    momentum: Annotated[float, at_least(0), choice("Adam has none")] = 0.0
    weight_decay: Annotated[float, at_least(0), code("none")] = 0.0
    batch: Annotated[int, at_least(1), code("sequences per step")] = 256
    shuffle: Annotated[bool, choice("the code does not shuffle; shuffled steps differ between seeds")] = True
    epochs: Annotated[int, at_least(1), code("800; the authors then take the best on the test subject")] = 800
    top: Annotated[float, above(0), code("each channel of each map runs from 0 to it, as in its images")] = 255.0
    landmarks: Annotated[Literal["fixed"], choice("the code's points where it finds no face, for all faces")] = "fixed"
    transposed: Annotated[bool, code("a landmark's x is used as row and its y as column")] = True
    width: Annotated[int, at_least(1), code("of a token at the first level, doubled at each further level")] = 256
    heads: Annotated[int, at_least(1), code("at the first level, doubled at each further level")] = 3
    repeats: Annotated[
        tuple[Annotated[int, at_least(0)], Annotated[int, at_least(0)], Annotated[int, at_least(0)]],
        code("transformer layers of each level; another script has 2, 2, 8"),
    ] = (2, 2, 10)
    attended_tokens: Annotated[Literal[1], code("tokens of a block, so that attention has nothing to choose")] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < self.heads:
            raise ValueError(f"width is {self.width}, less than heads ({self.heads}); give each head a channel")


def prepare(maps: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Four patches of maps (S, 3, H, W), joined: (S, 3, 28, 28). Each channel of a whole map is scaled by itself.

    Eyes above, corners of the mouth below, left ones left. `transposed` swaps x and y, so that what is cut at the left
    corner of the mouth lies about the right eye. Channels are u, v, strain; the code has them the other way round,
    which is the same network.
    """
    whole = stretch(resize(maps[:, :3], settings.size), settings.top)
    patches = []
    for x, y in LANDMARKS:
        # At 7 to 21 the patch lies inside the map.
        column, row = (int(min(max(value, HALF), settings.size - HALF)) for value in (x, y))
        if settings.transposed:
            row, column = column, row
        patches.append(whole[:, :, row - HALF : row + HALF, column - HALF : column + HALF])
    left_eye, right_eye, left_lip, right_lip = patches
    return torch.cat([torch.cat([left_eye, right_eye], dim=3), torch.cat([left_lip, right_lip], dim=3)], dim=2)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of (B, C, H, W), at each token by itself."""

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return super().forward(tokens.movedim(1, -1)).movedim(-1, 1)


class Attention(nn.Module):
    """Attention within blocks of one token: (B, width, H, W) to the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, inner = heads, width // heads * heads
        self.project = nn.Conv2d(width, 3 * inner, kernel_size=1, bias=False)
        self.out = nn.Conv2d(inner, width, kernel_size=1)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        projected = self.project(tokens)  # (B, 3 heads d, H, W)
        # A block is a token: (B, H, W, 3, heads, 1, d).
        blocks = projected.movedim(1, -1).unflatten(-1, (3, self.heads, 1, -1))
        found = functional.scaled_dot_product_attention(*blocks.unbind(dim=3))
        return self.out(found.flatten(3).movedim(-1, 1))


class Layer(nn.Module):
    """A transformer layer with normalisation first: (B, width, H, W) to the same."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(ChannelNorm(width), Attention(width, heads))
        self.feedforward = nn.Sequential(
            ChannelNorm(width), nn.Conv2d(width, 4 * width, 1), nn.GELU(), nn.Conv2d(4 * width, width, 1)
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.attention(tokens)
        return tokens + self.feedforward(tokens)


class Level(nn.Module):
    """A learned number, the position of a block's one token, then transformer layers."""

    def __init__(self, width: int, heads: int, repeats: int) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(1))
        self.layers = nn.Sequential(*(Layer(width, heads) for _ in range(repeats)))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.layers(tokens + self.position)


class HTNet(nn.Module):
    """Inputs (B, 3, 28, 28) to logits (B, classes), over 4 x 4, 2 x 2 and 1 x 1 tokens."""

    def __init__(self, classes: int, settings: Settings) -> None:
        super().__init__()
        widths = [settings.width * 2**level for level in range(len(settings.repeats))]
        heads = [settings.heads * 2**level for level in range(len(settings.repeats))]
        self.embed = nn.Conv2d(3, settings.width, kernel_size=PATCH, stride=PATCH)
        self.levels = nn.ModuleList(map(Level, widths, heads, settings.repeats))
        self.merges = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, kernel_size=3, padding=1),
                ChannelNorm(outputs),
                nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
            )
            for inputs, outputs in pairwise(widths)
        )
        self.norm = ChannelNorm(widths[-1])
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        tokens = self.levels[0](self.embed(inputs))
        for merge, level in zip(self.merges, self.levels[1:], strict=True):
            tokens = level(merge(tokens))
        return self.classifier(self.norm(tokens).mean(dim=(2, 3)))


def network(classes: int, settings: Settings) -> nn.Module:
    """The network for `classes` classes."""
    return HTNet(classes, settings)
