"""What is said of frames: damage, jumps, frozen runs, sizes, rates; and nothing of faces that blink or flicker."""

import re
from fractions import Fraction

import cv2
import numpy as np
import pytest
from made_videos import coded, write_video

from ra_icl.datasets.damage import Inspection, inspect, jumps, reduced
from ra_icl.datasets.frames import read_frames, sequence_frames
from ra_icl.datasets.images import Picture
from ra_icl.datasets.reading import build_index
from ra_icl.datasets.videos import VideoFrame
from ra_icl.errors import Fault
from ra_icl.twins.plan import TwinOptions
from ra_icl.twins.render import render


def face(number, eyes_shut=0.0):
    """A frame (120, 160) uint8 with noise of its own: a texture that drifts, and dark eyes that may be shut."""
    texture = cv2.GaussianBlur(np.random.default_rng(7).uniform(0, 255, (120, 200)).astype(np.float32), (0, 0), 6)
    drift = np.array([[1, 0, 0.1 * number - 20], [0, 1, 0]])
    image = cv2.warpAffine(5 * (texture - 127) + 140, drift, (160, 120))
    for x in (50, 110):
        cv2.ellipse(image, (x, 50), (16, 10), 0, 0, 360, 30 + 120 * eyes_shut, -1)
    noisy = image + np.random.default_rng(number).normal(0, 1.5, image.shape)
    return np.clip(noisy, 0, 255).round().astype(np.uint8)


def write(folder, images, suffix=".png"):
    paths = [folder / f"img{number:03d}{suffix}" for number in range(1, len(images) + 1)]
    for path, image in zip(paths, images, strict=True):
        assert cv2.imwrite(str(path), image)
    return paths


def kinds(faults):
    return [Fault.of(fault).kind for fault in faults]


def half_noise(image):
    """The lower half is noise, as a damaged JPEG is decoded."""
    noise = np.random.default_rng(1).integers(0, 256, image[60:].shape, dtype=np.uint8)
    return np.concatenate([image[:60], cv2.GaussianBlur(noise, (0, 0), 4)])


def test_a_sound_sequence_has_no_finding(tmp_path):
    assert inspect(write(tmp_path, [face(number) for number in range(20)])) == []


@pytest.mark.parametrize("shut", [[1], [0.5, 1, 0.5], [0.3, 0.9, 1, 0.6, 0.2], [0.2, 0.6, 1, 1, 0.8, 0.5, 0.2]])
def test_a_blink_is_no_jump(tmp_path, shut):
    images = [face(n, shut[n - 8] if 0 <= n - 8 < len(shut) else 0) for n in range(20)]
    assert inspect(write(tmp_path, images)) == []


def test_light_that_flickers_is_no_jump(tmp_path):
    bright = [1 + 0.3 * (number % 2) if number != 11 else 0.7 for number in range(20)]
    images = [(0.7 * gain * face(number)).astype(np.uint8) for number, gain in enumerate(bright)]
    assert inspect(write(tmp_path, images)) == []


