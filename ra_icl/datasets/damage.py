"""What can be said of the frames of a sequence: damage, a frame from elsewhere, frozen runs, sizes."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from ra_icl.datasets.frames import Frame, pictures_of, require_alike
from ra_icl.datasets.images import Picture, bits_for, require_bits
from ra_icl.datasets.video_findings import video_findings
from ra_icl.datasets.videos import VideoFrame
from ra_icl.errors import Fault, FaultKind, Faults, one_line

DAMAGED = FaultKind(
    "frame-damaged",
    "is damaged ({report})",
    "restore it from the original",
    {"where": "/data/SAMM/006/006_1_2/006_05562.jpg", "report": "Corrupt JPEG data: premature end of data segment"},
)
HABIT = FaultKind(
    "frame-padding",
    "{count} of {total} frames have bytes that a JPEG should not have ({report})",
    "nothing to do if they look right: some cameras and programs write such files",
    {
        **{"where": "/data/own/p1/smile/img001.jpg", "count": 30, "total": 30},
        "report": "Corrupt JPEG data: 2 extraneous bytes before marker 0xd9",
    },
    "warning",
)
JUMPS = FaultKind(
    "frame-jumps",
    "differs from the frames around it by {far:.0f} grey levels, while these differ by {near:.1f}",
    "look at it: if it is damaged or belongs elsewhere, restore it or leave the sequence out (data.exclude)",
    {"where": "/data/SAMM/006/006_1_2/006_05570.jpg", "far": 23.4, "near": 0.4},
)
_REPEAT = "repeat the frame before them"
FROZEN = FaultKind(
    "frames-frozen",
    "{count} of {total} frames {repeat} ({longest} in a row at most)",
    "look whether the camera or a converter froze: where frames repeat there is no motion to see",
    {"where": "/data/own/p1/smile.mp4, frame 12", "count": 4, "total": 30, "longest": 3, "repeat": _REPEAT},
    "warning",
)
INTERLACED = FaultKind(
    "video-interlaced",
    "is interlaced: odd and even lines were taken at different times, which looks like motion",
    "deinterlace it: ffmpeg -i FILE -vf bwdif=mode=send_frame -c:v ffv1 NEW.mkv keeps the frames' numbers",
    {"where": "/data/own/p1/smile.MTS"},
    "warning",
)
FEW_BRIGHT = FaultKind(
    "frames-few-bright",
    "has a grey level of {level}, so that the sequence's scale is {bits} bits, though 99.99 % of its levels fit into "
    "{usual}",
    "look at the brightest pixels: if they are damaged, correct them, and {usual} bits are found (or set faces.bits); "
    "if they are right, set faces.bits to {bits}",
    {"where": "/data/own/p1/smile/img012.png", "level": 65535, "bits": 16, "usual": 12},
    "warning",
)
SIZE = (48, 64)  # of the reduced frames that are compared, at least: height and width
# A frame jumps if it is this many grey levels from what lies between its neighbours, over this share of its area (more
# than the eyes of a crop, which blink), and
FAR, AREA = 3.0, 0.2
# so many times as far as the neighbours are from each other, and as a quiet frame of the sequence (the quartile) is.
TIMES = 4.0
MOST = 0.9999  # the share of a sequence's levels that a few bright pixels must leave
LIGHT = 1.5  # the light may change by this factor without being taken for a jump


class Inspection:
    """Findings about the frames of one sequence, gathered while they are read in their order.

    bits: how many the levels of 16-bit frames use, None for as many as they need.
    """

    def __init__(self, bits: int | None = None) -> None:
        self.bits = bits
        self.frames: list[Frame] = []
        self.small: list[np.ndarray] = []
        self.repeats: list[bool] = []
        self.reports: dict[Frame, str] = {}
        self.faults = Faults()
        self.interlaced = False
        self.level = 0
        self.brightest: Frame | None = None
        self.levels: np.ndarray | None = None  # how many pixels have each of the 65536 levels
        self.onset: np.ndarray | None = None
        self.before: np.ndarray | None = None

    def see(self, frame: Frame, picture: Picture) -> None:
        """Take a frame into account. Of another size or depth than the first, or too bright, it is a fault alone."""
        image = picture.image
        if picture.damage:
            self.reports[frame] = picture.damage
        self.interlaced |= picture.interlaced
        self.onset = image if self.onset is None else self.onset
        kept = len(self.faults)
        with self.faults.catching():
            require_alike(frame, image, self.onset)
            require_bits(image, self.bits or 16, frame)
        if len(self.faults) > kept:
            return
        small = reduced(image)
        alike = bool(self.small) and np.array_equal(small, self.small[-1])
        self.repeats.append(alike and np.array_equal(image, self.before))
        self.frames.append(frame)
        self.small.append(small)
        if image.dtype.itemsize == 2:
            self._count(frame, image)
        self.before = image

    def findings(self) -> Faults:
        """All that was found, a line each."""
        found = Faults([*self.faults, *self._damaged(), *self._jumps(), *self._frozen(), *self._few_bright()])
        if self.interlaced:
            found.append(INTERLACED.at(_file(self.frames[0])))
        return found

    def marks(self) -> list[str]:
        """The findings in a few words, each with its frame: for each kind the first, and how many more there are."""
        found = [Fault.of(fault) for fault in self.findings()]
        counts = Counter(fault.kind for fault in found)
        first = {fault.kind: fault for fault in reversed(found)}
        more = {kind: f" (and {count - 1} more)" if count > 1 else "" for kind, count in counts.items()}
        # The sequence's name already names its video: a frame of it needs its number alone, the whole video nothing.
        places = {one_line(str(frame)): f"{frame.name}: " for frame in self.frames}
        return [f"{places.get(first[kind].where, '')}{first[kind].what}{more[kind]}" for kind in counts]

    def _count(self, frame: Frame, image: np.ndarray) -> None:
        counts = np.bincount(image.ravel(), minlength=1 << 16)
        self.levels = counts if self.levels is None else self.levels + counts
        if self.brightest is None or int(image.max()) > self.level:
            self.level, self.brightest = int(image.max()), frame

    def _few_bright(self) -> Faults:
        """A warning if a few pixels, such as a sensor's hot ones, give a scale in which the rest is dark."""
        if self.bits or self.levels is None:
            return Faults()
        below = self.levels.cumsum()
        bits, usual = bits_for(self.level), bits_for(int(below.searchsorted(MOST * below[-1])))
        if bits - usual < 2:
            return Faults()
        return Faults([FEW_BRIGHT.at(self.brightest, level=self.level, bits=bits, usual=usual)])

    def _damaged(self) -> Faults:
        # Bytes too many after the picture: damage shifts them in, but some programs write them into every file.
        padded = [frame for frame, report in self.reports.items() if "extraneous bytes before marker 0xd9" in report]
        habit = len(padded) > max(2, len(self.frames) / 2)
        found = Faults()
        if habit:
            report = self.reports[padded[0]]
            found.append(HABIT.at(padded[0], count=len(padded), total=len(self.frames), report=report))
        damaged = [frame for frame in self.reports if not habit or frame not in padded]
        return Faults([*found, *(DAMAGED.at(frame, report=self.reports[frame]) for frame in damaged)])

    def _jumps(self) -> Faults:
        scale = 1.0
        if self.before is not None and self.before.dtype.itemsize == 2:
            scale = 255 / (1 << bits_for(self.level))
        found = jumps([scale * small for small in self.small])
        return Faults(JUMPS.at(self.frames[place], far=far, near=near) for place, far, near in found)

    def _frozen(self) -> Faults:
        runs = [len(list(run)) for repeats, run in groupby(self.repeats) if repeats]
        if not runs:
            return Faults()
        first, total = self.frames[self.repeats.index(True)], len(self.frames)
        repeat = _REPEAT if sum(runs) > 1 else "repeats the frame before it"
        return Faults([FROZEN.at(first, count=sum(runs), total=total, longest=max(runs), repeat=repeat)])


