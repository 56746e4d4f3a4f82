"""From the predictions of all folds to UF1, UAR and accuracy: composite, per dataset and per seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ra_icl import files
from ra_icl.datasets.index import NAMES, read_index_csvs
from ra_icl.datasets.protocols import Protocol, fold_of, protocol_of, select
from ra_icl.errors import InputError
from ra_icl.evaluation.caveats import caveats
from ra_icl.evaluation.explain import count_warnings
from ra_icl.evaluation.folds import SEQUENCE_KEY, read_fold, require_same
from ra_icl.evaluation.records import RERUN, differing_option


def confusion(label: Sequence[int], prediction: Sequence[int], classes: int) -> np.ndarray:
    """Confusion matrix (classes, classes), int: rows are true labels, columns predictions."""
    matrix = np.zeros((classes, classes), dtype=int)
    np.add.at(matrix, (np.asarray(label, dtype=int), np.asarray(prediction, dtype=int)), 1)
    return matrix


def uf1(matrix: np.ndarray) -> float | np.ndarray:
    """Unweighted F1 (Eqs. 18-19) of one confusion matrix (C, C), or of each in a stack (..., C, C), in 0..1.

    The mean runs over the classes that have samples; one that is never predicted counts as 0.
    Raises InputError if a matrix is empty.
    """
    matrix, present = _present(matrix)
    correct = np.diagonal(matrix, axis1=-2, axis2=-1)
    # True and predicted samples of a class: TP counts twice, FP and FN once.
    return _mean_over(present, 2 * correct, matrix.sum(-2) + matrix.sum(-1))


def uar(matrix: np.ndarray) -> float | np.ndarray:
    """Unweighted average recall (Eq. 20) of one confusion matrix (C, C), or of each in a stack (..., C, C), in 0..1.

    The mean runs over the classes that have samples: with n_c = 0 there is no recall.
    Raises InputError if a matrix is empty.
    """
    matrix, present = _present(matrix)
    return _mean_over(present, np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(-1))


def accuracy(matrix: np.ndarray) -> float:
    """Share of samples on the diagonal of a confusion matrix (C, C), in 0..1.

    Raises InputError if the matrix is empty.
    """
    matrix, _ = _present(matrix)
    return float(np.trace(matrix) / matrix.sum())


SCORES = {"uf1": uf1, "uar": uar, "accuracy": accuracy}


def summarise(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Scores of pooled predictions: over all rows ("composite") and on each dataset's rows.

    `predictions` has the columns dataset, label, prediction (ints) and seed; its rows are those of all
    folds, pooled before the mean over classes. Returns `classes`, `seeds`, `scores` (per subset: UF1,
    UAR and accuracy in 0..1 as mean, sample standard deviation over seeds (None for one seed) and
    per_seed; `samples` of one seed) and `confusion` (per subset, summed over seeds).
    """
    seeds = sorted(int(seed) for seed in predictions["seed"].unique())
    subsets = {"composite": predictions}
    subsets |= {str(name): rows for name, rows in predictions.groupby("dataset", sort=False)}
    matrices = {
        name: [_confusion_of(rows[rows["seed"] == seed], len(classes)) for seed in seeds]
        for name, rows in subsets.items()
    }
    return {
        "classes": list(classes),
        "seeds": seeds,
        "scores": {name: _scores(found) for name, found in matrices.items()},
        "confusion": {name: np.sum(found, axis=0).tolist() for name, found in matrices.items()},
    }


def by_subject(predictions: pd.DataFrame, classes: int) -> list[dict[str, Any]]:
    """What tests over subjects need: the predictions of each subject, in the order of the sorted seeds.

    An entry is {"dataset", "subject", "confusion", "sequences"}: a confusion matrix (C, C) per seed, and
    {"sequence", "label", "predictions"} of each sequence, a prediction per seed. Subject ids repeat across datasets
    and are different people.
    """
    return [
        {
            "dataset": str(dataset),
            "subject": str(subject),
            "confusion": [_confusion_of(of_seed, classes).tolist() for _, of_seed in rows.groupby("seed")],
            "sequences": [
                {"sequence": str(name), "label": int(of["label"].iloc[0]), "predictions": of["prediction"].tolist()}
                for name, of in rows.sort_values("seed").groupby("sequence")
            ],
        }
        for (dataset, subject), rows in predictions.groupby(["dataset", "subject"])
    ]


