"""Own data whose times are in seconds: frames of a folder by its fps, of a video by what it shows then."""

import sys
import types

import cv2
import numpy as np
import pandas as pd
import pytest

from ra_icl.datasets.index import read_index_csv
from ra_icl.datasets.reading import build_index, survey
from ra_icl.errors import InputError
from ra_icl.files import write_csv

HEADER = "subject,clip,onset_s,apex_s,offset_s,fps,emotion"


def own(root, *rows, header=HEADER):
    (root / "annotation.csv").write_text("\n".join([header, *rows, ""]))
    return {"root": str(root), "labels": {"negative": ["disgust"], "positive": ["joy"]}}


@pytest.fixture
def root(tmp_path):
    """A folder of frames 101 to 190, one of frames from 0, and two files."""
    for clip, first in (("a", 101), ("b", 0)):
        (tmp_path / clip).mkdir()
        for number in range(first, first + 90):
            (tmp_path / clip / f"img{number}.png").touch()
    for name in ("v.mp4", "w.mp4"):
        (tmp_path / name).write_bytes(b"video")
    return tmp_path


def test_seconds_count_from_the_first_frame_of_a_folder(root):
    index = build_index(
        "own", own(root, "p1,a,0.433,0.9,1.5,30,joy", "p2,b,0,?,2,29.97,disgust", "p2,b,2.5,,3.,25,joy")
    )
    assert index["onset"].tolist() == [114, 0, 63]  # 101 + 12.99, 0, 62.5 rounded up
    assert index["apex"].tolist() == [128, pd.NA, pd.NA]
    assert index["offset"].tolist() == [146, 60, 75]
    assert index["sequence"].tolist() == ["a_114", "b_0", "b_63"]


def test_seconds_of_a_video_are_the_frames_that_it_shows(root, monkeypatch):
    videos = types.ModuleType("ra_icl.datasets.videos")
    starts = {"v.mp4": (0, 0.1, 0.15, 0.4, 0.8), "w.mp4": (0, 0.5, 1)}

    def frame_at(path, seconds):
        if seconds > 2:
            raise InputError(f"{path}: {seconds:g} s is outside the video; correct the time")
        return sum(start <= seconds for start in starts[path.name])

    videos.frame_at = frame_at
    monkeypatch.setitem(sys.modules, "ra_icl.datasets.videos", videos)
    options = own(root, "p1,v.mp4,0.1,0.39,0.4,,joy", "p2,w.mp4,0,0.7,1,30,joy", "p2,w.mp4,1.5,,2.1,30,joy")
    rows, faults = survey("own", options)
    assert rows[["onset", "apex", "offset"]].to_numpy().tolist() == [[2, 3, 4], [1, 2, 3]]
    (fault,) = faults
    assert fault == f"{root}/annotation.csv, row 4: {root}/w.mp4: 2.1 s is outside the video; correct the time"


def test_seconds_of_a_real_video(root):
    video = cv2.VideoWriter(str(root / "z.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (32, 16))
    for number in range(30):
        video.write(np.full((16, 32, 3), 8 * number, np.uint8))
    video.release()
    rows, faults = survey("own", own(root, "p1,z.avi,0.2,0.45,1.1,,joy", "p1,z.avi,0.2,,7,,joy", "p2,a,0,,1,30,joy"))
    assert rows[["onset", "apex", "offset"]].iloc[0].tolist() == [6, 12, 28]
    (fault,) = faults
    assert fault.where == f"{root}/annotation.csv, row 3: {root}/z.avi"
    assert fault.what.startswith("7 s is outside the video")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("p1,a,0,,1,,joy", "row 2: times are in seconds and a is a folder of frames, but fps is empty; give frames"),
        ("p1,c,0,,1,30,joy", "row 2: times are in seconds and c is no folder of numbered frames and no video"),
        ('p1,a,"0,433",,1,30,joy', "row 2: onset_s is '0,433', which is not a time in seconds; give seconds"),
        ("p1,a,-1,,1,30,joy", "row 2: onset_s is '-1'"),
        ("p1,a,0:01,,2,30,joy", "row 2: onset_s is '0:01'"),
        ("p1,a,0,x,1,30,joy", "row 2: apex_s is 'x', which is neither a time in seconds nor a mark"),
        ("p1,a,0,,9e9,30,joy", "row 2: offset_s is '9e9'"),
        ("p1,a,0.5,0.51,1,30,joy", "row 2: apex 116 of p1/a_116 is its onset"),
        ("p1,a,1,,0.5,30,joy", "row 2: p1/a_131: offset 116 is not after onset 131"),
    ],
)
def test_seconds_that_do_not_fit_are_one_line(root, row, words):
    with pytest.raises(InputError) as error:
        build_index("own", own(root, row, "p2,b,0,0.5,1,30,disgust"))
    (fault,) = error.value.faults
    assert words in fault


@pytest.mark.parametrize(
    "header", ["subject,clip,onset,offset,apex_s,fps,emotion", "subject,clip,onset_s,offset,apex,fps,emotion"]
)
def test_frames_and_seconds_do_not_mix(root, header):
    with pytest.raises(InputError, match=r"row 1: has columns in frames \(\w.*\) and in seconds \(\w+\); keep either"):
        build_index("own", own(root, "p1,a,1,2,3,30,joy", header=header))


def test_a_missing_column_is_named_in_the_unit_that_was_begun(root):
    with pytest.raises(
        InputError, match=r"row 1: no column 'offset_s' .* the columns subject, clip, onset_s, offset_s"
    ):
        build_index("own", own(root, "p1,a,1,joy", header="subject,clip,onset_s,emotion"))


def test_an_index_with_an_empty_fps_is_read_back(root):
    index = build_index("own", own(root, "p1,a,1,4,9,30,joy", "p2,b,1,,9,,joy", header=HEADER.replace("_s", "")))
    write_csv(root / "own.csv", index)
    pd.testing.assert_frame_equal(read_index_csv(root / "own.csv"), index)
    assert index["fps"].isna().tolist() == [False, True]
    write_csv(root / "own.csv", index[1:].reset_index(drop=True))
    assert read_index_csv(root / "own.csv")["fps"].isna().tolist() == [True]
