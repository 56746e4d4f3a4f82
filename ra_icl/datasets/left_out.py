"""Sequences that the config names, a list of subject/sequence per dataset: those that `data.exclude` leaves out."""

import json
import re
from collections.abc import Sequence
from difflib import get_close_matches

import pandas as pd

from ra_icl.datasets.names import one_form, original
from ra_icl.errors import FaultKind, Faults

UNKNOWN = FaultKind(
    "exclude-unknown",
    "{entry!r} is no sequence that a protocol uses",
    "correct it to subject/sequence, as `ra-icl check` prints it{near}, or remove it",
    {"where": "data.exclude.casme3", "entry": "spNO.1/a/353", "near": " (near: spNO.1/a_355)"},
)
NOTHING_LEFT = FaultKind(
    "exclude-everything",
    "leaves none of {number} sequences",
    "take sequences off the list, or leave the dataset out by an empty root",
    {"where": "data.exclude.samm", "number": 133},
)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


def leave_out(rows: pd.DataFrame, entries: Sequence[str], faults: Faults) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the index of one dataset into what is used and what `entries` leave out, both with their row labels.

    entries: of `named`. An entry that names no sequence, and a list that leaves none, are added to `faults`.
    """
    if rows.empty or not entries:
        return rows, rows[:0]
    where = f"data.exclude.{rows['dataset'].iloc[0]}"
    mask = named(rows, entries, where, faults)
    if mask.all():
        faults.append(NOTHING_LEFT.at(where, number=len(rows)))
    return rows[~mask], rows[mask]


def named(rows: pd.DataFrame, entries: Sequence[str], where: str, faults: Faults) -> pd.Series:
    """Which rows of one dataset's index the entries of a list in the config name, bool.

    entries: subject/sequence as the index has them. Also understood are the dataset's name before it, as messages have
    it, another case or Unicode form, a subject as its row spells it, slashes in a sequence's name (spNO.1/a/355 for
    spNO.1/a_355), and a sequence's name alone if one subject has it. where: the key of the list.
    An entry that names no sequence is added to `faults`.
    """
    names, sequences = _names(rows), list(rows["sequence"])
    plain = [_plain(name) for name in names]
    plain_sequences = [_plain(f"/{name}") for name in sequences]
    chosen = [False] * len(names)
    for entry in entries:
        short = _without_dataset(entry, rows)
        found = _matches(entry, names) or _matches(_plain(short), plain)
        found = found or _matches(entry, sequences) or _matches(_plain(f"/{short}"), plain_sequences)
        if len(found) == 1:
            chosen[found[0]] = True
        else:
            near = [names[place] for place in found] or get_close_matches(short, names, 3)
            faults.append(UNKNOWN.at(where, entry=entry, near=f" (near: {', '.join(near)})" if near else ""))
    return pd.Series(chosen, rows.index)


def exclusion(dataset: str, name: str) -> str:
    """How to leave out a sequence (name: subject/sequence): what to add to which list of the config."""
    text = name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    return f"add {text} to data.exclude.{dataset}"


def _names(rows: pd.DataFrame) -> list[str]:
    return [f"{row.subject}/{row.sequence}" for row in rows.itertuples()]


def _matches(name: str, names: Sequence[str]) -> list[int]:
    return [place for place, other in enumerate(names) if other == name]


def _without_dataset(entry: str, rows: pd.DataFrame) -> str:
    return re.sub(rf"^{rows['dataset'].iloc[0]}[ /]+", "", entry.strip())


def _plain(name: str) -> str:
    """A name without case, Unicode form, the escapes of a subject and the difference of / and _ in a sequence."""
    subject, _, sequence = name.partition("/")
    return f"{one_form(original(subject))}/{one_form(sequence).replace('/', '_')}".casefold()
