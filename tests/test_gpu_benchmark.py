"""The GPU benchmark, tried on a CPU with tiny sizes: every part leaves its result."""

import importlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ra_icl.files import read_json
from ra_icl.training.losses import objective
from ra_icl.training.objective import siamese_terms

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.sh"


def test_the_plain_loop_computes_the_trainers_objective(monkeypatch, small_method):
    """Of the same pair, without augmentation, with networks in evaluation mode: it passes each direction alone."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    plain_loop, training = importlib.import_module("plain_loop"), importlib.import_module("training")
    for loss in ({}, {"attention_form": "squared", "consistency_form": "byol", "alignment": 2, "consistency": 3}):
        options = replace(small_method, loss=replace(small_method.loss, **loss))
        plain = plain_loop.PlainLoop(training.noise_sets(8, 16, "cpu"), 3, options, "cpu", workers=0)
        model = plain.model.eval()
        with torch.no_grad():
            for parameter in model.target.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        p, q, _, _, labels = next(plain.batches())
        terms = siamese_terms(model, (p, q), labels, options, torch.Generator())
        expected = objective(terms.losses, options.loss)
        found = plain.step(p, q, q.flip(-1), p.flip(-1), labels)
        assert found == pytest.approx(expected.item(), rel=1e-5)


def test_the_gpu_tests_are_collected_where_little_is_installed(monkeypatch):
    """With what the head of gpu.sh names: one file that needs more would cost all its tests without a word."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    files = importlib.import_module("gpu").gpu_test_files()
    absent = ("pydantic", "cv2", "typer", "sklearn", "matplotlib", "rich", "captum", "snakemake", "openpyxl")
    code = f"import sys\nsys.modules |= dict.fromkeys({absent})\nimport pytest\nsys.exit(pytest.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "--collect-only", "-q", "-o", "addopts=", *files]
    done = subprocess.run(command, cwd=SCRIPT.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    for name in (
        "every_method_is_recorded_on_a_gpu[m6_cited]",
        "every_network_trains_on_a_gpu[htnet]",
        "agrees_with_numba",
    ):
        assert name in done.stdout


def test_every_part_leaves_its_result(tmp_path):
    environment = os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    command = [SCRIPT, "--device", "cpu", "--smoke", "--out", tmp_path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + (tmp_path / "log.txt").read_text()
    tests, step, folds, flow, profile = (
        read_json(tmp_path / f"{part}.json") for part in ("tests", "step", "folds", "flow", "profile")
    )
    assert tests["recorded_steps"]["agree"]
    assert tests["pytest"]["exit_status"] == 0, tests["pytest"]["output"]
    output = "".join(tests["pytest"]["output"])
    assert "test_a_step_of_every_method_is_recorded_on_a_gpu[m6]" in output
    assert torch.cuda.is_available() or "no CUDA GPU here" in output
    rate = step["pairs_per_second"]["trainer"]
    assert step["tflops"] == pytest.approx(step["gflop_per_pair"] * rate / 1e3)
    assert step["ratio"] > 0
    assert len(step["ratios"]) == 5
    for count in (1, 2):
        assert folds[str(count)]["errors"] == []
        assert list(folds[str(count)]["epochs"].values()) == [2] * count
        assert folds[str(count)]["cde_minutes"] > 0
    for part in ("speed", "agreement"):
        assert "error" not in flow[part]
    assert profile["top"][0]["share"] >= profile["top"][1]["share"] > 0
