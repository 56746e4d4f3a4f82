"""Frames on disk: numbering, gaps, stamps, videos."""

import os

import cv2
import numpy as np
import pytest

from ra_icl.datasets.frames import VideoFrame, file_stamps, frame_files, read_frames, same_stamp, sequence_frames
from ra_icl.datasets.index import index_frame
from ra_icl.errors import InputError


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def a_row(frames=".", **changes):
    row = {
        **{"dataset": "samm", "subject": "006", "sequence": "006_1_2", "frames": frames},
        **{"onset": 7, "apex": None, "offset": 12, "fps": 200, "emotion": "anger"},
    }
    return index_frame([row | changes]).iloc[0]


def picture(number):
    """The n-th frame of a video, (48, 64, 3) RGB: red grows to the right, green downwards, blue from frame to frame."""
    right, down = np.meshgrid(np.linspace(20, 120, 64), np.linspace(30, 200, 48))
    return np.dstack([right + 3 * number, down, np.full_like(down, 10 + 10 * number)]).round().astype(np.uint8)


def write_video(path, count):
    """A video of the pictures 1..count."""
    codec = {"mp4": "mp4v", "avi": "MJPG"}[path.suffix[1:]]
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 30, (64, 48))
    for number in range(1, count + 1):
        video.write(cv2.cvtColor(picture(number), cv2.COLOR_RGB2BGR))
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
    with pytest.raises(InputError, match=r"img7\.jpg and reg_img007\.jpg are both frame 7, the last digits of their"):
        frame_files(tmp_path)
    touch(tmp_path / "sizes", "frame10_640x480.png", "frame11_640x480.png")
    with pytest.raises(InputError, match=r"are both frame 480, .*; rename them so that each name ends in its frame's"):
        frame_files(tmp_path / "sizes")


@pytest.mark.parametrize(
    ("copy", "number"),
    [
        ("image008 (1).bmp", 8),
        ("f012(3).png", 12),
        ("f012 - Copy (3).png", 12),
        ("f012 - Kopie (3).png", 12),
        ("f012 copy 3.png", 12),
        ("f012 (copy 3).png", 12),
        ("f012 (3rd copy).png", 12),
    ],
)
def test_a_copy_of_a_frame_is_no_frame_of_another_number(tmp_path, copy, number):
    touch(tmp_path, "image007.bmp", copy, "image009.bmp")
    with pytest.raises(InputError) as error:
        frame_files(tmp_path)
    (fault,) = error.value.faults
    assert (fault.kind, fault.where) == ("frame-copy", str(tmp_path / copy))
    assert f"looks like a copy of frame {number}, " in fault


def test_copies_alone_are_refused_but_files_numbered_by_renaming_are_frames(tmp_path):
    touch(tmp_path / "copies", "f005 (2).png", "f006 (3).png")
    with pytest.raises(InputError, match=r"f005 \(2\)\.png: looks like a copy of frame 5, and would be"):
        frame_files(tmp_path / "copies")
    touch(tmp_path / "renamed", *[f"clip1 ({n}).png" for n in (1, 2, 10)], "notes.png")
    assert list(frame_files(tmp_path / "renamed")) == [1, 2, 10]
    touch(tmp_path / "exported", *[f"take3_copy_{n:04d}.png" for n in (7, 8)])
    assert list(frame_files(tmp_path / "exported")) == [7, 8]
    touch(tmp_path / "words", *[f"smile ({n}).png" for n in (1, 2)], "003.png")
    assert list(frame_files(tmp_path / "words")) == [1, 2, 3]


