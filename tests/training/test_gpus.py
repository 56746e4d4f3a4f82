"""GPUs: which ones are visible, and how concurrent processes spread over them, with a fake nvidia-smi of four."""

import subprocess
import sys
from collections import Counter

import pytest

from ra_icl.training.gpus import Gpu, visible_gpus

FOUR = tuple(Gpu(number, f"GPU-{number}abc-{number}", f"Card {number}", "570.86") for number in range(4))
CLAIM = (
    "import sys; from ra_icl.training.gpus import claim_gpu\n"
    "gpu = claim_gpu(*sys.argv[1:])\n"
    "import os; print(gpu and gpu.uuid, os.environ.get('CUDA_VISIBLE_DEVICES'), 'torch' in sys.modules, flush=True)\n"
    "sys.stdin.read()"
)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function that makes nvidia-smi list some GPUs; locks go to a folder of the test."""

    def with_gpus(gpus, status=0, warning=""):
        lines = warning + "".join(f"{gpu.index}, {gpu.uuid}, {gpu.name}, {gpu.driver}\\n" for gpu in gpus)
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\nprintf '{lines}'\nexit {status}\n")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return with_gpus


@pytest.fixture
def claimants():
    """A function that starts a process which claims a GPU and keeps it; returns what the process says."""
    started = []

    def start(*device):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen([sys.executable, "-c", CLAIM, *device], **pipes))
        return started[-1]

    yield start
    for process in started:
        process.communicate()


def words(process):
    return process.stdout.readline().split()


@pytest.mark.parametrize(("gpus", "status"), [((), 0), ((), 6), ((), 9)])
def test_without_a_working_driver_there_is_no_gpu(machine, gpus, status):
    machine(gpus, status)
    assert visible_gpus() == []


def test_warnings_of_nvidia_smi_hide_no_gpu(machine):
    """They stand among its rows, and make its exit status non-zero: 14 for a damaged infoROM."""
    machine(FOUR, status=14, warning="WARNING: infoROM is corrupted at gpu 0\\n")
    assert subprocess.run("nvidia-smi", capture_output=True, check=False).stdout.startswith(b"WARNING: infoROM")
    assert visible_gpus() == list(FOUR)


def test_without_nvidia_smi_there_is_no_gpu(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == []


@pytest.mark.parametrize(
    ("wanted", "indices"),
    [
        (None, [0, 1, 2, 3]),
        ("2", [2]),
        ("3,1", [3, 1]),
        ("GPU-1abc-1,0", [1, 0]),
        ("GPU-2", [2]),
        ("", []),
        ("-1", []),
        ("0,-1,1", [0]),
        ("1,7,2", [1]),
        ("GPU-,0", []),
    ],
)
def test_cuda_visible_devices_is_respected(machine, monkeypatch, wanted, indices):
    machine(FOUR)
    if wanted is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", wanted)
    assert visible_gpus() == [FOUR[index] for index in indices]


def test_a_mig_slice_is_taken_by_its_name(machine, monkeypatch):
    machine(FOUR[:1])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-77")
    assert [gpu.uuid for gpu in visible_gpus()] == ["MIG-77"]


def test_eight_processes_are_spread_over_four_gpus_and_give_them_back(machine, claimants):
    machine(FOUR)
    running = [claimants() for _ in range(8)]
    claimed = [words(process) for process in running]
    assert Counter(uuid for uuid, _, _ in claimed) == {gpu.uuid: 2 for gpu in FOUR}
    assert all(uuid == visible and torch == "False" for uuid, visible, torch in claimed)
    for process, (uuid, *_) in zip(running, claimed, strict=True):
        if uuid == FOUR[2].uuid:
            process.kill()  # however it ends
            process.wait()
    assert [words(claimants())[0] for _ in range(2)] == [FOUR[2].uuid] * 2


def test_only_visible_gpus_are_claimed(machine, claimants, monkeypatch):
    machine(FOUR)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    claimed = [words(claimants())[0] for _ in range(4)]
    assert Counter(claimed) == {FOUR[1].uuid: 2, FOUR[3].uuid: 2}


def test_a_cpu_claims_nothing(machine, claimants):
    machine(FOUR)
    assert words(claimants("cpu")) == ["None", "None", "False"]
    assert words(claimants("cuda"))[0] == FOUR[0].uuid
    machine(())
    assert words(claimants("auto")) == ["None", "None", "False"]
