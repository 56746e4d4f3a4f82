"""One fold as a step of the workflow: read flow, train on the other subjects, predict, write the files."""

import logging
import platform
import subprocess
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ra_icl import __version__
from ra_icl.datasets.index import read_index_csvs
from ra_icl.datasets.nested import rows_of_fold
from ra_icl.datasets.protocols import protocol_of, select
from ra_icl.errors import InputError
from ra_icl.training import outputs
from ra_icl.training.checkpoint import Checkpoint, key_of
from ra_icl.training.device import device_name, explaining_memory, peak_memory, resolve_device, resolve_precision
from ra_icl.training.instances import InstanceSets, StoredFlow, instance_sets, stored_flow
from ra_icl.training.kept import keep_result, restore_result
from ra_icl.training.loop import Trained, Training
from ra_icl.training.method import MethodOptions
from ra_icl.training.peers import peer_training, settings_of
from ra_icl.training.prediction import WAYS, predict

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fold:
    """A fold: protocol, method, name, seed, and where its data came from.

    name: as `protocols.folds` or `nested.inner_folds` gives it. classes: those of protocol "own", in label order; the
    other protocols define theirs. candidate: the one chosen for the fold's group, if its options were selected.
    """

    protocol: str
    method: str
    name: str
    seed: int
    data_source: str
    classes: tuple[str, ...] = ()
    candidate: str = ""

    @property
    def training_seed(self) -> int:
        """The seed of the training, derived from protocol, fold and seed but not from the method."""
        text = f"{self.protocol}/{self.name}/{self.seed}"
        return int.from_bytes(sha256(text.encode()).digest()[:4], "big")

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of the fold's protocol, in label order."""
        return protocol_of(self.protocol, self.classes).classes


def run_fold(
    out: Path,
    fold: Fold,
    indexes: list[Path],
    flow: Path,
    options: MethodOptions,
    *,
    checkpoints: Path | None = None,
    checkpoint_seconds: float = 60,
    code: str = "",
    keep_network: bool = False,
    keep_epochs: bool = False,
    keep_views: bool = False,
) -> None:
    """Train one fold and predict its held-out subjects, unless `out` already holds the result.

    out: the CSV file of predictions; the record goes beside it as .json; with `keep_network`, the network that predicts
    as .safetensors; with `keep_epochs`, the predictions after each epoch as .epochs.csv; with `keep_views`, those of
    every way to predict as .views.csv. indexes: the index CSV of every dataset of the protocol. flow: the folder
    flow/{sampling}. checkpoints: folder for {fold}.safetensors, the state from which an interrupted training resumes,
    written every `checkpoint_seconds` at most. code: a digest of the code that trains.
    Raises InputError if the protocol has no such fold, flow is missing, the loss diverges, the device is unusable, or
    checkpoints are to go where the result does.
    """
    if checkpoints and checkpoints.resolve() == out.parent.resolve():
        raise InputError(f"--checkpoints: {checkpoints} is the folder of {out.name} too; give another")
    options, device = options.effective, resolve_device(options.training.device)
    table, held_out = fold_rows(read_rows(fold, indexes), fold)
    stored = stored_flow(table, Path(flow))
    key = key_of(identity_of(fold, stored, options, device, code))
    if checkpoints:
        restore_result(out, checkpoints, key)
    flags = (keep_network, keep_epochs, keep_views)
    if outputs.reuse(key, out, [suffix for suffix, kept in zip(outputs.EXTRAS, flags, strict=True) if kept]):
        log.info("%s: unchanged: same flow, options and code; nothing to train", fold.name)
        return
    facts = {"key": key, "commit": commit_of_code()}
    # A training that was interrupted without it lacks the predictions after its first epochs.
    state_key = f"{key}, every epoch predicted" if keep_epochs else key
    name = f"{fold.name}.safetensors"
    state = Checkpoint(Path(checkpoints, name), state_key, checkpoint_seconds) if checkpoints else None
    with state or nullcontext(), explaining_memory():
        sets = instance_sets(stored, options.input, device)
        training, unseen = split(sets, held_out)
        log.info("%s: %d training sequences, %d held out, on %s", fold.name, len(training), len(unseen), device)
        arguments = (training, unseen, len(fold.class_names), options, fold.training_seed, device, state, keep_epochs)
        trained = (peer_training if options.peer else Training)(*arguments).run()
        require_finite(unseen.table, trained.probabilities)
        facts["data"] = data_record(sets, training, unseen, stored.digest)
        network = (trained.network, fold.class_names, options, asdict(fold), {"key": key}) if keep_network else None
        record = record_of(fold, trained, options, device) | facts
        tables = {outputs.EPOCHS: epochs_of(unseen, trained)} if keep_epochs else {}
        tables |= {outputs.VIEWS: views_of(unseen, trained, options)} if keep_views else {}
        outputs.write(out, predictions(unseen, trained.probabilities), record, network, tables)
    if state:
        keep_result(out, checkpoints)
        state.remove()


def read_rows(fold: Fold, indexes: list[Path]) -> pd.DataFrame:
    """All rows of the fold's protocol in the index CSVs, with their labels."""
    return select(read_index_csvs(indexes), protocol_of(fold.protocol, fold.classes))


