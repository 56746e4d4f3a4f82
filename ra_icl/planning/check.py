"""What `ra-icl check` finds: faults of the data that a config names, changed frames, damaged results."""

import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.datasets import public_flow, unread
from ra_icl.datasets.counts import check_counts, counted
from ra_icl.datasets.protocols import select
from ra_icl.errors import FaultKind, Faults
from ra_icl.faces.options import FaceOptions
from ra_icl.planning.check_depth import check_depth
from ra_icl.planning.check_frames import Look, check_frames, recorded_crops
from ra_icl.planning.check_results import damaged_results
from ra_icl.planning.config import load_run
from ra_icl.planning.held import all_datasets_of, parts_of, protocol_in, require_data, require_folds
from ra_icl.planning.indexes import Indexed, Reader, published_options, read_index
from ra_icl.planning.options import from_mapping
from ra_icl.planning.places import snakemake

UNUSED_DATASET = FaultKind(
    "dataset-unused",
    "no protocol of the config uses it, or datasets.{name}.root is empty",
    "choose from {known}",
    {"where": "--dataset smic", "name": "smic", "known": "casme2, samm"},
)
NO_FRAMES = FaultKind(
    "faces-without-frames",
    "data.source is {source}, which has no frames of people",
    "leave the option out",
    {"where": "--faces", "source": "public_flow"},
)

log = logging.getLogger(__name__)


def find_faults(
    configfiles: Sequence[Path],
    only: Sequence[str] = (),
    decode: bool = True,
    results: bool = False,
    faces: bool = False,
    deep: bool = False,
    read: Reader = read_index,
) -> Faults:
    """Check the data that the protocols of a config need; relative paths in it are below the current folder.

    configfiles: read on top of config/config.yaml. only: names of datasets; all if empty. decode: also read every
    frame. results: also verify every tensor of the results folder. faces: also look for the face on every onset frame.
    deep: compare all bytes of sequences that may be copies. read: gives the index of a dataset.
    Twins are rendered and need no other check.
    Datasets: annotation, frames, what no adapter reads and, if crops exist, whether the frames have changed since; a
    dataset without a root is left out. Published flow: whether the clones have the number of files and the checksum
    that the config states. Counts are compared with Tables 4 and 5, dataset by dataset.
    Returns every finding, faults first, then warnings and notes. Raises InputError if the config is invalid.
    """
    config = load_run(configfiles)
    held = all_datasets_of(config)
    for name in only:
        if name not in held:
            raise UNUSED_DATASET.error(f"--dataset {name}", name=name, known=", ".join(held) or "none yet")
    source, folder = config["data"]["source"], Path(config["pathvars"]["results"])
    if faces and source != "datasets":
        raise NO_FRAMES.error("--faces", source=source)
    options = ("--configfile", *map(str, configfiles)) if configfiles else ()
    rerun = shlex.join([*snakemake(), *options, "--forcerun"])
    faults = Faults()
    if source == "datasets":
        face_options = from_mapping(FaceOptions, config["faces"], "faces")
        look = Look(face_options, decode=decode, faces=faces, deep=deep, rerun=rerun)
        faults.extend(_check_datasets(config, only or held, look, folder / "crops", read))
    if source == "public_flow":
        faults.extend(_check_published(config, only or held, read))
    if results:
        faults.extend(damaged_results(folder, rerun))
    return Faults(sorted(dict.fromkeys(faults), key=_severity))


def check_dataset(
    config: Mapping[str, Any], dataset: str, look: Look, read: Reader = read_index
) -> tuple[Indexed | None, Faults]:
    """Check annotation and frames of a dataset; returns its index, None if there is nothing to read, and all findings.

    config: of which `datasets` and `data` are read.
    """
    faults, indexed = Faults(), None
    with faults.catching():
        indexed = read(config, dataset)
        faults.extend(indexed.faults)
        faults.extend(unread.find(dataset, config["datasets"][dataset], indexed.whole))
        faults.extend(check_frames(indexed.rows, config["datasets"][dataset]["root"], look))
    return indexed, faults


def _check_datasets(config: Mapping[str, Any], names: Sequence[str], look: Look, crops: Path, read: Reader) -> Faults:
    faults, indexes = Faults(), {}
    with faults.catching():
        require_data(config)
        for protocol in config["protocols"]:
            parts_of(config, protocol)
    for name in names:
        indexes[name], found = check_dataset(config, name, replace(look, cropped=recorded_crops(crops / name)), read)
        sequences = len(indexes[name].rows) if indexes[name] else 0
        log.info("%s: %d sequences read, %d fault(s)", name, sequences, len(found.serious))
        faults.extend(found)
        if indexes[name]:
            faults.extend(check_depth(config, name, indexes[name].rows, look))
    return Faults([*faults, *_count_faults(config, indexes)])


def _check_published(config: Mapping[str, Any], names: Sequence[str], read: Reader) -> Faults:
    faults, indexes = Faults(), {}
    for source, options in published_options(config).items():
        with faults.catching():
            public_flow.check_clone(f"public_flow.{source}", options)
    for name in names:
        with faults.catching():
            indexes[name] = read(config, name)
            faults.extend(indexes[name].faults)
    log.info("%d sequences read", sum(len(indexed.rows) for indexed in indexes.values()))
    return Faults([*faults, *_count_faults(config, indexes)])


def _count_faults(config: Mapping[str, Any], indexes: Mapping[str, Indexed | None]) -> Faults:
    """Unknown emotions, and counts that differ from the paper's, in every dataset that was read."""
    read = {name: indexed.whole for name, indexed in indexes.items() if indexed}
    faults = Faults()
    for protocol in (protocol_in(config, name) for name in counted(config["protocols"])):
        datasets = [name for name in protocol.datasets if name in read]
        if datasets:
            with faults.catching():
                rows = select(pd.concat([read[name] for name in datasets], ignore_index=True), protocol)
                whole = not any(indexes[name].faults.serious for name in datasets)  # or subjects may be lost to them
                if whole and datasets == list(protocol.datasets):
                    used = pd.concat([indexes[name].rows for name in datasets], ignore_index=True)
                    require_folds(protocol, select(used, protocol))
                mismatch = config["data"]["count_mismatch"]
                faults.extend(check_counts(rows, protocol, mismatch, datasets=datasets))
    return faults


def _severity(line: str) -> int:
    return ("fault", "warning", "note").index(getattr(line, "severity", "fault"))
