"""The flow on a GPU: agreement with Numba, hundreds of pairs in a batch, memory. Needs CUDA, and no OpenCV."""

import numpy as np
import pytest
import torch
from flow_pairs import distance, moving_pairs, texture

from ra_icl.flow import tvl1_torch
from ra_icl.flow.maps import flow, flow_maps
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.strain import optical_strain

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
OPTIONS = FlowOptions(backend="torch")


@pytest.fixture(scope="module")
def pairs():
    return moving_pairs(128, range(48), texture)


def test_it_agrees_with_numba_and_known_motion(pairs):
    onsets, frames, motion = pairs
    maps = flow_maps(onsets, frames, OPTIONS)
    expected = flow(onsets, frames, FlowOptions(backend="numba"))
    between, errors = distance(maps[:, :2], expected), [distance(field, motion) for field in (maps[:, :2], expected)]
    print(f"{tvl1_torch.VERSION}: {between:.4f} px from numba; against the truth {errors[0]:.4f}, {errors[1]:.4f} px")
    assert between <= 0.012
    assert errors[0] <= errors[1] + 0.001
    np.testing.assert_allclose(maps[:, 2], optical_strain(maps[:, :2]), atol=1e-4)


def test_a_batch_of_hundreds_gives_what_each_pair_alone_gives_twice(pairs):
    onsets, frames = (np.concatenate([part] * 6) for part in pairs[:2])
    together = flow(onsets, frames, OPTIONS)
    assert np.array_equal(together, flow(onsets, frames, OPTIONS))
    assert np.array_equal(together[:48], together[-48:])
    for number in (0, 17, 40):
        alone = flow(onsets[number], frames[number : number + 1], OPTIONS)
        np.testing.assert_array_equal(alone[0], together[number])
    assert np.abs(flow(onsets, onsets, OPTIONS)).max() == 0


def test_memory_stays_within_what_is_said():
    onsets, frames = np.random.default_rng(0).integers(0, 255, (2, 256, 224, 224)).astype(np.uint8)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    tvl1_torch.tvl1(onsets, frames, strain=True)
    assert torch.cuda.max_memory_allocated() <= 256 * 4 * tvl1_torch.PLANES * 224 * 224
