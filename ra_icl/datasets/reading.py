"""Read the index of one of the four official datasets, or of a user's own data."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.datasets import casme2, casme3, identity, own, samm, smic
from ra_icl.datasets.index import NAMES, validate
from ra_icl.datasets.left_out import leave_out
from ra_icl.datasets.options import DATASETS
from ra_icl.datasets.protocols import exclude, known_emotions
from ra_icl.errors import FaultKind, Faults

DEFAULTS: dict[str, dict[str, Any]] = {name: asdict(options()) for name, options in DATASETS.items()}
_READERS = {
    "casme2": casme2.read_index,
    "samm": samm.read_index,
    "smic": smic.read_index,
    "casme3": casme3.read_index,
    "own": own.read_index,
}

UNKNOWN_DATASET = FaultKind(
    "dataset-unknown",
    "{name!r} is not known",
    "choose one of {names}",
    {"where": "dataset", "name": "casme4", "names": "casme2, samm, smic, casme3, own"},
)
NO_ROOT = FaultKind("root-empty", "is empty", "set it in config/config.yaml", {"where": "datasets.samm.root"})
ROOT_MISSING = FaultKind(
    "root-missing",
    "folder {folder} does not exist",
    "correct it, or set it to '' to do without {dataset}",
    {"where": "datasets.samm.root", "folder": "/data/SAM", "dataset": "samm"},
)
NO_FOLDER = FaultKind(
    "folder-is-file",
    "{file} is a file",
    "give the folder that holds it",
    {"where": "datasets.own.root", "file": "my-data/annotation.csv"},
)
NO_ANNOTATION = FaultKind(
    "annotation-empty", "is empty", "set it in config/config.yaml", {"where": "datasets.samm.annotation"}
)
ANNOTATION_MISSING = FaultKind(
    "annotation-missing",
    "annotation file {file} is missing",
    "set {key}.annotation",
    {"where": "datasets.own", "file": "my-data/annotation.csv", "key": "datasets.own"},
)
FRAMES_FOLDER_MISSING = FaultKind(
    "dataset-frames-missing",
    "frame folder {folder} does not exist",
    "set {key}.frames",
    {"where": "datasets.smic", "folder": "/data/SMIC/SMIC_all_raw/HS", "key": "datasets.smic"},
)


def build_index(dataset: str, options: Mapping[str, Any], excluded: Sequence[str] = ()) -> pd.DataFrame:
    """Read the index of a dataset: the sequences that some protocol uses, validated.

    options: those of the dataset's class in `datasets.options`; what is left out keeps its default. excluded: sequences
    to leave out, see `left_out.leave_out`.
    Returns the columns of `index.COLUMNS`, rows numbered from 0, in the order of the annotation. `frames` is relative
    to root, with forward slashes, so that moving the dataset changes nothing; it is absolute only if the option
    `frames` is an absolute path outside root.
    Raises ManyFaultsError; each fault names the row, or the config key of a missing folder or file.
    """
    rows, _, faults = survey_without(dataset, options, excluded)
    faults.raise_any()
    return rows


def survey(dataset: str, options: Mapping[str, Any]) -> tuple[pd.DataFrame, Faults]:
    """Like `build_index`, but without stopping: the rows that can be read, and all findings of the annotation."""
    rows, _, faults = survey_without(dataset, options, ())
    return rows, faults


def survey_without(
    dataset: str, options: Mapping[str, Any], excluded: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame, Faults]:
    """Like `survey`, in two parts: what is used, and what `excluded` leaves out, whose faults do not count.

    A row with a cell that cannot be read is no sequence yet, so that its faults count.
    """
    rows, faults, source = annotated(dataset, options)
    used, left_out = leave_out(exclude(rows), excluded, faults)
    known = known_emotions(dataset)
    with faults.catching():
        validate(used, source, known)
    if dataset == "own":
        faults.extend(identity.find(used, _root(options), source))
    if dataset in ("casme2", "samm"):
        faults.extend(identity.shared_folders(used, _root(options), source))
        faults.extend(identity.apexes_on_onset(used, source))
    if dataset in ("smic", "casme3"):
        faults.extend(identity.linked_folders(used, _root(options)))
    if dataset == "casme3":
        faults.extend(identity.overlaps(used, source))
    if known:
        used, left_out = (part[part["emotion"].isin(known)] for part in (used, left_out))
    return used.reset_index(drop=True), left_out.reset_index(drop=True), faults


def annotated(dataset: str, options: Mapping[str, Any]) -> tuple[pd.DataFrame, Faults, Path]:
    """Every row of a dataset's annotation that can be read, also those that no protocol uses, not validated.

    `frames` is as in `build_index`. Returns the rows, indexed by the annotation's rows if there is one, what is wrong
    with the others, and the annotation or, in SMIC, the folder that they were read from.
    """
    if dataset not in _READERS:
        raise UNKNOWN_DATASET.error("dataset", name=dataset, names=", ".join(NAMES))
    options = DEFAULTS[dataset] | dict(options)
    labels = {key: options[key] for key in ("labels", "excluded") if key in options}
    root, annotation, frames = _paths(dataset, options)
    faults = Faults()
    rows = _READERS[dataset](annotation, frames, faults, **labels)
    elsewhere = os.path.isabs(options["frames"])
    places = [_relative(path, root, elsewhere) for path in rows["frames"]]
    return rows.assign(frames=pd.Series(places, rows.index, dtype="str")), faults, annotation or frames


def _relative(path: str, root: Path, elsewhere: bool) -> str:
    """`path` relative to `root`; the absolute path if it lies `elsewhere`, outside the root."""
    absolute = os.path.abspath(path)
    if elsewhere and not Path(absolute).is_relative_to(os.path.abspath(root)):
        return Path(absolute).as_posix()
    return Path(os.path.relpath(absolute, root)).as_posix()


def _root(options: Mapping[str, Any]) -> Path:
    return Path(options["root"]).expanduser()


def _paths(dataset: str, options: Mapping[str, Any]) -> tuple[Path, Path | None, Path]:
    key = f"datasets.{dataset}"
    if not options.get("root"):
        raise NO_ROOT.error(f"{key}.root")
    root = _root(options)
    frames = root / options["frames"]
    for name, folder in {"root": root, "frames": frames}.items():
        if folder.is_file():
            raise NO_FOLDER.error(f"{key}.{name}", file=folder)
    if not root.is_dir():
        raise ROOT_MISSING.error(f"{key}.root", folder=root, dataset=dataset)
    annotation = root / options["annotation"] if options["annotation"] else None
    if annotation is None and dataset != "smic":
        raise NO_ANNOTATION.error(f"{key}.annotation")
    if annotation is not None and not annotation.is_file():
        raise ANNOTATION_MISSING.error(key, file=annotation, key=key)
    if not frames.is_dir():
        raise FRAMES_FOLDER_MISSING.error(key, folder=frames, key=key)
    return root, annotation, frames
