"""The SVM on raw maps: its features are the pixels."""

import numpy as np
import pytest
import torch
from descriptor_data import distinct_maps

from ra_icl.errors import InputError
from ra_icl.peers.svm import Settings, classifier, describe
from ra_icl.planning.options import from_mapping


def test_features_are_all_pixels_of_u_v_and_strain_in_order():
    maps = distinct_maps(3, 6, 6)
    four = np.concatenate([maps, maps[:, :1]], axis=1)  # with depth, which it does not read
    found = describe(torch.from_numpy(four), Settings(size=6))
    expected = [[one[c, y, x] for c in range(3) for y in range(6) for x in range(6)] for one in maps]
    np.testing.assert_array_equal(found, np.array(expected))


def test_larger_maps_are_averaged_to_its_size():
    """Stripes of 8 pixels of values 0, 8, 16, 24 become 0, 8, 16, 24 where no neighbour is mixed in."""
    maps = torch.arange(4.0).repeat_interleave(8).mul(8).expand(1, 3, 32, 32)
    found = describe(maps, Settings(size=8)).reshape(3, 8, 8)
    assert (np.diff(found, axis=2) >= 0).all()
    np.testing.assert_allclose(found[:, :, [0, 7]], np.broadcast_to([0, 24], (3, 8, 2)), atol=1e-5)
    np.testing.assert_allclose(found.mean(), 12, rtol=1e-5)


def test_settings_reach_the_machine():
    machine = classifier(Settings(c=3.0, gamma=0.25))[-1]
    assert (machine.kernel, machine.C, machine.gamma) == ("rbf", 3.0, 0.25)
    assert classifier(Settings())[-1].gamma == "scale"
    assert from_mapping(Settings, {"gamma": 0.5}).gamma == 0.5
    with pytest.raises(InputError, match="gamma"):
        from_mapping(Settings, {"gamma": "auto"})
