"""Measures of attention against plain loops."""

import math

import numpy as np
import pytest

from ra_icl.attention.measures import correlation, finite_mean, finite_means, hits, pair_correlation, shares

rng = np.random.default_rng(4)
MASK = np.zeros((6, 5), bool)
MASK[1:4, 2:] = True


def test_shares_are_what_lies_inside_the_mask():
    maps = rng.random((3, 2, 6, 5))
    maps[1, 0] = 0
    masks = np.stack([MASK, ~MASK, MASK])
    found = shares(maps, masks)
    for image in range(3):
        for number in range(2):
            inside = sum(maps[image, number, y, x] for y in range(6) for x in range(5) if masks[image, y, x])
            whole = maps[image, number].sum()
            assert found[image, number] == pytest.approx(inside / whole if whole else math.nan, nan_ok=True)


def test_a_hit_is_the_largest_value_inside_the_mask():
    maps = np.full((4, 6, 5), -1.0)
    maps[0, 3, 4], maps[1, 4, 4], maps[2, 1, 2] = 2, 2, 1e-9
    found = hits(maps, MASK)
    assert found[:3].tolist() == [1, 0, 1]
    assert math.isnan(found[3])  # nothing speaks for the class


def test_correlations_are_those_of_numpy_and_flat_maps_have_none():
    maps = rng.normal(size=(4, 6, 5))
    pairs = [np.corrcoef(maps[i].ravel(), maps[j].ravel())[0, 1] for i in range(4) for j in range(i)]
    assert pair_correlation(maps) == pytest.approx(np.mean(pairs))
    assert correlation(maps[:2], maps[2:]) == pytest.approx(
        [np.corrcoef(maps[i].ravel(), maps[i + 2].ravel())[0, 1] for i in range(2)]
    )
    assert math.isnan(pair_correlation(maps[:1]))
    maps[3] = 7
    assert math.isnan(correlation(maps[0], maps[3]))
    pairs = [np.corrcoef(maps[i].ravel(), maps[j].ravel())[0, 1] for i in range(3) for j in range(i)]
    assert pair_correlation(maps) == pytest.approx(np.mean(pairs))


def test_means_leave_out_what_is_not_there():
    assert finite_mean(np.array([1, np.nan, 4])) == 2.5
    assert math.isnan(finite_mean(np.array([np.nan])))
    assert finite_means([np.array([1.0]), np.array([np.nan, 2])]).tolist() == [1, 2]
