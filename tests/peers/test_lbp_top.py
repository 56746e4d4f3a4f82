"""LBP-TOP against plain loops, and a fold from crops by way of interpolated frames."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from descriptor_data import moving_patches
from typer.testing import CliRunner

from ra_icl.cli import app
from ra_icl.datasets.index import index_frame
from ra_icl.errors import InputError
from ra_icl.files import read_json, save_tensors, write_csv
from ra_icl.flow.tim import interpolate
from ra_icl.peers.lbp_top import Settings, classifier, describe


def by_loops(clip, settings):
    """The descriptor of one clip (N, H, W), pixel by pixel: {block: {plane: shares of 16 patterns}}, in this order."""
    frames, height, width = clip.shape
    x_, y_, t_ = settings.radius_x, settings.radius_y, settings.radius_t
    counts = np.zeros((settings.blocks, settings.blocks, 3, 16))
    for t in range(t_, frames - t_):
        for y in range(y_, height - y_):
            for x in range(x_, width - x_):
                left, right = clip[t, y, x - x_], clip[t, y, x + x_]
                above, below = clip[t, y - y_, x], clip[t, y + y_, x]
                before, after = clip[t - t_, y, x], clip[t + t_, y, x]
                planes = (left, right, above, below), (left, right, before, after), (above, below, before, after)
                for plane, neighbours in enumerate(planes):
                    pattern = sum(2**bit for bit, grey in enumerate(neighbours) if grey >= clip[t, y, x])
                    counts[y * settings.blocks // height, x * settings.blocks // width, plane, pattern] += 1
    return (counts / counts.sum(axis=3, keepdims=True)).ravel()


@pytest.mark.parametrize(
    "settings",
    [
        {"radius_x": 1, "radius_y": 1, "radius_t": 4},
        {"radius_x": 2, "radius_y": 1, "radius_t": 3},
        {"radius_x": 1, "radius_y": 3, "radius_t": 2, "blocks": 3},
    ],
)
@pytest.mark.parametrize("levels", [5, 256])  # five levels: many neighbours are equal
def test_features_are_those_of_plain_loops(settings, levels):
    clips = np.random.default_rng(0).integers(0, levels, (2, 10, 1, 23, 23))
    settings = Settings(size=23, **settings)
    found = describe(torch.from_numpy(clips.astype(np.float16)), settings)
    assert found.shape == (2, settings.blocks**2 * 3 * 16)
    np.testing.assert_allclose(found, [by_loops(clip[:, 0], settings) for clip in clips])


def test_the_official_parameters_give_1200_features_of_the_two_middle_frames():
    clips = np.random.default_rng(0).integers(0, 256, (1, 10, 1, 30, 30)).astype(np.float16)
    found = describe(torch.from_numpy(clips), Settings(size=30))
    assert found.shape == (1, 1200)
    clips[:, [2, 3, 6, 7]] = 0  # neither centre nor neighbour: centres are frames 4 and 5, neighbours 0, 1, 8 and 9
    np.testing.assert_array_equal(describe(torch.from_numpy(clips), Settings(size=30)), found)
    clips[:, 9] = 255
    assert (describe(torch.from_numpy(clips), Settings(size=30)) != found).any()


def test_frames_are_resized_and_have_whole_grey_levels():
    """A flat area stays flat: all neighbours are as bright as its pixels, whatever rounding errors resizing leaves."""
    clips = torch.full((1, 10, 1, 50, 50), 77.0, dtype=torch.float16)
    found = describe(clips, Settings(size=31)).reshape(25, 3, 16)
    assert (found[:, :, 15] == 1).all()
    clips[..., :25] = 200.0  # an edge, which is seen in the planes that hold x
    found = describe(clips, Settings(size=31)).reshape(25, 3, 16)
    assert (found[:, :2, 15] < 1).any()
    assert (found[:, 2, 15] == 1).all()


@pytest.mark.parametrize(
    ("frames", "settings", "words"),
    [
        (8, {}, "is fed 8 frames; set sampling.instances to 9 or more"),
        (10, {"radius_t": 5}, "is fed 10 frames; set sampling.instances to 11 or more"),
    ],
)
def test_clips_that_are_too_small_are_refused(frames, settings, words):
    with pytest.raises(InputError, match=f"peer lbp_top: {words}"):
        describe(torch.zeros(1, frames, 1, 20, 20), Settings(**settings))


def test_it_is_not_standardised_unless_it_is_asked_for():
    assert classifier(Settings(c=3.0)).C == 3.0
    assert len(classifier(Settings(standardise=True))) == 2


@pytest.fixture
def crops(tmp_path):
    """Index and crops of two subjects with six sequences each, one of them of five frames alone."""
    clips, _, labels = moving_patches(12, seed=2)
    rows, emotions = [], ("disgust", "happiness", "surprise")
    for subject in (0, 1):
        sequences = {f"EP{n:02d}": clips[n] for n in range(6 * subject, 6 * subject + 6)}
        sequences[f"EP{6 * subject:02d}"] = clips[6 * subject][[0, 3, 6, 9, 11]]
        record = {name: {"frames": list(range(1, 1 + len(clip)))} for name, clip in sequences.items()}
        save_tensors(tmp_path / "crops" / f"sub{subject}.safetensors", sequences, {"sequences": record})
        for name, clip in sequences.items():
            row = {"dataset": "casme2", "subject": f"sub{subject}", "sequence": name, "frames": "", "onset": 1}
            row |= {"apex": None, "offset": len(clip), "fps": 200, "emotion": emotions[labels[int(name[2:])]]}
            rows.append(row)
    write_csv(tmp_path / "casme2.csv", index_frame(rows))
    return clips


def ra_icl(*arguments):
    run = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert run.exit_code == 0, run.output


def test_a_fold_from_crops(crops, tmp_path):
    index, folder = tmp_path / "casme2.csv", tmp_path / "flow" / "frames-10"
    sampling = json.dumps({"mode": "frames", "instances": 10})
    for subject in ("sub0", "sub1"):
        made = ["--crops", tmp_path / "crops" / f"{subject}.safetensors", "--sampling", sampling, "--subject", subject]
        ra_icl("flow", "--index", index, *made, "--out", folder / "casme2" / f"{subject}.safetensors")
    options = {"peer": {"name": "lbp_top", "size": 40, "c": 100.0}, "training": {"device": "cpu"}}
    options |= {"input": {"normalise": "none"}}
    out = tmp_path / "folds" / "casme2-sub1.csv"
    about = ["--index", index, "--flow", folder, "--data-source", "datasets"]
    ra_icl("fold", "--out", out, *about, "--options", json.dumps(options))

    rows, record = pd.read_csv(out), read_json(out.with_suffix(".json"))
    assert rows["sequence"].tolist() == [f"EP{n:02d}" for n in range(6, 12)]
    assert rows["prediction"].tolist() == rows["label"].tolist() == [0, 1, 2, 0, 1, 2]
    assert record["settings"]["radius_t"] == {"value": 4, "from": "choice"}
    assert record["settings"]["blocks"] == {"value": 5, "from": "paper"}
    assert record["settings"]["patterns"] == {"value": 16, "from": "choice"}
    assert record["settings"]["c"] == {"value": 100.0, "from": "config"}
    assert set(record["data"]["all"]) == {"grey"}

    clips = [crops[n] if n % 6 else crops[n][[0, 3, 6, 9, 11]] for n in range(12)]
    frames = np.stack([np.rint(interpolate(clip, 10)).clip(0, 255)[:, None] for clip in clips])
    features = describe(torch.from_numpy(frames), Settings(size=40))
    machine = classifier(Settings(c=100.0)).fit(features[:6], [0, 1, 2, 0, 1, 2])
    values = np.exp(machine.decision_function(features[6:]))
    expected = values / values.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(rows[["p0", "p1", "p2"]], expected, atol=1e-5)
