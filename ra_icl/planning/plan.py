"""The plan of a run: from the config to sequences, folds, methods and the config slice of every step.

The Snakefile is parsed again in every cluster job, so this module imports neither torch nor cv2.
"""

import copy
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.datasets import public_flow
from ra_icl.datasets.index import NAMES
from ra_icl.datasets.protocols import PROTOCOLS, Protocol, check_counts, folds, protocol_of, select
from ra_icl.datasets.public_flow import PublishedOptions
from ra_icl.datasets.reading import build_index
from ra_icl.errors import InputError
from ra_icl.flow.sampling import Sampling
from ra_icl.options import from_mapping
from ra_icl.planning.config import merge, slice_of
from ra_icl.twins import plan as twin_plan
from ra_icl.twins.plan import TwinOptions

TRAINING_KEYS = ("input", "model", "loss", "augmentation", "training")
MIR_MARKS = {
    "middle": "✓",
    "apex": "→Apex*",
    "apex_neighbourhood": "→Apex",
    "full": "→Full",
    "random": "→Random",
    "uniform": "→Uniform",
    "published": "published",
}


def datasets_of(protocols: Sequence[str]) -> list[str]:
    """The datasets that some of the protocols use."""
    return [name for name in NAMES if any(name in PROTOCOLS[p].datasets for p in protocols)]


@dataclass(frozen=True)
class Plan:
    """What a run consists of.

    index: all sequences of its datasets; selected: {protocol: its sequences with labels}; methods: {name: resolved
    options}, sweep methods included; sweeps: {name: {"figure", "key", "methods": {value: method}}}.
    """

    config: Mapping[str, Any]
    index: pd.DataFrame
    selected: dict[str, pd.DataFrame]
    methods: dict[str, dict[str, Any]]
    sweeps: dict[str, dict[str, Any]]

    @property
    def source(self) -> str:
        """Where the data come from: datasets, twins or public_flow."""
        return self.config["data"]["source"]

    def folds(self, protocol: str) -> list[str]:
        """The fold names of a protocol."""
        return folds(self.selected[protocol])

    def datasets(self, protocol: str) -> list[str]:
        """The datasets of a protocol, in its order."""
        return list(PROTOCOLS[protocol].datasets)

    def all_datasets(self) -> list[str]:
        """The datasets of all protocols of this run."""
        return datasets_of(list(self.selected))

    def subjects(self, dataset: str) -> list[str]:
        """The subjects of a dataset that some protocol of this run uses."""
        return self._subjects[dataset]

    @cached_property
    def _subjects(self) -> dict[str, list[str]]:
        rows = pd.concat(self.selected.values())[["dataset", "subject"]].drop_duplicates()
        return {name: sorted(group["subject"]) for name, group in rows.groupby("dataset")}

    def classes(self, protocol: str) -> str:
        """The classes of a protocol in label order, as JSON."""
        return json.dumps(_protocol(self.config, protocol).classes)

    def frames(self, dataset: str, subject: str) -> list[str]:
        """The frame folders and video files of a subject's sequences that exist on disk, each once.

        One that is missing is left out here, so that only the crops of its subject fail and say so.
        """
        return self._frames.get((dataset, subject), [])

    @cached_property
    def _frames(self) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        for (dataset, subject), rows in self.index.groupby(["dataset", "subject"]):
            root = Path(self.config["datasets"][dataset]["root"]).expanduser()
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
        return self.methods[method]["training"].get("device", "auto")

    def row_slice(self, methods: list[str]) -> str:
        """Titles and MIR, IRC and MRD marks of table rows, as JSON."""
        return json.dumps({name: row_marks(self.methods[name]) for name in methods}, ensure_ascii=False)


def make_plan(config: Mapping[str, Any]) -> Plan:
    """Read the indexes that the config's data source names and resolve all methods.

    Raises InputError where data are missing, counts differ from the paper's, or a method is unknown.
    """
    config = dict(config) | {key: _without_nulls(config[key]) for key in ("methods", "sweeps")}
    methods = {name: resolve(config, name) for name in config["methods"]}
    sweeps = {name: _sweep(config, name, sweep, methods) for name, sweep in config["sweeps"].items()}
    _check_names(config, methods)
    _check_figures(sweeps)
    index = pd.concat([read_index(config, name) for name in datasets_of(config["protocols"])], ignore_index=True)
    return Plan(config, index, _select(config, index), methods, sweeps)


