"""The depth of the twin of CAS(ME)³: its layout, its motion, and its way through crops to the channel of flow files."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ra_icl import cli, files
from ra_icl.datasets.depth import depth_files
from ra_icl.datasets.frames import sequence_frames
from ra_icl.datasets.reading import build_index
from ra_icl.errors import InputError
from ra_icl.twins.depth import FACE, depth_frames, render_depth
from ra_icl.twins.motion import Motion, face_grid
from ra_icl.twins.plan import TwinOptions, clips
from ra_icl.twins.render import clip_motion, render, subject_face
from ra_icl.twins.truth import read_truth

OPTIONS = {"per_class": 1, "frames": [10, 12], "scale": 0.3, "strength": [5.0, 6.0], "excluded": False}
SMALL = TwinOptions(**{key: tuple(value) if isinstance(value, list) else value for key, value in OPTIONS.items()})
SIZE = 64


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    root = tmp_path_factory.mktemp("twin") / "casme3"
    render("casme3", root, SMALL)
    render_depth(root, SMALL)
    return root


def test_every_colour_frame_has_its_depth_and_nothing_else_has(twin):
    index = build_index("casme3", {"root": str(twin)})
    assert len(index) == 14
    for row in index.itertuples():
        numbers, frames = zip(*sequence_frames(row, twin), strict=True)
        paths = depth_files(row, twin, numbers)
        for path, frame in zip(paths, frames, strict=True):
            depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            assert (depth.dtype, depth.shape) == (np.uint16, cv2.imread(str(frame)).shape[:2])
    of_kind = [len(list(twin.rglob(f"{kind}/*"))) for kind in ("color", "depth")]
    assert of_kind[0] == of_kind[1] > 14 * 5


def test_depth_is_deterministic_and_needs_the_twin(twin, tmp_path):
    before = {path: path.read_bytes() for path in sorted(twin.rglob("depth/*.png"))}
    assert len(set(before.values())) == len(before)
    render_depth(twin, SMALL)
    assert before == {path: path.read_bytes() for path in sorted(twin.rglob("depth/*.png"))}
    with pytest.raises(InputError, match=r"part_A/spNO\.1/a/color: is missing; render the twin with the same options"):
        render_depth(tmp_path, SMALL)


def test_the_surface_moves_with_the_motion_and_comes_forward_by_as_much():
    clip = clips("casme3", SMALL)[0]
    face, motion = clip_motion(subject_face(clip, SMALL), clip, SMALL)
    x, y = face_grid(face)
    head = np.clip(1.6 - 2 * np.hypot(x, y), 0, 1)  # 1 in the face, so that all of it moves alike
    right, down = 4.0, -3.0
    fields = np.stack([np.stack([right * head, down * head])])
    moving = Motion(np.float32(fields), np.float32([[0, 1]]), np.ones(2), (), motion.size)
    onset, later = (one.astype(float) for one in depth_frames(face, moving, np.random.default_rng(0)))
    (left, top), reach = np.round(face.centre).astype(int), round(0.2 * face.width)
    here = np.s_[top - reach : top + reach, left - reach : left + reach]
    there = np.s_[top - 3 - reach : top - 3 + reach, left + 4 - reach : left + 4 + reach]
    both = (onset[here] > 0) & (later[there] > 0)
    rise = later[there][both] - onset[here][both]
    assert rise.mean() == pytest.approx(-5 * FACE / face.width, abs=0.05)  # mm: it moved by 5 px
    assert rise.std() < 1.2  # noise of both and rounding; unmoved, the slopes of the nose stand out
    assert (later[here] - onset[here])[(onset[here] > 0) & (later[here] > 0)].std() > 2


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["ra-icl", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code


def test_the_commands_take_it_from_frames_to_the_channel_that_the_true_motion_implies(twin, tmp_path, monkeypatch):
    sampling = json.dumps({"mode": "apex", "depth": True})
    of_subject = ("--index", tmp_path / "index.csv", "--subject", "spNO.1")
    crops, depth, flow = (tmp_path / f"{name}.safetensors" for name in ("crops", "depth", "flow"))
    run(
        monkeypatch,
        "index",
        "--dataset",
        "casme3",
        "--options",
        json.dumps({"root": str(twin)}),
        "--out",
        of_subject[1],
    )
    run(monkeypatch, "crop", *of_subject, "--root", twin, "--options", json.dumps({"size": SIZE}), "--out", crops)
    cut = ("--crops", crops, "--sampling", sampling)
    run(monkeypatch, "depth", *of_subject, *cut, "--root", twin, "--out", depth)
    run(monkeypatch, "flow", *of_subject, *cut, "--depth", depth, "--out", flow)

    maps, sampled = files.load_tensors(flow, verify=True)
    measured, _ = files.load_tensors(depth, verify=True)
    _, cropped = files.load_tensors(crops)
    agreement = []
    for clip in [clip for clip in clips("casme3", SMALL) if clip.subject == "spNO.1"]:
        assert sampled["sequences"][clip.sequence]["frames"] == [clip.apex]
        assert maps[clip.sequence].shape == (1, 4, SIZE, SIZE)
        transform = cropped["sequences"][clip.sequence]["transform"]
        truth = read_truth(Path(twin, "truth", clip.subject, f"{clip.sequence}.safetensors"))
        motion = truth.crop_flow(clip.apex - clip.onset, transform, SIZE)
        width = clip_motion(subject_face(clip, SMALL), clip, SMALL)[0].width * np.hypot(*np.array(transform)[:, 0])
        rise = -FACE / width * np.hypot(*motion)
        known = (measured[clip.sequence] > 0).all(axis=0)
        found = maps[clip.sequence][0, 3].astype(float)
        assert 0.5 < known.mean() < 0.9
        assert np.abs(found).max() < 20  # mm, gaps included
        agreement.append(np.corrcoef(found[known], rise[known])[0, 1])
        assert np.abs((found - rise)[known]).mean() < 0.6
    assert np.mean(agreement) > 0.7
