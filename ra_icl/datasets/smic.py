"""SMIC-HS (100 fps): the folders name subject, emotion and clip; there is no apex annotation."""

import re
from pathlib import Path

import pandas as pd

from ra_icl.datasets import index
from ra_icl.datasets.frames import frame_files
from ra_icl.errors import Faults, InputError

FPS = 100
EMOTIONS = ("negative", "positive", "surprise")
_SHEET_COLUMNS = ("Subject", "Filename", "OnsetF", "OffsetF", "Emotion")


def read_index(annotation: Path | None, frames: Path, faults: Faults) -> pd.DataFrame:
    """Read the folders s1/micro/negative/s1_ne_01/ below `frames` as an index, sorted by id.

    A folder holds exactly the clip: its first frame is the onset, its last the offset. The apex is empty. Subject
    numbers are padded, also in sequence names: "s01", "s01_ne_01". For clips that an optional SMIC-HS-E_annotation.xlsx
    lists, onset and offset come from there.
    Clips without frames, with an unexpected folder name or with an annotated emotion that contradicts the folder's are
    left out and added to `faults`. Raises InputError if `frames` holds no clips.
    """
    folders = [
        (subject, emotion, clip, frames / folder / "micro" / emotion_folder / clip)
        for subject, folder in sorted(_subjects(frames, faults).items())
        for emotion, emotion_folder in sorted(index.subfolders(frames / folder / "micro").items())
        for clip in sorted(index.subfolders(frames / folder / "micro" / emotion_folder).values())
        if emotion in EMOTIONS
    ]
    if not folders:
        raise InputError(f"{frames}: no clips such as s1/micro/negative/s1_ne_01; check datasets.smic.frames")
    listed = {} if annotation is None else _read_ranges(annotation, faults)
    clips = []
    for folder in folders:
        with faults.catching():
            clip = _with_range(_row(*folder), listed)
            index.refuse_endless(clip, clip["frames"])
            clips.append(clip)
    return index.index_frame(sorted(clips, key=lambda row: (row["subject"], row["sequence"])))


def _subjects(frames: Path, faults: Faults) -> dict[str, str]:
    # "s1" and "s01" are the same subject; other folders are not subjects
    names = [name for name in index.subfolders(frames).values() if re.fullmatch(r"[sS][0-9]+", name)]
    subjects: dict[str, str] = {}
    for name in names:
        subject = f"s{int(name[1:]):02d}"
        if subject in subjects:
            faults.append(f"{frames}: {subjects[subject]} and {name} are one subject; keep one of them")
        subjects[subject] = name
    return subjects


def _row(subject: str, emotion: str, clip: str, folder: Path) -> dict:
    numbers = list(frame_files(folder)) if folder.is_dir() else []
    if not numbers:
        raise InputError(f"{folder}: holds no frames; restore them, or delete the folder to leave the clip out")
    return {
        "dataset": "smic",
        "subject": subject,
        "sequence": _sequence(clip, subject, str(folder)),
        "frames": str(folder),
        "onset": numbers[0],
        "apex": None,
        "offset": numbers[-1],
        "fps": FPS,
        "emotion": emotion,
    }


def _sequence(clip: str, subject: str, source: str) -> str:
    parts = re.fullmatch(r"[sS]([0-9]+)(_\w+)", clip)
    if not parts or int(parts[1]) != int(subject[1:]):
        raise InputError(
            f"{source}: the name does not fit subject {subject} (expected such as {subject}_ne_01); rename it"
        )
    return f"{subject}{parts[2].lower()}"


def _read_ranges(annotation: Path, faults: Faults) -> dict[str, tuple[int, int, str, str]]:
    """Onset, offset, emotion and place in the spreadsheet, by sequence."""
    ranges = {}
    for number, cells in index.read_table(annotation, _SHEET_COLUMNS).iterrows():
        source = f"{annotation}, row {number}"
        with faults.catching():
            subject = f"s{index.id_number(cells['Subject'], 'Subject', source):02d}"
            clip = index.text_cell(cells["Filename"], "Filename", source)
            ranges[_sequence(clip, subject, source)] = (
                index.frame_number(cells["OnsetF"], "OnsetF", source),
                index.frame_number(cells["OffsetF"], "OffsetF", source),
                index.text_cell(cells["Emotion"], "Emotion", source).lower(),
                source,
            )
    return ranges


def _with_range(row: dict, listed: dict) -> dict:
    if row["sequence"] not in listed:
        return row
    onset, offset, emotion, source = listed[row["sequence"]]
    if emotion != row["emotion"]:
        raise InputError(
            f"{source}: {row['sequence']} is '{emotion}' here but its folder is {row['frames']}; correct one of them"
        )
    return row | {"onset": onset, "offset": offset}
