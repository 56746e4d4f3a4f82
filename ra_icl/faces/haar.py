"""The face and the eyes by OpenCV's Haar cascades (Viola and Jones, 2001), with a check on what they find."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from math import atan2, ceil, degrees, hypot
from pathlib import Path

import cv2
import numpy as np

from ra_icl.errors import InputError

# Haar detection runs on copies of these sizes (pixels), so that its parameters fit every camera.
FRAME_SIDE = 480
FACE_SIDE = 240
# Where the eyes lie in OpenCV's frontal-face box, as fractions of its side.
EYES = ((0.3, 0.39), (0.7, 0.39))
# A cascade finds faces up to about 15 degrees from upright.
TURNS = (20.0, -20.0)

Box = tuple[float, float, float]  # left, top, side, in pixels of the frame
Point = tuple[float, float]
Eyes = tuple[Point, Point]  # the one on the image's left first


def detect_face(grey: np.ndarray) -> tuple[Box | None, Eyes | None, int]:
    """Find the face on a grey frame (H, W) uint8: its box and its eyes, in frame pixels, and the try that found it.

    A clear box is accepted with or without eyes (try 1). If there is none, looser settings (try 2), a border for faces
    that fill the frame (3), smaller boxes (4) and copies of the frame turned by TURNS (5 and 6) propose boxes, each of
    which a plausible pair of eyes has to confirm. Box and eyes are None if no box is confirmed.
    """
    clear = list(_boxes(grey, 1.1, 5))
    for box in clear:
        eyes = detect_eyes(grey, box)
        if eyes:
            return box, eyes, 1
    if clear:
        return clear[0], None, 1
    tries = [
        (0.0, lambda view: _boxes(view, 1.05, 3)),
        (0.0, lambda view: _boxes(view, 1.05, 3, border=0.25)),
        (0.0, lambda view: _boxes(view, 1.05, 4, part=12)),
        *((turn, lambda view: _boxes(view, 1.05, 3, part=12)) for turn in TURNS),
    ]
    for number, (turn, propose) in enumerate(tries, start=2):
        view, back = (grey, None) if turn == 0 else _turned(grey, turn)
        for box in propose(view):
            eyes = detect_eyes(view, box)
            if eyes:
                return (box, eyes, number) if back is None else (*_turned_back(box, eyes, back), number)
    return None, None, number


def _turned(grey: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """The frame turned about its centre, nothing cut off, and the 2x3 transform back to the frame."""
    height, width = grey.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    size = np.abs(turn[:, :2]) @ (width, height)
    turn[:, 2] += (size - (width, height)) / 2
    view = cv2.warpAffine(grey, turn, tuple(round(side) for side in size), borderMode=cv2.BORDER_REPLICATE)
    return view, cv2.invertAffineTransform(turn)


def _turned_back(box: Box, eyes: Eyes, back: np.ndarray) -> tuple[Box, Eyes]:
    """Box (upright, about the same centre) and eyes in pixels of the frame that was turned."""
    left, top, side = box
    x, y = back @ (left + side / 2, top + side / 2, 1)
    (first, second) = (tuple((back @ (*eye, 1)).tolist()) for eye in eyes)
    return (float(x - side / 2), float(y - side / 2), side), (first, second)


def detect_eyes(grey: np.ndarray, box: Box) -> Eyes | None:
    """Find the eyes in a face box: their centres in frame pixels, or None if no pair is plausible."""
    left, top, side = box
    face = _face_view(grey, box)
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


def _face_view(grey: np.ndarray, box: Box) -> np.ndarray:
    """The box, (FACE_SIDE, FACE_SIDE) uint8; reductions average."""
    left, top, side = box
    factor = max(1, ceil(side / FACE_SIDE))
    scale, size = factor * FACE_SIDE / side, factor * FACE_SIDE
    matrix = np.array([[scale, 0, scale * (0.5 - left) - 0.5], [0, scale, scale * (0.5 - top) - 0.5]])
    view = cv2.warpAffine(grey, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(view, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_AREA)


def best_eye_pair(centres: Sequence[Point]) -> Eyes | None:
    """Return the pair, image left first, that is nearest to where eyes belong, or None if no pair is plausible.

    Centres are fractions of the face box. Plausible: one eye on each side of the middle, both in the upper part, 0.25
    to 0.6 apart, tilted by 20 degrees at most.
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


def _boxes(grey: np.ndarray, step: float, neighbours: int, border: float = 0, part: int = 5) -> Iterator[Box]:
    """Face boxes as found, then on the equalised frame; each time the best supported first."""
    scale = min(1.0, FRAME_SIDE / min(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    smallest, pad = min(small.shape) // part, round(border * min(small.shape))
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
