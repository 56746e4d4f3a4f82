"""The result of a finished fold, kept beside its checkpoints.

A workflow deletes what a job has written before it runs the job again, and what a group of jobs has written if one of
them fails. From its kept result a fold whose data, options and code have not changed need not be trained again.
"""

import shutil
from pathlib import Path

from ra_icl.errors import InputError
from ra_icl.files import atomic, read_json
from ra_icl.training.outputs import EPOCHS, VIEWS

_SUFFIXES = (".csv", ".json")


def keep_result(out: Path, folder: Path) -> None:
    """Copy a fold's CSV `out`, its JSON and, if there are any, epochs and views into `folder`, over what is there."""
    _copy(out, folder / out.name)


def restore_result(out: Path, folder: Path, key: str) -> None:
    """Copy all of these back from `folder` if CSV or JSON is missing beside `out` and both were kept, with this key."""
    there = [all(path.with_suffix(suffix).is_file() for suffix in _SUFFIXES) for path in (out, folder / out.name)]
    if there == [False, True] and _key(folder / out.name) == key:
        _copy(folder / out.name, out)


def _key(out: Path) -> str | None:
    """What the record of a result depends on; None if it cannot be read."""
    try:
        return read_json(out.with_suffix(".json")).get("key")
    except InputError:
        return None


def _copy(source: Path, target: Path) -> None:
    """Copy a result; epochs and views that it has not are removed, because they would be another result's.

    The record goes first and comes last, so that none ever stands beside the files of another result.
    """
    target.with_suffix(".json").unlink(missing_ok=True)
    for suffix in (EPOCHS, VIEWS, *_SUFFIXES):
        if suffix not in _SUFFIXES and not source.with_suffix(suffix).is_file():
            target.with_suffix(suffix).unlink(missing_ok=True)
            continue
        with atomic(target.with_suffix(suffix)) as temporary:
            shutil.copyfile(source.with_suffix(suffix), temporary)
