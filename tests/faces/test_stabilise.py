"""Taking the head's motion out: known sub-pixel motion of a photograph, with and without an expression on top."""

import cv2
import numpy as np
import pytest
from skimage import data

from ra_icl.faces.crop import crop_sequence
from ra_icl.faces.options import FaceOptions
from ra_icl.faces.stabilise import Stabiliser
from ra_icl.flow.maps import flow
from ra_icl.flow.options import FlowOptions

SIZE = 160
HEAD = [(0, 0, 0), (1.3, -0.7, 0), (-2.1, 0.4, 1.0), (0.6, 1.9, -1.5)]  # pixels of the frame right, down; degrees
MOUTH = (226, 152)  # in the photograph


@pytest.fixture(scope="module")
def photograph():
    return cv2.resize(cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY), (1024, 1024), interpolation=cv2.INTER_CUBIC)


def shown(photograph, head, smile):
    """The photograph with its mouth moved up by `smile` pixels, then the whole of it by `head`."""
    right, down, degrees = head
    turn = cv2.getRotationMatrix2D((450, 240), degrees, 1)
    turn[:, 2] += (right, down)
    grid = np.indices(photograph.shape, np.float32)[::-1]
    bump = smile * np.exp(-((grid[0] - 2 * MOUTH[0]) ** 2 + (grid[1] - 2 * MOUTH[1]) ** 2) / (2 * 18**2))
    moved = cv2.remap(photograph, grid[0], (grid[1] + bump).astype(np.float32), cv2.INTER_CUBIC)
    return cv2.warpAffine(moved, turn, photograph.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def crops_of(photograph, tmp_path, smile, stabilise):
    paths = []
    for number, head in enumerate(HEAD):
        paths.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(paths[-1]), shown(photograph, head, smile if number else 0))
    return crop_sequence(paths, FaceOptions(size=SIZE, stabilise=stabilise), "s")


def still_parts(field):
    """The flow (N, 2, H, W) in the upper face, where the mouth does not reach."""
    return np.median(field[:, :, 20:70, 30:130].reshape(len(field), 2, -1), axis=2)


def test_the_heads_motion_is_taken_out_and_the_expression_stays(photograph, tmp_path):
    crops, info = crops_of(photograph, tmp_path, 4.0, "rigid")
    field = flow(crops[0], crops[1:], FlowOptions(backend="opencv"))
    assert np.abs(still_parts(field)).max() < 0.1
    scale = np.hypot(*np.array(info["transform"])[:, 0])
    x, y = (np.array(info["transform"]) @ (2 * MOUTH[0], 2 * MOUTH[1], 1)).round().astype(int)
    lifted = field[:, 1, y - 3 : y + 4, x - 3 : x + 4].mean(axis=(1, 2))
    np.testing.assert_allclose(lifted, -4.0 * scale, rtol=0.35)
    assert len(info["head"]) == len(HEAD)
    np.testing.assert_allclose([turn for *_, turn in info["head"]], [-degrees for *_, degrees in HEAD], atol=0.15)


@pytest.mark.parametrize("degrees", [5, -3])
def test_a_turn_is_found_from_rest(photograph, degrees):
    """In one step, where a wrong slope of the turn stops short of it."""
    onset = cv2.resize(photograph[60:410, 280:630], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    turn = cv2.getRotationMatrix2D(((SIZE - 1) / 2, (SIZE - 1) / 2), degrees, 1)
    turned = cv2.warpAffine(onset, turn, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    _, head = Stabiliser(onset).steady(turned, [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(head, (0, 0, -degrees), atol=0.1)


def test_it_is_off_unless_asked_for_and_then_the_head_moves(photograph, tmp_path):
    crops, info = crops_of(photograph, tmp_path, 0.0, "none")
    assert FaceOptions().stabilise == "none"
    assert "head" not in info
    field = flow(crops[0], crops[1:], FlowOptions(backend="opencv"))
    assert np.abs(still_parts(field)).max() > 0.5


def test_a_head_that_does_not_move_stays(photograph, tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), photograph)
    crops, info = crop_sequence([path] * 3, FaceOptions(size=SIZE, stabilise="rigid"), "s")
    np.testing.assert_allclose(info["head"], 0, atol=1e-3)
    assert np.abs(crops[2].astype(int) - crops[0]).max() <= 1
