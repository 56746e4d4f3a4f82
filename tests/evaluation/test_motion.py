"""Optical flow in a picture: which pixel an arrow stands for, and how long arrows are."""

import numpy as np
from matplotlib.figure import Figure

from ra_icl.evaluation.motion import draw_motion, full_colour
from ra_icl.flow.wheel import flow_colours


def test_arrows_stand_for_the_vectors_at_their_feet_and_are_as_long_as_colours_reach():
    field = np.random.default_rng(0).normal(size=(2, 16, 16))
    axis = Figure().subplots()
    draw_motion(axis, field, 1.5, 4, width=0.01)
    (colours,), (arrows,) = axis.images, axis.collections
    assert np.array_equal(colours.get_array(), flow_colours(field, 1.5))
    assert len(arrows.U) == 16
    for (x, y), u, v in zip(arrows.get_offsets().astype(int), arrows.U, arrows.V, strict=True):
        length = np.hypot(*field[:, y, x])
        np.testing.assert_allclose((u, v), field[:, y, x] * min(1, 1.5 / length))
    assert axis.yaxis_inverted()  # v points down, as rows do


def test_a_few_outliers_do_not_darken_a_picture():
    values = np.arange(1000.0)
    values[-2:] = 1e6
    assert full_colour(values) < 1000
    assert full_colour(np.zeros(4)) > 0
