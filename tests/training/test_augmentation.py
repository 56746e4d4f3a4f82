"""Augmentation: per-sample draws, exact mirrors, shared shifts, a blur that is a Gaussian."""

import cv2
import numpy as np
import pytest
import torch

from ra_icl.errors import InputError
from ra_icl.planning.options import from_mapping
from ra_icl.training.augmentation import AugmentationOptions, blur, flip, jitter, share, transform


def generator():
    return torch.Generator().manual_seed(0)


def test_a_flip_mirrors_the_image_and_reverses_u_on_request():
    maps = torch.rand(2, 3, 4, 5)
    assert torch.equal(flip(maps), maps.flip(-1))
    negated = flip(maps, negate_u=True)
    assert torch.allclose(negated[:, 0], 1 - maps.flip(-1)[:, 0])
    assert torch.equal(negated[:, 1:], maps.flip(-1)[:, 1:])
    assert torch.allclose(flip(negated, negate_u=True), maps, atol=1e-6)


def test_samples_get_draws_of_their_own_and_a_seed_repeats_them():
    maps = torch.rand(1, 3, 16, 16).expand(6, -1, -1, -1)
    out = transform(maps, AugmentationOptions(blur=1.0), generator())
    assert len({round(sample.std().item(), 6) for sample in out}) == 6
    assert torch.equal(out, transform(maps, AugmentationOptions(blur=1.0), generator()))


def test_jitter_scales_brightness_linearly():
    maps = 0.1 + 0.9 * torch.rand(4, 3, 8, 8)  # a ratio of values near 0 is all rounding
    options = AugmentationOptions(brightness=0.4, contrast=0, saturation=0)
    ratio = jitter(maps, options, generator()) / maps
    assert torch.allclose(ratio, ratio[:, :1, :1, :1].expand_as(ratio), atol=1e-5)
    assert ratio.min() >= 0.6 - 1e-5
    assert ratio.max() <= 1.4 + 1e-5


def test_nothing_is_drawn_where_everything_is_off():
    maps = torch.rand(2, 3, 8, 8)
    off = AugmentationOptions(brightness=0, contrast=0, saturation=0, blur=0)
    drawn = generator()
    assert torch.equal(transform(maps, off, drawn), maps)
    assert torch.equal(share((maps,), off, drawn)[0], maps)
    assert torch.equal(drawn.get_state(), generator().get_state())


def test_blur_is_opencvs_gaussian():
    maps = torch.rand(1, 3, 20, 20)
    options = AugmentationOptions(blur=1.0, blur_sigma=(1.5, 1.5))
    expected = cv2.GaussianBlur(maps[0, 0].numpy(), (11, 11), 1.5, borderType=cv2.BORDER_REFLECT_101)
    assert np.allclose(blur(maps, options, generator())[0, 0].numpy(), expected, atol=1e-5)


def test_instances_of_a_sequence_move_together():
    maps = torch.rand(8, 3, 10, 10)
    options = AugmentationOptions(flip=0.5, shift=2, flip_negates_u=True)
    p, q = share((maps, maps.clone()), options, generator())
    assert torch.equal(p, q)
    assert not torch.equal(p, maps)


def test_shift_translates_by_whole_pixels():
    maps = torch.rand(64, 3, 9, 9)
    (moved,) = share((maps,), AugmentationOptions(shift=1), generator())
    inner = maps[:, :, 1:-1, 1:-1]
    shifts = [(r, c) for r in range(3) for c in range(3)]
    seen = {
        shift
        for shift in shifts
        for sample in range(64)
        if torch.equal(moved[sample, :, shift[0] : shift[0] + 7, shift[1] : shift[1] + 7], inner[sample])
    }
    assert seen == set(shifts)


@pytest.mark.parametrize("values", [{"brightness": 2.0}, {"flip": -0.1}, {"blur_sigma": (2.0, 1.0)}])
def test_bad_options_are_refused(values):
    with pytest.raises(InputError, match=rf"config: augmentation(\.|: ){next(iter(values))}"):
        from_mapping(AugmentationOptions, values, "augmentation")
