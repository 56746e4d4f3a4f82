"""STSTNet: shallow triple stream three-dimensional CNN (Liong, Gan, See, Khor, Huang, FG 2019).

Flow and strain of onset and apex as one image of 28 x 28 pixels. Three convolutions of it, of 3, 5 and 8 maps, are each
followed by the same layers and then concatenated, so that they are one convolution of 16 maps: the same function, with
initial weights drawn alike, in fewer steps.

The authors have published a MATLAB program, which their paper used, and one for PyTorch, whose settings are taken where
the paper states none. The MATLAB one also subtracts the mean training image, decays weights, shuffles once and leaves
out an incomplete batch, so that a fold trains on the same 256 sequences in all its epochs.

This layout has 1,683 weights and biases, as the authors' PyTorch code and their published weights have: 448 of the
convolutions, 32 of batch normalisation, 1,203 of the classifier. The paper counts 1,670 and does not say how; one bias
for each stream in place of one for each map would give that number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import nn

from ra_icl.errors import InputError
from ra_icl.options import above, at_least, below, between
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
    weight_decay: Annotated[float, at_least(0), code("none in PyTorch; 1e-4 in MATLAB, by default")] = 0.0
    batch: Annotated[int, at_least(1), code("sequences per step")] = 256
    shuffle: Annotated[bool, choice("each epoch; code: never in PyTorch, once in MATLAB")] = True
    epochs: Annotated[int, at_least(1), paper("500; the PyTorch code has 800")] = 500
    top: Annotated[float, above(0), code("each channel of each map runs from 0 to it, as in its images")] = 255.0
    padding: Annotated[int, between(1, 2), paper("of the convolutions: 1, 'same'; the PyTorch code has 2")] = 1
    dropout: Annotated[float, at_least(0), below(1), code("after max-pooling")] = 0.5


def prepare(maps: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Maps (S, 3, H, W) as the published images are: each channel of each map scaled by itself, u first."""
    return stretch(resize(maps[:, :3], settings.size), settings.top)


class STSTNet(nn.Module):
    """Inputs (B, 3, size, size) to logits (B, classes)."""

    def __init__(self, classes: int, settings: Settings) -> None:
        super().__init__()
        maps = sum(STREAMS)
        self.streams = nn.Sequential(
            nn.Conv2d(3, maps, kernel_size=3, padding=settings.padding),
            nn.ReLU(),
            nn.BatchNorm2d(maps),
            nn.MaxPool2d(kernel_size=3, stride=3, padding=1),
            nn.Dropout(settings.dropout),
        )
        self.pool = nn.AvgPool2d(kernel_size=2)
        convolved = settings.size + 2 * settings.padding - 2
        side = ((convolved + 2) // 3) // 2
        self.classifier = nn.Linear(maps * side**2, classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        features = self.pool(self.streams(inputs))  # (B, 16, 5, 5)
        return self.classifier(features.flatten(1))


def network(classes: int, settings: Settings) -> nn.Module:
    """The network for `classes` classes."""
    return STSTNet(classes, settings)


def load_published(tensors: Mapping[str, torch.Tensor]) -> STSTNet:
    """The network with weights that the authors' PyTorch code saved, ready to predict from `prepare`'s inputs.

    tensors: conv{n}.weight, conv{n}.bias and bn{n}.* of the streams n = 1, 2, 3, fc.weight and fc.bias. That code pads
    by 2, and it reads images through OpenCV, blue first: its input channels are strain, v, u, here turned round.
    Raises InputError for a tensor that is missing or has another shape.
    """
    try:
        classes = len(tensors["fc.bias"])
        found = {"classifier.weight": tensors["fc.weight"], "classifier.bias": tensors["fc.bias"]}
        kernels = torch.cat([tensors[f"conv{n}.weight"] for n in (1, 2, 3)])
        found |= {"streams.0.weight": kernels.flip(1)}
        found |= {"streams.0.bias": torch.cat([tensors[f"conv{n}.bias"] for n in (1, 2, 3)])}
        for key in ("weight", "bias", "running_mean", "running_var"):
            found[f"streams.2.{key}"] = torch.cat([tensors[f"bn{n}.{key}"] for n in (1, 2, 3)])
        found["streams.2.num_batches_tracked"] = tensors["bn1.num_batches_tracked"]
        loaded = STSTNet(classes, Settings(padding=2))
        loaded.load_state_dict(found)
    except (KeyError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise InputError(f"STSTNet's published weights: {reason} is missing or has another shape") from None
    return loaded.eval()
