"""The motion of the synthetic twins: an emotion activates action units, an action unit moves skin.

A displacement field is a sum of Gaussian bumps at the places where the muscles pull, so its true value is known
everywhere. `units` lists which units show which emotion, with the sources.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ra_icl.twins.faces import Face, Look
from ra_icl.twins.units import ACTION_UNITS, Ways

CROP_WIDTH = 1.1  # width of a detected face in face widths, as the Haar cascade finds these faces
STEP = 4  # the field is smooth, so it is computed on every fourth pixel and enlarged


@dataclass(frozen=True)
class Motion:
    """How one clip moves.

    fields: (K, 2, h, w) in pixels at full intensity, on every fourth pixel of the frame. intensity: (K, T), 0 at onset.
    gain: (T,) factor of brightness, 1 at onset. units: the action units shown, as an annotation writes them. size:
    (width, height) of the frame. parts: of the study's twins, the role and the unit of each field (see `study`).
    """

    fields: np.ndarray
    intensity: np.ndarray
    gain: np.ndarray
    units: tuple[str, ...]
    size: tuple[int, int]
    parts: tuple[tuple[str, str], ...] = ()

    def flow(self, position: int) -> np.ndarray:
        """True displacement (H, W, 2), right and down in pixels, from onset to `position`."""
        return enlarged(self._coarse(position), self.size)

    def backward(self, position: int) -> np.ndarray:
        """Displacement (H, W, 2) that brought each pixel the skin that it shows at `position`.

        It undoes `flow` to a few hundredths of a pixel on average over moving skin, a few tenths at worst.
        """
        forward = self._coarse(position)
        grid = np.indices(forward.shape[:2], np.float32)[::-1].transpose(1, 2, 0)
        backward = forward
        for _ in range(4):  # b(x) = d(x - b(x)) by fixed-point iteration, as d changes slowly over the face
            source = grid - backward / STEP
            backward = cv2.remap(forward, source, None, cv2.INTER_LINEAR, borderMode=1)
        return enlarged(backward, self.size)

    def _coarse(self, position: int) -> np.ndarray:
        field = np.tensordot(self.intensity[:, position], self.fields, axes=1)
        return np.ascontiguousarray(field.transpose(1, 2, 0))


def enlarged(coarse: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A field (h, w, 2) on every STEP-th pixel, enlarged to the frame's size (width, height)."""
    whole = (coarse.shape[1] * STEP, coarse.shape[0] * STEP)
    return cv2.resize(coarse, whole)[: size[1], : size[0]]


def draw_motion(face: Face, ways: Ways, length: int, apex: int, strength: float, rng: np.random.Generator) -> Motion:
    """Draw how an emotion moves `face` over `length` frames with the peak at position `apex`.

    ways: the sets of action units that may show it, one of which is drawn. strength: largest displacement by the
    emotion in pixels of a 128-pixel face crop. Head drift and flicker of the light are added and, in some clips, a
    unit of up to 0.8 pixels drawn whatever the emotion, or a blink.
    """
    pixel = CROP_WIDTH * face.width / 128  # a pixel of the crop, in pixels of the frame
    units = ways[rng.integers(len(ways))]
    fields = scaled([unit_field(face, unit, rng) for unit in units], strength * pixel)
    rise = envelope(length, apex, rng.uniform(0.0, 0.3))
    curves = [rise ** rng.uniform(0.8, 1.3) for _ in units]
    for other in (_stray, drift, blink):
        for field, curve in other(face, rise, rng):
            fields.append(np.multiply(field, pixel))
            curves.append(curve)
    gain = 1 + 0.0015 * rng.standard_normal(length)
    gain[0] = 1
    size = face.image.shape[1::-1]
    return Motion(np.float32(fields), np.float32(curves), gain, units, size)


def envelope(length: int, apex: int, rest: float) -> np.ndarray:
    """Intensity (length,): 0 at onset, 1 at position `apex`, down to `rest` at offset."""
    time = np.arange(length)
    rise = 0.5 - 0.5 * np.cos(np.pi * np.clip(time / apex, 0, 1))
    fall = 0.5 + 0.5 * np.cos(np.pi * np.clip((time - apex) / max(length - 1 - apex, 1), 0, 1))
    return np.where(time <= apex, rise, rest + (1 - rest) * fall)


