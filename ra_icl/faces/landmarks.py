"""The detectors by name: what each finds on a frame, and its version."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from math import hypot
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ra_icl.errors import InputError
from ra_icl.faces import haar
from ra_icl.faces.haar import EYES, Box, Eyes

if TYPE_CHECKING:
    from ra_icl.faces.options import FaceOptions

# Landmarks of an eye: the 68 points of iBUG 300-W, which LBF gives; MediaPipe's refined mesh has the irises.
_LBF_EYES = (slice(36, 42), slice(42, 48))
_MEDIAPIPE_IRISES = (468, 473)


@dataclass(frozen=True)
class Found:
    """A face: its box and eyes in frame pixels, None if not found; attempt: the number of the try that found it."""

    box: Box | None
    eyes: Eyes | None
    attempt: int


@dataclass(frozen=True)
class Detector:
    """detect: (H, W, 3) RGB uint8 and the model's path to the eyes, or None. version: of the package."""

    detect: Callable[[np.ndarray, str], Eyes | None] | None
    version: Callable[[], str]


def find(image: np.ndarray, options: "FaceOptions") -> Found:
    """Find the face on a frame (H, W) or (H, W, 3) RGB uint8 with the detector of the options.

    For a landmark detector, the box is the one that OpenCV's cascade would have around the same eyes, so that crops do
    not depend on the detector.
    Raises InputError if the detector's package or model is missing.
    """
    detect = DETECTORS[options.detector].detect
    if detect is None:
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return Found(*haar.detect_face(grey))
    rgb = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    eyes = detect(rgb, options.model)
    return Found(box_around(eyes) if eyes else None, eyes, 1)


def box_around(eyes: Eyes) -> Box:
    """The frontal-face box that belongs to a pair of eyes."""
    (x0, y0), (x1, y1) = eyes
    side = hypot(x1 - x0, y1 - y0) / (EYES[1][0] - EYES[0][0])
    return (x0 + x1) / 2 - side / 2, (y0 + y1) / 2 - side * EYES[0][1], side


def detector_record(options: "FaceOptions") -> dict:
    """What the crops' metadata record about the detector."""
    record = {"name": options.detector, "version": DETECTORS[options.detector].version()}
    if options.model:
        record |= {"model": Path(options.model).name, "sha256": sha256(_model_bytes(options.model)).hexdigest()}
    return record


def _ordered(first: np.ndarray, second: np.ndarray) -> Eyes:
    """Two eye centres, the one on the image's left first, as plain numbers."""
    pair = sorted([tuple(map(float, first)), tuple(map(float, second))])
    return pair[0], pair[1]


def _yunet(rgb: np.ndarray, model: str) -> Eyes | None:
    detector = _yunet_model(model)
    detector.setInputSize((rgb.shape[1], rgb.shape[0]))
    _, faces = detector.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    if faces is None or not len(faces):
        return None
    best = faces[np.argmax(faces[:, 14])]  # x, y, w, h, five landmarks with the eyes first, score
    return _ordered(best[4:6], best[6:8])


def _lbf(rgb: np.ndarray, model: str) -> Eyes | None:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    box, _, _ = haar.detect_face(grey)
    if box is None:
        return None
    left, top, side = map(round, box)
    fitted, shapes = _lbf_model(model).fit(grey, np.array([[left, top, side, side]], np.int32))
    if not fitted or not len(shapes):
        return None
    points = np.asarray(shapes[0]).reshape(-1, 2)
    return _ordered(*(points[eye].mean(axis=0) for eye in _LBF_EYES))


def _mediapipe(rgb: np.ndarray, model: str) -> Eyes | None:
    found = _mediapipe_mesh().process(rgb).multi_face_landmarks
    if not found:
        return None
    size = np.array([rgb.shape[1], rgb.shape[0]])
    points = [found[0].landmark[number] for number in _MEDIAPIPE_IRISES]
    return _ordered(*(size * (point.x, point.y) for point in points))


def _model_bytes(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise InputError(f"faces.model: {path} cannot be read ({error.strerror}); give the model file") from error


@cache
def _yunet_model(path: str):
    _model_bytes(path)
    try:
        return cv2.FaceDetectorYN.create(str(Path(path).expanduser()), "", (320, 320), 0.6)
    except cv2.error as error:
        raise InputError(f"faces.model: {path} is not a YuNet model ({error.err}); give the .onnx file") from error


@cache
def _lbf_model(path: str):
    _model_bytes(path)
    model = cv2.face.createFacemarkLBF()
    try:
        model.loadModel(str(Path(path).expanduser()))
    except cv2.error as error:
        raise InputError(f"faces.model: {path} is not an LBF model ({error.err}); give lbfmodel.yaml") from error
    return model


@cache
def _mediapipe_mesh():
    return _mediapipe_package().solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True)


def _mediapipe_package():
    try:
        import mediapipe
    except ImportError as error:
        raise InputError(
            "faces.detector: mediapipe is not installed; install mediapipe==0.10.21 in a separate environment "
            "(see config/README.md), or choose haar"
        ) from error
    if not hasattr(mediapipe, "solutions"):
        raise InputError(f"faces.detector: mediapipe {mediapipe.__version__} carries no models; install 0.10.21")
    return mediapipe


def _opencv_version() -> str:
    return f"OpenCV {cv2.__version__}"


DETECTORS = {
    "haar": Detector(None, _opencv_version),
    "mediapipe": Detector(_mediapipe, lambda: f"mediapipe {_mediapipe_package().__version__}"),
    "yunet": Detector(_yunet, _opencv_version),
    "lbf": Detector(_lbf, _opencv_version),
}
