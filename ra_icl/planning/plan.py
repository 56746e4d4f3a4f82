"""The plan of a run: from the config to sequences, folds, methods and the config slice of every step.

The Snakefile is parsed again in every cluster job, so this module imports neither torch nor cv2.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.datasets import casme3, depth
from ra_icl.datasets.protocols import (
    CASME3,
    CDE,
    CROSS,
    PROTOCOLS,
    fold_of,
    folds,
    select,
)
from ra_icl.errors import Faults
from ra_icl.flow.sampling import Sampling
from ra_icl.planning.candidates import add_candidates, training_options
from ra_icl.planning.config import check_config, slice_of
from ra_icl.planning.held import (
    all_datasets_of,
    datasets_of,
    is_twin,
    parts_of,
    protocol_in,
    require_data,
    select_sequences,
)
from ra_icl.planning.indexes import Reader, read_index
from ra_icl.planning.methods import present, resolve_methods, row_marks
from ra_icl.planning.options import from_mapping
from ra_icl.planning.peers import draws
from ra_icl.planning.settings import Ensemble


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

    @property
    def data_source(self) -> str:
        """What results say of the data: `source`, but twins where the datasets' folders are rendered twins."""
        found = [self.config["datasets"][name] for name in self.all_datasets()]
        rendered = self.source == "datasets" and any(map(is_twin, found))
        return "twins" if rendered else self.source

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
        kinds = {"table1": ("cde",), "table2": CASME3, "table3": CDE, "cross": CROSS, "table_own": ("own",)}
        shown = {
            table: ([name for name in self.selected if name in kind], self.config["tables"][table])
            for table, kind in kinds.items()
        }
        return {table: found for table, found in shown.items() if all(found)}

    def runs(self) -> list[tuple[str, str]]:
        """(protocol, method) of everything that is trained for the tables and confusion matrices."""
        tables = self.score_tables().values()
        found = {(protocol, method) for protocols, methods in tables for protocol in protocols for method in methods}
        found |= {(protocol, self.config["confusion"]) for protocol in self.selected if protocol not in CROSS}
        return sorted({(protocol, method) for protocol, name in found for method in self.trained(name)})

    @cached_property
    def ensembles(self) -> dict[str, dict[str, Any]]:
        """{name: options} of the ensembles, which go where methods go but are not trained."""
        options = present(self.config["ensembles"])
        return {name: asdict(from_mapping(Ensemble, one, f"ensembles.{name}")) for name, one in options.items()}

    def trained(self, name: str) -> list[str]:
        """The methods that are trained for a method, itself, or for an ensemble."""
        return list(self.ensembles[name]["members"]) if name in self.ensembles else [name]

    def seeds(self, name: str) -> list[int]:
        """The seeds of a method or ensemble; of one over all seeds, and of what draws nothing, the first."""
        one = self.ensembles[name]["seeds"] == "all" if name in self.ensembles else not draws(self.methods[name])
        return list(self.config["seeds"])[: 1 if one else None]

    def view(self, ensemble: str) -> str:
        """What an ensemble's members predict from, as the columns of .views.csv are named."""
        options = self.ensembles[ensemble]
        return options["instances"] + ("_mirror" if options["mirror"] else "")

    def member_files(self, protocol: str, ensemble: str, seed: int, fold: str) -> list[str]:
        """Path below folds/ of the CSVs that an ensemble's fold is the mean of."""
        options = self.ensembles[ensemble]
        seeds = self.config["seeds"] if options["seeds"] == "all" else [seed]
        return [f"{protocol}/{member}/seed{one}/{fold}.csv" for member in options["members"] for one in seeds]

    def index_digest(self, dataset: str) -> str:
        """SHA-256 of the rows of a dataset's index, so that whatever changes them makes the index again."""
        rows = self.index[self.index["dataset"] == dataset]
        return sha256(rows.to_csv(index=False).encode()).hexdigest()

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

    def depth_folders(self, dataset: str, subject: str) -> list[str]:
        """The folders of depth images that belong to a subject's `frames`, those that exist."""
        if dataset not in depth.DATASETS:
            return []
        folders = (str(casme3.depth_folder(Path(path))) for path in self.frames(dataset, subject))
        return [path for path in dict.fromkeys(folders) if os.path.isdir(path)]

    def flow_files(self, protocol: str, sampling: str) -> list[str]:
        """Path below flow/ of every flow file that a fold of the protocol reads."""
        subjects = self.selected[protocol][["dataset", "subject"]].drop_duplicates()
        return [f"{sampling}/{row.dataset}/{row.subject}.safetensors" for row in subjects.itertuples()]

    def fold_files(self, protocol: str, method: str) -> list[str]:
        """Path below folds/ of every fold's CSV, over all seeds."""
        return [
            f"{protocol}/{method}/seed{seed}/{fold}.csv" for seed in self.seeds(method) for fold in self.folds(protocol)
        ]

    def sampling(self, method: str) -> str:
        """The name of a method's sampling: the folder below flow/."""
        return self._sampling_names[method]

    @cached_property
    def _sampling_names(self) -> dict[str, str]:
        return {name: sampling_name(method["sampling"]) for name, method in self.methods.items()}

    @cached_property
    def samplings(self) -> dict[str, dict[str, Any]]:
        """{name of a sampling: the options it uses}, over all methods; if two share a name, the first method's."""
        return {self.sampling(name): _effective(self.methods[name]["sampling"]) for name in reversed(self.methods)}

    def training_slice(self, method: str) -> str:
        """All options of a method that its folds depend on, as JSON; the sampling is part of the flow's path."""
        return self._training_slices[method]

    @cached_property
    def _training_slices(self) -> dict[str, str]:
        # Once for all methods: Snakemake asks for each of a thousand folds.
        return {name: slice_of(training_options(method)) for name, method in self.methods.items()}

    def device(self, method: str) -> str:
        """What a method is trained on: auto, cuda or cpu."""
        return training_options(self.methods[method])["training"]["device"]

    def row_slice(self, methods: list[str]) -> str:
        """Titles and MIR, IRC and MRD marks of table rows, as JSON.

        An ensemble has its first member's marks, and that of an apex if any member needs one.
        """
        marks = {}
        for name in methods:
            members = [row_marks(self.methods[member]) for member in self.trained(name)]
            apexes = [one["mir"] for one in members if "Apex" in one["mir"]]
            marks[name] = members[0] | {"mir": apexes[0] if apexes else members[0]["mir"]}
        titles = {name: {"title": self.ensembles[name]["title"]} for name in methods if name in self.ensembles}
        return json.dumps({name: marks[name] | titles.get(name, {}) for name in methods})


