"""Shared by all tests: one thread, so that two test processes on two cores do not fight."""

import pytest
import torch

from ra_icl.training.method import MethodOptions

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded():
    """Every test draws the same numbers on every run."""
    torch.manual_seed(0)


@pytest.fixture
def small_options() -> dict:
    """A method small enough to train in a test, as a slice of the config."""
    return {
        "model": {
            "backbone": {"stem": "small", "width": 8, "blocks": [1, 1]},
            "regions": {
                "queries": 3,
                "width": 16,
                "heads": 2,
                "feedforward": 16,
                "hidden": 16,
                "embedding": 8,
            },
        },
        "augmentation": {"brightness": 0, "contrast": 0, "saturation": 0, "blur": 0},
        "training": {"epochs": 2, "batch": 8, "precision": "fp32"},
    }


@pytest.fixture
def small_method(small_options) -> MethodOptions:
    from ra_icl.planning.options import from_mapping

    return from_mapping(MethodOptions, small_options, "test")
