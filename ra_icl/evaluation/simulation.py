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
    """Confusion matrices (methods, subjects, C, C) of one simulated experiment.

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
    predicted = np.take_along_axis(np.broadcast_to(order, shares.shape), place[..., None], 2)[..., 0]
    cells = (subject * classes + label) * classes + predicted + np.arange(methods)[:, None] * subject_cells(shape)
    counts = np.bincount(cells.ravel(), minlength=methods * subject_cells(shape))
    return counts.reshape(methods, *shape, classes)


def subject_cells(shape: tuple[int, int]) -> int:
    """The cells of all subjects' confusion matrices."""
    return shape[0] * shape[1] ** 2


def measure_agreement(people: People, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Agreement:
    """How much pairs of methods agree, each given as two methods' confusion matrices (subjects, C, C).

    Only a person's hits of each class are known, not of which sequences. Of k sequences, one method hits h and the
    other g. h (h - 1) is expected to be k (k - 1) times the chance that a method hits two sequences of the person, and
    h g to be k times the chance that both methods hit a sequence plus k (k - 1) times the chance that they hit two
    different ones. The correlations are those of `GRID` that fit best by least squares, relative to k.
    """
    known = people.labels > 0
    k = people.labels[known].astype(float)
    alone = np.zeros(len(GRID))
    together = np.zeros((len(GRID), len(GRID)))
    for pair in pairs:
        hits = [np.diagonal(matrices, axis1=-2, axis2=-1)[known] for matrices in pair]
        chances = [np.diagonal(people.rates(matrices), axis1=-2, axis2=-1) for matrices in pair]
        for h, chance in zip(hits, chances, strict=True):
            twice = joint(chance, chance)[:, people.datasets][:, known]
            alone += (((h * (h - 1) - k * (k - 1) * twice) / k) ** 2).sum(-1)
        of_both = joint(*chances)[:, people.datasets][:, known]
        of_sequence, of_person = of_both, (k - 1) * of_both
        left = hits[0] * hits[1] / k - of_sequence
        together += (left**2).sum(-1)[:, None] - 2 * left @ of_person.T + (of_person**2).sum(-1)
    method = GRID[alone.argmin()]
    fits = (GRID[:, None] >= GRID) & (method >= GRID) & (GRID[:, None] + method - GRID <= 1)
    sequence, person = np.unravel_index(np.where(fits, together, np.inf).argmin(), together.shape)
    return Agreement(float(GRID[sequence]), float(GRID[person]), float(method))


def joint(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The chances (GRID, ...) that two events of these chances (...) both happen, for each correlation of `GRID`."""
    from scipy.special import ndtr, ndtri

    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    shared = np.sqrt(GRID)[:, None] * nodes
    apart = np.sqrt(1 - GRID)[:, None]
    below = [ndtr((ndtri(chance.clip(1e-3, 1 - 1e-3))[..., None, None] - shared) / apart) for chance in (first, second)]
    return np.moveaxis((below[0] * below[1]) @ weights / weights.sum(), -1, 0)