def test_a_folder_without_the_right_to_read_it_is_named(tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("ra_icl.datasets.frames.os.listdir", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\); give yourself read permission"):
        sequence_frames(a_row(), tmp_path)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_name_that_no_file_can_have_is_missing(tmp_path, name):
    with pytest.raises(InputError, match=r"006_1_2: frame folder .* is missing"):
        sequence_frames(a_row(name), tmp_path)


def test_a_folder_below_a_closed_one_is_not_called_missing(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("ra_icl.datasets.frames.os.stat", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\); give yourself read permission"):
        sequence_frames(a_row("closed/a"), tmp_path)


def test_a_video_is_counted_from_1(tmp_path):
    write_video(tmp_path / "clip.avi", 3)
    with pytest.raises(InputError, match="006_1_2: onset is 0, but a video's first frame is 1"):
        sequence_frames(a_row("clip.avi", onset=0, offset=2), tmp_path)
    assert len(sequence_frames(a_row("clip.avi", onset=1, offset=3), tmp_path)) == 3


def test_sequence_frames_are_the_existing_ones_in_order(tmp_path, monkeypatch):
    touch(tmp_path / "006" / "a", *[f"006_{n}.jpg" for n in (5, 6, 7, 8, 10, 12, 13)])
    expected = [(n, tmp_path / "006" / "a" / f"006_{n}.jpg") for n in (7, 8, 10, 12)]
    row = a_row("006/a")
    named = next(row.to_frame().T.itertuples())
    assert sequence_frames(row, tmp_path, 0.4) == sequence_frames(named, tmp_path, 0.4) == expected
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sequence_frames(row, "~", 0.4) == expected
    assert sequence_frames(a_row(str(tmp_path / "006/a")), "/elsewhere", 0.4) == expected


def test_stamps_are_size_and_time_of_every_file_read_and_once_of_a_video(tmp_path):
    paths = [tmp_path / f"{n}.png" for n in (1, 2)]
    for path, content, time in zip(paths, (b"abc", b"defgh"), (5 * 10**9 + 123, 6 * 10**9), strict=True):
        path.write_bytes(content)
        os.utime(path, ns=(time, time))
    first, second = file_stamps(paths)
    assert (first, second) == ([3, 5 * 10**9 + 123], [5, 6 * 10**9])
    assert file_stamps([VideoFrame(paths[0], 4), VideoFrame(paths[0], 5)]) == [first]
    assert same_stamp(first, [3, 5 * 10**9])  # as an archive that keeps whole seconds restores it
    assert not same_stamp(first, [3, 5 * 10**9 + 124])
    assert not same_stamp(first, [4, 5 * 10**9 + 123])
    assert not same_stamp(first, [3, 6 * 10**9])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, r"frame folder \S+ is missing; .*datasets\.samm\.frames"),
        ([], r"holds no frames"),
        (["8.jpg", "9.jpg"], r"the onset frame 7 is missing in .* \(the folder has 8 to 9\); correct the row"),
        (["6.jpg", "7.jpg", "13.jpg"], r"has no frame from 8 to 12 \(the folder has 6 to 13\); correct the row"),
        (["7.jpg"], r"has no frame from 8 to 12 \(the folder has 7 alone\)"),
    ],
)
def test_sequence_without_its_frames_is_named(tmp_path, names, message):
    if names is not None:
        touch(tmp_path / "006_1_2", *names)
    with pytest.raises(InputError, match=rf"^samm 006/006_1_2: .*{message}"):
        sequence_frames(a_row("006_1_2"), tmp_path)


@pytest.mark.parametrize(("missing", "share"), [(1, 0.2), (2, 0.34)])
def test_a_few_missing_frames_are_passed_over(tmp_path, missing, share):
    touch(tmp_path, *[f"{n}.jpg" for n in range(7, 13 - missing)])
    assert len(sequence_frames(a_row(), tmp_path, share)) == 6 - missing


def test_too_many_missing_frames_stop_and_name_the_key(tmp_path):
    touch(tmp_path, "7.jpg", "8.jpg", "9.jpg", "12.jpg")
    with pytest.raises(
        InputError,
        match=r"2 of 6 frames are missing in .* \(the folder has 7 to 12\); .*raise faces\.missing_frames \(now 0\.3\)",
    ):
        sequence_frames(a_row(), tmp_path, 0.3)


@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_frames_of_a_video_are_the_numbered_ones(tmp_path, suffix):
    write_video(tmp_path / f"clip.{suffix}", 20)
    numbers, frames = zip(*sequence_frames(a_row(f"clip.{suffix}", onset=4, offset=9), tmp_path), strict=True)
    assert numbers == (4, 5, 6, 7, 8, 9)
    for number, image in zip(numbers, read_frames(frames, grey=False), strict=True):
        assert np.abs(image.astype(float) - picture(number)).mean() < 3  # the codec loses some
    grey = np.array([cv2.cvtColor(picture(number), cv2.COLOR_RGB2GRAY) for number in numbers], float)
    assert np.abs(np.array(list(read_frames(frames, grey=True))) - grey).mean() < 3


def test_a_video_that_is_missing_cut_or_too_short_is_named(tmp_path):
    with pytest.raises(InputError, match=r"frame folder or video \S+gone\.mp4 is missing"):
        sequence_frames(a_row("gone.mp4", dataset="own"), tmp_path)
    path = write_video(tmp_path / "short.mp4", 3)
    frames = [frame for _, frame in sequence_frames(a_row("short.mp4", onset=2, offset=6), tmp_path)]
    remedy = r"correct onset \d and offset 6, or restore the video"
    with pytest.raises(InputError, match=rf"short\.mp4: ends at frame 3; {remedy}$"):
        list(read_frames(frames, grey=True))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"short\.mp4: cannot be read as a video"):
        list(read_frames(frames, grey=True))
