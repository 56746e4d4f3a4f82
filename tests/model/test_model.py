"""The network: shapes, the CAM identity, the regions, the Siamese pair and its EMA (Eq. 3)."""

import importlib

import pytest
import torch

from ra_icl.errors import InputError
from ra_icl.model.backbone import Backbone, Projection
from ra_icl.model.options import BackboneOptions, ModelOptions, RegionOptions
from ra_icl.model.regions import RegionDiscovery, region_heatmaps, sine_positions, sinkhorn
from ra_icl.model.siamese import Siamese
from ra_icl.planning.options import from_mapping

DECLARED = torch.library.Library("torchvision", "FRAGMENT")  # a declaration lives as long as its library

SMALL = ModelOptions(
    BackboneOptions("small", 8, (1, 1)),
    RegionOptions(queries=3, width=16, heads=2, feedforward=16, hidden=16, embedding=8),
    target_decay=0.9,
)


def torchvision_resnet18():
    """torchvision's ResNet18. PyPI builds it for CUDA: beside a CPU build of PyTorch its import lacks two operators."""
    try:
        return importlib.import_module("torchvision.models.resnet").resnet18(weights=None)
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    DECLARED.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    DECLARED.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return importlib.import_module("torchvision.models.resnet").resnet18(weights=None)


@pytest.mark.parametrize("training", [False, True])
def test_the_default_backbone_is_torchvisions_resnet18(training):
    """By its parameters' names too: its weights load as they are, and give its features."""
    reference = torchvision_resnet18().train(training)
    with torch.no_grad():  # running statistics of their own
        reference.train()(torch.rand(4, 3, 64, 64))
    ours = Backbone(BackboneOptions()).train(training)
    weights = {name: value for name, value in reference.state_dict().items() if not name.startswith("fc.")}
    assert list(ours.state_dict()) == list(weights)
    ours.load_state_dict(weights)
    reference.train(training)
    maps = torch.rand(2, 3, 64, 64)
    expected = torch.nn.Sequential(*list(reference.children())[:-2])(maps)
    assert expected.shape == (2, 512, 2, 2)
    torch.testing.assert_close(ours(maps), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("stem", "size"), [("standard", 1), ("small", 4)])
def test_stem_decides_the_feature_size(stem, size):
    options = BackboneOptions(stem, 8, (1, 1, 1, 1))
    assert Backbone(options)(torch.rand(2, 3, 28, 28)).shape == (2, options.channels, size, size)


def test_logits_are_the_mean_of_the_attention_maps():
    view = Siamese(3, SMALL).eval().online(torch.rand(2, 3, 12, 12))
    assert torch.allclose(view.attention.mean(dim=(2, 3)), view.logits, atol=1e-5)


def test_region_similarity_is_a_cosine_per_pixel():
    regions = RegionDiscovery(16, SMALL.regions).eval()
    features = torch.rand(2, 16, 3, 4)
    similarity, masks = regions(features)
    assert torch.allclose(masks.norm(dim=-1), torch.ones(2, 3), atol=1e-5)
    for b, n, u, v in [(0, 0, 0, 0), (1, 2, 2, 3), (0, 1, 1, 2)]:
        dense = regions.projector(features[b, :, u, v][None])[0]
        expected = torch.cosine_similarity(masks[b, n], dense, dim=0)
        assert similarity[b, n, u, v].item() == pytest.approx(expected.item(), abs=1e-5)


def test_embeddings_project_the_pooled_regions():
    regions = RegionDiscovery(16, SMALL.regions).eval()
    features = torch.rand(2, 16, 3, 4)
    heatmaps = region_heatmaps(regions(features)[0])
    pooled = (heatmaps[1, 2] * features[1]).sum(dim=(1, 2)) / heatmaps[1, 2].sum()
    assert torch.allclose(regions.embed(features, heatmaps)[1, 2], regions.projector(pooled[None])[0], atol=1e-5)


def test_sine_positions_differ_everywhere():
    codes = sine_positions(16, 4, 5)
    assert codes.shape == (20, 16)
    assert torch.cdist(codes, codes).fill_diagonal_(1).min() > 0.05


def test_sinkhorn_balances_the_regions():
    heatmaps = torch.rand(2, 3, 4, 4).pow(4)
    balanced = sinkhorn(heatmaps / heatmaps.sum(dim=1, keepdim=True), iterations=20)
    assert torch.allclose(balanced.sum(dim=1), torch.ones(2, 4, 4), atol=1e-5)
    assert torch.allclose(balanced.mean(dim=(0, 2, 3)), torch.full((3,), 1 / 3), atol=1e-3)


def test_target_starts_as_a_copy_and_needs_no_gradient():
    model = Siamese(3, SMALL)
    assert all(torch.equal(a, b) for a, b in zip(model.online.parameters(), model.target.parameters(), strict=True))
    assert not any(parameter.requires_grad for parameter in model.target.parameters())


def test_ema_moves_the_target_as_eq_3_says():
    model = Siamese(3, SMALL)
    before = [parameter.clone() for parameter in model.target.parameters()]
    with torch.no_grad():
        for parameter in model.online.parameters():
            parameter.add_(torch.randn_like(parameter))
    model.update_target(torch.tensor(0.9))
    for xi, old, theta in zip(model.target.parameters(), before, model.online.parameters(), strict=True):
        assert torch.allclose(xi, 0.9 * old + 0.1 * theta, atol=1e-6)


def test_the_targets_running_statistics_are_never_read():
    model = Siamese(3, SMALL).train()
    maps = torch.rand(4, 3, 12, 12)
    before = model.target(maps)
    for buffer in model.target.buffers():
        buffer.fill_(7)
    after = model.target(maps)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("cls", "values", "word"),
    [
        (BackboneOptions, {"stem": "tiny"}, r"m\.stem: is 'tiny'; choose 'standard' or 'small'"),
        (BackboneOptions, {"blocks": []}, r"m\.blocks: is \[\]; give a list of at least 1"),
        (BackboneOptions, {"blocks": [2, 0]}, r"m\.blocks\.1: is 0; give at least 1"),
        (RegionOptions, {"width": 30, "heads": 8}, r"m: width is 30; give a multiple of heads \(8\) and of 4"),
        (RegionOptions, {"temperature": 0.02}, r"m\.temperature: is 0\.02; give at least 0\.025"),
        (ModelOptions, {"target_decay": 1.5}, r"m\.target_decay: is 1\.5; give at most 1"),
    ],
)
def test_bad_options_are_refused_by_name(cls, values, word):
    with pytest.raises(InputError, match=f"config: {word}"):
        from_mapping(cls, values, "m")


@pytest.mark.parametrize("shape", [(4, 8, 64, 64), (2, 3, 7, 7), (4, 16, 15, 15)])
def test_the_projection_is_a_strided_convolution(shape):
    """Against PyTorch's own in contiguous memory, whose backward pass is sound."""
    projection = Projection(shape[1], 6, 2)
    maps = torch.randn(shape)
    ours = maps.contiguous(memory_format=torch.channels_last).requires_grad_()
    theirs = maps.clone().requires_grad_()
    weight = projection.weight.detach().clone().requires_grad_()
    found = projection(ours)
    expected = torch.nn.functional.conv2d(theirs, weight, stride=2)
    torch.testing.assert_close(found, expected)
    found.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    torch.testing.assert_close(projection.weight.grad, weight.grad, rtol=1e-4, atol=1e-3)
