"""Videos: frames by number and by time in presentation order, of any suffix, turned as the file says, or no video."""

import re
import struct

import av
import cv2
import numpy as np
import pytest
from made_videos import HEIGHT, WIDTH, coded, number_of, write_video

from ra_icl.datasets.damage import inspect
from ra_icl.datasets.frames import read_frames, sequence_bits, sequence_frames
from ra_icl.datasets.index import index_frame
from ra_icl.datasets.video_findings import video_findings
from ra_icl.datasets.videos import VideoFrame, frame_at, is_video, read_video, timeline_of
from ra_icl.errors import InputError

KINDS = {
    "a.webm": ("libvpx-vp9", None),
    "b.webm": ("libvpx", None),
    "a.m4v": ("mpeg4", "mp4"),
    "a.wmv": ("wmv2", None),
    "a.mpg": ("mpeg2video", None),
    "a.MTS": ("mpeg2video", "mpegts"),
    "a.MOV": ("libx264", "mov"),  # with frames that are stored in another order than shown
    "a.3gp": ("mpeg4", "3gp"),
    "a.b:c": ("ffv1", "matroska"),
    "none": ("mpeg4", "avi"),
}


def a_row(frames, onset, offset):
    row = {"dataset": "own", "subject": "p1", "sequence": "a_1", "apex": None, "fps": 30, "emotion": "joy"}
    return index_frame([row | {"frames": frames, "onset": onset, "offset": offset}]).iloc[0]


@pytest.mark.parametrize("name", KINDS)
def test_frames_are_numbered_in_the_order_in_which_they_are_shown_whatever_the_suffix(name, tmp_path):
    codec, container = KINDS[name]
    path = write_video(tmp_path / name, [coded(number) for number in range(1, 31)], codec, container)
    assert is_video(path)
    numbers, frames = zip(*sequence_frames(a_row(name, 4, 30), tmp_path), strict=True)
    assert numbers == tuple(range(4, 31))
    assert [number_of(image) for image in read_frames(frames, grey=True)] == list(numbers)
    assert [frame_at(path, (number - 1) / 30) for number in range(1, 31)] == list(range(1, 31))


def test_the_frame_at_a_time_is_the_one_that_is_shown_then(tmp_path):
    times = [0.5, 0.6, 0.7, 1.0, 1.2, 1.9]  # the first frame is second 0, wherever the file begins
    path = write_video(tmp_path / "a.mp4", [coded(number) for number in range(1, 7)], times=times)
    assert [round(time, 3) for time in timeline_of(path).times] == [0, 0.1, 0.2, 0.5, 0.7, 1.4]
    shown = {0: 1, 0.0994: 1, 0.0996: 2, 0.1: 2, 0.199: 2, 0.2: 3, 0.49: 3, 0.5: 4, 0.69: 4, 1.39: 5, 1.4: 6, 1.41: 6}
    assert {seconds: frame_at(path, seconds) for seconds in shown} == shown


@pytest.mark.parametrize("seconds", [-0.01, 1.01, 1e30, float("nan")])
def test_a_time_outside_the_video_is_refused(tmp_path, seconds):
    path = write_video(tmp_path / "a.mp4", [coded(number) for number in range(1, 31)])
    with pytest.raises(
        InputError, match=r"a\.mp4: \S+ s is outside the video, which has 1\.000 s .*; correct the time"
    ):
        frame_at(path, seconds)


def test_what_is_no_video_is_said_in_one_line(tmp_path):
    (tmp_path / "notes.txt").write_text("hello\n" * 50)
    (tmp_path / "empty.mp4").touch()
    cv2.imwrite(str(tmp_path / "img001.png"), coded(1))
    for name in ("notes.txt", "empty.mp4"):
        frames = [frame for _, frame in sequence_frames(a_row(name, 1, 4), tmp_path)]
        with pytest.raises(
            InputError, match=rf"^\S+{name}: cannot be read as a video \(.*\); restore it, convert"
        ) as e:
            list(read_frames(frames, grey=True))
        assert "\n" not in str(e.value)
        with pytest.raises(InputError, match="cannot be read as a video"):
            frame_at(tmp_path / name, 0)
    with pytest.raises(InputError, match=r"p1/a_1: \S+img001\.png is an image; name the folder"):
        sequence_frames(a_row("img001.png", 1, 4), tmp_path)
    with pytest.raises(InputError, match="cannot be read as a video"):
        frame_at(tmp_path / "gone.mp4", 0)
    assert [is_video(tmp_path / name) for name in ("notes.txt", "img001.png", "gone.mp4", ".")] == [True, *[False] * 3]


def test_an_offset_far_beyond_the_end_is_refused_at_once(tmp_path):
    write_video(tmp_path / "a.mp4", [coded(number) for number in range(1, 6)])
    remedy = "correct onset 1 and offset 40000000, or restore the video"
    with pytest.raises(InputError, match=f"ends at frame 5; {remedy}$"):
        sequence_frames(a_row("a.mp4", 1, 40_000_000), tmp_path)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.mp4", "mjpeg"), ("a.avi", "mjpeg")])
