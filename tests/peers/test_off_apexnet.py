"""OFF-ApexNet: its weights, that its groups are two streams, and that it learns."""

import torch
from torch.nn import functional

from ra_icl.peers.off_apexnet import Settings, network, prepare


def test_its_weights_and_layers():
    built = network(3, Settings())
    assert sum(value.numel() for value in built.parameters()) == 2_664_475
    depth = [layer for layer in built if hasattr(layer, "weight")]
    assert len(depth) == 5
    assert built(torch.rand(2, 2, 28, 28)).shape == (2, 3)


def test_the_groups_are_a_stream_of_u_and_a_stream_of_v():
    built = network(3, Settings()).eval()
    inputs = torch.rand(4, 2, 28, 28)
    first, second = (layer for layer in built if isinstance(layer, torch.nn.Conv2d))
    streams = []
    for n in range(2):
        one = inputs[:, n : n + 1]
        for layer, maps in ((first, 6), (second, 16)):
            part = slice(n * maps, (n + 1) * maps)
            one = functional.conv2d(one, layer.weight[part], layer.bias[part], padding=2).relu()
            one = functional.max_pool2d(one, 2)
        assert one.shape == (4, 16, 7, 7)
        streams.append(one.flatten(1))
    head = built[list(built).index(next(layer for layer in built if isinstance(layer, torch.nn.Flatten))) + 1 :]
    torch.testing.assert_close(head(torch.cat(streams, dim=1)), built(inputs))


def test_it_is_fed_u_and_v_alone(blobs):
    maps, _ = blobs
    inputs = prepare(maps, Settings(top=2.0))
    assert inputs.shape == (24, 2, 28, 28)
    for sequence, channel in ((0, 0), (7, 1)):
        one = maps[sequence, channel]
        torch.testing.assert_close(inputs[sequence, channel], 2 * (one - one.min()) / (one.max() - one.min()))


def test_it_learns(learn):
    losses = learn("off_apexnet", learning_rate=0.005, hidden=64, batch=8, epochs=12)
    assert losses[-1] < 0.3
