"""The subject's face on the onset frame, as the crops take it, and what is to be said if there is none or several."""

import logging

import numpy as np

from ra_icl.datasets.left_out import exclusion
from ra_icl.errors import FaultKind, Faults
from ra_icl.faces.align import similarity, whole_frame
from ra_icl.faces.landmarks import Found, find
from ra_icl.faces.options import FaceOptions

log = logging.getLogger(__name__)

_EXAMPLE = {"where": "casme3 spNO.1/a_355", "exclusion": exclusion("casme3", "spNO.1/a_355")}
MISSING = FaultKind(
    "face-missing",
    "no face is found on the onset frame",
    "look at the frame; to use it whole, set faces.fallback to whole_frame; to leave the sequence out, {exclusion}",
    _EXAMPLE,
)
WHOLE_FRAME = FaultKind(
    "face-missing-whole-frame",
    "no face is found on the onset frame, and the whole frame is used",
    "look at the frame; to leave the sequence out, {exclusion}",
    _EXAMPLE,
    "warning",
)
SEVERAL = FaultKind(
    "faces-several",
    "{number} faces are found on the onset frame, of which the {rule} is taken, {taken} px wide (not: {others} px)",
    "look at the frame; if another one is the subject, set faces.choose to {other_rule}; to leave the sequence out, "
    "{exclusion}",
    _EXAMPLE | {"number": 2, "rule": "largest", "taken": 310, "others": "124", "other_rule": "most_central"},
    "warning",
)
WITHOUT_EYES = FaultKind(
    "face-without-eyes",
    "no pair of eyes confirms the face found on the onset frame, {side} px wide, which is cropped as it stands",
    "look at its crop, in the contact sheet of `snakemake --cores all qc`; if it is no face, or not upright, correct "
    "the frames; to leave the sequence out, {exclusion}",
    _EXAMPLE | {"side": 310},
    "warning",
)
_RULES = {"largest": "largest", "most_central": "most central"}


def find_face(image: np.ndarray, options: FaceOptions, name: str) -> dict:
    """Find the face on one frame, (H, W) or (H, W, 3) RGB uint8; returns `crop_sequence`'s info.

    name: of the sequence, such as "casme3 spNO.1/a_355". Raises InputError naming it if no face is found and no
    fallback is allowed.
    """
    found = find(image, options)
    faults = _faults(found, options, name)
    faults.raise_any()
    for warning in faults:
        log.warning("%s", warning)
    return face_info(found, image.shape[:2], options)


def face_info(found: Found, shape: tuple[int, int], options: FaceOptions) -> dict:
    """`crop_sequence`'s info about the face that `find` found, or about the whole frame if it found none.

    shape: height and width of the frame.
    """
    info = {"attempt": found.attempt, "others": [list(box) for box, _ in found.others]}
    if found.box is None:
        transform = whole_frame(shape, options.size)
        return info | {"found": "whole_frame", "box": None, "eyes": None, "transform": transform}
    return info | {
        "found": "eyes" if found.eyes else "box",
        "box": list(found.box),
        "eyes": [list(eye) for eye in found.eyes] if found.eyes else None,
        "transform": similarity(found.box, found.eyes, options.size, options.margin),
    }


def face_faults(image: np.ndarray, options: FaceOptions, name: str) -> Faults:
    """What `ra-icl check --faces` says of an onset frame; arguments as for `find_face`, which takes the same face."""
    return _faults(find(image, options), options, name)


def _faults(found: Found, options: FaceOptions, name: str) -> Faults:
    dataset, _, key = name.partition(" ")
    values = {"exclusion": exclusion(dataset, key)}
    if found.box is None:
        return Faults([(MISSING if options.fallback == "error" else WHOLE_FRAME).at(name, **values)])
    faults = Faults()
    if found.eyes is None:
        faults.append(WITHOUT_EYES.at(name, **values, side=round(found.box[2])))
    if not found.others:
        return faults
    rule = _RULES[options.choose]
    if found.eyes and not all(eyes for _, eyes in found.others):
        rule += " with eyes"
    sides = [str(round(side)) for (_, _, side), _ in found.others]
    values |= {"number": 1 + len(sides), "rule": rule, "taken": round(found.box[2]), "others": " and ".join(sides)}
    (other_rule,) = _RULES.keys() - {options.choose}
    faults.append(SEVERAL.at(name, **values, other_rule=other_rule))
    return faults
