"""An interrupted fold resumes, and ends exactly as an uninterrupted one."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest
import torch
from fold_data import CLASSES, changed, moving_blobs, train_fold, write_workspace

from ra_icl.errors import InputError
from ra_icl.files import read_json
from ra_icl.training.checkpoint import Checkpoint, Stopped
from ra_icl.training.loop import Training

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")


@pytest.fixture
def method(small_method):
    """Both modules, blur and shifts, which draw random numbers in every step."""
    return changed(small_method, augmentation={"blur": 0.5, "shift": 1}, training={"epochs": 5, "batch": 4})


def training(method, checkpoint=None, device="cpu"):
    sets = moving_blobs(10, 3, seed=1, device=device), moving_blobs(6, 3, seed=2, device=device)
    return Training(*sets, CLASSES, method, 7, device, checkpoint)


def interrupted(path, method, epochs, device="cpu"):
    """A training that is asked to stop in its `epochs`-th epoch."""
    checkpoint = Checkpoint(path, "key", seconds=1e9)
    running = training(method, checkpoint, device)
    epoch = running.epoch

    def stop_in_time():
        checkpoint.asked_to_stop = len(running.record["curve"]) + 1 == epochs
        epoch()

    running.epoch = stop_in_time
    with pytest.raises(Stopped, match="run the same command to resume"):
        running.run()
    return running


VARIANTS = {
    "plain": {},
    "leak": {"training": {"select": "best_on_held_out"}},
    "decay": {"model": {"target_decay_end": 1.0}, "training": {"pairs": "instances"}},
}


@pytest.mark.parametrize("variant", [*VARIANTS, "dropout"])
def test_an_interrupted_training_is_the_uninterrupted_one(tmp_path, method, variant):
    """With dropout too, which draws from PyTorch's own generator, and that has gone on in between."""
    method = changed(method, **VARIANTS.get(variant, {}))
    if variant == "dropout":
        regions = replace(method.model.regions, dropout=0.3, batch_masks=True)
        method = replace(method, model=replace(method.model, regions=regions))
    whole = training(method)
    expected = whole.run()
    interrupted(tmp_path / "kept.safetensors", method, epochs=2)
    torch.rand(7)
    resumed = training(method, Checkpoint(tmp_path / "kept.safetensors", "key"))
    found = resumed.run()
    assert (found.probabilities == expected.probabilities).all()
    assert (found.curve, found.epoch) == (expected.curve, expected.epoch)
    for name, tensor in whole._state().items():
        assert torch.equal(tensor, resumed._state()[name]), name


@CUDA
def test_an_interrupted_training_on_a_gpu_is_close_to_the_uninterrupted_one(tmp_path, method):
    expected = training(method, device="cuda").run()
    interrupted(tmp_path / "kept.safetensors", method, epochs=2, device="cuda")
    found = training(method, Checkpoint(tmp_path / "kept.safetensors", "key"), "cuda").run()
    assert found.probabilities == pytest.approx(expected.probabilities, abs=0.02)


def test_every_tensor_of_a_checkpoint_reads_back_equal(tmp_path, method):
    """Weights, buffers, both moments, steps, the random stream: bit for bit, and in the memory layout of before."""
    stopped = interrupted(tmp_path / "kept.safetensors", method, epochs=3)
    fresh = training(method, Checkpoint(tmp_path / "kept.safetensors", "key"))
    fresh._resume()
    state, found = stopped._state(), fresh._state()
    assert state.keys() == found.keys()
    assert {name.split(".")[1] for name in state if name.startswith("adam.")} == {"steps", "first", "second"}
    assert len({tensor.double().sum().item() for name, tensor in state.items() if ".second." in name}) > 20
    for name, tensor in state.items():
        assert torch.equal(tensor, found[name]), name
        assert tensor.stride() == found[name].stride(), name
    assert torch.equal(stopped.generator.get_state(), fresh.generator.get_state())
    assert fresh.record["curve"] == stopped.record["curve"]
    assert len(fresh.record["curve"]) == 3


