"""Nested selection: subjects in outer groups, and inner folds over the subjects of all groups but one.

An inner fold's name says all of it: "group1of5-inner2of3" leaves the first of five groups out altogether and holds out
the second of three parts of the other subjects. Groups and parts are dealt as the folds of protocol groups5 are, by
dataset and number of sequences, so that no label decides where a subject goes.
"""

import re
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ra_icl.datasets.protocols import Protocol, fold_of

_NAME = re.compile(r"(group[0-9]+)of([0-9]+)-inner([0-9]+)of([0-9]+)")


@dataclass(frozen=True)
class InnerFold:
    """An inner fold: the group that it leaves out, of how many, and the part that it holds out, of how many."""

    group: str
    groups: int
    part: int
    parts: int

    @property
    def name(self) -> str:
        """The fold's name, such as "group1of5-inner2of3"."""
        return f"{self.group}of{self.groups}-inner{self.part}of{self.parts}"

    @classmethod
    def named(cls, name: str) -> "InnerFold | None":
        """The inner fold of a name; None for the name of another fold."""
        found = _NAME.fullmatch(name)
        return cls(found[1], int(found[2]), int(found[3]), int(found[4])) if found else None


def group_of(selected: pd.DataFrame, protocol: Protocol, groups: int) -> pd.Series:
    """Name the outer group of each row, "group1" to "group5" for 5 groups; selected: as for `protocols.fold_of`."""
    return fold_of(selected, replace(protocol, groups=groups))


def inner_folds(selected: pd.DataFrame, protocol: Protocol, group: str, groups: int, parts: int) -> list[str]:
    """Name the inner folds of a group: `parts` of them, or fewer where subjects are few."""
    found = fold_of(_others(selected, protocol, group, groups), replace(protocol, groups=parts))
    numbers = sorted(int(name.removeprefix("group")) for name in set(found))
    return [InnerFold(group, groups, number, parts).name for number in numbers]


def rows_of_fold(selected: pd.DataFrame, protocol: Protocol, name: str) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows that a fold may see, numbered from 0, and which of them it holds out, bool.

    selected: all sequences of the protocol, as `select` returns them. An inner fold does not see the sequences of its
    group, neither to train nor to test; any other fold sees them all. No row is held out by a name that is no fold's.
    """
    inner = InnerFold.named(name)
    if inner is None:
        return selected, (fold_of(selected, protocol) == name).to_numpy()
    rows = _others(selected, protocol, inner.group, inner.groups)
    part = fold_of(rows, replace(protocol, groups=inner.parts))
    return rows, (part == f"group{inner.part}").to_numpy()


def _others(selected: pd.DataFrame, protocol: Protocol, group: str, groups: int) -> pd.DataFrame:
    """The rows of the other groups' subjects, numbered from 0."""
    return selected[group_of(selected, protocol, groups) != group].reset_index(drop=True)
