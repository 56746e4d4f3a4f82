"""Image files: grey levels of more than 8 bits, and damage that decoders report."""

import os
import struct

import cv2
import numpy as np
import pytest

from ra_icl.datasets.frames import read_frames, read_image, sequence_bits
from ra_icl.datasets.images import is_image, read_picture
from ra_icl.errors import InputError


def levels(place, largest):
    """A frame (24, 32) uint16 whose levels go from `place` to `largest`, each pixel another."""
    return np.linspace(place, largest, 24 * 32).reshape(24, 32).round().astype(np.uint16)


def write(folder, images, suffix=".png"):
    paths = [folder / f"img{number:03d}{suffix}" for number in range(1, len(images) + 1)]
    for path, image in zip(paths, images, strict=True):
        assert cv2.imwrite(str(path), image)
    return paths


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(
    ("largest", "bits"),
    [(200, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16383, 14), (16384, 16)],
)
def test_one_scale_for_the_sequence_by_the_bits_that_hold_its_largest_level(tmp_path, largest, bits, suffix):
    dark = [levels(place, 150) for place in range(3)]
    paths = write(tmp_path, [*dark, levels(3, largest), dark[0]], suffix)
    assert sequence_bits(paths) == bits
    assert sequence_bits(paths[:3]) == 8
    read = list(read_frames(paths, grey=True))
    assert [image.dtype for image in read] == [np.uint8] * 5
    np.testing.assert_array_equal(read, np.array([*dark, levels(3, largest), dark[0]]) >> (bits - 8))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_8_bits_that_were_written_into_more_come_back(tmp_path, bits):
    ramp = np.arange(256, dtype=np.uint16).reshape(8, 32)
    wide = write(tmp_path, [ramp << (bits - 8)])
    np.testing.assert_array_equal(next(read_frames(wide, True)), ramp)
    if bits == 16:
        np.testing.assert_array_equal(next(read_frames(write(tmp_path, [ramp * 257]), True)), ramp)


def test_colours_have_the_scale_of_the_brightest_channel_in_grey_too(tmp_path):
    image = np.dstack([levels(0, 300), levels(1, 500), levels(2, 4000)])  # blue, green, red
    paths = write(tmp_path, [image])
    assert sequence_bits(paths) == 12
    np.testing.assert_array_equal(next(read_frames(paths, grey=False)), image[..., ::-1] >> 4)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) >> 4
    np.testing.assert_array_equal(next(read_frames(paths, grey=True)), grey)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_colours_become_the_same_grey_whatever_the_kind_of_file(tmp_path, suffix):
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    (path,) = write(tmp_path, [image], suffix)
    exact = image @ (0.114, 0.587, 0.299)
    assert np.abs(read_image(path, grey=True) - exact).max() < 0.52  # rounded, not cut off


