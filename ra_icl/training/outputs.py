"""The files of a finished fold: predictions (CSV), record (JSON) and, if it is kept, the network (safetensors)."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.files import atomic, load_tensors, read_json, write_csv, write_json
from ra_icl.training.network import save_network


def write(out: Path, predictions: pd.DataFrame, record: dict[str, Any], network: tuple | None) -> None:
    """Write all files or none. network: the arguments of `save_network` after the path; None removes an old file."""
    with ExitStack() as files:
        # Renamed in reverse order, the record last: its key vouches for the other files.
        json, csv = (files.enter_context(atomic(out.with_suffix(suffix))) for suffix in (".json", ".csv"))
        if network:
            save_network(files.enter_context(atomic(_network(out))), *network)
        write_csv(csv, predictions)
        write_json(json, record)
    if not network:
        _network(out).unlink(missing_ok=True)


def reuse(key: str, out: Path, keep_network: bool) -> bool:
    """Whether all files exist, belong to `key`, and the CSV has as many rows as the record says.

    If so, their modification times become now, and a network that is no longer kept is removed.
    """
    paths = [out, out.with_suffix(".json"), *([_network(out)] if keep_network else [])]
    if not all(path.is_file() for path in paths) or not _is_whole(out, key, keep_network):
        return False
    for path in paths:
        os.utime(path)
    if not keep_network:
        _network(out).unlink(missing_ok=True)
    return True


def _is_whole(out: Path, key: str, keep_network: bool) -> bool:
    try:
        if keep_network:
            load_tensors(_network(out), verify=True)
        record = read_json(out.with_suffix(".json"))
        return record["key"] == key and record["data"]["predicted"] == len(pd.read_csv(out))
    except (ValueError, KeyError, TypeError):  # an unreadable or an older file
        return False


def _network(out: Path) -> Path:
    return out.with_suffix(".safetensors")
