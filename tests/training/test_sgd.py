"""SGD against PyTorch's class."""

import copy

import torch
from torch import nn

from ra_icl.training.sgd import Sgd


def test_it_is_pytorchs_sgd():
    ours = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Conv2d(5, 4, 2))
    theirs = copy.deepcopy(ours)
    sgd = Sgd(ours, rate=0.01, momentum=0.9, weight_decay=0.1)
    expected = torch.optim.SGD(theirs.parameters(), lr=0.01, momentum=0.9, weight_decay=0.1)
    start = copy.deepcopy(ours.state_dict())
    for _ in range(4):
        maps = torch.randn(2, 3, 6, 6)
        for model, optimiser in ((ours, sgd), (theirs, expected)):
            optimiser.zero_grad()
            model(maps).square().mean().backward()
            optimiser.step()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name], msg=name)
    assert not torch.equal(ours.state_dict()["0.weight"], start["0.weight"])
    velocity = expected.state[theirs[2].weight]["momentum_buffer"]
    torch.testing.assert_close(sgd.tensors["velocity.2.weight"], velocity)
