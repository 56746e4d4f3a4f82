"""The residual backbone (He et al., 2016) with a stem for large or for small flow maps."""

import torch
from torch import nn

from ra_icl.model.options import BackboneOptions
from ra_icl.model.torchvision_blocks import BasicBlock


class Backbone(nn.Module):
    """Flow maps (B, 3, H, W) to the features of the last convolution F (B, C, h, w), randomly initialised.

    With the default options this is ResNet18 without its pooling and classifier; h, w are H, W divided by 32
    (stem "standard") or by 8 (stem "small").
    """

    def __init__(self, options: BackboneOptions) -> None:
        super().__init__()
        self.stem = _stem(options)
        channels = [options.width * 2**stage for stage in range(len(options.blocks))]
        inputs = [options.width, *channels[:-1]]
        self.stages = nn.Sequential(
            *(
                _stage(*sizes, blocks, stride=1 if stage == 0 else 2)
                for stage, (*sizes, blocks) in enumerate(zip(inputs, channels, options.blocks, strict=True))
            )
        )
        self.apply(_initialise)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.stages(self.stem(maps))


def _stem(options: BackboneOptions) -> nn.Sequential:
    if options.stem == "small":
        convolution = nn.Conv2d(3, options.width, 3, stride=1, padding=1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(options.width), nn.ReLU(inplace=True))
    convolution = nn.Conv2d(3, options.width, 7, stride=2, padding=3, bias=False)
    pooling = nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(convolution, nn.BatchNorm2d(options.width), nn.ReLU(inplace=True), pooling)


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or inputs != outputs:
        projection = Projection(inputs, outputs, stride)
        shortcut = nn.Sequential(projection, nn.BatchNorm2d(outputs))
    first = BasicBlock(inputs, outputs, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs) for _ in range(blocks - 1)))


class Projection(nn.Conv2d):
    """The 1x1 convolution with a stride of a shortcut, (B, C, H, W) to (B, C', H/stride, W/stride).

    It takes every stride-th pixel first, which is the same sum: the backward pass of oneDNN's own
    strided 1x1 convolution writes outside its memory for some shapes (PyTorch 2.13 on CPUs with
    AVX2, channels_last, 4 x 8 x 64 x 64 for one) and ends the process.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)
        self.step = stride

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return super().forward(maps[:, :, :: self.step, :: self.step])


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
