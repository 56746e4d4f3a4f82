"""The GPU benchmark, tried on a CPU with tiny sizes: every part leaves its result."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ra_icl.files import read_json

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.sh"


def test_every_part_leaves_its_result(tmp_path):
    environment = os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    command = [SCRIPT, "--device", "cpu", "--smoke", "--out", tmp_path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    logs = "".join(path.read_text() for path in sorted(tmp_path.glob("*.log")))
    assert done.returncode == 0, done.stdout + logs
    tests, step, folds, flow, profile = (
        read_json(tmp_path / f"{part}.json") for part in ("tests", "step", "folds", "flow", "profile")
    )
    assert tests["recorded_steps"]["agree"]
    assert tests["pytest"]["exit_status"] == 0, tests["pytest"]["output"]
    assert "no CUDA GPU here" in "".join(tests["pytest"]["output"])
    rate = step["sequences_per_second"]["trainer"]
    assert step["tflops"] == pytest.approx(step["gflop_per_sequence"] * rate / 1e3)
    assert step["ratio"] > 0
    for count in (1, 2):
        assert folds[str(count)]["errors"] == []
        assert list(folds[str(count)]["epochs"].values()) == [2] * count
        assert folds[str(count)]["cde_minutes"] > 0
    for part in ("eager", "compiled", "agreement"):
        assert "error" not in flow[part]
    assert profile["top"][0]["share"] >= profile["top"][1]["share"] > 0
