"""Quality control: measures on made-up clips, what is called odd, lists and pictures."""

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import shift as moved

from ra_icl import files
from ra_icl.datasets.index import index_frame
from ra_icl.errors import InputError
from ra_icl.evaluation import qc, qc_figures
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


@pytest.mark.parametrize("shape", [(4, 5, 7), (4, 5, 7, 3)])
def test_energy_is_the_mean_difference_from_the_onset_frame_by_frame(shape):
    clip = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    energy = qc.motion_energy(clip)
    for number, frame in enumerate(clip.astype(float)):
        onset = clip[0].astype(float)
        changes = [np.mean(frame[y, x] - onset[y, x]) for y in range(5) for x in range(7)]
        assert energy[number] == pytest.approx(np.mean(np.abs(np.array(changes) - np.mean(changes))), abs=1e-4)


def test_motion_is_that_of_each_sampled_frame_in_order(texture):
    clip = clip_of(texture, [0, 0.1, 0.2, 0.3])
    flow = np.full((3, 3, 64, 64), 99, np.float16)  # strain, which is no motion, keeps this value
    for number, length in enumerate((1.0, 3.0, 2.0)):
        flow[number, 0], flow[number, 1] = 0.6 * length, -0.8 * length
    flow[1, 1, :, :3] = 40  # 3 of 64 columns: more than the liveliest 1 %
    measured = qc.measure_sequence(clip, flow, record(4), used(1, 2, 3, apex=2), 4)
    lively = 3 / 64 * np.hypot(1.8, 40) + 61 / 64 * 3
    assert measured["motion"] == pytest.approx([1.0, lively, 2.0], abs=0.01)
    assert measured["liveliest"] == pytest.approx(np.hypot(1.8, 40), abs=0.1)
    assert (measured["window"], measured["apex"]) == ([1, 2, 3], 2)
    assert measured["frames"] == [10, 11, 12, 13]


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
        ([0, 0.1, 0.2, 0.3], {"frames": [10, 11, 12, 14]}, (2, 3), 0.5, ["1 frame missing"]),
        ([0, 0.1, 0.2, 0.3], {"frames": [10, 11, 12, 13]}, (2, 3), 0.5, ["1 frame missing"]),  # the last of five
        (
            [0, 0.1, 0.2, 0.3],
            {"marks": ["img11.jpg: is damaged", "is interlaced"]},
            (2, 3),
            0.5,
            ["img11", "interlaced"],
        ),
    ],
)
def test_what_is_odd_is_remarked(texture, shifts, crop, window, magnitude, words):
    clip = clip_of(texture, shifts)
    total = 5 if "frames" in crop else 4
    measured = qc.measure_sequence(clip, maps(len(window), magnitude), record(len(clip), **crop), used(*window), total)
    assert len(measured["remarks"]) == len(words)
    for remark, wanted in zip(measured["remarks"], words, strict=True):
        assert wanted in remark
    assert (measured["oddness"] > 0) == bool(words)


def test_what_was_noticed_in_the_frames_comes_before_what_merely_looks_odd(texture):
    quiet, jumpy = clip_of(texture, [0, 0.1, 0.2, 0.3]), clip_of(texture, [0, 0.1, 0.9, 1.0])
    noticed = qc.measure_sequence(quiet, maps(2, 0.5), record(4, marks=["img11.jpg: is damaged"]), used(2, 3), 4)
    # All that can look odd: no face at the last try, a still and quiet window, a jump, missing frames.
    odd = qc.measure_sequence(jumpy, maps(2, 0.0), record(4, found="whole_frame", attempt=6), used(0, 0), 5)
    assert len(odd["remarks"]) == 5
    assert noticed["oddness"] > odd["oddness"] > 0


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
    assert [row["apex"] for row in found] == [2, None]  # without an annotation there is none
    ranked = qc.rank([root / "s01.json"], root / "smic", "datasets")
    assert ranked["sequence"].tolist() == ["bad", "good"]
    assert pd.read_csv(root / "smic.csv")["remarks"][0].startswith("no face found at try 4; crop jumps")
    assert pd.read_csv(root / "smic.csv")["data"].tolist() == ["real", "real"]
    assert "no face found" in (root / "smic.html").read_text()
    assert "SYNTHETIC" not in (root / "smic.html").read_text()
    draw_subject(found, root / "s01.png", "datasets")
    contact_sheet(ranked, root / "crops", root / "smic.png", "twins")
    sheet = cv2.imread(str(root / "smic.png"))
    assert cv2.imread(str(root / "s01.png")) is not None
    red = (np.abs(sheet.astype(int) - (30, 30, 200)).sum(axis=2) < 30).nonzero()[1]
    assert red.size
    assert red.max() < sheet.shape[1] / 2  # the frame is around the first of the two


def test_frames_that_are_missing_at_the_end_are_counted(subject):
    index, root = subject
    index["offset"] = [13, 15]
    found = qc.measure_subject(index, root / "crops/s01.safetensors", root / "flow.safetensors", root / "s01.json")
    assert [row["missing"] for row in found] == [0, 2]


def test_the_page_shows_names_as_people_wrote_them_and_says_its_encoding(subject):
    index, root = subject
    index["subject"] = "=E9=AB=98_1"
    qc.measure_subject(index, root / "crops/s01.safetensors", root / "flow.safetensors", root / "s01.json")
    qc.rank([root / "s01.json"], root / "own", "datasets")
    page = (root / "own.html").read_text(encoding="utf-8")
    assert '<meta charset="utf-8">' in page[:100]
    assert "<td>高_1</td>" in page
    assert pd.read_csv(root / "own.csv")["subject"].tolist() == ["=E9=AB=98_1"] * 2  # as files are named


