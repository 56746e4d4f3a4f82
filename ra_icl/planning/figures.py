"""What figures on request are drawn from: sweeps, training curves, and the figure of the apex."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ra_icl.evaluation.apex import APEX_FREE
from ra_icl.planning.plan import Plan

SEEING_THE_APEX = ("apex", "apex_neighbourhood")


@dataclass(frozen=True)
class ApexInputs:
    """What the figure of the apex is drawn from.

    methods: one whose windows do not look at the apex, then those that differ from it in that they do. sampling: of the
    first. sweep: {N: method} of the first method's sweep over instances, if the config has one; default: its own N, in
    a list, if that is among them.
    """

    methods: list[str]
    sampling: dict[str, Any]
    sweep: dict[str, str]
    default: list[str]


def default_of(plan: Plan, sweep: Mapping[str, Any]) -> list[str]:
    """The value of a sweep that its method has itself, in a list; empty if it is none of those that are varied."""
    return [value for value, method in sweep["methods"].items() if method in plan.config["methods"]]


def trained_methods(plan: Plan) -> list[str]:
    """The methods that are trained on whole folds: those of the config, and the values of sweeps."""
    return [*plan.config["methods"], *(name for sweep in plan.sweeps.values() for name in sweep["methods"].values())]


def apex_inputs(plan: Plan) -> ApexInputs | None:
    """The config's reference, and the methods of Table 3 that are as it but for a sampling that looks at the apex.

    None for published maps, which have no frames, and for a reference that looks at the apex itself.
    """
    name = plan.config["reference"]
    first = plan.methods[name]
    if first["sampling"]["mode"] not in APEX_FREE:
        return None
    rows = [method for method in plan.config["tables"]["table3"] if method in plan.methods]
    others = [method for method in rows if _alike(first, plan.methods[method]) and _sees(plan.methods[method])]
    sampling = {key: value for key, value in first["sampling"].items() if key != "source"}
    found = [
        sweep
        for key, sweep in plan.sweeps.items()
        if sweep["key"] == "sampling.instances" and plan.config["sweeps"][key]["method"] == name
    ]
    swept = found[0] if found else {"methods": {}}
    return ApexInputs([name, *others], sampling, dict(swept["methods"]), default_of(plan, swept))


def _alike(method: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two methods have the same options, but for title and sampling."""
    return all(other[key] == value for key, value in method.items() if key not in ("title", "sampling"))


def _sees(method: Mapping[str, Any]) -> bool:
    return method["sampling"]["mode"] in SEEING_THE_APEX
