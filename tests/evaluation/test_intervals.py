"""Intervals and differences against plain loops: which subjects are drawn, what a draw scores, which swaps count."""

import itertools
import time

import numpy as np
import pytest
from metrics_content import metrics, people

from ra_icl.errors import InputError
from ra_icl.evaluation import intervals
from ra_icl.evaluation.metrics import uar, uf1

SEEDS = (0, 1, 4)
FEW = {"casme2": 3, "samm": 2, "smic": 1}


def subjects(hits, counts=None, *, method=0, seeds=SEEDS):
    content = metrics(seeds=seeds, subjects=people(hits, counts, seeds=len(seeds), method=method))
    return intervals.subjects_of(content)


def naive_scores(matrices):
    """[UF1, UAR] of (subjects, seeds, C, C): each seed's pooled matrix scored alone, then the mean over seeds."""
    per_seed = [sum(one[seed] for one in matrices) for seed in range(matrices.shape[1])]
    return [np.mean([score(matrix) for matrix in per_seed]) for score in (uf1, uar)]


@pytest.fixture
def drawn(monkeypatch):
    """The rows (resamples, subjects) that the bootstraps of a test draw, in a list that fills itself."""
    rows, bootstrap = [], intervals.bootstrap

    def recording(strata, statistic):
        def of_rows(given):
            rows.extend(given.reshape(-1, sum(map(len, strata))).tolist())
            return statistic(given)

        return bootstrap(strata, of_rows)

    monkeypatch.setattr(intervals, "bootstrap", recording)
    monkeypatch.setattr(intervals, "RESAMPLES", 600)
    monkeypatch.setattr(intervals, "BATCH", 250)
    return rows


def resampled(rows):
    """Without the rows of the observed score, which scipy asks for as well."""
    return [row for row in rows if sorted(row) != list(range(len(row)))]


def test_subjects_are_sorted_and_come_with_the_rows_of_their_dataset():
    content = metrics(subjects=people(0.5)[::-1])
    found = intervals.subjects_of(content)
    assert found.names == sorted(found.names)
    assert found.matrices[found.names.index(("samm", "s03"))].tolist() == next(
        one["confusion"] for one in content["subjects"] if (one["dataset"], one["subject"]) == ("samm", "s03")
    )
    assert [rows.tolist() for rows in found.strata()] == [[*range(6)], [*range(6, 11)], [*range(11, 15)]]


def test_an_interval_is_that_of_a_plain_loop_over_the_same_draws(drawn):
    found = subjects(0.6)
    intervals_found = intervals.score_intervals(found)
    rows = resampled(drawn)
    assert len(rows) >= 590
    scores = np.array([naive_scores(found.matrices[row]) for row in rows])
    for number, name in enumerate(("uf1", "uar")):
        low, high = intervals_found[name]
        assert (low, high) == pytest.approx(np.quantile(scores[:, number], [0.025, 0.975]), abs=1e-3)
        assert low < naive_scores(found.matrices)[number] < high


def test_the_interval_of_a_mean_is_over_subjects_drawn_within_their_dataset(drawn):
    datasets = ["smic"] * 2 + ["casme2"] * 7 + ["samm"] * 4
    values = np.random.default_rng(3).normal(size=13) + 5 * np.arange(13)
    low, high = intervals.mean_interval(datasets, values)
    rows = resampled(drawn)
    assert len(rows) >= 590
    for row in rows[:50]:
        assert sorted(datasets[number] for number in row) == sorted(datasets)
    means = [sum(values[number] for number in row) / 13 for row in rows]
    assert (low, high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.05)
    assert low < values.mean() < high
    assert intervals.mean_interval(datasets[:9], values[:9]) is None


def test_the_interval_of_a_difference_scores_each_draw_for_both_methods(drawn):
    ours, theirs = subjects(0.7), subjects(0.5, method=1)
    found = intervals.compare(ours, theirs)
    both = (np.array([naive_scores(one.matrices[row]) for row in resampled(drawn)]) for one in (ours, theirs))
    differences = np.subtract(*both)
    for number, name in enumerate(("uf1", "uar")):
        expected = np.quantile(differences[:, number], [0.025, 0.975])
        assert (found[name].low, found[name].high) == pytest.approx(expected, abs=1e-3)
        value = naive_scores(ours.matrices)[number] - naive_scores(theirs.matrices)[number]
        assert found[name].value == pytest.approx(value)


def test_every_draw_takes_as_many_subjects_of_each_dataset_as_there_are(drawn):
    found = subjects(0.6, {"casme2": 7, "samm": 3, "smic": 1})
    intervals.score_intervals(found)
    datasets = np.array([name for name, _ in found.names])
    for row in drawn:
        names, counts = np.unique(datasets[row], return_counts=True)
        assert dict(zip(names, counts, strict=True)) == {"casme2": 7, "samm": 3, "smic": 1}
    assert {row for rows in drawn for row in rows} == set(range(11))
    assert len({tuple(sorted(row)) for row in drawn}) > 100


def test_a_class_that_a_draw_lacks_is_left_out_of_its_mean():
    """One subject alone has the third class, none of it right: the draws without it score 1, the others 2/3."""
    entries = [
        {"dataset": "samm", "subject": f"s{number:02}", "confusion": [np.diag([2, 3, 0]).tolist()]}
        for number in range(11)
    ]
    entries.append({"dataset": "samm", "subject": "s11", "confusion": [[[0, 0, 0], [0, 0, 0], [5, 0, 0]]]})
    found = intervals.score_intervals(intervals.subjects_of(metrics(subjects=entries)))
    assert found["uar"] == pytest.approx((2 / 3, 1))


