"""Which frames of a clip are looked at, and the one line for a clip that cannot be used."""

import shutil

import pytest
from recognition_world import write_video

from ra_icl.datasets.frames import read_frames
from ra_icl.errors import InputError
from ra_icl.recognition.clips import Clip, clip_frames, remarks


def levels_of(clip):
    _, frames = clip_frames(clip, 0.25)
    return [int(image.mean()) for image in read_frames(frames, grey=True)]


def test_a_video_lasts_from_its_first_frame_to_its_last_unless_it_is_said(video):
    assert levels_of(Clip(video)) == list(range(10, 210, 10))
    assert clip_frames(Clip(video, onset=3, offset=6), 0.25)[0] == [3, 4, 5, 6]
    assert levels_of(Clip(video, onset=3, offset=6)) == [30, 40, 50, 60]
    assert levels_of(Clip(video, onset=18)) == [180, 190, 200]


def test_a_clip_may_be_named_by_a_string(video):
    clip = Clip(str(video), onset=2, offset=9)
    assert clip == Clip(video, onset=2, offset=9)
    assert remarks(clip, range(2, 10)) == []


def test_frames_of_a_folder_have_the_numbers_of_their_names(folder):
    numbers, frames = clip_frames(Clip(folder), 0.25)
    assert numbers == list(range(7, 21))
    assert [frame.name for frame in frames[:2]] == ["img7.jpg", "img8.jpg"]
    assert clip_frames(Clip(folder, offset=9), 0.25)[0] == [7, 8, 9]


def test_missing_frames_are_passed_over_up_to_the_models_share(folder):
    (folder / "img9.jpg").unlink()
    assert clip_frames(Clip(folder, offset=12), 0.25)[0] == [7, 8, 10, 11, 12]
    with pytest.raises(InputError, match="1 of the frames 7 to 10 are missing"):
        clip_frames(Clip(folder, offset=10), 0.2)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"onset": 3}, "has no onset frame 3; its frames are 7 to 20"),
        ({"offset": 30}, "offset 30 is not between the onset 7 and the last frame 20"),
        ({"onset": 12, "offset": 12}, "offset 12 is not between the onset 12 and the last frame 20"),
        ({"apex": 7}, "apex 7 is not between onset 7 and offset 20"),
        ({"fps": 5}, "frames 7 to 20 last 2.6 s, too long for one micro-expression"),
    ],
)
def test_numbers_that_do_not_fit_are_one_line(folder, values, words):
    with pytest.raises(InputError, match=words):
        clip_frames(Clip(folder, **values), 0.25)


def test_one_frame_is_no_clip(folder, tmp_path):
    for number in range(8, 21):
        (folder / f"img{number}.jpg").unlink()
    with pytest.raises(InputError, match="has one frame, and motion takes two"):
        clip_frames(Clip(folder), 0.25)
    with pytest.raises(InputError, match="has one frame, and motion takes two"):
        clip_frames(Clip(write_video(tmp_path / "one.mkv", [50])), 0.25)


def test_a_clip_too_long_for_one_expression_is_refused_by_its_time(tmp_path):
    """A second at most: by the video's rate, by the rate that is given, in a folder without one by its frames."""
    path = write_video(tmp_path / "long.mkv", [100] * 40)
    with pytest.raises(
        InputError, match=r"frames 1 to 40 last 1\.6 s, too long .* give the expression's onset and offset"
    ):
        clip_frames(Clip(path), 0.25)
    assert len(clip_frames(Clip(path, fps=200), 0.25)[0]) == 40
    assert len(clip_frames(Clip(path, onset=5, offset=30), 0.25)[0]) == 26
    (tmp_path / "many").mkdir()
    for number in range(1, 203):
        (tmp_path / f"many/{number}.png").touch()
    with pytest.raises(InputError, match=r"frames 1 to 202 last 1\.0 s at 200 frames per second, too long.* or fps"):
        clip_frames(Clip(tmp_path / "many"), 0.25)
    assert len(clip_frames(Clip(tmp_path / "many", fps=500), 0.25)[0]) == 202


def test_what_is_no_clip_is_one_line(tmp_path, video):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "image.bmp").write_bytes(b"BM" + bytes(60))
    shutil.copy(video, tmp_path / "empty/no-frames.mkv")
    for name, words in {
        "gone.mp4": "there is no such video or folder",
        "empty": "holds no frames",
        "text.mp4": "cannot be read as a video",
        "image.bmp": "is one image",
    }.items():
        with pytest.raises(InputError, match=words) as caught:
            clip_frames(Clip(tmp_path / name), 0.25)
        assert len(str(caught.value).splitlines()) == 1
