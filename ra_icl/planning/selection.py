"""Nested selection in a plan: the inner folds behind each choice, and the choices that a fold takes."""

import json

import pandas as pd

from ra_icl.datasets.nested import group_of, inner_folds
from ra_icl.datasets.protocols import PROTOCOLS, Protocol
from ra_icl.errors import InputError
from ra_icl.planning.candidates import SELECTING, takers
from ra_icl.planning.methods import present
from ra_icl.planning.plan import Plan


class Selection:
    """What is selected in a plan: paths of choices below selection/, and of the inner folds' CSVs below folds/.

    Raises InputError if a group leaves too few subjects for the inner folds.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan, self._options = plan, plan.config["selection"]
        self._taken = takers(plan.config, plan.sweeps)
        self._inner: dict[str, dict[str, list[str]]] = {}  # {protocol: {group: its inner folds}}
        self._groups: dict[str, dict[str, str]] = {}  # {protocol: {fold: the group of its subjects}}
        for name in [name for name in plan.selected if name in SELECTING and self._taken]:
            rows, protocol = plan.selected[name], PROTOCOLS[name]
            groups = group_of(rows, protocol, self._options["groups"])
            self._groups[name] = dict(zip(plan.fold_of(name), groups, strict=True))
            self._inner[name] = {group: self._inner_folds(rows, protocol, group) for group in sorted(set(groups))}

    @property
    def candidates(self) -> str:
        """{candidate: its overrides} as JSON, in the order of the config, by which ties are broken."""
        return json.dumps(present(self._options["candidates"]))

    @property
    def trainings(self) -> int:
        """Number of inner folds, of all choices."""
        parts = (len(self.inner_files(*path.removesuffix(".json").split("/"))) for path in self.choices())
        return sum(parts)

    def choices(self) -> list[str]:
        """Every choice: {protocol}/{method}/{group}.json."""
        methods = present(self._options["methods"])
        return [path for protocol in self._inner for method in methods for path in self.choices_of(protocol, method)]

    def choices_of(self, protocol: str, method: str) -> list[str]:
        """The choices that a method or an ensemble's members take under a protocol, one per group; maybe none."""
        taken = [self._taken[member] for member in self._plan.trained(method) if member in self._taken]
        groups = self._inner.get(protocol, ())
        return [f"{protocol}/{selecting}/{group}.json" for selecting in dict.fromkeys(taken) for group in groups]

    def choice_of(self, protocol: str, method: str, fold: str) -> list[str]:
        """The one choice that a fold takes, that of its subjects' group; none for inner folds and other methods."""
        group = self._groups.get(protocol, {}).get(fold)
        return [f"{protocol}/{self._taken[method]}/{group}.json"] if group and method in self._taken else []

    def keeps_epochs(self, method: str) -> bool:
        """Whether the predictions after each epoch of a method or candidate are kept.

        Also those of a candidate from whose inner folds a method of `keep_epochs` takes its choice, and so its epoch.
        """
        kept = self._plan.config["keep_epochs"]
        selecting, _, candidate = method.partition(".")
        return method in kept or (bool(candidate) and selecting in {self._taken.get(name) for name in kept})

    def inner_files(self, protocol: str, method: str, group: str) -> list[str]:
        """The CSVs that a choice is made from: every candidate's inner folds."""
        return [
            f"{protocol}/{method}.{candidate}/seed{self._options['seed']}/{fold}.csv"
            for candidate in present(self._options["candidates"])
            for fold in self._inner[protocol][group]
        ]

    def _inner_folds(self, rows: pd.DataFrame, protocol: Protocol, group: str) -> list[str]:
        parts = self._options["inner_folds"]
        found = inner_folds(rows, protocol, group, self._options["groups"], parts)
        if len(found) < parts:
            raise InputError(
                f"config: selection.inner_folds: is {parts}, but without {group} {protocol.name} has subjects for only "
                f"{len(found)}; give fewer inner folds or more groups, or leave selection.methods empty"
            )
        return found
