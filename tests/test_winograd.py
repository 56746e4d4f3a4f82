"""Winograd's convolutions: the sums and gradients of direct ones, in float64, and which of a model's they replace."""

import pytest
import torch
from torch.nn.functional import conv2d

from ra_icl.model import winograd
from ra_icl.model.backbone import Backbone
from ra_icl.model.convolutions import use_winograd
from ra_icl.model.options import BackboneOptions
from ra_icl.model.winograd import WinogradConv2d
from ra_icl.model.winograd_kernels import INPUT, OUTPUT, WEIGHT

CHANNELS_LAST = torch.channels_last


def results(convolution, maps, weight, slope):
    """Outputs, and the gradients of maps and weight for a gradient of the outputs."""
    maps, weight = (tensor.clone().requires_grad_() for tensor in (maps, weight))
    out = convolution(maps, weight)
    return out.detach(), *torch.autograd.grad(out, (maps, weight), slope)


def apply(maps, weight):
    return winograd._Winograd.apply(maps, weight)


@pytest.mark.parametrize("layout", [CHANNELS_LAST, torch.contiguous_format])
@pytest.mark.parametrize("size", [(28, 28), (7, 9), (4, 4), (1, 2)])
@pytest.mark.parametrize("at_once", [1, 2**22])  # one map at a time, and all of them
def test_outputs_and_gradients_are_those_of_a_direct_convolution(size, layout, at_once, monkeypatch):
    monkeypatch.setattr(winograd, "AT_ONCE", at_once)
    torch.manual_seed(0)
    maps = torch.randn(5, 16, *size).contiguous(memory_format=layout)
    weight, slope = torch.randn(24, 16, 3, 3) / 12, torch.randn(5, 24, *size)
    expected = results(lambda m, w: conv2d(m, w, padding=1), maps.double(), weight.double(), slope.double())
    for found, value in zip(results(apply, maps, weight, slope), expected, strict=True):
        error = (found - value).square().mean().sqrt() / value.square().mean().sqrt()
        assert error < 5e-6
        assert found.shape == value.shape


@pytest.mark.parametrize("shape", [(8, 12, 3, 3), (4, 8, 3, 3), (8, 8, 1, 1)])
def test_other_kernels_are_refused(shape):
    with pytest.raises(ValueError, match="3x3, channels in multiples of 8"):
        WinogradConv2d(torch.nn.Parameter(torch.randn(shape)))


def test_a_gradient_that_is_not_asked_for_is_not_computed(monkeypatch):
    convolution = WinogradConv2d(torch.nn.Parameter(torch.randn(8, 8, 3, 3)))
    maps = torch.randn(2, 8, 6, 6, requires_grad=True)
    asked = []
    transform = winograd._images
    monkeypatch.setattr(winograd, "_images", lambda kind, *rest: asked.append(kind) or transform(kind, *rest))
    convolution.weight.requires_grad_(False)
    convolution(maps).sum().backward()
    assert asked == [OUTPUT, INPUT]
    convolution.weight.requires_grad_(True)
    convolution(maps.detach()).sum().backward()
    assert asked == [OUTPUT, INPUT, OUTPUT, WEIGHT]


def test_what_is_not_a_number_stays_so():
    maps = torch.zeros(1, 8, 9, 9)
    maps[0, 0, 0, 0] = float("nan")
    found = apply(maps, torch.ones(8, 8, 3, 3))
    assert found[..., :2, :2].isnan().all()  # and more of its tile, but not of others
    assert not found[..., 4:, 4:].isnan().any()


@pytest.mark.parametrize(("kind", "size"), [(INPUT, (5, 8)), (OUTPUT, (5, 8)), (WEIGHT, (3, 3))])
def test_the_transform_back_is_the_adjoint(kind, size):
    torch.manual_seed(0)
    images = torch.randn(3, 8, *size).contiguous(memory_format=CHANNELS_LAST)
    planes = winograd._planes(kind, images)
    other = winograd._planes_for(*planes.shape[1:]).normal_()
    back = winograd._images(kind, other, torch.empty_like(images))
    assert (planes.double() * other).sum().item() == pytest.approx((images.double() * back).sum().item(), rel=1e-4)


def test_a_backbone_keeps_its_function_and_its_names():
    torch.manual_seed(0)
    options = BackboneOptions("standard", 32, (2, 1))
    plain, swapped = Backbone(options), Backbone(options)
    swapped.load_state_dict(plain.state_dict())
    use_winograd(swapped)
    replaced = [name for name, module in swapped.named_modules() if isinstance(module, WinogradConv2d)]
    assert replaced == [
        "stages.0.0.conv1",
        "stages.0.0.conv2",
        "stages.0.1.conv1",
        "stages.0.1.conv2",
        "stages.1.0.conv2",
    ]
    assert list(swapped.state_dict()) == list(plain.state_dict())
    assert [name for name, _ in swapped.named_parameters()] == [name for name, _ in plain.named_parameters()]
    maps = torch.randn(2, 3, 40, 40).contiguous(memory_format=CHANNELS_LAST)
    torch.testing.assert_close(swapped(maps), plain(maps), rtol=1e-4, atol=1e-4)


def test_narrow_convolutions_stay_as_they_are():
    backbone = Backbone(BackboneOptions("small", 8, (1, 1)))
    use_winograd(backbone)
    assert not any(isinstance(module, WinogradConv2d) for module in backbone.modules())
