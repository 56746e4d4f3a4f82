"""What a config has data for: its protocols, their datasets and sequences."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.datasets.counts import check_counts, counted
from ra_icl.datasets.index import NAMES
from ra_icl.datasets.protocols import CROSS, PROTOCOLS, Protocol, protocol_of, select
from ra_icl.datasets.public_flow import FRAMES_PER_SECOND
from ra_icl.errors import InputError

log = logging.getLogger(__name__)


def datasets_of(config: Mapping[str, Any], protocol: str) -> list[str]:
    """The datasets of a protocol that the config has, in the protocol's order: those whose root is not empty.

    Twins and published flow have all of them.
    """
    names, roots = PROTOCOLS[protocol].datasets, config["datasets"]
    return [name for name in names if config["data"]["source"] != "datasets" or roots[name]["root"]]


def all_datasets_of(config: Mapping[str, Any]) -> list[str]:
    """The datasets of all protocols of a config, as `datasets_of`."""
    return [name for name in NAMES if any(name in datasets_of(config, protocol) for protocol in config["protocols"])]


def is_twin(options: Mapping[str, Any]) -> bool:
    """Whether a dataset's frames are those of a rendered twin, which keeps their true motion in truth/."""
    frames = Path(options["root"], options["frames"]).resolve()  # of a twin, three folders below it at most
    return any(any((folder / "truth").glob("*/*.safetensors")) for folder in (frames, *frames.parents[:3]))


def require_data(config: Mapping[str, Any]) -> None:
    """Log a line for each dataset that a protocol runs without.

    Raises InputError for a protocol that the source of data has nothing for, and for twins beside real datasets.
    """
    if config["data"]["source"] == "twins" and "own" in config["protocols"]:
        raise InputError(
            "config: protocols: own is of your own data, which have no synthetic twin; take it out, or set data.source "
            "to datasets"
        )
    for protocol in config["protocols"] if config["data"]["source"] == "public_flow" else ():
        if not set(PROTOCOLS[protocol].datasets) <= FRAMES_PER_SECOND.keys():
            raise InputError(
                f"config: protocols: {protocol} needs other datasets than those of which flow maps are published, "
                f"{', '.join(FRAMES_PER_SECOND)}; take it out, or set data.source to datasets"
            )
    held = {protocol: datasets_of(config, protocol) for protocol in config["protocols"]}
    empty = [protocol for protocol, names in held.items() if not names]
    if empty:
        first = PROTOCOLS[empty[0]].datasets[0]
        raise InputError(
            f"config: datasets.{first}.root: is empty; set it in config/config.yaml, "
            f"or remove {', '.join(empty)} from protocols"
        )
    if config["data"]["source"] == "datasets":
        _require_one_kind({name: config["datasets"][name] for name in all_datasets_of(config)})
    for protocol, names in held.items():
        for name in PROTOCOLS[protocol].datasets:
            if name not in names:
                log.warning("%s runs without %s: datasets.%s.root is empty", protocol, name, name)


def _require_one_kind(datasets: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise InputError for {dataset: its options} of rendered twins and of real data: results call all by one name."""
    twins = {is_twin(options): name for name, options in datasets.items() if Path(options["root"]).is_dir()}
    if len(twins) > 1:
        raise InputError(
            f"config: datasets.{twins[True]}.root: is a rendered twin, and datasets.{twins[False]}.root is not; "
            "take one of them out"
        )


def select_sequences(config: Mapping[str, Any], index: pd.DataFrame, whole: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The sequences of each protocol; whole: with those that are left out, which is no difference from the paper."""
    protocols = {name: protocol_in(config, name) for name in config["protocols"]}
    selected = {name: select(index, protocol) for name, protocol in protocols.items()}
    for name, rows in selected.items():
        require_folds(protocols[name], rows)
    if config["data"]["source"] != "twins" or config["twins"].get("census") == "full":
        for protocol in (protocols[name] for name in counted(config["protocols"])):
            rows = select(whole, protocol)
            check_counts(rows, protocol, config["data"]["count_mismatch"], datasets=protocol.datasets)
    return selected


def parts_of(config: Mapping[str, Any], name: str) -> list[str]:
    """The protocols that a name in a config means: `cross` means one, and one for each dataset to train on alone."""
    if name != "cross":
        return [name]
    held = datasets_of(config, name)
    if len(held) < 2:
        raise InputError(f"config: protocols: cross needs two datasets, but only {held[0]} has a root; take cross out")
    return [part for part in CROSS if PROTOCOLS[part].train in ("", *held)]


def require_folds(protocol: Protocol, rows: pd.DataFrame) -> None:
    """Raise InputError if a dataset or a class has no row in a protocol, or if one subject has all of them."""
    for dataset in protocol.datasets:
        if dataset not in set(rows["dataset"]):
            raise InputError(
                f"datasets.{dataset}: none of its sequences belongs to protocol {protocol.name}; "
                f"complete its annotation, or set datasets.{dataset}.root to '' to leave it out"
            )
    for label, name in enumerate(protocol.classes):
        if label not in set(rows["label"]):
            raise InputError(
                f"protocol {protocol.name}: class {name} has no sequence, so that it cannot be learnt or scored; "
                "add some, or check labels, excluded and data.exclude"
            )
    subjects = rows[["dataset", "subject"]].drop_duplicates()
    if len(subjects) < 2:
        raise InputError(
            f"datasets.{rows['dataset'].iloc[0]}: {subjects['subject'].iloc[0]} is the only subject of protocol "
            f"{protocol.name}, and no other is left to train on; add subjects"
        )


def protocol_in(config: Mapping[str, Any], name: str) -> Protocol:
    """A protocol with the datasets and, of own data, the classes that the config has."""
    protocol = protocol_of(name, list(config["datasets"]["own"].get("labels", ())))
    return replace(protocol, datasets=tuple(datasets_of(config, name)))
