"""Dual-Inception: its weights, its branches, its pictures, and that it learns."""

import pytest
import torch
from torch import nn

from ra_icl.peers.dual_inception import DualInception, Inception, Settings, network, prepare


def test_its_weights():
    built = network(3, Settings())
    assert sum(value.numel() for value in built.parameters()) == 6_449_963  # 6.45 million
    assert built.hidden.in_features == 2 * 7 * 7 * 64
    assert built(torch.rand(2, 6, 28, 28)).shape == (2, 3)


def test_the_four_branches_see_1_3_5_and_3_pixels():
    """A single pixel's change reaches as far as the kernels of each branch, and no further."""
    block = Inception(3, maps=2)
    with torch.no_grad():
        for module in block.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.fill_(0.1)
                module.bias.fill_(0.1)
    before = torch.zeros(1, 3, 11, 11)
    after = before.clone()
    after[0, :, 5, 5] = 1
    moved = (block(after) - block(before)).abs().amax(dim=0)  # (8, 11, 11)
    reach = [int((moved[2 * branch : 2 * branch + 2].amax(dim=0).amax(dim=0) > 0).sum()) for branch in range(4)]
    assert reach == [1, 3, 5, 3]


def test_u_and_v_are_pictures_of_three_equal_channels_and_have_a_stream_each(blobs):
    maps, _ = blobs
    inputs = prepare(maps, Settings())
    for channel in range(6):
        one = maps[5, channel // 3]
        torch.testing.assert_close(inputs[5, channel], (one - one.min()) / (one.max() - one.min()))
    built = DualInception(3, Settings(hidden=8))
    built.hidden.weight.data[:, 7 * 7 * 64 :] = 0  # what v's stream gives
    other = torch.cat([inputs[:2, :3], torch.rand(2, 3, 28, 28)], dim=1)
    torch.testing.assert_close(built(other), built(inputs[:2]))
    with pytest.raises(AssertionError):
        torch.testing.assert_close(built(other.flip(1)), built(inputs[:2]))


def test_it_learns(learn):
    losses = learn("dual_inception", learning_rate=0.001, maps=(2, 4), hidden=32, epochs=8)
    assert losses[-1] < 0.3
