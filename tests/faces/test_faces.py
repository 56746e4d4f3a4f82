"""Face crops of a real photograph (scikit-image's astronaut), turned, scaled and moved."""

import logging
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from skimage import data

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.faces import haar
from ra_icl.faces.align import cut, rotate_about
from ra_icl.faces.crop import crop_sequence, crop_subject
from ra_icl.faces.haar import EYES, best_eye_pair, detect_faces
from ra_icl.faces.onset import find_face
from ra_icl.faces.options import FaceOptions
from ra_icl.planning.options import from_mapping

# Centres of the pupils in the photograph, image left first, as a person marks them.
PUPILS = np.array([[203.5, 101.0], [247.5, 103.0]])
SIZE = 128


@pytest.fixture(scope="module")
def photograph():
    """(512, 512) uint8, one face."""
    return cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)


@pytest.fixture
def faceless():
    return np.tile(np.linspace(0, 255, 320).astype(np.uint8), (240, 1))


def write(folder: Path, images, suffix="png", first=1) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"img{first + i}.{suffix}" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        assert cv2.imwrite(str(path), image)
    return paths


def moved(image, angle, scale):
    """The picture turned and scaled about the face, and the pupils with it."""
    matrix = cv2.getRotationMatrix2D((224, 130), angle, scale)
    matrix[:, 2] += (scale - 1) * np.array([224, 130])
    size = (round(512 * scale), round(512 * scale))
    image = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)
    return image, PUPILS @ matrix[:, :2].T + matrix[:, 2]


def apply(transform, points):
    matrix = np.array(transform)
    return points @ matrix[:, :2].T + matrix[:, 2]


@pytest.mark.parametrize("angle", [-20, -10, 0, 10, 20])
@pytest.mark.parametrize(("scale", "light"), [(0.5, 1), (0.5, 0.4), (1, 1), (2, 0.4)])
def test_eyes_come_to_lie_where_they_should_within_3_percent(photograph, angle, scale, light):
    image, pupils = moved(photograph, angle, scale)
    info = find_face((image * light).astype(np.uint8), FaceOptions(size=SIZE), "s")
    assert info["found"] == "eyes"
    assert off_place(info, pupils) < 0.03


@pytest.mark.parametrize(("width", "height", "scale"), [(2040, 1088, 2), (640, 480, 0.9), (1280, 720, 1.4)])
@pytest.mark.parametrize("angle", [-15, 0, 15])
def test_eyes_are_found_in_frames_of_the_datasets_sizes(photograph, width, height, scale, angle):
    """A face on a plain ground, as a camera in a laboratory has it."""
    image, pupils = moved(photograph, angle, scale)
    ground = np.full((height, width), 90, np.uint8)
    y, x = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    (top, left), (cut_y, cut_x) = (max(y, 0), max(x, 0)), (max(-y, 0), max(-x, 0))
    part = image[cut_y : cut_y + height, cut_x : cut_x + width]
    ground[top : top + part.shape[0], left : left + part.shape[1]] = part
    info = find_face(ground, FaceOptions(size=SIZE), "s")
    assert off_place(info, pupils + np.array([x, y])) < 0.03


def off_place(info, pupils):
    """How far the farther pupil is from where eyes belong, as a share of the crop's width."""
    margin = FaceOptions().margin
    distances = apply(info["transform"], pupils) - SIZE * (np.array(EYES) + margin) / (1 + 2 * margin)
    return np.linalg.norm(distances, axis=1).max() / SIZE


