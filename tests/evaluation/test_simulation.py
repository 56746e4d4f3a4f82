"""Simulated predictions: the labels and rates that were asked for, and an agreement that is found again."""

import numpy as np
import pytest

from ra_icl.evaluation.simulation import (
    GRID,
    NO_AGREEMENT,
    Agreement,
    People,
    joint,
    measure_agreement,
    predict,
    simulate,
)

RATES = np.array(
    [
        [[[0.9, 0.06, 0.04], [0.2, 0.7, 0.1], [0.05, 0.15, 0.8]], [[0.7, 0.1, 0.2], [0.3, 0.6, 0.1], [0.4, 0.1, 0.5]]],
        [[[0.8, 0.15, 0.05], [0.3, 0.5, 0.2], [0.1, 0.2, 0.7]], [[0.6, 0.25, 0.15], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]]],
    ]
)


@pytest.fixture
def people():
    labels = np.random.default_rng(1).integers(0, 9, (60, 3))
    return People(labels, np.arange(60) % 2)


def test_labels_are_those_of_the_people_and_rates_those_of_the_methods(people):
    rng = np.random.default_rng(2)
    found = [simulate(people, RATES, Agreement(0.7, 0.2, 0.3), rng) for _ in range(60)]
    assert all(np.array_equal(matrices.sum(-1), [people.labels] * 2) for matrices in found)
    for method in range(2):
        assert people.rates(np.sum(found, 0)[method]) == pytest.approx(RATES[method], abs=0.04)


def test_agreement_is_found_again(people):
    rng = np.random.default_rng(3)
    _, label = people.sequences()
    for wanted in (NO_AGREEMENT, Agreement(0.8, 0.2, 0.4), Agreement(0.4, 0.1, 0.1)):
        found = measure_agreement(people, [predict(people, RATES, wanted, rng) == label for _ in range(40)])
        assert (found.sequence, found.person, found.method) == pytest.approx(
            (wanted.sequence, wanted.person, wanted.method), abs=0.04
        )
        assert min(found.shares()) >= -1e-12
        assert sum(found.shares()) == pytest.approx(1)


def test_two_methods_that_agree_hit_the_same_sequences():
    """With a single sequence a person, how often both hit is what the correlation says."""
    people = People(np.eye(3, dtype=int)[np.arange(3000) % 3], np.zeros(3000, dtype=int))
    matrices = simulate(people, RATES[:, :1], Agreement(0.6, 0.0, 0.0), np.random.default_rng(4))
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    both = (hits[0] * hits[1]).sum(0) / people.labels.sum(0)
    chances = [np.diagonal(RATES[method, 0]) for method in range(2)]
    expected = joint(*chances)[np.abs(GRID - 0.6).argmin()]
    assert both == pytest.approx(expected, abs=0.03)
    assert joint(*chances)[0] == pytest.approx(chances[0] * chances[1])
    assert (expected > chances[0] * chances[1] + 0.03).all()
