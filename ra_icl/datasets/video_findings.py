"""What can be said of a whole video: whether its end is missing, the rate of its frames, the shape of its pixels."""

from math import isnan
from pathlib import Path

from ra_icl.datasets.videos import timeline_of
from ra_icl.errors import FaultKind, Faults

CUT_OFF = FaultKind(
    "video-cut-off",
    "is cut off after {seconds} s: it was longer when it was written",
    "copy it again from where it is whole",
    {"where": "/data/own/p1/smile.mkv", "seconds": "0.250"},
    "warning",
)
NOT_SQUARE = FaultKind(
    "video-pixels",
    "has pixels {ratio:.4g} times as wide as high, read as if they were square: face and motion are distorted",
    "make them square: ffmpeg -i FILE -vf 'scale=iw*sar:ih,setsar=1' -c:v ffv1 NEW.mkv keeps the frames' numbers",
    {"where": "/data/own/p1/smile.mp4", "ratio": 1.455},
    "warning",
)
VARIABLE_RATE = FaultKind(
    "video-variable-rate",
    "has a variable frame rate: {shortest} to {longest} ms from frame to frame, the most after frame {number}",
    "frame numbers count the frames as shown, not time: check the row, or give onset_s, apex_s and offset_s instead",
    {"where": "/data/own/p1/smile.mp4", "shortest": 33, "longest": 100, "number": 57},
    "warning",
)
OTHER_RATE = FaultKind(
    "video-rate",
    "plays {rate:.4g} frames per second, but the annotation's fps is {fps:.4g}",
    "correct fps, unless the film is slowed down or was sampled again",
    {"where": "/data/own/p1/smile.mp4", "rate": 30.0, "fps": 200.0},
    "warning",
)


def video_findings(video: Path, fps: float | None) -> Faults:
    """Warnings about a video's end, pixels and rate, as far as it tells. Raises InputError if it cannot be read.

    fps: the annotation's frames per second; None or not-a-number if unknown.
    """
    timeline = timeline_of(video)
    found = Faults()
    if timeline.cut:
        found.append(CUT_OFF.at(video, seconds=f"{timeline.end:.3f}"))
    if timeline.aspect != 1:
        found.append(NOT_SQUARE.at(video, ratio=float(timeline.aspect)))
    gaps = [after - before for before, after in zip(timeline.times, timeline.times[1:], strict=False)]
    if not gaps:
        return found
    mean = sum(gaps) / len(gaps)
    if max(gaps) - min(gaps) > 0.3 * mean + 2 * timeline.unit:  # beyond what rounding to the file's unit does
        shortest, longest = _milliseconds(min(gaps), max(gaps))
        number = gaps.index(max(gaps)) + 1
        found.append(VARIABLE_RATE.at(video, shortest=shortest, longest=longest, number=number))
    elif fps and not isnan(fps) and abs(1 / mean - fps) > 0.01 * fps:
        found.append(OTHER_RATE.at(video, rate=1 / mean, fps=fps))
    return found


def _milliseconds(*seconds: float) -> list[str]:
    """Different times in milliseconds, with as many decimals as it takes to tell them apart."""
    shown = ([f"{1000 * time:.{decimals}f}" for time in seconds] for decimals in range(4))
    return next((texts for texts in shown if len(set(texts)) == len(texts)), [f"{1000 * time:g}" for time in seconds])