def test_the_transform_is_a_similarity_and_says_where_pixels_come_from(photograph, tmp_path):
    dotted = photograph.copy()
    crops, info = crop_sequence(write(tmp_path, [dotted]), FaceOptions(size=SIZE), "s")
    matrix = np.array(info["transform"])
    (a, b), (c, d) = matrix[:, :2]
    np.testing.assert_allclose([a, b], [d, -c])
    # A white square around one pupil in a later frame must be where the transform says.
    x, y = PUPILS[1].astype(int)
    dotted[y - 4 : y + 4, x - 4 : x + 4] = 255
    marked, _ = crop_sequence(write(tmp_path, [photograph, dotted]), FaceOptions(size=SIZE), "s")
    rows, columns = np.nonzero(marked[1].astype(int) - crops[0] > 100)
    found = np.array([columns.mean(), rows.mean()]) + 0.5
    np.testing.assert_allclose(found, apply(matrix, np.array([[x, y]]))[0], atol=1)


def test_all_frames_share_the_onset_frames_transform(photograph, tmp_path):
    # The head moves; a crop that followed it would hide the motion.
    clip = [np.roll(photograph, step, axis=1) for step in (0, 2, 4)]
    crops, info = crop_sequence(write(tmp_path, clip), FaceOptions(size=SIZE), "s")
    alone, alone_info = crop_sequence(write(tmp_path / "a", clip[:1]), FaceOptions(size=SIZE), "s")
    assert info == alone_info
    np.testing.assert_array_equal(crops[0], alone[0])
    scale = np.hypot(*np.array(info["transform"])[:, 0])
    shift, _ = cv2.phaseCorrelate(*(crop.astype(np.float64) for crop in crops[[0, 2]]))
    np.testing.assert_allclose(shift, (4 * scale, 0), atol=0.5)


def test_a_face_that_fills_the_frame_is_found(photograph):
    # From the brows to the mouth: the detector needs a border around it.
    [((_, _, side), eyes)], attempt = detect_faces(photograph[80:165, 180:265])
    np.testing.assert_allclose(eyes + np.array([180, 80]), PUPILS, atol=4)
    assert side == pytest.approx(110, abs=25)
    assert attempt == 3


def test_a_face_with_eyes_wins_over_a_larger_box_without(photograph, caplog):
    # Turned and reduced like this, the shuttle model passes for a larger face.
    turn = cv2.getRotationMatrix2D((224, 110), -6, 1)
    image = cv2.warpAffine(photograph, turn, (512, 512), borderMode=cv2.BORDER_REFLECT)
    image = cv2.resize(image, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    info = find_face(image, FaceOptions(), "own p1/a")
    ((_, _, other),) = info["others"]
    assert info["box"][2] < other
    expected = 0.7 * (PUPILS @ turn[:, :2].T + turn[:, 2])
    np.testing.assert_allclose(info["eyes"], expected, atol=4)
    assert "own p1/a: 2 faces are found on the onset frame, of which the largest with eyes is taken" in caplog.text


def test_a_reduction_averages(tmp_path):
    # One-pixel stripes of a large frame: sampling without averaging would alias to a pattern.
    stripes = np.zeros((630, 630), np.uint8)
    stripes[:, ::2] = 200
    crops, info = crop_sequence(write(tmp_path, [stripes]), FaceOptions(size=64, fallback="whole_frame"), "s")
    assert info["found"] == "whole_frame"
    assert np.ptp(crops) <= 20
    assert crops.mean() == pytest.approx(100, abs=1)


@pytest.mark.parametrize("scale", [1.3, 0.4])
def test_a_turned_crop_shows_what_its_transform_says(scale):
    """Of an image whose levels are the places of its pixels."""
    places = np.indices((200, 240), np.float32)[::-1] + 0.5  # x, y of the pixels' middles
    transform = rotate_about((120, 100), (32, 32), np.radians(20), scale)
    crop = cut(np.dstack(places), transform, 64)
    wanted = np.dstack(np.indices((64, 64))[::-1] + 0.5) @ np.linalg.inv(np.array(transform)[:, :2]).T
    wanted += np.array([120, 100]) - np.linalg.inv(np.array(transform)[:, :2]) @ [32, 32]
    inside = slice(12, 52)
    np.testing.assert_allclose(
        crop[inside, inside], wanted[inside, inside], atol=0.1
    )  # OpenCV rounds places to 1/32 px


def test_whole_frame_keeps_proportions_and_falls_on_whole_pixels(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320)).astype(np.uint8)
    options = FaceOptions(size=160, fallback="whole_frame")
    crops, info = crop_sequence(write(tmp_path, [noise]), options, "s")
    assert info["transform"] == [[0.5, 0, 0], [0, 0.5, 20]]
    blocks = noise.reshape(120, 2, 160, 2).mean((1, 3))
    np.testing.assert_allclose(crops[0, 20:140], blocks, atol=1)


