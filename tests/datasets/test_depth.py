"""Depth images of CAS(ME)³: where they lie, what they hold, and what is said of those that do not fit."""

import cv2
import numpy as np
import pandas as pd
import pytest

from ra_icl.datasets.depth import depth_files, read_depth
from ra_icl.errors import InputError

ROWS, COLUMNS = np.indices((45, 61))
DEPTH = (1000 * ROWS + 17 * COLUMNS + 3).astype(np.uint16)  # every pixel its own value, the largest near 2^16


def row_of(frames):
    return pd.Series({"dataset": "casme3", "subject": "spNO.1", "sequence": "a_355", "frames": frames})


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


@pytest.mark.parametrize(
    ("frames", "depth"),
    [
        ("part_A/spNO.1/a/color", "part_A/spNO.1/a/depth"),
        ("part_A/spNo.1/a/Color", "part_A/spNo.1/a/Depth"),
        ("Part_A_ME_clip/frame/spNO.1_a_355", "Part_A_ME_clip/depth/spNO.1_a_355"),
        ("Part_A_ME_clip/frame/spNO.1_a_355", "Part_A_ME_clip/depth/spno.1_A_355"),
    ],
)
def test_depth_lies_beside_the_colour_frames_in_either_edition(tmp_path, frames, depth):
    (tmp_path / frames).mkdir(parents=True)
    written = [write(tmp_path / depth / f"{number}.png", DEPTH + number) for number in (355, 356, 361)]
    row = row_of(frames)
    assert depth_files(row, tmp_path, [361, 355]) == [written[2], written[0]]


def test_all_16_bits_come_back(tmp_path):
    assert len(np.unique(DEPTH)) == DEPTH.size
    found = read_depth(write(tmp_path / "355.png", DEPTH), DEPTH.shape)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, DEPTH)


def test_a_missing_folder_or_image_names_the_sequence(tmp_path):
    row = row_of("part_A/spNO.1/a/color")
    with pytest.raises(InputError) as caught:
        depth_files(row, tmp_path, [355])
    folder = tmp_path / "part_A/spNO.1/a/depth"
    assert str(caught.value) == (
        f"casme3 spNO.1/a_355: depth folder {folder} is missing; get the depth of part A from the owners of CAS(ME)³, "
        "or do without methods that have sampling.depth, or add spNO.1/a_355 to data.exclude.casme3"
    )
    write(folder / "355.png", DEPTH)
    with pytest.raises(InputError, match=r"casme3 spNO\.1/a_355: the depth of frame 356 and 361 is missing in "):
        depth_files(row, tmp_path, [355, 356, 361])


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ((DEPTH >> 8).astype(np.uint8), "has 1 channel of 8 bits; depth is one channel of 16 bits"),
        (np.dstack([DEPTH] * 3), "has 3 channels of 16 bits; "),
        (DEPTH[:30, :40], "is 40x30, the colour frames 61x45; a depth image must lie on its colour frame"),
        (np.ascontiguousarray(DEPTH.T), "is 45x61, the colour frames 61x45; "),
    ],
)
def test_an_image_that_is_no_depth_of_its_frame_is_named(tmp_path, image, words):
    path = write(tmp_path / "355.png", image)
    with pytest.raises(InputError) as caught:
        read_depth(path, DEPTH.shape)
    assert str(caught.value).startswith(f"{path}: {words}")


def test_a_cut_file_is_not_taken_for_depth(tmp_path):
    path = write(tmp_path / "355.png", DEPTH)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"355\.png: is not a whole image"):
        read_depth(path, DEPTH.shape)
