"""SMIC-HS (100 fps): the folders name subject, emotion and clip; there is no apex annotation."""

import re
from pathlib import Path

import pandas as pd

from ra_icl.datasets import folders, index
from ra_icl.datasets.cells import frame_number, id_number, text_cell
from ra_icl.datasets.frames import frame_files
from ra_icl.datasets.spreadsheet import read_table
from ra_icl.errors import FaultKind, Faults

FPS = 100
EMOTIONS = ("negative", "positive", "surprise")
_CODES = {"ne": "negative", "po": "positive", "sur": "surprise"}  # in the names of clips
_SHEET_COLUMNS = ("Subject", "Filename", "OnsetF", "OffsetF", "Emotion")
_CLIP = "SMIC_all_raw/HS/s18/micro/surprise/s18_sur_03"
NO_CLIPS = FaultKind(
    "smic-without-clips",
    "no clips such as s1/micro/negative/s1_ne_01",
    "check datasets.smic.frames",
    {"where": "SMIC_all_raw"},
)
ONE_SUBJECT = FaultKind(
    "smic-subject-twice",
    "{first} and {second} are one subject",
    "keep one of them",
    {"where": "SMIC_all_raw/HS", "first": "s01", "second": "s1"},
)
EMPTY_CLIP = FaultKind(
    "smic-clip-empty",
    "holds no frames",
    "restore them; or, to leave the clip out, delete the folder and set data.count_mismatch: warning",
    {"where": _CLIP},
)
CLIP_NAME = FaultKind(
    "smic-clip-name",
    "the name does not fit a clip of subject {subject} (expected such as {subject}_ne_01)",
    "rename it, or move what is no clip out of the folder",
    {"where": "SMIC_all_raw/HS/s1/micro/negative/s2_ne_01", "subject": "s01"},
)
NAME_OF_ANOTHER_EMOTION = FaultKind(
    "smic-name-contradicts-folder",
    "the name says {named}, the folder {emotion}",
    "move the clip where it belongs, or rename it",
    {"where": "SMIC_all_raw/HS/s1/micro/positive/s1_ne_01", "named": "negative", "emotion": "positive"},
)
OTHER_EMOTION = FaultKind(
    "smic-emotion-contradicts-folder",
    "{sequence} is '{emotion}' here but its folder is {folder}",
    "correct one of them",
    {"where": "SMIC-HS-E_annotation.xlsx, row 2", "sequence": "s18_sur_03", "emotion": "positive", "folder": _CLIP},
)
NO_FOLDER = FaultKind(
    "smic-clips-without-folder",
    "lists {clips} without a folder below {frames}",
    "restore them, or leave them out as they are",
    {"where": "SMIC-HS-E_annotation.xlsx", "clips": "s18_sur_03", "frames": "SMIC_all_cropped/HS"},
    severity="warning",
)


def read_index(annotation: Path | None, frames: Path, faults: Faults) -> pd.DataFrame:
    """Read the folders s1/micro/negative/s1_ne_01/ below `frames` as an index, sorted by id.

    Names of folders may be in any case. A folder holds exactly the clip: its first frame is the onset, its last the
    offset. The apex is empty. Subject numbers are padded, also in sequence names: "s01", "s01_ne_01". For clips that an
    optional SMIC-HS-E_annotation.xlsx lists, onset and offset come from there.
    Clips without frames, with an unexpected name or whose name or annotated emotion contradicts the folder's emotion
    are left out and added to `faults`, as are rows that list a clip again; clips of the annotation without a folder are
    a warning. Raises InputError if `frames` holds no clips.
    """
    clips = [
        (subject, emotion.lower(), clip, frames / folder / micro / emotion / clip)
        for subject, folder in sorted(_subjects(frames, faults).items())
        for micro in folders.names(frames / folder)
        if micro.lower() == "micro"
        for emotion in folders.names(frames / folder / micro)
        if emotion.lower() in EMOTIONS
        for clip in folders.names(frames / folder / micro / emotion)
    ]
    if not clips:
        raise NO_CLIPS.error(frames)
    listed = {} if annotation is None else _read_ranges(annotation, faults)
    there = {f"{subject}_{clip.partition('_')[2].lower()}" for subject, _, clip, _ in clips}
    if set(listed) - there:
        faults.append(NO_FOLDER.at(annotation, clips=", ".join(sorted(set(listed) - there)), frames=frames))
    rows = []
    for clip in clips:
        with faults.catching():
            row = _row(*clip)
            index.refuse_endless(row, row["frames"])
            rows.append(_with_range(row, listed))
    return index.index_frame(sorted(rows, key=lambda row: (row["subject"], row["sequence"])))


