"""What is there twice: a person under two names, a clip under two subjects or names, frames under two emotions."""

import os
import re
import unicodedata
from collections.abc import Hashable, Iterator
from pathlib import Path

import pandas as pd

from ra_icl.datasets.names import original
from ra_icl.errors import Fault, FaultKind, Faults

_ROW = {"where": "annotation.csv, row 7", "row": 4}
_FRAMES = _ROW | {"clip": "p1/smile.mp4", "first": 10, "last": 31}
ONE_PERSON = FaultKind(
    "subject-spelled-twice",
    "subject {subject!r} differs from {other!r} in row {row} by no more than case, blanks, leading zeros or .0",
    "write one person in one way, and two persons so that more than that differs",
    _ROW | {"subject": "P01", "other": "p1"},
)
TWO_SUBJECTS = FaultKind(
    "clip-of-two-subjects",
    "{clip} belongs to subject {subject!r} here but to {other!r} in row {row}",
    "correct the subject, or give each subject a clip of its own",
    _FRAMES | {"subject": "p2", "other": "p1"},
)
TWO_EMOTIONS = FaultKind(
    "frames-of-two-emotions",
    "frames {first} to {last} of {clip} are {emotion} here, and some of them are {other} in row {row}",
    "correct the frame numbers, or remove one of the rows",
    _FRAMES | {"emotion": "positive", "other": "negative"},
)
TWICE = FaultKind(
    "frames-twice",
    "frames {first} to {last} of {clip} are in row {row} as well",
    "remove one of the rows",
    _FRAMES,
)
TWO_PATHS = FaultKind(
    "clip-by-two-paths",
    "{clip} is the same file or folder as {other} in row {row}",
    "write it in one way in both rows",
    _ROW | {"clip": "smile.mp4", "other": "links/smile.mp4"},
)
OVERLAP = FaultKind(
    "frames-overlap",
    "frames {first} to {last} of {clip} are in part those of row {row}",
    "nothing to do if these are two expressions",
    _FRAMES,
    severity="note",
)
APEX_ON_ONSET = FaultKind(
    "apex-on-onset",
    "apex {apex} of {sequence} is its onset",
    "empty the cell or correct it",
    {"where": "annotation.csv, row 7", "apex": 10, "sequence": "p1/smile_10"},
)
OFFICIAL_APEX_ON_ONSET = FaultKind(
    "apex-on-onset-in-official-data",
    "apex {apex} is the onset, so that methods which need an apex take the frame after it",
    "nothing to do if your copy is as it was given out; else correct the cell, or empty it for the midpoint",
    {"where": "CASME2-coding-20140508.xlsx, row 60: sub05/EP02_07", "apex": 91},
    severity="warning",
)
SHARED_FOLDER = FaultKind(
    "folder-of-two-rows",
    "{folder} is the folder of {other} in row {row} as well",
    "correct subject or name in one of the rows, or remove it",
    {
        **{"where": "CASME2-coding-20140508.xlsx, row 7: sub01/EP02_01F", "row": 4, "other": "sub01/EP02_01f"},
        "folder": "CASME2_RAW_selected/sub01/EP02_01f",
    },
)
LINKED_FOLDER = FaultKind(
    "folder-linked-twice",
    "{folder} is by a link the folder of {other} as well",
    "remove the link, or leave one of the two out by data.exclude",
    {"where": "smic s02/s02_ne_09", "folder": "SMIC_all_raw/HS/s2/micro/negative/s2_ne_09", "other": "s01/s01_ne_01"},
)
EXPRESSIONS_OVERLAP = FaultKind(
    "expressions-overlap",
    "{count} expressions share frames with another one of their file, the first {first} with {second}",
    "nothing to do: the official annotation has them",
    {"where": "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", "count": 3, "first": "spNO.1/a_355", "second": "a_340"},
    severity="note",
)


def find(rows: pd.DataFrame, root: Path, annotation: object) -> Faults:
    """What is twice in own data, and each apex on its onset; every finding names the row, most of them both rows.

    rows: an index of own data, `frames` relative to `root`, indexed by the row of the file. annotation: the file.
    Frames overlap if they share more than the last frame of the one and the first of the other.
    """
    faults = Faults(_spellings(rows, annotation))
    clips: dict[Hashable, list] = {}
    for row in rows.itertuples():
        if not pd.isna(row.apex) and row.apex == row.onset:
            place = f"{annotation}, row {row.Index}"
            faults.append(APEX_ON_ONSET.at(place, apex=row.apex, sequence=f"{row.subject}/{row.sequence}"))
        clips.setdefault(file_id(root / row.frames), []).append(row)
    for group in clips.values():
        for position, row in enumerate(group):
            found = _of_clip(row, group[:position], annotation)
            faults.extend([found] if found else [])
    return faults


