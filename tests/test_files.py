"""Files between the stages: written whole or not at all, and read back."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from ra_icl import files
from ra_icl.errors import InputError


def values(*shape, dtype="float32"):
    """Every element has its own value, as far as the dtype has that many."""
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    return (numbers % 2 == 1) if dtype == "bool" else numbers.astype(dtype)


KINDS = {
    "C": values(2, 3, 4, 5),
    "Fortran": np.asfortranarray(values(2, 3, 4)),
    "transposed image": values(4, 5, 3).transpose(2, 0, 1),
    "steps": values(9, 8)[::2, 1::3],
    "negative strides": values(4, 5)[::-1, ::-1],
    "broadcast": np.broadcast_to(values(1, 3), (4, 3)),
    "0-d": values(1)[0],
    "0-d array": np.array(3.5, np.float32),
    "empty": np.empty((0, 3, 4), np.float32),
    "big-endian": values(3, 4).astype(">f4"),
    "big-endian, transposed": values(3, 4).astype(">f4").T,
    **{dtype: values(3, 5, dtype=dtype).T for dtype in ("uint8", "float16", "float32", "int64", "bool")},
    "torch": torch.from_numpy(values(2, 3, 4)),
    "torch, channels_last": torch.from_numpy(values(2, 3, 4, 5)).to(memory_format=torch.channels_last),
    "torch, view": torch.from_numpy(values(6, 7))[1:5:2, 2:],
    "torch, transposed": torch.from_numpy(values(3, 4)).T,
    "torch, expanded": torch.from_numpy(values(1, 4)).expand(3, 4),
    "torch, parameter": torch.nn.Parameter(torch.from_numpy(values(3, 4))),
    "torch, half": torch.from_numpy(values(3, 4)).half().T,
}
READ_ONLY = values(3, 4).T
READ_ONLY.flags.writeable = False
KINDS["read-only"] = READ_ONLY


def expected_of(value):
    """The values as nested lists, by indexing alone."""
    return value.detach().tolist() if isinstance(value, torch.Tensor) else np.asarray(value).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_of_every_kind_of_memory_come_back(tmp_path, kind):
    path, value = tmp_path / "x.safetensors", KINDS[kind]
    files.save_tensors(path, {"other": values(3), "x": value}, {"note": kind})
    read, metadata = files.load_tensors(path, verify=True)
    assert metadata == {"note": kind}
    assert read["x"].tolist() == expected_of(value)
    with files.open_tensors(path, "pt") as file:
        tensor = file.get("x", verify=True)
        assert file.shape("x") == tuple(value.shape)
    assert tensor.tolist() == expected_of(value)
    assert str(tensor.dtype).removeprefix("torch.") == str(value.dtype).removeprefix("torch.").replace(">f4", "float32")


@pytest.mark.parametrize("value", [np.zeros(2, complex), np.array(["a"]), np.array([None]), torch.zeros(2).bfloat16()])
def test_a_dtype_that_the_format_lacks_is_refused(tmp_path, value):
    with pytest.raises(InputError, match=r"x.safetensors: tensor x has dtype .*; convert it to one of bool"):
        files.save_tensors(tmp_path / "x.safetensors", {"x": value}, {})
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_bit_is_one_line_that_names_file_and_tensor(tmp_path):
    path = tmp_path / "sub01.safetensors"
    files.save_tensors(path, {"EP01": values(3, 4), "EP02": values(4, 3)}, {})
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"^\S*sub01.safetensors: EP02: its checksum does not match.*run again$"):
        files.load_tensors(path, verify=True)
    with files.open_tensors(path) as file:
        assert file.get("EP01", verify=True).tolist() == values(3, 4).tolist()


@pytest.mark.parametrize("text", ["{", "[1]", "3", "null", '{"metadata": 3}', '{"sha256": [1]}', "[" * 20_000])
def test_metadata_that_are_no_mappings_are_one_line(tmp_path, text):
    path = tmp_path / "sub01.safetensors"
    save_file({"EP01": values(3, 4)}, path, {"ra_icl": text})
    with pytest.raises(InputError, match=r"^\S*sub01.safetensors: its metadata are damaged .*run again$") as caught:
        files.load_tensors(path)
    assert "\n" not in str(caught.value)


def test_metadata_with_another_byte_are_refused_and_older_files_without_a_checksum_are_read(tmp_path):
    """Every byte of the metadata in turn, and what versions before the checksum wrote."""
    path, metadata = tmp_path / "sub01.safetensors", {"files": [[9, 10**18]], "frames": {10: "é", 9: 0.1}}
    files.save_tensors(path, {"EP01": values(3, 4)}, metadata)
    read = {"files": [[9, 10**18]], "frames": {"10": "é", "9": 0.1}}
    assert files.load_tensors(path)[1] == read
    data = path.read_bytes()
    start, end = data.index(b'"ra_icl"'), data.index(b'"EP01":{"dtype"')
    for place in range(start, end):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(
            InputError,
            match=r"(its metadata are damaged|cannot be read) \(.*; if a run wrote it, delete it and run again",
        ):
            files.load_tensors(path)
    older = json.dumps({"metadata": read, "sha256": {"EP01": files.checksum(values(3, 4))}})
    save_file({"EP01": values(3, 4)}, path, {"ra_icl": older})
    assert files.load_tensors(path, verify=True)[1] == read


def test_a_checksum_is_of_values_and_shape_not_of_memory():
    assert files.checksum(values(3, 4)) == files.checksum(np.asfortranarray(values(3, 4)))
    assert files.checksum(values(3, 4)) != files.checksum(values(4, 3))
    assert files.checksum(values(3, 4)) != files.checksum(values(3, 4).T)


def test_a_tensor_that_is_not_there_is_named(tmp_path):
    files.save_tensors(tmp_path / "x.safetensors", {"a": values(2)}, {})
    with (
        files.open_tensors(tmp_path / "x.safetensors") as file,
        pytest.raises(InputError, match="b is missing"),
    ):
        file.get("b")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 40, None])
def test_what_is_no_tensor_file_is_refused(tmp_path, content):
    path = tmp_path / "x.safetensors"
    files.save_tensors(path, {"a": values(50)}, {})
    path.write_bytes(path.read_bytes()[:-8] if content is None else content)
    with pytest.raises(InputError, match=r"x.safetensors: cannot be read"):
        files.load_tensors(path)


def test_json_has_innermost_lists_in_a_line_and_any_text(tmp_path):
    value = {
        "a": [1, 2.5],
        "b": [[1, None], []],
        "text": ["[\n", "{ \n 1 ]", "ü"],
        "e": ["a ]"],
        "x ]": " }",
        "c": {"d": {"e": True}},
        "f": {},
    }
    files.write_json(tmp_path / "x.json", value)
    assert files.read_json(tmp_path / "x.json") == value
    lines = (tmp_path / "x.json").read_text(encoding="utf-8").splitlines()
    assert lines[1] == ' "a": [1, 2.5],'
    assert '  "d": {"e": true}' in lines
    assert "  [1, null]," in lines


@pytest.mark.parametrize("name", ["folder", ".", ""])
def test_a_folder_in_place_of_a_file_is_one_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"^(folder|\.): is a folder; name a file in it$"):
        files.write_json(name, {})


def test_a_file_that_cannot_be_written_is_called_by_its_own_name(tmp_path):
    with pytest.raises(OSError) as error, files.atomic(tmp_path / "x.csv") as temporary:  # noqa: PT011
        raise PermissionError(13, "Permission denied", str(temporary))
    assert error.value.filename == str(tmp_path / "x.csv")


def test_what_a_killed_process_left_is_removed_and_what_others_are_writing_is_not(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    running = os.getppid()
    names = [f".x.{gone.pid}.json", f".x.{running}.json", f".x.y.{gone.pid}.json", f".xy.{gone.pid}.json", "x.1.json"]
    for name in names:
        (tmp_path / name).write_text("{")
    files.write_json(tmp_path / "x.json", 1)
    assert {path.name for path in tmp_path.iterdir()} == {"x.json", *names[1:]}


ROOT = Path(__file__).parents[1]
LATIN = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}  # an ASCII locale, UTF-8 mode off
SAY = """
import sys
from ra_icl.files import read_json, speaks_utf8, use_utf8, write_json
before = speaks_utf8()
use_utf8()
write_json(sys.argv[1], [sys.argv[1:], before, speaks_utf8()])
print("\\u00b3 " + read_json(sys.argv[1])[0][1])
"""


@pytest.mark.parametrize("environment", [LATIN, dict(os.environ) | {"PYTHONUTF8": "1"}], ids=["ASCII", "UTF-8"])
def test_texts_and_names_are_utf8_whatever_the_locale(tmp_path, environment):
    """Also the program's own arguments, which it has read before it starts again."""
    path = tmp_path / "Größe 中.json"
    command = [sys.executable, "-c", SAY, str(path), "→ ö"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode("utf-8") == "³ → ö\n"
    assert files.read_json(path) == [[str(path), "→ ö"], True, True]
    assert "→ ö" in path.read_bytes().decode("utf-8")


def test_every_file_is_opened_with_its_encoding():
    """A text file without one is read and written in the encoding of whatever locale a machine has."""
    unsaid = []
    for path in [*ROOT.glob("ra_icl/**/*.py"), *ROOT.glob("slurm/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _is_text(node) and "encoding" not in {word.arg for word in node.keywords}:
                unsaid.append(f"{path}:{node.lineno}")
    assert unsaid == []


def _is_text(call):
    """Whether a call reads or writes text: of `read_text`, `write_text`, or `open` without a binary mode."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    module = getattr(getattr(call.func, "value", None), "id", "")
    binary = any(getattr(argument, "value", "") in ("rb", "wb", "ab") for argument in call.args)
    return name in ("read_text", "write_text") or (name == "open" and module not in ("os", "av") and not binary)


def test_a_file_of_tensors_is_as_open_to_others_as_any_file(tmp_path):
    """So that colleagues can read a shared results folder."""
    (tmp_path / "plain").touch()
    files.save_tensors(tmp_path / "tensors.safetensors", {"a": values(3)}, {})
    modes = [(tmp_path / name).stat().st_mode for name in ("plain", "tensors.safetensors")]
    assert modes[0] == modes[1]
