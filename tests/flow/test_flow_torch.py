"""The TV-L1 of many pairs: its plain steps against Numba's and OpenCV's, and pairs that mind their own business."""

import cv2
import numpy as np
import pytest
import torch
from flow_pairs import moving_pair, moving_pairs
from scipy.ndimage import gaussian_filter

from ra_icl.flow import numba_kernels, torch_kernels, tvl1_torch
from ra_icl.flow.maps import flow, flow_maps
from ra_icl.flow.numba_warp import CHANNELS, RING, add_slopes, warp
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.torch_pyramid import enlarged, resize, slopes, smoothed

HEIGHT, WIDTH = 19, 26
STEPS = (0.045, 0.3, 0.83)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def padded(planes):
    """Planes (C, H, W) as Numba's kernels want them: flat, with a border."""
    return np.pad(planes, ((0, 0), (1, 1), (0, 1))).reshape(len(planes), -1).astype(np.float32)


def inside(planes):
    return planes.reshape(len(planes), HEIGHT + 2, WIDTH + 1)[:, 1:-1, :-1]


def test_warp_and_slopes_are_numbas(rng):
    onset, frame = rng.uniform(0, 255, (2, HEIGHT, WIDTH)).astype(np.float32)
    field = rng.uniform(-4, 4, (2, HEIGHT, WIDTH)).astype(np.float32)
    planes = np.zeros((HEIGHT + 2 * RING, WIDTH + 2 * RING, CHANNELS), np.float32)
    expected = padded(np.zeros((4, HEIGHT, WIDTH)))
    add_slopes(frame, planes)
    warp(onset, planes, padded(field), expected)
    onset, frame, field = (torch.from_numpy(part)[None] for part in (onset, frame, field))
    np.testing.assert_array_equal(slopes(frame)[0].permute(1, 2, 0), planes[RING:-RING, RING:-RING, :3])
    found = torch.empty(1, 4, HEIGHT, WIDTH)
    torch_kernels.warp(onset, slopes(frame), field, found)
    np.testing.assert_allclose(found[0, [0, 1, 3]], inside(expected)[[0, 1, 3]], atol=2e-3)
    np.testing.assert_allclose(found[0, 2], inside(expected)[2], rtol=1e-3)


def test_inner_loop_is_numbas_for_each_pair_alone(rng):
    """Three pairs: one does all iterations, one stops on the way, one is not active."""
    slope, rho = rng.normal(size=(3, 2, HEIGHT, WIDTH)), rng.normal(size=(3, 1, HEIGHT, WIDTH))
    warped = np.concatenate([slope, 1 / (slope**2).sum(1, keepdims=True), rho], axis=1).astype(np.float32)
    size = np.array([1, 0.1, 0.1])[:, None, None, None]
    field, dual = (size * rng.normal(size=(3, planes, HEIGHT, WIDTH)) for planes in (2, 4))
    warped, field, dual = (torch.from_numpy(part.astype(np.float32)) for part in (warped, field, dual))
    start, start_dual, active, stop = field.clone(), dual.clone(), torch.tensor([True, True, False]), 5.0
    done = torch_kernels.inner_loop(warped, field, dual, active, (*STEPS, stop), 12)
    assert done[0] == 12
    assert 1 < done[1] < 12
    assert active.tolist() == [True, False, False]
    assert torch.equal(field[2], start[2])
    for pair in range(2):
        planes = [padded(part[pair]) for part in (warped, start, start_dual)]
        steps = (np.float32(value) for value in (*STEPS, stop))
        converged = numba_kernels.inner_loop(*planes, HEIGHT, WIDTH, *steps, 12)
        assert converged == (not active[pair])
        np.testing.assert_allclose(field[pair], inside(planes[1]), atol=1e-5)
        np.testing.assert_allclose(dual[pair], inside(planes[2]), atol=1e-5)


