"""Inference: the middle instance, or the mean of the probabilities over instances and mirror images, one at a time."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fold_data import CLASSES, changed, moving_blobs

from ra_icl.model.siamese import Siamese
from ra_icl.training import prediction
from ra_icl.training.loop import Training
from ra_icl.training.prediction import predict

COUNTS = (3, 1, 4)


@pytest.fixture
def sets():
    """Three sequences of 3, 1 and 4 instances, the maps in another order than the sequences."""
    plain = moving_blobs(3, 4, seed=1)
    return replace(plain, first=torch.tensor([8, 4, 0]), count=torch.tensor(COUNTS))


@pytest.fixture
def network(small_method):
    """A branch with statistics of its own, in training mode."""
    online = Siamese(CLASSES, small_method.model).online.train()
    for _ in range(3):
        online.classify(torch.rand(6, 3, 16, 16))
    return online


def mirrored(maps, negate_u):
    """Rows read backwards; a mirror image may also reverse u."""
    found = maps.clone()
    for column in range(maps.shape[-1]):
        found[:, :, column] = maps[:, :, maps.shape[-1] - 1 - column]
    if negate_u:
        found[0] = 1 - found[0]
    return found


def naive(network, sets, every, mirror, negate_u=False):
    """The mean of the probabilities over instances and mirror images, an image at a time."""
    network.eval()
    rows = []
    for first, count in zip(sets.first.tolist(), sets.count.tolist(), strict=True):
        chosen = range(first, first + count) if every else [first + (count - 1) // 2]
        images = [sets.maps[number].float() for number in chosen]
        if mirror:
            images += [mirrored(image, negate_u) for image in images]
        total = [0.0] * CLASSES
        for image in images:
            with torch.no_grad():
                share = network.classify(image[None]).softmax(dim=1)[0].tolist()
            total = [one + other / len(images) for one, other in zip(total, share, strict=True)]
        rows.append(total)
    return np.array(rows)


@pytest.mark.parametrize("at_once", [256, 5])
@pytest.mark.parametrize(("instances", "mirror"), [("middle", False), ("all", False), ("middle", True), ("all", True)])
def test_probabilities_are_the_mean_over_what_is_asked_for(
    small_method, sets, network, monkeypatch, instances, mirror, at_once
):
    monkeypatch.setattr(prediction, "AT_ONCE", at_once)
    options = changed(small_method, inference={"instances": instances, "mirror": mirror})
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = predict(network, sets, options)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    np.testing.assert_allclose(found, naive(network, sets, instances == "all", mirror), atol=1e-5)
    assert found.sum(axis=1) == pytest.approx([1] * 3, abs=1e-5)


def test_a_mirror_image_may_reverse_u(small_method, sets, network):
    options = changed(small_method, inference={"mirror": True}, augmentation={"flip_negates_u": True})
    expected = naive(network, sets, every=False, mirror=True, negate_u=True)
    np.testing.assert_allclose(predict(network, sets, options), expected, atol=1e-5)
    assert np.abs(expected - naive(network, sets, every=False, mirror=True)).max() > 1e-4


def test_what_is_asked_for_makes_a_difference(sets, network):
    found = [naive(network, sets, every, mirror) for every in (False, True) for mirror in (False, True)]
    assert all(np.abs(a - b).max() > 1e-4 for n, a in enumerate(found) for b in found[:n])


@pytest.mark.parametrize("name", ["online", "target"])
def test_the_network_that_is_asked_for_predicts_and_is_kept(small_method, name):
    options = changed(small_method, inference={"network": name}, training={"learning_rate": 0.03})
    data, held_out = moving_blobs(16, 3, seed=1), moving_blobs(4, 3, seed=2)
    training = Training(data, held_out, CLASSES, options, 0, "cpu")
    trained = training.run()
    networks = {"online": training.model.online, "target": training.model.target}
    assert trained.network is networks[name]
    found = {key: naive(network, held_out, every=False, mirror=False) for key, network in networks.items()}
    np.testing.assert_allclose(trained.probabilities, found[name], atol=1e-5)
    assert np.abs(found["online"] - found["target"]).max() > 1e-3
