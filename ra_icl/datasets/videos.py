"""Frames of videos, by their number in presentation order or by time; whatever the decoder opens is a video."""

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from ra_icl.datasets.images import Picture, is_image
from ra_icl.datasets.video_pixels import is_deep, pixels
from ra_icl.errors import FaultKind

UNREADABLE = FaultKind(
    "video-unreadable",
    "cannot be read as a video ({reason})",
    "restore it, convert it to mp4 (H.264), or name another file or a folder of frames",
    {"where": "/data/own/p1/smile.mp4", "reason": "Invalid data found when processing input"},
)
TOO_SHORT = FaultKind(
    "video-short",
    "ends at frame {last}",
    "correct onset {onset} and offset {offset}, or restore the video",
    {"where": "/data/own/p1/smile.mp4", "last": 90, "onset": 83, "offset": 104},
)
NO_SUCH_TIME = FaultKind(
    "video-time",
    "{seconds} s is outside the video, which has {end} s from the first frame to the end of the last",
    "correct the time",
    {"where": "/data/own/p1/smile.mp4", "seconds": "4.2", "end": "3.003"},
)

NO_TIMES = FaultKind(
    "video-timeless",
    "does not tell when its frames are shown, as raw H.264 does not, or tells times that go back",
    "give frame numbers in place of seconds, or convert it to mp4",
    {"where": "/data/own/p1/smile.h264"},
)

_ROUNDING = 0.0005  # s: annotation tools write milliseconds, and a rounded time must not fall into the frame before
# One packet is not always one frame here: invisible references, or the two fields of a frame apart.
_COUNTED_BY_DECODING = {"mpegts", "mpeg", "vp8", "theora"}
# How libav reports that a file ends before its index does.
_ENDS_EARLY = ("partial file", "File ended prematurely")
# What libav would also open: pages of text, lists of other files.
_NO_VIDEOS = {"tty", "bin", "xbin", "adf", "idf", "concat", "hls", "dash", "sdp"}


@dataclass(frozen=True)
class VideoFrame:
    """A frame of a video by its number in the order in which frames are shown; the first is 1."""

    path: Path
    number: int

    def __str__(self) -> str:
        return f"{self.path}, {self.name}"

    @property
    def name(self) -> str:
        """Which frame it is, as the name of an image file tells it."""
        return f"frame {self.number}"


@dataclass(frozen=True)
class Timeline:
    """When the frames of a video are shown, and what else its header tells of all of them.

    count: of the frames. times: seconds since the first frame, ascending; empty if the file does not tell, or tells
    times that go back. end: when the last frame ends. unit: how finely the file tells times, in seconds. aspect: how
    many times as wide as high the pixels are, as far as it tells. cut: whether its end is missing, likewise.
    """

    count: int
    times: tuple[float, ...]
    end: float
    unit: float
    aspect: Fraction
    cut: bool = False


def is_video(path: Path) -> bool:
    """Whether a path is a regular file that is no image: then it is tried as a video, whatever its suffix."""
    return os.path.isfile(path) and not is_image(path)  # unlike Path.is_file, False for a name that cannot be


def frame_at(path: Path, seconds: float) -> int:
    """The number (from 1, in presentation order) of the frame that is shown `seconds` after the first one.

    By the presentation timestamps of the file, so that it holds for variable frame rates too; half a millisecond is
    allowed for rounding. Raises InputError if the file is no video or tells no times, or if the time is before its
    start or beyond its end.
    """
    timeline = timeline_of(path)
    if not timeline.times:
        raise NO_TIMES.error(path)
    # A time that is not a number is outside as well.
    if not -_ROUNDING <= seconds <= timeline.end + _ROUNDING:
        raise NO_SUCH_TIME.error(path, seconds=f"{seconds:g}", end=f"{timeline.end:.3f}")
    return max(1, bisect_right(timeline.times, seconds + _ROUNDING))


