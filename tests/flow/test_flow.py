"""TV-L1 flow against known motion of a real photograph; strain against analytic fields."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from skimage import data

from ra_icl.errors import InputError
from ra_icl.flow.maps import flow, flow_maps
from ra_icl.flow.options import BACKENDS, FlowOptions, Schedule
from ra_icl.flow.strain import optical_strain
from ra_icl.planning.options import from_mapping

SIDE = 128
Y, X = np.mgrid[:SIDE, :SIDE].astype(np.float64)


@pytest.fixture(scope="module")
def photograph():
    """A face, grey, (SIDE, SIDE) uint8."""
    return data.astronaut()[40 : 40 + SIDE, 160 : 160 + SIDE].mean(2).round().astype(np.uint8)


def onset_before(frame, u, v):
    """The onset whose motion to `frame` is (u, v): onset(x, y) = frame(x + u, y + v)."""
    warped = map_coordinates(frame.astype(float), [Y + v, X + u], order=3, mode="nearest")
    return warped.round().clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def coloured():
    """Onset and frame (40, 48, 3) RGB uint8 of which each channel moves in another way, and both in grey."""
    colour = data.astronaut()[60:100, 170:218]
    frame = np.stack([np.roll(colour[..., channel], channel - 1, axis=channel % 2) for channel in range(3)], axis=-1)
    greys = [np.rint(0.299 * one[..., 0] + 0.587 * one[..., 1] + 0.114 * one[..., 2]) for one in (colour, frame)]
    return (colour, frame), tuple(grey.astype(np.uint8) for grey in greys)


def bump(x, y, width):
    return np.exp(-((X - x) ** 2 + (Y - y) ** 2) / (2 * width**2))


def inner(values, border=12):
    return values[..., border:-border, border:-border]


def test_flow_recovers_a_smooth_subpixel_motion(photograph):
    # A mouth corner that goes up and out, a brow that goes down: the scale of a micro-expression.
    u = 0.8 * bump(84, 84, 14) - 0.3 * bump(50, 50, 16)
    v = -0.9 * bump(84, 84, 14) + 0.6 * bump(50, 50, 16)
    found = flow(onset_before(photograph, u, v), photograph[None], FlowOptions())
    assert found.shape == (1, 2, SIDE, SIDE)
    assert found.dtype == np.float32
    error = np.hypot(found[0, 0] - u, found[0, 1] - v)
    assert inner(error).mean() < 0.1
    assert inner(error).mean() < 0.4 * inner(np.hypot(u, v)).mean()
    assert np.corrcoef(inner(found[0, 0]).ravel(), inner(u).ravel())[0, 1] > 0.8
    assert np.corrcoef(inner(found[0, 1]).ravel(), inner(v).ravel())[0, 1] > 0.8


@pytest.mark.parametrize("shift", [(1.5, 0.0), (0.0, 1.5), (-0.5, 2.0)])
def test_u_points_right_and_v_points_down(photograph, shift):
    found = flow(onset_before(photograph, *shift), photograph[None], FlowOptions())[0]
    np.testing.assert_allclose(np.median(inner(found), axis=(1, 2)), shift, atol=0.1)


def test_flow_of_a_picture_turned_aside_is_the_flow_turned_aside(photograph):
    onset = onset_before(photograph, 0.8 * bump(84, 84, 14), -0.5 * bump(60, 50, 14))
    u, v = flow(onset, photograph[None], FlowOptions())[0]
    turned = flow(onset.T.copy(), photograph.T[None].copy(), FlowOptions())[0]
    assert np.abs(turned - np.stack([v.T, u.T])).mean() < 0.02


def test_pairs_do_not_depend_on_each_other(photograph):
    frames = np.stack([np.roll(photograph, shift, axis=1) for shift in (1, 2, 3)])
    together = flow(photograph, frames, FlowOptions())
    for one, frame in zip(together, frames, strict=True):
        np.testing.assert_array_equal(one, flow(photograph, frame[None], FlowOptions())[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_still_picture_does_not_move(photograph, backend):
    assert np.abs(flow(photograph, photograph[None], FlowOptions(backend=backend))).max() == 0


def test_colour_is_converted_to_grey(coloured):
    (onset, frame), grey = coloured
    expected = flow(grey[0], grey[1][None], FlowOptions())
    np.testing.assert_array_equal(flow(onset, frame[None], FlowOptions()), expected)
    assert np.abs(flow(onset[..., ::-1], frame[None, ..., ::-1], FlowOptions()) - expected).mean() > 0.01


def test_options_reach_the_backend(photograph):
    frame = np.roll(photograph, 3, axis=1)[None]
    one_scale = flow(photograph, frame, FlowOptions(opencv=Schedule(scales=1, warps=1)))
    assert np.abs(one_scale - flow(photograph, frame, FlowOptions())).mean() > 0.1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("onset", "frames", "part"),
    [
        (np.zeros((32, 32), np.uint8), np.zeros((0, 32, 32), np.uint8), "no frames"),
        (np.zeros((32, 32), np.uint8), np.zeros((1, 32, 31), np.uint8), "crop them all alike"),
        (np.zeros((2, 32, 32), np.uint8), np.zeros((3, 32, 32), np.uint8), "one onset for all or one for each"),
        (
            np.zeros((32, 32), np.uint8),
            [np.zeros((32, 32), np.uint8), np.zeros((31, 32), np.uint8)],
            "different sizes",
        ),
        (np.full((32, 32), np.nan), np.full((1, 32, 32), np.nan), "give uint8"),
        (np.zeros((32, 32), np.float32), np.zeros((1, 32, 32), np.uint8), "give uint8"),
        (np.zeros((32, 32, 4), np.uint8), np.zeros((1, 32, 32, 4), np.uint8), r"give \(N, H, W\)"),
        (np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32, 3), np.uint8), r"give \(N, H, W\)"),
        (np.zeros((32,), np.uint8), np.zeros((32, 32), np.uint8), r"give \(N, H, W\)"),
        (np.zeros((0, 32), np.uint8), np.zeros((1, 0, 32), np.uint8), r"give \(N, H, W\)"),
    ],
)
def test_bad_input_is_refused(onset, frames, part, backend):
    for function in (flow, flow_maps):
        with pytest.raises(InputError, match=part):
            function(onset, frames, FlowOptions(backend=backend))


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_frame_and_one_onset_for_each_frame(photograph, backend):
    options = FlowOptions(backend=backend, opencv=Schedule(scales=3, warps=2))
    onsets = np.stack([np.roll(photograph[:64, :48], step, axis=0) for step in range(3)])
    frames = np.stack([np.roll(photograph[:64, :48], step, axis=1) for step in (1, -1, 2)])
    together = flow(onsets, frames, options)
    assert np.abs(together[0] - together[1]).mean() > 0.1
    for number, onset in enumerate(onsets):
        alone = flow(onset, frames[number : number + 1], options)
        assert alone.shape == (1, 2, 64, 48)
        np.testing.assert_allclose(alone[0], together[number], atol=1e-5)
    np.testing.assert_array_equal(flow(onsets[0], frames, options)[2], flow(onsets[[0, 0, 0]], frames, options)[2])


@pytest.mark.parametrize("backend", BACKENDS)
def test_colour_with_one_onset_for_each_frame(coloured, backend):
    options = FlowOptions(backend=backend, opencv=Schedule(scales=2, warps=1))
    colours, greys = (np.stack([first, second]) for first, second in coloured)
    expected = flow(greys, greys[::-1], options)
    assert np.abs(expected[0] - expected[1]).mean() > 0.1
    np.testing.assert_array_equal(flow(colours, colours[::-1], options), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_constant_frame_gives_no_motion_and_no_strain(photograph, backend):
    options = FlowOptions(backend=backend)
    flat = np.full((2, 48, 64), 90, np.uint8)
    maps = flow_maps(flat[0], flat, options)
    assert maps.shape == (2, 3, 48, 64)
    assert np.abs(maps).max() == 0
    assert np.isfinite(flow_maps(photograph[:48, :64], flat, options)).all()


@pytest.mark.parametrize("side", [3, 7, 16, 20])
@pytest.mark.parametrize("backend", BACKENDS)
def test_pictures_smaller_than_the_coarsest_level(backend, side):
    onset, frame = np.random.default_rng(0).integers(0, 255, (2, side, side + 2)).astype(np.uint8)
    np.testing.assert_allclose(flow(onset, onset[None], FlowOptions(backend=backend)), 0, atol=1e-6)
    maps = flow_maps(onset, frame[None], FlowOptions(backend=backend))
    assert maps.shape == (1, 3, side, side + 2)
    assert np.isfinite(maps).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_strain_is_that_of_the_flow(photograph, backend):
    options = FlowOptions(backend=backend, opencv=Schedule(scales=2, warps=1))
    frame = np.roll(photograph[:40, :48], 1, axis=1)[None]
    maps = flow_maps(photograph[:40, :48], frame, options)
    np.testing.assert_allclose(maps[:, 2], optical_strain(maps[:, :2]), atol=1e-6)
    np.testing.assert_array_equal(maps[:, :2], flow(photograph[:40, :48], frame, options))


@pytest.mark.parametrize(("backend", "blocked"), [("numba", "cv2, torch"), ("opencv", "torch"), ("torch", "cv2")])
def test_a_backend_does_not_need_the_library_of_another(backend, blocked):
    """Nor does any need what the command line and the workflow are made of."""
    script = f"""
