"""The files of a fold: its predictions (CSV), and the record of its training (JSON) beside them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ra_icl.errors import InputError
from ra_icl.evaluation.records import read_record
from ra_icl.files import RERUN

SEQUENCE_KEY = ["dataset", "subject", "sequence"]
EPOCHS, VIEWS = ".epochs.csv", ".views.csv"  # what a fold may leave beside its predictions, and `*.csv` finds too


def predictions_among(paths: Iterable[Path]) -> list[Path]:
    """The CSVs of predictions among those that a pattern such as `*.csv` found."""
    return [path for path in paths if not path.name.endswith((EPOCHS, VIEWS))]


def class_count(path: Path) -> int:
    """The number of classes of which a fold's CSV holds probabilities. Raises InputError if it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return len(re.findall(r"\bp\d+\b", file.readline()))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); name the CSV of a fold") from error


def read_fold(path: Path, classes: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read a fold's predictions and the JSON beside them; the rows gain the columns seed and file.

    Raises InputError, naming the file, for missing columns, missing keys or values of another type, another number
    of rows than were predicted, labels outside 0..classes-1 and probabilities that are not finite.
    """
    metadata = read_record(path.parent / f"{path.stem}.json")
    try:
        rows = pd.read_csv(path, dtype=dict.fromkeys(SEQUENCE_KEY, str), keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as CSV ({reason}); {RERUN}") from error
    _require_fold(path, rows, classes)
    predicted = metadata["data"]["predicted"]
    if len(rows) != predicted:
        raise InputError(f"{path}: holds {len(rows)} predictions, but {predicted} sequences were predicted; {RERUN}")
    return rows.assign(seed=metadata["seed"], file=str(path)), metadata


def require_same(path: Path, record: Mapping[str, Any], expected: Mapping[str, Any], advice: str = RERUN) -> None:
    """Raise InputError if the record of a fold's CSV has another value under a key of `expected`."""
    for key, value in expected.items():
        if record[key] != value:
            raise InputError(f"{path}: {key} is {record[key]!r}, not {value!r}; {advice}")


def read_beside(path: Path, kinds: Mapping[str, type]) -> pd.DataFrame:
    """Read EPOCHS or VIEWS of a fold: the columns of SEQUENCE_KEY, and of `kinds`, {column: its type}.

    Raises InputError, naming the file, if it cannot be read, or if a column is missing or holds values of another type.
    """
    try:
        rows = pd.read_csv(path, dtype=dict.fromkeys(SEQUENCE_KEY, str), keep_default_na=False)
        return rows[[*SEQUENCE_KEY, *kinds]].astype(kinds)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as predictions ({reason}); {RERUN}") from error


def _require_fold(path: Path, rows: pd.DataFrame, classes: int) -> None:
    """Raise InputError unless the fold has its columns, rows and values in range."""
    probabilities = [f"p{index}" for index in range(classes)]
    columns = [*SEQUENCE_KEY, "label", "prediction", *probabilities]
    if list(rows.columns) != columns:
        found = ",".join(rows.columns)
        raise InputError(f"{path}: columns are {found}, not {','.join(columns)}; {RERUN}")
    if rows.empty:
        raise InputError(f"{path}: holds no predictions; {RERUN}")
    for column in ("label", "prediction"):
        if not rows[column].isin(range(classes)).all():
            raise InputError(f"{path}: column {column} is not within 0..{classes - 1}; {RERUN}")
    values = rows[probabilities].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    if not np.isfinite(values).all():
        raise InputError(f"{path}: a probability is not finite: training diverged; {RERUN}")