@pytest.mark.parametrize("size", [37, 64, 300])
def test_a_mirrored_frame_gives_the_mirrored_crop(tmp_path, size):
    noise = np.random.default_rng(0).integers(0, 256, (90, 120)).astype(np.uint8)
    options = FaceOptions(size=size, fallback="whole_frame")
    crops = [crop_sequence(write(tmp_path, [image]), options, "s")[0][0] for image in (noise, noise[::-1, ::-1])]
    assert np.abs(crops[0] - crops[1][::-1, ::-1].astype(float)).mean() < 1


def test_colour_crops_are_rgb(tmp_path):
    astronaut = data.astronaut()
    paths = write(tmp_path, [cv2.cvtColor(astronaut, cv2.COLOR_RGB2BGR)])
    crops, info = crop_sequence(paths, FaceOptions(size=64, grey=False), "s")
    assert crops.shape == (1, 64, 64, 3)
    assert info["found"] == "eyes"
    red, _, blue = crops.reshape(-1, 3).mean(0)
    assert red > blue + 20  # skin


def test_margin_widens_the_crop(photograph, tmp_path):
    def scale(margin):
        options = FaceOptions(size=SIZE, margin=margin)
        info = crop_sequence(write(tmp_path, [photograph]), options, "s")[1]
        return np.hypot(*np.array(info["transform"])[:, 0])

    assert scale(0) / scale(0.25) == pytest.approx(1.5)


def test_no_face_is_an_error_that_names_the_sequence_and_the_key(faceless, tmp_path):
    paths = write(tmp_path, [faceless])
    with pytest.raises(InputError, match=r"smic/s01/x: no face is found.*faces\.fallback"):
        crop_sequence(paths, FaceOptions(), "smic/s01/x")


