"""Names that people give to subjects and clips: one form of a name, a form for files, and where it lies on disk."""

import os
import re
import unicodedata
from pathlib import Path

_LONGEST = 150  # bytes of a file-safe name, to which folds, suffixes and temporary files add; file systems take 255


def one_form(name: str) -> str:
    """A name in Unicode's composed form (NFC): "é" may be one character or two, which look alike and mean the same."""
    return unicodedata.normalize("NFC", name)


def file_safe(name: str) -> str:
    """A name as it becomes part of file names, folds and workflow wildcards: letters, digits, "_", "." and "-".

    Every other byte of its UTF-8 form, and a first "." or "-", becomes "=" and two hexadecimal digits: "Zoë 1" is
    "Zo=C3=AB=201". Different names stay different; names that are safe already, as all official ids are, stay as they
    are. No "%", which Slurm replaces in the names of logs.
    """
    safe = re.sub(rb"[^A-Za-z0-9._-]|^[.-]", lambda byte: b"=%02X" % byte[0][0], one_form(name).encode())
    return safe.decode("ascii")


def original(name: str) -> str:
    """The name that `file_safe` was given, in one form."""
    plain = re.sub(rb"=([0-9A-F]{2})", lambda code: bytes([int(code[1], 16)]), name.encode())
    return plain.decode(errors="replace")


def is_too_long(safe: str) -> bool:
    """Whether a file-safe name is too long for the names of files that hold it."""
    return len(safe) > _LONGEST


def on_disk(path: Path) -> Path:
    """The path as it is written on disk, where a name may be in Unicode's composed or decomposed form.

    A path that does not exist in any form is returned as it is.
    """
    if str(path).isascii() or path.exists():
        return path
    parent = on_disk(path.parent)
    for form in ("NFC", "NFD"):
        if (parent / unicodedata.normalize(form, path.name)).exists():
            return parent / unicodedata.normalize(form, path.name)
    names = os.listdir(parent) if parent.is_dir() else []
    return parent / next((name for name in names if one_form(name) == one_form(path.name)), path.name)
