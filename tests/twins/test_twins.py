"""The synthetic twins: read back by the adapters, found by the detector, moved as they claim."""

import json
import os
import subprocess
import sys
from dataclasses import fields

import cv2
import numpy as np
import pandas as pd
import pytest

from ra_icl.datasets import protocols
from ra_icl.datasets.frames import frame_files, sequence_frames
from ra_icl.datasets.reading import build_index
from ra_icl.errors import InputError
from ra_icl.planning.options import from_mapping
from ra_icl.twins import motion as twin_motion
from ra_icl.twins import render as twins
from ra_icl.twins.faces import FACE_WIDTH, draw_face, draw_look, pose
from ra_icl.twins.plan import LAYOUTS, TwinOptions, clips, plan

SMALL = TwinOptions(frames=(8, 12), scale=0.2)
ALL = tuple(LAYOUTS)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp("twins")
    for dataset in ALL:
        twins.render(dataset, root / dataset, SMALL)
    return root


def read_back(dataset, root):
    return build_index(dataset, {"root": str(root)})


@pytest.mark.parametrize("dataset", ALL)
def test_the_adapter_reads_back_the_plan(dataset, rendered):
    root = rendered / dataset
    pd.testing.assert_frame_equal(read_back(dataset, root), plan(dataset, SMALL))


@pytest.mark.parametrize("options", [TwinOptions(subjects=40, per_class=6), TwinOptions(census="full")])
@pytest.mark.parametrize("dataset", ["casme2", "samm", "casme3"])
def test_no_planned_clip_bears_a_name_that_adapters_repair(dataset, options, tmp_path):
    planned = clips(dataset, options)
    twins.write_annotation(dataset, tmp_path, planned, dict.fromkeys(planned, "4"))
    (tmp_path / LAYOUTS[dataset].frames).mkdir(exist_ok=True)
    for folder in {clip.folder for clip in planned}:  # names alone: an index reads no frames
        (tmp_path / LAYOUTS[dataset].frames / folder).mkdir(parents=True)
    expected = plan(dataset, options)
    pd.testing.assert_frame_equal(read_back(dataset, tmp_path), expected)
    assert not expected.duplicated(["subject", "sequence"]).any()


@pytest.mark.parametrize("dataset", ALL)
def test_the_layout_is_the_official_one(dataset, rendered):
    example = {
        "casme2": "CASME2_RAW_selected/sub01/EP21_01f/img{}.jpg",
        "samm": "006/006_8_1/006_{:05d}.jpg",
        "smic": "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image{}.bmp",
        "casme3": "part_A/spNO.1/a/color/{}.jpg",
    }[dataset]
    first = clips(dataset, SMALL)[0]
    frame = cv2.imread(str(rendered / dataset / example.format(first.onset)), cv2.IMREAD_UNCHANGED)
    width, height = (round(side * 0.2) for side in LAYOUTS[dataset].size)
    assert frame.shape == ((height, width) if dataset == "samm" else (height, width, 3))
    assert {path.suffix for path in rendered.rglob("*") if path.is_file()} == {
        ".jpg",
        ".bmp",
        ".xlsx",
        ".safetensors",
    }


@pytest.mark.parametrize("dataset", ALL)
def test_every_clip_has_its_frames(dataset, rendered):
    gaps = 0
    for row in plan(dataset, SMALL).itertuples():
        numbers = [number for number, _ in sequence_frames(row, rendered / dataset)]
        lost = set(range(row.onset, row.offset + 1)) - set(numbers)
        assert not lost & {row.onset, row.offset}
        assert len(lost) <= 1
        gaps += len(lost)
    assert (gaps > 0) == (dataset == "casme3")


def test_a_smic_folder_holds_exactly_the_clip(rendered):
    for row in plan("smic", SMALL).itertuples():
        assert list(frame_files(rendered / "smic" / row.frames)) == list(range(row.onset, row.offset + 1))


@pytest.mark.parametrize("dataset", ALL)
def test_default_plan_serves_every_protocol(dataset):
    index = plan(dataset, TwinOptions())
    assert len(index) >= 12
    for protocol in protocols.PROTOCOLS.values():
        if dataset in protocol.datasets:
            labels = protocols.select(index, protocol).groupby("subject")["label"]
            assert (labels.nunique() == len(protocol.classes)).all()
    unused = [clip for clip in clips(dataset, TwinOptions()) if not clip.used]
    assert bool(unused) == (dataset != "smic")
    assert all(clip.used for clip in clips(dataset, TwinOptions(excluded=False)))


