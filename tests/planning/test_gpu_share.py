"""How many folds share a GPU: the memory that a fold needs, and what nvidia-smi says."""

from pathlib import Path

import pytest

from ra_icl.planning import gpu_share
from ra_icl.planning.config import load_config
from ra_icl.planning.gpu_share import FIXED_MIB, MIB, fold_mib, folds_beside, gpu_mib
from ra_icl.planning.plan import make_plan

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan():
    """The paper's benchmark on the full census of twins under CDE."""
    files = [ROOT / "config/config.yaml", ROOT / "tests/workflow/full_census.yaml"]
    return make_plan(load_config(files))


def nvidia_smi(tmp_path, monkeypatch, text, status=0):
    """Put a program of that name first in PATH that prints `text`."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '{text}'\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def test_the_smallest_gpu_counts(tmp_path, monkeypatch):
    nvidia_smi(tmp_path, monkeypatch, "81559\\n24564\\n")
    assert gpu_mib() == 24564


@pytest.mark.parametrize(("text", "status"), [("", 0), ("No devices were found", 6), ("[N/A]\\n", 0)])
def test_without_a_gpu_it_is_zero(tmp_path, monkeypatch, text, status):
    nvidia_smi(tmp_path, monkeypatch, text, status)
    assert gpu_mib() == 0
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert gpu_mib() == 0


def test_a_fold_needs_its_maps_and_the_activations_of_a_step(plan):
    """All maps of 224 px in half precision, 16 a sequence where it is long enough, and 64 images of a step."""
    length = plan.selected["cde"]["offset"] - plan.selected["cde"]["onset"]
    maps = int(length.clip(upper=16).sum()) * 3 * 224**2 * 2
    activations = gpu_share.SLACK * 64 * 224**2 * 320
    assert fold_mib(plan, "cde", "m6") == pytest.approx(FIXED_MIB + (maps + activations) / MIB)
    assert fold_mib(plan, "cde", "m1") == pytest.approx(FIXED_MIB + (442 * 3 * 224**2 * 2 + activations) / MIB)
    assert fold_mib(plan, "cde", "m8") > fold_mib(plan, "cde", "m6")


def test_as_many_folds_as_fit_share_a_gpu(plan):
    most = max(fold_mib(plan, "cde", method) for method in plan.methods)
    assert folds_beside(plan, int(3.5 * most), cores=16) == 3
    assert folds_beside(plan, int(3.5 * most), cores=2) == 2
    assert folds_beside(plan, int(0.5 * most), cores=16) == 1  # it may still fit; none at all would never run
    assert folds_beside(plan, int(100 * most), cores=16) == gpu_share.MOST_FOLDS
