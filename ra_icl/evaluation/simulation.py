"""Simulated predictions of several methods on the same people, which agree as much as those of real methods do.

A prediction comes from a standard normal number: the true class if it is low enough for the method's recall of that
class in that dataset, else one of the other classes, in proportion to the method's confusion matrix. The number is a
sum of four independent ones: what is hard about the class for the person, whatever the method; what is hard about the
sequence, whatever the method; what is hard about the class for the person with this method; and the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

GRID = np.linspace(0, 0.96, 49)  # correlations that are tried
NODES = 40  # of the quadrature


@dataclass(frozen=True)
class People:
    """Who is predicted. labels: (subjects, C), sequences of each class. datasets: (subjects,), numbers from 0."""

    labels: np.ndarray
    datasets: np.ndarray

    def sequences(self) -> tuple[np.ndarray, np.ndarray]:
        """Subject and class of every sequence, both (sequences,)."""
        subjects, classes = np.indices(self.labels.shape).reshape(2, -1)
        return np.repeat(subjects, self.labels.ravel()), np.repeat(classes, self.labels.ravel())

    def rates(self, matrices: np.ndarray) -> np.ndarray:
        """Confusion matrices (subjects, C, C), pooled by dataset, as shares of each class: (datasets, C, C)."""
        pooled = np.array([matrices[self.datasets == place].sum(0) for place in np.unique(self.datasets)], dtype=float)
        return pooled / pooled.sum(-1, keepdims=True)


@dataclass(frozen=True)
class Agreement:
    """Correlations of the normal numbers behind two predictions of the same class.

    sequence: two methods, the same sequence. person: two methods, two sequences of a person. method: one method, two
    sequences of a person. None is below `person`, and sequence + method - person is 1 at most.
    """

    sequence: float
    person: float
    method: float

    def shares(self) -> tuple[float, float, float, float]:
        """The variances of the four parts, which sum to 1: person, sequence, person and method, rest."""
        rest = max(1 - self.sequence - self.method + self.person, 0.0)  # rounding may leave less
        return self.person, self.sequence - self.person, self.method - self.person, rest


NO_AGREEMENT = Agreement(0, 0, 0)


def simulate(people: People, rates: np.ndarray, agreement: Agreement, rng: np.random.Generator) -> np.ndarray:
    """Confusion matrices (methods, subjects, C, C) of one simulated experiment; arguments: those of `predict`."""
    subject, label = people.sequences()
    classes, cells = rates.shape[-1], people.labels.size * rates.shape[-1]
    predicted = predict(people, rates, agreement, rng)
    places = (subject * classes + label) * classes + predicted + np.arange(len(rates))[:, None] * cells
    counts = np.bincount(places.ravel(), minlength=len(rates) * cells)
    return counts.reshape(len(rates), *people.labels.shape, classes)


def predict(people: People, rates: np.ndarray, agreement: Agreement, rng: np.random.Generator) -> np.ndarray:
    """Predicted classes (methods, sequences) of one simulated experiment, in the order of `People.sequences`.

    rates: (methods, datasets, C, C), the shares of each true class (rows) that are predicted as each class.
    """
    from scipy.special import ndtr

    subject, label = people.sequences()
    methods, _, classes, _ = rates.shape
    person, sequence, both, rest = np.sqrt(agreement.shares())
    shape = people.labels.shape
    normal = person * rng.standard_normal(shape)[subject, label] + sequence * rng.standard_normal(len(subject))
    normal = normal + both * rng.standard_normal((methods, *shape))[:, subject, label]
    normal += rest * rng.standard_normal(normal.shape)
    order = (label[:, None] + np.arange(classes)) % classes  # the true class first
    shares = np.take_along_axis(rates[:, people.datasets[subject], label], order[None], 2)
    place = (ndtr(normal)[..., None] > shares.cumsum(-1)[..., :-1]).sum(-1)
    return np.take_along_axis(np.broadcast_to(order, shares.shape), place[..., None], 2)[..., 0]


def measure_agreement(people: People, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Agreement:
    """How much pairs of methods agree; of each pair, which sequences each method hits, (sequences,) bool.

    The sequences are in the order of `People.sequences`. A hit counts 1 - p and a miss -p, p being the share of hits in
    the dataset and class. The products of two methods' counts, whose shares are p and q, are expected to be J - pq, J
    being the chance that both hit: of the same sequence, and of two sequences of a person and class; likewise of one
    method and two sequences. The correlations are those of `GRID` that fit best by least squares. The sum over k
    sequences weighs 1 / k, that over their k (k - 1) pairs 1 / k².
    """
    subject, label = people.sequences()
    classes = people.labels.shape[1]
    _, first, cell, k = np.unique(subject * classes + label, return_index=True, return_inverse=True, return_counts=True)
    stratum = (people.datasets[subject] * classes + label)[first]

    def sums(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Products of each cell, summed over single sequences and over pairs, and what one is expected to be."""
        (h, p), (g, q) = ((found, share(found)) for found in (np.bincount(cell, one), np.bincount(cell, other)))
        same = np.bincount(cell, one & other) - h * q - g * p + k * p * q
        return same, (h - k * p) * (g - k * q) - same, joint(p, q) - p * q

    def share(hits: np.ndarray) -> np.ndarray:
        return (np.bincount(stratum, hits) / np.bincount(stratum, k).clip(min=1))[stratum]

    errors = dict.fromkeys(("sequence", "person", "method"), 0.0)
    for one, other in pairs:
        same, different, expected = sums(one, other)
        errors["sequence"] += ((same - k * expected) ** 2 / k).sum(-1)
        errors["person"] += (((different - k * (k - 1) * expected) / k) ** 2).sum(-1)
        for hits in (one, other):
            _, different, expected = sums(hits, hits)
            errors["method"] += (((different - k * (k - 1) * expected) / k) ** 2).sum(-1)
    sequence, person, method = (float(GRID[np.argmin(error)]) for error in errors.values())
    method = min(method, 1 - sequence + min(person, sequence))
    return Agreement(sequence, min(person, sequence, method), method)


def joint(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The chances (GRID, ...) that two events of these chances (...) both happen, for each correlation of `GRID`."""
    from scipy.special import ndtr, ndtri

    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    shared = np.sqrt(GRID)[:, None] * nodes
    apart = np.sqrt(1 - GRID)[:, None]
    below = [ndtr((ndtri(chance.clip(1e-3, 1 - 1e-3))[..., None, None] - shared) / apart) for chance in (first, second)]
    return np.moveaxis((below[0] * below[1]) @ weights / weights.sum(), -1, 0)
