"""The files of a finished fold: predictions (CSV) and record (JSON).

If they are kept, also the network (.safetensors), the predictions after each epoch (.epochs.csv), and those of every
way to predict (.views.csv).
"""

import os
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.files import atomic, load_tensors, read_json, write_csv, write_json
from ra_icl.training.network import save_network

NETWORK, EPOCHS, VIEWS = ".safetensors", ".epochs.csv", ".views.csv"
EXTRAS = (NETWORK, EPOCHS, VIEWS)


def write(
    out: Path,
    predictions: pd.DataFrame,
    record: dict[str, Any],
    network: tuple | None = None,
    tables: Mapping[str, pd.DataFrame] | None = None,
) -> None:
    """Write all files or none.

    network: the arguments of `save_network` after the path. tables: {EPOCHS or VIEWS: its rows}. An old file of what is
    not given is removed.
    """
    tables = tables or {}
    with ExitStack() as files:
        # Renamed in reverse order, the record last: its key vouches for the other files.
        json, csv = (files.enter_context(atomic(out.with_suffix(suffix))) for suffix in (".json", ".csv"))
        if network:
            save_network(files.enter_context(atomic(out.with_suffix(NETWORK))), *network)
        for suffix, rows in tables.items():
            write_csv(files.enter_context(atomic(out.with_suffix(suffix))), rows)
        write_csv(csv, predictions)
        write_json(json, record)
        out.with_suffix(".json").unlink(missing_ok=True)  # it must not vouch for new files if this process is killed
    _drop_all_but(out, [*tables, *([NETWORK] if network else [])])


def reuse(key: str, out: Path, kept: Collection[str] = ()) -> bool:
    """Whether all files exist, belong to `key`, and the CSVs have as many rows as the record says.

    kept: which of EXTRAS must be among them. If so, the files' modification times become now, and other extras are
    removed.
    """
    paths = [out.with_suffix(suffix) for suffix in (".csv", ".json", *kept)]
    if not all(path.is_file() for path in paths) or not _is_whole(out, key, kept):
        return False
    for path in paths:
        os.utime(path)
    _drop_all_but(out, kept)
    return True


def _is_whole(out: Path, key: str, kept: Collection[str]) -> bool:
    try:
        if NETWORK in kept and load_tensors(out.with_suffix(NETWORK), verify=True)[1]["key"] != key:
            return False
        record = read_json(out.with_suffix(".json"))
        predicted = record["data"]["predicted"]
        rows = {".csv": predicted, EPOCHS: predicted * len(record["curve"]), VIEWS: predicted}
        found = {suffix: len(pd.read_csv(out.with_suffix(suffix))) for suffix in rows if suffix in (".csv", *kept)}
        return record["key"] == key and all(rows[suffix] == count for suffix, count in found.items())
    except (ValueError, KeyError, TypeError):  # an unreadable or an older file
        return False


def _drop_all_but(out: Path, kept: Collection[str]) -> None:
    for suffix in EXTRAS:
        if suffix not in kept:
            out.with_suffix(suffix).unlink(missing_ok=True)
