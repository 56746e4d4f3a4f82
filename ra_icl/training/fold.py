"""LOSO folds as a step of the workflow: read flow, train on the other subjects, predict, write three files each."""

import logging
import platform
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ra_icl import __version__
from ra_icl.datasets.index import read_index_csv
from ra_icl.datasets.protocols import fold_of, protocol_of, select
from ra_icl.errors import InputError
from ra_icl.files import atomic, save_tensors, write_csv, write_json
from ra_icl.training.checkpoint import Checkpoint, Stopped, StopRequest, digest_of
from ra_icl.training.device import free_gpu
from ra_icl.training.instances import InstanceSets, load_instances
from ra_icl.training.loop import Trained, Training, stream_of
from ra_icl.training.method import MethodOptions
from ra_icl.training.step import resolve_precision

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fold:
    """What a fold is: protocol, method, held-out `{dataset}-{subject}`, seed, and where its data came from.

    classes: those of own data, in label order; the other protocols have theirs.
    """

    protocol: str
    method: str
    name: str
    seed: int
    data_source: str
    classes: tuple[str, ...] = ()

    @property
    def training_seed(self) -> int:
        """A seed of the fold's own, the same in every process: from protocol, fold and seed, not from the method."""
        text = f"{self.protocol}/{self.name}/{self.seed}"
        return int.from_bytes(sha256(text.encode()).digest()[:4], "big")


def run_folds(
    folds: Mapping[Path, Fold],
    indexes: list[Path],
    flow: Path,
    options: MethodOptions,
    device: str = "auto",
    checkpoints: Path | None = None,
    checkpoint_seconds: float = 60.0,
    flow_digest: Path | None = None,
    code: str = "",
) -> None:
    """Train and predict folds of one protocol one after another, from flow that is read once.

    folds: by the CSV file that each writes, with a .json and a .safetensors beside it: all three or none. indexes: the
    index CSV of every dataset of the protocol; flow: the folder flow/{sampling}. checkpoints: a folder that keeps a
    fold's state as {name}.safetensors, from which the same fold goes on; that of a finished one stays until all are
    done, as a workflow deletes whatever a job that failed has written. flow_digest: a file of the flow's checksums,
    which tells whether a checkpoint is of the same flow (without it the flow is read). code: a digest of the code that
    trains, part of a checkpoint's identity. A fold that fails leaves the
    others running.
    Raises InputError where a held-out subject is unknown, files are missing or some fold failed: a line for each.
    """
    for path in folds:
        if path.suffix != ".csv":
            raise InputError(f"{path}: a fold is named by the file that it writes, {{dataset}}-{{subject}}.csv")
    device = resolve_device(device)
    first = next(iter(folds.values()))
    protocol = protocol_of(first.protocol, first.classes)
    table = select(pd.concat([read_index_csv(path) for path in indexes], ignore_index=True), protocol)
    rows = [held_out_rows(table, fold.name) for fold in folds.values()]
    sets = load_instances(table, flow, options.input, device)
    parts = [split(sets, held_out) for held_out in rows]
    stop, faults = StopRequest(), []
    states: list[Checkpoint | None] = [None] * len(folds)
    if checkpoints:
        data = [*indexes, *([flow_digest] if flow_digest else flow_files(flow, sets))]
        identity = _identity(data, options, device, code)
        states = _checkpoints(list(folds.values()), checkpoints, identity, stop, checkpoint_seconds)
    stream = stream_of(device)  # one for all: cuBLAS keeps a workspace for every stream that it has seen
    with stop if checkpoints else nullcontext():
        for (out, fold), (training, held_out), state in zip(folds.items(), parts, states, strict=True):
            stop.honour()
            log.info(
                "%s %s %s: %d training sequences, %d held out, on %s",
                *(fold.protocol, fold.method, fold.name, len(training), len(held_out), device),
            )
            try:
                of_fold = (training, held_out, len(protocol.classes), options, fold.training_seed, device)
                data = data_record(sets, training, held_out)
                write_fold(out, fold, held_out, Training(*of_fold, state, stream).run(), options, device, data)
            except Stopped:
                raise
            except InputError as error:
                faults.append(f"fold {fold.name}: {error}")
            free_gpu(device)
    if faults:
        raise InputError("\n".join(faults))
    for state in filter(None, states):
        state.remove()


