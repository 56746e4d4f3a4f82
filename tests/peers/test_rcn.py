"""RCN: its cost, its variants, the block's shared weights, its attention, and that it learns."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from ra_icl.peers.rcn import Block, Settings, network


def multiplications(built, inputs):
    """Those of all convolutions and linear layers in a forward pass."""
    total = []

    def count(layer, _, found):
        total.append(found.numel() * layer.weight[0].numel())

    for layer in built.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    built.eval()(inputs)
    return sum(total)


def test_a_costs_76_million_multiplications_an_image():
    assert round(multiplications(network(3, Settings()), torch.rand(1, 3, 60, 60)) / 1e6) == 76


@pytest.mark.parametrize(("variant", "stem"), [("A", 28), ("S", 28), ("W", 20), ("C", 20)])
def test_variants(variant, stem):
    built = network(5, Settings(variant=variant))
    assert built.stem(torch.rand(2, 3, 60, 60)).shape == (2, 64, stem, stem)
    assert built(torch.rand(2, 3, 60, 60)).shape == (2, 5)
    kernels = [layer.kernel_size[0] for layer in built.block.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [1, 3]  # the 3 x 3 weights are there once, however often they are used
    widths = [layer.out_channels for layer in built.stem.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == ([64] if variant in "AS" else [32, 16, 16])


def test_the_block_uses_the_same_weights_again():
    inputs = torch.rand(2, 4, 6, 6)
    recurrent, dense = Block(4, dense=False).eval(), Block(4, dense=True).eval()
    again = recurrent.again
    y = recurrent.once(inputs)
    torch.testing.assert_close(recurrent(inputs), again(inputs + again(inputs + y)))
    again = dense.again
    y = dense.once(inputs)
    z = again(inputs + y)
    e = again(inputs + y + z)
    torch.testing.assert_close(dense(inputs), again(inputs + y + z + e))


@pytest.mark.parametrize(("variant", "read"), [("A", 4), ("C", 3)])
def test_attention_is_the_classifiers_response_at_each_place(variant, read):
    """A has a weight for each of the stem's maps; for all channels of the input, C has the mean of these weights."""
    built = network(3, Settings(variant=variant, maps=4, pooled=3)).eval()
    maps = torch.rand(2, read, 9, 9)
    expected = torch.zeros(2, 1, 3, 3)
    for b in range(2):
        for label in range(3):
            weights = built.classifier.weight[label].reshape(4, 3, 3)
            response = torch.zeros(3, 3)
            for i in range(3):
                for j in range(3):
                    for m in range(read):
                        mean = maps[b, m, 3 * i : 3 * i + 3, 3 * j : 3 * j + 3].mean()
                        response[i, j] += mean * (weights[m, i, j] if variant == "A" else weights[:, i, j].mean())
            expected[b, 0] += (response - response.min()) / (response.max() - response.min()) / 3
    torch.testing.assert_close(built.attention(maps), expected, rtol=1e-3, atol=1e-4)


def test_a_weighs_what_leaves_the_block_and_c_what_enters_it():
    inputs = torch.rand(2, 3, 60, 60)
    built = network(3, Settings(maps=4)).eval()
    stem = built.stem(inputs)
    features = functional.adaptive_avg_pool2d(built.reduce(built.block(stem)), 7) * built.attention(stem)
    torch.testing.assert_close(built(inputs), built.classifier(features.flatten(1)))

    built = network(3, Settings(variant="C", maps=4)).eval()
    entered = []
    built.block.register_forward_hook(lambda block, given, found: entered.append(given[0]))
    built(inputs)
    stem, attention = built.stem(inputs), built.attention(inputs)
    for i in range(20):
        for j in range(20):  # the nearest of 7 x 7 places, as PyTorch's default has it
            expected = stem[:, :, i, j] * attention[:, :, i * 7 // 20, j * 7 // 20]
            torch.testing.assert_close(entered[0][:, :, i, j], expected)


def test_pooling_before_relu_changes_nothing():
    stem = network(3, Settings(maps=4)).eval().stem
    inputs = torch.rand(2, 3, 20, 20)
    convolution, norm, pool, relu, _ = stem
    torch.testing.assert_close(stem(inputs), pool(relu(norm(convolution(inputs)))))


@pytest.mark.parametrize("variant", ["A", "S", "W", "C"])
def test_it_learns(learn, variant):
    losses = learn("rcn", variant=variant, size=28, maps=16, learning_rate=0.02, batch=8, epochs=12)
    assert losses[-1] < 0.4
