"""Clips as people type them: frames or seconds, one by one or in a CSV."""

import unicodedata
from pathlib import Path

import pytest

from ra_icl.errors import InputError
from ra_icl.recognition.clips import Clip
from ra_icl.recognition.typed import TypedClip, read_list, typed_clips


def test_a_time_stands_for_the_frame_that_is_shown_then(video, folder):
    assert TypedClip(video).clip() == Clip(video)
    assert TypedClip(video, onset=" 12 ").clip() == Clip(video, onset=12)
    assert TypedClip(video, "0s", "0.2s", "0.41s").clip() == Clip(video, 1, 6, 11)
    assert TypedClip(folder, "0.1s", offset="0.5s", fps="10").clip() == Clip(folder, 8, offset=12, fps=10)
    assert TypedClip(folder, "0.16s", offset="0.34s", fps="10").clip() == Clip(folder, 9, offset=10, fps=10)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"onset": "soon"}, "--onset soon: give the number of a frame"),
        ({"onset": "1.5"}, "--onset 1.5: give the number of a frame"),
        ({"apex": "nans"}, "--apex nans: give the number of a frame"),
        ({"offset": "infs", "fps": "10"}, "--offset infs: give the number of a frame"),
        ({"offset": "0.5s"}, "--offset 0.5s: a folder of frames has no times; give fps"),
        ({"offset": "1e308s", "fps": "200"}, "--offset 1e308s: give the number of a frame"),
        ({"fps": "0"}, "--fps 0: is no frame rate"),
        ({"fps": "fast"}, "--fps fast: is no frame rate"),
    ],
)
def test_times_that_cannot_be_read_are_one_line(folder, values, words):
    with pytest.raises(InputError) as caught:
        TypedClip(folder, **values).clip()
    assert str(caught.value).startswith(words)


def test_a_time_outside_a_video_is_one_line(video):
    with pytest.raises(InputError, match=r"4\.2 s is outside the video, which has 0\.800 s"):
        TypedClip(video, onset="4.2s").clip()


def test_a_list_has_a_row_per_expression_in_frames_or_seconds(video, folder):
    path = video.parent / "clips.csv"
    path.write_text("who;clip;onset;offset\nZoë;clip.mkv;3;9\nZoë;clip.mkv;12;\nZoë;frames;-;/\n", encoding="utf-8")
    found = [typed.clip() for typed in read_list(path)]
    assert found == [Clip(video, 3, offset=9, row=2), Clip(video, 12, row=3), Clip(folder, row=4)]
    path.write_text("clip,onset_s,offset_s,fps\nclip.mkv,0.2,0.41,\nframes,0.1,0.5,10\n")
    found = [typed.clip() for typed in read_list(path)]
    assert found == [Clip(video, 6, offset=11, row=2), Clip(folder, 8, offset=12, fps=10, row=3)]


def test_a_home_that_is_not_there_is_a_clip_that_is_not_there(video):
    path = video.parent / "clips.csv"
    path.write_text("clip\n~nosuchuser/x.mp4\nclip.mkv\n")
    gone, there = read_list(path)
    assert there.clip() == Clip(video, row=3)
    assert str(gone.path).endswith("~nosuchuser/x.mp4")


def test_cells_are_read_as_those_of_own_data_are(video):
    """Numbers that pandas wrote beside an empty cell, marks of an unseen apex, names in either form of Unicode."""
    path = video.parent / "clips.csv"
    video.rename(video.with_name(unicodedata.normalize("NFD", "Zoë.mkv")))
    text = "clip,onset,apex,offset,apex_s,fps\nZoë.mkv,3.0,?,9.0,,-\nZoë.mkv,3,,9,n/a,nan\n"
    path.write_text(unicodedata.normalize("NFC", text), encoding="utf-8")
    found = [typed.clip() for typed in typed_clips([path], "", "", "", "50")]
    assert [(clip.onset, clip.apex, clip.offset, clip.fps, clip.row) for clip in found] == [
        *((3, None, 9, 50, 2), (3, None, 9, 50, 3))
    ]
    assert all(clip.path.exists() for clip in found)


def test_what_is_wrong_with_a_row_names_it(video):
    path = video.parent / "clips.csv"
    path.write_text("clip,onset\nclip.mkv,3\nclip.mkv,early\n")
    first, second = read_list(path)
    assert first.clip().onset == 3
    with pytest.raises(InputError, match=r"clips\.csv, row 3: onset early: give the number of a frame"):
        second.clip()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (",3,", r"clips\.csv, row 2: clip is (empty|missing)"),
        ("clip.mkv,3,0.2", r"clips\.csv, row 2: onset is 3 and onset_s is 0\.2; keep one of them"),
    ],
)
def test_a_row_names_a_clip_and_one_time(video, row, words):
    path = video.parent / "clips.csv"
    path.write_text(f"clip,onset,onset_s\n{row}\n")
    with pytest.raises(InputError, match=words):
        read_list(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [("onset,offset\n3,4\n", "no column 'clip'"), ("clip,onset\n", "lists no clip"), ("", "it is empty")],
)
def test_a_list_without_clips_is_one_line(tmp_path, text, words):
    (tmp_path / "clips.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_list(tmp_path / "clips.csv")


def test_times_on_the_command_line_belong_to_one_clip(video):
    (video.parent / "clips.csv").write_text("clip\nclip.mkv\n")
    assert typed_clips([video], "3", "", "9", "") == [TypedClip(video, "3", "", "9")]
    assert len(typed_clips([video, video, video.parent / "clips.csv"], "", "", "", "")) == 3
    assert [one.fps for one in typed_clips([video.parent / "clips.csv"], "", "", "", "200")] == ["200"]
    for several in ([video, video], [video.parent / "clips.csv"]):
        with pytest.raises(InputError, match="belong to one clip; list several in a CSV"):
            typed_clips(map(Path, several), "3", "", "", "")
