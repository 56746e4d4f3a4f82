"""Keys of region discovery beyond the paper: decoder input, masks of the batch, two projectors, the classifier's W."""

from dataclasses import replace

import pytest
import torch

from ra_icl.model.options import BackboneOptions, ModelOptions, RegionOptions
from ra_icl.model.regions import MASK_DECAY, RegionDiscovery
from ra_icl.model.siamese import Siamese

OPTIONS = RegionOptions(queries=3, width=16, heads=2, feedforward=16, hidden=16, embedding=8)
CHANNELS = 16


def regions_of(**changes):
    torch.manual_seed(0)
    return RegionDiscovery(CHANNELS, replace(OPTIONS, **changes))


def features(batch=5):
    return torch.rand(batch, CHANNELS, 3, 4)


@pytest.mark.parametrize(("decoder_input", "low", "high"), [("queries", 0.02, 1), ("zeros", 0, 0.005)])
def test_only_queries_that_are_the_decoders_input_differ_at_the_start(decoder_input, low, high):
    """Of the paper's decoder: the standard deviation of S over the queries."""
    torch.manual_seed(0)
    similarity, _ = RegionDiscovery(CHANNELS, RegionOptions(decoder_input=decoder_input))(features())
    assert low < similarity.std(dim=1, correction=0).mean() < high


def test_masks_of_the_batch_are_the_mean_of_its_images():
    plain, averaged = regions_of(), regions_of(batch_masks=True)
    maps = features()
    expected = [sum(mask) / 5 for mask in zip(*plain._mask_embeddings(maps).flatten(1).tolist(), strict=True)]
    expected = torch.nn.functional.normalize(torch.tensor(expected).view(3, 8), dim=1)
    similarity, masks = averaged(maps)
    for image in masks:
        assert torch.allclose(image, expected, atol=1e-5)
    dense = torch.nn.functional.normalize(averaged._dense(maps), dim=1)
    assert similarity[4, 2, 1, 3].item() == pytest.approx((expected[2] @ dense[4, :, 1, 3]).item(), abs=1e-5)
    different = plain(maps)[1]
    assert (different[0] - different[1]).abs().max() > 1e-3  # of each image by default


def test_inference_takes_the_moving_average_of_the_batches_masks():
    regions, expected = regions_of(batch_masks=True), torch.zeros(3, 8)
    for _ in range(4):
        maps = features()
        mean = regions._mask_embeddings(maps).detach().mean(dim=0)
        expected = MASK_DECAY * expected + (1 - MASK_DECAY) * mean
        regions(maps)
    assert torch.allclose(regions.masks, expected, atol=1e-6)
    regions.eval()
    maps = features()
    _, masks = regions(maps)
    assert torch.allclose(masks[1], torch.nn.functional.normalize(expected, dim=1), atol=1e-5)
    alone, together = regions(maps[:1])[0], regions(maps)[0]
    assert torch.allclose(alone, together[:1], atol=1e-6)
    assert torch.allclose(regions.masks, expected, atol=1e-6)  # and leaves it as it is


def test_one_projector_by_default_or_one_for_pixels_and_one_for_regions():
    shared, separate = regions_of(), regions_of(projectors="separate")
    assert not [name for name in shared.state_dict() if name.startswith("pixel_projector")]
    maps, heatmaps = features(), torch.rand(5, 3, 3, 4)
    for regions, affected in ((shared, {"S", "z"}), (separate, {"z"})):
        regions.eval()
        before = regions(maps)[0], regions.embed(maps, heatmaps)
        with torch.no_grad():
            for parameter in regions.projector.parameters():
                parameter.add_(torch.rand_like(parameter))
        after = regions(maps)[0], regions.embed(maps, heatmaps)
        changed = {name for name, old, new in zip("Sz", before, after, strict=True) if not torch.equal(old, new)}
        assert changed == affected
    before = separate(maps)[0], separate.embed(maps, heatmaps)
    with torch.no_grad():
        for parameter in separate.pixel_projector.parameters():
            parameter.add_(torch.rand_like(parameter))
    assert not torch.equal(separate(maps)[0], before[0])
    assert torch.equal(separate.embed(maps, heatmaps), before[1])


def test_dropout_is_on_in_training_only():
    regions, maps = regions_of(dropout=0.5), features()
    assert not torch.equal(regions(maps)[1], regions(maps)[1])
    regions.eval()
    assert torch.equal(regions(maps)[1], regions(maps)[1])
    plain = regions_of()
    assert torch.equal(plain(maps)[1], plain(maps)[1])


@pytest.mark.parametrize("detached", [False, True])
def test_a_detached_classifier_gets_no_gradient_from_the_attention_maps(detached):
    options = ModelOptions(BackboneOptions("small", 8, (1, 1)), OPTIONS, detach_classifier=detached)
    online = Siamese(3, options).online
    view = online(torch.rand(4, 3, 8, 8))
    view.attention.square().mean().backward(retain_graph=True)
    assert (online.classifier.weight.grad is None) == detached
    assert online.backbone.conv1.weight.grad.abs().max() > 0  # the maps move the features either way
    view.logits.square().mean().backward()
    assert online.classifier.weight.grad.abs().max() > 0