def resolve(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The options of a method: config.base with the method's overrides."""
    return merge({"title": name} | config["base"], config["methods"][name])


def sampling_name(sampling: Mapping[str, Any]) -> str:
    """The name of a sampling as a folder: middle-16, apex, full, ... or published-{source}."""
    if sampling["mode"] == "published":
        return f"published-{sampling['source']}"
    return sampling_of(sampling).name


def sampling_of(options: Mapping[str, Any]) -> Sampling:
    return from_mapping(Sampling, {key: value for key, value in options.items() if key != "source"}, "sampling")


def published_options(config: Mapping[str, Any]) -> dict[str, PublishedOptions]:
    """The clones of published flow maps that the config names."""
    named = config["public_flow"]
    if not named:
        raise InputError("config: public_flow is empty; name a clone as config/public-flow.yaml does")
    return {name: from_mapping(PublishedOptions, one, f"public_flow.{name}") for name, one in named.items()}


def read_index(config: Mapping[str, Any], dataset: str, twins: str = "twins") -> pd.DataFrame:
    """The index of a dataset from the config's data source; `twins` is the folder twins are rendered into."""
    source = config["data"]["source"]
    if source == "twins":
        options = from_mapping(TwinOptions, config["twins"], "twins")
        return twin_plan.plan(dataset, Path(twins) / dataset, options)
    if source == "public_flow":
        return public_flow.read_index(published_options(config), dataset)
    return build_index(dataset, config["datasets"][dataset])


def row_marks(method: Mapping[str, Any]) -> dict[str, Any]:
    """Title and Table 3's marks of a method, derived from its options."""
    return {
        "title": method["title"],
        "mir": MIR_MARKS[method["sampling"]["mode"]],
        "irc": method["loss"]["attention"] > 0,
        "mrd": method["loss"]["regions"] > 0,
    }


def _select(config: Mapping[str, Any], index: pd.DataFrame) -> dict[str, pd.DataFrame]:
    selected = select_all(config, index)
    if config["data"]["source"] != "twins" or config["twins"].get("census") == "full":
        for name, rows in selected.items():
            check_counts(rows, PROTOCOLS[name], config["data"]["count_mismatch"])
    return selected


def select_all(config: Mapping[str, Any], index: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """{protocol of the config: its sequences with labels}."""
    return {name: select(index, _protocol(config, name)) for name in config["protocols"]}


def _protocol(config: Mapping[str, Any], name: str) -> Protocol:
    return protocol_of(name, list(config["datasets"].get("own", {}).get("labels", {})))


def _sweep(
    config: Mapping[str, Any], name: str, sweep: Mapping[str, Any], methods: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Add a method per value to `methods`; a value that the method has already is the method itself."""
    if sweep["method"] not in config["methods"]:
        raise InputError(f"config: sweeps.{name}.method: {_unknown(sweep['method'], config['methods'])}")
    origin, found = methods[sweep["method"]], {}
    for value in sweep["values"]:
        changed = _replace(origin, sweep["key"], value, f"sweeps.{name}.key")
        if changed == origin:
            found[str(value)] = sweep["method"]
            continue
        label = f"{sweep['method']}_{name}_{value}"
        methods[label] = changed | {"title": f"{origin['title']}, {name} {value}"}
        found[str(value)] = label
    return {"figure": sweep["figure"], "key": sweep["key"], "methods": found}


def _check_names(config: Mapping[str, Any], methods: Mapping[str, Any]) -> None:
    used = {f"tables.{table}": names for table, names in config["tables"].items()}
    for key, names in (used | {"confusion": [config["confusion"]]}).items():
        for name in names:
            if name not in config["methods"]:
                raise InputError(f"config: {key}: {_unknown(name, config['methods'])}")
    for name, method in methods.items():
        published = method["sampling"]["mode"] == "published"
        if published != (config["data"]["source"] == "public_flow"):
            raise InputError(
                f"config: methods.{name}.sampling.mode: {method['sampling']['mode']} does not go with "
                f"data.source {config['data']['source']}; mode published belongs to source public_flow alone"
            )
        if published and method["sampling"].get("source") not in config["public_flow"]:
            source = method["sampling"].get("source")
            raise InputError(f"config: methods.{name}.sampling.source: {_unknown(source, config['public_flow'])}")


def _check_figures(sweeps: Mapping[str, Any]) -> None:
    """Two sweeps, or a sweep and the confusion matrices of Figures 4 and 11, cannot be drawn into one file."""
    numbers = [sweep["figure"] for sweep in sweeps.values()]
    for name, sweep in sweeps.items():
        if sweep["figure"] in (4, 11) or numbers.count(sweep["figure"]) > 1:
            raise InputError(f"config: sweeps.{name}.figure: {sweep['figure']} is taken; choose another number")


def _without_nulls(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """A null takes an entry of config.yaml out in a config file that is read after it."""
    return {key: value for key, value in (values or {}).items() if value is not None}


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    return f"{name!r} is not defined; known: {', '.join(known)}"


def _replace(options: Mapping[str, Any], key: str, value: Any, where: str) -> dict[str, Any]:
    changed = copy.deepcopy(dict(options))
    *path, last = key.split(".")
    place = changed
    for part in path:
        place = place.get(part, {})
    if last not in place:
        raise InputError(f"config: {where}: {key!r} is no key of a method; see base in config/config.yaml")
    place[last] = value
    return changed
