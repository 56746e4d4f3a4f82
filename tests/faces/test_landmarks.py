"""Landmark detectors: OpenCV's with stand-ins for their models, MediaPipe where it is installed."""

import importlib.util
import types
from hashlib import sha256

import cv2
import numpy as np
import pytest
from skimage import data

from ra_icl.errors import InputError
from ra_icl.faces import landmarks
from ra_icl.faces.haar import EYES
from ra_icl.faces.onset import find_face
from ra_icl.faces.options import FaceOptions

PUPILS = ((203.5, 101.0), (247.5, 103.0))
FRAME = data.astronaut()


@pytest.fixture(autouse=True)
def _forget_models():
    for cached in (landmarks._yunet_model, landmarks._lbf_model, landmarks._mediapipe_mesh):
        cached.cache_clear()


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "face.model"
    path.write_bytes(b"weights")
    return path


class YuNet:
    """What cv2.FaceDetectorYN gives: rows of box, five landmarks (the person's right eye first), score."""

    def __init__(self, rows):
        self.rows = rows

    def setInputSize(self, size):  # noqa: N802 (OpenCV's name)
        self.size = size

    def detect(self, image):
        assert image.shape == (self.size[1], self.size[0], 3)
        expected = FRAME[..., ::-1]  # BGR
        grey = cv2.cvtColor(FRAME, cv2.COLOR_RGB2GRAY)
        assert np.array_equal(image, expected) or np.array_equal(image, np.dstack([grey] * 3))
        return 1, self.rows


def yunet_row(eyes, score):
    return [0, 0, 9, 9, *np.ravel(eyes), *[0] * 6, score]


def check(found):
    places = np.array(PUPILS) @ np.array(found["transform"])[:, :2].T + np.array(found["transform"])[:, 2]
    np.testing.assert_allclose(places, 128 * (np.array(EYES) + 0.05) / 1.1, atol=1e-3)


def test_yunet_takes_the_best_face_and_levels_its_eyes(monkeypatch, model):
    rows = np.array([yunet_row([(1, 1), (5, 1)], 0.7), yunet_row(PUPILS, 0.9)], np.float32)
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *_: YuNet(rows))
    options = FaceOptions(size=128, detector="yunet", model=str(model))
    for frame in (FRAME, cv2.cvtColor(FRAME, cv2.COLOR_RGB2GRAY)):
        check(find_face(frame, options, "s"))
    landmarks._yunet_model.cache_clear()
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *_: YuNet(None))
    with pytest.raises(InputError, match="no face is found"):
        find_face(FRAME, options, "s")


def test_lbf_averages_the_points_of_each_eye_inside_the_cascades_box(monkeypatch, model):
    shape = np.zeros((68, 2), np.float32)
    for eye, (x, y) in zip((range(36, 42), range(42, 48)), PUPILS, strict=True):
        for turn, point in enumerate(eye):
            shape[point] = x + 5 * np.cos(turn * np.pi / 3), y + 3 * np.sin(turn * np.pi / 3)

    def fit(image, boxes):
        np.testing.assert_array_equal(image, cv2.cvtColor(FRAME, cv2.COLOR_RGB2GRAY))
        ((left, top, width, height),) = boxes
        assert width == height
        assert all(left < x < left + width and top < y < top + height for x, y in PUPILS)
        return True, [shape[None]]

    fake = types.SimpleNamespace(loadModel=lambda path: None, fit=fit)
    monkeypatch.setattr(cv2.face, "createFacemarkLBF", lambda: fake)
    check(find_face(FRAME, FaceOptions(size=128, detector="lbf", model=str(model)), "s"))


def test_the_most_central_face_is_the_one_whose_middle_is_nearest_to_the_frames():
    small, large = (236, 236, 40), (250, 250, 300)  # the large one's corner is nearer
    assert min((small, large), key=lambda box: landmarks._rank(box, "most_central", (512, 512))) == small
    assert min((small, large), key=lambda box: landmarks._rank(box, "largest", (512, 512))) == large


def test_opencv_has_the_detectors_that_are_called_here():
    assert callable(cv2.FaceDetectorYN.create)
    assert hasattr(cv2.face.createFacemarkLBF(), "loadModel")


@pytest.mark.parametrize("detector", ["yunet", "lbf"])
def test_a_missing_or_wrong_model_is_named(detector, model):
    with pytest.raises(InputError, match=r"faces\.model: /nowhere cannot be read"):
        find_face(FRAME, FaceOptions(detector=detector, model="/nowhere"), "s")
    with pytest.raises(InputError, match=r"faces\.model: \S+face\.model is no"):
        find_face(FRAME, FaceOptions(detector=detector, model=str(model)), "s")


def test_the_record_names_detector_version_and_model(model):
    record = landmarks.detector_record(FaceOptions(detector="lbf", model=str(model)))
    assert record == {
        "name": "lbf",
        "version": f"OpenCV {cv2.__version__}",
        "model": "face.model",
        "sha256": sha256(b"weights").hexdigest(),
    }
    assert set(landmarks.detector_record(FaceOptions(detector="haar", model="/nowhere"))) == {"name", "version"}


@pytest.mark.skipif(importlib.util.find_spec("mediapipe") is not None, reason="mediapipe is installed")
def test_mediapipe_that_is_not_installed_is_said():
    with pytest.raises(InputError, match=r"mediapipe is not installed; install mediapipe==0\.10\.21"):
        find_face(FRAME, FaceOptions(detector="mediapipe"), "s")


@pytest.mark.skipif(importlib.util.find_spec("mediapipe") is None, reason="mediapipe is not installed")
def test_mediapipe_finds_the_irises():
    found = find_face(FRAME, FaceOptions(size=128, detector="mediapipe"), "s")
    np.testing.assert_allclose(found["eyes"], PUPILS, atol=2)
