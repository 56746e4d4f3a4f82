"""Files between the stages: written to a temporary name and renamed, so that none is ever half there."""

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ra_icl.errors import InputError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAFETENSORS_TYPES = {"uint8": "U8", "float16": "F16", "float32": "F32"}


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same suffix); rename it onto `path` on success.

    Parent folders are made. On any exception the temporary file is removed and `path` is untouched; what a killed
    process left is removed by the next one that writes the same file, which no two do at once.
    Raises InputError where the disk takes no more.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except Exception as error:
        if _is_full_disk(error):
            raise InputError(f"{path}: cannot be written ({error}); free the disk and run again") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _is_full_disk(error: Exception) -> bool:
    """Whether the disk, a quota or a limit on a file's size stopped the write; safetensors says so in words alone."""
    if isinstance(error, OSError):
        return error.errno in _DISK_FULL
    return any(f"os error {number})" in str(error) for number in _DISK_FULL)


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of `path` whose process is no more."""
    temporary = re.compile(rf"\.{re.escape(path.stem)}\.([0-9]+){re.escape(path.suffix)}")
    for name in os.listdir(path.parent):
        match = temporary.fullmatch(name)
        if match and not _runs(int(match[1])):
            path.with_name(name).unlink(missing_ok=True)


def _runs(process: int) -> bool:
    """Whether a process of this id runs on this machine."""
    try:
        os.kill(process, 0)  # signal 0 only asks
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file. Raises InputError where it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); delete it and run again") from error


def write_csv(path: str | Path, frame) -> None:
    """Write a pandas data frame as CSV without its index, atomically."""
    with atomic(path) as temporary:
        frame.to_csv(temporary, index=False)


def save_tensors(path: str | Path, tensors: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Write named numpy arrays and JSON-able metadata as one safetensors file, atomically."""
    from safetensors.numpy import save_file

    with atomic(path) as temporary:
        save_file(tensors, temporary, metadata={"ra_icl": json.dumps(metadata, sort_keys=True)})


def save_tensor_stream(path: str | Path, tensors: Iterable[tuple[str, Any]], metadata: dict[str, Any]) -> None:
    """Write (name, numpy array) pairs as one safetensors file, atomically, with one array in memory at a time.

    metadata: read when the last array is written, so that it may be filled on the way. A safetensors
    file opens with the sizes of all arrays, so they go to a file beside it first.
    """
    header: dict[str, Any] = {}
    with atomic(path) as temporary, tempfile.TemporaryFile(dir=Path(path).parent) as data:
        for name, array in tensors:
            start = data.tell()
            data.write(memoryview(np.ascontiguousarray(array)).cast("B"))
            kind = _SAFETENSORS_TYPES[array.dtype.name]
            header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [start, data.tell()]}
        header["__metadata__"] = {"ra_icl": json.dumps(metadata, sort_keys=True)}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)  # the arrays begin at a multiple of 8
        data.seek(0)
        with open(temporary, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            shutil.copyfileobj(data, file, 1 << 20)


@contextmanager
def open_tensors(path: str | Path, framework: str = "numpy") -> Iterator[Any]:
    """Yield an open safetensors file, whose tensors are read when asked for: `numpy` or `pt`.

    Raises InputError where it is missing or not whole.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework=framework) as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete it and run again") from error


def load_tensors(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a file of `save_tensors`: (arrays by name, metadata). Raises InputError where it is unreadable."""
    with open_tensors(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, metadata_of(file)  # noqa: SIM118 (not a dict)


def metadata_of(file: Any) -> dict[str, Any]:
    """What `save_tensors` wrote beside the tensors of an open file."""
    return json.loads((file.metadata() or {}).get("ra_icl", "{}"))
