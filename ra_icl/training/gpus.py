"""Which GPUs this process may use, and the one that it takes; decided before PyTorch is imported."""

import fcntl
import os
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ra_icl.errors import InputError

_QUERY = ("nvidia-smi", "--query-gpu=index,uuid,name,driver_version", "--format=csv,noheader")
_held: list[int] = []  # open lock files: a claim lasts until the process ends


@dataclass(frozen=True)
class Gpu:
    """A GPU as nvidia-smi lists it; `index` counts in the order of the PCI bus."""

    index: int
    uuid: str
    name: str
    driver: str


def visible_gpus() -> list[Gpu]:
    """The GPUs that nvidia-smi lists and CUDA_VISIBLE_DEVICES allows; none without a driver.

    CUDA_VISIBLE_DEVICES holds indices as nvidia-smi counts, UUIDs or unique beginnings of UUIDs, in the order to return
    them. As in CUDA, an entry that names no GPU hides itself and all entries after it. A MIG slice, which nvidia-smi
    does not list as a GPU, is returned under its own UUID.
    """
    listed = _listed_gpus()
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None or not listed:
        return listed
    chosen = []
    for entry in map(str.strip, wanted.split(",")):
        gpu = _named(entry, listed)
        if gpu is None:
            break
        chosen.append(gpu)
    return chosen


def claim_gpu(device: str = "auto") -> Gpu | None:
    """Take the GPU that the fewest processes of this user have taken, and hide the others from CUDA.

    device: "auto" and "cuda" take a GPU if there is one, "cpu" takes none. A claim is a lock on a file per GPU and slot
    in a temporary folder; the system releases it when the process ends, however it ends. To be called before PyTorch
    is imported, because CUDA reads CUDA_VISIBLE_DEVICES once.
    Returns None for "cpu" and on a machine where nvidia-smi lists no GPU.
    """
    gpus = [] if device == "cpu" else visible_gpus()
    if not gpus:
        return None
    gpu = _lock_least_used(gpus)
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu.uuid
    return gpu


def _listed_gpus() -> list[Gpu]:
    try:
        shown = subprocess.run(_QUERY, capture_output=True, text=True, check=False, timeout=60).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    # Warnings may stand between the rows, and may alone make the exit status non-zero.
    rows = [line.split(", ") for line in shown.splitlines()]
    rows = [row for row in rows if len(row) == 4 and row[0].isdigit() and row[1].startswith("GPU-")]
    return [Gpu(int(index), uuid, name, driver) for index, uuid, name, driver in rows]


def _named(entry: str, listed: list[Gpu]) -> Gpu | None:
    """The GPU that an entry of CUDA_VISIBLE_DEVICES names."""
    if entry.startswith("MIG-"):
        return Gpu(-1, entry, "MIG slice", listed[0].driver)
    found = [gpu for gpu in listed if entry == str(gpu.index) or (entry[:4] == "GPU-" and gpu.uuid.startswith(entry))]
    return found[0] if len(found) == 1 else None


def _lock_least_used(gpus: list[Gpu]) -> Gpu:
    """Lock the lowest free slot over all GPUs: a GPU gets a second process only when each has one."""
    folder = _lock_folder()
    return next(gpu for slot in count() for gpu in gpus if _lock(folder / f"{gpu.uuid.replace('/', '_')}-{slot}"))


def _lock_folder() -> Path:
    folder = Path(tempfile.gettempdir(), f"ra-icl-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise InputError(f"{folder}: belongs to another user; set TMPDIR to a folder of your own")
    return folder


def _lock(path: Path) -> bool:
    """Lock a file until this process ends, unless another process has locked it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    _held.append(file)
    return True
