"""The AlexNet baseline of CAS(ME)³: its weights, with and without depth, and that it learns."""

import pytest
import torch

from ra_icl.errors import InputError
from ra_icl.peers.alexnet import AlexNet, Settings, network, prepare


def test_its_weights():
    with torch.device("meta"):
        usual = AlexNet(3, 1000, hidden=4096, dropout=0.5)
        assert sum(value.numel() for value in usual.parameters()) == 61_100_840  # as torchvision's
        flow, depth = network(7, Settings()), network(7, Settings(depth=True))
    weights = [sum(value.numel() for value in one.parameters()) for one in (flow, depth)]
    assert weights[1] - weights[0] == 64 * 11 * 11


def test_shapes():
    flow, depth = network(7, Settings(hidden=8)), network(7, Settings(hidden=8, depth=True))
    assert flow.features(torch.rand(1, 3, 224, 224)).shape == (1, 256, 6, 6)
    assert flow(torch.rand(2, 3, 63, 63)).shape == depth(torch.rand(2, 4, 63, 63)).shape == (2, 7)


def test_depth_is_a_fourth_channel_where_it_is_asked_for():
    maps = torch.rand(2, 4, 70, 70)
    inputs = prepare(maps, Settings(size=70, depth=True))
    for channel in range(4):
        one = maps[1, channel]
        torch.testing.assert_close(inputs[1, channel], (one - one.min()) / (one.max() - one.min()))
    torch.testing.assert_close(prepare(maps, Settings(size=70)), inputs[:, :3])
    with pytest.raises(InputError, match="depth: true needs maps with depth"):
        prepare(maps[:, :3], Settings(size=70, depth=True))


def test_it_learns(learn):
    losses = learn("alexnet", size=63, hidden=512, learning_rate=0.0002, batch=12, epochs=20, dropout=0.0)
    assert losses[-1] < 0.5
