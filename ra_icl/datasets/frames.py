"""The frames of a sequence, files of a folder or frames of a video, and the stamps of their files."""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ra_icl.datasets import images, videos
from ra_icl.datasets.folders import FOLDER_CLOSED
from ra_icl.datasets.images import Picture, bits_for, read_picture, to_8_bits
from ra_icl.datasets.videos import VideoFrame, is_video, read_video, timeline_of
from ra_icl.errors import FaultKind

FRAME_TWICE = FaultKind(
    "frame-twice",
    "{first} and {second} are both frame {number}, the last digits of their names",
    "rename them so that each name ends in its frame's number, or move what is no frame out of the folder",
    {"where": "/data/SAMM/006/006_1_2", "first": "006_07.jpg", "second": "006_007.jpg", "number": 7},
)
FRAME_COPY = FaultKind(
    "frame-copy",
    "looks like a copy of frame {number}, and would be read as frame {read}, the last digits of its name",
    "delete it, or rename it so that its name ends in its frame's number",
    {"where": "/data/own/p1/smile/img005 (2).png", "number": 5, "read": 2},
)
MISSING = FaultKind(
    "frames-folder-missing",
    "{kind} {source} is missing",
    "restore it or check datasets.{dataset}.frames",
    {
        "where": "samm 006/006_1_2",
        "kind": "frame folder",
        "source": "/data/SAMM/006/006_1_2",
        "dataset": "samm",
    },
)
IMAGE_ALONE = FaultKind(
    "frames-one-image",
    "{source} is an image",
    "name the folder of the frames, or a video",
    {"where": "own p1/smile_3", "source": "/data/own/p1/smile/img003.png"},
)
NO_FRAMES = FaultKind(
    "frames-none",
    "{source} holds no frames ({suffixes})",
    "restore them",
    {"where": "samm 006/006_1_2", "source": "/data/SAMM/006/006_1_2", "suffixes": "jpg, png, tif"},
)
NO_ONSET = FaultKind(
    "frames-no-onset",
    "the onset frame {onset} is missing in {source} (the folder has {has})",
    "correct the row, or restore the frame",
    {"where": "samm 006/006_1_2", "source": "/data/SAMM/006/006_1_2", "onset": 5562, "has": "1 to 75"},
)
NOTHING_AFTER = FaultKind(
    "frames-only-onset",
    "{source} has no frame from {first} to {last} (the folder has {has})",
    "correct the row, or restore the frames",
    {
        **{"where": "samm 006/006_1_2", "source": "/data/SAMM/006/006_1_2", "first": 5563, "last": 5608},
        "has": "5550 to 5562",
    },
)
TOO_MANY_MISSING = FaultKind(
    "frames-missing",
    "{missing} of {total} frames are missing in {source} (the folder has {has})",
    "correct the row, restore the frames, or raise faces.missing_frames (now {most:g})",
    {
        **{"where": "casme3 spNO.1/a_355", "source": "/data/part_A/spNO.1/a/color", "missing": 9, "total": 20},
        **{"has": "1 to 365", "most": 0.25},
    },
)
SOME_MISSING = FaultKind(
    "frames-some-missing",
    "some frames are missing and are passed over: {names}",
    "restore those that you have (CAS(ME)³ lacks some as it is given out); a run goes on without the rest",
    {"where": "casme3 (2 sequences)", "names": "spNO.1/a_355 (2 of 20), spNO.1/b_12 (1 of 9)"},
    "warning",
)
BEFORE_VIDEO = FaultKind(
    "video-onset",
    "onset is {onset}, but a video's first frame is 1",
    "count the row's frames from 1",
    {"where": "own p1/smile_0", "onset": 0},
)
OTHER_SIZE = FaultKind(
    "frame-size",
    "is {width}x{height}, the onset frame {onset_width}x{onset_height}",
    "a sequence needs frames of one size: export them alike",
    {"where": "/data/own/p1/smile/img012.png", "width": 320, "height": 240, "onset_width": 640, "onset_height": 480},
)
OTHER_DEPTH = FaultKind(
    "frame-depth",
    "has {bits} bits a grey level, the onset frame {onset_bits}",
    "a sequence needs frames of one depth: export them alike",
    {"where": "/data/own/p1/smile/img012.png", "bits": 8, "onset_bits": 16},
)

_SECOND = 10**9  # ns
_LONG = 10_000  # frames: an offset that is a slip of the pen must not become millions of frames

