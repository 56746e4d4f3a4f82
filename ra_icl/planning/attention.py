"""What the target `attention` shows and measures, and what must be there for it."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from ra_icl.datasets.index import TITLES
from ra_icl.datasets.left_out import named
from ra_icl.datasets.names import file_safe
from ra_icl.datasets.protocols import CDE
from ra_icl.errors import Faults, InputError
from ra_icl.planning.plan import CASME3, Plan


class Panel(NamedTuple):
    """A figure of one dataset's class: the protocol whose folds it shows, the dataset and the label."""

    protocol: str
    dataset: str
    label: int


def attention_protocols(plan: Plan) -> list[str]:
    """The protocols whose networks are looked at: CDE, own data and, without CDE, the first of CAS(ME)³.

    One for each dataset, because a picture of another protocol takes other networks, which nothing else needs.
    """
    without_cde = set(CDE).isdisjoint(plan.selected)
    casme3 = [name for name in plan.selected if name in CASME3][:1] if without_cde else []
    return [name for name in plan.selected if name in (*CDE, "own", *casme3)]


def attention_panels(plan: Plan) -> dict[str, Panel]:
    """{name: panel} of the figures, a class of a dataset each, named such as casme2_negative.

    With `attention.sequences` only the classes that have some of them.
    """
    panels = {}
    for protocol in attention_protocols(plan):
        classes = plan.class_names(protocol)
        rows = named_sequences(plan, protocol, Faults()) if _lists(plan) else plan.selected[protocol]
        for dataset, label in sorted(set(zip(rows["dataset"], rows["label"], strict=True))):
            panels[f"{dataset}_{file_safe(classes[label])}"] = Panel(protocol, dataset, int(label))
    return panels


def panel_title(plan: Plan, panel: Panel) -> str:
    """A panel in words: "CASME II, negative"."""
    return f"{TITLES[panel.dataset]}, {plan.class_names(panel.protocol)[panel.label]}"


def named_sequences(plan: Plan, protocol: str, faults: Faults) -> pd.DataFrame:
    """The rows of a protocol that `attention.sequences` names; entries that name none are added to `faults`."""
    rows = plan.selected[protocol]
    found = [rows[:0]]
    for dataset, entries in _lists(plan).items():
        of_dataset = rows[rows["dataset"] == dataset]
        if not of_dataset.empty:
            found.append(of_dataset[named(of_dataset, entries, f"config: attention.sequences.{dataset}", faults)])
    return pd.concat(found)


def named_of(plan: Plan, panel: Panel) -> str:
    """The sequences that the config names for a panel, subject/sequence, as JSON; none: the surest ones are shown."""
    rows = named_sequences(plan, panel.protocol, Faults())
    rows = rows[(rows["dataset"] == panel.dataset) & (rows["label"] == panel.label)]
    return json.dumps([f"{row.subject}/{row.sequence}" for row in rows.itertuples()], ensure_ascii=False)


def _lists(plan: Plan) -> Mapping[str, Sequence[str]]:
    return plan.config["attention"]["sequences"]


def attention_folds(plan: Plan, panel: Panel) -> dict[str, list[str]]:
    """{method: path below folds/ of the CSVs that hold out the panel's dataset}, of the first seed, in their order."""
    rows = plan.selected[panel.protocol]
    of_dataset = plan.fold_of(panel.protocol)[rows["dataset"] == panel.dataset]
    seed = plan.config["seeds"][0]
    return {
        method: [f"{panel.protocol}/{method}/seed{seed}/{fold}.csv" for fold in sorted(set(of_dataset))]
        for method in plan.config["attention"]["figures"]
    }


def region_methods(plan: Plan) -> list[str]:
    """The methods of the figures that have regions to show."""
    return [name for name in plan.config["attention"]["figures"] if plan.methods[name]["loss"]["regions"] > 0]


def require_attention(plan: Plan) -> None:
    """Raise InputError unless the target `attention` can be made: networks kept, one sampling, sequences there."""
    options, faults = plan.config["attention"], Faults()
    lacking = dict.fromkeys(name for key in ("figures", "table") for name in options[key])
    lacking = ", ".join(name for name in lacking if name not in plan.config["keep_networks"])
    if lacking:
        raise InputError(
            f"config: keep_networks: lacks {lacking}, whose networks the target attention looks at; add {lacking}, or "
            "take them out of attention.figures and attention.table"
        )
    samplings = {plan.sampling(name): name for name in options["figures"]}
    if len(samplings) > 1:
        parts = ", ".join(f"{name} has {sampling}" for sampling, name in samplings.items())
        raise InputError(
            f"config: attention.figures: its methods are shown on the same instances, but {parts}; name methods of one "
            "sampling"
        )
    shown = attention_protocols(plan)
    for dataset in _lists(plan):
        if not any((plan.selected[name]["dataset"] == dataset).any() for name in shown):
            raise InputError(
                f"config: attention.sequences.{dataset}: only sequences of {', '.join(shown)} are shown, which has no "
                f"{dataset}; take it out, or change protocols"
            )
    for protocol in shown:
        named_sequences(plan, protocol, faults)
    faults.raise_any()
