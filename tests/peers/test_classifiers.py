"""The support vector machines of the descriptors: what they predict, scaled by training sequences alone."""

import numpy as np
import pytest
import torch
from descriptor_data import moving_patches

from ra_icl.peers.classifiers import support_vectors
from ra_icl.peers.registry import load_peer
from ra_icl.training.peers import ClassifierTraining

SEPARATE = [("svm", {}), ("bi_woof", {}), ("bi_woof", {"c": 1e4}), ("bi_woof", {"zero": "median"})]


def trained(peer, maps, held_out, labels, classes=3):
    """Probabilities of `held_out` by a peer that is fitted to `maps`."""
    tensors = (torch.from_numpy(part) for part in (maps, held_out))
    return ClassifierTraining(peer, *tensors, labels, classes).run().probabilities


@pytest.mark.parametrize(("name", "settings"), SEPARATE)
def test_each_learns_where_a_patch_moves(name, settings):
    peer = load_peer({"name": name} | settings)
    _, maps, labels = moving_patches(12, seed=0)
    _, unseen, truth = moving_patches(9, seed=1)
    found = trained(peer, maps, unseen, labels)
    np.testing.assert_array_equal(found.argmax(axis=1), truth)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(("name", "settings"), SEPARATE)
@pytest.mark.parametrize("classes", [2, 3])
def test_the_most_probable_class_is_the_one_that_the_machine_predicts(name, settings, classes):
    """On noise, where the machines disagree; also if one of the classes has no training sequence."""
    peer = load_peer({"name": name} | settings)
    rng = np.random.default_rng(3)
    maps, unseen = (rng.normal(size=(number, 3, 8, 8)).astype(np.float32) for number in (30, 200))
    labels = np.arange(30) % classes * 2  # 0 and 2, or 0, 2 and 4
    machine = peer.module.classifier(peer.settings)
    machine.fit(peer.module.describe(torch.from_numpy(maps), peer.settings), labels)
    predicted = machine.predict(peer.module.describe(torch.from_numpy(unseen), peer.settings))
    found = trained(peer, maps, unseen, labels, classes=5)
    assert set(predicted) == set(labels)
    np.testing.assert_array_equal(found.argmax(axis=1), predicted)
    assert (found[:, [1, 3]] == 0).all()


def test_ties_between_votes_go_by_the_decision_values():
    """They do not in scikit-learn's default, which on these features contradicts its own decision values."""
    rng = np.random.default_rng(0)
    features, unseen, labels = rng.normal(size=(40, 3)), rng.normal(size=(400, 3)), np.arange(40) % 4
    machine = support_vectors("linear", 1.0).fit(features, labels)
    np.testing.assert_array_equal(machine.predict(unseen), machine.decision_function(unseen).argmax(axis=1))
    machine.set_params(break_ties=False)
    assert (machine.predict(unseen) != machine.decision_function(unseen).argmax(axis=1)).any()


@pytest.mark.parametrize(("name", "settings"), SEPARATE)
def test_no_held_out_sequence_changes_what_is_said_of_another(name, settings):
    peer = load_peer({"name": name} | settings)
    _, maps, labels = moving_patches(12, seed=0)
    _, unseen, _ = moving_patches(4, seed=1)
    others = unseen.copy()
    others[1:] = 50 * others[1:, :, ::-1] + 3
    first, second = (trained(peer, maps, held_out, labels)[0] for held_out in (unseen, others))
    np.testing.assert_array_equal(first, second)


def test_features_are_standardised_by_the_training_sequences():
    rng = np.random.default_rng(0)
    features, labels = 5 + 3 * rng.normal(size=(20, 4)), np.arange(20) % 2
    machine = support_vectors("rbf", 10.0, standardise=True).fit(features, labels)
    np.testing.assert_allclose(machine[0].mean_, features.mean(axis=0))
    np.testing.assert_allclose(machine[0].scale_, features.std(axis=0))
    by_hand = support_vectors("rbf", 10.0, gamma=1 / 4).fit((features - features.mean(0)) / features.std(0), labels)
    unseen = 5 + 3 * rng.normal(size=(50, 4))
    scaled = (unseen - features.mean(0)) / features.std(0)
    np.testing.assert_allclose(machine.decision_function(unseen), by_hand.decision_function(scaled))