def make_plan(config: Mapping[str, Any], read: Reader = read_index) -> Plan:
    """Read the indexes that the config's data source names and resolve all methods.

    read: gives the index of a dataset.
    Raises InputError if the config does not fit, data are missing or counts differ from the paper's.
    """
    check_config(config)
    require_data(config)
    config = dict(config) | {key: present(config[key]) for key in ("methods", "sweeps")}
    config["protocols"] = [protocol for name in config["protocols"] for protocol in parts_of(config, name)]
    methods, sweeps = resolve_methods(config)
    add_candidates(config, methods, sweeps)
    indexes = [read(config, name) for name in all_datasets_of(config)]
    Faults(fault for indexed in indexes for fault in indexed.faults).raise_any()
    index, left_out, whole = (
        pd.concat([getattr(indexed, part) for indexed in indexes], ignore_index=True)
        for part in ("rows", "left_out", "whole")
    )
    return Plan(config, index, left_out, select_sequences(config, index, whole), methods, sweeps)


@contextmanager
def quietly() -> Iterator[None]:
    """Without the warnings of a plan, where they have been given before."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def sampling_name(sampling: Mapping[str, Any]) -> str:
    """The name of a sampling as a folder: middle-16, apex, full, ... or published-{source}."""
    if sampling["mode"] == "published":
        return f"published-{sampling['source']}"
    return sampling_of(sampling).name


def _effective(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a sampling without those that its mode ignores: changing them does not change the flow."""
    unused = {"seed"} if sampling["mode"] != "random" else set()
    unused |= {"instances"} if sampling["mode"] in ("apex", "full") else set()
    return {key: value for key, value in sampling.items() if key not in unused}


def sampling_of(options: Mapping[str, Any]) -> Sampling:
    return from_mapping(Sampling, {key: value for key, value in options.items() if key != "source"}, "sampling")
