"""The neutral faces of the synthetic twins: a lit relief with features painted on it.

Coordinates are in face widths (cheek to cheek), x right and y down from the centre of the face. Colours are BGR in
[0, 1].
"""

from dataclasses import dataclass, field

import cv2
import numpy as np

# width of the face as a fraction of the height of an official frame
FACE_WIDTH = {"casme2": 0.50, "samm": 0.40, "smic": 0.44, "casme3": 0.42}
_SKINS = np.array([(165, 195, 232), (140, 178, 222), (115, 155, 205), (80, 115, 165), (60, 88, 130)])
_HAIRS = np.array([(18, 17, 20), (22, 26, 34), (30, 42, 62), (52, 72, 100)])
_IRISES = np.array([(20, 30, 44), (24, 40, 62), (44, 62, 78)])
_BACKGROUNDS = np.array([(150, 148, 142), (112, 116, 112), (176, 170, 160), (92, 98, 110)])


@dataclass(frozen=True)
class Look:
    """One subject's face: positions of the features in face widths, colours, light."""

    eye: tuple[float, float]
    eye_size: tuple[float, float]
    brow: tuple[float, float]  # height of the arch above the eye, thickness
    nose: tuple[float, float]  # y of the tip, half-width of the wings
    mouth: tuple[float, float]  # y of the seam, half-width
    lips: tuple[float, float]  # heights of the upper and the lower lip
    chin: float
    jaw: float  # exponent of the jaw: 2 is an ellipse, more is squarer
    hairline: float
    long_hair: bool
    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray
    clothes: np.ndarray
    background: np.ndarray
    light: np.ndarray  # direction to the light: right, down, towards the camera


@dataclass(frozen=True)
class Face:
    """A neutral face in a frame.

    image: uint8, (H, W, 3) BGR or (H, W) grey. centre and width in pixels, tilt in degrees.
    """

    image: np.ndarray
    centre: tuple[float, float]
    width: float
    tilt: float
    look: Look = field(repr=False)


def draw_look(rng: np.random.Generator) -> Look:
    """Draw the looks of one subject."""
    tone = rng.uniform(0, len(_SKINS) - 1.001)
    low, part = int(tone), tone % 1
    skin = _SKINS[low] * (1 - part) + _SKINS[low + 1] * part
    return Look(
        eye=(rng.uniform(0.195, 0.215), rng.uniform(-0.10, -0.07)),
        eye_size=(rng.uniform(0.088, 0.100), rng.uniform(0.030, 0.042)),
        brow=(rng.uniform(0.105, 0.130), rng.uniform(0.020, 0.032)),
        nose=(rng.uniform(0.15, 0.19), rng.uniform(0.075, 0.095)),
        mouth=(rng.uniform(0.345, 0.38), rng.uniform(0.150, 0.185)),
        lips=(rng.uniform(0.030, 0.042), rng.uniform(0.042, 0.058)),
        chin=rng.uniform(0.62, 0.68),
        jaw=rng.uniform(2.0, 2.5),
        hairline=rng.uniform(-0.46, -0.38),
        long_hair=bool(rng.random() < 0.45),
        skin=np.float32(skin / 255),
        hair=_one_of(_HAIRS[: 4 - low], rng),
        iris=_one_of(_IRISES, rng),
        clothes=np.float32(rng.uniform(30, 170, 3) / 255),
        background=_one_of(_BACKGROUNDS, rng),
        light=np.float32([rng.uniform(-0.35, 0.35), rng.uniform(-0.6, -0.35), 1.0]),
    )


