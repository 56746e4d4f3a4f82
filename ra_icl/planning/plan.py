"""The plan of a run: from the config to sequences, folds, methods and the config slice of every step.

The Snakefile is parsed again in every cluster job, so this module imports neither torch nor cv2.
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.datasets.index import NAMES
from ra_icl.datasets.protocols import CDE, PROTOCOLS, Protocol, check_counts, fold_of, folds, protocol_of, select
from ra_icl.errors import Faults, InputError
from ra_icl.flow.sampling import Sampling
from ra_icl.planning.candidates import TRAINING_KEYS, add_candidates
from ra_icl.planning.config import check_config, slice_of
from ra_icl.planning.indexes import read_index
from ra_icl.planning.methods import present, resolve_methods
from ra_icl.planning.options import from_mapping

log = logging.getLogger(__name__)

CASME3 = ("casme3_3", "casme3_4", "casme3_7")
MIR_MARKS = {
    "middle": "✓",
    "apex": "→Apex*",
    "apex_neighbourhood": "→Apex",
    "full": "→Full",
    "random": "→Random",
    "uniform": "→Uniform",
    "onset_to_apex": "→Onset to Apex",
    "apex_to_offset": "→Apex to Offset",
    "published": "published",
}


def datasets_of(config: Mapping[str, Any], protocol: str) -> list[str]:
    """The datasets of a protocol that the config has, in the protocol's order: those whose root is not empty.

    Twins and published flow have all of them.
    """
    names, roots = PROTOCOLS[protocol].datasets, config["datasets"]
    return [name for name in names if config["data"]["source"] != "datasets" or roots[name]["root"]]


def all_datasets_of(config: Mapping[str, Any]) -> list[str]:
    """The datasets of all protocols of a config, as `datasets_of`."""
    return [name for name in NAMES if any(name in datasets_of(config, protocol) for protocol in config["protocols"])]


def require_data(config: Mapping[str, Any]) -> None:
    """Log a line for each dataset that a protocol runs without. Raises InputError if a protocol has none at all."""
    held = {protocol: datasets_of(config, protocol) for protocol in config["protocols"]}
    empty = [protocol for protocol, names in held.items() if not names]
    if empty:
        first = PROTOCOLS[empty[0]].datasets[0]
        raise InputError(
            f"config: datasets.{first}.root: is empty; set it in config/config.yaml, "
            f"or remove {', '.join(empty)} from protocols"
        )
    for protocol, names in held.items():
        for name in PROTOCOLS[protocol].datasets:
            if name not in names:
                log.warning("%s runs without %s: datasets.%s.root is empty", protocol, name, name)


@dataclass(frozen=True)
class Plan:
    """What a run consists of.

    index: all sequences of its datasets; left_out: those that `data.exclude` took out of it; selected: {protocol: its
    sequences with labels}; methods: {name: resolved options}, those of sweeps and candidates included; sweeps: {name:
    {"figure", "key", "methods": {value: method}}}.
    """

    config: Mapping[str, Any]
    index: pd.DataFrame
    left_out: pd.DataFrame
    selected: dict[str, pd.DataFrame]
    methods: dict[str, dict[str, Any]]
    sweeps: dict[str, dict[str, Any]]

    @property
    def source(self) -> str:
        """Where the data come from: datasets, twins or public_flow."""
        return self.config["data"]["source"]

    def folds(self, protocol: str) -> list[str]:
        """The fold names of a protocol."""
        return folds(self.selected[protocol], PROTOCOLS[protocol])

    def fold_of(self, protocol: str) -> pd.Series:
        """The fold that holds out each sequence of a protocol."""
        return fold_of(self.selected[protocol], PROTOCOLS[protocol])

    def datasets(self, protocol: str) -> list[str]:
        """The datasets of a protocol that this run has, in the protocol's order."""
        return datasets_of(self.config, protocol)

    def all_datasets(self) -> list[str]:
        """The datasets of all protocols of this run."""
        return all_datasets_of(self.config)

    def subjects(self, dataset: str) -> list[str]:
        """The subjects of a dataset that some protocol of this run uses."""
        return self._subjects[dataset]

    @cached_property
    def _subjects(self) -> dict[str, list[str]]:
        rows = pd.concat(self.selected.values())[["dataset", "subject"]].drop_duplicates()
        return {name: sorted(group["subject"]) for name, group in rows.groupby("dataset")}

    def class_names(self, protocol: str) -> tuple[str, ...]:
        """The classes of a protocol in label order."""
        return tuple(protocol_in(self.config, protocol).classes)

    def classes(self, protocol: str) -> str:
        """The classes of a protocol in label order, as JSON."""
        return json.dumps(self.class_names(protocol))

    def exclusions(self, dataset: str) -> str:
        """The sequences of a dataset that `data.exclude` names, as JSON."""
        return json.dumps(list(self.config["data"]["exclude"].get(dataset, ())), ensure_ascii=False)

    def left_out_counts(self, *protocols: str) -> str:
        """How many sequences of any of the protocols `data.exclude` leaves out, per dataset, as JSON."""
        parts = [select(self.left_out, protocol_in(self.config, name)) for name in protocols]
        rows = pd.concat(parts).drop_duplicates(["dataset", "subject", "sequence"])
        return slice_of({name: int(count) for name, count in rows["dataset"].value_counts().items()})

    def score_tables(self) -> dict[str, tuple[list[str], list[str]]]:
        """{table: (its protocols, its methods)} of the tables of scores that this run can print."""
        kinds = {"table1": ("cde",), "table2": CASME3, "table3": CDE, "table_own": ("own",)}
        shown = {
            table: ([name for name in self.selected if name in kind], self.config["tables"][table])
            for table, kind in kinds.items()
        }
        return {table: found for table, found in shown.items() if all(found)}

    def runs(self) -> list[tuple[str, str]]:
        """(protocol, method) of everything that is trained for the tables and confusion matrices."""
        tables = self.score_tables().values()
        found = {(protocol, method) for protocols, methods in tables for protocol in protocols for method in methods}
        return sorted(found | {(protocol, self.config["confusion"]) for protocol in self.selected})

    def frames(self, dataset: str, subject: str) -> list[str]:
        """The frame folders and video files of a subject's sequences that exist on disk, each once.

        One that is missing is left out here, so that only the crops of its subject fail and say so.
        """
        return self._frames.get((dataset, subject), [])

    @cached_property
    def _frames(self) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        for (dataset, subject), rows in self.index.groupby(["dataset", "subject"]):
            root = Path(self.config["datasets"][dataset]["root"])
            paths = dict.fromkeys(str(root / frames) for frames in rows["frames"])
            found[dataset, subject] = [path for path in paths if os.path.exists(path)]
        return found

    def flow_files(self, protocol: str, sampling: str) -> list[str]:
        """Path below flow/ of every flow file that a fold of the protocol reads."""
        subjects = self.selected[protocol][["dataset", "subject"]].drop_duplicates()
        return [f"{sampling}/{row.dataset}/{row.subject}.safetensors" for row in subjects.itertuples()]

    def fold_files(self, protocol: str, method: str) -> list[str]:
        """Path below folds/ of every fold's CSV, over all seeds."""
        return [
            f"{protocol}/{method}/seed{seed}/{fold}.csv"
            for seed in self.config["seeds"]
            for fold in self.folds(protocol)
        ]

    def sampling(self, method: str) -> str:
        """The name of a method's sampling: the folder below flow/."""
        return self._sampling_names[method]

    @cached_property
    def _sampling_names(self) -> dict[str, str]:
        return {name: sampling_name(method["sampling"]) for name, method in self.methods.items()}

    @cached_property
    def samplings(self) -> dict[str, dict[str, Any]]:
        """{name of a sampling: its options}, over all methods; if two share a name, the first method's."""
        return {self.sampling(name): self.methods[name]["sampling"] for name in reversed(self.methods)}

    def training_slice(self, method: str) -> str:
        """All options of a method that its folds depend on, as JSON; the sampling is part of the flow's path."""
        return self._training_slices[method]

    @cached_property
    def _training_slices(self) -> dict[str, str]:
        # Once for all methods: Snakemake asks for each of a thousand folds.
        methods = self.methods.items()
        return {name: slice_of({key: method[key] for key in TRAINING_KEYS}) for name, method in methods}

    def device(self, method: str) -> str:
        """What a method is trained on: auto, cuda or cpu."""
        return self.methods[method]["training"]["device"]

    def row_slice(self, methods: list[str]) -> str:
        """Titles and MIR, IRC and MRD marks of table rows, as JSON."""
        return json.dumps({name: row_marks(self.methods[name]) for name in methods})