@pytest.mark.parametrize("place", [0, 1, 9, 19])
@pytest.mark.parametrize(
    "change",
    [np.zeros_like, np.flipud, lambda image: np.roll(image, 8, 1), lambda image: image // 2 + 100 * (image > 9)],
)
def test_a_frame_from_elsewhere_jumps(tmp_path, place, change):
    images = [face(number) for number in range(20)]
    images[place] = change(images[place])
    images[place][80:] = np.fliplr(images[place][80:])
    faults = inspect(write(tmp_path, images))
    assert kinds(faults) == ["frame-jumps"]
    assert f"img{place + 1:03d}.png: differs from the frames around it by " in faults[0]


def test_a_jump_is_told_in_grey_levels_of_8_bits(tmp_path):
    images = [face(number) for number in range(20)]
    images[6] = half_noise(images[6])
    (narrow,) = inspect(write(tmp_path, images))
    (wide,) = inspect(write(tmp_path, [image.astype(np.uint16) << 4 for image in images]))
    far = [int(re.search(r"by (\d+) grey levels", fault)[1]) for fault in (narrow, wide)]
    assert abs(far[0] - far[1]) <= 1
    assert far[0] > 10


def test_levels_that_the_option_does_not_hold_are_faults(tmp_path):
    images = [face(number).astype(np.uint16) << 4 for number in range(8)]
    images[4][7, 9] = 4095
    images = [np.minimum(image, 1000) if place != 4 else image for place, image in enumerate(images)]
    paths = write(tmp_path, images)
    (fault,) = (line for line in inspect(paths, bits=10) if "faces.bits" in line)
    assert "img005.png: has a grey level of 4095, but faces.bits is 10, which ends at 1023" in fault
    assert inspect(paths, bits=12).serious == inspect(paths).serious
    assert not any("faces.bits" in line for line in inspect(paths).serious)


def test_a_few_pixels_that_give_all_frames_another_scale_are_a_warning(tmp_path):
    images = [face(number).astype(np.uint16) << 4 for number in range(8)]  # 12 bits
    images[2][7, 9], images[4][8, 9] = 9000, 65535
    paths = write(tmp_path, images)
    (warning,) = inspect(paths)
    assert "img005.png: has a grey level of 65535, so that the sequence's scale is 16 bits" in warning
    assert "99.99 % of its levels fit into 12; look at" in warning
    assert Fault.of(warning).severity == "warning"
    assert inspect(paths, bits=16) == []  # the remedies
    images[2][7, 9] = images[4][8, 9] = 4000
    assert inspect(write(tmp_path, images)) == []
    images[4][:40] = 65535  # a bright part of the picture is none
    assert "frames-few-bright" not in kinds(inspect(write(tmp_path, images)))


def test_damage_that_the_decoder_reports_is_a_fault_of_that_frame(tmp_path):
    paths = write(tmp_path, [face(number) for number in range(8)], ".jpg")
    data = paths[3].read_bytes()
    paths[3].write_bytes(data[: len(data) // 2] + data[len(data) // 2 + 64 :])
    paths[5].write_bytes(data[:200])
    faults = inspect(paths)
    assert [fault.partition(": ")[0] for fault in faults[:2]] == [str(paths[5]), str(paths[3])]
    assert kinds(faults[:2]) == ["frame-not-whole", "frame-damaged"]
    assert "img004.jpg: is damaged (Corrupt JPEG data: " in faults[1]
    assert len(faults.serious) == len(faults)


def test_bytes_too_many_in_nearly_every_jpeg_are_a_habit(tmp_path):
    paths = write(tmp_path, [face(number) for number in range(8)], ".jpg")
    for number, path in enumerate(paths):
        if number != 2:
            path.write_bytes(path.read_bytes()[:-2] + bytes(range(1, 9)) + b"\xff\xd9")
    (warning,) = inspect(paths)
    assert "img001.jpg: 7 of 8 frames have bytes that a JPEG should not have" in warning
    assert Fault.of(warning).severity == "warning"
    paths[2].write_bytes(paths[1].read_bytes())
    few = inspect(paths[1:3])
    assert kinds(few) == ["frame-damaged", "frame-damaged", "frames-frozen"]


def test_frames_that_repeat_are_a_warning_with_their_number(tmp_path):
    images = [face(number) for number in range(12)]
    images[4] = images[5] = images[6] = images[3]
    images[9] = images[8]
    (warning,) = inspect(write(tmp_path, images))
    assert "img005.png: 4 of 12 frames repeat the frame before them (3 in a row at most)" in warning
    images = [face(number) for number in (*range(11), 10)]
    assert "img012.png: 1 of 12 frames repeats the frame before it (1 in" in inspect(write(tmp_path, images))[0]
    assert Fault.of(warning).severity == "warning"


def test_another_size_is_a_fault_of_each_such_frame(tmp_path):
    images = [face(number) for number in range(8)]
    images[2], images[6] = images[2][:100], images[6][:, :90]
    first, second = inspect(write(tmp_path, images))
    assert "img003.png: is 160x100, the onset frame 160x120" in first
    assert "img007.png: is 90x120, the onset frame 160x120" in second


def film(path, count=12, **more):
    write_video(path, [coded(number) for number in range(1, count + 1)], **more)
    return [VideoFrame(path, number) for number in range(1, count + 1)]


def test_a_rate_that_varies_is_a_warning_with_the_largest_gap(tmp_path):
    times = [place / 30 + 0.2 * (place > 6) for place in range(12)]
    (warning,) = inspect(film(tmp_path / "a.mp4", times=times), 30)  # the mean, 19, says nothing of fps
    assert "a.mp4: has a variable frame rate: 33 to 233 ms from frame to frame, the most after frame 7" in warning
    steady = film(tmp_path / "a.mkv", times=[place / 240 for place in range(12)])
    assert inspect(steady, 240) == []  # 4 or 5 ms in that file
    thinned = film(tmp_path / "b.mp4", times=[place / 30 for place in range(18) if place % 3])
    assert kinds(inspect(thinned)) == ["video-variable-rate"]
    assert "34 to 66 ms from frame to frame, the most after frame 2" in inspect(thinned)[0]


@pytest.mark.parametrize(("fps", "found"), [(None, 0), (float("nan"), 0), (30, 0), (29.97, 0), (25, 1), (200, 1)])
def test_the_rate_of_the_file_is_compared_with_the_rows(tmp_path, fps, found):
    faults = inspect(film(tmp_path / "a.mp4"), fps)
    assert len(faults) == found
    if found:
        assert f"a.mp4: plays 30 frames per second, but the annotation's fps is {fps}" in faults[0]
        assert not faults.serious


@pytest.mark.parametrize(
    ("aspect", "found"), [(None, ""), (Fraction(1), ""), (Fraction(16, 11), "1.455"), (Fraction(3, 4), "0.75")]
)
def test_pixels_that_are_not_square_are_a_warning(tmp_path, aspect, found):
    faults = inspect(film(tmp_path / "a.mp4", aspect=aspect), 30)
    assert kinds(faults) == ["video-pixels"] * bool(found)
    if found:
        assert f"a.mp4: has pixels {found} times as wide as high, read as if they were square" in faults[0]
        assert "ffmpeg -i FILE -vf 'scale=iw*sar:ih,setsar=1' -c:v ffv1 NEW.mkv" in faults[0]
        assert not faults.serious


def test_an_interlaced_film_is_a_warning(tmp_path):
    (warning,) = inspect(film(tmp_path / "a.MTS", codec="mpeg2video", container="mpegts", flags="+ildct+ilme"), 30)
    assert Fault.of(warning).kind == "video-interlaced"
    assert Fault.of(warning).where == str(tmp_path / "a.MTS")


def test_a_frame_that_the_decoder_conceals_is_a_fault_and_what_is_too_short_too(tmp_path):
    frames = film(tmp_path / "a.avi", 20, g="20", b="2000k")
    data = bytearray(frames[0].path.read_bytes())
    place = data.index(b"00dc", round(0.4 * len(data))) + 200
    data[place : place + 40] = bytes(range(40))
    frames[0].path.write_bytes(data)
    faults = inspect([*frames, VideoFrame(frames[0].path, 21)])
    assert kinds(faults)[:2] == ["video-short", "frame-damaged"]
    assert "conceal" in faults[1] or "the decoder reports" in faults[1]
    assert "ends at frame 20" in faults[0]


def test_marks_name_each_kind_once(tmp_path):
    inspection = Inspection()
    for number in range(12):
        image = face(number) if number not in (3, 8) else np.flipud(face(number))
        damage = "Corrupt JPEG data: bad Huffman code" if number == 5 else ""
        inspection.see(tmp_path / f"img{number}.jpg", Picture(image, damage))
    damaged, jump = inspection.marks()
    assert damaged == "img5.jpg: is damaged (Corrupt JPEG data: bad Huffman code)"
    assert jump.startswith("img3.jpg: differs from the frames around it by ")
    assert jump.endswith(" (and 1 more)")


def test_marks_of_a_video_do_not_repeat_its_name(tmp_path):
    inspection = Inspection()
    for number in range(1, 13):
        picture = Picture(face(min(number, 10)), interlaced=True)
        inspection.see(VideoFrame(tmp_path / "film.mp4", number), picture)
    assert inspection.marks() == [
        "frame 11: 2 of 12 frames repeat the frame before them (2 in a row at most)",
        "is interlaced: odd and even lines were taken at different times, which looks like motion",
    ]


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    root = tmp_path_factory.mktemp("twins")
    for dataset in ("casme2", "samm", "smic", "casme3"):
        render(
            dataset, root / dataset, TwinOptions(per_class=1, frames=(10, 14), scale=0.25, strength=(2, 4.5), noise=2.0)
        )
    return root


@pytest.mark.parametrize("dataset", ["casme2", "samm", "smic", "casme3"])
def test_no_twin_has_a_finding_even_when_its_frames_are_cut_to_the_face(twins, dataset):
    for row in build_index(dataset, {"root": str(twins / dataset)}).itertuples():
        frames = [frame for _, frame in sequence_frames(row, twins / dataset)]
        assert inspect(frames) == []
        images = list(read_frames(frames, grey=True))
        height, width = images[0].shape
        cuts = [image[height // 5 : -height // 5, width // 3 : -width // 3] for image in images]
        assert jumps(list(map(reduced, cuts))) == []
