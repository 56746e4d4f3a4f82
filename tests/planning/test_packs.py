"""Packs of subjects: every subject once and in order, none with too little work. Packs of folds: alike in size."""

from itertools import chain

import numpy as np
import pandas as pd
import pytest

from ra_icl.flow.sampling import Sampling
from ra_icl.planning.packs import LEAST_WORK, packs_of, packs_of_folds

SIZE = 224
FULL = Sampling("full")
FRAMES = LEAST_WORK // SIZE**2  # as many pairs as a pack holds at least


def index(**frames):
    """One sequence a subject, with so many frames after the onset."""
    rows = {"subject": list(frames), "onset": 100, "offset": [100 + number for number in frames.values()]}
    return pd.DataFrame(rows)


def packs(size=SIZE, sampling=FULL, **frames):
    return packs_of(index(**frames), list(frames), sampling, size)


def test_a_pack_ends_with_the_subject_that_fills_it():
    half = FRAMES // 2 + 1
    assert packs(a=half, b=half, c=half, d=half) == [["a", "b"], ["c", "d"]]


def test_what_is_left_at_the_end_joins_the_last_pack():
    assert packs(a=FRAMES, b=FRAMES, c=1) == [["a"], ["b", "c"]]
    assert packs(a=1, b=1) == [["a", "b"]]


def test_a_huge_subject_has_a_pack_of_its_own():
    assert packs(a=FRAMES, huge=50 * FRAMES, c=FRAMES) == [["a"], ["huge"], ["c"]]


def test_work_is_that_of_the_sampled_frames_and_of_the_crops():
    many = {f"s{number:02}": FRAMES for number in range(32)}
    assert len(packs(**many)) == 32
    assert len(packs(size=SIZE // 2, **many)) == 8
    assert len(packs(sampling=Sampling("middle", FRAMES // 4 + 1), **many)) == 8
    assert len(packs(sampling=Sampling("apex"), **many)) == 1


@pytest.mark.parametrize("mode", ["full", "middle"])
def test_every_subject_is_in_one_pack_and_every_pack_is_filled(mode):
    rng = np.random.default_rng(0)
    subjects = [f"s{number}" for number in rng.permutation(60)]
    rows = pd.DataFrame({"subject": rng.choice(subjects, 400), "onset": 1})
    rows["offset"] = 1 + rng.integers(5, 120, len(rows))
    subjects = [name for name in subjects if name in set(rows["subject"])]
    sampling = Sampling(mode, 16)
    found = packs_of(rows, subjects, sampling, SIZE)
    assert list(chain(*found)) == subjects
    assert len(found) > 2
    for pack in found:
        pairs = [sampling.pairs(row.offset - row.onset) for row in rows.itertuples() if row.subject in pack]
        assert sum(pairs) >= FRAMES


@pytest.mark.parametrize(
    ("folds", "most", "sizes"), [(68, 4, {4}), (93, 4, {3, 4}), (6, 4, {3}), (3, 4, {3}), (5, 1, {1})]
)
def test_folds_are_packed_in_order_and_evenly(folds, most, sizes):
    names = [f"casme2-sub{number:02}" for number in range(folds)]
    found = packs_of_folds(names, most)
    assert list(chain(*found)) == names
    assert {len(pack) for pack in found} == sizes
    assert len(found) == -(-folds // most)
