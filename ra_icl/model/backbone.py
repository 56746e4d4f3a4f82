"""The residual backbone (He et al., 2016) with a stem for large or for small flow maps."""

from collections import OrderedDict

import torch
from torch import nn

from ra_icl.model.options import BackboneOptions


class Backbone(nn.Sequential):
    """Flow maps (B, 3, H, W) to the features of the last convolution F (B, C, h, w), randomly initialised.

    With the default options this is ResNet18 without its pooling and classifier. Parameters have torchvision's names
    (conv1, bn1, layer1.0.conv1, ..., layer4.1.bn2), so that its weights can be loaded. h and w are H and W divided by
    32 (stem "standard") or by 8 (stem "small").
    """

    def __init__(self, options: BackboneOptions) -> None:
        super().__init__(_stem(options))
        inputs = options.width
        for stage, blocks in enumerate(options.blocks):
            outputs = options.width * 2**stage
            self.add_module(f"layer{stage + 1}", _stage(inputs, outputs, blocks, stride=2 if stage else 1))
            inputs = outputs
        self.apply(_initialise)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (B, C, H, W) to (B, C', H/stride, W/stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(Projection(inputs, outputs, stride), nn.BatchNorm2d(outputs))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        shortcut = maps if self.downsample is None else self.downsample(maps)
        inner = self.relu(self.bn1(self.conv1(maps)))
        inner = self.bn2(self.conv2(inner))
        inner += shortcut
        return self.relu(inner)


class Projection(nn.Conv2d):
    """The strided 1x1 convolution of a shortcut, (B, C, H, W) to (B, C', H/stride, W/stride).

    It selects every stride-th pixel before it convolves, which gives the same result. The backward pass of oneDNN's
    strided 1x1 convolution writes outside its memory for some shapes (PyTorch 2.13 on CPUs with AVX2, channels_last,
    for example 4 x 8 x 64 x 64) and crashes the process.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)
        self.step = stride

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return super().forward(maps[:, :, :: self.step, :: self.step])


def _stem(options: BackboneOptions) -> "OrderedDict[str, nn.Module]":
    small = options.stem == "small"
    size, stride = (3, 1) if small else (7, 2)
    layers = OrderedDict(
        conv1=nn.Conv2d(3, options.width, size, stride, padding=size // 2, bias=False),
        bn1=nn.BatchNorm2d(options.width),
        relu=nn.ReLU(inplace=True),
    )
    if not small:
        layers["maxpool"] = nn.MaxPool2d(3, stride=2, padding=1)
    return layers


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(inputs, outputs, stride)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs, stride=1) for _ in range(blocks - 1)))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
