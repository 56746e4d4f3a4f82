"""The compiled TV-L1: against known motion and plain loops; its cache. Against OpenCV: `test_flow_agreement`."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from flow_pairs import distance, moving_pair

from ra_icl.errors import InputError
from ra_icl.flow import compiled as compile_cache
from ra_icl.flow import numba_kernels as kernels
from ra_icl.flow.maps import flow
from ra_icl.flow.numba_median import median5
from ra_icl.flow.numba_warp import CHANNELS, RING, add_slopes, warp
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
    planes = np.zeros((height + 2 * RING, width + 2 * RING, CHANNELS), np.float32)
    add_slopes(frame, planes)
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


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (23, 17), (16, 40)])
def test_the_median_is_opencvs(height, width):
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=(2, height, width)), rng.integers(0, 6, (2, height, width))):  # many are equal
        image = values.astype(np.float32)
        planes = np.pad(image, ((0, 0), (1, 1), (0, 3)), constant_values=7).reshape(2, -1)
        median5(planes, height, width)
        planes = planes.reshape(2, height + 2, width + 3)
        np.testing.assert_array_equal(planes[:, 1:-1, :width], [cv2.medianBlur(one, 5) for one in image])
        assert (planes[:, [0, -1]] == 7).all()
        assert (planes[..., width:] == 7).all()


def test_the_resize_is_opencvs_to_rounding():
    image = np.random.default_rng(0).uniform(0, 255, (50, 61)).astype(np.float32)
    expected = cv2.resize(image, None, fx=0.8, fy=0.8, interpolation=cv2.INTER_LINEAR)
    found = kernels.resize(image, *expected.shape, 1 / 0.8)
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_memory_that_is_kept_for_the_next_pair_leaves_no_trace_in_it():
    """In turns of sizes, and in two threads at once."""
    rng = np.random.default_rng(0)
    pairs = [rng.integers(0, 255, (2, *shape)).astype(np.uint8) for shape in ((40, 33), (64, 70), (33, 40), (17, 90))]

    def fields(_=None):
        return [flow(onset, frame[None], FlowOptions())[0] for onset, frame in pairs]

    expected = [
        ThreadPoolExecutor(1).submit(flow, onset, frame[None], FlowOptions()).result() for onset, frame in pairs
    ]
    with ThreadPoolExecutor(2) as threads:
        for found in (fields(), *threads.map(fields, range(4))):
            for field, (alone,) in zip(found, expected, strict=True):
                np.testing.assert_array_equal(field, alone)


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_the_illumination_term_is_refused(backend):
    with pytest.raises(InputError, match=f"backend {backend} has no illumination term"):
        from_mapping(FlowOptions, {"backend": backend, "opencv": {"gamma": 0.1}}, "flow")


SCRIPT = """
import numpy as np
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.maps import flow
rng = np.random.default_rng(0)
onset, frame = rng.integers(0, 255, (2, 24, 24)).astype(np.uint8)
print(float(np.abs(flow(onset, frame[None], FlowOptions())).sum()))
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


def test_a_home_that_cannot_be_written_to_is_survived(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    compile_cache.prepare_cache()
    assert "NUMBA_CACHE_DIR" not in os.environ
    monkeypatch.setattr(compile_cache, "_writable", lambda folder: False)
    monkeypatch.setattr(compile_cache.tempfile, "gettempdir", lambda: str(tmp_path))
    compile_cache.prepare_cache()
    ours = tmp_path / f"ra-icl-numba-{os.getuid()}"
    assert os.environ["NUMBA_CACHE_DIR"] == str(ours)
    ours.chmod(0o777)  # where others may have put something, it is not used
    monkeypatch.setattr(compile_cache.tempfile, "mkdtemp", lambda prefix: f"{prefix}private")
    assert compile_cache._folder_of_this_user().name == "ra-icl-numba-private"
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    assert not compile_cache._writable(tmp_path / "file" / "below")