def test_a_checkpoint_with_a_flipped_bit_anywhere_is_refused(tmp_path, caplog):
    path = tmp_path / "kept.safetensors"
    tensors = {"model.a": torch.arange(12.0).view(3, 4), "adam.steps": torch.arange(3)}
    Checkpoint(path, "key").save(tensors, {"curve": [1.5, 0.25]})
    whole = path.read_bytes()
    kept, record = Checkpoint(path, "key").load()
    assert torch.equal(kept["model.a"], tensors["model.a"])
    assert record == {"curve": [1.5, 0.25]}
    survived = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        found = Checkpoint(path, "key").load()
        if found:  # a byte that says nothing
            survived += 1
            assert found[1] == record
            assert all(torch.equal(found[0][name], tensor) for name, tensor in tensors.items())
    assert survived < len(whole) / 20
    assert "training starts over" in caplog.text


def test_a_checkpoint_of_something_else_or_in_pieces_starts_the_fold_over(tmp_path, method, caplog):
    path = tmp_path / "kept.safetensors"
    expected = training(method).run()
    interrupted(path, method, epochs=2)
    found = training(method, Checkpoint(path, "another key")).run()
    assert "of other data, options, code or keep_epochs; training starts over" in caplog.text
    path.write_bytes(path.read_bytes()[:-100])
    again = training(method, Checkpoint(path, "key")).run()
    assert "is damaged" in caplog.text
    for one in (found, again):
        assert (one.probabilities == expected.probabilities).all()


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, small_method):
    """A real limit on the size of files stands for the disk; the checkpoint, then the network, are too large."""
    write_workspace(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, before[1]))
    try:
        for keeping in ({"checkpoints": tmp_path / "kept", "checkpoint_seconds": 0}, {"keep_network": True}):
            with pytest.raises(InputError, match=r"^[^\n]*cannot be written[^\n]*free the disk and run again$"):
                train_fold(tmp_path, small_method, **keeping)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    for folder in ("kept", "folds"):
        assert list((tmp_path / folder).iterdir()) == []


def start(workspace, method):
    """The command, which saves its state after every epoch."""
    out = workspace / "broken" / "casme2-sub01.csv"
    command = [sys.executable, "-c", "from ra_icl.cli import main; main()", "fold", f"--out={out}"]
    command += [
        f"--index={workspace / 'casme2.csv'}",
        f"--flow={workspace / 'flow'}",
        "--data-source=twins",
        f"--options={json.dumps(asdict(method))}",
    ]
    command += [f"--checkpoints={workspace / 'kept'}", "--checkpoint-seconds=0", "--keep-network"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def stop_after_an_epoch(process, number):
    """Send the signal once the first epoch of this process is logged; returns all that it logged."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("epoch ") and len([one for one in lines if one.startswith("epoch ")]) == 2:
            process.send_signal(number)
    process.wait()
    return lines


def test_a_command_that_is_killed_twice_ends_as_one_that_was_not(tmp_path, method):
    """By SIGKILL between two epochs, then by SIGTERM, which is one line."""
    write_workspace(tmp_path, subjects=3, sequences=6)
    method = changed(method, training={"epochs": 60, "batch": 12})
    whole = train_fold(tmp_path, method, folder="whole", keep_network=True)
    stop_after_an_epoch(start(tmp_path, method), signal.SIGKILL)
    asked = start(tmp_path, method)
    lines = stop_after_an_epoch(asked, signal.SIGTERM)
    assert any(line.startswith("resumed after epoch") for line in lines)
    assert asked.returncode == 2
    assert lines[-1].startswith("ra-icl: error: stopped by a signal; run the same command to resume")
    assert not (tmp_path / "broken").exists()
    last = start(tmp_path, method)
    errors = last.communicate()[1]
    assert last.returncode == 0, errors
    assert "resumed after epoch" in errors
    broken = tmp_path / "broken" / whole.name
    assert broken.read_bytes() == whole.read_bytes()
    curves = [read_json(path.with_suffix(".json"))["curve"] for path in (whole, broken)]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 60
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == [whole.name, f"{whole.stem}.json"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_to_stop_and_its_handler_is_put_back(tmp_path, number):
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)  # not ignored, as in a background job
    before = signal.getsignal(number)
    with Checkpoint(tmp_path / "kept.safetensors", "key") as checkpoint:
        assert not checkpoint.due()
        os.kill(os.getpid(), number)
        time.sleep(0.01)
        assert checkpoint.due()
    assert signal.getsignal(number) == before
    signal.signal(signal.SIGINT, outside)


def ask_twice(checkpoint):
    with checkpoint:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)
    checkpoint = Checkpoint(tmp_path / "kept.safetensors", "key")
    with pytest.raises(KeyboardInterrupt):
        ask_twice(checkpoint)
    signal.signal(signal.SIGINT, outside)