def fold_rows(table: pd.DataFrame, fold: Fold) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows of `read_rows` that a fold may see, and which of them it holds out, bool.

    Raises InputError if it holds out none or all of them.
    """
    table, held_out = rows_of_fold(table, protocol_of(fold.protocol, fold.classes), fold.name)
    if not held_out.any():
        raise InputError(
            f"fold {fold.name}: {fold.protocol} has no such fold in the index; run `snakemake -n` for the list of folds"
        )
    if held_out.all():
        raise InputError(f"fold {fold.name}: no other subject to train on; a protocol needs at least two")
    return table, held_out


def split(sets: InstanceSets, held_out: np.ndarray) -> tuple[InstanceSets, InstanceSets]:
    """Training and held-out sets, disjoint by subject."""
    return sets.subset((~held_out).nonzero()[0]), sets.subset(held_out.nonzero()[0])


def require_finite(table: pd.DataFrame, probabilities: np.ndarray) -> None:
    """Raise InputError for the first sequence of the table that has a probability (S, L) which is not finite."""
    for row in table[~np.isfinite(probabilities).all(axis=1)].itertuples():
        raise InputError(
            f"{row.dataset}/{row.subject}/{row.sequence}: its probabilities are not finite: the last step of training "
            "diverged, or its flow is not finite; lower the learning rate, or make its flow again"
        )


def identity_of(fold: Fold, flow: StoredFlow, options: MethodOptions, device: str, code: str) -> dict[str, Any]:
    """Everything that a fold's predictions depend on, as JSON-able values."""
    settings = asdict(options)
    settings["training"].pop("device", None)  # what counts is what it and the precision resolve to
    settings["training"]["precision"] = resolve_precision(options.training.precision, device)
    # A number of pairs is limited by the frames of a sequence, which the flow does not always tell.
    frames = {} if isinstance(options.training.pairs, str) else {"frames": flow.table["frames"].tolist()}
    return {
        "fold": asdict(fold),
        "options": settings,
        "flow": flow.digest,
        "labels": flow.table["label"].tolist(),
        **frames,
        "code": code,
        "torch": torch.__version__,
        "device": device,
    }


def commit_of_code() -> str | None:
    """The git commit of the package, with "-dirty" if files differ from it or it lacks them; None outside a clone."""
    try:
        commit = _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
        # A peer of one's own may be a new file, which `describe` does not count.
        new = _git("ls-files", "--others", "--exclude-standard", "--", str(Path(__file__).parents[1]))
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}-dirty" if new and not commit.endswith("-dirty") else commit


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def predictions(held_out: InstanceSets, probabilities: np.ndarray) -> pd.DataFrame:
    """A row per held-out sequence: dataset, subject, sequence, label, prediction, p0 .. p{L-1}.

    probabilities: (S, L).
    """
    table = held_out.table.drop(columns="frames").assign(prediction=probabilities.argmax(axis=1))
    columns = [f"p{label}" for label in range(probabilities.shape[1])]
    return pd.concat([table, pd.DataFrame(probabilities, columns=columns)], axis=1)


def epochs_of(held_out: InstanceSets, trained: Trained) -> pd.DataFrame:
    """The predictions after each epoch, with a first column `epoch` from 1."""
    tables = {epoch: predictions(held_out, values) for epoch, values in enumerate(trained.epochs, 1)}
    return pd.concat(tables, names=["epoch"]).reset_index("epoch").reset_index(drop=True)


def views_of(held_out: InstanceSets, trained: Trained, options: MethodOptions) -> pd.DataFrame:
    """A row per held-out sequence: dataset, subject, sequence, label, and p0_{view} .. p{L-1}_{view} for all WAYS.

    All are predicted by the network of `inference.network`.
    """
    parts = [held_out.table.drop(columns="frames")]
    for name, view in WAYS.items():
        inference = replace(options.inference, **view)
        found = predict(trained.network, held_out, replace(options, inference=inference))
        parts.append(pd.DataFrame(found, columns=[f"p{label}_{name}" for label in range(found.shape[1])]))
    return pd.concat(parts, axis=1)


def data_record(sets: InstanceSets, training: InstanceSets, held_out: InstanceSets, digest: str) -> dict[str, Any]:
    """What the fold was fed: numbers of sequences, the digest of all flow, and the ranges of its values.

    classes: training sequences by label.
    """
    return {
        "trained": len(training),
        "classes": np.bincount(training.table["label"]).tolist(),
        "predicted": len(held_out),
        "flow": digest,
        "training": training.summary(),
        "all": sets.summary(),
    }


def record_of(fold: Fold, trained: Trained, options: MethodOptions, device: str) -> dict[str, Any]:
    """A finished fold's identity, loss curve, seconds, device, peak memory in bytes, options and versions."""
    return {
        "protocol": fold.protocol,
        "method": fold.method,
        "fold": fold.name,
        "candidate": fold.candidate,
        "seed": fold.seed,
        "training_seed": fold.training_seed,
        "data_source": fold.data_source,
        "selection": options.training.select,
        "epoch": trained.epoch,
        "steps": trained.steps,
        "images": trained.images,
        "seconds": round(trained.seconds, 3),
        "device": device_name(device),
        "memory": peak_memory(device),
        "precision": resolve_precision(options.training.precision, device),
        "threads": torch.get_num_threads(),
        **settings_of(options),
        "versions": {"ra_icl": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "curve": trained.curve,
    }
