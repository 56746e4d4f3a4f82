"""Damaged frames and videos: as many frames as were asked for, of one size, the others untouched, or a line."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from fuzz_harness import attempt, check_line, content, damaged, damages, fuzz, inspect
from hypothesis import strategies as st

from ra_icl.datasets.frames import read_frames, sequence_frames
from ra_icl.datasets.index import index_frame

SIZE = (40, 48)  # height, width
COUNT = 6
IMAGES = ("jpg", "png", "png16", "bmp")
CHECKED = ("png", "png16")  # formats that guard their bytes by checksums
CODECS = {"mp4": "mp4v", "avi": "MJPG", "mov": "mp4v", "mkv": "MJPG"}


@dataclass(frozen=True)
class Clip:
    """A sequence: the row of its index, the folder that its frames are below, its files, and its frames as read."""

    row: object
    root: Path
    files: tuple[Path, ...]
    frames: np.ndarray


def picture(number):
    """The n-th frame, (H, W, 3) uint8: red grows to the right, green downwards, blue from frame to frame."""
    right, down = np.meshgrid(np.linspace(20, 120, SIZE[1]), np.linspace(30, 200, SIZE[0]))
    return np.dstack([np.full_like(down, 10 + 20 * number), down, right + 3 * number]).round().astype(np.uint8)


def a_row(frames):
    values = {"dataset": "own", "subject": "p1", "sequence": "a_1", "frames": frames, "onset": 1, "apex": None}
    return index_frame([values | {"offset": COUNT, "fps": 30, "emotion": "joy"}]).iloc[0]


def as_read(row, root):
    """The frames onset..offset of a row as they are read, (T, H, W) uint8, and what `check` says of them."""
    frames = [frame for _, frame in sequence_frames(row, root)]
    said = inspect(frames)
    return np.array(list(read_frames(frames, grey=True))), said


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """{kind: Clip} of every kind of image and video."""
    root, found = tmp_path_factory.mktemp("clips"), {}
    for kind in IMAGES:
        (root / kind).mkdir()
        paths = tuple(root / kind / f"img{number:03d}.{kind[:3]}" for number in range(1, COUNT + 1))
        for number, path in enumerate(paths, 1):
            image = picture(number)
            if kind == "png16":  # every grey level of 16 bits, in steps that 8 bits lack
                image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint16) * 256 + number
            assert cv2.imwrite(str(path), image)
        found[kind] = paths
    for kind, codec in CODECS.items():
        path = root / f"film.{kind}"
        video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 30, SIZE[::-1])
        for number in range(1, COUNT + 3):
            video.write(picture(number))
        video.release()
        found[kind] = (path,)
    rows = {kind: a_row(kind if kind in IMAGES else f"film.{kind}") for kind in found}
    return {kind: Clip(rows[kind], root, files, as_read(rows[kind], root)[0]) for kind, files in found.items()}


def is_far(frame, sound):
    """Whether a frame has another size, or differs by more than 32 grey levels on average."""
    return frame.shape != sound.shape or np.abs(frame.astype(int) - sound).mean() > 32


@pytest.mark.parametrize("kind", [*IMAGES, *CODECS])
def test_the_sound_clips_are_read_whole(clips, kind):
    frames, said = as_read(clips[kind].row, clips[kind].root)
    assert frames.shape == (COUNT, *SIZE)
    assert said == []
    assert len({frame.tobytes() for frame in frames}) == COUNT


@fuzz(20, kind=st.sampled_from(IMAGES), number=st.integers(0, COUNT - 1), operations=damages())
def test_damaged_images(clips, kind, number, operations):
    clip = clips[kind]
    path = clip.files[number]
    with content(path, damaged(path.read_bytes(), operations)):
        found, _ = attempt([path], as_read, clip.row, clip.root)
    if found is None:
        return
    frames, noticed = found
    for line in noticed:
        check_line(line, [path])
    others = [one for one in range(COUNT) if one != number]
    np.testing.assert_array_equal(frames[others], clip.frames[others])
    if not noticed and kind in CHECKED:
        np.testing.assert_array_equal(frames[number], clip.frames[number])
    assert noticed or not is_far(frames[number], clip.frames[number]), "a frame is another picture, unsaid"


@fuzz(12, kind=st.sampled_from(tuple(CODECS)), operations=damages())
def test_damaged_videos(clips, kind, operations):
    clip = clips[kind]
    (path,) = clip.files
    with content(path, damaged(path.read_bytes(), operations)):
        found, _ = attempt([path], as_read, clip.row, clip.root)
    if found is None:
        return
    frames, noticed = found
    for line in noticed:
        check_line(line, [path])
    assert frames.shape[0] == COUNT
    if frames.shape[1:] == SIZE[::-1]:  # the header says that the film lies on its side, and nothing guards the header
        return
    for frame, sound in zip(frames, clip.frames, strict=True):
        assert noticed or not is_far(frame, sound), "a frame is another picture, unsaid"
