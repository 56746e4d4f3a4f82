"""Which convolutions of a model run otherwise than PyTorch's on a CPU."""

from torch import nn

LEAST_CHANNELS = 32  # where fewer meet, the products are too small to make up for the transforms
MULTIPLE = 8  # of channels, which the transforms take together
SHAPE = {"kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
SHAPE |= {"padding_mode": "zeros", "bias": None}


def use_winograd(model: nn.Module) -> None:
    """Let the 3x3 convolutions with enough channels run as Winograd's; weights, their names and the function stay."""
    chosen = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Conv2d) and _suits(child)
    ]
    if not chosen:
        return
    from ra_icl.model.winograd import WinogradConv2d  # its import takes most of a second: compiled by Numba

    for parent, name, child in chosen:
        setattr(parent, name, WinogradConv2d(child.weight))


def _suits(convolution: nn.Conv2d) -> bool:
    channels = convolution.in_channels, convolution.out_channels
    return all(getattr(convolution, key) == value for key, value in SHAPE.items()) and all(
        number >= LEAST_CHANNELS and number % MULTIPLE == 0 for number in channels
    )
