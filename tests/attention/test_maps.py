"""CAM, Grad-CAM and Guided Grad-CAM against each other and against gradients taken by hand."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from ra_icl.attention.maps import all_activations, class_maps, enlarged, regions_of
from ra_icl.model.options import BackboneOptions, ModelOptions
from ra_icl.model.siamese import Branch

CLASSES = [2, 0, 1, 1]


@pytest.fixture(params=[BackboneOptions("small", 6, (1, 2)), BackboneOptions("standard", 4, (2, 1))], ids="sl")
def network(request):
    """A network whose BatchNorm has seen something, on inputs of 32 pixels."""
    found = Branch(3, ModelOptions(request.param), discover=False)
    with torch.no_grad():
        found.backbone.train()(torch.rand(8, 3, 32, 32))
    return found.eval()


@pytest.fixture
def inputs():
    return torch.rand(4, 3, 32, 32)


class GuidedReLU(torch.autograd.Function):
    """Springenberg et al., 2014: a gradient passes where both it and the activation are positive."""

    @staticmethod
    def forward(context, values):
        context.save_for_backward(values)
        return values.clamp(min=0)

    @staticmethod
    def backward(context, gradient):
        (values,) = context.saved_tensors
        return gradient * (gradient > 0) * (values > 0)


class Guided(nn.Module):
    def forward(self, values):
        return GuidedReLU.apply(values)


def replace_relus(module):
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, Guided())
        else:
            replace_relus(child)


def test_grad_cam_of_a_linear_head_on_pooled_features_is_its_cam_up_to_a_factor(network, inputs):
    found = class_maps(network, inputs, CLASSES)
    with torch.no_grad():
        features = network.backbone(inputs)
    _, channels, height, width = features.shape
    expected = torch.zeros(4, height, width)
    for image, label in enumerate(CLASSES):
        for channel in range(channels):
            expected[image] += network.classifier.weight[label, channel].detach() * features[image, channel]
    torch.testing.assert_close(found.cam, expected, rtol=1e-4, atol=1e-5)
    assert (expected < 0).any()
    torch.testing.assert_close(found.grad_cam * height * width, expected.clamp(min=0), rtol=1e-4, atol=1e-5)


def test_guided_grad_cam_is_guided_backpropagation_times_grad_cam(network, inputs):
    by_hand = copy.deepcopy(network)
    replace_relus(by_hand)
    given = inputs.clone().requires_grad_()
    by_hand.classify(given)[torch.arange(4), CLASSES].sum().backward()
    plain = inputs.clone().requires_grad_()
    network.classify(plain)[torch.arange(4), CLASSES].sum().backward()
    assert not torch.allclose(given.grad, plain.grad, atol=1e-3 * plain.grad.abs().max())
    found = class_maps(network, inputs, CLASSES)
    weight = functional.interpolate(found.grad_cam[:, None], (32, 32), mode="bilinear", align_corners=False)
    assert found.guided.abs().max() > 0
    torch.testing.assert_close(found.guided, given.grad * weight)


def test_looking_leaves_the_network_as_it_was(network, inputs):
    before, logits = copy.deepcopy(network.state_dict()), network.classify(inputs).detach()
    class_maps(network, inputs, CLASSES)
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in before.items())
    assert torch.equal(network.classify(inputs), logits)
    assert all(module.inplace for module in network.backbone.modules() if isinstance(module, nn.ReLU))
    assert all(parameter.grad is None for parameter in network.parameters())


def test_maps_do_not_depend_on_how_many_are_looked_at_at_once(network, inputs, monkeypatch):
    at_once = class_maps(network, inputs, CLASSES)
    logits, all_maps = all_activations(network, inputs)
    monkeypatch.setattr("ra_icl.attention.maps.AT_ONCE", 3)
    for one, other in zip(at_once, class_maps(network, inputs, CLASSES), strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(all_activations(network, inputs)[1], all_maps)
    torch.testing.assert_close(all_maps.mean(dim=(2, 3)), logits)  # a CAM's mean is the class's logit


def test_regions_are_the_softmax_over_queries_at_the_networks_temperature(small_method):
    options = copy.deepcopy(small_method.model)
    object.__setattr__(options.regions, "temperature", 0.05)
    network = Branch(3, options, discover=True).eval()
    inputs = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        similarity = network(inputs).similarity
    found = regions_of(network, inputs)
    expected = torch.exp(similarity / 0.05)
    torch.testing.assert_close(found, expected / expected.sum(dim=1, keepdim=True))
    assert found.std(dim=1).max() > 0.01


def test_a_cell_covers_its_share_of_the_picture():
    maps = torch.arange(16.0).view(1, 1, 4, 4)
    large = enlarged(maps, 12)
    assert large.shape == (1, 1, 12, 12)
    torch.testing.assert_close(large[..., 1::3, 1::3], maps)  # the middle of each cell
    assert large[0, 0, 0, 0] == 0
    assert large[0, 0, 1, 2] == pytest.approx(1 / 3)
