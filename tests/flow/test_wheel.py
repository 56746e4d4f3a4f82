"""Flow as colours, against colorsys and known hues."""

import colorsys
from math import atan2, hypot, pi

import numpy as np

from ra_icl.flow.wheel import flow_colours, wheel


def field(*vectors):
    """(2, 1, N) of N vectors (u, v)."""
    return np.array(vectors, float).T[:, None]


def test_every_pixel_has_the_colour_that_colorsys_gives():
    flow = np.random.default_rng(0).normal(0, 2, (2, 5, 7))
    colours = flow_colours(flow, largest=3)
    assert colours.shape == (5, 7, 3)
    assert colours.dtype == np.uint8
    for row, column in np.ndindex(5, 7):
        u, v = flow[:, row, column]
        wanted = colorsys.hsv_to_rgb(atan2(v, u) / (2 * pi) % 1, min(hypot(u, v) / 3, 1), 1)
        np.testing.assert_allclose(colours[row, column], 255 * np.array(wanted), atol=0.51)


def test_directions_have_the_hues_that_are_promised():
    right, down, left, up, still = flow_colours(field((2, 0), (0, 2), (-2, 0), (0, -2), (0, 0)))[0].tolist()
    assert right == [255, 0, 0]
    assert down == [128, 255, 0]
    assert left == [0, 255, 255]
    assert up == [128, 0, 255]
    assert still == [255, 255, 255]


def test_the_scale_is_the_longest_vector_or_the_one_that_is_given():
    flow = field((1, 0), (4, 0))
    assert flow_colours(flow)[0, :, 1].tolist() == [191, 0]
    assert flow_colours(flow, largest=2)[0, :, 1].tolist() == [128, 0]
    assert (flow_colours(np.zeros((2, 3, 4))) == 255).all()


def test_the_wheel_is_a_disc_around_no_motion():
    disc = wheel(21)
    assert disc[10, 10].tolist() == [255, 255, 255]
    assert disc[10, 20].tolist() == [255, 0, 0]
    assert disc[0, 10].tolist() == [128, 0, 255]
    assert disc[0, 0].tolist() == [255, 255, 255]
