"""A clip of somebody's own, a video or a folder of frames, and which of its frames show the expression."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ra_icl.datasets import images
from ra_icl.datasets.frames import Frame, frame_files
from ra_icl.datasets.video_findings import video_findings
from ra_icl.datasets.videos import VideoFrame, is_video, timeline_of
from ra_icl.errors import InputError

# A micro-expression lasts half a second at most; the annotated end is often later than the motion's.
LONGEST = 1.0  # seconds
FASTEST = 200  # frames per second of the datasets' fastest cameras, taken for a folder without a frame rate


@dataclass(frozen=True)
class Clip:
    """One expression in a video or in a folder of frames.

    onset, apex, offset: numbers of frames, in a video counted from 1, in a folder those of the files' names. By
    default the expression fills the clip, and nobody knows its apex. fps: frames per second at which it was filmed, if
    the file does not say it or says something else. row: of the list that names it, for the output.
    """

    path: Path
    onset: int | None = None
    apex: int | None = None
    offset: int | None = None
    fps: float | None = None
    row: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @property
    def name(self) -> str:
        """The path as it can be written and drawn."""
        return printable(str(self.path))


def printable(text: str) -> str:
    """A text from the file system; what is not UTF-8 in it is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def clip_frames(clip: Clip, most_missing: float) -> tuple[list[int], list[Frame]]:
    """The numbers of the frames from onset to offset, and the frames, the onset first.

    most_missing: the largest share of them that may be missing in a folder.
    Raises InputError if there is no such clip, it has a single frame, lacks the onset or too many others, or lasts
    longer than one expression.
    """
    path = clip.path
    frames = all_frames(path)
    onset = min(frames) if clip.onset is None else clip.onset
    offset = max(frames) if clip.offset is None else clip.offset
    _require_order(path, onset, clip.apex, offset, frames)
    found = {number: frame for number, frame in frames.items() if onset <= number <= offset}
    if len(found) < 2:
        raise InputError(f"{path}: has one frame from {onset} to {offset}, and motion takes two or more")
    missing = offset - onset + 1 - len(found)
    if missing > most_missing * (offset - onset + 1):
        raise InputError(
            f"{path}: {missing} of the frames {onset} to {offset} are missing; restore them, or give a shorter part"
        )
    _require_short(clip, onset, offset)
    return list(found), list(found.values())


def remarks(clip: Clip, numbers: Sequence[int]) -> list[str]:
    """What should be looked at: frames that are missing, and what `video_findings` says of a video.

    numbers: of the frames that `clip_frames` found.
    """
    found, total = [], numbers[-1] - numbers[0] + 1
    if len(numbers) < total:
        found.append(f"{total - len(numbers)} of the {total} frames {numbers[0]} to {numbers[-1]} are missing")
    if is_video(clip.path):
        found += [finding.what for finding in video_findings(clip.path, None)]
    return found


def all_frames(path: Path) -> dict[int, Frame]:
    """{number: frame} of a video or a folder. Raises InputError if it is neither."""
    if is_video(path):
        return {number: VideoFrame(path, number) for number in range(1, timeline_of(path).count + 1)}
    if path.is_file():
        raise InputError(f"{path}: is one image, and motion takes two or more; name their folder, or a video")
    if not path.is_dir():
        raise InputError(f"{path}: there is no such video or folder of frames; check the path")
    found = frame_files(path)
    if not found:
        kinds = ", ".join(sorted(suffix[1:] for suffix in images.SUFFIXES))
        raise InputError(f"{path}: holds no frames ({kinds}) with numbers in their names; name a video or their folder")
    return dict(found)


def _require_order(path: Path, onset: int, apex: int | None, offset: int, frames: Sequence[int] | dict) -> None:
    first, last = min(frames), max(frames)
    if onset not in frames:
        raise InputError(f"{path}: has no onset frame {onset}; its frames are {first} to {last}")
    if not onset < offset <= last:
        if first == last:
            raise InputError(f"{path}: has one frame, and motion takes two or more; name a longer clip")
        raise InputError(
            f"{path}: the offset {offset} is not between the onset {onset} and the last frame {last}; correct it"
        )
    if apex is not None and not onset < apex <= offset:
        raise InputError(f"{path}: the apex {apex} is not between onset {onset} and offset {offset}; correct it")


def _require_short(clip: Clip, onset: int, offset: int) -> None:
    """Raise InputError if the frames last longer than one micro-expression can."""
    path, assumed = clip.path, ""
    if clip.fps is not None:
        seconds = (offset - onset) / clip.fps
    elif is_video(path) and (times := timeline_of(path).times):
        seconds = times[offset - 1] - times[onset - 1]
    else:
        seconds, assumed = (offset - onset) / FASTEST, f" at {FASTEST} frames per second"
    if seconds > LONGEST:
        raise InputError(
            f"{path}: frames {onset} to {offset} last {seconds:.1f} s{assumed}, too long for one micro-expression "
            f"({LONGEST:g} s at most); give the expression's onset and offset, or fps if it was filmed faster"
        )
