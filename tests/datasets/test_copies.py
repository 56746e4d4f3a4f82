"""Copies of a sequence: seen by their bytes, whatever their names."""

import os
import shutil

import numpy as np
import pytest

from ra_icl.datasets.copies import find
from ra_icl.datasets.frames import VideoFrame
from ra_icl.datasets.index import index_frame


class Data:
    """Sequences on disk, every file with bytes of its own, and their index."""

    def __init__(self, root, dataset="own"):
        self.root, self.dataset, self.rows, self.frames = root, dataset, [], {}
        self.rng = np.random.default_rng(0)

    def listed(self, subject, sequence, frames):
        self.rows.append({"dataset": self.dataset, "subject": subject, "sequence": sequence, "frames": sequence})
        self.frames[subject, sequence] = frames
        return frames

    def images(self, subject, sequence, count=9, size=50):
        folder = self.root / subject / sequence
        folder.mkdir(parents=True)
        paths = [folder / f"img{number}.jpg" for number in range(1, count + 1)]
        for path in paths:
            path.write_bytes(self.rng.bytes(size))
        return self.listed(subject, sequence, paths)

    def copy(self, frames, subject, sequence, first=1):
        folder = self.root / subject / sequence
        folder.mkdir(parents=True)
        paths = [shutil.copy(path, folder / f"{number}.jpg") for number, path in enumerate(frames, first)]
        return self.listed(subject, sequence, paths)

    def video(self, subject, name, sequence, first, content):
        path = self.root / name
        path.write_bytes(content)
        return self.listed(subject, sequence, [VideoFrame(path, number) for number in range(first, first + 9)])

    def find(self, deep=False):
        timing = {"onset": 1, "apex": None, "offset": 9, "fps": 30, "emotion": "positive"}
        return find(index_frame(row | timing for row in self.rows), self.frames, deep)


@pytest.fixture
def data(tmp_path):
    return Data(tmp_path)


@pytest.mark.parametrize("deep", [False, True])
def test_a_copy_is_found_and_names_both(data, deep):
    first, second = data.images("p1", "a"), data.images("p1", "b")
    data.images("p3", "e", count=8)
    assert data.find(deep) == []
    data.copy(first, "p2", "c", first=100)
    data.copy(second, "p1", "d")
    other, own = data.find(deep)
    same = "shares 9 of its 9 frames with" if deep else "has the same first and last frame as"
    assert other.startswith(f"own p2/c: {same} p1/a, byte for byte: one recording under two subjects; ")
    assert own == f"own p1/d: {same} p1/b, byte for byte; remove the row of one of them"
    assert {other.severity, own.severity} == {"fault"}


def test_in_official_data_a_copy_is_a_fault_under_another_subject_alone(tmp_path):
    data = Data(tmp_path, "casme3")
    first = data.images("spNO.1", "a_340")
    data.copy(first, "spNO.1", "a_341")
    data.copy(first, "spNO.2", "b_340")
    note, fault = data.find()
    assert (note.severity, fault.severity) == ("note", "fault")
    assert note.startswith("casme3 spNO.1/a_341: has the same first and last frame as spNO.1/a_340")
    assert fault.startswith("casme3 spNO.2/b_340: has the same first and last frame as spNO.1/a_340")


def test_a_part_of_a_recording_takes_a_deep_look(data):
    first = data.images("p1", "a")
    data.copy(first[2:8], "p2", "part")
    assert data.find() == []
    (fault,) = data.find(deep=True)
    assert fault.startswith("own p2/part: shares 6 of its 6 frames with p1/a")


def test_a_leak_is_not_hidden_by_a_larger_overlap_within_the_subject(data):
    first, second = data.images("p1", "a", count=20), data.images("p2", "b", count=20)
    data.copy(first[:6] + second[:9], "p2", "c", first=100)
    (fault,) = data.find(deep=True)
    assert "p2/c: shares 6 of its 15 frames with p1/a, byte for byte: one recording under two subjects" in fault


def test_a_black_frame_is_no_copy(data):
    for name in "ab":
        frames = data.images(f"p{name}", name)
        for number in (0, 1, 5):
            frames[number].write_bytes(b"black")
    assert data.find() == data.find(deep=True) == []


def test_what_was_compared_is_said(data):
    first = data.images("p1", "a")
    other = data.copy(first, "p2", "b")
    for path in other[1:-1]:
        path.write_bytes(path.read_bytes() + b"x")
    (fault,) = data.find()
    assert "has the same first and last frame as p1/a" in fault
    (fault,) = data.find(deep=True)
    assert "shares 2 of its 9 frames with p1/a" in fault


def test_one_folder_in_two_rows_is_no_copy_but_links_to_its_frames_are(data, tmp_path):
    first = data.images("p1", "a")
    data.listed("p2", "again", first)  # found in the annotation
    (tmp_path / "linked").symlink_to(first[0].parent)
    data.listed("p3", "linked", [tmp_path / "linked" / path.name for path in first])
    assert data.find() == data.find(deep=True) == []
    folder = tmp_path / "links"
    folder.mkdir()
    for path in first:
        os.symlink(path, folder / path.name)
    data.listed("p4", "links", [folder / path.name for path in first])
    for deep in (False, True):
        (fault,) = data.find(deep)
        assert fault.where == "own p4/links"


@pytest.mark.parametrize("deep", [False, True])
def test_a_video_of_the_same_bytes_is_a_copy(data, deep):
    data.video("p1", "a.mp4", "a_1", 1, b"film")
    data.video("p1", "a.mp4", "a_30", 30, b"film")
    data.video("p2", "b.avi", "b_1", 1, b"clip")  # as long
    assert data.find(deep) == []
    data.video("p2", "c.mp4", "c_50", 50, b"film")
    (fault,) = data.find(deep)
    assert fault.startswith(
        "own p2/c_50: has the same video as p1/a_1, byte for byte: one recording under two subjects; "
    )


def test_files_that_cannot_be_read_and_sequences_without_frames_are_left_out(data):
    first = data.images("p1", "a")
    data.copy(first, "p2", "b")
    first[0].unlink()
    data.listed("p3", "c", [])
    del data.frames["p3", "c"]
    assert data.find() == []
    assert len(data.find(deep=True)) == 1  # the other frames tell
