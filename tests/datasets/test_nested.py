"""Nested selection's groups and inner folds: who is left out, who is held out, and that labels do not matter."""

import numpy as np
import pandas as pd
import pytest

from ra_icl.datasets.nested import InnerFold, group_of, inner_folds, rows_of_fold
from ra_icl.datasets.protocols import PROTOCOLS, fold_of

CDE, GROUPS5 = PROTOCOLS["cde"], PROTOCOLS["groups5"]
SUBJECTS = {"casme2": 24, "samm": 28, "smic": 16}


@pytest.fixture
def selected():
    """As many subjects as CDE has, each with its own number of sequences between 1 and 12."""
    draw = np.random.default_rng(0)
    rows = [
        (dataset, f"sub{number:02d}", f"EP{sequence:02d}", int(draw.integers(3)))
        for dataset, count in SUBJECTS.items()
        for number in range(1, count + 1)
        for sequence in range(draw.integers(1, 13))
    ]
    return pd.DataFrame(rows, columns=["dataset", "subject", "sequence", "label"])


def people(rows):
    return set(zip(rows["dataset"], rows["subject"], strict=True))


def test_the_groups_are_the_folds_of_groups5(selected):
    assert group_of(selected, CDE, 5).tolist() == fold_of(selected, GROUPS5).tolist()


def test_a_name_says_which_fold_it_is():
    assert InnerFold.named("group1of5-inner2of3") == InnerFold("group1", 5, 2, 3)
    assert InnerFold("group12", 20, 10, 11).name == "group12of20-inner10of11"
    assert [InnerFold.named(name) for name in ("group1", "casme2-sub01", "group1of5-inner2of3x")] == [None] * 3


def test_inner_folds_hold_out_every_subject_of_the_other_groups_once(selected):
    everyone, groups = people(selected), group_of(selected, CDE, 5)
    for group in sorted(set(groups)):
        names = inner_folds(selected, CDE, group, 5, 3)
        assert names == [f"{group}of5-inner{part}of3" for part in (1, 2, 3)]
        own, tested = people(selected[groups == group]), []
        for name in names:
            rows, held_out = rows_of_fold(selected, CDE, name)
            assert people(rows) == everyone - own
            assert not people(rows[held_out]) & people(rows[~held_out])
            assert {dataset for dataset, _ in people(rows[held_out])} == set(SUBJECTS)
            assert rows.index.tolist() == list(range(len(rows)))
            tested += people(rows[held_out])
        assert sorted(tested) == sorted(everyone - own)


def test_labels_do_not_decide_where_a_subject_goes(selected):
    other = selected.assign(label=(selected["label"] + 1) % 3)
    for name in ("group2of5-inner1of3", "group2of5-inner3of3"):
        ours, theirs = (rows_of_fold(rows, CDE, name) for rows in (selected, other))
        assert people(ours[0][ours[1]]) == people(theirs[0][theirs[1]])


def test_other_folds_see_everything(selected):
    rows, held_out = rows_of_fold(selected, CDE, "samm-sub03")
    assert rows is selected
    assert people(rows[held_out]) == {("samm", "sub03")}
    rows, held_out = rows_of_fold(selected, GROUPS5, "group4")
    assert held_out.tolist() == (group_of(selected, CDE, 5) == "group4").tolist()
    for name in ("casme2-sub77", "group2of5-inner4of3", "group6"):
        assert not rows_of_fold(selected, CDE, name)[1].any()
