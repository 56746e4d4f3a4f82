"""The report's page of one method under one protocol: scores and confusion matrix of every dataset, people, origin."""

from collections.abc import Collection, Iterator, Mapping
from html import escape
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ra_icl.datasets.index import TITLES
from ra_icl.datasets.names import original
from ra_icl.datasets.protocols import PROTOCOLS
from ra_icl.evaluation import pages
from ra_icl.evaluation.caveats import caveats
from ra_icl.evaluation.choice import selection_notes
from ra_icl.evaluation.duration import duration
from ra_icl.evaluation.explain import warning_notes
from ra_icl.evaluation.intervals import interval_notes, score_intervals, subjects_of
from ra_icl.evaluation.records import read_metrics
from ra_icl.evaluation.tables import percent

SCORES = {"uf1": "UF1", "uar": "UAR", "accuracy": "Accuracy"}
FOLDS = {"cde": "CDE", "groups5": "five folds by subject", "cross": "each dataset unseen in training"}


def setting(protocol: str, datasets: Collection[str]) -> str:
    """A protocol in words, with the datasets that a run has of it: "CASME II, SAMM (CDE)", "CAS(ME)³, 4 classes"."""
    known = PROTOCOLS[protocol]
    names = ", ".join(TITLES[name] for name in TITLES if name in datasets and name in known.tested)
    if protocol.startswith("casme3"):
        return f"{names}, {len(known.classes)} classes"
    rule = f"trained on {TITLES[known.train]}" if known.train else FOLDS.get(protocol)
    return f"{names} ({rule})" if rule else names


def write_method_page(metrics_json: Path, out: Path, title: str, overrides: Mapping[str, Any]) -> None:
    """Write the page `out` of a metrics JSON.

    title: of the method, as in tables. overrides: what distinguishes it from `base` in the config, or an ensemble's
    options.
    """
    content = read_metrics(metrics_json)
    heading = f"{title}: {setting(content['protocol'], content['scores'])}"
    body = [
        f"<p>{_trained(content)}</p>",
        pages.rows(_scores(content)),
        pages.bullets(_notes(content)),
        f"<h2>Confusion matrices</h2><p>True classes in rows: % of the row, and the number of {_counted(content)}.</p>",
        '<div class="side">',
        *_matrices(content),
        "</div>",
        "<h2>How it differs from <code>base</code> in the config</h2>",
        pages.bullets(f"{key}: {value}" for key, value in flat(overrides) if key != "title") or "<p>Nothing.</p>",
        _choices(content),
        pages.folded("Person by person", pages.rows(_people(content))) if content.get("subjects") else "",
        pages.downloads([metrics_json]),
    ]
    pages.write_page(out, heading, body, caveats(content))


def flat(values: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """(key, value) of nested mappings, with a dot between the names of a key."""
    if not isinstance(values, Mapping) or not values:
        yield place, values
        return
    for name, value in values.items():
        yield from flat(value, f"{place}.{name}".lstrip("."))


def _subsets(content: Mapping[str, Any]) -> dict[str, str]:
    """{subset: title}: all datasets together, then each; a single dataset is not named twice."""
    found = {name: title for name, title in TITLES.items() if name in content["scores"]}
    together = {"composite": next(iter(found.values())) if len(found) == 1 else "Together"}
    return together if len(found) == 1 else together | found


def _scores(content: Mapping[str, Any]) -> pd.DataFrame:
    """A row for each subset: sequences and scores in %, the first with its interval."""
    intervals = score_intervals(subjects_of(content)) if content.get("subjects") else {}
    rows = []
    for subset, title in _subsets(content).items():
        scores = content["scores"][subset]
        row = {"Dataset": title, "Sequences": str(scores["samples"])}
        for name in SCORES.keys() & scores.keys():
            ends = intervals.get(name, (nan, nan)) if subset == "composite" else (nan, nan)
            std = nan if scores[name]["std"] is None else scores[name]["std"]
            row[SCORES[name]] = percent(*(100 * value for value in (scores[name]["mean"], std, *ends)))
        rows.append(row)
    return pd.DataFrame(rows)[["Dataset", "Sequences", *(title for title in SCORES.values() if title in rows[0])]]


def _counted(content: Mapping[str, Any]) -> str:
    seeds = len(content["seeds"])
    return f"predictions, one per sequence and seed ({seeds} seeds)" if seeds > 1 else "sequences"


def _matrices(content: Mapping[str, Any]) -> Iterator[str]:
    for subset, title in _subsets(content).items():
        yield f"<section><h3>{title}</h3>{pages.confusion(content['confusion'][subset], content['classes'])}</section>"


def _people(content: Mapping[str, Any]) -> pd.DataFrame:
    """A row for each person: sequences, and how many of them were recognised, over all seeds."""
    recognised = "Recognised" + f", {len(content['seeds'])} seeds together" * (len(content["seeds"]) > 1)
    rows = []
    for one in content["subjects"]:
        matrices = np.asarray(one["confusion"])
        right = int(np.trace(matrices, axis1=1, axis2=2).sum())
        who = {"Dataset": TITLES[one["dataset"]], "Person": original(one["subject"])}
        rows.append(who | {"Sequences": str(int(matrices[0].sum())), recognised: f"{right} of {int(matrices.sum())}"})
    return pd.DataFrame(rows)


def _trained(content: Mapping[str, Any]) -> str:
    """A sentence: folds, seeds, seconds, device, commit; of an ensemble also what it is the mean of."""
    members = [f"{method} ({_seeds(of_it)})" for method, of_it in content.get("members", {}).items()]
    which = f"the mean of {' and '.join(members)}" if members else _seeds(content["seeds"])
    folds = f"{content['folds']} folds, {which}" if "folds" in content else ""
    made = [f"in {duration(content['seconds'])}"] if content.get("seconds") else []
    for word, key in (("on", "device"), ("with", "precision")):
        made += [f"{word} {', '.join(content[key])}"] if content.get(key) else []
    commits = ", ".join(commit[:12] + commit[40:] for commit in content.get("commit", []))
    parts = [folds, " ".join(["trained", *made]) if made else "", f"commit {commits}" if commits else ""]
    return escape("; ".join(filter(None, parts))) + "."


def _seeds(seeds: Collection[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"


def _notes(content: Mapping[str, Any]) -> list[str]:
    subjects = [subjects_of(content)] if content.get("subjects") else [None]
    return [*interval_notes([content["method"]], subjects), *warning_notes([content])]


def _choices(content: Mapping[str, Any]) -> str:
    """How nested selection chose the options, if it did."""
    notes = selection_notes([content])
    return pages.folded("How its options were chosen", pages.bullets(notes)) if notes else ""
