"""The files of single folds, as they are while a benchmark runs: results that are whole, and logs that may grow."""

import csv
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ra_icl.evaluation.metrics import confusion, uar, uf1

RUNNING, STOPPED, FAILED = "running", "stopped", "failed"
TAIL = 8192  # bytes at the end of a log that are read: more than an epoch's line and a traceback
_ERROR = "ra-icl: error: "
_ASKED_TO_STOP = "stopped by a signal"  # how checkpoint.Stopped begins
_REUSED = "nothing to train"  # how the log of a fold with an unchanged result ends


@dataclass(frozen=True)
class Finished:
    """A fold with a result.

    predictions: (label, prediction) of each held-out sequence. seconds: those of training, or of the whole job if that
    is known and longer. epochs: of its training. time: when it was written, in seconds since 1970. options: of its
    training, None in old records; candidate: the one whose options were chosen. flow: the digest of what it read.
    """

    predictions: list[tuple[int, int]]
    classes: int
    seconds: float
    epochs: int
    device: str
    selection: str
    time: float
    options: Mapping[str, Any] | None = None
    candidate: str = ""
    flow: str | None = None


@dataclass(frozen=True)
class Started:
    """A fold with a log and no result. epoch, epochs: the last that it tells of, and how many it has; 0 before one.

    state: RUNNING, STOPPED or FAILED. time: when its log was written last. reason: of a failure. resumes: whether a
    checkpoint lets it go on where it was.
    """

    path: Path
    state: str
    epoch: int
    epochs: int
    time: float
    reason: str = ""
    resumes: bool = False


def read_finished(fold: Path, benchmark: Path) -> Finished | None:
    """The result of a fold, or None if there is none, or none that can be read.

    fold: its path without suffix; benchmark: that of its job's seconds. Both files are renamed when they are whole, so
    that what is here is not half of one; a run may take them away at any moment.
    """
    try:
        record = json.loads(fold.with_name(f"{fold.name}.json").read_bytes())
        with open(fold.with_name(f"{fold.name}.csv"), encoding="utf-8", newline="") as file:
            written = os.fstat(file.fileno()).st_mtime
            rows = list(csv.DictReader(file))
        predictions = [(int(row["label"]), int(row["prediction"])) for row in rows]
        classes = sum(re.fullmatch(r"p\d+", name) is not None for name in rows[0])
        seconds = max(float(record["seconds"]), _job_seconds(benchmark))
        texts = record.get("device") or "unknown", record["selection"]
        trained_as = record.get("options"), record.get("candidate") or "", record.get("data", {}).get("flow")
        return Finished(predictions, classes, seconds, len(record.get("curve", ())), *texts, written, *trained_as)
    except (OSError, ValueError, KeyError, TypeError, LookupError, AttributeError):
        return None


def _job_seconds(benchmark: Path) -> float:
    """The seconds of the whole job, with its start; 0 if Snakemake has not measured it."""
    try:
        header, values = benchmark.with_name(f"{benchmark.name}.tsv").read_text(encoding="utf-8").splitlines()[:2]
        return float(dict(zip(header.split("\t"), values.split("\t"), strict=True))["s"])
    except (OSError, ValueError, KeyError):
        return 0.0


def read_log(fold: Path, checkpoint: Path, now: float, patience: float) -> Started | None:
    """What the log of a fold without result tells, or None if it has no log, or one of a training that was finished.

    fold: the log's path without suffix; checkpoint: that of its checkpoint and its kept result. patience: seconds
    without a word after which a fold that tells of no error counts as stopped: what kills a job leaves no word.
    """
    path = fold.with_name(f"{fold.name}.log")
    try:
        with open(path, "rb") as file:
            state = os.fstat(file.fileno())
            file.seek(max(0, state.st_size - TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    epochs = re.findall(r"^epoch (\d+)/(\d+) ", text, re.MULTILINE)
    epoch, of = map(int, epochs[-1]) if epochs else (0, 0)
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
    resumes = checkpoint.with_name(f"{checkpoint.name}.safetensors").is_file()
    if last.startswith(_ERROR + _ASKED_TO_STOP):
        return Started(path, STOPPED, epoch, of, state.st_mtime, resumes=resumes)
    if last.startswith(_ERROR) or "Traceback (most recent call last)" in text:
        return Started(path, FAILED, epoch, of, state.st_mtime, last.removeprefix(_ERROR), resumes)
    # A fold that ends whole keeps its result after its log's last line; without one it was killed while it predicted.
    if last.endswith(_REUSED) or _written(checkpoint.with_name(f"{checkpoint.name}.json")) >= state.st_mtime:
        return None  # its result was deleted, to be made again
    silent = now - state.st_mtime > patience
    return Started(path, STOPPED if silent else RUNNING, epoch, of, state.st_mtime, resumes=resumes)


def _written(path: Path) -> float:
    """When a file was written, in seconds since 1970; 0 if there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def score(folds: Iterable[Finished]) -> dict[str, float]:
    """UF1 and UAR in 0..1 of the folds' predictions, pooled; a class without samples so far is left out of its mean."""
    folds = list(folds)
    pairs = [pair for fold in folds for pair in fold.predictions]
    if not pairs:
        return {}
    matrix = confusion(*zip(*pairs, strict=True), max(fold.classes for fold in folds))
    return {"uf1": uf1(matrix), "uar": uar(matrix)}
