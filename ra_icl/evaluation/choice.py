"""Nested selection: from the inner folds of a group to a choice among candidates, and what tables say about choices."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pandas as pd

from ra_icl import files
from ra_icl.datasets.nested import InnerFold
from ra_icl.errors import InputError
from ra_icl.evaluation.folds import read_fold
from ra_icl.evaluation.metrics import confusion, uar, uf1
from ra_icl.files import RERUN

CHOICE_KEYS = ("protocol", "method", "group", "inner_folds", "seed", "candidates", "candidate", "overrides")
SHARED = ("protocol", "seed", "data_source", "selection")  # what all inner folds must have in common


def choose(
    fold_csvs: Sequence[Path],
    out: Path,
    *,
    candidates: Mapping[str, Mapping[str, Any]],
    protocol: str,
    method: str,
    group: str,
    classes: Sequence[str],
) -> dict[str, Any]:
    """Choose among `candidates`, {name: overrides of the method}, by the inner folds of a group (CSV files).

    A candidate's score is the mean of UF1 and UAR over the pooled predictions of its inner folds, all in 0..1; its
    spread is the sample standard deviation of the same score of each inner fold alone. The highest score wins, and of
    equal ones the first candidate. Nothing of the group itself enters, because its inner folds have not seen it.
    Writes `out` and returns its content: what was compared, each candidate's scores, the winner and its overrides.
    Raises InputError, naming the file, for folds of another method or group and for folds that read other flow, and
    unless every candidate has all inner folds once.
    """
    folds: dict[str, dict[int, pd.DataFrame]] = {name: {} for name in candidates}
    first: Mapping[str, Any] = {}
    for path in map(Path, fold_csvs):
        rows, record = read_fold(path, len(classes))
        first = first or record
        candidate, inner = _place(path, record, method, group, candidates)
        _require_same(path, record, first, protocol, fold_csvs[0])
        if inner.part in folds[candidate]:
            raise InputError(f"{path}: inner fold {inner.part} of {candidate} is given twice; name each file once")
        folds[candidate][inner.part] = rows
    parts = InnerFold.named(first["fold"]).parts if first else 0
    for candidate, found in folds.items():
        if len(found) != max(parts, 1):
            raise InputError(f"{out}: {candidate} has {len(found)} inner folds of {parts}; name the CSV files of all")
    scores = {
        name: _scores([found[part] for part in sorted(found)], len(classes)) | {"overrides": dict(candidates[name])}
        for name, found in folds.items()
    }
    chosen = max(scores, key=lambda name: scores[name]["score"])
    content = {"protocol": protocol, "method": method, "group": group, "groups": InnerFold.named(first["fold"]).groups}
    content |= {"inner_folds": parts, "seed": first["seed"], "data_source": first["data_source"]}
    content |= {"flow": first["data"]["flow"], "candidates": scores}
    content |= {"candidate": chosen, "overrides": scores[chosen]["overrides"]}
    files.write_json(out, content)
    return content


def read_choice(path: Path) -> dict[str, Any]:
    """Read what `choose` wrote. Raises InputError if a key is missing."""
    content = files.read_json(path)
    for key in CHOICE_KEYS:
        if not isinstance(content, Mapping) or key not in content:
            raise InputError(f"{path}: key {key} is missing; {RERUN}")
    return content


def selections_of(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """What metrics say about the choices that their folds took: an entry for each method that was selected for.

    An entry is {"method": that method, "inner_folds", "seed", "groups": {group: {"candidate": the chosen one,
    "scores": {candidate: its score}, "spread": {candidate: its spread}}}}. Folds of a method take the choices of one
    method at most, those of an ensemble the choices of its members.
    """
    choices: dict[str, list[dict[str, Any]]] = {}
    for choice in map(read_choice, paths):
        choices.setdefault(choice["method"], []).append(choice)
    return [_selection(of_method) for of_method in choices.values()]


def _selection(choices: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The entry of `selections_of` for the choices of one method."""
    groups = {
        choice["group"]: {
            "candidate": choice["candidate"],
            "scores": {name: found["score"] for name, found in choice["candidates"].items()},
            "spread": {name: found["spread"] for name, found in choice["candidates"].items()},
        }
        for choice in choices
    }
    return {key: choices[0][key] for key in ("method", "inner_folds", "seed")} | {"groups": groups}


