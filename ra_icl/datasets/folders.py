"""Folders by their names on disk, where case may differ from the annotation's."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path


def names(folder: Path) -> list[str]:
    """The subfolders of a folder, sorted, without hidden ones; none if it does not exist."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if is_folder(entry) and entry.name[0] != ".")
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

    A name that does not exist is taken in another case if just one folder has it; else as it is.
    """
    listed = cache(names)

    def find(folder: Path, *wanted: str) -> Path:
        for name in wanted:
            alike = [held for held in listed(folder) if held.lower() == name.lower()]
            folder = folder / (alike[0] if len(alike) == 1 else name)
        return folder

    return find
