"""Files between the stages: written to a temporary name and renamed, so that none is ever half there."""

import errno
import json
import locale
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ra_icl.errors import InputError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The dtypes that NumPy and the safetensors format share.
TENSOR_TYPES = (
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64"),
)
RERUN = "if a run wrote it, delete it and run again"  # else it is a file of the user's own
_METADATA_CHECKSUM = "sha256_of_metadata"


def unusable(error: OSError | UnicodeError) -> InputError:
    """What the system says of a file or folder, or of a name that it cannot write, as one line."""
    if isinstance(error, UnicodeError):
        return InputError(f"{error}: a name is not in UTF-8; rename the file or folder")
    name = str(error.filename or "a file")
    shown = name if len(name) <= 200 else f"{name[:200]}..."
    return InputError(f"{shown}: {error.strerror or error}; check the path, its permissions and the disk")


def use_utf8() -> None:
    """Start this program again in Python's UTF-8 mode unless it reads and names files in UTF-8 already.

    Whatever the locale, files hold UTF-8 and their names are UTF-8; what this program starts inherits the mode.
    """
    os.environ["PYTHONUTF8"] = "1"
    if not speaks_utf8():
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def speaks_utf8() -> bool:
    """Whether Python takes texts, arguments and the names of files for UTF-8."""
    return bool(sys.flags.utf8_mode) or locale.getpreferredencoding(False).lower().replace("-", "") == "utf8"


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same suffix); rename it onto `path` on success.

    Parent folders are made. On any exception the temporary file is removed and `path` is untouched; what a killed
    process left is removed by the next one that writes the same file, which no two do at once.
    Raises InputError if `path` is a folder or the disk is full.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file in it")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except Exception as error:
        if _is_full_disk(error):
            raise InputError(f"{path}: cannot be written ({error}); free the disk and run again") from error
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)  # the name that the user knows
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
    """Write `value` as JSON, atomically: indented, but an innermost list or object in one line."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    # A raw line break is between values, since JSON escapes those within strings; brackets may be within strings.
    innermost = re.compile(r"(?<=[\[{])\n[^\[\]{}]*\n *(?=[\]}])")
    text = innermost.sub(lambda found: re.sub(r"\n *", " ", found[0])[1:-1], text)
    with atomic(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file. Raises InputError if it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: is missing; check its name, or run the step that makes it") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); {RERUN}") from error


def write_csv(path: str | Path, frame) -> None:
    """Write a pandas data frame as CSV without its index, atomically."""
    with atomic(path) as temporary:
        frame.to_csv(temporary, index=False)


def save_tensors(path: str | Path, tensors: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    """Write named arrays and JSON-able metadata as one safetensors file, atomically.

    tensors: NumPy arrays or PyTorch tensors of any memory layout and byte order, on any device. They are written in C
    order and native byte order, because safetensors 0.8 dumps an array's raw memory under its logical shape. A checksum
    per tensor goes into the file, see `TensorFile.get`, and one of the metadata, which is verified on opening.
    Raises InputError if the format has no such dtype or the disk is full.
    """
    from safetensors.numpy import save_file

    plain = {name: _plain_array(value, f"{path}: tensor {name}") for name, value in tensors.items()}
    checksums = {name: checksum(array) for name, array in plain.items()}
    # One entry, since safetensors writes several in random order and equal content would give different files.
    kept = json.loads(json.dumps({"metadata": metadata, "sha256": checksums}))
    text = json.dumps(kept | {_METADATA_CHECKSUM: _checksum_of_metadata(kept)}, sort_keys=True)
    with atomic(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode  # as every other file: safetensors' own is closed to colleagues
        save_file(plain, temporary, metadata={"ra_icl": text})
        temporary.chmod(mode)


def _checksum_of_metadata(kept: Mapping[str, Any]) -> str:
    return sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _kept_beside(found: Mapping[str, str] | None) -> dict[str, Any]:
    """What `save_tensors` keeps beside the tensors, verified; files of older versions have no checksum of it.

    Raises ValueError if it is damaged.
    """
    if not found:
        return {"metadata": {}, "sha256": {}}
    if list(found) != ["ra_icl"]:
        raise ValueError(f"{', '.join(found)} instead of ra_icl")
    kept = dict(json.loads(found["ra_icl"]))
    stated = kept.pop(_METADATA_CHECKSUM, None)
    if kept.keys() != {"metadata", "sha256"} or stated not in (None, _checksum_of_metadata(kept)):
        raise ValueError("their checksum does not match")
    return kept


def checksum(array: np.ndarray) -> str:
    """SHA-256 of an array's dtype, shape and values, whatever its memory layout."""
    digest = sha256(f"{array.dtype.name} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return digest.hexdigest()


def _plain_array(value: Any, where: str) -> np.ndarray:
    """`value` as a NumPy array in C order and native byte order; a copy only if it is not one already."""
    if hasattr(value, "detach"):  # a PyTorch tensor, without importing PyTorch
        value = value.detach().cpu()
        if str(value.dtype).removeprefix("torch.") not in TENSOR_TYPES:
            raise InputError(f"{where} has dtype {value.dtype}; convert it to one of {', '.join(TENSOR_TYPES)}")
        value = value.numpy()
    array = np.asarray(value)
    if array.dtype.name not in TENSOR_TYPES:
        raise InputError(f"{where} has dtype {array.dtype}; convert it to one of {', '.join(TENSOR_TYPES)}")
    return array.astype(array.dtype.newbyteorder("="), order="C", copy=False)


@contextmanager
def open_tensors(path: str | Path, framework: str = "numpy") -> Iterator["TensorFile"]:
    """Yield an open safetensors file; a tensor is read, memory-mapped, when it is asked for.

    framework: "numpy" or "pt", what tensors are returned as.
    Raises InputError if the file is missing, truncated, not a safetensors file or has damaged metadata.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework=framework) as file:
            yield TensorFile(Path(path), file)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {RERUN}") from error


class TensorFile:
    """An open file of `save_tensors`: `names`, `metadata`, and one `checksums` entry per tensor."""

    def __init__(self, path: Path, file: Any) -> None:
        self.path, self._file = path, file
        self.names: list[str] = list(file.keys())
        try:
            kept = _kept_beside(file.metadata())
            self.metadata: dict[str, Any] = dict(kept["metadata"])
            self.checksums: dict[str, str] = dict(kept["sha256"])
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{path}: its metadata are damaged ({error}); {RERUN}") from error

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, without reading it. Raises InputError if there is no such tensor."""
        self._require(name)
        return tuple(self._file.get_slice(name).get_shape())

    def get(self, name: str, verify: bool = False) -> Any:
        """Read a tensor. Raises InputError if it is missing or, with `verify`, if its bytes have changed."""
        self._require(name)
        tensor = self._file.get_tensor(name)
        if verify and not self._matches(name, tensor):
            raise InputError(f"{self.path}: {name}: its checksum does not match, so the file is damaged; {RERUN}")
        return tensor

    def is_intact(self, name: str) -> bool:
        """Whether the bytes of a tensor match its checksum."""
        return self._matches(name, self.get(name))

    def _matches(self, name: str, tensor: Any) -> bool:
        return self.checksums.get(name) == checksum(np.asarray(tensor))

    def _require(self, name: str) -> None:
        if name not in self.names:
            raise InputError(f"{self.path}: {name} is missing; {RERUN}")


def load_tensors(path: str | Path, verify: bool = False) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a whole file of `save_tensors`: (arrays by name, metadata). Raises InputError like `TensorFile.get`."""
    with open_tensors(path) as file:
        return {name: file.get(name, verify) for name in file.names}, file.metadata
