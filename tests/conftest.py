"""Shared by all tests: one thread, so that two test processes on two cores do not fight."""

import sys

import pytest
import torch

from ra_icl.model.options import BackboneOptions, ModelOptions, RegionOptions
from ra_icl.training.augmentation import AugmentationOptions
from ra_icl.training.method import MethodOptions, OptimiserOptions

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded():
    """Every test draws the same numbers on every run."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _closed_figures():
    """No figure outlives its test, as those do whose saving a test takes over."""
    yield
    if plt := sys.modules.get("matplotlib.pyplot"):
        plt.close("all")


@pytest.fixture
def small_method() -> MethodOptions:
    """M6, small enough to train in a test."""
    regions = RegionOptions(queries=3, width=16, heads=2, feedforward=16, hidden=16, embedding=8)
    return MethodOptions(
        model=ModelOptions(BackboneOptions("small", 8, (1, 1)), regions),
        augmentation=AugmentationOptions(brightness=0, contrast=0, saturation=0, blur=0),
        training=OptimiserOptions(epochs=2, batch=8, pairs="sequences", precision="fp32", device="cpu"),
    )