def timeline_of(path: Path) -> Timeline:
    """When the frames of a video are shown. Raises InputError if the file is no video."""
    try:
        stat = path.stat()
    except OSError as error:
        raise UNREADABLE.error(path, reason=error.strerror) from error
    return _timeline(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _timeline(path: Path, size: int, changed: int) -> Timeline:
    with _opened(path) as (container, stream):
        unit, aspect = float(stream.time_base or 1), stream.sample_aspect_ratio or Fraction(1)
        kinds = {*container.format.name.split(","), stream.codec_context.name}
        found, cut = (None, False) if kinds & _COUNTED_BY_DECODING else _packet_times(container, stream)
        told = _told_seconds(container)
    if found is None:
        found = [(frame.pts, frame.duration or 0) for frame, _ in _decoded(path)]
    if not found:
        raise UNREADABLE.error(path, reason="it has no frames")
    starts = [start for start, _ in found]
    if None in starts or starts != sorted(starts):
        return Timeline(len(found), (), 0.0, unit, aspect)
    lasting = found[-1][1] or (starts[-1] - starts[0]) / max(len(starts) - 1, 1)
    times = tuple((start - starts[0]) * unit for start in starts)
    end = times[-1] + lasting * unit
    longest = max((after - before for before, after in pairwise(times)), default=0.0)
    # The last frame's duration is often not written; what is told includes the time before the first frame.
    latest = starts[0] * unit + end + 1.5 * max(longest, lasting * unit)
    cut |= latest < told or _lacks_the_end_of_an_avi(path, size)
    return Timeline(len(found), times, end, unit, aspect, cut)


def _packet_times(container: Any, stream: Any) -> tuple[list[tuple[int, int]] | None, bool]:
    """(start, duration) of every frame in units of the stream, ascending, or None if the packets do not tell.

    And whether libav finds that the file ends early.
    """
    found = []
    with _captured() as messages, suppress(_av().error.FFmpegError):  # where the file is damaged the times end
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard:
                if packet.pts is None:
                    return None, False
                found.append((packet.pts, packet.duration or 0))
    ends_early = any(words in text for _, _, text in messages for words in _ENDS_EARLY)
    # Frames that are shown before the first one stored may need one that was cut away; the decoder knows.
    told = not found or found[0] == min(found)
    return sorted(found) if told else None, ends_early


def _told_seconds(container: Any) -> float:
    """When a Matroska file says at its beginning that the stream ends; 0 if it does not, and for other files."""
    if "matroska" not in container.format.name or len(container.streams) > 1:
        return 0.0
    return (container.duration or 0) / _av().time_base


def _lacks_the_end_of_an_avi(path: Path, size: int) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"AVI " and int.from_bytes(head[4:8], "little") + 8 > size


def has_16_bits(path: Path) -> bool:
    """Whether the frames of a video are stored with 16 bits a level. Raises InputError if it is no video."""
    with _opened(path) as (_, stream):
        return is_deep(stream.codec_context.format)


def read_video(frames: Sequence[VideoFrame], grey: bool) -> Iterator[Picture]:
    """Read frames of one video, in ascending order, with what the decoder reports about each; levels as stored.

    Decoded from the beginning, because seeking is not exact to the frame. What is reported about frames before the
    first is told with the first. Raises InputError if the file is no video or too short.
    """
    path, wanted, number, damage = frames[0].path, iter(frames), 0, []
    frame = next(wanted)
    for shown, reports in _decoded(path):
        number += 1
        damage += reports
        if number < frame.number:
            continue
        try:
            image = pixels(shown, grey)
        except (_av().error.FFmpegError, ValueError, MemoryError) as error:  # a header that says what cannot be
            raise UNREADABLE.error(frame, reason=_reason(error)) from error
        yield Picture(image, damage[0] if damage else "", bool(shown.interlaced_frame))
        damage, frame = [], next(wanted, None)
        if frame is None:
            return
    raise TOO_SHORT.error(path, last=number, onset=frames[0].number, offset=frames[-1].number)


def _decoded(path: Path) -> Iterator[tuple[Any, list[str]]]:
    """Every frame of a video as it is shown, upright or not, with what went wrong since the one before."""
    av = _av()
    with _opened(path) as (container, stream):
        reports, packets = [], container.demux(stream)
        while True:
            frames = []
            with _captured() as messages:
                try:
                    packet = next(packets, None)
                    frames = packet.decode() if packet else []
                except (av.error.FFmpegError, EOFError) as error:
                    # The decoder goes on with the next packet, and so do we; a frame may be lost.
                    reports.append(f"the decoder stops: {_reason(error)}")
                    if not isinstance(error, av.error.InvalidDataError):
                        packet = None
            reports += [f"the decoder reports: {' '.join(text.split())}" for _, _, text in messages]
            for frame in frames:
                concealed = ["the decoder conceals a damaged part"] if frame.is_corrupt else []
                yield frame, reports + concealed
                reports = []
            if packet is None:
                return


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream, decoded in one thread: reports of others are not captured."""
    av = _av()
    with _captured():
        try:
            # Neither a name such as "a:b.mp4" nor a file's content may lead elsewhere.
            container = av.open(f"file:{path}", metadata_errors="ignore", options={"protocol_whitelist": "file"})
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise UNREADABLE.error(path, reason=_reason(error)) from error
    with container:
        if container.format.name in _NO_VIDEOS or not container.streams.video:
            raise UNREADABLE.error(path, reason="it holds no pictures")
        stream = container.streams.video[0]
        try:
            stream.codec_context.thread_count = 1
            stream.thread_type = "NONE"
        except (AttributeError, RuntimeError) as error:
            raise UNREADABLE.error(path, reason="no decoder for its codec") from error
        yield container, stream


@contextmanager
def _captured() -> Iterator[list[tuple[int, str, str]]]:
    """The errors that libav logs inside: (level, who, text). Its callback is the process's, so it is put back."""
    av = _av()
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture(local=True) as messages:
            yield messages
    finally:
        av.logging.set_level(before)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split())


def _av() -> Any:
    import av
    import av.logging

    return av
