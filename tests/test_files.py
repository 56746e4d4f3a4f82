"""Files between the stages: written whole or not at all, and read back."""

import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from ra_icl import files
from ra_icl.errors import InputError


def test_a_stream_of_tensors_is_a_safetensors_file(tmp_path):
    rng = np.random.default_rng(0)
    tensors = {
        "a": rng.integers(0, 255, (3, 5, 7)).astype(np.uint8),
        "b": rng.normal(size=(2, 4)).astype(np.float16),
        "c": rng.normal(size=(9,)).astype(np.float32)[::2],
    }
    record = {}

    def stream():
        for name, array in tensors.items():
            record[name] = len(array)
            yield name, array

    files.save_tensor_stream(tmp_path / "x.safetensors", stream(), {"sequences": record})
    for found in (load_file(tmp_path / "x.safetensors"), files.load_tensors(tmp_path / "x.safetensors")[0]):
        assert list(found) == list(tensors)
        for name, array in tensors.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype
    assert files.load_tensors(tmp_path / "x.safetensors")[1] == {"sequences": {"a": 3, "b": 2, "c": 5}}


def test_a_stream_that_fails_leaves_nothing(tmp_path):
    def stream():
        yield "a", np.zeros(3, np.uint8)
        raise InputError("gone")

    with pytest.raises(InputError):
        files.save_tensor_stream(tmp_path / "x.safetensors", stream(), {})
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_others_are_writing_is_not(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    running = os.getppid()
    names = [f".x.{gone.pid}.json", f".x.{running}.json", f".x.y.{gone.pid}.json", f".xy.{gone.pid}.json", "x.1.json"]
    for name in names:
        (tmp_path / name).write_text("{")
    files.write_json(tmp_path / "x.json", 1)
    assert {path.name for path in tmp_path.iterdir()} == {"x.json", *names[1:]}
