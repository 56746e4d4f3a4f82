"""STSTNet: its weights, its three streams, the authors' own weights, and that it learns."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from ra_icl.errors import InputError
from ra_icl.peers.ststnet import STREAMS, Settings, load_published, network, prepare


def published(classes=3):
    """Tensors with the names and shapes that the authors' PyTorch code saves."""
    generator, found = torch.Generator().manual_seed(0), {}
    for n, maps in enumerate(STREAMS, start=1):
        found[f"conv{n}.weight"] = torch.randn(maps, 3, 3, 3, generator=generator)
        found[f"conv{n}.bias"] = torch.randn(maps, generator=generator)
        for key in ("weight", "bias", "running_mean"):
            found[f"bn{n}.{key}"] = torch.randn(maps, generator=generator)
        found[f"bn{n}.running_var"] = torch.rand(maps, generator=generator) + 0.5
        found[f"bn{n}.num_batches_tracked"] = torch.tensor(7)
    found["fc.weight"] = torch.randn(classes, 400, generator=generator)
    found["fc.bias"] = torch.randn(classes, generator=generator)
    return found


def test_its_weights():
    counts = {name: value.numel() for name, value in network(3, Settings()).named_parameters()}
    assert sum(counts.values()) == 1683  # the authors' files hold as many
    # One bias for each stream would give the paper's 1,670, which it does not break down.
    assert sum(counts.values()) - counts["streams.0.bias"] + len(STREAMS) == 1670


@pytest.mark.parametrize("padding", [1, 2])
def test_features_are_five_pixels_wide_with_either_padding(padding):
    built = network(4, Settings(padding=padding))
    assert built.pool(built.streams(torch.rand(2, 3, 28, 28))).shape == (2, 16, 5, 5)
    assert built(torch.rand(2, 3, 28, 28)).shape == (2, 4)


def test_published_weights_predict_as_three_streams_on_images_with_blue_first():
    tensors = published()
    maps = torch.rand(5, 3, 28, 28)  # u, v, strain
    inputs = prepare(maps, Settings())
    blue_first = torch.stack([inputs[:, 2], inputs[:, 1], inputs[:, 0]], dim=1)
    streams = []
    for n in (1, 2, 3):
        one = functional.conv2d(blue_first, tensors[f"conv{n}.weight"], tensors[f"conv{n}.bias"], padding=2).relu()
        scale = tensors[f"bn{n}.weight"] / (tensors[f"bn{n}.running_var"] + 1e-5).sqrt()
        shift = tensors[f"bn{n}.bias"] - tensors[f"bn{n}.running_mean"] * scale
        one = one * scale[:, None, None] + shift[:, None, None]
        streams.append(functional.max_pool2d(one, kernel_size=3, stride=3, padding=1))
    features = functional.avg_pool2d(torch.cat(streams, dim=1), kernel_size=2)
    expected = nn.functional.linear(features.flatten(1), tensors["fc.weight"], tensors["fc.bias"])
    torch.testing.assert_close(load_published(tensors)(inputs), expected, rtol=1e-4, atol=0.1)


@pytest.mark.parametrize("fault", ["missing", "shape"])
def test_other_weights_are_refused_in_one_line(fault):
    tensors = published()
    if fault == "missing":
        del tensors["bn2.weight"]
    else:
        tensors["fc.weight"] = torch.zeros(3, 144)
    with pytest.raises(InputError, match=r"published weights: .*(bn2\.weight|classifier\.weight)") as caught:
        load_published(tensors)
    assert "\n" not in str(caught.value)


def test_inputs_run_from_0_to_255_whatever_the_unit(blobs):
    maps, _ = blobs
    inputs = prepare(maps, Settings())
    assert inputs.amin((2, 3)).eq(0).all()
    torch.testing.assert_close(inputs.amax((2, 3)), torch.full((24, 3), 255.0))
    torch.testing.assert_close(prepare(40 * maps - 3, Settings()), inputs, atol=0.01, rtol=0)


def test_it_learns(learn):
    losses = learn("ststnet", learning_rate=0.01, batch=8, epochs=25)
    assert losses[-1] < 0.1
