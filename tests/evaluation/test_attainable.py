"""Which scores confusion matrices can have, against every confusion matrix of a few sequences."""

from itertools import product

import numpy as np
import pytest

from ra_icl.evaluation import attainable
from ra_icl.evaluation.metrics import uar, uf1

COUNTS = (3, 2, 1)
PAIR = np.array([[3, 1, 2], [2, 2, 1]])


def rows_summing_to(total, classes):
    return [row for row in product(range(total + 1), repeat=classes) if sum(row) == total]


def every_matrix(counts):
    """Every confusion matrix (K, C, C) with these row sums."""
    return np.array(list(product(*(rows_summing_to(count, len(counts)) for count in counts))))


def margins(matrices):
    """(hits, wrong) of each matrix (..., C, C)."""
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    return np.concatenate([hits, matrices.sum(-2) - hits], -1)


def as_set(rows):
    return set(map(tuple, np.asarray(rows).tolist()))


@pytest.mark.parametrize("counts", [COUNTS, (2, 2), (1, 2, 1, 1)])
def test_every_matrix_with_a_score_is_found_and_no_other(counts):
    matrices = every_matrix(counts)
    f1s, recalls = uf1(matrices), uar(matrices)
    for place in range(0, len(matrices), max(1, len(matrices) // 40)):
        f1, recall = round(f1s[place], 2), round(recalls[place], 2)
        met = (abs(f1s - f1) <= 0.005 + 1e-9) & (abs(recalls - recall) <= 0.005 + 1e-9)
        rows, every = attainable.rows_with(counts, f1, recall, 0.005)
        assert every
        assert as_set(rows) == as_set(margins(matrices[met]))
        only_f1, _ = attainable.rows_with(counts, f1, None, 0.005)
        assert as_set(only_f1) == as_set(margins(matrices[abs(f1s - f1) <= 0.005 + 1e-9]))


def test_scores_that_no_matrix_has_give_no_rows():
    assert attainable.rows_with(COUNTS, 0.5, 0.999, 0.0005)[0].shape == (0, 6)
    assert attainable.rows_with(COUNTS, 0.999, 1.0, 0.0005) == (pytest.approx(np.zeros((0, 6))), True)


def test_hits_and_wrong_predictions_make_a_matrix():
    for row in sorted(as_set(margins(every_matrix(COUNTS)))):
        matrix = attainable.confusion_of(COUNTS, row[:3], row[3:])
        assert matrix.sum(1).tolist() == list(COUNTS)
        assert tuple(margins(matrix)) == row
    with pytest.raises(ValueError, match="no confusion matrix"):
        attainable.confusion_of(COUNTS, (0, 2, 1), (3, 0, 0))


def test_bounds_of_uf1_hold_for_every_matrix_and_every_mean_of_two():
    matrices = every_matrix(COUNTS)
    f1s, recalls = uf1(matrices), uar(matrices)
    first, second = np.random.default_rng(1).integers(0, len(f1s), (2, 4000))
    means = [(f1s, recalls), ((f1s[first] + f1s[second]) / 2, (recalls[first] + recalls[second]) / 2)]
    for f1, recall in means:
        ends = np.array([attainable.uf1_range(COUNTS, value, 0) for value in recall])
        assert (ends[:, 0] <= f1 + 1e-9).all()
        assert (f1 <= ends[:, 1] + 1e-9).all()
    assert attainable.uf1_range(COUNTS, 1, 0) == pytest.approx((((3**0.5 + 2**0.5 + 1) ** 2) / 18, 1))


def test_a_uar_of_all_sequences_is_found_where_there_is_one():
    hits = [np.array(list(product(*(range(count + 1) for count in counts)))) for counts in PAIR]
    recalls = [(one / counts).mean(-1) for one, counts in zip(hits, PAIR, strict=True)]
    composite = ((hits[0][:, None] + hits[1]) / PAIR.sum(0)).mean(-1)
    rng = np.random.default_rng(2)
    found = []
    for first, second in zip(rng.integers(0, 24, 12), rng.integers(0, 18, 12), strict=True):
        uars = [recalls[0][first].round(2), recalls[1][second].round(2)]
        near = np.ix_(*(abs(one - value) <= 0.005 + 1e-9 for one, value in zip(recalls, uars, strict=True)))
        low, high = attainable.uar_range(PAIR, uars, 0.005)
        assert low - 1e-9 <= composite[near].min() <= composite[near].max() <= high + 1e-9
        for wanted in (composite[first, second].round(3), round(rng.uniform(low, high), 3)):
            there = (abs(composite[near] - wanted) <= 0.005 + 1e-9).any()
            found.append(attainable.hits_with_uars(PAIR, uars, wanted, 0.005))
            assert (found[-1] is not None) == there
            if there:
                assert (found[-1] / PAIR).mean(-1) == pytest.approx(uars, abs=0.005 + 1e-8)
    assert any(one is None for one in found)


def test_many_classes_are_searched():
    counts = (49, 183, 56, 245, 82, 55, 131)
    rows, every = attainable.rows_with(counts, 0.4432, 0.4317, 0.00005, most=1)
    assert not every
    hits, wrong = np.split(rows[0], 2)
    matrix = attainable.confusion_of(counts, hits, wrong)
    assert (uf1(matrix), uar(matrix)) == pytest.approx((0.4432, 0.4317), abs=0.00005 + 1e-8)


def test_a_row_of_each_dataset_is_chosen():
    lists = [margins(every_matrix(counts))[:: 7 - place] for place, counts in enumerate(PAIR)]
    wanted = [lists[0][5], lists[1][9]]
    hits, wrong = np.split(sum(wanted), 2)
    total = PAIR.sum(0)
    f1, recall = (2 * hits / (total + hits + wrong)).mean(), (hits / total).mean()
    sums = sum(attainable.together(PAIR, lists, f1, recall, 0))
    assert (2 * sums[:3] / (total + sums[:3] + sums[3:])).mean() == pytest.approx(f1)
    assert (sums[:3] / total).mean() == pytest.approx(recall)
    assert attainable.together(PAIR, lists, f1, recall + 0.001, 0) is None
