"""A fold that is killed goes on where it was, and ends as one that was not."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from ra_icl.datasets.index import COLUMNS
from ra_icl.files import save_tensors
from ra_icl.training.checkpoint import StopRequest

EPOCHS = 40
KEPT = "kept/casme2-sub01.safetensors"


@pytest.fixture
def workspace(tmp_path, small_options):
    """Three CASME II subjects with noise for flow, and the options of a fold with both modules and blur."""
    rng = np.random.default_rng(0)
    rows = []
    for subject in ("sub01", "sub02", "sub03"):
        names = [f"EP0{n}" for n in range(6)]
        emotions = ("disgust", "happiness", "surprise") * 2
        rows += [("casme2", subject, n, "x", 1, 3, 5, 200, e) for n, e in zip(names, emotions, strict=True)]
        maps = {name: rng.normal(size=(3, 3, 16, 16)).astype(np.float16) for name in names}
        save_tensors(tmp_path / "flow" / "casme2" / f"{subject}.safetensors", maps, {})
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(tmp_path / "casme2.csv", index=False)
    small_options["augmentation"] = {"blur": 0.5, "shift": 1}
    small_options["training"] |= {"epochs": EPOCHS, "batch": 4}
    (tmp_path / "options.json").write_text(json.dumps(small_options))
    return tmp_path


def fold(workspace, name, wait=False, before="", seconds=0, folds=("casme2-sub01",), **changes):
    """Start the folds; they keep their state after every epoch. before: Python that runs first."""
    options = json.loads((workspace / "options.json").read_text())
    options["training"] |= changes
    arguments = {
        **{"index": workspace / "casme2.csv", "flow": workspace / "flow", "checkpoints": workspace / "kept"},
        **{"checkpoint-seconds": seconds, "device": "cpu", "options": json.dumps(options)},
    }
    command = [sys.executable, "-c", f"{before}from ra_icl.cli import main; main()", "fold"]
    command += [str(workspace / name / f"{held_out}.csv") for held_out in folds]
    command += [f"--{key}={value}" for key, value in arguments.items()]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    if wait:
        process.errors = process.communicate()[1]
    return process


def wait_for(true, seconds=30):
    """Return once `true()` is, or the time is over."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)


def stop_in_the_middle(workspace, name, number):
    """Send the signal once some epochs are kept; returns the process."""
    process = fold(workspace, name)
    kept = workspace / KEPT
    wait_for(lambda: kept.exists() and process.poll() is None)
    process.send_signal(number)
    process.errors = process.communicate()[1]
    assert not (workspace / name).exists() or list((workspace / name).iterdir()) == []
    assert kept.exists()
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_fold_that_is_killed_ends_as_one_that_was_not(workspace, number):
    assert fold(workspace, "whole", wait=True).returncode == 0
    assert not (workspace / KEPT).exists()
    process = stop_in_the_middle(workspace, "broken", number)
    if number == signal.SIGTERM:
        assert process.returncode == 2
        assert process.errors.splitlines()[-1].startswith("ra-icl: error: ")
        assert "run the same command to go on" in process.errors
    again = fold(workspace, "broken", wait=True)
    assert again.returncode == 0, again.errors
    assert "resumed after epoch" in again.errors
    for suffix in (".csv", ".safetensors"):
        whole, broken = ((workspace / name / f"casme2-sub01{suffix}").read_bytes() for name in ("whole", "broken"))
        assert whole == broken
    curves = [json.loads((workspace / name / "casme2-sub01.json").read_text())["curve"] for name in ("whole", "broken")]
    assert curves[0] == curves[1]
    assert len(curves[0]) == EPOCHS
    assert not (workspace / KEPT).exists()


def test_a_pack_that_is_killed_trains_its_finished_folds_no_second_time(workspace):
    """Their files are deleted by the workflow, as their job failed."""
    folds = [f"casme2-sub0{number}" for number in (1, 2, 3)]
    assert fold(workspace, "whole", wait=True, folds=folds, seconds=1e9).returncode == 0
    process = fold(workspace, "broken", folds=folds)
    second = workspace / "kept" / f"{folds[1]}.safetensors"
    wait_for(lambda: second.exists() or process.poll() is not None)
    process.kill()
    process.communicate()
    shutil.rmtree(workspace / "broken")
    again = fold(workspace, "broken", wait=True, folds=folds)
    assert again.returncode == 0, again.errors
    assert f"resumed after epoch {EPOCHS}\n" in again.errors
    assert again.errors.count(f"epoch 1/{EPOCHS} ") == 1  # of the third alone
    for path in (workspace / "whole").iterdir():
        if path.suffix != ".json":  # which says how long it took
            assert (workspace / "broken" / path.name).read_bytes() == path.read_bytes()
    assert list((workspace / "kept").iterdir()) == []


def test_a_checkpoint_of_something_else_or_in_pieces_is_not_resumed(workspace):
    stop_in_the_middle(workspace, "broken", signal.SIGKILL)
    other = fold(workspace, "other", wait=True, epochs=2)
    assert other.returncode == 0
    assert "is of other data, options or code; training starts over" in other.errors
    (workspace / KEPT).write_bytes(b"\x08" + bytes(40))
    torn = fold(workspace, "torn", wait=True, epochs=2)
    assert torn.returncode == 0
    assert "cannot be read" in torn.errors
    assert (workspace / "torn/casme2-sub01.csv").read_bytes() == (workspace / "other/casme2-sub01.csv").read_bytes()


def test_a_full_disk_is_one_line_and_leaves_nothing(workspace):
    """A real limit on the size of files stands for the disk: the network's weights are the first to pass it."""
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
    for name, seconds in (("checkpoint", 0), ("result", 1e9)):
        process = fold(workspace, name, wait=True, before=limited, seconds=seconds, epochs=1)
        assert process.returncode == 2
        [line] = [line for line in process.errors.splitlines() if "error" in line]
        assert line.startswith("ra-icl: error: ")
        assert "cannot be written" in line
        assert line.endswith("free the disk and run again")
        assert [path for path in workspace.rglob("*") if path.is_file() and name in str(path.parent)] == []
    assert not (workspace / KEPT).exists()


def test_a_pack_that_is_asked_to_stop_begins_no_other_fold(workspace):
    """The request comes while the first fold's files are written."""
    before = (
        "import os, signal; from ra_icl import fold; written = fold.write_fold\n"
        "def write(*a): written(*a); os.kill(os.getpid(), signal.SIGTERM)\n"
        "fold.write_fold = write\n"
    )
    folds = ["casme2-sub01", "casme2-sub02"]
    process = fold(workspace, "asked", wait=True, before=before, folds=folds, epochs=2)
    assert process.returncode == 2
    assert process.errors.splitlines()[-1].startswith("ra-icl: error: stopped by a signal; run the same command")
    assert sorted(path.name for path in (workspace / "asked").iterdir()) == [
        f"casme2-sub01{suffix}" for suffix in (".csv", ".json", ".safetensors")
    ]
    assert [path.name for path in (workspace / "kept").iterdir()] == ["casme2-sub01.safetensors"]


def test_the_handler_of_sigterm_is_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        assert signal.getsignal(signal.SIGTERM) != before
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        assert stop.made
    assert signal.getsignal(signal.SIGTERM) == before
