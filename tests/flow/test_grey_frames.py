"""Grey frames interpolated in time (TIM): the curve against its model, and the file that takes the place of flow."""

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import eigh

from ra_icl import files
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.flow.subjects import flow_subject
from ra_icl.flow.tim import interpolate


def distinct_clip(frames, *shape, seed=0):
    """Frames (T, *shape) uint8 in random order."""
    return np.random.default_rng(seed).integers(0, 256, (frames, *shape), dtype=np.uint8)


@pytest.mark.parametrize("frames", [1, 2, 3, 10, 27])
def test_as_many_frames_as_there_are_are_those_frames(frames):
    clip = distinct_clip(frames, 4, 5)
    np.testing.assert_allclose(interpolate(clip, frames), clip, atol=1e-3)


def test_every_second_frame_is_met():
    clip = distinct_clip(9, 4, 5)
    np.testing.assert_allclose(interpolate(clip, 5), clip[::2], atol=1e-3)


def test_two_frames_by_hand():
    """The one wave is cos(pi (p + 1/2) / 2): at p = 0 and 1 cos 45 and cos 135 degrees, at p = 1/4 cos 67.5."""
    share = 0.5 + 0.38268343 / 0.70710678 / 2  # of the first frame, at p = 1/4
    expected = [100, 100 * share, 50, 100 - 100 * share, 0]
    np.testing.assert_allclose(interpolate(np.array([[100.0], [0.0]]), 5).ravel(), expected, atol=1e-4)


def test_a_linear_motion_stays_nearly_linear():
    """20 grey levels a frame: met at the frames, and within 2 levels of the line between them."""
    frames = 20.0 * np.arange(9)[:, None] + 7
    found = interpolate(frames, 65).ravel()
    line = np.linspace(7, 167, 65)
    np.testing.assert_allclose(found[::8], line[::8], atol=1e-3)
    assert np.abs(found - line).max() < 2
    assert (np.diff(found) > 0).all()
    np.testing.assert_allclose(interpolate(np.full((9, 3), 50), 10), 50, rtol=1e-6)


def by_embedding(frames, count):
    """The model as its paper has it: the frames embedded on a path graph, starting from their singular vectors."""
    number, mean = len(frames), frames.mean(axis=0)
    images, values, nodes = np.linalg.svd((frames - mean).T, full_matrices=False)
    rank = number - 1
    images, embedded = images[:, :rank], values[:rank, None] * nodes[:rank]  # (pixels, rank), (rank, n)
    laplacian = np.zeros((number, number))
    for node in range(number - 1):
        laplacian[node, node] += 1
        laplacian[node + 1, node + 1] += 1
        laplacian[node, node + 1] -= 1
        laplacian[node + 1, node] -= 1
    _, axes = eigh(embedded @ laplacian @ embedded.T, embedded @ embedded.T)  # ascending, as the waves
    on_curve = axes.T @ embedded

    def sine(wave, time):
        return np.sin(np.pi * wave * time + np.pi * (number - wave) / (2 * number))

    found = []
    for time in np.linspace(1 / number, 1, count):
        point = [on_curve[wave - 1, 0] / sine(wave, 1 / number) * sine(wave, time) for wave in range(1, number)]
        found.append(images @ np.linalg.solve(axes.T, point) + mean)
    return np.array(found)


@pytest.mark.parametrize(("frames", "count"), [(5, 10), (12, 10), (10, 10), (2, 3)])
def test_the_curve_is_that_of_the_embedding(frames, count):
    clip = distinct_clip(frames, 40).astype(float)
    np.testing.assert_allclose(interpolate(clip, count), by_embedding(clip, count), atol=1e-2)


NUMBERS = {"long": [3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15], "short": [1, 2, 3]}


def write_crops(path, *colour):
    clips = {name: distinct_clip(len(numbers), 16, 20, *colour) for name, numbers in NUMBERS.items()}
    files.save_tensors(path, clips, {"sequences": {name: {"frames": numbers} for name, numbers in NUMBERS.items()}})
    return clips


def index_of(*names):
    keys = {"dataset": "casme2", "subject": "sub01", "sequence": list(names)}
    times = {"onset": [3, 1], "apex": pd.array([8, pd.NA], "Int64"), "offset": [15, 3]}
    return pd.DataFrame(keys | times)


@pytest.mark.parametrize("colour", [(), (3,)])
def test_frames_take_the_place_of_flow(tmp_path, colour, monkeypatch):
    monkeypatch.setattr("ra_icl.flow.subjects.backend_of", None)  # no backend is loaded
    clips = write_crops(tmp_path / "crops.safetensors", *colour)
    out, done = tmp_path / "frames.safetensors", []
    flow_subject(
        tmp_path / "crops.safetensors",
        index_of("long", "short"),
        out,
        Sampling("frames", 10),
        FlowOptions(),
        done.append,
    )
    tensors, metadata = files.load_tensors(out, verify=True)
    for name, found in tensors.items():
        luma = np.array(
            [0.299, 0.587, 0.114], np.float32
        )  # of ITU-R BT.601, in the precision in which halves are rounded
        clip = (np.rint(clips[name] @ luma) if colour else clips[name]).astype(float)
        exact = by_embedding(clip.reshape(len(clip), -1), 10).reshape(10, 16, 20).clip(0, 255)
        assert found.shape == (10, 1, 16, 20)
        assert found.dtype == np.float16
        np.testing.assert_array_equal(found, np.rint(found))
        np.testing.assert_allclose(found[:, 0], exact, atol=0.51)
        np.testing.assert_array_equal(found[[0, -1], 0], clip[[0, -1]])  # onset and offset
    assert done == [1, 1]
    assert "backend" not in metadata
    assert metadata["sampling"]["name"] == "frames-10"
    assert metadata["sequences"]["long"] == {"positions": list(range(1, 12)), "frames": NUMBERS["long"][1:], "apex": 4}
    assert metadata["sequences"]["short"] == {"positions": [1, 2], "frames": [2, 3], "apex": None}
