"""A model to use: a method trained on all subjects of a protocol, in one file with all that a new clip needs.

No subject is held out, so nothing here measures how good the model is: that is the score of the method's folds, which
the file quotes.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ra_icl.errors import InputError
from ra_icl.files import RERUN, open_tensors
from ra_icl.training.checkpoint import Checkpoint, key_of
from ra_icl.training.device import explaining_memory, resolve_device
from ra_icl.training.fold import Fold, commit_of_code, identity_of, read_rows, record_of, require_finite
from ra_icl.training.instances import InstanceSets, instance_sets, stored_flow
from ra_icl.training.loop import Trained, Training
from ra_icl.training.method import MethodOptions
from ra_icl.training.network import save_network

ALL = "all"  # in place of a fold's name: nobody is held out
# What the metadata of crops and flow say about how they were made, and what a model's file calls it.
CROPS = {"options": "faces", "detector": "detector", "opencv": "opencv"}
FLOW = {"sampling": "sampling", "options": "flow", "backend": "backend", "version": "version"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Known:
    """What a model's file quotes, beside what its training leaves.

    title: the method's. score: of the method's folds, see `recognition.score.held_out_score`. training_code: digest of
    the code that trains; prediction_code: of what prepares and predicts a clip, by the backend of the flow. choice: how
    the options were chosen, if nested selection chose them.
    """

    title: str
    score: Mapping[str, Any]
    training_code: str
    prediction_code: Callable[[str], str]
    choice: str = ""


def train_final(
    out: Path,
    fold: Fold,
    indexes: Sequence[Path],
    flow: Path,
    crops: Path,
    options: MethodOptions,
    known: Known,
    *,
    checkpoints: Path | None = None,
    checkpoint_seconds: float = 60,
) -> pd.DataFrame:
    """Train on all sequences of the fold's protocol and write the network, in half precision, to `out`.

    fold: named `ALL`. indexes: the index CSV of every dataset of the protocol. flow: the folder flow/{sampling}. crops:
    the folder of the crops that the flow is of. checkpoints: folder for the state from which training resumes.
    The file's metadata hold what `save_network` writes and, under "model", how crops and flow were made, counts of the
    data, the record of the training and what is `known`.
    Returns the table of the sequences, with the probabilities p0 .. p{L-1} of the network before it was rounded.
    Raises InputError if crops or flow are missing or differ in how they were made, if they are published maps, if the
    method is a peer or chooses its epoch on held-out subjects, if the score is of other flow, and as `run_fold`.
    """
    if options.peer:
        raise InputError(f"peer: {fold.method} is a peer; name a method of Ra-ICL's")
    if options.training.select != "last":
        raise InputError(
            f"training.select: {fold.method} takes the epoch that is best on held-out subjects, and here nobody is "
            "held out; name a method with select: last under final_model.method"
        )
    device = resolve_device(options.training.device)
    table = read_rows(fold, list(indexes))
    stored = stored_flow(table, Path(flow))
    if known.score["flow"] not in (None, stored.digest):
        raise InputError(f"{flow}: the score that the model would quote is of other flow; run the method's folds again")
    prepared = how_prepared(table, Path(flow), Path(crops))
    key = key_of(identity_of(fold, stored, options, device, known.training_code))
    state = Checkpoint(Path(checkpoints, f"{ALL}.safetensors"), key, checkpoint_seconds) if checkpoints else None
    with state or nullcontext(), explaining_memory():
        sets = instance_sets(stored, options.input, device)
        log.info("%s on all %d sequences of %s, on %s", fold.method, len(sets), fold.protocol, device)
        # In place of held-out sets the network predicts those that it was trained on: how well it fits them.
        trained = Training(sets, sets, len(fold.class_names), options, fold.training_seed, device, state).run()
        require_finite(sets.table, trained.probabilities)
        about = {"title": known.title, "prepared": prepared, "data": counts(table, fold.class_names)}
        about |= {"training": _record(fold, trained, sets, options, device, stored.digest)}
        code = {"training": known.training_code, "prediction": known.prediction_code(prepared["backend"])}
        about |= {"score": dict(known.score), "code": code, "choice": known.choice}
        save_network(out, trained.network, fold.class_names, options, asdict(fold), {"model": about})
    if state:
        state.remove()
    columns = [f"p{label}" for label in range(len(fold.class_names))]
    return pd.concat([sets.table, pd.DataFrame(trained.probabilities, columns=columns)], axis=1)


def how_prepared(table: pd.DataFrame, flow: Path, crops: Path) -> dict[str, Any]:
    """How the crops and the flow of these sequences were made, by the names of CROPS and FLOW.

    Raises InputError, naming the file, if one is missing, differs from the others or does not say it.
    """
    names = [Path(row.dataset, f"{row.subject}.safetensors") for row in table.itertuples()]
    names = list(dict.fromkeys(names))
    found = _alike((flow / name for name in names), FLOW) | _alike((crops / name for name in names), CROPS)
    return found | {"sampling": {key: value for key, value in found["sampling"].items() if key != "name"}}


def _alike(paths: Iterable[Path], keys: Mapping[str, str]) -> dict[str, Any]:
    """The first file's values under `keys`, by their new names. All files must agree, apart from the model of GPU."""
    first: tuple[Path, dict[str, Any]] | None = None
    for path in paths:
        with open_tensors(path) as file:
            missing = [key for key in keys if key not in file.metadata]
            if missing:
                raise InputError(
                    f"{path}: does not say how it was made (no {missing[0]}), so a new clip cannot be prepared alike; "
                    "a model to use needs crops and flow of this package, not published maps"
                )
            made = {name: file.metadata[key] for key, name in keys.items()}
        first = first or (path, made)
        for name in keys.values():
            if _apart_from_gpu(made[name]) != _apart_from_gpu(first[1][name]):
                raise InputError(f"{path}: was made with other {name} than {first[0]}; {RERUN}")
    return first[1] if first else {}


def _apart_from_gpu(made: Any) -> Any:
    """A version without the GPU's name at its end, because a cluster may have several models."""
    return made.partition(", cuda ")[0] if isinstance(made, str) else made


def counts(table: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """What a model was trained on, per dataset.

    {"subjects", "clips", "classes": {class: {emotion: clips}}, "frames": [fewest, most], from onset to offset, "fps":
    [lowest, highest], or null if no row has one}.
    """
    found = {}
    for dataset, rows in table.groupby("dataset", sort=False):
        labels = {name: rows.loc[rows["label"] == label, "emotion"] for label, name in enumerate(classes)}
        frames, fps = rows["offset"] - rows["onset"] + 1, rows["fps"].dropna()
        found[str(dataset)] = {
            "subjects": int(rows["subject"].nunique()),
            "clips": len(rows),
            "classes": {
                name: {emotion: int(n) for emotion, n in of.value_counts().items()} for name, of in labels.items()
            },
            "frames": [int(frames.min()), int(frames.max())],
            "fps": [float(fps.min()), float(fps.max())] if len(fps) else None,
        }
    return found


def _record(
    fold: Fold, trained: Trained, sets: InstanceSets, options: MethodOptions, device: str, flow: str
) -> dict[str, Any]:
    """The record of a fold without its curve and its options, with the share of training sequences that are right."""
    left_out = ("curve", "options", "fold", "candidate")
    record = {key: value for key, value in record_of(fold, trained, options, device).items() if key not in left_out}
    right = trained.probabilities.argmax(axis=1) == sets.table["label"].to_numpy()
    return record | {"right_on_training": float(np.mean(right)), "flow": flow, "commit": commit_of_code()}
