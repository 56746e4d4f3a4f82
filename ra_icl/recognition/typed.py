"""Clips as people name them: on the command line, or in a CSV with a row per expression."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

from ra_icl.datasets.cells import is_empty, is_unknown, text_cell
from ra_icl.datasets.delimited import read_delimited
from ra_icl.datasets.names import on_disk
from ra_icl.datasets.videos import frame_at, is_video
from ra_icl.errors import Faults, InputError
from ra_icl.recognition.clips import Clip, all_frames

# Columns of the CSV, those of own data (docs/data.md); the last three are times in seconds.
COLUMNS = ("clip", "onset", "apex", "offset", "fps", "onset_s", "apex_s", "offset_s")


@dataclass(frozen=True)
class TypedClip:
    """A clip as it was typed. A time is a frame's number, "12", or seconds since the first frame, "0.4s"; or empty.

    where: what messages put before the name of a time: "--" or a row of a CSV. row: its number, None for the former.
    """

    path: Path
    onset: str = ""
    apex: str = ""
    offset: str = ""
    fps: str = ""
    where: str = "--"
    row: int | None = None

    @property
    def place(self) -> str:
        """What messages about the clip put first: the row of the list that names it; "" on the command line."""
        return "" if self.row is None else self.where

    def clip(self) -> Clip:
        """What was meant. Raises InputError for times that cannot be read, that a video or a folder does not have."""
        whole = Clip(self.path, fps=self._fps(), row=self.row)
        times = {name: getattr(self, name).strip() for name in ("onset", "apex", "offset")}
        given = {name: text for name, text in times.items() if not _absent(name)(text)}
        return replace(whole, **{name: self._frame(name, text, whole) for name, text in given.items()})

    def _fps(self) -> float | None:
        if is_empty(self.fps):
            return None
        try:
            fps = float(self.fps)
        except ValueError:
            fps = 0
        if not 0 < fps < float("inf"):
            raise InputError(f"{self.where}fps {self.fps}: is no frame rate; give a number such as 200")
        return fps

    def _frame(self, name: str, text: str, whole: Clip) -> int:
        option = f"{self.where}{name} {text}"
        number, in_seconds = text.removesuffix("s"), text.endswith("s")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not isfinite(value * (whole.fps or 1)) or not (in_seconds or value.is_integer()):
            raise InputError(f"{option}: give the number of a frame, such as 12, or a time such as 0.4s")
        if not in_seconds:
            return int(value)
        if is_video(whole.path):
            return frame_at(whole.path, value)
        if whole.fps is None:
            raise InputError(f"{option}: a folder of frames has no times; give fps, or the number of a frame")
        return min(all_frames(whole.path)) + int(value * whole.fps + 0.5)


def typed_clips(paths: Iterable[Path], onset: str, apex: str, offset: str, fps: str) -> list[TypedClip]:
    """The clips that were typed; a path that ends in .csv is a list of clips, see `read_list`.

    Raises InputError if times are given for several clips or a list, and for a list that cannot be read.
    """
    found: list[TypedClip] = []
    for path in paths:
        is_list = path.suffix.lower() == ".csv"
        listed = read_list(path) if is_list else []
        listed = [replace(one, fps=fps) if is_empty(one.fps) else one for one in listed]
        found += listed or [TypedClip(path, onset, apex, offset, fps)]
        if (is_list or len(found) > 1) and (onset or apex or offset):
            raise InputError("--onset, --apex and --offset: belong to one clip; list several in a CSV, a row each")
    return found


def read_list(path: Path) -> list[TypedClip]:
    """Read a CSV with a row per expression.

    clip: a video or a folder, relative to the CSV; as you like, onset, apex and offset in frames, or onset_s, apex_s
    and offset_s in seconds, and fps. Other columns are left alone.
    Raises InputError if the file cannot be read or has no clip, or if a row names none or gives a time in both units.
    """
    faults = Faults()
    table = read_delimited(path, COLUMNS).columns(COLUMNS, ["clip"], faults)
    faults.raise_any(listed="")
    found = []
    for number, row in table.iterrows():
        where = f"{path}, row {number}"
        times = {name: _time(row, name, where) for name in ("onset", "apex", "offset")}
        place = on_disk(path.parent / os.path.expanduser(text_cell(row["clip"], "clip", where)))
        found.append(TypedClip(place, **times, fps=row["fps"].strip(), where=f"{where}: ", row=number))
    if not found:
        raise InputError(f"{path}: lists no clip; add a row for each, below the header")
    return found


def _absent(name: str) -> Callable[[str], bool]:
    """What tells that a cell gives no such time; of an apex also the marks of annotators who have not seen one."""
    return is_unknown if name == "apex" else is_empty


def _time(row, name: str, where: str) -> str:
    frame, seconds = row[name].strip(), row[f"{name}_s"].strip()
    if _absent(name)(seconds):
        return frame
    if not _absent(name)(frame):
        raise InputError(f"{where}: {name} is {frame} and {name}_s is {seconds}; keep one of them")
    return f"{seconds}s"