def make_plan(config: Mapping[str, Any]) -> Plan:
    """Read the indexes that the config's data source names and resolve all methods.

    Raises InputError if the config does not fit, data are missing or counts differ from the paper's.
    """
    check_config(config)
    require_data(config)
    config = dict(config) | {key: present(config[key]) for key in ("methods", "sweeps")}
    methods, sweeps = resolve_methods(config)
    add_candidates(config, methods)
    indexes = [read_index(config, name) for name in all_datasets_of(config)]
    Faults(fault for indexed in indexes for fault in indexed.faults).raise_any()
    index, left_out, whole = (
        pd.concat([getattr(indexed, part) for indexed in indexes], ignore_index=True)
        for part in ("rows", "left_out", "whole")
    )
    return Plan(config, index, left_out, _select(config, index, whole), methods, sweeps)


def sampling_name(sampling: Mapping[str, Any]) -> str:
    """The name of a sampling as a folder: middle-16, apex, full, ... or published-{source}."""
    if sampling["mode"] == "published":
        return f"published-{sampling['source']}"
    return sampling_of(sampling).name


def sampling_of(options: Mapping[str, Any]) -> Sampling:
    return from_mapping(Sampling, {key: value for key, value in options.items() if key != "source"}, "sampling")


def row_marks(method: Mapping[str, Any]) -> dict[str, Any]:
    """Title and Table 3's marks of a method, derived from its options."""
    return {
        "title": method["title"],
        "mir": MIR_MARKS[method["sampling"]["mode"]],
        "irc": method["loss"]["attention"] > 0,
        "mrd": method["loss"]["regions"] > 0,
    }


def _select(config: Mapping[str, Any], index: pd.DataFrame, whole: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The sequences of each protocol; whole: with those that are left out, which is no difference from the paper."""
    protocols = {name: protocol_in(config, name) for name in config["protocols"]}
    selected = {name: select(index, protocol) for name, protocol in protocols.items()}
    for name, rows in selected.items():
        require_folds(protocols[name], rows)
    if config["data"]["source"] != "twins" or config["twins"].get("census") == "full":
        for protocol in protocols.values():
            rows = select(whole, protocol)
            check_counts(rows, protocol, config["data"]["count_mismatch"], datasets=protocol.datasets)
    return selected


def require_folds(protocol: Protocol, rows: pd.DataFrame) -> None:
    """Raise InputError if a dataset has no row in a protocol, or if one subject has all rows: others train a fold."""
    for dataset in protocol.datasets:
        if dataset not in set(rows["dataset"]):
            raise InputError(
                f"datasets.{dataset}: none of its sequences belongs to protocol {protocol.name}; "
                f"complete its annotation, or set datasets.{dataset}.root to '' to leave it out"
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
