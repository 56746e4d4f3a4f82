"""The report's page of the run: data, protocols, methods, seeds, commit, devices, versions, times, config."""

import sys
from collections.abc import Mapping, Sequence
from html import escape
from importlib.metadata import PackageNotFoundError, version
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ra_icl.datasets.index import TITLES
from ra_icl.errors import InputError
from ra_icl.evaluation import pages
from ra_icl.evaluation.caveats import all_caveats
from ra_icl.evaluation.duration import duration
from ra_icl.evaluation.method_page import flat, setting
from ra_icl.evaluation.records import read_metrics
from ra_icl.evaluation.table_formats import EMPTY

SOURCES = {
    "datasets": "copies of the datasets themselves or clips of your own, cropped and turned into flow by this run",
    "twins": "synthetic twins, rendered by this run: they show that every step works, and nothing about people",
    "public_flow": "flow maps that others have published",
}
PACKAGES = ("ra-icl", "snakemake", "torch", "numpy", "opencv-contrib-python", "numba", "pandas", "matplotlib")


def write_run_page(
    metrics_jsons: Sequence[Path],
    out: Path,
    config: Mapping[str, Any],
    defaults: Mapping[str, Any],
    titles: Mapping[str, str],
    benchmarks: Path,
) -> None:
    """Write the page `out` from the metrics of everything that the run has trained.

    config: the run's, with paths expanded; defaults: of config/config.yaml. titles: {method: title}. benchmarks: the
    folder of Snakemake's measurements, of which those of crops and flow are shown.
    Raises InputError without metrics.
    """
    if not metrics_jsons:
        raise InputError(f"{out}: no metrics given; name the metrics JSON files of the run")
    found = [read_metrics(path) for path in metrics_jsons]
    source = found[0]["data_source"]
    trained = [content for content in found if not content.get("members")]  # ensembles only average other trainings
    body = [
        f"<p>Data: {SOURCES[source]}.</p>",
        pages.rows(_settings(found, titles)),
        pages.bullets(_origin(trained)),
        pages.folded("Run times", pages.rows(_training_times(trained, titles)) + _step_times(Path(benchmarks))),
        *(_config(config, defaults) if config else []),
    ]
    pages.write_page(out, "What this run was", body, all_caveats(found))


def _settings(found: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> pd.DataFrame:
    """A row for each protocol: what was predicted, in which folds, by which methods."""
    rows = []
    for protocol in dict.fromkeys(content["protocol"] for content in found):
        of_it = [content for content in found if content["protocol"] == protocol]
        first = of_it[0]
        seeds = sorted({seed for content in of_it for seed in _seeds(content)})
        rows.append(
            {
                "Setting": setting(protocol, first["scores"]),
                "Sequences": str(first["scores"]["composite"]["samples"]),
                "People": str(len(first["subjects"])) if "subjects" in first else EMPTY,
                "Classes": ", ".join(first["classes"]),
                "Folds": str(first.get("folds", EMPTY)),
                "Seed numbers": ", ".join(map(str, seeds)),
                "Methods": ", ".join(titles.get(content["method"], content["method"]) for content in of_it),
            }
        )
    return pd.DataFrame(rows)


def _seeds(content: Mapping[str, Any]) -> set[int]:
    """The seeds behind a method or, of an ensemble, behind its members."""
    return set().union(*content["members"].values()) if content.get("members") else set(content["seeds"])


def _origin(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines on what trained the folds, for how long, and what made this page."""
    folds = sum(content.get("folds", 0) * len(content["seeds"]) for content in found)
    lines = [f"Training: {folds} folds, {duration(sum(content.get('seconds', 0) for content in found))} together"]
    if any(content.get("selection_of") for content in found):
        lines[0] += "; the inner folds that chose options are neither counted here nor among the devices below"
    for key, name in (("commit", "Commit that trained the folds"), ("device", "Device"), ("precision", "Precision")):
        values = sorted({value for content in found for value in content.get(key, [])})
        if values:
            lines.append(f"{name}{'s' * (len(values) > 1 and key == 'device')}: {', '.join(values)}")
    trained = {name: set(of) for content in found for name, of in content.get("versions", {}).items()}
    if trained:
        lines.append("Versions that trained: " + _listed({name: ", ".join(sorted(of)) for name, of in trained.items()}))
    here = {"python": ".".join(map(str, sys.version_info[:3]))} | {name: _version(name) for name in PACKAGES}
    return [*lines, "Versions of this report: " + _listed({name: of for name, of in here.items() if of})]


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {of}" for name, of in sorted(versions.items()))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _training_times(found: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> pd.DataFrame:
    """A row for each method and protocol, with the time and memory that its folds took."""
    rows = []
    for content in found:
        folds = content.get("folds", 0) * len(content["seeds"])
        seconds, memory = content.get("seconds"), content.get("memory")
        rows.append(
            {
                "Training": titles.get(content["method"], content["method"]),
                "Setting": setting(content["protocol"], content["scores"]),
                "Folds": str(folds or EMPTY),
                "Together": duration(seconds) if seconds else EMPTY,
                "Per fold": duration(seconds / folds) if seconds and folds else EMPTY,
                "Most memory": f"{memory / 2**30:.2f} GiB" if memory else EMPTY,
            }
        )
    return pd.DataFrame(rows)


def _step_times(benchmarks: Path) -> str:
    """A table with a row for each dataset's crops and each sampling's flow, of a job per subject."""
    rows = []
    for step, name in (("crops", "Crops"), ("flow", "Flow of sampling")):
        for folder in sorted(path for path in (benchmarks / step).glob("*") if path.is_dir()):
            measured = [pd.read_csv(path, sep="\t", na_values="-") for path in sorted(folder.rglob("*.tsv"))]
            if measured:
                jobs = pd.concat(measured)
                row = {"Step": f"{name}: {TITLES.get(folder.name, folder.name)}", "Jobs": str(len(jobs))}
                row |= {"Together": duration(jobs["s"].sum()), "Per job": duration(jobs["s"].median())}
                most = jobs["max_rss"].max()  # NaN if no job lived long enough to be measured
                rows.append(row | {"Most memory": EMPTY if isnan(most) else f"{most / 1024:.2f} GiB"})
    return pages.rows(pd.DataFrame(rows)) if rows else ""


def _config(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """What differs from config/config.yaml, as a table of keys, and the whole config."""
    whole = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100)
    changes = pages.folded("What differs from config/config.yaml", _changes(config, defaults))
    return [changes, pages.folded("The whole config", f"<pre>{escape(whole)}</pre>")]


def _changes(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    before, after = dict(flat(defaults)), dict(flat(config))
    rows = [
        {"Key": key, "This run": _value(after.get(key)), "config/config.yaml": _value(before.get(key))}
        for key in dict.fromkeys([*after, *before])
        if after.get(key) != before.get(key)
    ]
    if not rows:
        return "<p>Nothing.</p>"
    return pages.rows(pd.DataFrame(rows))


def _value(value: Any) -> str:
    """A value as YAML in a line."""
    shown = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return EMPTY if value is None else shown.removesuffix("...\n").strip()
