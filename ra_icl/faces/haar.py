"""The face and the eyes by OpenCV's Haar cascades (Viola and Jones, 2001), with a check on what they find."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import product
from math import atan2, ceil, degrees, hypot
from pathlib import Path

import cv2
import numpy as np

from ra_icl.errors import FaultKind

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
Face = tuple[Box, Eyes | None]

CASCADE_MISSING = FaultKind(
    "cascade-missing",
    "is missing from OpenCV {version}",
    "install opencv-contrib-python 4.14",
    {"where": "cv2/data/haarcascade_eye.xml", "version": "5.0.0"},
)


def detect_faces(grey: np.ndarray) -> tuple[list[Face], int]:
    """Find the faces on a grey frame (H, W) uint8: the boxes and their eyes, in frame pixels, and the try's number.

    A clear box is accepted with or without eyes (try 1). If there is none, looser settings (try 2), a border for faces
    that fill the frame (3), smaller boxes (4) and copies of the frame turned by TURNS (5 and 6) propose boxes, each of
    which a plausible pair of eyes has to confirm. The first try that finds a face ends the search.
    """
    clear = _faces(grey, _boxes(grey, 1.1, 5))
    if clear:
        return clear, 1
    tries = [
        (0.0, lambda view: _boxes(view, 1.05, 3)),
        (0.0, lambda view: _boxes(view, 1.05, 3, border=0.25)),
        (0.0, lambda view: _boxes(view, 1.05, 4, part=12)),
        *((turn, lambda view: _boxes(view, 1.05, 3, part=12)) for turn in TURNS),
    ]
    for number, (turn, propose) in enumerate(tries, start=2):
        view, back = (grey, None) if turn == 0 else _turned(grey, turn)
        confirmed = [face for face in _faces(view, propose(view)) if face[1]]
        if confirmed:
            return (confirmed if back is None else [_turned_back(*face, back) for face in confirmed]), number
    return [], number


def _faces(grey: np.ndarray, boxes: Iterable[Box]) -> list[Face]:
    """The faces that boxes are about: of boxes around one face the first with eyes, or else the first."""
    about: list[list[Box]] = []
    for box in boxes:
        same = next((group for group in about if any(_overlap(box, other) for other in group)), None)
        about.append([box]) if same is None else same.append(box)
    found = (((box, eyes) for box in group if (eyes := detect_eyes(grey, box))) for group in about)
    return [next(with_eyes, (group[0], None)) for with_eyes, group in zip(found, about, strict=True)]


def _overlap(first: Box, second: Box) -> bool:
    """Whether the centre of the smaller box lies in the larger one: a face and what is found inside it."""
    (left, top, side), (x, y, width) = sorted((first, second), key=lambda box: -box[2])
    return left <= x + width / 2 <= left + side and top <= y + width / 2 <= top + side


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
        raise CASCADE_MISSING.error(path, version=cv2.__version__)
    return cv2.CascadeClassifier(str(path))
