"""Read the index of one of the four official datasets, or of a user's own data."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.datasets import casme2, casme3, own, samm, smic
from ra_icl.datasets.index import NAMES, validate
from ra_icl.datasets.options import DATASETS
from ra_icl.datasets.protocols import exclude, known_emotions
from ra_icl.errors import Faults, InputError

DEFAULTS: dict[str, dict[str, Any]] = {name: asdict(options()) for name, options in DATASETS.items()}
_READERS = {
    "casme2": casme2.read_index,
    "samm": samm.read_index,
    "smic": smic.read_index,
    "casme3": casme3.read_index,
    "own": own.read_index,
}


def build_index(dataset: str, options: Mapping[str, Any]) -> pd.DataFrame:
    """Read the index of a dataset: the sequences that some protocol uses, validated.

    options: those of the dataset's class in `datasets.options`; what is left out keeps its default.
    Returns the columns of `index.COLUMNS`, rows numbered from 0, in the order of the annotation. `frames` is relative
    to root, with forward slashes, so that moving the dataset changes nothing; it is absolute only if the option
    `frames` is an absolute path outside root.
    Raises ManyFaultsError; each fault names the row, or the config key of a missing folder or file.
    """
    rows, faults = survey(dataset, options)
    faults.raise_any()
    return rows


def survey(dataset: str, options: Mapping[str, Any]) -> tuple[pd.DataFrame, Faults]:
    """Like `build_index`, but without stopping: the rows that can be read, and all faults of the annotation."""
    if dataset not in _READERS:
        raise InputError(f"dataset {dataset!r} is not known; choose one of {', '.join(NAMES)}")
    options = DEFAULTS[dataset] | dict(options)
    labels = {key: options[key] for key in ("labels", "excluded") if key in options}
    root, annotation, frames = _paths(dataset, options)
    faults = Faults()
    used = exclude(_READERS[dataset](annotation, frames, faults, **labels))
    known = known_emotions(dataset)
    with faults.catching():
        validate(used, annotation or frames, known)
    if known:
        used = used[used["emotion"].isin(known)]
    elsewhere = os.path.isabs(options["frames"])
    places = [_relative(path, root, elsewhere) for path in used["frames"]]
    return used.assign(frames=pd.Series(places, used.index, dtype="str")).reset_index(drop=True), faults


def _relative(path: str, root: Path, elsewhere: bool) -> str:
    """`path` relative to `root`; the absolute path if it lies `elsewhere`, outside the root."""
    absolute = os.path.abspath(path)
    if elsewhere and not Path(absolute).is_relative_to(os.path.abspath(root)):
        return Path(absolute).as_posix()
    return Path(os.path.relpath(absolute, root)).as_posix()


def _paths(dataset: str, options: Mapping[str, Any]) -> tuple[Path, Path | None, Path]:
    key = f"datasets.{dataset}"
    if not options.get("root"):
        raise InputError(f"{key}.root: is empty; set it in config/config.yaml")
    root = Path(options["root"]).expanduser()
    if not root.is_dir():
        raise InputError(
            f"{key}.root: folder {root} does not exist; set it in config/config.yaml, or to '' to leave {dataset} out"
        )
    annotation = root / options["annotation"] if options["annotation"] else None
    if annotation is None and dataset != "smic":
        raise InputError(f"{key}.annotation: is empty; set it in config/config.yaml")
    if annotation is not None and not annotation.is_file():
        raise InputError(f"{key}: annotation file {annotation} is missing; set {key}.annotation")
    frames = root / options["frames"]
    if not frames.is_dir():
        raise InputError(f"{key}: frame folder {frames} does not exist; set {key}.frames")
    return root, annotation, frames
