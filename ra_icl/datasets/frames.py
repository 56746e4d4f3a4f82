"""The frames of a sequence: files of a folder, or frames of a video."""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ra_icl.errors import InputError

if TYPE_CHECKING:  # the plan of a run is made without OpenCV
    import numpy as np

IMAGES = {".jpg", ".jpeg", ".png", ".bmp"}
VIDEOS = {".mp4", ".avi", ".mov", ".mkv"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoFrame:
    """A frame of a video by its number; the first frame is 1, as when ffmpeg writes frames to files."""

    path: Path
    number: int

    def __str__(self) -> str:
        return f"{self.path}, frame {self.number}"


Frame = Path | VideoFrame


def frame_files(folder: str | Path) -> dict[int, Path]:
    """List the image files of a folder by frame number, in order of the numbers.

    The number is the last run of digits of the file's stem, with or without zero padding. Hidden
    files and other types are passed over. Raises InputError where two files have one number or the
    folder may not be read, and FileNotFoundError where there is no such folder.
    """
    found: dict[int, Path] = {}
    try:
        names = sorted(os.listdir(folder))
    except PermissionError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); give yourself the right to read it") from error
    for name in names:
        stem, suffix = os.path.splitext(name)
        digits = re.findall(r"[0-9]+", stem)
        if suffix.lower() not in IMAGES or not digits or stem.startswith("."):
            continue
        number = int(digits[-1])
        if number in found:
            raise InputError(f"{folder}: {found[number].name} and {name} are both frame {number}; keep one of them")
        found[number] = Path(folder, name)
    return dict(sorted(found.items()))


def sequence_frames(row, most_missing: float = 0.25) -> list[tuple[int, Frame]]:
    """Find the frames onset..offset of an index row (a Series or a named tuple) on disk.

    row.frames is a folder of images, or a video file. most_missing: the largest share of the frames
    that may be missing; a smaller number is logged.
    Returns (frame number, frame) in order, the onset first; missing frames are left out. Raises
    InputError that names the sequence where the folder, the onset frame, everything after it or more
    than `most_missing` is missing. A video that is too short is found when it is read.
    """
    name = f"{row.dataset} {row.subject}/{row.sequence}"
    if Path(row.frames).suffix.lower() in VIDEOS and not os.path.isdir(row.frames):
        return _video_frames(name, row)
    if not os.path.isdir(row.frames):
        raise InputError(
            f"{name}: frame folder {row.frames} is missing; restore it or check datasets.{row.dataset}.frames"
        )
    files = frame_files(row.frames)
    if not files:
        raise InputError(f"{name}: {row.frames} holds no frames (jpg, png or bmp); restore them")
    if row.onset not in files:
        raise InputError(f"{name}: the onset frame {row.onset} is missing in {row.frames}; restore it")
    found = [(n, file) for n, file in files.items() if row.onset <= n <= row.offset]
    if len(found) < 2:
        raise InputError(
            f"{name}: no frame after the onset, {row.onset + 1}..{row.offset}, is in {row.frames}; restore them"
        )
    _check_missing(name, row, len(found), most_missing)
    return found


def read_frames(frames: Sequence[Frame], grey: bool) -> Iterator["np.ndarray"]:
    """Read the frames of a sequence one after another: (H, W), or (H, W, 3) RGB, uint8.

    Frames of a video are decoded from its beginning, since seeking is not exact to the frame. Raises
    InputError for a file that is no whole image or video, and frames of different sizes.
    """
    images = _read_video(frames, grey) if isinstance(frames[0], VideoFrame) else (read_image(f, grey) for f in frames)
    shape = None
    for frame, image in zip(frames, images, strict=True):
        shape = shape or image.shape
        if image.shape != shape:
            size = f"{image.shape[1]}x{image.shape[0]}, the onset frame {shape[1]}x{shape[0]}"
            raise InputError(f"{frame}: is {size}; a sequence needs frames of one size")
        yield image


def read_image(path: Path, grey: bool) -> "np.ndarray":
    """Read an image file as (H, W), or (H, W, 3) RGB, uint8. Raises InputError for a file that is no whole image."""
    import cv2
    import numpy as np

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); restore the frame") from error
    flag = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    # From memory, because imread hands out a cut JPEG as an image with a grey lower part.
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    if image is None:
        raise InputError(f"{path}: is not a whole image; restore the frame")
    return image if grey else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _video_frames(name: str, row) -> list[tuple[int, Frame]]:
    if not os.path.isfile(row.frames):
        raise InputError(f"{name}: video {row.frames} is missing; restore it or correct the clip's name")
    if row.onset < 1:
        raise InputError(f"{name}: onset is {row.onset}, but a video's first frame is 1; count the row's frames from 1")
    return [(n, VideoFrame(Path(row.frames), n)) for n in range(row.onset, row.offset + 1)]


def _check_missing(name: str, row, found: int, most_missing: float) -> None:
    total = int(row.offset - row.onset + 1)
    missing = total - found
    if missing > most_missing * total:
        raise InputError(
            f"{name}: {missing} of {total} frames are missing in {row.frames}; restore them, or raise "
            f"faces.missing_frames (now {most_missing:g})"
        )
    if missing:
        log.warning("%s: %d of %d frames are missing in %s", name, missing, total, row.frames)


def _read_video(frames: Sequence[VideoFrame], grey: bool) -> Iterator["np.ndarray"]:
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is wrong is said below, in one line
    import cv2

    path = frames[0].path
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise InputError(f"{path}: cannot be read as a video; restore it or convert it to mp4 (H.264)")
    position = 0
    try:
        for frame in frames:
            while position < frame.number - 1 and video.grab():
                position += 1
            whole, image = video.read()
            if not whole or position != frame.number - 1:
                place = f"onset {frames[0].number} and offset {frames[-1].number}"
                raise InputError(f"{path}: ends at frame {position}; correct the row with {place}")
            position += 1
            yield cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if grey else cv2.COLOR_BGR2RGB)
    finally:
        video.release()