def test_lengths_follow_the_rates_of_the_datasets():
    length = {}
    for dataset in ALL:
        index = plan(dataset, TwinOptions(subjects=10))
        length[dataset] = index["offset"] - index["onset"] + 1
    for dataset in ("casme2", "samm"):
        assert (length[dataset].min(), length[dataset].max()) == (20, 30)
    assert length["smic"].mean() < 20
    assert length["casme3"].min() < 16 < length["casme3"].max()


def test_rendering_is_deterministic_and_seeded(rendered, tmp_path):
    again = TwinOptions(**{f.name: getattr(SMALL, f.name) for f in fields(SMALL)})
    twins.render("smic", tmp_path / "again", again)
    twins.render("smic", tmp_path / "other", TwinOptions(frames=(8, 12), scale=0.2, seed=1))

    def content(root):
        return [path.read_bytes() for path in sorted(root.rglob("*.bmp"))]

    assert content(tmp_path / "again") == content(rendered / "smic")
    assert content(tmp_path / "other")[0] != content(rendered / "smic")[0]


@pytest.mark.parametrize("dataset", ["casme2", "smic"])
def test_another_process_renders_the_same_bits(dataset, rendered, tmp_path):
    """Frames and truth; a workbook holds the time it was written."""
    options = json.dumps({"frames": [8, 12], "scale": 0.2})
    command = [
        sys.executable,
        "-c",
        "from ra_icl.cli import main; main()",
        "twins",
        "--dataset",
        dataset,
        "--options",
        options,
    ]
    environment = os.environ | {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"}
    subprocess.run([*command, "--out", tmp_path / dataset], env=environment, check=True, capture_output=True)

    def content(root):
        files = (path for path in root.rglob("*.*") if path.is_file() and path.suffix != ".xlsx")
        return {str(path.relative_to(root)): path.read_bytes() for path in files}

    expected = content(rendered / dataset)
    assert sum(name.endswith(".safetensors") for name in expected) == len(clips(dataset, SMALL))
    assert content(tmp_path / dataset) == expected


def test_nothing_is_overwritten(rendered):
    with pytest.raises(
        InputError, match="already exists, and twins overwrite nothing; name another folder, or delete it if it holds"
    ):
        twins.render("smic", rendered / "smic", SMALL)
    assert [path.name for path in rendered.iterdir() if path.name.startswith(".")] == []


def test_a_failed_rendering_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(twins.cv2, "imwrite", lambda *_: False)
    with pytest.raises(InputError, match="cannot be written"):
        twins.render("casme2", tmp_path / "casme2", SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("key", "value"), [("subjects", 1), ("frames", [9, 3]), ("scale", 3), ("noise", -1)])
def test_options_out_of_range_are_refused(key, value):
    with pytest.raises(InputError, match=key):
        from_mapping(TwinOptions, {key: value}, "twins")


@pytest.mark.parametrize("dataset", ALL)
def test_face_and_eyes_are_found(dataset):
    """All of 12 subjects at half the official size: one face, both eyes where they were drawn."""
    folder = cv2.data.haarcascades
    faces = cv2.CascadeClassifier(folder + "haarcascade_frontalface_default.xml")
    eyes = cv2.CascadeClassifier(folder + "haarcascade_eye.xml")
    width, height = (side // 2 for side in LAYOUTS[dataset].size)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        face = draw_face(draw_look(rng), (width, height), FACE_WIDTH[dataset] * height, rng)
        face = pose(face, rng.uniform(-0.04, 0.04, 2), rng.uniform(0.96, 1.04), rng.uniform(-3, 3))
        grey = cv2.cvtColor(face.image, cv2.COLOR_BGR2GRAY)
        [(x, y, w, h)] = faces.detectMultiScale(grey, 1.1, 5, minSize=(height // 5,) * 2)
        assert w / face.width == pytest.approx(twin_motion.CROP_WIDTH, rel=0.15)
        found = eyes.detectMultiScale(grey[y : y + h * 6 // 10, x : x + w], 1.05, 4)
        middles = [(x + a + c / 2, y + b + d / 2) for a, b, c, d in found]
        for side in (-1, 1):
            drawn = eye_position(face, side)
            assert min(np.hypot(*np.subtract(m, drawn)) for m in middles) < 0.06 * face.width


def eye_position(face, side):
    tilt = np.radians(face.tilt)
    right, down = side * face.look.eye[0] * face.width, face.look.eye[1] * face.width
    return np.add(
        face.centre,
        (np.cos(tilt) * right + np.sin(tilt) * down, -np.sin(tilt) * right + np.cos(tilt) * down),
    )


def motion_of(way, tilt=0.0, strength=2.0):
    rng = np.random.default_rng(0)
    face = pose(draw_face(draw_look(rng), (320, 240), 120, rng), (0, 0), 1.0, tilt)
    return face, twin_motion.draw_motion(face, (way,), 21, 8, strength, rng)


def test_motion_rises_to_the_apex_and_falls():
    curve = twin_motion.envelope(21, 8, 0.2)
    assert (curve[0], curve[8], curve[20]) == pytest.approx((0, 1, 0.2))
    assert (np.diff(curve[:9]) > 0).all()
    assert (np.diff(curve[8:]) < 0).all()


@pytest.mark.parametrize("way", [("6",), ("L14",), ("5", "24"), ("4", "5", "7", "9")])
def test_strength_is_the_peak_in_pixels_of_a_128_pixel_crop(way):
    face, motion = motion_of(way, strength=2.0)
    count = len(way)
    assert motion.units == way
    peak = np.linalg.norm(motion.fields[:count].sum(0), axis=0).max()
    assert peak * 128 / (twin_motion.CROP_WIDTH * face.width) == pytest.approx(2.0, rel=1e-5)
    assert not motion.flow(0).any()
    assert motion.gain[0] == 1


def test_happiness_pulls_the_corners_of_the_mouth_up_and_out():
    face, motion = motion_of(("6", "12"), tilt=3.0)
    flow = motion.flow(8)
    for side in (-1, 1):
        tilt = np.radians(3.0)
        right, down = side * face.look.mouth[1] * 120, face.look.mouth[0] * 120
        x = face.centre[0] + np.cos(tilt) * right + np.sin(tilt) * down
        y = face.centre[1] - np.sin(tilt) * right + np.cos(tilt) * down
        u, v = flow[round(y), round(x)]
        assert side * u > 0.3
        assert v < -0.3


def test_backward_motion_undoes_the_flow():
    _, motion = motion_of(("1", "2"), strength=5.0)
    flow = motion.flow(8)
    x, y = np.meshgrid(np.arange(320, dtype=np.float32), np.arange(240, dtype=np.float32))
    ends = cv2.remap(motion.backward(8), x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    assert np.abs(flow).max() > 4
    assert np.abs(ends - flow).max() < 0.35
    assert np.abs(ends - flow).mean() < 0.01


@pytest.mark.parametrize("way", [("1", "2"), ("6", "12"), ("15", "17")])
def test_tvl1_flow_recovers_the_true_motion(way):
    face, motion = motion_of(way, strength=2.5)
    noise = np.full((240 + 64, 320 + 64, 3), 128, np.uint8)
    frames = list(twins.render_clip(face, motion, noise, 0.0, np.random.default_rng(0)))
    np.testing.assert_array_equal(frames[0], face.image)
    onset, apex = (cv2.cvtColor(frames[i], cv2.COLOR_BGR2GRAY) for i in (0, 8))
    found = cv2.optflow.DualTVL1OpticalFlow_create().calc(onset, apex, None)[50:200, 90:230]
    truth = motion.flow(8)[50:200, 90:230]  # the face
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.9
    # TV-L1 flattens small motion, but comes much closer than no motion does
    assert np.linalg.norm(found - truth, axis=2).mean() < 0.5 * np.linalg.norm(truth, axis=2).mean()


def test_noise_has_the_deviation_that_the_options_ask_for():
    rng = np.random.default_rng(0)
    face, motion = motion_of(("4", "7"))
    noise = twins._noise_field(face, rng)
    frame = next(twins.render_clip(face, motion, noise, 1.5, rng))
    inside = (face.image > 20) & (face.image < 235)
    residual = frame.astype(float)[inside] - face.image[inside]
    assert residual.std() == pytest.approx(1.5, rel=0.1)
    assert abs(residual.mean()) < 0.1


def test_subjects_differ_in_strength():
    """Two clips of one subject are nearer in strength than two of different subjects, over many."""
    options = TwinOptions(subjects=12, per_class=4, scale=0.2, strength=(0.5, 4.0))
    peaks = {}
    for clip in clips("smic", options):
        _, motion = twins.clip_motion(twins.subject_face(clip, options), clip, options)
        count = len(motion.units)
        field = np.tensordot(motion.intensity[:count].max(axis=1), motion.fields[:count], axes=1)
        peaks.setdefault(clip.subject, []).append(np.linalg.norm(field, axis=0).max())
    within = np.mean([np.var(found) for found in peaks.values()])
    between = np.var([np.mean(found) for found in peaks.values()])
    assert between > 0.5 * within


def test_casme3_may_have_subjects_of_its_own():
    options = TwinOptions(subjects=2, casme3_subjects=5)
    assert [plan(dataset, options)["subject"].nunique() for dataset in ("casme2", "casme3")] == [2, 5]
    pd.testing.assert_frame_equal(plan("casme3", options), plan("casme3", TwinOptions(subjects=5)))