def _checkpoints(
    folds: Sequence[Fold], folder: Path, identity: dict, stop: StopRequest, seconds: float
) -> list[Checkpoint]:
    """One for each fold, which keeps its end where another fold may fail."""
    several = len(folds) > 1
    return [
        Checkpoint(folder / f"{fold.name}.safetensors", {"fold": asdict(fold)} | identity, stop, seconds, several)
        for fold in folds
    ]


def flow_files(flow: Path, sets: InstanceSets) -> list[Path]:
    """The flow files that the sequences were read from."""
    pairs = sets.table[["dataset", "subject"]].drop_duplicates().itertuples(index=False)
    return [flow / dataset / f"{subject}.safetensors" for dataset, subject in pairs]


def _identity(data: list[Path], options: MethodOptions, device: str, code: str) -> dict:
    """What a training depends on beside the fold: another of these, and a checkpoint is not resumed."""
    return {
        "options": asdict(options),
        "device": device,
        "torch": torch.__version__,
        "data": digest_of(data),
        "code": code,
    }


def commit_of_code() -> str | None:
    """The git commit of the package, with "-dirty" where files differ from it; None outside a clone."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def resolve_device(device: str) -> str:
    """ "auto" is CUDA where there is a GPU, else the CPU. Raises InputError for a device that is not there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"--device {device}: PyTorch finds no CUDA GPU here; use --device cpu")
    return device


def held_out_rows(table: pd.DataFrame, name: str) -> np.ndarray:
    """Which rows (dataset, subject) the fold `name` holds out. Raises InputError where they are none or all."""
    held_out = (fold_of(table) == name).to_numpy()
    if not held_out.any():
        raise InputError(f"fold {name}: no such subject in the index; run `snakemake -n` for the list of folds")
    if held_out.all():
        raise InputError(f"fold {name}: no other subject to train on; a protocol needs at least two")
    return held_out


def split(sets: InstanceSets, held_out: np.ndarray) -> tuple[InstanceSets, InstanceSets]:
    """Training and held-out sets, disjoint by subject."""
    return sets.subset((~held_out).nonzero()[0]), sets.subset(held_out.nonzero()[0])


def write_fold(
    out: Path,
    fold: Fold,
    held_out: InstanceSets,
    trained: Trained,
    options: MethodOptions,
    device: str,
    data: dict,
) -> None:
    """Write predictions (CSV `out`), the record (JSON) and the online network (safetensors): all three or none."""
    with ExitStack() as files:
        csv, json, network = (
            files.enter_context(atomic(out.with_suffix(suffix))) for suffix in (".csv", ".json", ".safetensors")
        )
        write_csv(csv, predictions(held_out, trained))
        write_json(json, record(fold, trained, options, device) | {"data": data})
        save_tensors(network, trained.model.online.state_dict(), {"fold": asdict(fold)})


def data_record(sets: InstanceSets, training: InstanceSets, held_out: InstanceSets) -> dict:
    """What the fold was fed: how many sequences, a digest of all flow that was read, ranges of its values."""
    return {
        "trained": len(training),
        "predicted": len(held_out),
        "flow": sets.digest,
        "training": training.summary(),
        "all": sets.summary(),
    }


def predictions(held_out: InstanceSets, trained: Trained) -> pd.DataFrame:
    """A row per held-out sequence: dataset, subject, sequence, label, prediction, p0 .. p{L-1}."""
    classes = trained.probabilities.shape[1]
    table = held_out.table.assign(prediction=trained.probabilities.argmax(axis=1))
    columns = [f"p{label}" for label in range(classes)]
    return pd.concat([table, pd.DataFrame(trained.probabilities, columns=columns)], axis=1)


def record(fold: Fold, trained: Trained, options: MethodOptions, device: str) -> dict:
    """What is worth knowing of a finished fold: its identity, loss curve, seconds, device, options, versions."""
    return {
        "protocol": fold.protocol,
        "method": fold.method,
        "fold": fold.name,
        "seed": fold.seed,
        "training_seed": fold.training_seed,
        "data_source": fold.data_source,
        "selection": options.training.select,
        "epoch": trained.epoch,
        "seconds": round(trained.seconds, 3),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else f"cpu ({platform.machine()})",
        "precision": resolve_precision(options.training.precision, device),
        "threads": torch.get_num_threads(),
        "options": asdict(options),
        "versions": {"ra_icl": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "commit": commit_of_code(),
        "curve": trained.curve,
    }