def inspect(frames: Sequence[Frame], fps: float | None = None, bits: int | None = None) -> Faults:
    """Read all frames of a sequence: faults and warnings, a line each.

    fps: the annotation's frames per second, which a video's are compared with; None or not-a-number if unknown. bits:
    the option faces.bits, which must hold every level. What is said of a whole video is the same line for each of its
    sequences.
    """
    seen, faults = Inspection(bits), Faults()
    if isinstance(frames[0], VideoFrame):
        with faults.catching():
            for frame, picture in pictures_of(frames, grey=True):
                seen.see(frame, picture)
        with faults.catching():
            faults.extend(video_findings(frames[0].path, fps))
    else:
        for frame in frames:
            with faults.catching():
                seen.see(*next(pictures_of([frame], grey=True)))
    return Faults(dict.fromkeys([*faults, *seen.findings()]))


def reduced(image: np.ndarray) -> np.ndarray:
    """A frame (H, W[, 3]) reduced to about SIZE by averaging whole blocks, which is fast; float32."""
    import cv2  # here, as a run is planned without it

    height, width = image.shape[:2]
    factor = max(1, min(height // SIZE[0], width // SIZE[1]))
    size = (width // factor, height // factor)
    blocks = image[: size[1] * factor, : size[0] * factor]
    return cv2.resize(blocks, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def jumps(small: Sequence[np.ndarray]) -> list[tuple[int, float, float]]:
    """Frames that are far from both neighbours while these agree: (place, how far, how far the neighbours are).

    small: reduced frames (h, w) or (h, w, 3) in grey levels, float32. At the ends the two next frames are the
    neighbours. A change of the light is taken out first, so a flicker is none; nor is what all frames do.
    """
    if len(small) < 4:
        return []
    last = len(small) - 1
    measured = []
    for place, frame in enumerate(small):
        one, other = (max(place - 1, 0), min(place + 1, last)) if 0 < place < last else (abs(place - 1), abs(place - 2))
        first, second = small[one], small[other]
        between = (first + second) / 2 if 0 < place < last else first
        measured.append((_distance(frame, between), _distance(second, first)))
    # A frame that jumps moves its neighbours' measures too, so the median would be spoilt by a few.
    usual = float(np.quantile([far for far, _ in measured], 0.25))
    return [
        (place, far, near)
        for place, (far, near) in enumerate(measured)
        if far > FAR and far > TIMES * near and far > TIMES * usual
    ]


def _distance(image: np.ndarray, other: np.ndarray) -> float:
    """By how many grey levels two reduced frames differ in a fifth of their area or more, apart from the light.

    The light (a gain and an offset) is fitted where they differ least, so that a blink is not spread over the frame.
    """
    flat, template = image.ravel(), other.ravel()
    kept, place = np.ones(flat.shape, bool), int((1 - AREA) * flat.size)
    for _ in range(2):
        mean, middle = flat[kept].mean(), template[kept].mean()
        centred = template[kept] - middle
        power = float((centred**2).sum())
        gain = float((centred * (flat[kept] - mean)).sum()) / power if power else 1.0
        gain = min(max(gain, 1 / LIGHT), LIGHT)
        off = np.abs(flat - mean - gain * (template - middle))
        far = float(np.partition(off, place)[place])
        kept = off <= far
    return far


def _file(frame: Frame) -> Path:
    return frame.path if isinstance(frame, VideoFrame) else frame
