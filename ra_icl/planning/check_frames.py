"""One pass over the frames of a dataset: whether they are there, whole, as they were cropped, and with a face."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from ra_icl.datasets import copies, damage
from ra_icl.datasets.frames import (
    SOME_MISSING,
    Frame,
    file_stamps,
    read_frames,
    same_stamp,
    sequence_bits,
    sequence_frames,
)
from ra_icl.errors import Fault, FaultKind, Faults
from ra_icl.faces.onset import face_faults
from ra_icl.faces.options import FaceOptions
from ra_icl.files import open_tensors

CHANGED = FaultKind(
    "frames-changed",
    "its frames have changed since {crops} was made",
    "crop them again: {command}",
    {
        "where": "casme2 sub01/EP02_01f",
        "crops": "results/crops/casme2/sub01.safetensors",
        "command": "snakemake --cores all --forcerun results/crops/casme2/sub01.safetensors",
    },
)

_SHOWN = 3  # sequences that a finding names

Crops = Mapping[tuple[str, str], tuple[Path, dict]]  # (subject, sequence): file, how it was cropped


@dataclass(frozen=True)
class Look:
    """How closely frames are looked at.

    decode: read every frame. faces: look for the subject's face on every onset frame. deep: compare all bytes of
    sequences that may be copies. cropped: of `recorded_crops`; rerun: the command that makes a file again.
    """

    options: FaceOptions = field(default_factory=FaceOptions)
    decode: bool = True
    faces: bool = False
    deep: bool = False
    cropped: Crops = field(default_factory=dict)
    rerun: str = ""


def check_frames(rows: pd.DataFrame, root: str | Path, look: Look) -> Faults:
    """Check the frames of every sequence of a dataset's index; root: the dataset's folder.

    Returns all findings. Rows whose offset is not after the onset, a fault of the annotation, are passed over.
    """
    faults, found, missing = Faults(), {}, {}
    sound = rows[rows["offset"] > rows["onset"]]
    title = f"checking {rows['dataset'].iloc[0]}" if len(rows) else "checking"
    for row in tqdm(sound.itertuples(), title, len(sound), unit="sequence", disable=None):
        with faults.catching():
            numbered = sequence_frames(row, root, look.options.missing_frames)
            found[row.subject, row.sequence] = [frame for _, frame in numbered]
            total = row.offset - row.onset + 1
            if len(numbered) < total:
                missing[f"{row.subject}/{row.sequence}"] = f"{total - len(numbered)} of {total}"
            faults.extend(_content(row, found[row.subject, row.sequence], look))
            faults.extend(_changed(row, numbered, look))
    if missing:
        faults.append(_missing(rows["dataset"].iloc[0], missing))
    faults.extend(copies.find(rows, found, look.deep))
    return faults


def _missing(dataset: str, missing: Mapping[str, str]) -> Fault:
    """One warning for all sequences that lack frames; missing: {subject/sequence: how many of how many}."""
    named = [f"{name} ({count})" for name, count in missing.items()]
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    number = f"{len(named)} sequences" if len(named) > 1 else "1 sequence"
    return SOME_MISSING.at(f"{dataset} ({number})", names=", ".join(named[:_SHOWN]) + more)


def recorded_crops(folder: Path) -> Crops:
    """{(subject, sequence): (file, how it was cropped)} for all crops of a dataset that can be read."""
    found: dict[tuple[str, str], tuple[Path, dict]] = {}
    for path in sorted(folder.glob("[!.]*.safetensors")):
        with Faults().catching(), open_tensors(path) as file:  # damaged files are found by `damaged_results`
            sequences = file.metadata.get("sequences", {})
            known = {sequence: info for sequence, info in sequences.items() if "files" in info}
            found |= {(path.stem, sequence): (path, info) for sequence, info in known.items()}
    return found


def frames_changed(frames: Sequence[tuple[int, Frame]], info: Mapping[str, Any]) -> bool:
    """Whether numbers, sizes or times of frames (number, file) differ from those that crops with `info` record."""
    numbers, files = zip(*frames, strict=True)
    stamps = file_stamps(files)
    if list(numbers) != info["frames"] or len(stamps) != len(info["files"]):
        return True
    return not all(map(same_stamp, stamps, info["files"]))


def _changed(row, frames: Sequence[tuple[int, Frame]], look: Look) -> Faults:
    """A fault if a sequence's frames are not those that were cropped."""
    crops, info = look.cropped.get((row.subject, row.sequence), (None, {}))
    if crops is None or not frames_changed(frames, info):
        return Faults()
    return Faults([CHANGED.at(_name(row), crops=crops, command=f"{look.rerun} {shlex.quote(str(crops))}")])


def _content(row, frames: Sequence[Frame], look: Look) -> Faults:
    """What reading the frames finds: damage, and whether there is a face."""
    faults = Faults()
    if look.decode:
        faults.extend(damage.inspect(frames, row.fps, look.options.bits))
    if look.faces:
        with faults.catching():
            bits = sequence_bits(frames, look.options.bits)
            onset = next(read_frames(frames, look.options.grey, bits))
            faults.extend(face_faults(onset, look.options, _name(row)))
    return Faults(dict.fromkeys(faults))  # an unreadable onset is found twice


def _name(row) -> str:
    return f"{row.dataset} {row.subject}/{row.sequence}"