def test_a_video_whose_end_is_missing_is_noticed(tmp_path, name, codec):
    images = [coded(number) for number in range(1, 31)]
    options = {"movflags": "faststart"} if name.endswith(".mp4") else {}  # else the index is at the end
    pixels = "yuvj420p" if codec == "mjpeg" else ""
    path = write_video(tmp_path / name, images, codec, pixels=pixels, of_container=options)
    assert video_findings(path, None) == []
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 5 < timeline_of(path).count < 25
    line, *_ = video_findings(path, None)
    assert re.search(rf"{name}: is cut off after [01]\.[0-9]+ s: it was longer when it was written; copy it", line)
    assert line.severity == "warning"


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.parametrize(("codec", "option"), [("libx264", "x264-params"), ("libx265", "x265-params")])
def test_frames_that_need_what_was_cut_away_are_not_counted(tmp_path, suffix, codec, option):
    """A film is cut, without being encoded again, at a key frame that frames shown earlier follow."""
    groups = "open-gop=1:bframes=3:scenecut=0:keyint=12:min-keyint=12:b-adapt=0"
    images = [coded(number) for number in range(1, 61)]
    whole = write_video(tmp_path / "whole.mp4", images, codec, **{option: groups})
    assert timeline_of(whole).count == 60
    path = tmp_path / f"cut.{suffix}"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        source.seek(1_000_000)
        packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
        key, *others = [packet.pts for packet in packets]
        assert min(others) < key
        first = packets[0].dts
        for packet in packets:
            packet.pts, packet.dts, packet.stream = packet.pts - first, packet.dts - first, stream
            target.mux(packet)
    every = [VideoFrame(path, number) for number in range(1, timeline_of(path).count + 1)]
    shown = [number_of(picture.image) for picture in read_video(every, grey=True)]
    assert shown == [*range(shown[0], 61)]
    assert [frame_at(path, (number - shown[0]) / 30) for number in shown] == [*range(1, len(shown) + 1)]
    assert len(timeline_of(path).times) == len(shown)
    assert video_findings(path, 30) == []


ORIENTATIONS = {  # (a, b, c, d), which show the pixel (x, y) at (a x + c y, b x + d y), and what that does
    "as stored": ((1, 0, 0, 1), lambda image: image),
    "a quarter to the right": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "upside down": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "a quarter to the left": ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
    "left and right": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "top and bottom": ((1, 0, 0, -1), lambda image: image[::-1]),
    "rows and columns": ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    "columns and rows": ((0, -1, -1, 0), lambda image: image[::-1, ::-1].transpose(1, 0, 2)),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_a_film_is_turned_and_mirrored_as_the_file_says(tmp_path, name):
    (a, b, c, d), turned = ORIENTATIONS[name]
    rows, columns = np.indices((HEIGHT, WIDTH))
    images = [np.stack([rows, columns, rows + columns + place], axis=-1).astype(np.uint8) for place in range(3)]
    path = write_video(tmp_path / "a.mp4", images, "libx264rgb", pixels="rgb24", qp="0")  # lossless
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44  # the matrix by which players turn the pictures
    data[place : place + 36] = struct.pack(">9i", *(number << 16 for number in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)
    path.write_bytes(data)
    shown = list(read_frames([VideoFrame(path, number) for number in (1, 2, 3)], grey=False))
    np.testing.assert_array_equal(shown, [turned(image) for image in images])


def test_a_film_of_16_bit_levels_keeps_the_ones_it_uses(tmp_path):
    levels = [np.linspace(3 * place, 4000 + place, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) for place in range(4)]
    images = [image.astype(np.uint16) for image in levels]
    path = write_video(tmp_path / "a.mkv", images, "ffv1", pixels="gray16le")
    frames = [VideoFrame(path, number) for number in (2, 3)]
    assert sequence_bits(frames) == 12
    np.testing.assert_array_equal(list(read_frames(frames, grey=True)), np.array(images[1:3]) >> 4)
    assert next(read_frames(frames, grey=False)).shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("pixels", ["gbrp16le", "rgb48le"])
def test_a_colour_film_of_16_bit_levels_keeps_the_ones_it_uses(tmp_path, pixels):
    levels = np.linspace(0, 4000, HEIGHT * WIDTH * 3).reshape(HEIGHT, WIDTH, 3).astype(np.uint16)
    path = write_video(tmp_path / "a.mkv", [levels + place for place in range(4)], "ffv1", pixels=pixels)
    frames = [VideoFrame(path, number) for number in (2, 3)]
    assert sequence_bits(frames) == 12
    np.testing.assert_array_equal(list(read_frames(frames, grey=False)), [levels + 1 >> 4, levels + 2 >> 4])
    grey = next(read_frames(frames, grey=True))
    expected = (levels + 1) @ np.array([0.299, 0.587, 0.114]) / 16
    np.testing.assert_allclose(grey, expected, atol=1.01)
    assert len(np.unique(grey)) > 200


def test_a_film_without_times_is_read_by_frame_number_alone(tmp_path):
    path = write_video(tmp_path / "a.h264", [coded(number) for number in range(1, 21)], "libx264", "h264")
    assert (timeline_of(path).count, timeline_of(path).times) == (20, ())
    numbers, frames = zip(*sequence_frames(a_row("a.h264", 4, 18), tmp_path), strict=True)
    assert [number_of(image) for image in read_frames(frames, grey=True)] == list(numbers)
    assert inspect(frames, 30) == []
    with pytest.raises(InputError, match=r"a\.h264: does not tell when its frames are shown, .*; give frame numbers"):
        frame_at(path, 0.1)


def test_what_the_decoder_reports_is_told_with_the_frame(tmp_path):
    path = write_video(tmp_path / "a.mkv", [coded(number) for number in range(1, 9)], "ffv1")
    frames = [VideoFrame(path, number) for number in range(3, 9)]
    assert [picture.damage for picture in read_video(frames, grey=True)] == [""] * 6
    data = bytearray(path.read_bytes())
    for place in (round(0.6 * len(data)), round(0.1 * len(data))):
        data[place] ^= 255
    path.write_bytes(data)
    damage = [picture.damage for picture in read_video(frames, grey=True)]
    assert [bool(text) for text in damage] == [True, False, True, False, False, False]  # frame 1 is told with the first
    assert "CRC mismatch" in damage[2]
