"""Frames on disk: numbering, gaps, damaged images, videos."""

import logging

import cv2
import numpy as np
import pytest

from ra_icl.datasets.frames import VideoFrame, frame_files, read_frames, sequence_frames
from ra_icl.datasets.index import index_frame
from ra_icl.errors import InputError


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def an_index(folder, **changes):
    row = {
        **{"dataset": "samm", "subject": "006", "sequence": "006_1_2", "frames": str(folder)},
        **{"onset": 7, "apex": None, "offset": 12, "fps": 200, "emotion": "anger"},
    }
    return index_frame([row | changes])


def write_video(path, levels, size=(64, 48)):
    """A video whose n-th frame has the n-th of the grey levels."""
    codec = {"mp4": "mp4v", "avi": "MJPG"}[path.suffix[1:]]
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 30, size)
    for level in levels:
        video.write(np.full((size[1], size[0], 3), level, np.uint8))
    video.release()
    return path


def test_frame_number_is_the_last_run_of_digits(tmp_path):
    touch(tmp_path, "006_05562.jpg", "reg_img46.JPG", "img7.png", "10.bmp", "0011.jpeg")
    touch(tmp_path, "Thumbs.db", "notes_12.txt", ".img13.jpg", "face.jpg")
    assert [(n, file.name) for n, file in frame_files(tmp_path).items()] == [
        (7, "img7.png"),
        (10, "10.bmp"),
        (11, "0011.jpeg"),
        (46, "reg_img46.JPG"),
        (5562, "006_05562.jpg"),
    ]


def test_two_files_of_one_frame_are_refused(tmp_path):
    touch(tmp_path, "img7.jpg", "reg_img007.jpg")
    with pytest.raises(InputError, match=r"img7\.jpg and reg_img007\.jpg are both frame 7"):
        frame_files(tmp_path)


def test_a_folder_without_the_right_to_read_it_is_named(tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("ra_icl.datasets.frames.os.listdir", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\); give yourself the right"):
        sequence_frames(an_index(tmp_path).iloc[0])


def test_a_video_is_counted_from_1(tmp_path):
    video = write_video(tmp_path / "clip.avi", [0, 50, 100])
    row = an_index(video, onset=0, offset=2).iloc[0]
    with pytest.raises(InputError, match="006_1_2: onset is 0, but a video's first frame is 1"):
        sequence_frames(row)
    assert len(sequence_frames(an_index(video, onset=1, offset=3).iloc[0])) == 3


def test_sequence_frames_are_the_existing_ones_in_order(tmp_path):
    touch(tmp_path, *[f"006_{n:05d}.jpg" for n in (5, 6, 7, 8, 10, 12, 13)])
    index = an_index(tmp_path)
    expected = [(n, tmp_path / f"006_{n:05d}.jpg") for n in (7, 8, 10, 12)]
    assert sequence_frames(index.iloc[0], 0.4) == expected
    assert sequence_frames(next(index.itertuples()), 0.4) == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, r"frame folder \S+ is missing; .*datasets\.samm\.frames"),
        ([], r"holds no frames"),
        (["8.jpg", "9.jpg"], r"the onset frame 7 is missing"),
        (["6.jpg", "7.jpg", "13.jpg"], r"no frame after the onset, 8\.\.12,"),
    ],
)
def test_sequence_without_its_frames_is_named(tmp_path, names, message):
    folder = tmp_path / "006_1_2"
    if names is not None:
        touch(folder, *names)
    with pytest.raises(InputError, match=rf"^samm 006/006_1_2: .*{message}"):
        sequence_frames(an_index(folder).iloc[0])


@pytest.mark.parametrize(("missing", "share"), [(1, 0.2), (2, 0.34)])
def test_a_few_missing_frames_are_counted_and_passed_over(tmp_path, caplog, missing, share):
    touch(tmp_path, *[f"{n}.jpg" for n in range(7, 13 - missing)])
    with caplog.at_level(logging.WARNING):
        found = sequence_frames(an_index(tmp_path).iloc[0], share)
    assert len(found) == 6 - missing
    assert f"{missing} of 6 frames are missing" in caplog.text


def test_too_many_missing_frames_stop_and_name_the_key(tmp_path):
    touch(tmp_path, "7.jpg", "8.jpg", "9.jpg", "12.jpg")
    with pytest.raises(InputError, match=r"2 of 6 frames are missing in .*raise faces\.missing_frames \(now 0\.3\)"):
        sequence_frames(an_index(tmp_path).iloc[0], 0.3)


@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_frames_of_a_video_are_the_numbered_ones(tmp_path, suffix):
    levels = list(range(20, 220, 10))
    path = write_video(tmp_path / f"clip.{suffix}", levels)
    frames = sequence_frames(an_index(path, onset=4, offset=9).iloc[0])
    assert [n for n, _ in frames] == [4, 5, 6, 7, 8, 9]
    images = list(read_frames([frame for _, frame in frames], grey=True))
    assert images[0].shape == (48, 64)
    np.testing.assert_allclose([image.mean() for image in images], levels[3:9], atol=4)
    colour = next(read_frames([VideoFrame(path, 1)], grey=False))
    assert colour.shape == (48, 64, 3)


def test_a_video_that_is_missing_cut_or_too_short_is_named(tmp_path):
    with pytest.raises(InputError, match=r"video \S+gone\.mp4 is missing"):
        sequence_frames(an_index(tmp_path / "gone.mp4").iloc[0])
    path = write_video(tmp_path / "short.mp4", [10, 20, 30])
    frames = [frame for _, frame in sequence_frames(an_index(path, onset=2, offset=6).iloc[0])]
    with pytest.raises(InputError, match=r"short\.mp4: ends at frame 3; correct the row with onset \d and offset 6$"):
        list(read_frames(frames, grey=True))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"short\.mp4: cannot be read as a video"):
        list(read_frames(frames, grey=True))