def selection_notes(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """The notes of a table whose methods took choices: which, and how the candidates fared in the inner folds."""
    found = [selection for content in metrics for selection in _taken(content)]
    return list(dict.fromkeys(note for one in found for note in _notes_of(one, metrics)))


def _taken(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The selections that metrics tell of: of a method one at most, of an ensemble those of its members."""
    own = content.get("selection_of")
    return [own] if own else content.get("selections_of_members", [])


def _notes_of(selection: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    takers = [content["method"] for content in metrics if selection in _taken(content)]
    others = ", ".join(name for name in takers if name != selection["method"])
    yield (
        f"Options of {selection['method']} were chosen for each of {len(selection['groups'])} groups of subjects, by "
        f"{selection['inner_folds']} inner folds over the subjects of the other groups, seed {selection['seed']}"
        f"{f'; also used for {others}' if others else ''}. Below: the choice, and every candidate's mean of UF1 and "
        "UAR over those folds in %, ± standard deviation between them"
    )
    for group, found in selection["groups"].items():
        scores = ", ".join(
            f"{name} {100 * score:.1f} ± {100 * found['spread'][name]:.1f}" for name, score in found["scores"].items()
        )
        yield f"{selection['method']}, {group}: {found['candidate']} ({scores})"


def _place(
    path: Path, record: Mapping[str, Any], method: str, group: str, candidates: Mapping[str, Any]
) -> tuple[str, InnerFold]:
    """The candidate and the inner fold that a record is of."""
    origin, _, candidate = record["method"].partition(".")
    inner = InnerFold.named(record["fold"])
    if origin != method or candidate not in candidates:
        raise InputError(
            f"{path}: is of {record['method']}, not of a candidate of {method}; give its inner folds alone"
        )
    if inner is None or inner.group != group:
        raise InputError(f"{path}: is fold {record['fold']}, not an inner fold of {group}; give its inner folds alone")
    return candidate, inner


def _require_same(path: Path, record: Mapping[str, Any], first: Mapping[str, Any], protocol: str, other: Path) -> None:
    """Raise InputError unless an inner fold was made from the same data and by the same rules as the first."""
    of_both = [InnerFold.named(one["fold"]) for one in (record, first)]
    same = {key: record[key] == first[key] for key in SHARED}
    same["flow"] = record["data"]["flow"] == first["data"]["flow"]
    same["folds"] = len({(inner.groups, inner.parts) for inner in of_both}) == 1
    same["protocol"] &= record["protocol"] == protocol
    for key in [key for key, agrees in same.items() if not agrees]:
        raise InputError(f"{path}: has other {key} than {other}; {RERUN}")


def _scores(folds: Sequence[pd.DataFrame], classes: int) -> dict[str, Any]:
    """UF1, UAR and their mean over the pooled folds, the same mean of each fold, and the spread of those."""
    pooled = pd.concat(folds, ignore_index=True)
    both = [_both(rows, classes) for rows in (pooled, *folds)]
    alone = [mean(one) for one in both[1:]]
    found = {"uf1": both[0][0], "uar": both[0][1], "score": mean(both[0])}
    return found | {"spread": stdev(alone) if len(alone) > 1 else 0.0, "folds": alone}


def _both(rows: pd.DataFrame, classes: int) -> tuple[float, float]:
    matrix = confusion(rows["label"].to_numpy(), rows["prediction"].to_numpy(), classes)
    return float(uf1(matrix)), float(uar(matrix))
