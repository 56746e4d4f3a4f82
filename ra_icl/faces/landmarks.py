"""The detectors by name: what each finds on a frame, and its version."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from math import hypot
from pathlib import Path

import cv2
import numpy as np

from ra_icl.errors import FaultKind
from ra_icl.faces import haar
from ra_icl.faces.haar import EYES, Box, Eyes, Face
from ra_icl.faces.options import NEED_MODEL, FaceOptions

# Landmarks of an eye: the 68 points of iBUG 300-W, which LBF gives; MediaPipe's refined mesh has the irises.
_LBF_EYES = (slice(36, 42), slice(42, 48))
_MEDIAPIPE_IRISES = (468, 473)
_MEDIAPIPE_FACES = 5  # at most

MODEL_UNREADABLE = FaultKind(
    "face-model-unreadable",
    "{path} cannot be read ({reason})",
    "give the detector's model file",
    {"where": "faces.model", "path": "models/yunet.onnx", "reason": "No such file or directory"},
)
MODEL_OTHER = FaultKind(
    "face-model-other",
    "{path} is not {what} model ({reason})",
    "give {file}",
    {
        "where": "faces.model",
        "path": "models/lbfmodel.yaml",
        "what": "a YuNet",
        "reason": "Can't read ONNX file",
        "file": "the .onnx file",
    },
)
MEDIAPIPE_MISSING = FaultKind(
    "mediapipe-missing",
    "mediapipe is not installed",
    "install mediapipe==0.10.21 in a separate environment (see docs/data.md), or choose haar",
    {"where": "faces.detector"},
)
MEDIAPIPE_OTHER = FaultKind(
    "mediapipe-without-models",
    "mediapipe {version} carries no models",
    "install mediapipe==0.10.21",
    {"where": "faces.detector", "version": "0.10.31"},
)


@dataclass(frozen=True)
class Found:
    """The subject's face: its box and eyes in frame pixels, None if not found.

    attempt: the number of the try that found it. others: what else was found that may be the subject's face.
    """

    box: Box | None
    eyes: Eyes | None
    attempt: int
    others: tuple[Face, ...] = ()


@dataclass(frozen=True)
class Detector:
    """detect: (H, W, 3) RGB uint8 and the model's path to the eyes of every face. version: of the package."""

    detect: Callable[[np.ndarray, str], list[Eyes]] | None
    version: Callable[[], str]


def find(image: np.ndarray, options: FaceOptions) -> Found:
    """Find the subject's face on a frame (H, W) or (H, W, 3) RGB uint8 with the detector of the options.

    Of several faces, one with eyes comes before one without, then the largest or the most central one, as
    `options.choose` says.
    For a landmark detector, the box is the one that OpenCV's cascade would have around the same eyes, so that crops do
    not depend on the detector.
    Raises InputError if the detector's package or model is missing.
    """
    detect = DETECTORS[options.detector].detect
    if detect is None:
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        faces, attempt = haar.detect_faces(grey)
    else:
        rgb = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
        faces, attempt = [(box_around(eyes), eyes) for eyes in detect(rgb, options.model)], 1
    if not faces:
        return Found(None, None, attempt)
    ranks = {face: _rank(face[0], options.choose, image.shape[:2]) for face in faces}
    taken, *others = sorted(faces, key=lambda face: (face[1] is None, ranks[face]))
    # What has no eyes is hardly a face, beside one that has; but a higher rank is worth a look.
    worth = [face for face in others if face[1] or taken[1] is None or ranks[face] < ranks[taken]]
    return Found(*taken, attempt, tuple(worth))


def _rank(box: Box, choose: str, shape: tuple[int, int]) -> float:
    left, top, side = box
    height, width = shape
    return -side if choose == "largest" else hypot(left + side / 2 - width / 2, top + side / 2 - height / 2)


def box_around(eyes: Eyes) -> Box:
    """The frontal-face box that belongs to a pair of eyes."""
    (x0, y0), (x1, y1) = eyes
    side = hypot(x1 - x0, y1 - y0) / (EYES[1][0] - EYES[0][0])
    return (x0 + x1) / 2 - side / 2, (y0 + y1) / 2 - side * EYES[0][1], side