import sys
sys.modules |= dict.fromkeys("{blocked}, pydantic, typer, snakemake".split(", "))
import numpy as np
from ra_icl.flow.maps import flow_maps
from ra_icl.flow.options import FlowOptions
frames = np.random.default_rng(0).integers(0, 255, (2, 24, 20)).astype(np.uint8)
assert flow_maps(frames[0], frames, FlowOptions(backend="{backend}")).shape == (2, 3, 24, 20)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"backend": "farneback"}, r"flow\.backend: is 'farneback'; choose 'numba', 'opencv' or 'torch'"),
        ({"opencv": {"median_filter": 4}}, r"flow\.opencv: median_filter is 4; choose 1, 3 or 5"),
        ({"opencv": {"scales": 2.5}}, r"flow\.opencv\.scales: is 2\.5; give an integer"),
        ({"opencv": {"warps": 0}}, r"flow\.opencv\.warps: is 0; give at least 1"),
        ({"opencv": {"tau": "1e-3"}}, r"flow\.opencv\.tau: is '1e-3'; give a number .*write 0\.001"),
        ({"opencv": {"tau": float("inf")}}, r"flow\.opencv\.tau: is inf; give a finite number"),
        ({"opencv": {"scale_step": 1.0}}, r"flow\.opencv\.scale_step: is 1\.0; give less than 1"),
        ({"opencv": {"gamma": -1}}, r"flow\.opencv\.gamma: is -1; give at least 0"),
        ({"lamda": 1}, r"flow\.lamda: unknown key; known: backend, schedule, opencv, ipol"),
        ({"opencv": {"lamda": 1}}, r"flow\.opencv\.lamda: unknown key; known: tau"),
        ({"schedule": "tvl2"}, r"flow\.schedule: is 'tvl2'; choose 'opencv' or 'ipol'"),
        ({"backend": "opencv", "schedule": "ipol"}, "smooths the images, which backend opencv cannot"),
    ],
)
def test_bad_options_are_refused(values, part):
    with pytest.raises(InputError, match=part):
        from_mapping(FlowOptions, values, "flow")


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_strain_of_a_rotation_or_a_translation_is_zero(kind):
    rotation = np.stack([-0.1 * Y, 0.1 * X])
    assert optical_strain(kind(rotation)).max() < 1e-12
    assert optical_strain(kind(rotation.astype("f4"))).max() < 1e-5
    assert optical_strain(kind(np.full((2, 8, 9), 3.0))).max() == 0


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize(
    ("u", "v", "strain"),
    [
        (0.2 * X, 0 * X, 0.2),  # stretch: exx
        (0 * X, 0.3 * Y, 0.3),  # eyy
        (0.2 * X, 0.2 * Y, 0.2 * np.sqrt(2)),  # dilation
        (0.4 * Y, 0 * X, 0.2 * np.sqrt(2)),  # shear: exy = 0.2
        (0.1 * X + 0.2 * Y, 0.4 * X - 0.3 * Y, np.sqrt(0.1**2 + 0.3**2 + 2 * 0.3**2)),
    ],
)
def test_strain_of_linear_fields(u, v, strain, kind):
    field = np.stack([u, v])
    np.testing.assert_allclose(optical_strain(kind(field)), strain, rtol=1e-9)
    np.testing.assert_allclose(optical_strain(kind(field.astype("f4"))), strain, atol=2e-5)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_strain_uses_central_differences_and_keeps_leading_axes(kind):
    field = np.random.default_rng(0).normal(size=(3, 2, 6, 7)).astype(np.float32)
    strain = optical_strain(kind(field))
    assert type(strain) is type(kind(field))
    strain = np.asarray(strain)
    assert strain.shape == (3, 6, 7)
    assert strain.dtype == np.float32
    (u, v), y, x = field[1], 2, 4
    exx = (u[y, x + 1] - u[y, x - 1]) / 2
    eyy = (v[y + 1, x] - v[y - 1, x]) / 2
    exy = ((u[y + 1, x] - u[y - 1, x]) / 2 + (v[y, x + 1] - v[y, x - 1]) / 2) / 2
    expected = np.sqrt(exx**2 + eyy**2 + 2 * exy**2)
    np.testing.assert_allclose(strain[1, y, x], expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 8), (3, 8, 8), (2, 1, 8)])
def test_strain_refuses_other_shapes(shape):
    with pytest.raises(InputError, match="strain needs flow"):
        optical_strain(np.zeros(shape))
