"""Adam against PyTorch's class."""

import copy

import torch
from torch import nn

from ra_icl.training.adam import Adam


def test_it_is_pytorchs_adam_bit_for_bit():
    """Over several steps with a falling rate, with a layout of memory that is not the default, and a frozen layer."""
    ours = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Conv2d(5, 4, 2)).to(
        memory_format=torch.channels_last
    )
    ours[1].requires_grad_(False)
    theirs = copy.deepcopy(ours)
    adam = Adam(ours, 0.01, 0.1, torch.device("cpu"))
    expected = torch.optim.Adam(
        [p for p in theirs.parameters() if p.requires_grad], lr=0.01, weight_decay=0.1, fused=True
    )
    assert set(adam.parameters) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    start = copy.deepcopy(ours.state_dict())
    for step in range(4):
        maps = torch.randn(2, 3, 6, 6)
        for model, optimiser in ((ours, adam), (theirs, expected)):
            optimiser.zero_grad()
            model(maps).square().mean().backward()
            optimiser.step()
        adam.set_rate(0.01 * 0.5**step)
        expected.param_groups[0]["lr"] = 0.01 * 0.5**step
    for name, value in ours.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name]), name
    assert not torch.equal(ours.state_dict()["0.weight"], start["0.weight"])
    assert adam.tensors["steps"].tolist() == [4] * 4
    assert torch.equal(adam.tensors["second.2.weight"], expected.state[theirs[2].weight]["exp_avg_sq"])
