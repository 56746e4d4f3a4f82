"""Quality control: measures on made-up clips, what is called odd, lists and pictures."""

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import shift as moved

from ra_icl import files
from ra_icl.datasets.index import index_frame
from ra_icl.errors import InputError
from ra_icl.evaluation import qc
from ra_icl.evaluation.qc_figures import contact_sheet, draw_subject


@pytest.fixture(scope="module")
def texture():
    noise = np.random.default_rng(0).normal(size=(64, 64))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return 120 + 80 * smooth / np.abs(smooth).max()


def clip_of(texture, shifts, light=0.0):
    frames = [moved(texture, (0, s), order=3, mode="nearest") + light * i for i, s in enumerate(shifts)]
    return np.clip(np.rint(frames), 0, 255).astype(np.uint8)


def record(count, found="eyes", **more):
    return {"found": found, "frames": list(range(10, 10 + count))} | more


def used(*positions, apex=None):
    return {"positions": list(positions), "apex": apex}


def maps(count, magnitude):
    flow = np.zeros((count, 3, 64, 64), np.float16)
    flow[:, 0, :8] = magnitude
    return flow


def test_energy_follows_motion_and_not_light(texture):
    energy = qc.motion_energy(clip_of(texture, [0, 0.5, 1, 0.5]))
    assert energy[0] == 0
    assert energy.argmax() == 2
    assert qc.motion_energy(clip_of(texture, [0, 0, 0], light=10)).max() < 0.5


@pytest.mark.parametrize("jump", [0.8, 2.0, 3.5])
def test_the_largest_jump_is_found_to_a_fraction_of_a_pixel(texture, jump):
    assert abs(qc.largest_jump(clip_of(texture, [0, 0.1, 0.1 + jump, 0.2 + jump])) - jump) < 0.15 + 0.05 * jump


@pytest.mark.parametrize(
    ("shifts", "crop", "window", "magnitude", "words"),
    [
        ([0, 0.1, 0.2, 0.3], {}, (2, 3), 0.5, []),
        ([0, 0.1, 0.2, 0.3], {"attempt": 3}, (2, 3), 0.5, ["face found at try 3"]),
        ([0, 0.1, 0.2, 0.3], {"found": "box"}, (2, 3), 0.5, ["face, but no eyes, found at try 1"]),
        ([0, 0.0, 0.1, 0.3], {}, (1,), 0.5, ["window has"]),
        ([0, 0.1, 0.2, 0.3], {}, (2, 3), 0.01, ["window without motion (0.01 px)"]),
        ([0, 0.1, 1.3, 1.4], {}, (2, 3), 0.5, ["crop jumps by 1"]),
        ([0, 0.1, 0.2, 0.3], {"frames": [10, 11, 12, 14]}, (2, 3), 0.5, ["1 frames missing"]),
    ],
)
def test_what_is_odd_is_remarked(texture, shifts, crop, window, magnitude, words):
    clip = clip_of(texture, shifts)
    measured = qc.measure_sequence(clip, maps(len(window), magnitude), record(len(clip), **crop), used(*window))
    assert len(measured["remarks"]) == len(words)
    for remark, wanted in zip(measured["remarks"], words, strict=True):
        assert wanted in remark
    assert (measured["oddness"] > 0) == bool(words)


@pytest.fixture
def subject(texture, tmp_path):
    clips = {"good": clip_of(texture, [0, 0.2, 0.4, 0.3]), "bad": clip_of(texture, [0, 0.2, 2.4, 2.3])}
    crops = {"sequences": {"good": record(4), "bad": record(4, found="whole_frame", attempt=4)}}
    flows = {"sequences": {"good": used(2, 3, apex=2), "bad": used(2, 3, apex=1)}}
    files.save_tensors(tmp_path / "crops" / "s01.safetensors", clips, crops)
    files.save_tensors(tmp_path / "flow.safetensors", {name: maps(2, 0.5) for name in clips}, flows)
    identity = {"dataset": "smic", "subject": "s01", "frames": "f", "onset": 10, "offset": 13, "fps": 100}
    rows = [identity | {"sequence": name, "apex": apex, "emotion": "x"} for name, apex in (("good", 12), ("bad", None))]
    return index_frame(rows), tmp_path


def test_the_list_has_the_oddest_first_and_the_pictures_are_drawn(subject):
    index, root = subject
    found = qc.measure_subject(index, root / "crops/s01.safetensors", root / "flow.safetensors", root / "s01.json")
    assert [row["apex"] for row in found] == [2, None]  # a stand-in for an apex is not an annotated one
    ranked = qc.rank([root / "s01.json"], root / "smic")
    assert ranked["sequence"].tolist() == ["bad", "good"]
    assert pd.read_csv(root / "smic.csv")["remarks"][0].startswith("no face found at try 4; crop jumps")
    assert "no face found" in (root / "smic.html").read_text()
    draw_subject(found, root / "s01.png", "datasets")
    contact_sheet(ranked, root / "crops", root / "smic.png", "twins")
    sheet = cv2.imread(str(root / "smic.png"))
    assert cv2.imread(str(root / "s01.png")) is not None
    red = (np.abs(sheet.astype(int) - (30, 30, 200)).sum(axis=2) < 30).nonzero()[1]
    assert red.size
    assert red.max() < sheet.shape[1] / 2  # the frame is around the first of the two


def test_a_sequence_that_is_not_in_the_files_is_named(subject):
    index, root = subject
    index.loc[0, "sequence"] = "gone"
    with pytest.raises(InputError, match=r"s01\.safetensors: lacks s01/gone"):
        qc.measure_subject(index, root / "crops/s01.safetensors", root / "flow.safetensors", root / "s01.json")
