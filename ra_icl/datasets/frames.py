"""The frames of a sequence, files of a folder or frames of a video, and the stamps of their files."""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ra_icl.errors import InputError

if TYPE_CHECKING:  # a run is planned without OpenCV
    import numpy as np

IMAGES = {".jpg", ".jpeg", ".png", ".bmp"}
VIDEOS = {".mp4", ".avi", ".mov", ".mkv"}
_SECOND = 10**9  # ns

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoFrame:
    """A frame of a video by its number; the first is 1, as in the files that ffmpeg writes."""

    path: Path
    number: int

    def __str__(self) -> str:
        return f"{self.path}, frame {self.number}"


Frame = Path | VideoFrame


def frame_files(folder: str | Path) -> dict[int, Path]:
    """List the image files of a folder by frame number, in ascending order.

    The number is the last run of digits of the file's stem, with or without zero padding. Hidden files and other types
    are skipped. Raises InputError if two files have the same number or the folder is not readable, and
    FileNotFoundError if there is no such folder.
    """
    found: dict[int, Path] = {}
    try:
        names = sorted(os.listdir(folder))
    except PermissionError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); give yourself read permission") from error
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


def frame_source(row, root: str | Path) -> Path:
    """The frame folder or video file of an index row (a Series or a named tuple); root: the dataset's folder."""
    return Path(root).expanduser() / row.frames


def sequence_frames(row, root: str | Path, most_missing: float = 0.25) -> list[tuple[int, Frame]]:
    """Find the frames onset..offset of an index row (a Series or a named tuple) on disk.

    root: the dataset's folder, which row.frames, a folder of images or a video file, is relative to. most_missing: the
    largest share of the frames that may be missing; if fewer are, their number is logged.
    Returns (frame number, frame) in ascending order, the onset first; missing frames are left out. Raises InputError
    naming the sequence if the folder, the onset frame, every later frame or more than `most_missing` of the frames is
    missing. A video that is too short is noticed when it is read.
    """
    name = f"{row.dataset} {row.subject}/{row.sequence}"
    source = frame_source(row, root)
    if source.suffix.lower() in VIDEOS and not source.is_dir():
        return _video_frames(name, row, source)
    if not source.is_dir():
        raise InputError(f"{name}: frame folder {source} is missing; restore it or check datasets.{row.dataset}.frames")
    files = frame_files(source)
    if not files:
        raise InputError(f"{name}: {source} holds no frames (jpg, png or bmp); restore them")
    if row.onset not in files:
        raise InputError(f"{name}: the onset frame {row.onset} is missing in {source}; restore it")
    found = [(n, file) for n, file in files.items() if row.onset <= n <= row.offset]
    if len(found) < 2:
        raise InputError(f"{name}: {source} has no frame from {row.onset + 1} to {row.offset}; restore them")
    total = int(row.offset - row.onset + 1)
    _check_missing(name, source, total - len(found), total, most_missing)
    return found


def file_stamps(frames: Sequence[Frame]) -> list[list[int]]:
    """[size in bytes, time of the last change in ns] of every frame's file, in order; one pair for a whole video."""
    paths = dict.fromkeys(frame.path if isinstance(frame, VideoFrame) else frame for frame in frames)
    return [[found.st_size, found.st_mtime_ns] for found in map(os.stat, paths)]


def same_stamp(first: Sequence[int], second: Sequence[int]) -> bool:
    """Whether two of `file_stamps` agree, to the second if either time is whole: archives and some disks round it."""
    (size, time), (other_size, other_time) = first, second
    unit = 1 if time % _SECOND and other_time % _SECOND else _SECOND
    return size == other_size and time // unit == other_time // unit


def read_frames(frames: Sequence[Frame], grey: bool) -> Iterator["np.ndarray"]:
    """Read the frames of a sequence one after another: (H, W), or (H, W, 3) RGB, uint8.

    Videos are decoded from the beginning, because seeking is not exact to the frame. Raises InputError if a file is
    not a whole image or video, or if frames differ in size.
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
    """Read an image file as (H, W), or (H, W, 3) RGB, uint8. Raises InputError if it is not a whole image."""
    import cv2
    import numpy as np

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); restore the frame") from error
    flag = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    # From memory, because imread returns a truncated JPEG as an image with a grey lower part.
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    if image is None:
        raise InputError(f"{path}: is not a whole image; restore the frame")
    return image if grey else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _video_frames(name: str, row, video: Path) -> list[tuple[int, Frame]]:
    if not video.is_file():
        raise InputError(f"{name}: video {video} is missing; restore it or correct the clip's name")
    if row.onset < 1:
        raise InputError(f"{name}: onset is {row.onset}, but a video's first frame is 1; count the row's frames from 1")
    return [(n, VideoFrame(video, n)) for n in range(row.onset, row.offset + 1)]


def _check_missing(name: str, source: Path, missing: int, total: int, most_missing: float) -> None:
    if missing > most_missing * total:
        raise InputError(
            f"{name}: {missing} of {total} frames are missing in {source}; restore them, or raise "
            f"faces.missing_frames (now {most_missing:g})"
        )
    if missing:
        log.warning("%s: %d of %d frames are missing in %s", name, missing, total, source)


def _read_video(frames: Sequence[VideoFrame], grey: bool) -> Iterator["np.ndarray"]:
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # faults are reported below, in one line
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
