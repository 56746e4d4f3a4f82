"""The compiled TV-L1: against known motion and plain loops; its cache. Against OpenCV: `test_flow_agreement`."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from flow_pairs import distance, moving_pair

import ra_icl
from ra_icl.errors import InputError
from ra_icl.flow import numba_kernels as kernels
from ra_icl.flow import tvl1_numba
from ra_icl.flow.maps import flow
from ra_icl.flow.numba_warp import RING, warp, with_slopes
from ra_icl.flow.options import FlowOptions
from ra_icl.planning.options import from_mapping


def test_each_schedule_follows_known_motion():
    """Errors of the two on the same pairs; the second pre-smooths, halves its levels and has no median filter."""
    errors = {"opencv": [], "ipol": []}
    for number in range(12):
        onset, frame, motion = moving_pair(128, (0.3, 0.8, 1.5, 2.5)[number % 4], number // 4 % 3, seed=number)
        for name, found in errors.items():
            field = flow(onset, frame[None], FlowOptions(schedule=name))[0]
            found.append((distance(field, motion), distance(0 * motion, motion)))
    means = {name: np.mean(found, axis=0) for name, found in errors.items()}
    print({name: f"{error:.4f} px of {size:.4f} px" for name, (error, size) in means.items()})
    for error, size in means.values():
        assert error < 0.5 * size


def naive_iteration(gx, gy, inverse, rho, u, v, p, limit, theta, taut):
    """One step of the scheme, pixel by pixel, as the paper of Zach, Pock and Bischof writes it."""
    height, width = u.shape
    change = 0.0
    old_p = p.copy()
    for y in range(height):
        for x in range(width):
            d = np.clip(-(rho[y, x] + gx[y, x] * u[y, x] + gy[y, x] * v[y, x]) * inverse[y, x], -limit, limit)
            for field, slope, k in ((u, gx, 0), (v, gy, 2)):
                divergence = old_p[k, y, x] + old_p[k + 1, y, x]
                divergence -= old_p[k, y, x - 1] if x else 0
                divergence -= old_p[k + 1, y - 1, x] if y else 0
                step = d * slope[y, x] + theta * divergence
                field[y, x] += step
                change += step**2
    for y in range(height):
        for x in range(width):
            for field, k in ((u, 0), (v, 2)):
                right = field[y, x + 1] - field[y, x] if x + 1 < width else 0
                down = field[y + 1, x] - field[y, x] if y + 1 < height else 0
                scale = 1 + taut * np.hypot(right, down)
                p[k, y, x] = (p[k, y, x] + taut * right) / scale
                p[k + 1, y, x] = (p[k + 1, y, x] + taut * down) / scale
    return change


@pytest.mark.parametrize(("height", "width"), [(17, 23), (kernels.BLOCK, 9), (2 * kernels.BLOCK + 1, 16)])
def test_the_inner_loop_is_the_scheme_pixel_by_pixel(height, width):
    rng = np.random.default_rng(0)
    gx, gy, rho = rng.normal(size=(3, height, width))
    inverse = 1 / (gx**2 + gy**2)
    u, v = 0.1 * rng.normal(size=(2, height, width))
    p = np.zeros((4, height, width))
    planes = [np.zeros((count, height + 2, width + 1), np.float32) for count in (4, 2, 4)]
    planes[0][:, 1:-1, :-1] = gx, gy, inverse, rho
    planes[1][:, 1:-1, :-1] = u, v
    flat = [plane.reshape(len(plane), -1) for plane in planes]
    step = [np.float32(value) for value in (0.045, 0.3, 0.8)]
    for _ in range(4):
        change = naive_iteration(gx, gy, inverse, rho, u, v, p, 0.045, 0.3, 0.8)
        assert not kernels.inner_loop(*flat, height, width, *step, np.float32(0.999 * change), 1)
        np.testing.assert_allclose(planes[1][:, 1:-1, :-1], (u, v), atol=1e-5)
        np.testing.assert_allclose(planes[2][:, 1:-1, :-1], p, atol=1e-5)
    change = naive_iteration(gx, gy, inverse, rho, u, v, p, 0.045, 0.3, 0.8)
    assert kernels.inner_loop(*flat, height, width, *step, np.float32(1.001 * change), 1)


def test_the_warp_is_cubic_convolution_with_zeros_outside():
    rng = np.random.default_rng(0)
    height, width = 12, 15
    frame, onset = rng.uniform(0, 255, (2, height, width)).astype(np.float32)
    field = rng.uniform(-9, 9, (2, height, width)).astype(np.float32)
    field[:, 0, :4] = (-1e6, 1e6, 1e20, -1e20)
    planes = with_slopes(frame)
    planes_inside = planes[RING:-RING, RING:-RING]
    np.testing.assert_array_equal(planes_inside[..., 0], frame)
    assert np.count_nonzero(planes) == np.count_nonzero(planes_inside)
    warped = np.zeros((4, (height + 2) * (width + 1)), np.float32)
    warp(onset, planes, np.pad(field, ((0, 0), (1, 1), (0, 1))).reshape(2, -1), warped)
    found = warped.reshape(4, height + 2, width + 1)[:, 1:-1, :-1]

    def weight(t, a=-0.75):
        t = abs(t)
        near = (a + 2) * t**3 - (a + 3) * t**2 + 1
        return near if t <= 1 else (a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0)

    for y in range(height):
        for x in range(width):
            px, py = x + field[0, y, x], y + field[1, y, x]
            sums = np.zeros(3)
            for ty in range(height):
                for tx in range(width):
                    if max(abs(px - tx), abs(py - ty)) < 2:
                        sums += weight(px - tx) * weight(py - ty) * planes_inside[ty, tx, :3]
            level, *slopes = sums
            np.testing.assert_allclose(found[:2, y, x], slopes, atol=2e-3)
            rho = level - slopes[0] * field[0, y, x] - slopes[1] * field[1, y, x] - onset[y, x]
            assert abs(found[3, y, x] - rho) < 1e-2


@pytest.mark.parametrize("size", [3, 5])
def test_the_median_repeats_the_border_with_and_without_opencv(monkeypatch, size):
    field = np.random.default_rng(0).integers(0, 9, (2, 11, 7)).astype(np.float32)  # many values are equal
    half = size // 2
    padded = np.pad(field, ((0, 0), (half, half), (half, half)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    expected = np.median(windows, axis=(3, 4))
    np.testing.assert_array_equal(tvl1_numba.median(field, size), expected)
    monkeypatch.setitem(sys.modules, "cv2", None)
    np.testing.assert_array_equal(tvl1_numba.median(field, size), expected)


def test_the_resize_is_opencvs_to_rounding():
    image = np.random.default_rng(0).uniform(0, 255, (50, 61)).astype(np.float32)
    expected = cv2.resize(image, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_LINEAR)
    found = kernels.resize(image, *expected.shape, 1 / 0.8)
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_pairs_of_several_sizes_in_two_threads_do_not_disturb_each_other():
    rng = np.random.default_rng(0)
    pairs = [rng.integers(0, 255, (2, *shape)).astype(np.uint8) for shape in ((40, 33), (64, 70), (33, 40), (17, 90))]

    def fields(_=None):
        return [flow(onset, frame[None], FlowOptions())[0] for onset, frame in pairs]

    expected = fields()
    with ThreadPoolExecutor(2) as threads:
        for found in threads.map(fields, range(4)):
            for field, alone in zip(found, expected, strict=True):
                np.testing.assert_array_equal(field, alone)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_the_illumination_term_is_refused(backend):
    with pytest.raises(InputError, match=f"backend {backend} has no illumination term"):
        from_mapping(FlowOptions, {"backend": backend, "opencv": {"gamma": 0.1}}, "flow")


SCRIPT = """
import numpy as np
from ra_icl.flow.maps import backend_of
image = np.random.default_rng(0).normal(size=(9, 7)).astype(np.float32)
print(backend_of("numba").with_slopes(image).sum())
"""


def test_two_processes_with_a_cold_cache_do_not_break_each_other(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    start = [
        subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = {process.communicate()[0] for process in start}
    assert [process.returncode for process in start] == [0, 0]
    assert len(printed) == 1
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}
    assert kept
    subprocess.run([sys.executable, "-c", SCRIPT], env=environment, check=True, capture_output=True)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")} == kept  # nothing compiled again


def test_without_a_folder_for_compiled_code_the_message_names_the_variable(tmp_path):
    """A copy of the package whose cache folder is a file, and a home that is a file too."""
    root = Path(ra_icl.__file__).parent
    shutil.copytree(root, tmp_path / "ra_icl", ignore=shutil.ignore_patterns("__pycache__"))
    for blocked in (tmp_path / "ra_icl/flow/__pycache__", tmp_path / "home"):
        blocked.write_text("")
    places = {"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home")}
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"} | places
    command = [sys.executable, "-c", SCRIPT]
    failed = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("ra_icl.errors.InputError: flow: Numba can write its compiled code neither")
    assert "NUMBA_CACHE_DIR" in last