# What file managers call a copy of img005: "img005 (2)", "img005 - Copy (2)", "img005 copy 2", "img005 (3rd copy)".
_COPY = re.compile(r"(.*[0-9])[^0-9]*(?:\([0-9]+(?:(?:st|nd|rd|th) copy)?\)|copy[\W_]*[0-9]+\W*)", re.IGNORECASE)

Frame = Path | VideoFrame


def frame_files(folder: str | Path) -> dict[int, Path]:
    """List the image files of a folder by frame number, in ascending order.

    The number is the last run of digits of the file's stem, with or without zero padding. Hidden files and other types
    are skipped. Raises InputError if two files have the same number, if one looks like a file manager's copy or if the
    folder is not readable, and FileNotFoundError if there is no such folder.
    """
    found: dict[int, Path] = {}
    try:
        names = sorted(os.listdir(folder))
    except PermissionError as error:
        raise FOLDER_CLOSED.error(folder, reason=error.strerror) from error
    for name in names:
        stem, suffix = os.path.splitext(name)
        digits = re.findall(r"[0-9]+", stem)
        if suffix.lower() not in images.SUFFIXES or not digits or stem.startswith("."):
            continue
        number = int(digits[-1])
        if number in found:
            raise FRAME_TWICE.error(folder, first=found[number].name, second=name, number=number)
        found[number] = Path(folder, name)
    _refuse_copies(found)
    return dict(sorted(found.items()))


def frame_source(row, root: str | Path) -> Path:
    """The frame folder or video file of an index row (a Series or a named tuple); root: the dataset's folder."""
    return Path(root).expanduser() / row.frames


def sequence_frames(row, root: str | Path, most_missing: float = 0.25) -> list[tuple[int, Frame]]:
    """Find the frames onset..offset of an index row (a Series or a named tuple) on disk.

    root: the dataset's folder, which row.frames, a folder of images or a video file, is relative to. most_missing: the
    largest share of the frames that may be missing.
    Returns (frame number, frame) in ascending order, the onset first; missing frames are left out. Raises InputError
    naming the sequence if the folder, the onset frame, every later frame or more than `most_missing` of the frames is
    missing. Any file that is no image counts as a video; one that is none, or too short, is noticed when it is read.
    """
    name = f"{row.dataset} {row.subject}/{row.sequence}"
    source = frame_source(row, root)
    if is_video(source):
        return _video_frames(name, row, source)
    if os.path.isfile(source):
        raise IMAGE_ALONE.error(name, source=source)
    if not os.path.isdir(source):
        _require_access(source)
        kind = "frame folder or video" if row.dataset == "own" else "frame folder"
        raise MISSING.error(name, kind=kind, source=source, dataset=row.dataset)
    files = frame_files(source)
    if not files:
        kinds = ", ".join(sorted(suffix[1:] for suffix in images.SUFFIXES))
        raise NO_FRAMES.error(name, source=source, suffixes=kinds)
    if row.onset not in files:
        raise NO_ONSET.error(name, source=source, onset=row.onset, has=_range(files))
    found = [(n, file) for n, file in files.items() if row.onset <= n <= row.offset]
    if len(found) < 2:
        raise NOTHING_AFTER.error(name, source=source, first=row.onset + 1, last=row.offset, has=_range(files))
    total = int(row.offset - row.onset + 1)
    missing = total - len(found)
    if missing > most_missing * total:
        values = {"missing": missing, "total": total, "source": source, "most": most_missing}
        raise TOO_MANY_MISSING.error(name, has=_range(files), **values)
    return found


def file_stamps(frames: Sequence[Frame]) -> list[list[int]]:
    """[size in bytes, time of the last change in ns] of every frame's file, in order; one pair for a whole video.

    Raises InputError if one is not there, such as a link to a file that is gone.
    """
    paths = dict.fromkeys(frame.path if isinstance(frame, VideoFrame) else frame for frame in frames)
    return [[found.st_size, found.st_mtime_ns] for found in map(_stat, paths)]


def same_stamp(first: Sequence[int], second: Sequence[int]) -> bool:
    """Whether two of `file_stamps` agree, to the second if either time is whole: archives and some disks round it."""
    (size, time), (other_size, other_time) = first, second
    unit = 1 if time % _SECOND and other_time % _SECOND else _SECOND
    return size == other_size and time // unit == other_time // unit


