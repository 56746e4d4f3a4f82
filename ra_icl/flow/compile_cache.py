"""Where Numba keeps what it compiled, so that a second process does not compile again."""

import os
import tempfile
from pathlib import Path


def prepare_cache() -> None:
    """Choose the folder of the cache before anything is compiled: beside the code, at home, else a temporary one.

    A folder that the user names in NUMBA_CACHE_DIR is left alone. Numba itself stops where neither the code's
    folder nor the home folder can be written to, as in a container or on a node without homes.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if not any(_writable(place) for place in (Path(__file__).parent / "__pycache__", home / "numba")):
        folder = Path(tempfile.gettempdir(), f"ra-icl-numba-{os.getuid()}")
        os.environ["NUMBA_CACHE_DIR"] = str(folder)


def _writable(folder: Path) -> bool:
    """Say whether a file can be made there; the folder is made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