def detector_record(options: FaceOptions) -> dict:
    """What the crops' metadata record about the detector."""
    record = {"name": options.detector, "version": DETECTORS[options.detector].version()}
    if options.detector in NEED_MODEL:
        record |= {"model": Path(options.model).name, "sha256": sha256(_model_bytes(options.model)).hexdigest()}
    return record


def _ordered(first: np.ndarray, second: np.ndarray) -> Eyes:
    """Two eye centres, the one on the image's left first, as plain numbers."""
    pair = sorted([tuple(map(float, first)), tuple(map(float, second))])
    return pair[0], pair[1]


def _yunet(rgb: np.ndarray, model: str) -> list[Eyes]:
    detector = _yunet_model(model)
    detector.setInputSize((rgb.shape[1], rgb.shape[0]))
    _, faces = detector.detect(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    # A row is x, y, w, h, five landmarks with the eyes first, score.
    return [_ordered(face[4:6], face[6:8]) for face in (() if faces is None else faces)]


def _lbf(rgb: np.ndarray, model: str) -> list[Eyes]:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    boxes = [(*map(round, box), round(box[2])) for box, _ in haar.detect_faces(grey)[0]]
    if not boxes:
        return []
    fitted, shapes = _lbf_model(model).fit(grey, np.array(boxes, np.int32))
    points = [np.asarray(shape).reshape(-1, 2) for shape in (shapes if fitted else ())]
    return [_ordered(*(face[eye].mean(axis=0) for eye in _LBF_EYES)) for face in points]


def _mediapipe(rgb: np.ndarray, model: str) -> list[Eyes]:
    size = np.array([rgb.shape[1], rgb.shape[0]])
    faces = _mediapipe_mesh().process(rgb).multi_face_landmarks or ()
    irises = ([face.landmark[number] for number in _MEDIAPIPE_IRISES] for face in faces)
    return [_ordered(*(size * (point.x, point.y) for point in pair)) for pair in irises]


def _model_bytes(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise MODEL_UNREADABLE.error("faces.model", path=path, reason=error.strerror) from error


@cache
def _yunet_model(path: str):
    _model_bytes(path)
    try:
        return cv2.FaceDetectorYN.create(str(Path(path).expanduser()), "", (320, 320), 0.6)
    except cv2.error as error:
        values = {"path": path, "what": "a YuNet", "reason": error.err, "file": "the .onnx file"}
        raise MODEL_OTHER.error("faces.model", **values) from error


@cache
def _lbf_model(path: str):
    _model_bytes(path)
    model = cv2.face.createFacemarkLBF()
    try:
        model.loadModel(str(Path(path).expanduser()))
    except cv2.error as error:
        values = {"path": path, "what": "an LBF", "reason": error.err, "file": "lbfmodel.yaml"}
        raise MODEL_OTHER.error("faces.model", **values) from error
    return model


@cache
def _mediapipe_mesh():
    mesh = _mediapipe_package().solutions.face_mesh.FaceMesh
    return mesh(static_image_mode=True, refine_landmarks=True, max_num_faces=_MEDIAPIPE_FACES)


def _mediapipe_package():
    try:
        import mediapipe
    except ImportError as error:
        raise MEDIAPIPE_MISSING.error("faces.detector") from error
    if not hasattr(mediapipe, "solutions"):
        raise MEDIAPIPE_OTHER.error("faces.detector", version=mediapipe.__version__)
    return mediapipe


def _opencv_version() -> str:
    return f"OpenCV {cv2.__version__}"


DETECTORS = {
    "haar": Detector(None, _opencv_version),
    "mediapipe": Detector(_mediapipe, lambda: f"mediapipe {_mediapipe_package().__version__}"),
    "yunet": Detector(_yunet, _opencv_version),
    "lbf": Detector(_lbf, _opencv_version),
}
