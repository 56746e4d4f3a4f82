"""Ensembles: the mean of several trainings' probabilities, as if one method had predicted it."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.evaluation.folds import SEQUENCE_KEY, VIEWS, read_beside, read_fold, require_same

SHARED = ("protocol", "fold", "data_source", "selection")  # what members must have in common


def combine(fold_csvs: Sequence[Path], out: Path, *, view: str, method: str, seed: int, classes: int) -> None:
    """Write the fold `out` (CSV and JSON) of an ensemble from its members' folds.

    fold_csvs: the CSV of the same fold of each member, each with .json and .views.csv beside it. view: of the columns
    of .views.csv, such as "all_mirror". method, seed: of the ensemble. classes: L.
    Raises InputError, naming the file, for a member that is damaged or of another fold, or that predicted other
    sequences.
    """
    repeated = next((path for path in fold_csvs if list(fold_csvs).count(path) > 1), None)
    if repeated:
        raise InputError(f"{repeated}: is given twice; name each member's fold once")
    members = [_member(Path(path), view, classes) for path in fold_csvs]
    rows, first, _ = members[0]
    shared = {key: first[key] for key in SHARED}
    for path, (other, record, _) in zip(fold_csvs, members, strict=True):
        require_same(path, record, shared, "combine one fold")
        if not other.equals(rows):
            raise InputError(f"{path}: predicts other sequences than {fold_csvs[0]}; run both again")
    mean = np.mean([probabilities for _, _, probabilities in members], axis=0)
    table = rows.assign(prediction=mean.argmax(axis=1))
    table[[f"p{label}" for label in range(classes)]] = mean
    records = [record for _, record, _ in members]
    with files.atomic(out.with_suffix(".json")) as json, files.atomic(out) as csv:
        files.write_csv(csv, table)
        files.write_json(json, _record(records, view, method, seed))
        out.with_suffix(".json").unlink(missing_ok=True)  # if this process is killed, none is beside newer predictions


def _member(path: Path, view: str, classes: int) -> tuple[pd.DataFrame, dict[str, Any], np.ndarray]:
    """The sequences with their labels, the record, and the probabilities (S, L) of a view."""
    predicted, record = read_fold(path, classes)
    columns = [f"p{label}_{view}" for label in range(classes)]
    views = path.with_suffix(VIEWS)
    rows = read_beside(views, {"label": int, **dict.fromkeys(columns, float)})
    labels = rows[[*SEQUENCE_KEY, "label"]]
    if not labels.equals(predicted[[*SEQUENCE_KEY, "label"]].astype({"label": int})):
        raise InputError(f"{views}: holds other sequences than {path.name}; delete both and run again")
    return labels, record, rows[columns].to_numpy()


def _record(records: Sequence[Mapping[str, Any]], view: str, method: str, seed: int) -> dict[str, Any]:
    """The record of an ensemble's fold: what its members share, the sum of their seconds, what all were fed."""
    flow = sorted({record["data"]["flow"] for record in records})
    ranges = [record["data"]["all"] for record in records]
    channels = {name: [values[name] for values in ranges] for name in ranges[0]}
    return {
        **{key: records[0][key] for key in SHARED},
        "method": method,
        "seed": seed,
        "members": [{"method": record["method"], "seed": record["seed"]} for record in records],
        "view": view,
        "seconds": round(sum(record["seconds"] for record in records), 3),
        "device": ", ".join(sorted({record.get("device") or "unknown" for record in records})),
        "precision": ", ".join(sorted({record.get("precision") or "unknown" for record in records})),
        "commit": ", ".join(sorted({record.get("commit") or "unknown" for record in records})),
        "versions": records[0]["versions"],
        "data": {
            "predicted": records[0]["data"]["predicted"],
            "flow": flow[0] if len(flow) == 1 else sha256("".join(flow).encode()).hexdigest(),
            "all": {name: _envelope(values) for name, values in channels.items()},
        },
    }


def _envelope(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of means, least of least and largest of largest."""
    return {
        "mean": float(np.mean([one["mean"] for one in values])),
        "min": min(one["min"] for one in values),
        "max": max(one["max"] for one in values),
    }
