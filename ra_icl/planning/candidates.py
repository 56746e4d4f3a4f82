"""The candidates of nested selection, checked and made methods."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ra_icl.datasets.protocols import CDE, PROTOCOLS
from ra_icl.errors import InputError
from ra_icl.planning.methods import Methods, check_method, leaf_keys, merge, present, require_known
from ra_icl.planning.peers import draws
from ra_icl.training.method import MethodOptions

TRAINING_KEYS = tuple(field.name for field in fields(MethodOptions))
_CHANGEABLE = tuple(key for key in TRAINING_KEYS if key != "peer")
SELECTING = (*CDE, "own")  # the protocols under which options are selected


def training_options(method: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a resolved method that its folds depend on; its sampling is part of the flow's path.

    For a peer these are its own settings and the device (`MethodOptions.effective`). A classifier of descriptors runs
    on a CPU.
    """
    if not method["peer"]:
        return {key: method[key] for key in TRAINING_KEYS}
    return {"peer": method["peer"], "training": {"device": method["training"]["device"] if draws(method) else "cpu"}}


def add_candidates(config: Mapping[str, Any], methods: Methods, sweeps: Methods) -> None:
    """Add a method {method}.{candidate} to `methods` for every method that selects and every candidate.

    methods, sweeps: of `resolve_methods`. Raises InputError for a method that is not defined or takes two choices, for
    a candidate that changes more than training, for one that a method which takes the choice cannot have or would be
    another method with, and if no protocol of the config lets a method select.
    """
    candidates, selecting = (present(config["selection"][key]) for key in ("candidates", "methods"))
    if selecting and set(SELECTING).isdisjoint(config["protocols"]):
        raise InputError(
            f"config: selection.methods: only under {', '.join(SELECTING)} are options selected; add one of them to "
            "protocols, or leave selection.methods empty"
        )
    for name, changes in candidates.items():
        for key in [key for key in changes if key not in _CHANGEABLE]:
            raise InputError(
                f"config: selection.candidates.{name}.{key}: a candidate may only change {', '.join(_CHANGEABLE)}; "
                f"take {key} out"
            )
        if "training.select" in leaf_keys(changes):
            raise InputError(
                f"config: selection.candidates.{name}.training.select: candidates share the epoch that predicts; "
                "set it for the method"
            )
    for method in takers(config):
        require_known(method, present(config["methods"]), "selection.methods")
    for method in takers(config, sweeps):
        for name, changes in candidates.items():
            changed = merge(methods[method], changes)
            _check(config, changed, name, method)
            if method in selecting:
                methods[f"{method}.{name}"] = changed | {"title": f"{methods[method]['title']}, {name}"}
    if selecting and len(candidates) < 2:
        held = "holds one" if candidates else "is empty"
        raise InputError(f"config: selection.candidates: {held}; give at least two, or leave selection.methods empty")
    _require_apart(config, methods, sweeps)
    wanted = PROTOCOLS["groups5"].groups
    groups = config["selection"]["groups"]
    if selecting and "groups5" in config["protocols"] and groups != wanted:
        raise InputError(f"config: selection.groups: is {groups}; give {wanted}, the folds of groups5")


def _check(config: Mapping[str, Any], changed: Mapping[str, Any], candidate: str, method: str) -> None:
    try:
        check_method(config, changed, f"selection.candidates.{candidate}")
    except InputError as error:
        raise InputError(f"{error} (as a candidate of {method})") from None


def _require_apart(config: Mapping[str, Any], methods: Methods, sweeps: Methods) -> None:
    """Raise InputError for a candidate that changes what tells a method from the one whose choice it takes.

    An ablation would lose what it lacks, and all values of a sweep would be one.
    """
    swept = {method: name for name, sweep in sweeps.items() for method in sweep["methods"].values()}
    for method, selecting in takers(config, sweeps).items():
        for candidate, changes in present(config["selection"]["candidates"]).items():
            for key in leaf_keys(changes):
                if _value(methods[method], key) != _value(methods[selecting], key):
                    out = f"set sweeps.{swept[method]} to null" if method in swept else f"do not let {method} take it"
                    raise InputError(
                        f"config: selection.candidates.{candidate}: changes {key}, in which {method} differs from "
                        f"{selecting}, whose choice it takes; take the key out of the candidate, or {out}"
                    )


def _value(options: Any, key: str) -> Any:
    """The value of a key a.b.c in nested options, None if there is none."""
    for part in key.split("."):
        options = options.get(part) if isinstance(options, Mapping) else None
    return options


def takers(config: Mapping[str, Any], sweeps: Methods | None = None) -> dict[str, str]:
    """{method: the method whose choices it takes}; one that selects takes its own.

    sweeps: of `resolve_methods`, whose methods take the choices of the method that is varied, so that nothing but the
    varied key tells them apart. Raises InputError for a method that would take two choices.
    """
    found: dict[str, str] = {}
    for selecting, others in present(config["selection"]["methods"]).items():
        for method in (selecting, *others):
            if method in found:
                raise InputError(
                    f"config: selection.methods: {method} takes the choices of {found[method]} and of {selecting}; "
                    "leave it with one of them"
                )
            found[method] = selecting
    for name, sweep in (sweeps or {}).items():
        if (origin := config["sweeps"][name]["method"]) in found:
            found |= dict.fromkeys(sweep["methods"].values(), found[origin])
    return found
