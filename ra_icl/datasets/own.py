"""A user's own data: one CSV over folders of frames or video files, and a label map in the config."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ra_icl.datasets import cells as cell
from ra_icl.datasets import index
from ra_icl.datasets.delimited import Delimited, read_delimited
from ra_icl.datasets.frames import frame_files
from ra_icl.datasets.names import file_safe, is_too_long, on_disk, one_form
from ra_icl.errors import Fault, FaultKind, Faults, InputError

NAMES = ("subject", "clip", "emotion", "fps")
FRAMES = ("onset", "apex", "offset")
SECONDS = ("onset_s", "apex_s", "offset_s")
_OPTIONAL = {"fps", "apex", "apex_s"}
_FASTEST = 1e6  # frames per second
_KEY = {"where": "datasets.own.labels"}
_ROW = {"where": "annotation.csv, row 3"}

FEW_LABELS = FaultKind(
    "labels-few",
    "names fewer than two classes",
    "give two classes or more, each with its emotions, such as {{negative: [disgust, fear], positive: [joy]}}",
    _KEY,
)
LABEL_TWICE = FaultKind(
    "label-twice",
    "emotion '{emotion}' is there twice, in labels or excluded",
    "leave it once",
    _KEY | {"emotion": "fear"},
)
EMOTION_UNNAMED = FaultKind(
    "emotion-unnamed",
    "emotion is '{emotion}', which datasets.own names neither in labels nor in excluded",
    "add it to one of them",
    _ROW | {"emotion": "contempt"},
)
FPS = FaultKind("fps", "fps is {cell!r}", "give frames per second or leave it empty", _ROW | {"cell": "29,97"})
FPS_NEEDED = FaultKind(
    "fps-needed",
    "times are in seconds and {clip} is a folder of frames, but fps is empty",
    "give frames per second",
    _ROW | {"clip": "p1/frown"},
)
NO_FRAMES = FaultKind(
    "clip-without-frames",
    "times are in seconds and {clip} is no folder of numbered frames and no video",
    "restore it or correct the clip's name",
    _ROW | {"clip": "p1/frown"},
)
TWO_UNITS = FaultKind(
    "time-units",
    "has columns in frames ({frames}) and in seconds ({seconds})",
    "keep either onset, apex and offset or onset_s, apex_s and offset_s",
    {"where": "annotation.csv, row 1", "frames": "onset, offset", "seconds": "apex_s"},
)
BACKSLASH = FaultKind(
    "clip-backslash",
    "clip is '{clip}', and there is no such file or folder",
    "write / instead of \\ between the names",
    _ROW | {"clip": "p1\\smile"},
)
LONG_NAME = FaultKind(
    "subject-long",
    "the subject's name has {length} characters as part of a file name ('{safe}...')",
    "give the subject a shorter one",
    _ROW | {"length": 180, "safe": "=E9=AB=98=E5=85=B4"},
)
NO_ROWS = FaultKind(
    "no-sequences",
    "lists no sequence with an emotion of datasets.own.labels",
    "add a row per sequence below the header",
    {"where": "annotation.csv"},
)
ONE_SUBJECT = FaultKind(
    "one-subject",
    "all sequences are of one subject, {subject}, so that none is left to train on when it is held out",
    "add sequences of a second subject",
    {"where": "annotation.csv", "subject": "p1"},
)


def read_index(
    annotation: Path,
    frames: Path,
    faults: Faults,
    *,
    labels: Mapping[str, Sequence[str]],
    excluded: Sequence[str],
) -> pd.DataFrame:
    """Read a CSV of sequences as an index, in the file's order.

    Columns, in any order: subject, clip, onset, offset, emotion and, if known, apex and fps. clip: a folder of frames
    or a video file below `frames`. Frame numbers are those of the files, or count from 1 in a video. In place of
    onset, apex and offset, all three may be in seconds since the first frame: onset_s, apex_s and offset_s.
    labels: {class: its emotions}; the index holds the class as emotion. Rows with an `excluded` emotion are left out.
    A sequence is named by clip and onset, such as "p1/smile.mp4_12", since one clip may hold several expressions; a
    subject by `names.file_safe`.
    The result is indexed by the row of the file and not validated; invalid rows are left out and added to `faults`, as
    is a table of fewer than two subjects.
    Raises InputError if the file cannot be read, lacks a column, or if there are fewer than two labels.
    """
    known = _classes(labels, excluded)
    before = len(faults)
    table = _read_table(annotation, faults)
    times = SECONDS if "onset_s" in table else FRAMES

    def row_of(source: str, cells: pd.Series) -> dict | None:
        return _row(frames, known, times, source, cells)

    rows = index.read_rows(table, annotation, row_of, faults)
    subjects = rows["subject"].unique()
    if len(faults) == before and len(subjects) < 2:  # rows that cannot be read are faults enough
        faults.append(ONE_SUBJECT.at(annotation, subject=subjects[0]) if len(subjects) else NO_ROWS.at(annotation))
    return rows


def _classes(labels: Mapping[str, Sequence[str]], excluded: Sequence[str]) -> dict[str, str | None]:
    """{emotion: its class, or None for an excluded one}, in lower case."""
    if len(labels) < 2:
        raise FEW_LABELS.error("datasets.own.labels")
    pairs = [(_emotion(emotion), name) for name, emotions in labels.items() for emotion in emotions]
    pairs += [(emotion, None) for emotion in dict.fromkeys(map(_emotion, excluded))]
    classes = dict(pairs)
    if len(classes) < len(pairs):
        twice = next(emotion for emotion, _ in pairs if [e for e, _ in pairs].count(emotion) > 1)
        raise LABEL_TWICE.error("datasets.own.labels", emotion=twice)
    return classes


def _emotion(name: object) -> str:
    return one_form(str(name).lower())


def _read_table(path: Path, faults: Faults) -> pd.DataFrame:
    table: Delimited = read_delimited(path, (*NAMES, *FRAMES, *SECONDS))
    given = {unit: [name for name in unit if name in table.header] for unit in (FRAMES, SECONDS)}
    if all(given.values()):
        shown = {"frames": ", ".join(given[FRAMES]), "seconds": ", ".join(given[SECONDS])}
        raise TWO_UNITS.error(f"{path}, row {table.header_row}", **shown)
    names = ("subject", "clip", *(SECONDS if given[SECONDS] else FRAMES), "fps", "emotion")
    return table.columns(names, [name for name in names if name not in _OPTIONAL], faults)


def _row(
    frames: Path, known: Mapping[str, str | None], times: Sequence[str], source: str, cells: pd.Series
) -> dict | None:
    readers: dict[str, Callable[[], Any]] = {
        "times": lambda: _times(cells, times, known, source),
        "subject": lambda: _subject(cells["subject"], source),
        "clip": lambda: one_form(cell.text_cell(cells["clip"], "clip", source)),
        "fps": lambda: _fps(cells["fps"], source),
    }
    found, faults = {}, Faults()
    for name, read in readers.items():
        with faults.catching():
            found[name] = read()
    with faults.catching():
        folder = _place(frames, found.get("clip", "."), source)
    faults.raise_any()
    times_found = dict(found.pop("times"))
    emotion = known[times_found.pop("emotion")]
    if emotion is None:
        return None
    if times == SECONDS:
        times_found = _frames_at(times_found, folder, found["fps"], found["clip"], source)
    return times_found | {
        "dataset": "own",
        "subject": found["subject"],
        "sequence": f"{found['clip']}_{times_found['onset']}",
        "frames": str(folder),
        "fps": found["fps"],
        "emotion": emotion,
    }


def _place(frames: Path, clip: str, source: str) -> Path:
    place = on_disk(index.below(frames, clip, source=source))
    if "\\" in clip and not os.path.exists(place):  # a name may hold one, but as a rule it is Windows' separator
        raise BACKSLASH.error(source, clip=clip)
    return place


def _times(cells: pd.Series, columns: Sequence[str], known: Mapping, source: str) -> dict[str, Any]:
    """Onset, apex, offset, in frames or in seconds, and emotion."""
    times = cell.timing(cells, (*columns, "emotion"), source, in_seconds=columns == SECONDS)
    emotion = one_form(times["emotion"])
    if emotion not in known:
        raise EMOTION_UNNAMED.error(source, emotion=emotion)
    return times | {"emotion": emotion}


def _frames_at(times: Mapping[str, float | None], path: Path, fps: float, clip: str, source: str) -> dict:
    """The frames of times in seconds: of a video those shown then, in a folder those at its first frame + time x fps.

    Raises InputError if there is no such video or folder, a time is outside the video or a folder has no fps.
    """
    if os.path.isdir(path):
        numbers = list(frame_files(path))
        if not numbers:
            raise NO_FRAMES.error(source, clip=clip)
        if fps != fps:
            raise FPS_NEEDED.error(source, clip=clip)
        return {name: time if time is None else numbers[0] + int(time * fps + 0.5) for name, time in times.items()}
    if not os.path.isfile(path):
        raise NO_FRAMES.error(source, clip=clip)
    from ra_icl.datasets.videos import frame_at

    try:
        return {name: time if time is None else frame_at(path, time) for name, time in times.items()}
    except InputError as error:
        (fault,) = error.faults
        raise InputError(
            Fault(f"{source}: {fault.where}", fault.what, fault.remedy, fault.kind, fault.severity)
        ) from error


def _subject(text: str, source: str) -> str:
    """The subject's name as file names and folds hold it."""
    safe = file_safe(cell.text_cell(text, "subject", source))
    if is_too_long(safe):
        raise LONG_NAME.error(source, length=len(safe), safe=safe[:18])
    return safe


def _fps(text: str, source: str) -> float:
    """Frames per second; not-a-number if the cell is empty, which is harmless as only times in seconds need it."""
    if cell.is_empty(text):
        return float("nan")
    try:
        fps = float(text)
    except ValueError:
        fps = 0
    if not 0 < fps < _FASTEST:
        raise FPS.error(source, cell=text)
    return fps
