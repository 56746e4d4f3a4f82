"""What lies in a dataset's frame folder and is not read: a folder of another name loses its clips without a word."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.datasets import smic
from ra_icl.datasets.folders import is_folder
from ra_icl.datasets.reading import DEFAULTS, annotated
from ra_icl.errors import FaultKind, Faults, InputError, ManyFaultsError

_SHOWN = 3
CLIPS_UNREAD = FaultKind(
    "clips-not-read",
    "{names} not read, so that labelled clips are lost",
    "rename or move what belongs to the data, and move the rest out of this folder",
    {"where": "SMIC_all_raw/HS/s1", "names": "'mikro' (did you mean 'micro'?) is"},
)
UNREAD = FaultKind(
    "not-read",
    "{names} not read",
    "rename or move what belongs to the data; the rest may stay",
    {
        "where": "CASME2_RAW_selected/sub07",
        "names": "'EP06_02 - Copy' (did you mean 'EP06_02'?), 'EP18_50' are",
    },
    severity="warning",
)
NOT_NAMED = FaultKind(
    "not-named",
    "{names} named by no row of {annotation}",
    "nothing to do if these clips are to be left out",
    {
        **{"where": "my-data", "names": "'p4', 'p5/smile.mp4', 'p5/frown.mp4' and 7 more are"},
        "annotation": "annotation.csv",
    },
    severity="note",
)

# Wider than what is read, so that a format that is not read is named.
_FRAMES = re.compile(
    r"\.(jpe?g?|png|bmp|tiff?|webp|p[gpn]m|jp2|gif|mp4|avi|mov|mkv|webm|m4v|wmv|mpe?g|m?ts|m2ts|flv|3gp|zip|rar|7z|tar|t?gz)"
)
# Other parts of the official distributions, and what operating systems leave behind.
_OTHER_PARTS = {
    "casme2": r"cropped",
    "smic": r"non_?micro|nir|vis",
    "casme3": r"depth|part_?[bcd].*|.*\.(zip|rar|7z)",
}
_DEPTH = 5  # levels below a folder that is not read, in which frames are looked for
# SMIC's levels: what is read, and what looks as if it should be.
_SMIC_READ = (r"s[0-9]+", "micro", "|".join(smic.EMOTIONS))
_SMIC_LIKE = (r"s(ub(ject|j)?)?[^a-z]*[0-9].*", r".*mi[ck].*", r"(neg|pos|sur|hap).*")
# Whether a subject's folder of this name would be expected in the annotation.
_SUBJECT = {"casme2": r"s(ub(ject|j)?)?[^a-z]*[0-9].*", "samm": r"[0-9]{1,3}([^0-9].*)?"}


@dataclass(frozen=True)
class _Entry:
    """A folder or file that is not read. parts: its path below the frame folder; guess: the name meant, or ""."""

    parts: tuple[str, ...]
    guess: str

    def __str__(self) -> str:
        return _quoted(self.parts[-1]) + (f" (did you mean {_quoted(self.guess)}?)" if self.guess else "")


def find(dataset: str, options: Mapping[str, Any], index: pd.DataFrame) -> Faults:
    """The folders and files below `frames` that hold images or videos and are not read.

    options: as for `reading.build_index`. index: the rows that `reading.survey` has read; SMIC's are all there are.
    In SMIC, a folder that is named like a subject, `micro` or an emotion is a fault. Elsewhere, what is named by no row
    of the annotation, whatever the protocol, is a warning where a known name is near or where the official edition has
    nothing else (CASME II, SAMM), and a note in CAS(ME)³, whose videos without expression are many, and in own data.
    Empty if the annotation, or a row of it, cannot be read, which `survey` reports: what that row names is not known.
    """
    options = DEFAULTS[dataset] | dict(options)
    found = Faults()
    try:
        rows, source = _all_rows(dataset, options, index)
    except InputError:
        return found
    root = Path(options["root"]).expanduser()
    frames = root / options["frames"]
    used = {_below(root / place, frames) for place in rows["frames"]}
    groups: dict[tuple[str, Path], list[_Entry]] = {}
    for entry in _passed_over(dataset, frames, (), _Used(used)):
        kind = _kind(dataset, entry)
        place = frames if kind is NOT_NAMED else frames.joinpath(*entry.parts[:-1])
        groups.setdefault((kind.name, place), []).append(entry)
    for (name, place), entries in groups.items():
        kind = FaultKind.all[name]
        shown = [_quoted("/".join(entry.parts)) if kind is NOT_NAMED else str(entry) for entry in entries]
        found.append(kind.at(place, names=_listed(shown), annotation=source))
    return found


def _all_rows(dataset: str, options: Mapping[str, Any], index: pd.DataFrame) -> tuple[pd.DataFrame, object]:
    """Every row of the annotation, also those that no protocol uses or the config excludes.

    Raises InputError if the annotation or a row of it cannot be read.
    """
    if dataset == "smic":
        return index, ""
    if dataset == "own" and options["excluded"]:
        options = dict(options) | {"labels": dict(options["labels"]) | {"": options["excluded"]}, "excluded": ()}
    rows, faults, source = annotated(dataset, options)
    unread = [fault for fault in faults.serious if fault.where.startswith(f"{source}, row ")]
    if unread:
        raise ManyFaultsError(unread)
    return rows, source


def _below(path: Path, frames: Path) -> tuple[str, ...]:
    return Path(os.path.relpath(path, frames)).parts


class _Used:
    """The places that are read: paths of clips below the frame folder."""

    def __init__(self, places: set[tuple[str, ...]]) -> None:
        self.places = places
        self.inside: dict[tuple[str, ...], set[str]] = {}  # folder on the way to a clip: what is used of it
        for parts in places:
            for depth, name in enumerate(parts):
                self.inside.setdefault(parts[:depth], set()).add(name)


def _passed_over(dataset: str, frames: Path, parts: tuple[str, ...], used: _Used) -> Iterator[_Entry]:
    """What is not read below frames/parts, a folder on the way to clips; clips themselves are not entered."""
    entries = list(_entries(frames.joinpath(*parts)))
    held = {entry.name for entry in entries}
    for entry in sorted(entries, key=lambda entry: entry.name):
        here = (*parts, entry.name)
        if is_folder(entry) and (here in used.inside or (dataset == "smic" and _smic_reads(here))):
            yield from _passed_over(dataset, frames, here, used)
        elif here not in used.places and not _known(dataset, parts, entry, used) and _holds_frames(entry):
            wanted = _smic_wanted(here, held) if dataset == "smic" else used.inside.get(parts, set()) - held
            yield _Entry(here, _guess(entry.name, sorted(wanted)))


def _entries(folder: str | Path) -> Iterator[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith((".", "__MACOSX")))
    except OSError:
        return


def _known(dataset: str, parts: tuple[str, ...], entry: os.DirEntry, used: _Used) -> bool:
    """Whether an entry of frames/parts is a part of the distribution that is never read, or is seen by the adapter."""
    if re.fullmatch(_OTHER_PARTS.get(dataset, ""), entry.name.lower()):
        return True
    if is_folder(entry):
        return dataset == "smic" and len(parts) == 3
    return parts in used.places


def _smic_reads(parts: tuple[str, ...]) -> bool:
    return len(parts) <= 3 and re.fullmatch(_SMIC_READ[len(parts) - 1], parts[-1].lower()) is not None


def _smic_wanted(parts: tuple[str, ...], held: set[str]) -> set[str]:
    """The names that SMIC could have in place of parts[-1], without those that are there in some spelling."""
    numbers = re.findall("[0-9]+", parts[-1])[:1]
    names = ([f"s{int(number)}" for number in numbers], ["micro"], smic.EMOTIONS, ())[min(len(parts), 4) - 1]
    there = {re.sub("^s0+", "s", name.lower()) for name in held}
    return set(names) - there


def _holds_frames(entry: os.DirEntry, depth: int = _DEPTH) -> bool:
    if not is_folder(entry):
        return _FRAMES.fullmatch(os.path.splitext(entry.name)[1].lower()) is not None
    return depth > 0 and any(_holds_frames(inner, depth - 1) for inner in _entries(entry.path))


def _guess(name: str, wanted: Sequence[str]) -> str:
    """The wanted name that is near, with the same numbers, or ""."""
    plain = re.sub(r"[\s_-]*(\([^)]*\)|copy|new|old)$", "", _without_suffix(name))
    alike = {_without_suffix(one): one for one in wanted if _numbers(_without_suffix(one)) == _numbers(plain)}
    padded = [one for one in alike if re.sub("[0-9]+", "0", one) == re.sub("[0-9]+", "0", plain)]
    begun = [one for one in alike if len(plain) > 1 and (one.startswith(plain) or plain.startswith(one))]
    near = padded or begun or get_close_matches(plain, alike, 1)
    return alike[near[0]] if near else ""


def _without_suffix(name: str) -> str:
    """A name in lower case without a suffix such as .mp4 or .3gp; .01 is none."""
    return re.sub(r"\.(?=\w*[a-z])\w{2,4}$", "", name.casefold())


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall("[0-9]+", name)]


def _kind(dataset: str, entry: _Entry) -> FaultKind:
    name, depth = entry.parts[-1].lower(), len(entry.parts)
    if dataset == "smic":
        return CLIPS_UNREAD if depth > 2 or entry.guess or re.fullmatch(_SMIC_LIKE[depth - 1], name) else UNREAD
    expected = dataset in _SUBJECT and (depth > 1 or re.fullmatch(_SUBJECT[dataset], name))
    return UNREAD if entry.guess or expected else NOT_NAMED


def _quoted(name: str) -> str:
    """A name of which also a blank at the end is seen."""
    return f"'{name}'"


def _listed(names: Sequence[str]) -> str:
    """The first names, how many more there are, and the verb."""
    shown, more = names[:_SHOWN], len(names) - _SHOWN
    if more > 0:
        return f"{', '.join(shown)} and {more} more are"
    return f"{', '.join(shown)} {'is' if len(names) == 1 else 'are'}"
