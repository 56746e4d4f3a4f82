"""The files of a finished fold: predictions (CSV) and record (JSON).

If they are kept, also the network (safetensors) and the predictions after each epoch (.epochs.csv).
"""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.files import atomic, load_tensors, read_json, write_csv, write_json
from ra_icl.training.network import save_network

EPOCHS = ".epochs.csv"


def write(
    out: Path,
    predictions: pd.DataFrame,
    record: dict[str, Any],
    network: tuple | None = None,
    epochs: pd.DataFrame | None = None,
) -> None:
    """Write all files or none.

    network: the arguments of `save_network` after the path. epochs: the predictions after each epoch. Without one of
    these, an old file of it is removed.
    """
    with ExitStack() as files:
        # Renamed in reverse order, the record last: its key vouches for the other files.
        json, csv = (files.enter_context(atomic(out.with_suffix(suffix))) for suffix in (".json", ".csv"))
        if network:
            save_network(files.enter_context(atomic(_network(out))), *network)
        if epochs is not None:
            write_csv(files.enter_context(atomic(out.with_suffix(EPOCHS))), epochs)
        write_csv(csv, predictions)
        write_json(json, record)
    _drop(out, network is not None, epochs is not None)


def reuse(key: str, out: Path, keep_network: bool = False, keep_epochs: bool = False) -> bool:
    """Whether all files exist, belong to `key`, and the CSVs have as many rows as the record says.

    If so, their modification times become now, and a network or epochs that are no longer kept are removed.
    """
    kept = [_network(out)] * keep_network + [out.with_suffix(EPOCHS)] * keep_epochs
    paths = [out, out.with_suffix(".json"), *kept]
    if not all(path.is_file() for path in paths) or not _is_whole(out, key, keep_network, keep_epochs):
        return False
    for path in paths:
        os.utime(path)
    _drop(out, keep_network, keep_epochs)
    return True


def _is_whole(out: Path, key: str, keep_network: bool, keep_epochs: bool) -> bool:
    try:
        if keep_network:
            load_tensors(_network(out), verify=True)
        record = read_json(out.with_suffix(".json"))
        predicted = record["data"]["predicted"]
        if keep_epochs and len(pd.read_csv(out.with_suffix(EPOCHS))) != predicted * len(record["curve"]):
            return False
        return record["key"] == key and predicted == len(pd.read_csv(out))
    except (ValueError, KeyError, TypeError):  # an unreadable or an older file
        return False


def _drop(out: Path, keep_network: bool, keep_epochs: bool) -> None:
    """Remove old files of what is not kept."""
    if not keep_network:
        _network(out).unlink(missing_ok=True)
    if not keep_epochs:
        out.with_suffix(EPOCHS).unlink(missing_ok=True)


def _network(out: Path) -> Path:
    return out.with_suffix(".safetensors")