@pytest.mark.parametrize("size", [3, 5])
def test_median_is_opencvs_on_active_pairs(rng, size):
    start = torch.from_numpy(rng.normal(size=(3, 2, 9, 4)).astype(np.float32))
    found = start.clone()
    torch_kernels.median(found, torch.tensor([True, False, True]), size)
    assert torch.equal(found[1], start[1])
    for pair in (0, 2):
        expected = [cv2.medianBlur(plane, size) for plane in start[pair].numpy()]
        np.testing.assert_array_equal(found[pair], expected)


@pytest.mark.parametrize("count", [1, 9, 25])
def test_the_network_finds_the_median(rng, count):
    values = [*rng.integers(0, 6, (count, 2000))]  # many are equal
    expected = np.median(values, axis=0)
    for low, high in torch_kernels.median_network(count):
        assert low < high
        values[low], values[high] = np.minimum(values[low], values[high]), np.maximum(values[low], values[high])
    np.testing.assert_array_equal(values[count // 2], expected)


def test_resize_and_smoothing_are_those_of_the_compiled_flow(rng):
    image = rng.uniform(0, 255, (2, 50, 61)).astype(np.float32)
    found = resize(torch.from_numpy(image), (40, 49), (1.25, 1.25))
    expected = [numba_kernels.resize(one, 40, 49, 1.25) for one in image]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    found = enlarged(torch.from_numpy(image)[None], (60, 70), 0.8)[0]
    expected = [1.25 * numba_kernels.resize(one, 60, 70, 61 / 70, 50 / 60) for one in image]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    found = smoothed(torch.from_numpy(image), 0.8)
    np.testing.assert_allclose(found, [gaussian_filter(one, 0.8, mode="nearest") for one in image], atol=1e-3)


def test_no_pair_depends_on_its_company(monkeypatch):
    """Fast and slow pairs, together and one by one; also in batches that do not go up evenly."""
    pairs = [moving_pair(40, peak, noise, seed=0)[:2] for peak, noise in ((0.2, 0), (2.5, 2), (0.0001, 0), (1.0, 2))]
    onsets, frames = map(np.stack, zip(*pairs, strict=True))
    done = []
    inner_loop = torch_kernels.inner_loop
    monkeypatch.setattr(torch_kernels, "inner_loop", lambda *arguments: done.append(inner_loop(*arguments)) or done[-1])
    options = FlowOptions(backend="torch")
    together = flow_maps(onsets, frames, options)
    assert any(len(set(counts.tolist())) > 1 for counts in done)
    for number, maps in enumerate(together):
        part = slice(number, number + 1)
        np.testing.assert_allclose(flow_maps(onsets[part], frames[part], options)[0], maps, atol=1e-4)
    monkeypatch.setattr(tvl1_torch, "_PIXELS_IN_CACHE", 3 * 40 * 40)
    np.testing.assert_allclose(flow_maps(onsets, frames, options), together, atol=1e-4)


def test_the_other_schedule_is_numbas_too():
    onsets, frames, _ = moving_pairs(48, range(4))
    found = [flow(onsets, frames, FlowOptions(backend=name, schedule="ipol")) for name in ("numba", "torch")]
    assert np.abs(found[0] - found[1]).mean() < 0.01
    assert np.corrcoef(found[0].ravel(), found[1].ravel())[0, 1] > 0.99


def test_images_in_any_memory_order_and_threads_left_as_they_were():
    onsets, frames, _ = moving_pairs(32, range(3))
    parameters = {"scales": 2, "warps": 1}
    expected = tvl1_torch.tvl1(onsets, frames, **parameters)
    turned = [np.asfortranarray(images) for images in (onsets, frames)]
    threads = torch.get_num_threads()
    np.testing.assert_array_equal(tvl1_torch.tvl1(*turned, **parameters), expected)
    assert torch.get_num_threads() == threads
    with pytest.raises(ValueError, match="median_filter is 4"):
        tvl1_torch.tvl1(onsets, frames, median_filter=4)
    assert torch.get_num_threads() == threads