def _subjects(frames: Path, faults: Faults) -> dict[str, str]:
    # "s1" and "s01" are the same subject; other folders are not subjects
    names = [name for name in folders.names(frames) if re.fullmatch(r"[sS][0-9]+", name)]
    subjects: dict[str, str] = {}
    for name in names:
        subject = f"s{int(name[1:]):02d}"
        if subject in subjects:
            faults.append(ONE_SUBJECT.at(frames, first=subjects[subject], second=name))
        subjects[subject] = name
    return subjects


def _row(subject: str, emotion: str, clip: str, folder: Path) -> dict:
    numbers = list(frame_files(folder)) if folder.is_dir() else []
    if not numbers:
        raise EMPTY_CLIP.error(folder)
    sequence = _sequence(clip, subject, str(folder))
    named = _CODES[sequence.split("_")[1]]
    if named != emotion:
        raise NAME_OF_ANOTHER_EMOTION.error(folder, named=named, emotion=emotion)
    return {
        "dataset": "smic",
        "subject": subject,
        "sequence": sequence,
        "frames": str(folder),
        "onset": numbers[0],
        "apex": None,
        "offset": numbers[-1],
        "fps": FPS,
        "emotion": emotion,
    }


def _sequence(clip: str, subject: str, source: str) -> str:
    # A copy, such as s1_ne_01_old, would be a sequence of its own.
    parts = re.fullmatch(r"(?i)s([0-9]+)(_(?:ne|po|sur)_[0-9]+)", clip, re.ASCII)
    if not parts or int(parts[1]) != int(subject[1:]):
        raise CLIP_NAME.error(source, subject=subject)
    return f"{subject}{parts[2].lower()}"


def _read_ranges(annotation: Path, faults: Faults) -> dict[str, tuple[dict[str, int], str, str]]:
    """{sequence: its onset and offset, emotion and place in the spreadsheet}, of the first row that can be read."""
    ranges, rows = {}, {}
    for number, cells in read_table(annotation, _SHEET_COLUMNS).iterrows():
        source = f"{annotation}, row {number}"
        with faults.catching():
            subject = f"s{id_number(cells['Subject'], 'Subject', source):02d}"
            clip = text_cell(cells["Filename"], "Filename", source)
            sequence = _sequence(clip, subject, source)
            first = rows.setdefault(sequence, number)
            if first != number:
                faults.append(index.LISTED_TWICE.at(f"{source}: {subject}/{sequence}", first=f"row {first}"))
            found = {
                "onset": frame_number(cells["OnsetF"], "OnsetF", source),
                "offset": frame_number(cells["OffsetF"], "OffsetF", source),
            }
            index.refuse_endless(found, source)
            emotion = text_cell(cells["Emotion"], "Emotion", source).lower()
            ranges.setdefault(sequence, (found, emotion, source))
    return ranges


def _with_range(row: dict, listed: dict) -> dict:
    if row["sequence"] not in listed:
        return row
    found, emotion, source = listed[row["sequence"]]
    if emotion != row["emotion"]:
        raise OTHER_EMOTION.error(source, sequence=row["sequence"], emotion=emotion, folder=row["frames"])
    return row | found