def shared_folders(rows: pd.DataFrame, root: Path, annotation: object) -> Faults:
    """A fault for each row of CASME II or SAMM that has the same folder as an earlier one; every clip has its own.

    rows: an index of it, as for `find`.
    """
    faults, first = Faults(), {}
    for row in rows.itertuples():
        earlier = first.setdefault(file_id(root / row.frames), row)
        name, other = (f"{one.subject}/{one.sequence}" for one in (row, earlier))
        if name != other:  # the same name twice is found by `validate`
            place = f"{annotation}, row {row.Index}: {name}"
            faults.append(SHARED_FOLDER.at(place, folder=row.frames, other=other, row=earlier.Index))
    return faults


def linked_folders(rows: pd.DataFrame, root: Path) -> Faults:
    """A fault for each sequence of SMIC or CAS(ME)³ whose folder is that of an earlier one under another path.

    rows: an index of it, as for `find`.
    """
    faults, first = Faults(), {}
    for row in rows.itertuples():
        earlier = first.setdefault(file_id(root / row.frames), row)
        if earlier.frames != row.frames:
            place, other = (f"{one.subject}/{one.sequence}" for one in (row, earlier))
            faults.append(LINKED_FOLDER.at(f"{row.dataset} {place}", folder=row.frames, other=other))
    return faults


def apexes_on_onset(rows: pd.DataFrame, annotation: object) -> Faults:
    """A warning for each row of CASME II or SAMM whose apex is its onset. rows: an index of it, as for `find`."""
    on_onset = rows[(rows["apex"] == rows["onset"]).fillna(False)]
    return Faults(
        OFFICIAL_APEX_ON_ONSET.at(f"{annotation}, row {row.Index}: {row.subject}/{row.sequence}", apex=row.apex)
        for row in on_onset.itertuples()
    )


def overlaps(rows: pd.DataFrame, annotation: object) -> Faults:
    """A note if expressions of CAS(ME)³ share frames: a file may hold several. rows: its index."""
    files: dict[tuple[str, str], list] = {}
    for row in rows.itertuples():
        files.setdefault((row.subject, row.sequence.partition("_")[0]), []).append(row)
    pairs = [pair for group in files.values() for pair in _overlapping(group)]
    if not pairs:
        return Faults()
    earlier, later = pairs[0]
    count = len({row.Index for _, row in pairs})
    first = f"{later.subject}/{later.sequence}"
    return Faults([EXPRESSIONS_OVERLAP.at(annotation, count=count, first=first, second=earlier.sequence)])


def file_id(path: Path) -> Hashable:
    """What is equal for all paths to one file or folder: links, other spellings and case where case does not count."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # not there, or no name that a file can have
        return os.path.normpath(path)
    return (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(path)


def plain_subject(subject: str) -> str:
    """A subject without what people write in several ways: case, blanks, leading zeros, and .0 at the end."""
    letters = unicodedata.normalize("NFKC", original(subject)).casefold()
    letters = "".join(c for c in letters if not c.isspace() and unicodedata.category(c) != "Cf")
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"(?<=\d)\.0+$", "", letters))


def _one_person(subject: str, other: str) -> bool:
    return subject == other or plain_subject(subject) == plain_subject(other)


def _spellings(rows: pd.DataFrame, annotation: object) -> Iterator[Fault]:
    first: dict[str, tuple[str, int]] = {}
    for number, subject in rows.drop_duplicates("subject")["subject"].items():
        other, row = first.setdefault(plain_subject(subject), (subject, number))
        if other != subject:
            shown = {"subject": original(subject), "other": original(other)}
            yield ONE_PERSON.at(f"{annotation}, row {number}", **shown, row=row)


def _of_clip(row, earlier: list, annotation: object) -> Fault | None:
    """What is wrong, if anything, between a row and the earlier ones of the same clip; the worst alone."""
    sharing = [other for other in earlier if _share(row, other)]
    unlike = [a for a in sharing if a.sequence != row.sequence]  # the same key twice is found by `validate`
    cases = [
        (TWO_SUBJECTS, "subject", [a for a in earlier if not _one_person(a.subject, row.subject)]),
        (TWO_EMOTIONS, "emotion", [a for a in sharing if a.emotion != row.emotion]),
        (TWICE, "frames", [a for a in unlike if (a.onset, a.offset) == (row.onset, row.offset)]),
        (TWO_PATHS, "frames", [a for a in earlier if a.frames != row.frames]),
        (OVERLAP, "frames", unlike),
    ]
    for kind, field, wrong in cases:
        if wrong:
            values = {"clip": row.frames, "first": row.onset, "last": row.offset, "subject": row.subject}
            values |= {"emotion": row.emotion, "other": getattr(wrong[0], field), "row": wrong[0].Index}
            return kind.at(f"{annotation}, row {row.Index}", **values)
    return None


def _share(row, other) -> bool:
    return min(row.offset, other.offset) > max(row.onset, other.onset)


def _overlapping(group: list) -> Iterator[tuple]:
    """(earlier, later) of rows of one file that share frames."""
    ordered = sorted(group, key=lambda row: row.onset)
    for position, row in enumerate(ordered):
        for later in ordered[position + 1 :]:
            if later.onset >= row.offset:
                break
            yield row, later
