"""A user's own data: one CSV over folders of frames or video files, and a label map in the config."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ra_icl.datasets import index
from ra_icl.errors import Faults, InputError

REQUIRED = ("subject", "clip", "onset", "offset", "emotion")
OPTIONAL = ("apex", "fps")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"


def read_index(
    annotation: Path,
    frames: Path,
    faults: Faults,
    *,
    labels: Mapping[str, Sequence[str]],
    excluded: Sequence[str] = (),
) -> pd.DataFrame:
    """Read a CSV of sequences as an index, in the file's order.

    Columns, in any order: subject, clip, onset, offset, emotion and, if known, apex and fps. clip: a folder of frames
    or a video file below `frames`. Frame numbers are those of the files, or count from 1 in a video. labels: {class:
    its emotions}; the index holds the class as emotion. Rows with an `excluded` emotion are left out. A sequence is
    named by clip and onset, such as "happy1_12", since one clip may hold several expressions.
    The result is indexed by the line of the file and not validated; invalid rows are left out and added to `faults`.
    Raises InputError if the file cannot be read, lacks a column, or if there are fewer than two labels.
    """
    classes = _classes(labels)
    known = classes | {str(emotion).lower(): None for emotion in excluded}

    def row_of(source: str, cells: pd.Series) -> dict | None:
        return _row(frames, known, source, cells)

    return index.read_rows(_read_table(annotation), annotation, row_of, faults)


def _classes(labels: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """{emotion: class}, in lower case."""
    if len(labels) < 2:
        raise InputError(
            "datasets.own.labels: give two classes or more, each with its emotions, such as {negative: [disgust, fear]}"
        )
    pairs = [(str(emotion).lower(), name) for name, emotions in labels.items() for emotion in emotions]
    classes = dict(pairs)
    if len(classes) < len(pairs):
        twice = next(emotion for emotion, _ in pairs if [e for e, _ in pairs].count(emotion) > 1)
        raise InputError(f"datasets.own.labels: emotion '{twice}' is in two classes; leave it in one")
    return classes


def _read_table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be read as CSV ({reason}); see config/README.md for an example") from error
    table.columns = [str(column).strip().lower() for column in table.columns]
    for column in REQUIRED:
        if column not in table:
            raise InputError(
                f"{path}, row 1: no column '{column}' (found: {', '.join(table.columns)}); "
                f"needed are {', '.join(REQUIRED)}"
            )
    table.index = pd.Index(range(2, len(table) + 2), name="row")
    empty = (table.map(lambda cell: str(cell).strip()) == "").all(axis=1)
    return table[~empty].reindex(columns=[*REQUIRED, *OPTIONAL], fill_value="")


def _row(frames: Path, known: Mapping[str, str | None], source: str, cells: pd.Series) -> dict | None:
    times, faults = {}, Faults()
    with faults.catching():
        times = index.timing(cells, ("onset", "apex", "offset", "emotion"), source)
    if times and times["emotion"] not in known:
        faults.append(
            f"{source}: emotion is '{times['emotion']}', which datasets.own names neither in labels nor in excluded; "
            "add it to one of them"
        )
    texts = {}
    for column in ("subject", "clip"):
        with faults.catching():
            texts[column] = index.text_cell(cells[column], column, source)
    with faults.catching():
        fps = _fps(cells["fps"], source)
    with faults.catching():
        if not re.fullmatch(_NAME, texts.get("subject", "x")):
            raise InputError(
                f"{source}: subject is {texts['subject']!r}; use letters, digits, dots, dashes and underscores"
            )
    with faults.catching():
        folder = index.below(frames, texts.get("clip", "."), source=source)
    faults.raise_any()
    if known[times["emotion"]] is None:
        return None
    clip = re.sub(r"[^A-Za-z0-9._-]+", "_", str(Path(texts["clip"]).with_suffix("")))
    return times | {
        "dataset": "own",
        "subject": texts["subject"],
        "sequence": f"{clip}_{times['onset']}",
        "frames": str(folder),
        "fps": fps,
        "emotion": known[times["emotion"]],
    }


def _fps(cell: str, source: str) -> float:
    """Frames per second; not-a-number if the cell is empty, which is harmless as nothing is computed from it."""
    if index.is_empty(cell):
        return float("nan")
    try:
        fps = float(cell)
    except ValueError:
        fps = 0
    if not 0 < fps < float("inf"):
        raise InputError(f"{source}: fps is {cell!r}; give frames per second or leave it empty")
    return fps
