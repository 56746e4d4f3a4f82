"""The motion of the study's twins, on which the paper's claims can be true or false.

In the census `study` the regions of a clip stay and its strength rises and falls, so all instances share them. Negative
and positive share a strong first region and differ in a weak second one alone; surprise has a first region of its own
and either of the second ones. Units without meaning appear for a few frames each, whatever the class, most of them at
one of the second regions and as strong or stronger: one instance cannot tell them from it, the instance set can.

In its control, `study_control`, there is no second region. What moves beside the first one is at another place in every
frame, whatever the class; the classes differ in the direction in which the first region moves.

Each field has a role: `first` and `second` region, `distractor` (a unit without meaning, or a blink), and `head` (its
drift).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ra_icl.twins.faces import Face
from ra_icl.twins.motion import CROP_WIDTH, Motion, blink, drift, envelope, scaled, unit_field

WEAK = 0.4  # peak of the second region, as a share of the first one's
TURN = 20.0  # no two clips pull alike: standard deviation of a unit's direction, in degrees

# class -> the unit of its first region, and those of which one is its second region
REGIONS = {"negative": ("12", ("4",)), "positive": ("12", ("6",)), "surprise": ("26", ("4", "6"))}
SECONDS = ("4", "6")
# the control: class -> the unit of its first region, in all three the corner of the mouth
CONTROL = {"negative": "15", "positive": "12", "surprise": "20"}
OTHERS = ("2", "5", "9", "17")  # units that no class uses


class _Part(NamedTuple):
    role: str
    unit: str
    field: np.ndarray  # (2, h, w) in pixels of the frame
    curve: np.ndarray  # (T,)


def draw_study_motion(
    face: Face, name: str, length: int, apex: int, strength: float, rng: np.random.Generator, shared: bool
) -> Motion:
    """Draw how a clip of class `name` moves `face` over `length` frames with the peak at position `apex`.

    strength: peak displacement of the first region in pixels of a 128-pixel face crop. shared: the census `study`;
    otherwise its control.
    """
    pixel = CROP_WIDTH * face.width / 128  # a pixel of the crop, in pixels of the frame
    peak = strength * pixel
    rise = envelope(length, apex, rng.uniform(0.0, 0.3))
    first, seconds = REGIONS[name] if shared else (CONTROL[name], ())
    parts = [_part("first", first, face, peak, rise ** rng.uniform(0.8, 1.3), rng)]
    if shared:
        parts.append(_part("second", str(rng.choice(seconds)), face, WEAK * peak, rise ** rng.uniform(0.8, 1.3), rng))
    else:
        parts += _companions(face, WEAK * peak, rise, rng)
    parts += _pulses(face, WEAK * peak, length, rng)
    for draw, role, names in ((blink, "distractor", ("blink",)), (drift, "head", ("right", "down"))):
        for unit, (field, curve) in zip(names, draw(face, rise, rng), strict=False):
            parts.append(_Part(role, unit, np.multiply(field, pixel), curve))
    gain = 1 + 0.0015 * rng.standard_normal(length)
    gain[0] = 1
    fields, curves = (np.float32([getattr(part, what) for part in parts]) for what in ("field", "curve"))
    units = tuple(part.unit for part in parts if part.role in ("first", "second"))
    roles = tuple((part.role, part.unit) for part in parts)
    return Motion(fields, curves, gain, units, face.image.shape[1::-1], roles)


def _part(role: str, unit: str, face: Face, peak: float, curve: np.ndarray, rng: np.random.Generator) -> _Part:
    [field] = scaled([unit_field(face, unit, rng, rng.normal(0, TURN))], peak)
    return _Part(role, unit, field, curve)


def _companions(face: Face, peak: float, rise: np.ndarray, rng: np.random.Generator) -> list[_Part]:
    """Of the control: in every frame another unit than in the frame before, as strong as a second region."""
    units = (*SECONDS, *OTHERS)
    curves = np.zeros((len(units), len(rise)))
    last = -1
    for position, intensity in enumerate(rise):
        last = int(rng.choice([number for number in range(len(units)) if number != last]))
        curves[last, position] = intensity
    return [_part("distractor", unit, face, peak, curve, rng) for unit, curve in zip(units, curves, strict=True)]


def _pulses(face: Face, peak: float, length: int, rng: np.random.Generator) -> Iterator[_Part]:
    """Up to six units without meaning, each over 3 to 7 frames; three of four are units of a second region."""
    for _ in range(rng.integers(7)):
        unit = str(rng.choice(SECONDS if rng.random() < 0.75 else OTHERS))
        width = rng.integers(4, 9)
        start = rng.integers(1, length - width)
        curve = np.sin(np.pi * np.clip((np.arange(length) - start) / width, 0, 1)) ** 2
        curve[curve < 1e-6] = 0
        yield _part("distractor", unit, face, rng.uniform(1.0, 1.8) * peak, curve, rng)
