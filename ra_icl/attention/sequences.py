"""What is looked at: kept networks, the sequences that their folds held out, and where the twins' faces really move."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ra_icl.errors import InputError
from ra_icl.files import open_tensors
from ra_icl.model.siamese import Branch
from ra_icl.training.fold import Fold, fold_rows, read_rows
from ra_icl.training.method import InputOptions
from ra_icl.training.network import load_network
from ra_icl.training.outputs import NETWORK
from ra_icl.twins.truth import Truth, read_truth, truth_file


@dataclass(frozen=True)
class Places:
    """Where a run keeps what its folds saw.

    indexes: the index CSV of every dataset. flow: the folder flow/{sampling}. crops: the folder crops/, without which
    there are no frames. twins: the folder twins/, for the truth.
    """

    indexes: tuple[Path, ...]
    flow: Path
    crops: Path | None = None
    twins: Path | None = None


class Kept(NamedTuple):
    """A network of `keep_networks`: in evaluation mode, with the fold that it is of and its method's options."""

    network: Branch
    fold: Fold
    options: dict[str, Any]

    @property
    def input(self) -> InputOptions:
        """How flow maps become its inputs."""
        return InputOptions(**self.options["input"])


class Sampled(NamedTuple):
    """Which frames of a clip its instances come from: their positions in its crops, and their numbers."""

    positions: list[int]
    numbers: list[int]


class Known(NamedTuple):
    """The truth of a twin's clip; transform: 2x3, its frames to their crops."""

    truth: Truth
    transform: list


def kept_network(csv: Path) -> Kept:
    """The network that was kept beside a fold's CSV. Raises InputError if there is none."""
    path = csv.parent / f"{csv.stem}{NETWORK}"
    if not path.is_file():
        method = csv.parent.parent.name
        raise InputError(f"{path}: no kept network; list {method} under keep_networks and run again")
    try:
        network = load_network(path)
        with open_tensors(path) as file:
            fold, options = dict(file.metadata["fold"]), file.metadata["options"]
    except (KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: is of another version; delete it and its CSV and run again") from error
    if options.get("peer"):
        raise InputError(f"{path}: is of the peer {options['peer']['name']}; name folds of a method of Ra-ICL's")
    return Kept(network, Fold(**fold | {"classes": tuple(fold.get("classes", ()))}), options)


def rows_of(fold: Fold, indexes: tuple[Path, ...]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The index's rows of the sequences that a fold held out, and of those that it was trained on, with labels."""
    table, held_out = fold_rows(read_rows(fold, list(indexes)), fold)
    return tuple(table[part].reset_index(drop=True) for part in (held_out, ~held_out))


def file_of(folder: Path, row: Any) -> Path:
    """The file of a row's subject below crops/ or flow/{sampling}."""
    return folder / row.dataset / f"{row.subject}.safetensors"


def sampled(flow: Path, row: Any) -> Sampled:
    """The frames of a row's instances; flow: the folder flow/{sampling}."""
    with open_tensors(file_of(flow, row)) as file:
        used = file.metadata["sequences"][row.sequence]
    return Sampled(used["positions"], used["frames"])


def known_motion(twins: Path, crops: Path, row: Any) -> Known:
    """The truth of a row's clip below twins/, and how its frames became the crops below crops/.

    Raises InputError if it is missing, or if the head's motion was removed from the crops.
    """
    with open_tensors(file_of(crops, row)) as file:
        crop = file.metadata["sequences"][row.sequence]
    if "head" in crop:
        raise InputError(
            f"{file_of(crops, row)}: {row.sequence} is stabilised, its truth is not; run with stabilise: none"
        )
    return Known(read_truth(truth_file(twins / row.dataset, row.subject, row.sequence)), crop["transform"])
