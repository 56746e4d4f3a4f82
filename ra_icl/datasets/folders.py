"""Folders by their names on disk, where case may differ from the annotation's."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ra_icl.errors import FaultKind

FOLDER_CLOSED = FaultKind(
    "folder-closed",
    "cannot be read ({reason})",
    "give yourself read permission",
    {"where": "/data/SAMM/006/006_1_2", "reason": "Permission denied"},
)


def names(folder: Path) -> list[str]:
    """The subfolders of a folder, sorted, without hidden ones; none if it does not exist.

    Raises InputError for a folder that cannot be read: what it holds would be lost without a word.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if is_folder(entry) and entry.name[0] != ".")
    except PermissionError as error:
        raise FOLDER_CLOSED.error(folder, reason=error.strerror) from error
    except OSError:
        return []


def is_folder(entry: os.DirEntry) -> bool:
    """Whether an entry is a folder or a link to one; a link to itself is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def finder() -> Callable[..., Path]:
    """A function (folder, *names) that joins the names as they are on disk, and lists each folder once.

    Of folders whose names differ in case alone, such as spNO.1 and spNo.1, the one that holds the rest of the names is
    taken; of several that do, that of the exact names; if that does not decide, the names are taken as they are. So is
    a name that does not exist.
    """
    listed = cache(names)

    def find(folder: Path, *wanted: str) -> Path:
        places: list[tuple[tuple[bool, ...], Path]] = [((), folder)]  # in which names the case differs, and the path
        for name in wanted:
            alike = [
                ((*differs, held != name), place / held)
                for differs, place in places
                for held in listed(place)
                if held.lower() == name.lower()
            ]
            places = alike or [((*differs, False), place / name) for differs, place in places]
        nearest = min(differs for differs, _ in places)
        best = [place for differs, place in places if differs == nearest]
        return best[0] if len(best) == 1 else folder.joinpath(*wanted)

    return find
