"""HTNet: its weights, its patches, its one token, and a step of it."""

import pytest
import torch

from ra_icl.peers.htnet import Attention, Settings, network, prepare

SMALL = {"width": 12, "repeats": (1, 1, 2)}


def test_its_weights():
    with torch.device("meta"):
        built = network(3, Settings())
    assert sum(value.numel() for value in built.parameters()) == 139_582_982  # as its code has
    assert [len(level.layers) for level in built.levels] == [2, 2, 10]


def test_shapes():
    built = network(3, Settings(**SMALL))
    tokens = built.embed(torch.rand(2, 3, 28, 28))
    for merge, width, side in zip(built.merges, (12, 24), (4, 2), strict=True):
        assert tokens.shape == (2, width, side, side)
        tokens = merge(tokens)
    assert tokens.shape == (2, 48, 1, 1)
    assert built(torch.rand(2, 3, 28, 28)).shape == (2, 3)


@pytest.mark.parametrize("transposed", [True, False])
def test_patches_lie_about_the_landmarks_cut_to_whole_pixels(transposed):
    maps = torch.arange(2 * 3 * 28 * 28.0).reshape(2, 3, 28, 28)[:, :, torch.randperm(28)]
    joined = prepare(maps, Settings(transposed=transposed))
    assert joined.shape == (2, 3, 28, 28)
    # x, y of both eyes and both corners of the mouth, each within 7 to 21; and where their patches go.
    for (x, y), (top, left) in {(9, 11): (0, 0), (21, 10): (0, 14), (10, 21): (14, 0), (20, 21): (14, 14)}.items():
        row, column = (x, y) if transposed else (y, x)
        for i in range(14):
            for j in range(14):
                for sequence, channel in ((0, 0), (1, 2)):
                    one = maps[sequence, channel]
                    value = one[row - 7 + i, column - 7 + j]
                    expected = 255 * (value - one.min()) / (one.max() - one.min())
                    assert abs(joined[sequence, channel, top + i, left + j] - expected) < 0.01


def test_attention_over_one_token_is_a_linear_layer():
    attention = Attention(width=12, heads=3)
    tokens = torch.rand(2, 12, 4, 4)
    values = attention.project(tokens)[:, 24:]  # after queries and keys
    torch.testing.assert_close(attention(tokens), attention.out(values))
    attention(tokens).square().sum().backward()
    assert attention.project.weight.grad[:24].abs().max() == 0
    assert attention.project.weight.grad[24:].abs().min() > 0


def test_tokens_meet_only_between_levels():
    built = network(3, Settings(**SMALL)).eval()
    tokens = torch.rand(1, 12, 4, 4)
    other = tokens.clone()
    other[0, :, 2, 1] += 1
    moved = (built.levels[0](other) - built.levels[0](tokens)).abs().amax(dim=(0, 1)) > 0
    assert moved.nonzero().tolist() == [[2, 1]]
    assert ((built.merges[0](other) - built.merges[0](tokens)).abs().amax(dim=(0, 1)) > 0).sum() > 1


def test_what_the_last_level_finds_is_normalised():
    """Without the norm before the mean, the classifier would see tokens ten times as large."""
    built = network(3, Settings(**SMALL)).eval()
    inputs = torch.rand(2, 3, 28, 28)
    before = built(inputs)
    built.levels[-1].register_forward_hook(lambda level, given, found: 10 * found)
    torch.testing.assert_close(built(inputs), before, rtol=1e-3, atol=1e-4)


def test_a_step_lowers_the_loss(learn):
    losses = learn("htnet", **SMALL, learning_rate=0.0003, batch=24, epochs=2)
    assert losses[1] < losses[0]