def test_the_list_of_twins_says_so(subject):
    index, root = subject
    qc.measure_subject(index, root / "crops/s01.safetensors", root / "flow.safetensors", root / "s01.json")
    qc.rank([root / "s01.json"], root / "smic", "twins")
    assert "SYNTHETIC TWINS" in (root / "smic.html").read_text()
    assert pd.read_csv(root / "smic.csv")["data"].tolist() == ["synthetic", "synthetic"]


def test_a_curve_shows_energy_window_apex_and_motion_where_they_are(monkeypatch, tmp_path):
    figures = []
    monkeypatch.setattr(qc_figures, "_save", lambda figure, out: figures.append(figure))
    mark = "img3.jpg differs from the frames around it by 41 grey levels, while these differ by 5.1"
    shared = {"dataset": "smic", "subject": "s01", "emotion": "x", "remarks": []}
    first = {"sequence": "a", "frames": [10, 11, 13, 14], "energy": [0, 1, 4, 2], "window": [2, 3], "apex": 2}
    second = {"sequence": "b", "frames": [5, 6, 7], "energy": [0, 3, 5], "window": [1], "apex": None}
    measures = [shared | first | {"motion": [0.7, 0.9]}, shared | second | {"motion": [0.4], "remarks": [mark]}]
    draw_subject(measures, tmp_path / "s01.png", "twins")
    axes = [axis for axis in figures[0].axes if axis.lines]
    curve, apex = axes[0].lines
    assert curve.get_xydata().tolist() == [[0, 0], [1, 1], [3, 4], [4, 2]]
    assert list(apex.get_xdata()) == [3, 3]
    shade = axes[0].patches[0].get_bbox()
    assert (shade.x0, shade.x1) == (2.5, 4.5)
    titles = [axis.get_title().splitlines() for axis in axes[:2]]
    assert titles[0] == ["a (x)"]
    assert (titles[1][0], " ".join(titles[1][1:])) == ("b (x)", mark)
    assert max(map(len, titles[1])) <= 64
    assert [line.get_xydata().tolist() for line in axes[1].lines] == [[[0, 0], [1, 3], [2, 5]]]
    dots = [axis.lines[0].get_xydata().tolist() for axis in axes[2:]]
    assert dots == [[[3, 0.7], [4, 0.9]], [[1, 0.4]]]
    assert "SYNTHETIC" in figures[0].get_suptitle()


def gradient(number):
    """An onset crop (96, 96) of its own brightness that falls to the right and rises downwards."""
    return (20 * number + np.add.outer(np.arange(96) // 2, -np.arange(96) // 4) + 30).astype(np.uint8)


def test_the_sheet_holds_every_onset_crop_at_its_place_and_upright(tmp_path):
    clips = {f"s{n}": np.stack([gradient(n), gradient(9)]) for n in range(6)}
    files.save_tensors(tmp_path / "p1.safetensors", clips, {})
    onsets = qc_figures._onset_crops(tmp_path / "p1.safetensors")
    order = [4, 0, 5, 2, 1, 3]
    sheet, corners = qc_figures._sheet([qc_figures._tile(onsets[f"s{n}"], n % 2 == 1) for n in order])
    assert sheet.shape == (200, 500, 3)
    for place, (number, corner) in enumerate(zip(order, corners, strict=True)):
        y, x = 100 * (place // 5), 100 * (place % 5)
        assert corner == (x, y + 100)
        tile = sheet[y : y + 100, x : x + 100]
        assert (tile[2:-2, 2:-2] == gradient(number)[..., None]).all()
        assert tuple(tile[0, 0]) == ((200, 30, 30) if number % 2 else (255, 255, 255))
    assert (sheet[100:, 100:] == 255).all()


def test_a_thumbnail_keeps_colours_and_directions():
    crop = np.zeros((192, 192, 3), np.uint8)
    crop[:96, :, 0], crop[:, :96, 1], crop[96:, 96:, 2] = 200, 100, 50
    tile = qc_figures._tile(crop, odd=False)[2:-2, 2:-2]
    corners = [tuple(tile[y, x]) for y in (5, 90) for x in (5, 90)]
    assert corners == [(200, 100, 0), (200, 0, 0), (0, 100, 0), (0, 0, 50)]


def test_a_sequence_that_is_not_in_the_files_is_named(subject):
    index, root = subject
    index.loc[0, "sequence"] = "gone"
    with pytest.raises(InputError, match=r"s01\.safetensors: lacks s01/gone"):
        qc.measure_subject(index, root / "crops/s01.safetensors", root / "flow.safetensors", root / "s01.json")


def test_names_are_drawn_as_they_are_and_are_no_formulas(tmp_path):
    name = "a b/$^$.1"
    files.save_tensors(tmp_path / "Zo=C3=AB.safetensors", {name: np.stack([gradient(0), gradient(9)])}, {})
    shared = {
        "dataset": "own",
        "subject": "Zo=C3=AB",
        "sequence": name,
        "emotion": "x",
        "remarks": ["$^$"],
        "apex": None,
    }
    measured = {"frames": [10, 11, 13], "energy": [0, 1, 4], "window": [2], "motion": [0.7]}
    draw_subject([shared | measured], tmp_path / "curves.png", "datasets")
    contact_sheet(pd.DataFrame([shared | {"oddness": 1.0}]), tmp_path, tmp_path / "sheet.png", "datasets")
    assert all(cv2.imread(str(tmp_path / f"{picture}.png")) is not None for picture in ("curves", "sheet"))