def _places(look: Look) -> dict[str, tuple[float, float]]:
    """Where the muscles pull, in the right half of the image; x is 0 on the midline."""
    (ex, ey), (ny, nw), (my, mw) = look.eye, look.nose, look.mouth
    brow = ey - look.brow[0]
    return {
        "inner brow": (ex - 0.10, brow),
        "outer brow": (ex + 0.09, brow - 0.01),
        "glabella": (0.0, brow + 0.06),
        "upper lid": (ex, ey - 0.02),
        "lower lid": (ex, ey + 0.03),
        "outer eye": (ex + 0.11, ey + 0.01),
        "cheek": (ex + 0.03, ey + 0.15),
        "nose wing": (nw, ny - 0.02),
        "upper lip": (0.07, my - 0.03),
        "lower lip": (0.0, my + 0.06),
        "mouth corner": (mw, my),
        "chin": (0.0, look.chin - 0.09),
    }


def unit_field(face: Face, unit: str, rng: np.random.Generator, turn: float = 0.0) -> np.ndarray:
    """Displacement (2, h, w) by one action unit, unscaled; L and R name the subject's side.

    turn: degrees by which the unit pulls off its direction, the same on both sides of the face, as in a mirror.
    """
    x, y = face_grid(face)
    total = np.zeros((2, *x.shape))
    places = _places(face.look)
    for side, only in ((1, "L"), (-1, "R")):
        if unit[0] in "LR" and unit[0] != only:
            continue
        gain = rng.uniform(0.75, 1.0)  # no face is quite symmetric
        for place, pull, radius in ACTION_UNITS[unit.lstrip("LR")]:
            out, down = _turned(np.array(pull), turn) if turn else pull
            px, py = places[place]
            # a bump on the midline is drawn once for both sides
            weight = gain * (0.5 if px == 0 and unit[0] not in "LR" else 1)
            bump = np.exp(-0.5 * ((x - side * px) ** 2 + (y - py) ** 2) / radius**2)
            total += weight * bump * np.array([side * out, down])[:, None, None]
    return _turned(total, face.tilt)


def face_grid(face: Face, step: int = STEP) -> tuple[np.ndarray, np.ndarray]:
    """Face coordinates (h, w) of the middle of each block of `step` pixels, by cv2.resize's convention."""
    height, width = (-(-side // step) for side in face.image.shape[:2])
    middle = (step - 1) / 2
    x, y = np.meshgrid(np.arange(width) * step + middle, np.arange(height) * step + middle)
    grid = np.stack([x - face.centre[0], y - face.centre[1]]) / face.width
    x, y = _turned(grid, -face.tilt)
    return x, y


def _turned(vectors: np.ndarray, degrees: float) -> np.ndarray:
    """Vectors (2, ...), right and down, turned anticlockwise as seen."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.stack([cos * vectors[0] + sin * vectors[1], -sin * vectors[0] + cos * vectors[1]])


def scaled(fields: list[np.ndarray], peak: float) -> list[np.ndarray]:
    """The fields times a common factor, such that the largest displacement of their sum is `peak`."""
    largest = np.linalg.norm(np.sum(fields, axis=0), axis=0).max()
    return [field * (peak / largest) for field in fields]


def _stray(face: Face, rise: np.ndarray, rng: np.random.Generator) -> Iterator:
    """In half of the clips, a weak unit drawn whatever the emotion; in pixels of the crop."""
    if rng.random() < 0.5:
        unit = rng.choice([unit for unit in ACTION_UNITS if unit != "blink"])
        [field] = scaled([unit_field(face, unit, rng)], rng.uniform(0.2, 0.8))
        yield field, rise ** rng.uniform(0.5, 2)


def drift(face: Face, rise: np.ndarray, rng: np.random.Generator) -> Iterator:
    """Sub-pixel drift of the head, right and down, in pixels of the crop: a smooth random walk from 0."""
    walk = np.cumsum(rng.standard_normal((2, len(rise))), axis=1)
    walk = cv2.GaussianBlur(walk, (0, 0), 2.0, sigmaY=0.01, borderType=cv2.BORDER_REPLICATE)
    walk -= walk[:, :1]
    walk *= rng.uniform(0.05, 0.35) / max(np.abs(walk).max(), 1e-6)
    x, y = face_grid(face)
    head = np.clip(2.2 - 1.6 * np.hypot(x / 0.62, (y + 0.02) / 0.85), 0, 1)
    yield np.stack([head, 0 * head]), walk[0]
    yield np.stack([0 * head, head]), walk[1]


def blink(face: Face, rise: np.ndarray, rng: np.random.Generator) -> Iterator:
    """In one of six clips, a twitch of the lids by 1.5 pixels of the crop."""
    if rng.random() < 1 / 6:
        middle = rng.uniform(0.25, 0.95) * len(rise)
        curve = np.exp(-0.5 * ((np.arange(len(rise)) - middle) / 1.5) ** 2)
        curve[0] = 0
        [field] = scaled([unit_field(face, "blink", rng)], 1.5)
        yield field, curve