def test_nine_subjects_have_no_interval_and_ten_have_one():
    nine, ten = subjects(0.6, {"casme2": 5, "samm": 4}), subjects(0.6, {"casme2": 5, "samm": 5})
    assert intervals.score_intervals(nine) == {}
    assert set(intervals.score_intervals(ten)) == {"uf1", "uar"}
    found = intervals.compare(nine, subjects(0.3, {"casme2": 5, "samm": 4}, method=1))["uf1"]
    assert np.isnan([found.low, found.high]).all()
    assert 0 < found.p <= 1
    found = intervals.compare(ten, subjects(0.3, {"casme2": 5, "samm": 5}, method=1))["uf1"]
    assert found.low < found.value < found.high


def test_intervals_and_p_values_repeat():
    ours, theirs = subjects(0.6), subjects(0.5, method=1)
    assert intervals.score_intervals(ours) == intervals.score_intervals(ours)
    assert intervals.compare(ours, theirs) == intervals.compare(ours, theirs)


def test_p_of_few_subjects_counts_all_swaps():
    ours, theirs = subjects(0.8, FEW), subjects(0.4, FEW, method=1)
    observed = np.subtract(naive_scores(ours.matrices), naive_scores(theirs.matrices))
    distances = []
    for swapped in itertools.product([False, True], repeat=6):
        mask = np.array(swapped)[:, None, None, None]
        pair = np.where(mask, theirs.matrices, ours.matrices), np.where(mask, ours.matrices, theirs.matrices)
        distances.append(np.abs(np.subtract(*map(naive_scores, pair))))
    expected = (np.array(distances) >= np.abs(observed) - 1e-9).mean(0)
    found = intervals.compare(ours, theirs)
    assert [found[name].p for name in ("uf1", "uar")] == expected.tolist()
    assert expected.min() >= 2 / 64  # swapping all or none is always as far


def test_p_of_many_subjects_is_never_0_and_changes_sides_with_the_methods():
    ours, theirs = subjects(0.95), subjects(0.2, method=1)
    one, other = intervals.compare(ours, theirs), intervals.compare(theirs, ours)
    for name in ("uf1", "uar"):
        # 2 of the 32,768 ways are as far, so that most draws of 9,999 hold one or none.
        assert 1 / 10_000 <= one[name].p < 0.001
        assert other[name].p < 0.001
        assert one[name].low > 0.3
        assert (other[name].value, other[name].low) == pytest.approx((-one[name].value, -one[name].high))


def test_random_swaps_agree_with_all_swaps(monkeypatch):
    ours, theirs = subjects(0.6, {"samm": 12}), subjects(0.5, {"samm": 12}, method=1)
    exact = intervals.compare(ours, theirs)
    monkeypatch.setattr(intervals, "RESAMPLES", 4_000)  # fewer than the 4,096 ways
    drawn = intervals.compare(ours, theirs)
    for name in ("uf1", "uar"):
        assert 0.05 < exact[name].p < 0.95
        assert drawn[name].p == pytest.approx(exact[name].p, abs=0.03)
        assert (drawn[name].p * 4_001) == pytest.approx(round(drawn[name].p * 4_001))  # (k + 1) / (n + 1)


@pytest.mark.parametrize("counts", [None, FEW, {"own": 1}])
def test_a_method_compared_with_itself_differs_by_0(counts):
    ours = subjects(0.6, counts)
    for found in intervals.compare(ours, ours).values():
        assert (found.value, found.p) == (0, 1)
        assert len(ours) < 10 or (found.low, found.high) == (0, 0)


def test_subjects_that_differ_cannot_be_compared():
    with pytest.raises(ValueError, match="different subjects"):
        intervals.compare(subjects(0.5), subjects(0.5, FEW))
    with pytest.raises(ValueError, match="different subjects"):
        intervals.compare(subjects(0.5), subjects(0.5, seeds=(0, 1)))


def test_holm_by_hand():
    # Sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and none below the one before.
    assert intervals.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert intervals.holm([0.6, 0.5]) == [1, 1]
    assert intervals.holm([0.2]) == [0.2]


def test_metrics_without_subjects_or_with_others_are_refused():
    content = metrics("m3", subjects=people(0.5))
    with pytest.raises(InputError, match="metrics of m3 under cde: key subjects is missing, as an older version"):
        intervals.subjects_of({key: value for key, value in content.items() if key != "subjects"})
    for spoiled in (content["subjects"][1:], [*content["subjects"][1:], content["subjects"][0] | {"confusion": [[1]]}]):
        with pytest.raises(InputError, match="key subjects does not add up to confusion"):
            intervals.subjects_of(content | {"subjects": spoiled})


def test_many_resamples_take_little_time():
    counts = {"casme2": 24, "samm": 28, "smic": 16}
    ours, theirs = subjects(0.7, counts), subjects(0.6, counts, method=1)
    intervals.score_intervals(ours)  # imports scipy
    start = time.process_time()
    intervals.compare(ours, theirs)
    assert time.process_time() - start < 5  # 0.3 s; loops would take minutes
