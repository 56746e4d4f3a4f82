"""The depth channel: known motion in depth, gaps, outliers, and its way into flow files."""

import numpy as np
import pandas as pd
import pytest
from test_flow_subjects import NUMBERS, SIDE, known_clip, write_crops

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.flow.depth import depth_change
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.flow.subjects import flow_subject

ROWS, COLUMNS = np.indices((30, 36)).astype(np.float32)
PLANE = 550 + 1.5 * COLUMNS - 0.7 * ROWS + 0.03 * COLUMNS * ROWS
FLOW = np.stack([0.6 + 0.02 * ROWS, -0.8 + 0.01 * COLUMNS])  # right, down
BUMP = np.exp(-((COLUMNS - 14) ** 2 + (ROWS - 18) ** 2) / 40)
INNER = np.s_[3:-3, 3:-3]


def moved(rise=0.0):
    """The onset and a frame by FLOW later, in which BUMP has come nearer by `rise` mm at its top."""
    x, y = COLUMNS, ROWS
    for _ in range(20):  # the place that the skin left, whose flow brought it here
        x, y = COLUMNS - (0.6 + 0.02 * y), ROWS - (-0.8 + 0.01 * x)
    surface = 550 + 1.5 * x - 0.7 * y + 0.03 * x * y
    bump = np.exp(-((x - 14) ** 2 + (y - 18) ** 2) / 40)
    return np.stack([PLANE, surface - rise * bump]).astype(np.float32)


def test_a_surface_that_moves_sideways_does_not_change_its_depth():
    found = depth_change(moved(), FLOW[None])
    assert (found.shape, found.dtype) == ((1, 30, 36), np.float32)
    assert np.abs(found[0][INNER]).max() < 0.05
    unmoved = depth_change(moved(), np.zeros_like(FLOW[None]))
    assert np.abs(unmoved[0][INNER]).max() > 1  # the plane is steep enough to tell
    for wrong in (-FLOW, FLOW[::-1]):
        assert np.abs(depth_change(moved(), wrong[None])[0][INNER]).max() > 0.5


def test_skin_that_rises_by_3_mm_gives_minus_3_where_it_was_at_the_onset():
    found = depth_change(moved(3.0), FLOW[None])[0]
    true = np.maximum(-3 * BUMP, found.min())  # where it lies beyond the limit
    np.testing.assert_allclose(found[INNER], true[INNER], atol=0.1)
    assert found.min() < -2


def test_values_beyond_three_standard_deviations_are_set_to_that_limit():
    depth = np.stack([PLANE, PLANE + np.where((COLUMNS + ROWS) % 2, 1, -1)]).astype(np.float32)
    depth[1, 10, 12] += 60
    depth[1, 20, 25] -= 70
    plain = depth[1] - depth[0]
    limit = 3 * plain.std()
    found = depth_change(depth, np.zeros((1, 2, 30, 36), np.float32))[0]
    np.testing.assert_allclose(found, np.clip(plain, plain.mean() - limit, plain.mean() + limit), atol=1e-4)
    assert found.max() < 20
    assert found[0, 0] == pytest.approx(-1, abs=1e-4)


def test_each_frame_has_its_own_flow_and_limits():
    flow = np.stack([0 * FLOW, FLOW])
    depth = np.stack([PLANE, PLANE + 2, moved()[1]]).astype(np.float32)
    found = depth_change(depth, flow)
    np.testing.assert_allclose(found[0], 2, atol=1e-3)
    np.testing.assert_array_equal(found[1:], depth_change(depth[[0, 2]], flow[1:]))


def test_gaps_are_filled_without_a_step():
    """A hole in the onset, another in the frame, and what comes from outside: near what is around them."""
    depth = moved(3.0)
    whole = depth_change(depth, FLOW[None])[0]
    holed = depth.copy()
    holed[0, 8:12, 8:12] = 0
    holed[1, 20:24, 20:26] = 0
    found = depth_change(holed, FLOW[None])[0]
    assert np.isfinite(found).all()
    assert np.abs(found - whole).max() < 1.5  # and not 550
    assert np.abs(np.diff(found, axis=0)).max() < 1
    assert np.abs(np.diff(found, axis=1)).max() < 1
    # One that shows how it would be noticed: taken for measurements, zeros are a cliff.
    assert np.abs(holed[1] - holed[0]).max() > 500