def read_frames(
    frames: Sequence[Frame], grey: bool, bits: int | None = None, seen: Callable[[Frame, Picture], None] | None = None
) -> Iterator[np.ndarray]:
    """Read the frames of a sequence one after another: (H, W), or (H, W, 3) RGB, uint8.

    bits: how many the levels of 16-bit files use; None for those of `sequence_bits`, which take a pass over all frames.
    seen: is told of every frame as it was read. Raises InputError if a file is not a whole image or video, if frames
    differ in size or depth, or if the bits do not hold a level.
    """
    bits = bits or sequence_bits(frames)
    first = None
    for frame, picture in pictures_of(frames, grey):
        first = picture.image if first is None else first
        require_alike(frame, picture.image, first)
        if seen:
            seen(frame, picture)
        yield to_8_bits(picture.image, bits, frame)


def read_image(path: Path, grey: bool) -> np.ndarray:
    """Read one image file like `read_frames`."""
    return next(read_frames([path], grey))


def sequence_bits(frames: Sequence[Frame], bits: int | None = None) -> int:
    """How many bits the grey levels of a sequence use, which gives all of its frames the same scale.

    8 for files of 8 bits. For files of 16 bits: `bits` if given, else the smallest of 8, 10, 12, 14 and 16 that holds
    the largest level of all frames. Raises InputError if a frame cannot be read.
    """
    onset = frames[0]
    deep = videos.has_16_bits(onset.path) if isinstance(onset, VideoFrame) else images.has_16_bits(onset)
    if not deep:
        return 8
    return bits or bits_for(max(int(picture.image.max()) for _, picture in pictures_of(frames, grey=False)))


def require_alike(frame: Frame, image: np.ndarray, onset: np.ndarray) -> None:
    """Raise InputError if a frame (H, W[, 3]) differs from the onset frame in size or depth."""
    (height, width), (onset_height, onset_width) = image.shape[:2], onset.shape[:2]
    if (height, width) != (onset_height, onset_width):
        sizes = {"width": width, "height": height, "onset_width": onset_width, "onset_height": onset_height}
        raise OTHER_SIZE.error(frame, **sizes)
    if image.dtype != onset.dtype:
        raise OTHER_DEPTH.error(frame, bits=8 * image.dtype.itemsize, onset_bits=8 * onset.dtype.itemsize)


def pictures_of(frames: Sequence[Frame], grey: bool) -> Iterator[tuple[Frame, Picture]]:
    """Frames with their pictures, levels as stored."""
    if isinstance(frames[0], VideoFrame):
        yield from zip(frames, read_video(frames, grey), strict=True)
    else:
        yield from ((frame, read_picture(frame, grey)) for frame in frames)


def _refuse_copies(files: Mapping[int, Path]) -> None:
    """Raise InputError for a frame whose number is that of a copy; files: {frame number: file}."""
    copies = {number: found[1] for number, file in files.items() if (found := _COPY.fullmatch(file.stem))}
    # Renaming many files at once numbers them in the same way, "clip1 (1)" to "clip1 (40)".
    if copies and (len(copies) < len(files) or len(set(copies.values())) > 1):
        number, copied = next(iter(copies.items()))
        raise FRAME_COPY.error(files[number], number=int(re.findall("[0-9]+", copied)[-1]), read=number)


def _stat(path: Path) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError as error:
        raise images.UNREADABLE.error(path, reason=error.strerror) from error


def _require_access(source: Path) -> None:
    """Raise InputError if a folder above is closed, so that nobody can say whether the source is missing."""
    try:
        os.stat(source)
    except PermissionError as error:
        raise FOLDER_CLOSED.error(source, reason=error.strerror) from error
    except (OSError, ValueError):  # missing, too long, with a null character
        return


def _video_frames(name: str, row, video: Path) -> list[tuple[int, Frame]]:
    if row.onset < 1:
        raise BEFORE_VIDEO.error(name, onset=row.onset)
    if row.offset - row.onset > _LONG and row.offset > (last := timeline_of(video).count):
        raise videos.TOO_SHORT.error(name, last=last, onset=row.onset, offset=row.offset)
    return [(n, VideoFrame(video, n)) for n in range(row.onset, row.offset + 1)]


def _range(numbers: Collection[int]) -> str:
    return f"{min(numbers)} to {max(numbers)}" if len(numbers) > 1 else f"{min(numbers)} alone"
