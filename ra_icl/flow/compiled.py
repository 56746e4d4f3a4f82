"""How Numba compiles, and where it keeps what it compiled, so that a second process does not compile it again."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import llvmlite.binding
import numba


def prepare_cache() -> None:
    """Choose the folder of the cache before anything is compiled: beside the code, at home, else a temporary one.

    A folder that the user names in NUMBA_CACHE_DIR is left alone. Numba itself stops where neither the code's
    folder nor the home folder can be written to, as in a container or on a node without homes.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if not any(_writable(place) for place in (Path(__file__).parent / "__pycache__", home / "numba")):
        os.environ["NUMBA_CACHE_DIR"] = str(_folder_of_this_user())


def _folder_of_this_user() -> Path:
    """A temporary folder that nobody else can have put code into: the cache is loaded without a check.

    The same one each time, so that a second process finds what the first compiled; another where that name is taken.
    """
    folder = Path(tempfile.gettempdir(), f"ra-icl-numba-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if mine else Path(tempfile.mkdtemp(prefix="ra-icl-numba-"))


def _writable(folder: Path) -> bool:
    """Say whether a file can be made there; the folder is made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


prepare_cache()
# LLVM vectorises a loop only after it has checked that the rows do not overlap, and by default not if that takes
# more than 8 comparisons; the loops of the flow touch up to fourteen rows.
llvmlite.binding.set_option("", "--runtime-memory-check-threshold=1000")

# float32, no threads of their own, cached on disk. The cache of a function does not notice a change in another file, so
# what is compiled calls nothing from elsewhere. Loops run over arrays of one dimension and write few of them: that is
# what LLVM turns into vector instructions.
compiled = numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
