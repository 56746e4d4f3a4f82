"""Face crops: the face of the onset frame, eyes levelled, cut alike from every frame."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import chain, product
from math import atan2, ceil, cos, degrees, hypot, sin
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from ra_icl import files
from ra_icl.datasets.frames import Frame, read_frames, sequence_frames
from ra_icl.errors import InputError
from ra_icl.options import require_choice

# Haar detection runs on copies of these sizes (pixels), so its parameters fit every camera.
FRAME_SIDE = 480
FACE_SIDE = 240
# Where the eyes lie in OpenCV's frontal-face box, as fractions of its side.
EYES = ((0.3, 0.39), (0.7, 0.39))

log = logging.getLogger(__name__)
Box = tuple[float, float, float]  # left, top, side, in pixels of the frame
Point = tuple[float, float]
Eyes = tuple[Point, Point]  # the one on the image's left first


@dataclass(frozen=True)
class FaceOptions:
    """How faces are found and cut.

    size: side of the square crop in pixels. margin: added on each side of the detector's box, as a
    fraction of the box; negative cuts tighter. detector: haar (OpenCV's bundled cascades).
    fallback: where no face is found, error stops and whole_frame takes the frame as it is.
    grey: (T, H, W) crops; otherwise (T, H, W, 3) in RGB order.
    missing_frames: largest share of a sequence's frames that may be missing on disk.
    Raises ValueError for a value out of range.
    """

    size: int = 224
    margin: float = 0.05
    detector: str = "haar"
    fallback: str = "error"
    grey: bool = True
    missing_frames: float = 0.25

    def __post_init__(self) -> None:
        require_choice("detector", self.detector, ("haar",))
        require_choice("fallback", self.fallback, ("error", "whole_frame"))
        require_choice("grey", self.grey, (True, False))
        if type(self.size) is not int or self.size < 16:
            raise ValueError(f"size is {self.size!r}; give an integer of 16 or more pixels")
        if type(self.margin) not in (int, float) or not -0.25 <= self.margin <= 1:
            raise ValueError(f"margin is {self.margin!r}; give a fraction from -0.25 to 1")
        if type(self.missing_frames) not in (int, float) or not 0 <= self.missing_frames < 1:
            raise ValueError(f"missing_frames is {self.missing_frames!r}; give a share from 0 to below 1")


def crop_sequence(frames: Sequence[Frame], options: FaceOptions, name: str) -> tuple[np.ndarray, dict]:
    """Cut the face out of a sequence, with the onset frame's transform on every frame.

    frames: image files, the onset first. name: of the sequence, for messages.
    Returns uint8 crops (T, size, size[, 3]) and how they were made: `found` (eyes, box or
    whole_frame), `box` and `eyes` (frame pixels, or null) and `transform` (2x3, frame to crop
    pixels, both counted from the image's corner).
    Raises InputError for an unreadable frame, frames of different sizes, or no face found.
    """
    if not frames:
        raise InputError(f"{name}: no frames to crop; check its frame folder")
    images = read_frames(frames, options.grey)
    onset = next(images)
    info = find_face(onset, options, name)
    crops = np.empty((len(frames), options.size, options.size, *onset.shape[2:]), np.uint8)
    crops[0] = _cut(onset, info["transform"], options.size)
    for crop, image in zip(crops[1:], images, strict=True):
        crop[:] = _cut(image, info["transform"], options.size)
    return crops, info


def crop_subject(index: pd.DataFrame, out: Path, options: FaceOptions) -> None:
    """Write the crops of one subject's sequences to `out`.

    index: the subject's rows. out: a uint8 tensor (T, size, size[, 3]) per sequence. Metadata:
    options, OpenCV's version and, per sequence, `frames` (their numbers) and `crop_sequence`'s info.
    Raises InputError as `crop_sequence`, or where a sequence lacks its frames.
    """
    if index.empty:
        raise InputError(f"{out}: the index has no sequence of this subject; check the name")
    tensors, sequences = {}, {}
    rows = tqdm(index.iterrows(), f"crops {Path(out).stem}", len(index), unit="sequence")
    for _, row in rows:
        name = f"{row['dataset']}/{row['subject']}/{row['sequence']}"
        numbers, paths = zip(*sequence_frames(row, options.missing_frames), strict=True)
        tensors[row["sequence"]], info = crop_sequence(paths, options, name)
        sequences[row["sequence"]] = {"frames": list(numbers)} | info
    metadata = {"options": asdict(options), "opencv": cv2.__version__, "sequences": sequences}
    files.save_tensors(out, tensors, metadata)


def find_face(image: np.ndarray, options: FaceOptions, name: str) -> dict:
    """Find the face on one frame, (H, W) or (H, W, 3) RGB uint8: `crop_sequence`'s info.

    Raises InputError, naming the sequence `name`, where no face is found and no fallback is allowed.
    """
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    found = detect_face(grey)
    if found is None:
        if options.fallback == "error":
            raise InputError(
                f"{name}: no face found on the onset frame; check the frame, or set faces.fallback to whole_frame"
            )
        log.warning("%s: no face found, the whole frame is used", name)
        transform = _whole_frame(grey.shape, options.size)
        return {"found": "whole_frame", "box": None, "eyes": None, "transform": transform}
    box, eyes = found
    if eyes is None:
        log.warning("%s: no plausible pair of eyes, the face box is used upright", name)
    return {
        "found": "eyes" if eyes else "box",
        "box": list(box),
        "eyes": [list(eye) for eye in eyes] if eyes else None,
        "transform": _similarity(box, eyes, options),
    }


def detect_face(grey: np.ndarray) -> tuple[Box, Eyes | None] | None:
    """Find the face on a grey frame (H, W) uint8: its box and its eyes, both in frame pixels.

    A clear box stands with or without eyes. Where there is none, looser settings and a border (for
    faces that fill the frame) propose more, and a plausible pair of eyes has to confirm them.
    """
    clear = list(_boxes(grey, 1.1, 5))
    loose = chain(_boxes(grey, 1.05, 3), _boxes(grey, 1.05, 3, border=0.25))
    for box in clear or loose:
        eyes = detect_eyes(grey, box)
        if eyes:
            return box, eyes
    return (clear[0], None) if clear else None


def detect_eyes(grey: np.ndarray, box: Box) -> Eyes | None:
    """Find the eyes in a face box: their centres in frame pixels, None where implausible."""
    left, top, side = box
    centre, half = (left + side / 2, top + side / 2), (FACE_SIDE / 2, FACE_SIDE / 2)
    face = _cut(grey, _rotate_about(centre, half, 0.0, FACE_SIDE / side), FACE_SIDE)
    for neighbours, equalise in product((5, 2), (False, True)):
        view = cv2.equalizeHist(face) if equalise else face
        found = _cascade("eye").detectMultiScale(
            view[: FACE_SIDE * 2 // 3], 1.05, neighbours, minSize=(28, 28), maxSize=(96, 96)
        )
        boxes = (np.asarray(found).reshape(-1, 4) / FACE_SIDE).tolist()
        pair = best_eye_pair([(x + w / 2, y + h / 2) for x, y, w, h in boxes])
        if pair:
            return tuple((left + x * side, top + y * side) for x, y in pair)
    return None


def best_eye_pair(centres: Sequence[Point]) -> Eyes | None:
    """Return the pair, image left first, nearest to where eyes belong, or None where no pair is plausible.

    Centres are fractions of the face box. Plausible: one eye each side of the middle, both in the
    upper part, 0.25 to 0.6 apart, tilted by 20 degrees at most.
    """
    lefts = [(x, y) for x, y in centres if x < 0.5 and 0.2 <= y <= 0.58]
    rights = [(x, y) for x, y in centres if x >= 0.5 and 0.2 <= y <= 0.58]
    pairs = [pair for pair in product(lefts, rights) if _plausible(*pair)]
    return min(pairs, key=_misfit, default=None)


def _plausible(left: Point, right: Point) -> bool:
    across, down = right[0] - left[0], right[1] - left[1]
    return 0.25 <= hypot(across, down) <= 0.6 and abs(degrees(atan2(down, across))) <= 20


def _misfit(pair: Eyes) -> float:
    return sum(hypot(x - ex, y - ey) for (x, y), (ex, ey) in zip(pair, EYES, strict=True))


def _boxes(grey: np.ndarray, step: float, neighbours: int, border: float = 0) -> Iterator[Box]:
    """Face boxes as found, then on the equalised frame; each time the best supported first."""
    scale = min(1.0, FRAME_SIDE / min(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    smallest, pad = min(small.shape) // 5, round(border * min(small.shape))
    for view in (small, cv2.equalizeHist(small)):
        view = cv2.copyMakeBorder(view, *[pad] * 4, cv2.BORDER_REPLICATE)
        boxes, support = _cascade("frontalface_default").detectMultiScale2(
            view, step, neighbours, minSize=(smallest, smallest)
        )
        for i in np.argsort(support)[::-1]:
            left, top, side, _ = map(int, boxes[i])
            yield (left - pad) / scale, (top - pad) / scale, side / scale


@cache
def _cascade(name: str) -> cv2.CascadeClassifier:
    path = Path(cv2.data.haarcascades) / f"haarcascade_{name}.xml"
    if not path.exists():
        raise InputError(f"{path}: missing from OpenCV {cv2.__version__}; install version 4.14")
    return cv2.CascadeClassifier(str(path))


def _similarity(box: Box, eyes: Eyes | None, options: FaceOptions) -> list:
    """Frame to crop, 2x3: the box's scale; the eyes' tilt and place where they are known.

    The scale is the box's, because an eye centre that is off by a few pixels changes the distance
    between the eyes far more than it changes their middle or their tilt.
    """
    left, top, side = box
    scale = options.size / (side * (1 + 2 * options.margin))
    angle, middle = 0.0, (left + side * 0.5, top + side * EYES[0][1])
    if eyes:
        (x0, y0), (x1, y1) = eyes
        angle, middle = atan2(y1 - y0, x1 - x0), ((x0 + x1) / 2, (y0 + y1) / 2)
    target = (options.size / 2, (EYES[0][1] + options.margin) * side * scale)
    return _rotate_about(middle, target, angle, scale)


def _rotate_about(source: Point, target: Point, angle: float, scale: float) -> list:
    """2x3 similarity that moves `source` to `target` and turns a line tilted by `angle` level."""
    c, s = scale * cos(angle), scale * sin(angle)
    (x, y), (tx, ty) = source, target
    return [[c, s, tx - c * x - s * y], [-s, c, ty + s * x - c * y]]


def _whole_frame(shape: tuple[int, int], size: int) -> list:
    """2x3 that fits the frame, centred and undistorted, into the crop."""
    height, width = shape
    return _rotate_about((width / 2, height / 2), (size / 2, size / 2), 0.0, size / max(shape))


def _cut(image: np.ndarray, transform: list, size: int) -> np.ndarray:
    """Warp one frame to (size, size[, 3]); a reduction averages, since aliasing is false motion."""
    matrix = np.array(transform)
    factor = max(1, ceil(1 / hypot(*matrix[:, 0])))
    # Transforms count from the corner of the image, warpAffine from the centre of its first pixel.
    matrix *= factor
    matrix[:, 2] += matrix[:, :2].sum(1) / 2 - 0.5
    large = cv2.warpAffine(
        image,
        matrix,
        (size * factor, size * factor),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