def test_far_from_any_measurement_is_their_mean_and_without_any_zero():
    depth = np.zeros((2, 30, 36), np.float32)
    depth[:, 5:9, 5:9] = 600
    depth[1, 5:9, 5:9] += 4
    found = depth_change(depth, np.zeros((1, 2, 30, 36), np.float32))[0]
    np.testing.assert_allclose(found, 4, atol=1e-3)
    depth[1] = 0
    assert not depth_change(depth, np.zeros((1, 2, 30, 36), np.float32)).any()


@pytest.fixture
def subject(tmp_path):
    """Crops of clips a, b and c, their depth, each with planes of its own, and their index."""
    write_crops(tmp_path / "crops.safetensors", "abc")
    rows, columns = np.indices((SIDE, SIDE)).astype(np.float32)
    depths = {
        name: np.stack([600 + 20 * place + (0.5 + place) * columns - 0.4 * rows + frame for frame in (0, 1, 3, 6)])
        for place, name in enumerate("abc")
    }
    frames = [NUMBERS[position] for position in (0, 2, 3, 4)]
    files.save_tensors(
        tmp_path / "depth.safetensors", depths, {"sequences": {name: {"frames": frames} for name in depths}}
    )
    keys = {"dataset": "casme3", "subject": "spNO.1", "sequence": [*"abc"], "onset": 46, "apex": 51, "offset": 52}
    return tmp_path, pd.DataFrame(keys), depths


def test_flow_files_hold_depth_as_a_fourth_channel(subject, monkeypatch):
    folder, index, depths = subject
    crops, depth = folder / "crops.safetensors", folder / "depth.safetensors"
    flow_subject(crops, index, folder / "plain", Sampling("middle", 3), FlowOptions(), depth=depth)
    for name, at_once in (("alone", 1), ("together", 5)):
        monkeypatch.setattr("ra_icl.flow.tvl1_numba.PAIRS_AT_ONCE", at_once)
        flow_subject(crops, index, folder / name, Sampling("middle", 3, depth=True), FlowOptions(), depth=depth)
    assert (folder / "alone").read_bytes() == (folder / "together").read_bytes()
    plain, _ = files.load_tensors(folder / "plain")
    maps, metadata = files.load_tensors(folder / "alone", verify=True)
    assert metadata["sampling"]["name"] == "middle-3-depth"
    for name, found in maps.items():
        assert (found.shape, found.dtype) == ((3, 4, SIDE, SIDE), np.float16)
        np.testing.assert_array_equal(found[:, :3], plain[name])
        expected = depth_change(depths[name].astype(np.float32), found[:, :2].astype(np.float32))
        np.testing.assert_array_equal(found[:, 3], expected.astype(np.float16))
        truth = known_clip("abc".index(name))[1][[2, 3, 4]]  # of what moves: across the plane, beside 1, 3 and 6 mm
        slope = 0.5 + "abc".index(name)
        still = np.abs(truth).max(axis=1) < 0.01
        for one, rise, calm in zip(found[:, 3], (1, 3, 6), still, strict=True):
            assert abs(np.median(one[calm]) - rise) < 0.1 * slope + 0.05


def test_depth_that_does_not_belong_to_the_sampling_is_refused(subject):
    folder, index, _ = subject
    crops, depth, out = folder / "crops.safetensors", folder / "depth.safetensors", folder / "out.safetensors"
    with pytest.raises(InputError, match=r"out\.safetensors: sampling\.depth needs .*; give .* `ra-icl depth` writes"):
        flow_subject(crops, index, out, Sampling("apex", depth=True), FlowOptions())
    with pytest.raises(InputError, match=r"depth\.safetensors: does not hold the depth of a as it was sampled; if"):
        flow_subject(crops, index, out, Sampling("apex", depth=True), FlowOptions(), depth=depth)
    assert not out.exists()


def test_the_folder_of_a_sampling_with_depth_has_a_name_of_its_own():
    assert Sampling("apex", depth=True).name == "apex-depth"
    assert Sampling("random", 4, 2, depth=True).name == "random-4-seed2-depth"
    assert Sampling("apex").name == "apex"