def write_tiff(path, image, order, photometric):
    """A grey image as uncompressed TIFF of the byte order < or >; photometric: 0 if white is 0, else 1."""
    pixels = image.astype(image.dtype.newbyteorder(order)).tobytes()
    height, width = image.shape
    tags = [(256, width), (257, height), (258, 8 * image.itemsize), (259, 1), (262, photometric)]
    tags += [(273, 8), (277, 1), (278, height), (279, len(pixels))]
    magic = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8 + len(pixels))
    entries = b"".join(struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    path.write_bytes(magic + pixels + struct.pack(f"{order}H", len(tags)) + entries + bytes(4))
    return path


@pytest.mark.parametrize("order", "<>")
def test_a_negative_is_inverted_or_refused(tmp_path, order):
    wide, narrow = levels(3, 4000), np.arange(24 * 8, dtype=np.uint8).reshape(24, 8)
    for image in (wide, narrow):
        np.testing.assert_array_equal(read_picture(write_tiff(tmp_path / "a.tif", image, order, 1), True).image, image)
    inverted = read_picture(write_tiff(tmp_path / "8.tif", narrow, order, 0), True).image
    np.testing.assert_array_equal(inverted, 255 - narrow)
    path = write_tiff(tmp_path / "16.tif", wide, order, 0)
    for grey in (True, False):
        with pytest.raises(InputError, match=r"16\.tif: has 16 bits and white as level 0 .*; export .* black as 0$"):
            read_picture(path, grey)
    np.testing.assert_array_equal(read_picture(path, None).image, wide)  # millimetres, not levels


def test_the_bits_can_be_given_and_must_hold_every_level(tmp_path):
    paths = write(tmp_path, [levels(0, 150), levels(1, 1023)])
    assert sequence_bits(paths, 14) == 14
    np.testing.assert_array_equal(list(read_frames(paths, True, 14))[1], levels(1, 1023) >> 6)
    with pytest.raises(
        InputError, match=r"img002\.png: has a grey level of 1023, but faces\.bits is 8, which ends at 255"
    ):
        list(read_frames(paths, True, 8))
    (plain,) = write(tmp_path, [levels(0, 255).astype(np.uint8)])
    assert sequence_bits([plain], 14) == 8
    np.testing.assert_array_equal(read_image(plain, True), levels(0, 255))


def test_frames_of_another_depth_or_kind_of_number_are_named(tmp_path):
    paths = write(tmp_path, [levels(0, 4000), levels(0, 255).astype(np.uint8)])
    with pytest.raises(InputError, match=r"img002\.png: has 8 bits a grey level, the onset frame 16"):
        list(read_frames(paths, True))
    (strange,) = write(tmp_path, [levels(0, 1).astype(np.float32)], ".tif")
    with pytest.raises(InputError, match=r"img001\.tif: holds numbers of the type float32"):
        read_picture(strange, grey=True)


def test_decoders_reports_of_damage_are_kept_and_printed_no_more(tmp_path, capfd):
    image = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (120, 160), dtype=np.uint8), (0, 0), 2)
    for suffix, report, put in ((".jpg", "Corrupt JPEG data: ", b""), (".tif", "TIFF_Error ", bytes(64))):
        (path,) = write(tmp_path, [image], suffix)
        assert read_picture(path, grey=True).damage == ""
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2] + put + data[len(data) // 2 + 64 :])
        assert read_picture(path, grey=True).damage.startswith(report)
    (path,) = write(tmp_path, [image])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"img001\.png: is not a whole image \(CRC error in IDAT\); restore the frame"):
        read_picture(path, grey=True)
    for end in (20, -5):
        path.write_bytes(data[:end])
        with pytest.raises(InputError, match=r"img001\.png: is not a whole image \(.*\); restore the frame"):
            read_picture(path, grey=True)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"img001\.png: is not a whole image; restore the frame"):
        read_picture(path, grey=True)
    assert capfd.readouterr().err == ""


def test_what_else_is_printed_meanwhile_is_printed(tmp_path, capfd, monkeypatch):
    (path,) = write(tmp_path, [levels(0, 255).astype(np.uint8)])
    decode = cv2.imdecode

    def decode_loudly(*args):
        os.write(2, b"libpng warning: iCCP: known incorrect sRGB profile\nanother thread's line\n")
        return decode(*args)

    monkeypatch.setattr(cv2, "imdecode", decode_loudly)
    assert read_picture(path, grey=True).damage == ""
    assert capfd.readouterr().err.splitlines()[1] == "another thread's line"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("grey", [True, False])
def test_levels_that_are_no_whole_numbers_are_named(tmp_path, capfd, channels, grey):
    image = np.random.default_rng(0).uniform(size=(24, 32, channels)).astype(np.float32)
    (path,) = write(tmp_path, [image], ".tif")
    with pytest.raises(
        InputError, match=r"img001\.tif: holds numbers of the type float32; export the frames with 8 or"
    ):
        read_picture(path, grey)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif"])
def test_an_image_is_known_by_its_first_bytes(tmp_path, suffix):
    (path,) = write(tmp_path, [levels(0, 255).astype(np.uint8)], suffix)
    assert is_image(path.rename(tmp_path / "film.mp4"))
    (tmp_path / "img.png").write_bytes(b"not an image")
    assert not is_image(tmp_path / "img.png")
    assert not is_image(tmp_path / "gone.png")
