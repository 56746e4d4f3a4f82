"""The index of a dataset from the config's data source: the one place where both the plan and `check` get it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ra_icl.datasets import public_flow
from ra_icl.datasets.left_out import leave_out
from ra_icl.datasets.public_flow import PublishedOptions
from ra_icl.datasets.reading import survey_without
from ra_icl.errors import Faults, InputError
from ra_icl.planning.options import from_mapping
from ra_icl.twins import plan as twin_plan
from ra_icl.twins.plan import TwinOptions


@dataclass(frozen=True)
class Indexed:
    """An index as far as it can be read.

    rows: the sequences that are used; left_out: those that `data.exclude` leaves out. faults: of the annotation and of
    `data.exclude`.
    """

    rows: pd.DataFrame
    left_out: pd.DataFrame
    faults: Faults

    @property
    def whole(self) -> pd.DataFrame:
        """All sequences, for what does not depend on `data.exclude`: the edition's counts."""
        return pd.concat([self.rows, self.left_out], ignore_index=True)


Reader = Callable[[Mapping[str, Any], str], Indexed]  # gives the index of a config's dataset, as `read_index` does


def published_options(config: Mapping[str, Any]) -> dict[str, PublishedOptions]:
    """The clones of published flow maps that the config names."""
    named = config["public_flow"]
    if not named:
        raise InputError("config: public_flow is empty; name a clone as config/public-flow.yaml does")
    return {name: from_mapping(PublishedOptions, one, f"public_flow.{name}") for name, one in named.items()}


def read_index(config: Mapping[str, Any], dataset: str) -> Indexed:
    """The index of a dataset. Raises InputError if nothing of it can be read; other faults are collected."""
    source, excluded = config["data"]["source"], config["data"]["exclude"].get(dataset, ())
    if source == "datasets":
        return Indexed(*survey_without(dataset, config["datasets"][dataset], excluded))
    if source == "twins":
        rows = twin_plan.plan(dataset, from_mapping(TwinOptions, config["twins"], "twins"))
    else:
        rows = public_flow.read_index(published_options(config), dataset)
    faults = Faults()
    used, left_out = leave_out(rows, excluded, faults)
    return Indexed(used.reset_index(drop=True), left_out.reset_index(drop=True), faults)