def aggregate(
    fold_csvs: Sequence[Path],
    out: Path,
    *,
    classes: Sequence[str],
    protocol: str,
    method: str,
    indexes: Sequence[Path] = (),
    left_out: Mapping[str, int] | None = None,
    selections: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Pool the folds of one method (CSV files, each with its .json beside it) into a metrics JSON.

    Writes `out` and returns its content: that of `summarise`, `by_subject` under "subjects", title, protocol, method,
    selection, data_source, draws (false if no seed changes anything, else left out), the number of folds, what they
    were fed and made by, their `options` by candidate, and `warnings`, how many of them have each finding of `explain`
    (the last two left out for folds of older versions). indexes: the index CSVs of the protocol's datasets; with them
    every sequence that the protocol holds out must be predicted, and `without_apex` counts those that have no annotated
    apex, per dataset. left_out: how many sequences `data.exclude` took out of the protocol, per dataset. selections: of
    `choice.selections_of`: goes along as `selection_of` or, of an ensemble, as `selections_of_members`, beside its
    `members`, {method: seeds}, and `view`, what they predict from.
    Raises InputError, naming the file, if a fold lacks a column or a prediction, if it belongs to another method or
    protocol, was trained under other rules, with other options or on other flow than the rest, if a sequence is not
    predicted exactly once per seed, is in no index, or is held out by the protocol but not predicted.
    """
    if not fold_csvs:
        raise InputError(f"{out}: no folds given for {method} under {protocol}; name their CSV files")
    folds = [read_fold(Path(path), len(classes)) for path in fold_csvs]
    records = [record for _, record in folds]
    rules = {"protocol": protocol, "method": method}
    rules |= {key: records[0][key] for key in ("selection", "data_source")}
    for path, record in zip(fold_csvs, records, strict=True):
        require_same(path, record, rules)
    predictions = pd.concat([rows for rows, _ in folds], ignore_index=True)
    _require_once_per_seed(predictions)
    _require_alike(fold_csvs, records)
    index = read_index_csvs(indexes) if indexes else None
    if index is not None:
        _require_all(out, predictions, index, protocol_of(protocol, classes))
    members = _members(records)
    content = {
        **rules,
        **members,
        "folds": len({record["fold"] for record in records}),
        **_origin(records),
        **_options(records),
        **summarise(predictions, classes),
        "subjects": by_subject(predictions, len(classes)),
        **count_warnings(folds),
        **({"without_apex": count_without_apex(predictions, index)} if index is not None else {}),
        "left_out": dict(left_out or {}),
        **_selected(out, selections, members),
        **({} if all(record.get("draws", True) for record in records) else {"draws": False}),
    }
    content = {"title": "; ".join([f"{method.upper()}, protocol {protocol}", *caveats(content)]), **content}
    files.write_json(out, content)
    return content


def count_without_apex(predictions: pd.DataFrame, index: pd.DataFrame) -> dict[str, int]:
    """How many of the predicted sequences have no annotated apex, for each dataset that has such.

    Raises InputError for a sequence that the index lacks.
    """
    apexes = index[[*SEQUENCE_KEY, "apex"]]
    merged = predictions.drop_duplicates(SEQUENCE_KEY).merge(apexes, "left", SEQUENCE_KEY, indicator="found")
    unknown = merged[merged["found"] != "both"]
    if len(unknown):
        row = unknown.iloc[0]
        raise InputError(f"{row['file']}: {'/'.join(row[SEQUENCE_KEY])} is not in the index; {RERUN}")
    counts = merged.loc[merged["apex"].isna(), "dataset"].value_counts()
    return {name: int(counts[name]) for name in NAMES if name in counts}


def _require_all(out: Path, predictions: pd.DataFrame, index: pd.DataFrame, protocol: Protocol) -> None:
    """Raise InputError for a sequence that the protocol holds out if it has no prediction, or another label there."""
    sequences = select(index, protocol)
    held_out = sequences.loc[fold_of(sequences, protocol).notna(), [*SEQUENCE_KEY, "label"]]
    predicted = predictions.drop_duplicates([*SEQUENCE_KEY, "label"]).rename(columns={"label": "other"})
    merged = held_out.merge(predicted, "left", SEQUENCE_KEY, indicator="found")
    for row in merged[(merged["found"] == "both") & (merged["label"] != merged["other"])].to_dict("records"):
        key = "/".join(row[name] for name in SEQUENCE_KEY)
        raise InputError(f"{row['file']}: {key} has label {row['other']:.0f}, in the index {row['label']}; {RERUN}")
    missing = merged[merged["found"] != "both"]
    if len(missing):
        raise InputError(
            f"{out}: {len(missing)} of {len(held_out)} sequences of protocol {protocol.name} have no prediction, "
            f"{'/'.join(missing.iloc[0][SEQUENCE_KEY])} first; give the CSV files of all folds, once all are trained"
        )


def _members(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What an ensemble's folds are the means of, {"members": {method: seeds}, "view"}; {} for those of a method."""
    seeds: dict[str, set[int]] = {}
    for member in [member for record in records for member in record.get("members", ())]:
        seeds.setdefault(member["method"], set()).add(member["seed"])
    if not seeds:
        return {}
    return {"members": {method: sorted(of_it) for method, of_it in seeds.items()}, "view": records[0]["view"]}


def _selected(out: Path, selections: Sequence[Mapping[str, Any]], members: Mapping[str, Any]) -> dict[str, Any]:
    """The key under which metrics tell how options were chosen; raises InputError for a method with two choices."""
    if members:
        return {"selections_of_members": [dict(selection) for selection in selections]} if selections else {}
    if len(selections) > 1:
        listed = " and ".join(selection["method"] for selection in selections)
        raise InputError(f"{out}: was given choices for {listed}; a method takes those of one")
    return {"selection_of": dict(selections[0])} if selections else {}


def _require_alike(paths: Sequence[Path], records: Sequence[dict[str, Any]]) -> None:
    """Raise InputError if two folds read different flow, or have different options of one candidate."""
    first: dict[str, tuple[Path, Any]] = {}
    for path, record in zip(paths, records, strict=True):
        if record["data"]["flow"] != records[0]["data"]["flow"]:
            raise InputError(f"{path}: was trained on other flow than {paths[0]}; {RERUN}")
        options = record.get("options")
        like, expected = first.setdefault(record.get("candidate") or "", (path, options))
        if options is not None and expected is not None and (key := differing_option(expected, options)):
            raise InputError(f"{path}: was trained with another {key} than {like}; {RERUN}")


def _origin(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the folds were fed and made by: the flow's digest and value ranges, commits, devices, versions.

    seconds: of all folds together. memory: the most bytes that one of them held, None if older versions made all.
    """
    packages = sorted({name for record in records for name in record["versions"]})
    return {
        "data": {"flow": records[0]["data"]["flow"], "values": records[0]["data"]["all"]},
        **{key: _distinct(records, key) for key in ("commit", "device", "precision")},
        "versions": {name: _distinct([record["versions"] for record in records], name) for name in packages},
        "seconds": round(sum(record["seconds"] for record in records), 1),
        "memory": max((record.get("memory") or 0 for record in records), default=0) or None,
    }


def _options(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """{"options": {candidate: its options}}, "" for a method without candidates; {} for ensembles."""
    found = {record.get("candidate") or "": record["options"] for record in records if "options" in record}
    return {"options": found} if found else {}


def _distinct(records: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """The different values of a key, "unknown" for a record without one."""
    return sorted({record.get(key) or "unknown" for record in records})


def _require_once_per_seed(predictions: pd.DataFrame) -> None:
    """Raise InputError if a sequence occurs twice in a seed, or in some of the seeds only."""
    repeated = predictions[predictions.duplicated([*SEQUENCE_KEY, "seed"])]
    if len(repeated):
        row = repeated.iloc[0]
        key = "/".join(row[SEQUENCE_KEY])
        raise InputError(f"{row['file']}: {key} was predicted before in seed {row['seed']}; {RERUN}")
    seeds = set(predictions["seed"])
    for key, rows in predictions.groupby(SEQUENCE_KEY, sort=False):
        if missing := seeds - set(rows["seed"]):
            where = f"{rows['file'].iloc[0]}: {'/'.join(key)} is predicted here"
            raise InputError(f"{where}, but not in seed {min(missing)}; run that seed's fold again")


def _confusion_of(rows: pd.DataFrame, classes: int) -> np.ndarray:
    return confusion(rows["label"].to_numpy(), rows["prediction"].to_numpy(), classes)


def _scores(matrices: list[np.ndarray]) -> dict[str, Any]:
    """Each score over the seeds' confusion matrices, and the number of samples of one seed."""
    found: dict[str, Any] = {}
    for name, score in SCORES.items():
        values = [score(matrix) for matrix in matrices]
        std = float(np.std(values, ddof=1)) if len(values) > 1 else None
        found[name] = {"mean": float(np.mean(values)), "std": std, "per_seed": values}
    return {**found, "samples": int(matrices[0].sum())}


def _present(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The matrices (..., C, C) and a mask (..., C) of the classes that have samples."""
    matrix = np.asarray(matrix)
    present = matrix.sum(-1) > 0
    if not present.any(-1).all():
        raise InputError("confusion matrix: no samples to score; check which sequences were predicted")
    return matrix, present


def _mean_over(present: np.ndarray, hits: np.ndarray, total: np.ndarray) -> float | np.ndarray:
    """The mean of hits / total over the classes that are present, all (..., C)."""
    ratios = np.divide(hits, total, out=np.zeros(present.shape), where=present)
    means = ratios.sum(-1) / present.sum(-1)
    return means if means.ndim else float(means)
