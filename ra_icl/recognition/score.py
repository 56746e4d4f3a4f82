"""How good a model can be expected to be: the score of its method's folds, whose people were held out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ra_icl.errors import InputError
from ra_icl.evaluation.caveats import FOLDS_CAVEATS, SELECTION_CAVEATS, missing_datasets
from ra_icl.evaluation.intervals import score_intervals, subjects_of
from ra_icl.evaluation.records import differing_option, read_metrics


def held_out_score(
    path: Path, protocol: str, method: str, data_source: str, options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What a model's file quotes of a metrics JSON.

    options: those of the model, as its JSON holds them; the folds must have been trained with them.
    `scores`: of {"composite", dataset, ...} UF1, UAR and accuracy in 0..1 and the number of clips; `intervals`: {"uf1":
    [low, high], "uar": [low, high]} at 95 % over subjects, empty for fewer than ten; `subjects`, `folds` and `seeds`,
    their numbers; `confusion` of the composite, summed over seeds; `caveats`; `flow`, the digest of what was learnt.
    Raises InputError if the file is missing, of an older version, or of another protocol, method or source of data, or
    if the folds had other options.
    """
    metrics = read_metrics(Path(path))
    for key, wanted in {"protocol": protocol, "method": method, "data_source": data_source}.items():
        if metrics[key] != wanted:
            remedy = f"give the model's own metrics, or correct --{key.replace('_', '-')}"
            raise InputError(f"{path}: is of {key} {metrics[key]}, not {wanted}; {remedy}")
    differing = [differing_option(one, options or {}) for one in metrics.get("options", {}).values()]
    if differing and all(differing):
        raise InputError(
            f"{path}: its folds had another {differing[0]} than the model would have; give the model the same options"
        )
    subjects = subjects_of(metrics)
    caveats = [*missing_datasets(protocol, metrics["scores"]), FOLDS_CAVEATS.get(protocol)]
    return {
        "scores": {name: _means(found) for name, found in metrics["scores"].items()},
        "intervals": {name: list(ends) for name, ends in score_intervals(subjects).items()},
        "subjects": len(subjects),
        "folds": metrics.get("folds", 0),
        "seeds": len(metrics["seeds"]),
        "confusion": metrics["confusion"]["composite"],
        "caveats": list(filter(None, [*caveats, SELECTION_CAVEATS.get(metrics["selection"])])),
        "flow": metrics["data"].get("flow"),
    }


def options_of_folds(path: Path) -> dict[str, Any]:
    """The options that the folds of a metrics JSON were trained with.

    Raises InputError if it holds none, as those of older versions, or those of several candidates.
    """
    found = read_metrics(Path(path)).get("options", {})
    if len(found) != 1:
        held = f"those of {', '.join(found)}" if found else "none"
        raise InputError(f"{path}: options of the folds: holds {held}; give the model's as --options")
    return next(iter(found.values()))


def _means(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: found[name]["mean"] for name in ("uf1", "uar", "accuracy")} | {"samples": found["samples"]}


def recalls(score: Mapping[str, Any]) -> list[float | None]:
    """The share of each class's clips that were recognised, in 0..1; None for a class without clips."""
    matrix = np.array(score["confusion"])
    return [float(row[number] / row.sum()) if row.sum() else None for number, row in enumerate(matrix)]


def percent(score: Mapping[str, Any], name: str) -> str:
    """UF1 or UAR of all datasets together in %, with its interval: "65.1 % [58.0, 72.2]"."""
    value = f"{100 * score['scores']['composite'][name]:.1f} %"
    if name not in score["intervals"]:
        return value
    low, high = score["intervals"][name]
    return f"{value} [{100 * low:.1f}, {100 * high:.1f}]"
