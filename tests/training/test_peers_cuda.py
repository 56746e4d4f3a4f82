"""Every peer's network trains on a GPU, to what it is on a CPU. Needs no pydantic."""

import numpy as np
import pytest
import torch
from small_networks import NETWORKS

from ra_icl.peers.registry import load_peer
from ra_icl.training.peers import NetworkTraining

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")


@pytest.mark.parametrize("case", NETWORKS)
def test_every_network_trains_on_a_gpu(case):
    name = case.split()[0]
    settings = dict(NETWORKS[case])
    if hasattr(load_peer({"name": name}).settings, "dropout"):
        settings["dropout"] = 0.0  # devices draw differently
    peer = load_peer({"name": name, "epochs": 3, "shuffle": False} | settings)
    maps, labels = torch.rand(7, 3, 40, 40), torch.arange(7) % 3
    found = {}
    for device in ("cpu", "cuda"):
        data = (maps.to(device), maps[:2].to(device), labels.to(device))
        training = NetworkTraining(peer, *data, 3, seed=0, device=device)
        trained = training.run()
        found[device] = [epoch["loss"] for epoch in trained.curve], trained.probabilities
    # Within what three steps change, least in OFF-ApexNet (6e-4), and above what rounding does (1e-4).
    assert found["cuda"][0] == pytest.approx(found["cpu"][0], rel=3e-4)
    np.testing.assert_allclose(found["cuda"][1], found["cpu"][1], atol=3e-4)