def test_a_face_without_eyes_is_cropped_upright(photograph, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(haar, "detect_eyes", lambda grey, box: None)
    with caplog.at_level(logging.WARNING):
        _, info = crop_sequence(write(tmp_path, [photograph]), FaceOptions(size=SIZE), "samm/006/x")
    assert (info["found"], info["eyes"]) == ("box", None)
    assert "samm/006/x" in caplog.text
    (left, top, side), matrix = info["box"], np.array(info["transform"])
    assert matrix[0, 1] == matrix[1, 0] == 0
    centre = apply(matrix, np.array([left + side / 2, top + side / 2]))
    np.testing.assert_allclose(centre, [SIZE / 2, SIZE / 2], atol=1e-6)


LEFT, RIGHT = (0.31, 0.4), (0.69, 0.41)


@pytest.mark.parametrize(
    ("centres", "pair"),
    [
        ([RIGHT, LEFT], (LEFT, RIGHT)),
        ([(0.2, 0.5), LEFT, RIGHT, (0.75, 0.55)], (LEFT, RIGHT)),  # the nearest to where eyes belong
        ([LEFT], None),
        ([LEFT, (0.45, 0.4)], None),  # both on one side
        ([(0.45, 0.4), (0.55, 0.4)], None),  # too near
        ([(0.1, 0.4), (0.9, 0.4)], None),  # too far
        ([(0.31, 0.3), (0.69, 0.5)], None),  # tilted by 28 degrees
        ([(0.31, 0.65), (0.69, 0.65)], None),  # mouth corners
        ([], None),
    ],
)
def test_best_eye_pair(centres, pair):
    assert best_eye_pair(centres) == pair


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp"])
def test_a_cut_frame_is_named(photograph, tmp_path, suffix):
    paths = write(tmp_path, [photograph, photograph], suffix)
    paths[1].write_bytes(paths[1].read_bytes()[:-4000])
    with pytest.raises(InputError, match=rf"img2\.{suffix}: is not a whole image"):
        crop_sequence(paths, FaceOptions(), "s")


def test_an_empty_or_missing_frame_is_named(photograph, tmp_path):
    paths = write(tmp_path, [photograph, photograph])
    paths[1].write_bytes(b"")
    with pytest.raises(InputError, match=r"img2\.png: is not a whole image"):
        crop_sequence(paths, FaceOptions(), "s")
    paths[1].unlink()
    with pytest.raises(InputError, match=r"img2\.png: cannot be read \(No such file"):
        crop_sequence(paths, FaceOptions(), "s")
    with pytest.raises(InputError, match="s: no frames"):
        crop_sequence([], FaceOptions(), "s")


def test_frames_of_different_sizes_are_refused(photograph, tmp_path):
    paths = write(tmp_path, [photograph, photograph[:500]])
    with pytest.raises(InputError, match=r"img2\.png: is 512x500, the onset frame 512x512"):
        crop_sequence(paths, FaceOptions(), "s")


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"size": 8}, r"faces\.size: is 8; give at least 16"),
        ({"size": 112.0}, r"faces\.size: is 112\.0; give an integer"),
        ({"margin": 2}, r"faces\.margin: is 2; give at most 1"),
        ({"margin": "wide"}, r"faces\.margin: is 'wide'; give a number"),
        ({"detector": "dnn"}, r"faces\.detector: is 'dnn'; choose 'haar', 'mediapipe', 'yunet' or 'lbf'"),
        ({"detector": "yunet"}, r"faces: detector yunet needs its model file; set faces\.model"),
        ({"stabilise": True}, r"faces\.stabilise: is True; choose 'none' or 'rigid'"),
        ({"grey": 1}, r"faces\.grey: is 1; give true or false"),
        ({"missing_frames": 1}, r"faces\.missing_frames: is 1; give less than 1"),
        ({"fallback": "skip"}, r"faces\.fallback: is 'skip'; choose 'error' or 'whole_frame'"),
        ({"gray": True}, r"faces\.gray: unknown key; known: size, margin"),
    ],
)
def test_bad_options_are_refused(values, part):
    with pytest.raises(InputError, match=part):
        from_mapping(FaceOptions, values, "faces")


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_frames_of_more_bits_give_the_crops_of_the_same_frames_in_8_bits(photograph, tmp_path, bits):
    clip = [np.roll(photograph // 4, step, axis=1) for step in range(4)]
    clip[2][5, :200] = 255  # the largest levels are not on the frame on which the face is looked for
    narrow, info = crop_sequence(write(tmp_path / "8", clip), FaceOptions(size=64), "s")
    paths = write(tmp_path / "more", [image.astype(np.uint16) << (bits - 8) for image in clip])
    wide, more = crop_sequence(paths, FaceOptions(size=64), "s")
    np.testing.assert_array_equal(wide, narrow)
    assert (info["bits"], more["bits"]) == (8, bits)
    assert {**more, "bits": 8} == info
    given, record = crop_sequence(paths, FaceOptions(size=64, bits=16, fallback="whole_frame"), "s")
    assert record["bits"] == 16
    assert given.max() <= 1 + (255 >> (16 - bits))


def test_a_scale_that_was_set_is_not_warned_of(photograph, tmp_path):
    clip = [np.roll(photograph, step, axis=1).astype(np.uint16) * 4 for step in range(3)]
    clip[1][0, 0] = 60000  # a hot pixel
    paths = write(tmp_path, clip)
    (mark,) = crop_sequence(paths, FaceOptions(size=64, fallback="whole_frame"), "s")[1]["marks"]
    assert "60000" in mark
    assert crop_sequence(paths, FaceOptions(size=64, bits=16, fallback="whole_frame"), "s")[1]["marks"] == []


def test_what_is_noticed_in_the_frames_is_recorded_and_warned_of(photograph, tmp_path, caplog):
    clip = [np.roll(photograph, step // 3, axis=1) for step in range(0, 30, 3)]
    paths = write(tmp_path, [*clip[:4], photograph[::-1], *clip[4:7], clip[6]], "jpg")
    data = paths[2].read_bytes()
    paths[2].write_bytes(data[: len(data) // 2] + data[len(data) // 2 + 64 :])
    crops, info = crop_sequence(paths, FaceOptions(size=64), "s")
    assert len(crops) == 9
    assert [mark.split()[0] for mark in info["marks"]] == ["img3.jpg:", "img3.jpg:", "img9.jpg:"]
    damaged, jump, frozen = info["marks"]
    assert "is damaged (Corrupt JPEG data: " in damaged
    assert "differs from the frames around it" in jump
    assert "1 of 9 frames repeats the frame before it" in frozen
    assert [message for message in caplog.messages if "damaged" in message] == [f"s: {damaged}"]


def subject_index(sequences):
    rows = {
        "dataset": "casme2",
        "subject": "sub01",
        "sequence": sequences,
        "frames": [f"clips/{sequence}" for sequence in sequences],
        "onset": 46,
        "apex": pd.array([47] * len(sequences), "Int64"),
        "offset": 48,
        "fps": 200,
        "emotion": "happiness",
    }
    return pd.DataFrame(rows)


def test_crop_subject_writes_a_tensor_per_sequence(photograph, tmp_path, caplog):
    clip = [np.roll(photograph, step, axis=1) for step in range(4)]
    paths = write(tmp_path / "clips" / "EP01", clip[:3], first=46)
    write(tmp_path / "clips" / "EP02", clip[1:], first=46)[1].unlink()
    out = tmp_path / "crops" / "sub01.safetensors"
    options = FaceOptions(size=64, missing_frames=0.5)
    crop_subject(subject_index(["EP01", "EP02"]), tmp_path, out, options)
    tensors, metadata = files.load_tensors(out)
    crops, info = crop_sequence(paths, options, "s")
    np.testing.assert_array_equal(tensors["EP01"], crops)
    assert tensors["EP02"].shape == (2, 64, 64)
    stamps = [[path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
    assert metadata["sequences"]["EP01"] == info | {"frames": [46, 47, 48], "offset": 48, "files": stamps}
    assert metadata["sequences"]["EP02"]["frames"] == [46, 48]
    assert [line for line in caplog.messages if "missing" in line] == ["casme2 sub01/EP02: 1 of 3 frames are missing"]
    assert metadata["options"]["size"] == 64
    assert metadata["opencv"] == cv2.__version__
    assert metadata["detector"] == {"name": "haar", "version": f"OpenCV {cv2.__version__}"}


def test_crop_subject_leaves_nothing_behind_after_an_error(photograph, faceless, tmp_path):
    write(tmp_path / "clips" / "EP01", [photograph] * 3, first=46)
    write(tmp_path / "clips" / "EP02", [faceless] * 3, first=46)
    out = tmp_path / "crops" / "sub01.safetensors"
    index = subject_index(["EP01", "EP02"])
    with pytest.raises(InputError, match="casme2 sub01/EP02: no face is found"):
        crop_subject(index, tmp_path, out, FaceOptions())
    with pytest.raises(InputError, match="no sequence of this subject"):
        crop_subject(index.iloc[:0], tmp_path, out, FaceOptions())
    assert not out.exists()
