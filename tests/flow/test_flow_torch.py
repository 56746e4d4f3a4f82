"""The TV-L1 of many pairs: its steps against Numba's, and pairs that do not depend on each other."""

import numpy as np
import pytest
import torch
from flow_pairs import moving_pair, moving_pairs
from scipy.ndimage import gaussian_filter

from ra_icl.flow import numba_kernels, torch_kernels, tvl1_numba, tvl1_torch
from ra_icl.flow.maps import flow, flow_maps
from ra_icl.flow.numba_warp import RING, warp, with_slopes
from ra_icl.flow.options import FlowOptions, IpolSchedule, Schedule

HEIGHT, WIDTH = 19, 26


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def padded(planes):
    """Planes (C, H, W) as Numba's kernels want them: flat, with a border."""
    return np.pad(planes, ((0, 0), (1, 1), (0, 1))).reshape(len(planes), -1).astype(np.float32)


def inside(planes):
    return planes.reshape(len(planes), HEIGHT + 2, WIDTH + 1)[:, 1:-1, :-1]


def test_warp_and_slopes_are_numbas(rng):
    pairs = rng.uniform(0, 255, (2, 2, HEIGHT, WIDTH)).astype(np.float32)
    fields = rng.uniform(-4, 4, (2, 2, HEIGHT, WIDTH)).astype(np.float32)
    slopes = torch_kernels.slopes(torch.from_numpy(pairs[:, 1]))
    found = torch_kernels.warp(torch.from_numpy(pairs), torch.from_numpy(fields))
    for pair in range(2):
        onset, frame = pairs[pair]
        planes, expected = with_slopes(frame), padded(np.zeros((4, HEIGHT, WIDTH)))
        warp(onset, planes, padded(fields[pair]), expected)
        np.testing.assert_array_equal(slopes[pair].permute(1, 2, 0), planes[RING:-RING, RING:-RING])
        np.testing.assert_allclose(found[pair, [0, 1, 3]], inside(expected)[[0, 1, 3]], atol=2e-3)
        np.testing.assert_allclose(found[pair, 2], inside(expected)[2], rtol=1e-3)


def test_iterations_are_numbas_for_each_pair_alone(rng):
    """Two pairs: one does all iterations, one stops on the way and stays as it is."""
    slope, rho = rng.normal(size=(2, 2, HEIGHT, WIDTH)), rng.normal(size=(2, 1, HEIGHT, WIDTH))
    warped = np.concatenate([slope, 1 / (slope**2).sum(1, keepdims=True), rho], axis=1).astype(np.float32)
    size = np.array([1, 0.1])[:, None, None, None]
    start, start_dual = (size * rng.normal(size=(2, planes, HEIGHT, WIDTH)) for planes in (2, 4))
    stop = 5.0
    schedule = Schedule(inner_iterations=12, epsilon=(stop / HEIGHT / WIDTH) ** 0.5)
    parts = (torch.from_numpy(part.astype(np.float32)) for part in (warped, start, start_dual))
    field, dual, active = tvl1_torch.inner_loop(*parts, schedule)
    assert active.tolist() == [True, False]
    steps = [schedule.lambda_ * schedule.theta, schedule.theta, schedule.tau / schedule.theta, stop]
    for pair in range(2):
        planes = [padded(part[pair]) for part in (warped, start, start_dual)]
        converged = numba_kernels.inner_loop(*planes, HEIGHT, WIDTH, *map(np.float32, steps), 12)
        assert converged == (not active[pair])
        np.testing.assert_allclose(field[pair], inside(planes[1]), atol=1e-5)
        np.testing.assert_allclose(dual[pair], inside(planes[2]), atol=1e-5)


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("most", [6, 10**6])  # many values are equal, and few
def test_the_median_is_opencvs(rng, size, most):
    field = rng.integers(0, most, (3, 2, 9, 4)).astype(np.float32)
    found = torch_kernels.median(torch.from_numpy(field), size)
    np.testing.assert_array_equal(found, [tvl1_numba.median(pair, size) for pair in field])


@pytest.mark.parametrize("schedule", [Schedule(), IpolSchedule()])
def test_pyramids_are_numbas(rng, schedule):
    images = rng.uniform(0, 255, (2, 3, 50, 61)).astype(np.float32)
    found = tvl1_torch.pyramid(torch.from_numpy(images), schedule)
    how = (schedule.scales, schedule.scale_step, schedule.presmooth, schedule.pyramid_smooth)
    for pair in range(2):
        for channel in range(3):
            expected = tvl1_numba._pyramid(images[pair, channel], *how)
            for level, one in zip(found, expected, strict=True):
                np.testing.assert_allclose(level[pair, channel], one, atol=2e-3)


def test_smoothing_is_scipys(rng):
    images = rng.uniform(0, 255, (2, 1, 20, 31)).astype(np.float32)
    found = torch_kernels.smoothed(torch.from_numpy(images), 0.8)
    np.testing.assert_allclose(found, gaussian_filter(images, (0, 0, 0.8, 0.8), mode="nearest"), atol=1e-3)


def test_no_pair_depends_on_its_company(monkeypatch):
    """Fast and slow pairs, together and one by one; also in batches that do not divide evenly."""
    pairs = [moving_pair(40, peak, noise, seed=0)[:2] for peak, noise in ((0.2, 0), (2.5, 2), (0.0001, 0), (1.0, 2))]
    onsets, frames = map(np.stack, zip(*pairs, strict=True))
    counts, inner_loop = set(), tvl1_torch.inner_loop
    monkeypatch.setattr(tvl1_torch, "inner_loop", lambda *parts: counts.add(len(parts[0])) or inner_loop(*parts))
    options = FlowOptions(backend="torch")
    together = flow_maps(onsets, frames, options)
    assert min(counts) < max(counts) == 4  # those that have converged leave the others
    for number, maps in enumerate(together):
        part = slice(number, number + 1)
        np.testing.assert_allclose(flow_maps(onsets[part], frames[part], options)[0], maps, atol=1e-4)
    monkeypatch.setattr(tvl1_torch, "PIXELS_IN_CACHE", 3 * 40 * 40)
    np.testing.assert_allclose(flow_maps(onsets, frames, options), together, atol=1e-4)


def test_a_batch_is_halved_until_it_fits(monkeypatch):
    onsets, frames, _ = moving_pairs(32, range(7))
    options, plain = FlowOptions(backend="torch"), tvl1_torch._flow
    expected = flow_maps(onsets, frames, options)
    tried = []

    def with_room_for_two(pairs, schedule):
        tried.append(len(pairs))
        if len(pairs) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(pairs, schedule)

    monkeypatch.setattr(tvl1_torch, "PIXELS_IN_CACHE", 5 * 32 * 32)
    monkeypatch.setattr(tvl1_torch, "_flow", with_room_for_two)
    np.testing.assert_allclose(flow_maps(onsets, frames, options), expected, atol=1e-4)
    assert tried == [5, 2, 2, 2, 1]
    monkeypatch.setattr(tvl1_torch, "_flow", lambda *_: with_room_for_two(range(3), None))
    with pytest.raises(torch.OutOfMemoryError):  # not even one pair fits
        flow_maps(onsets, frames, options)


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
