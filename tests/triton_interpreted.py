"""Triton's kernels, interpreted on a CPU, against plain torch; `test_flow_triton` runs this with TRITON_INTERPRET=1."""

from dataclasses import asdict

import cv2
import numpy as np
import pytest
import torch

from ra_icl.flow import torch_kernels as plain
from ra_icl.flow import triton_kernels as fused
from ra_icl.flow import tvl1_torch
from ra_icl.flow.options import Schedule
from ra_icl.flow.torch_pyramid import slopes

STEPS = (0.045, 0.3, 0.83)


@pytest.fixture(params=[(5, 7), (9, 13)])
def state(request, monkeypatch):
    """Onset, frame and slopes, warped planes, flow and dual field of four pairs; the larger take two strips each."""
    monkeypatch.setattr(fused, "BLOCK", 32)
    monkeypatch.setattr(fused, "STRIP", 2)
    generator = torch.Generator().manual_seed(0)
    height, width = request.param
    onset, frame = 255 * torch.rand(2, 4, height, width, generator=generator)
    field, dual = (torch.randn(4, planes, height, width, generator=generator) for planes in (2, 4))
    warped = torch.empty_like(dual)
    plain.warp(onset, slopes(frame), field, warped)
    return onset, slopes(frame), warped, field, 0.1 * dual


def test_warp(state):
    onset, planes, _, field, dual = state
    far = 3 * field
    expected, found = torch.empty_like(dual), torch.full_like(dual, torch.nan)
    plain.warp(onset, planes, far, expected)
    fused.warp(onset, planes, far, found)
    torch.testing.assert_close(found[:, [0, 1, 3]], expected[:, [0, 1, 3]], rtol=0, atol=1e-3)
    square = (found[:, :2] ** 2).sum(dim=1)
    torch.testing.assert_close(found[:, 2] * square.clamp(min=1e-12), torch.ones_like(square))


@pytest.mark.parametrize("size", [3, 5])
def test_median(state, size):
    field = state[3]
    active = torch.tensor([True, False, True, True])
    expected, found = field.clone(), field.clone()
    plain.median(expected, active, size)
    fused.median(found, active, size)
    assert torch.equal(found, expected)
    assert torch.equal(found[1], field[1])


def changes_of(pair, state, iterations):
    """Its sum of squared changes in each iteration."""
    parts, found = [part[pair : pair + 1].clone() for part in state], []
    for _ in range(iterations):
        found.append(float(plain._primal_step(*parts, *STEPS[:2]).square().sum()))
        plain.inner_loop(*parts, torch.tensor([True]), (*STEPS, -1.0), 1)
    return found


@pytest.mark.parametrize("iterations", [1, 3, 4])
def test_inner_loop_with_pairs_that_stop_at_different_times(state, iterations):
    """The second pair is not active, the third stops after one iteration, the last after three, the first never."""
    size = torch.tensor([30.0, 1.0, 1e-4, 1.0])[:, None, None, None]
    start = [state[2] * torch.tensor([1.0, 1.0, 0.0, 1.0])[:, None, None, None], size * state[3], size * state[4]]
    changes = changes_of(3, start, 3)
    stop = 1.001 * changes[2]
    assert stop < changes[1]
    assert stop < min(changes_of(0, start, iterations))
    active = torch.tensor([True, False, True, True])
    expected, found = ([*(part.clone() for part in start), active.clone()] for _ in range(2))
    done = plain.inner_loop(*expected, (*STEPS, stop), iterations)
    assert done.tolist() == [iterations, 0, 1, min(iterations, 3)]
    assert fused.inner_loop(*found, (*STEPS, stop), iterations).tolist() == done.tolist()
    assert found[3].tolist() == expected[3].tolist() == [True, False, False, iterations < 3]
    for mine, other in zip(found[1:3], expected[1:3], strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=2e-5)
    assert torch.equal(found[1][1], start[1][1])


def test_what_is_not_contiguous_is_refused(state):
    field = state[3].transpose(2, 3)
    with pytest.raises(ValueError, match="not contiguous"):
        fused.median(field, torch.ones(4, dtype=torch.bool), 3)


def test_the_driver_gives_the_same_flow_with_either(monkeypatch):
    images = cv2.GaussianBlur(np.random.default_rng(0).normal(size=(20, 23, 4)), (0, 0), 3)
    onsets, frames = np.rint(128 + 400 * images).astype(np.uint8).transpose(2, 0, 1).reshape(2, 2, 20, 23)
    parameters = asdict(Schedule(scales=2, warps=1, outer_iterations=2, inner_iterations=3))
    expected = tvl1_torch.tvl1(onsets, frames, **parameters)
    assert np.abs(expected).mean() > 0.02
    monkeypatch.setattr(tvl1_torch, "_kernels", fused)
    np.testing.assert_allclose(tvl1_torch.tvl1(onsets, frames, **parameters), expected, atol=1e-3)
