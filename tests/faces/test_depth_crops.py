"""Depth crops: cut as the colour frames are, with gaps left as gaps and without what is not the face."""

import cv2
import numpy as np
import pandas as pd
import pytest

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.faces.align import cut, rotate_about
from ra_icl.faces.depth import crop_depth, crop_images
from ra_icl.faces.stabilise import Stabiliser, without_head

SHAPE, SIZE = (120, 160), 40
ROWS, COLUMNS = np.indices(SHAPE)
LEVELS = 0.9 * COLUMNS + 0.4 * ROWS + 0.002 * COLUMNS * ROWS  # 0 to 228, another slope everywhere
GREY = np.rint(LEVELS).astype(np.uint8)
TRANSFORMS = {
    "reduced and turned": rotate_about((70.0, 60.0), (20.0, 20.0), 0.2, 0.43),
    "enlarged": rotate_about((85.3, 40.7), (19.0, 21.5), -0.1, 1.7),
}


def depth_of(levels):
    """Depth in mm, uint16, that is 500 + the level."""
    return np.rint(500.0 + levels).astype(np.uint16)


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_depth_is_cut_by_the_transform_of_the_colour_frames(transform):
    later = np.clip(GREY.astype(int) + 7, 0, 255).astype(np.uint8)
    found = crop_images([depth_of(GREY), depth_of(later)], transform, SIZE)
    assert (found.dtype, found.shape) == (np.float32, (2, SIZE, SIZE))
    colour = cut(GREY, transform, SIZE).astype(float)
    inner = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose((found[0] - 500)[inner], colour[inner], atol=1.5)  # two roundings of grey levels
    np.testing.assert_allclose((found[1] - found[0])[inner], 7, atol=0.5)
    assert np.abs(found[0].T - 500 - colour).max() > 5  # a transposed crop would be noticed


def test_the_head_is_taken_out_as_it_was_from_the_crops(monkeypatch):
    transform, motion = TRANSFORMS["reduced and turned"], np.array([1.5, -0.7, 0.04])
    stabiliser = Stabiliser(cut(GREY, transform, SIZE))
    monkeypatch.setattr(stabiliser, "_search", lambda crop: motion)
    steady, head = stabiliser.steady(cut(GREY, transform, SIZE), transform)
    np.testing.assert_allclose(without_head(transform, head, SIZE), steady, atol=1e-3)
    expected = cut(GREY, steady, SIZE).astype(float)
    _, found = crop_images([depth_of(GREY)] * 2, transform, SIZE, [[0, 0, 0], head])
    np.testing.assert_allclose((found - 500)[3:-3, 3:-3], expected[3:-3, 3:-3], atol=1.5)
    assert np.abs(found - 500 - cut(GREY, transform, SIZE)).max() > 3


def test_gaps_stay_gaps_and_nothing_between_depth_and_none_comes_up():
    depth = depth_of(LEVELS / 4)
    depth[50:62, 60:70] = 0
    found = crop_images([depth], TRANSFORMS["reduced and turned"], SIZE)[0]
    assert 5 < (found == 0).sum() < 60  # of 120 pixels that are reduced by 0.43
    assert found[found > 0].min() >= 500 - 0.1
    whole = crop_images([depth_of(LEVELS / 4)], TRANSFORMS["reduced and turned"], SIZE)[0]
    np.testing.assert_allclose(found[found > 0], whole[found > 0], atol=2)


def test_what_is_far_from_the_face_counts_as_not_measured():
    depth = depth_of(LEVELS / 4)
    wall = (COLUMNS - 70) ** 2 + (ROWS - 60) ** 2 > 35**2
    depth[wall] = 1500
    depth[:, 140:] = 200
    onset, later = crop_images([depth, depth], TRANSFORMS["reduced and turned"], SIZE)
    np.testing.assert_array_equal(onset, later)
    assert set(onset[0]) == set(onset[:, -1]) == {0.0}
    assert onset[20, 20] > 500
    assert onset[onset > 0].max() < 600  # no pixel mixes the face with the wall


def test_an_image_without_any_measurement_is_all_gap():
    found = crop_images([np.zeros(SHAPE, np.uint16), depth_of(LEVELS)], TRANSFORMS["enlarged"], SIZE)
    assert not found.any()


def write_subject(root, gap=()):
    """Colour frames, depth and crops of two sequences of spNO.1, frames 5 to 9; returns the index and the crops."""
    keys = {"dataset": "casme3", "subject": "spNO.1", "onset": 5, "offset": 9, "apex": 7}
    index = pd.DataFrame([keys | {"sequence": f"{one}_5", "frames": f"{one}/color"} for one in "ab"])
    sequences, clips = {}, {}
    for place, (name, transform) in enumerate(zip("ab", TRANSFORMS.values(), strict=True)):
        for kind in ("color", "depth"):
            (root / name / kind).mkdir(parents=True)
        for number in range(5, 10):
            cv2.imwrite(str(root / name / "color" / f"{number}.jpg"), GREY)
            if number not in gap:
                cv2.imwrite(str(root / name / "depth" / f"{number}.png"), depth_of(LEVELS / 4 + 10 * place + number))
        clips[f"{name}_5"] = np.zeros((5, SIZE, SIZE), np.uint8)
        sequences[f"{name}_5"] = {"frames": [*range(5, 10)], "transform": transform}
    files.save_tensors(root / "crops.safetensors", clips, {"sequences": sequences})
    return index, root / "crops.safetensors"


def test_a_subject_s_depth_holds_the_wanted_frames_of_every_sequence(tmp_path):
    index, crops = write_subject(tmp_path, gap=(6,))  # which is not wanted
    crop_depth(crops, index, tmp_path, tmp_path / "out.safetensors", lambda row, numbers: [0, 2, 4])
    tensors, metadata = files.load_tensors(tmp_path / "out.safetensors", verify=True)
    assert metadata["sequences"] == {"a_5": {"frames": [5, 7, 9]}, "b_5": {"frames": [5, 7, 9]}}
    for place, (name, transform) in enumerate(zip(("a_5", "b_5"), TRANSFORMS.values(), strict=True)):
        images = [depth_of(LEVELS / 4 + 10 * place + number) for number in (5, 7, 9)]
        np.testing.assert_array_equal(tensors[name], crop_images(images, transform, SIZE))


def test_what_is_missing_is_named_and_no_file_written(tmp_path, caplog):
    index, crops = write_subject(tmp_path, gap=(7,))
    out = tmp_path / "out.safetensors"
    with pytest.raises(InputError, match=r"casme3 spNO\.1/a_5: the depth of frame 7 is missing in .*depth"):
        crop_depth(crops, index, tmp_path, out, lambda row, numbers: [0, 2])
    with pytest.raises(
        InputError, match=r"crops\.safetensors: does not hold casme3 spNO\.1/c_9; if a run wrote it, delete it"
    ):
        crop_depth(crops, index.assign(sequence=["c_9", "b_5"]), tmp_path, out, lambda row, numbers: [0])
    assert not out.exists()
    cv2.imwrite(str(tmp_path / "a/depth/8.png"), np.zeros(SHAPE, np.uint16))
    crop_depth(crops, index, tmp_path, out, lambda row, numbers: [0, 3])
    assert caplog.messages == ["casme3 spNO.1/a_5: depth was measured in 0 % of the face in frame 8"]