def _one_of(colours: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.float32(rng.choice(colours) / 255)


def draw_face(look: Look, size: tuple[int, int], width: float, rng: np.random.Generator) -> Face:
    """Draw the face of `look`, `width` pixels wide, in a frame of `size` (width, height)."""
    centre = (size[0] * 0.5, size[1] * 0.52)
    pixels = (np.arange(side, dtype=np.float32) for side in size)
    x, y = np.meshgrid(*((line - middle) / width for line, middle in zip(pixels, centre, strict=True)))
    canvas = _Canvas(np.empty((*x.shape, 3), np.float32), x, y, width, rng)
    _paint_background(canvas, look)
    _paint_body(canvas, look)
    _paint_skin(canvas, look)
    _paint_shadows(canvas, look)
    _paint_lips(canvas, look)
    for side in (-1, 1):
        _paint_eye(canvas, look, side)
        _paint_brow(canvas, look, side)
    _paint_hair(canvas, look)
    image = np.clip(canvas.image * 255, 0, 255).astype(np.uint8)
    return Face(image, centre, width, 0.0, look)


def pose(face: Face, shift: tuple[float, float], zoom: float, tilt: float) -> Face:
    """The face as it sits in another clip: moved, zoomed and tilted.

    shift: right and down in face widths. tilt: in degrees, anticlockwise as in cv2.getRotationMatrix2D.
    """
    matrix = cv2.getRotationMatrix2D(face.centre, tilt, zoom)
    matrix[:, 2] += np.multiply(shift, face.width)
    image = cv2.warpAffine(face.image, matrix, face.image.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=1)
    centre = (face.centre[0] + shift[0] * face.width, face.centre[1] + shift[1] * face.width)
    return Face(image, centre, face.width * zoom, face.tilt + tilt, face.look)


@dataclass(frozen=True)
class _Canvas:
    image: np.ndarray
    x: np.ndarray
    y: np.ndarray
    width: float
    rng: np.random.Generator

    def inside(self, distance: np.ndarray, soft: float = 0.0) -> np.ndarray:
        """Coverage of each pixel by the shape inside which `distance` is negative; soft: width of its edge."""
        return np.clip(0.5 - distance / max(soft, 1 / self.width), 0, 1)

    def paint(self, mask: np.ndarray, colour: np.ndarray) -> None:
        box = _box(mask)
        part = self.image[box]
        part += mask[box][..., None] * ((colour[box] if colour.ndim == 3 else colour) - part)

    def shade(self, mask: np.ndarray, strength: float) -> None:
        box = _box(mask)
        self.image[box] *= (1 - strength * mask[box])[..., None]

    def texture(self, sigma: float, stretch: float = 1.0) -> np.ndarray:
        """Smooth noise of unit deviation; grains of `sigma` face widths, `stretch` times high."""
        grain = max(sigma * self.width, 0.6)
        step = max(int(grain / 2), 1)  # coarse grains are made on a small grid, which is faster to blur
        height, width = (-(-side // step) for side in self.x.shape)
        noise = self.rng.standard_normal((height, width), np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), grain / step, sigmaY=grain * stretch / step)
        noise = cv2.resize(noise, self.x.shape[::-1], interpolation=cv2.INTER_CUBIC)
        return noise / noise.std()


def _box(mask: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns that contain the mask, except its faintest edge."""
    left, top, width, height = cv2.boundingRect(np.uint8(mask > 1e-3))
    return slice(top, top + height), slice(left, left + width)


def _bump(x: np.ndarray, y: np.ndarray, at: tuple, sigma: tuple) -> np.ndarray:
    return np.exp(-0.5 * (((x - at[0]) / sigma[0]) ** 2 + ((y - at[1]) / sigma[1]) ** 2))


def outline(x: np.ndarray, y: np.ndarray, look: Look) -> np.ndarray:
    """1 on the outline of the head, less inside: an ellipse above, a squarer jaw below."""
    squareness = 2 + (look.jaw - 2) * np.clip(y / 0.3, 0, 1)
    height = np.where(y < 0, (y / 0.72) ** 2, np.abs(y / look.chin) ** 2.3)
    return np.abs(x / 0.5) ** squareness + height


def relief(x: np.ndarray, y: np.ndarray, look: Look) -> np.ndarray:
    """Height of the face towards the camera, in face widths."""
    a = np.abs(x)
    (ex, ey), (ny, nw), my = look.eye, look.nose, look.mouth[0]
    ridge = np.clip((y - ey + 0.06) / (ny - ey + 0.06), 0, 1) * np.clip((ny + 0.035 - y) / 0.06, 0, 1)
    z = 0.52 * np.sqrt(np.clip(1 - outline(x, y, look), 0.02, 1))
    z += 0.11 * ridge * np.exp(-0.5 * (x / 0.048) ** 2)
    z += 0.045 * _bump(x, y, (0, ny), (0.05, 0.045))
    z += 0.032 * _bump(a, y, (nw * 0.75, ny + 0.015), (0.028, 0.030))
    z -= 0.050 * _bump(a, y, (ex - 0.01, ey), (0.085, 0.050))
    z += 0.022 * _bump(a, y, (ex, ey), (0.060, 0.030))
    z += 0.022 * _bump(a, y, (ex - 0.02, ey - look.brow[0]), (0.13, 0.04))
    z += 0.030 * _bump(a, y, (0.28, 0.10), (0.10, 0.09))
    z += 0.030 * _bump(x, y, (0, my), (0.15, 0.09))
    z -= 0.014 * _bump(x, y, (0, my + 0.115), (0.10, 0.028))
    z += 0.030 * _bump(x, y, (0, look.chin - 0.10), (0.10, 0.06))
    return z - 0.008 * _bump(a - 0.13 - 0.35 * (y - ny), y, (0, ny + 0.10), (0.018, 0.06))


def _light(canvas: _Canvas, look: Look) -> np.ndarray:
    """Brightness of the lit relief, about 1 on the cheeks."""
    z = cv2.GaussianBlur(relief(canvas.x, canvas.y, look), (0, 0), max(0.006 * canvas.width, 0.5))
    dy, dx = np.gradient(z * canvas.width)
    light = look.light / np.linalg.norm(look.light)
    lambert = (-dx * light[0] - dy * light[1] + light[2]) / np.sqrt(dx**2 + dy**2 + 1)
    rim = np.clip((np.sqrt(outline(canvas.x, canvas.y, look)) - 0.86) / 0.14, 0, 1) ** 2
    return (0.42 + 0.66 * np.clip(lambert, 0, 1)) * (1 - 0.30 * rim)


def _paint_background(canvas: _Canvas, look: Look) -> None:
    fall = 1.0 + 0.10 * canvas.x * np.sign(look.light[0]) - 0.06 * canvas.y
    canvas.image[:] = look.background * fall[..., None] * (1 + 0.008 * canvas.texture(0.015))[..., None]


def _paint_body(canvas: _Canvas, look: Look) -> None:
    x, y = canvas.x, canvas.y
    if look.long_hair:
        strands = 0.85 + 0.14 * canvas.texture(0.008, 14)
        back = np.hypot(x / 0.64, (y - 0.06) / 0.92) - 1
        canvas.paint(canvas.inside(back, 0.04), look.hair * strands[..., None])
    neck = canvas.inside(np.abs(x) - 0.28 - 0.10 * np.clip(y - 0.75, 0, 1) ** 2) * (y > 0.1)
    shadow = 0.62 + 0.25 * np.clip((y - look.chin - 0.06) / 0.3, 0, 1)
    canvas.paint(neck, look.skin * (shadow * (1 - 0.5 * (x / 0.32) ** 2))[..., None])
    collar = 0.93 + 0.34 * np.clip(np.abs(x) - 0.2, 0, 9) ** 2.2
    cloth = look.clothes * (0.85 + 0.03 * canvas.texture(0.03, 4))[..., None]
    canvas.paint(canvas.inside(np.maximum(collar - y, np.abs(x) - 1.15), 0.02), cloth)
    if not look.long_hair:
        ear = np.hypot((np.abs(x) - 0.505) / 0.055, y / 0.13) - 1
        folds = 0.72 - 0.22 * _bump(np.abs(x), y, (0.515, 0), (0.02, 0.06))
        canvas.paint(canvas.inside(ear, 0.1), look.skin * folds[..., None])


def _paint_skin(canvas: _Canvas, look: Look) -> None:
    x, y, a = canvas.x, canvas.y, np.abs(canvas.x)
    grain = 0.016 * canvas.texture(0.004) + 0.016 * canvas.texture(0.012) + 0.02 * canvas.texture(0.05)
    spots = np.clip(canvas.texture(0.008) - 2.6, 0, 1)
    skin = look.skin * (1 + grain - 0.30 * spots)[..., None]
    flush = _bump(a, y, (0.27, 0.12), (0.09, 0.08)) + 0.8 * _bump(x, y, (0, look.nose[0]), (0.07, 0.05))
    skin = skin * (1 - flush[..., None] * np.float32([0.10, 0.09, -0.01]))
    skin *= _light(canvas, look)[..., None]
    canvas.paint(canvas.inside(np.sqrt(outline(x, y, look)) - 1, 0.02), skin)


def _paint_shadows(canvas: _Canvas, look: Look) -> None:
    x, y, a = canvas.x, canvas.y, np.abs(canvas.x)
    (ex, ey), (ny, nw) = look.eye, look.nose
    canvas.shade(_bump(a, y, (ex - 0.01, ey - 0.01), (0.085, 0.045)), 0.22)
    canvas.shade(_bump(a, y, (ex - 0.10, ey), (0.030, 0.045)), 0.12)
    canvas.shade(_bump(x, y, (0, ny + 0.055), (0.075, 0.016)), 0.22)
    canvas.shade(_bump(x, y, (0, look.mouth[0] + 0.105), (0.09, 0.022)), 0.14)
    canvas.shade(_bump(a, y, (nw * 0.48, ny + 0.038), (0.016, 0.009)), 0.70)
    canvas.shade(_bump(a, y, (nw * 1.05, ny + 0.010), (0.012, 0.026)), 0.25)
    canvas.shade(_bump(a, y, (look.mouth[1] + 0.012, look.mouth[0]), (0.02, 0.022)), 0.18)


def _paint_lips(canvas: _Canvas, look: Look) -> None:
    x, y = canvas.x, canvas.y
    (my, mw), (upper, lower) = look.mouth, look.lips
    across = np.clip(1 - (x / mw) ** 2, 0, 1)
    seam = my + 0.004 * np.cos(x / mw * 1.6 * np.pi) - 0.007 * (x / mw) ** 2
    bow = upper * across**0.8 * (1 - 0.30 * np.exp(-0.5 * (x / 0.022) ** 2))
    flat = np.where(np.abs(x) < mw, 0, 1)
    colour = canvas.image * np.float32([0.66, 0.62, 0.90]) * (1 + 0.03 * canvas.texture(0.006, 3))[..., None]
    canvas.paint(canvas.inside(np.maximum(seam - bow - y, y - seam) + flat, 0.014), colour * 0.90)
    below = np.maximum(seam - y, y - seam - lower * across**0.6) + flat
    canvas.paint(canvas.inside(below, 0.014), colour * 1.03)
    canvas.image[:] += 0.05 * _bump(x, y, (0, my + lower * 0.55), (0.05, 0.010))[..., None]
    line = np.exp(-0.5 * ((y - seam) / 0.006) ** 2) * across**0.3
    canvas.shade(line * (np.abs(x) < mw), 0.72)


def _paint_eye(canvas: _Canvas, look: Look, side: int) -> None:
    (ex, ey), (w, h) = look.eye, look.eye_size
    x, y = (canvas.x * side - ex) / w, canvas.y - ey  # x: -1 at the inner corner, 1 at the outer
    y = y + 0.008 * x  # the outer corner lies higher
    across = np.clip(1 - np.abs(x) ** 2.2, 0, 1)
    top, bottom = -h * across**0.85, 0.62 * h * across
    opening = canvas.inside(np.maximum(top - y, y - bottom)) * (np.abs(x) < 1)
    shadow = 0.55 + 0.40 * np.clip((y - top) / (0.7 * h), 0, 1)
    white = np.float32([0.84, 0.84, 0.86]) * min(1.0, 0.62 + float(look.skin.mean()) * 0.5)
    canvas.paint(opening, white * shadow[..., None])
    r = np.hypot(x * w + 0.003, y + 0.1 * h)
    canvas.paint(opening * canvas.inside(r - 0.040), look.iris * (0.7 + 8 * np.clip(r, 0, 0.04))[..., None])
    canvas.paint(opening * canvas.inside(r - 0.017), np.float32([0.04] * 3))
    glint = np.hypot(x * w - 0.012, y + 0.45 * h) - 0.0075
    canvas.paint(opening * canvas.inside(glint), np.float32([0.92] * 3))
    ends = np.clip(1.12 - np.abs(x), 0, 1) ** 0.3 * (np.abs(x) < 1.10)
    canvas.shade(np.exp(-0.5 * ((y - top + 0.003) / 0.008) ** 2) * ends, 0.80)
    canvas.shade(np.exp(-0.5 * ((y - bottom - 0.002) / 0.007) ** 2) * ends, 0.35)
    crease = -h * 1.55 * np.clip(1 - (x / 1.1) ** 2, 0, 1) - 0.008
    canvas.shade(np.exp(-0.5 * ((y - crease) / 0.006) ** 2) * ends, 0.25)


def _paint_brow(canvas: _Canvas, look: Look, side: int) -> None:
    (ex, ey), (rise, thick) = look.eye, look.brow
    x = (canvas.x * side - ex - 0.005) / 0.135
    middle = ey - rise - 0.022 * (1 - (x - 0.25) ** 2) + 0.012
    half = thick * 0.62 * np.clip(1.05 - 0.45 * (x + 1) / 2 - np.abs(x) ** 6, 0, 1)
    body = canvas.inside(np.abs(canvas.y - middle) - half, 0.020) * (np.abs(x) < 1)
    hairs = np.clip(0.80 + 0.16 * canvas.texture(0.005, 2), 0, 1)
    canvas.paint(body * hairs, look.hair * 1.15)


def _paint_hair(canvas: _Canvas, look: Look) -> None:
    x, y, a = canvas.x, canvas.y, np.abs(canvas.x)
    wave = 0.010 * canvas.texture(0.04)
    middle = 0.12
    opening = (a / 0.475) ** 3.2 + (np.abs(y - middle) / (middle - look.hairline)) ** 2.4
    outer = (a / 0.555) ** 2.4 + (np.minimum(y + 0.05, 0) / 0.74) ** 2 - 1
    end = 0.70 if look.long_hair else 0.04 - 0.9 * (0.53 - a)  # sideburns are cut at a slant
    hair = np.maximum(1 - opening**0.4 + 3 * wave, outer * 0.5)
    hair = np.maximum(hair, np.maximum(y - end, np.where(y > middle, 0.40 - a, -1)))
    strands = 1 + 0.16 * canvas.texture(0.006, 12) + 0.10 * canvas.texture(0.03, 6)
    sheen = 0.05 * _bump(x, y, (look.light[0], -0.58), (0.25, 0.06))
    canvas.paint(canvas.inside(hair, 0.035), look.hair * (1.05 * strands)[..., None] + sheen[..., None])
