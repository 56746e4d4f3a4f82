"""Sequences that hold the same bytes: copies, which put one recording into training and into the test."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from tqdm import tqdm

from ra_icl.datasets.identity import file_id
from ra_icl.errors import FaultKind, Faults

if TYPE_CHECKING:
    from ra_icl.datasets.frames import Frame

_EXAMPLE = {"where": "own p2/smile_3", "other": "p1/smile_3", "same": "has the same first and last frame as"}
COPY_OF_ANOTHER_SUBJECT = FaultKind(
    "copy-of-another-subject",
    "{same} {other}, byte for byte: one recording under two subjects",
    "keep it where it belongs and leave the other out by data.exclude",
    _EXAMPLE,
)
COPY = FaultKind(
    "copy",
    "{same} {other}, byte for byte",
    "remove the row of one of them",
    _EXAMPLE | {"where": "own p1/smile2_3"},
)
OFFICIAL_COPY = FaultKind(
    "copy-in-official-data",
    "{same} {other}, byte for byte",
    "nothing to do if your copy is as it was given out: both count in the paper's tables",
    _EXAMPLE | {"where": "casme3 spNO.1/a_355", "other": "spNO.1/a_340", "same": "shares 9 of its 16 frames with"},
    severity="note",
)

Key = tuple[str, str]  # subject, sequence
Pair = tuple[Key, Key, str]  # a sequence, an earlier one, and what they have in common


def find(index: pd.DataFrame, frames: Mapping[Key, Sequence["Frame"]], deep: bool = False) -> Faults:
    """The sequences of a dataset that are copies of one another.

    index: rows of one dataset. frames: {(subject, sequence): its frames in order}, the rest of the index is left out.
    Compared are sequences with as many frames, and a first file of as many bytes, by the bytes of the first and the
    last file; videos by those of the whole file. deep: compare every frame with every other, which also finds parts of
    a recording, and reads all files.
    A copy is a fault in own data, and wherever its subject is another; else a note. One frame folder or file in two
    rows is no copy.
    """
    dataset = dict(zip(zip(index["subject"], index["sequence"], strict=True), index["dataset"], strict=True))
    held = {key: frames[key] for key in dataset if frames.get(key)}
    images = {key: list(map(Path, paths)) for key, paths in held.items() if isinstance(paths[0], os.PathLike)}
    videos = {key: Path(paths[0].path) for key, paths in held.items() if key not in images}
    digest = cache(_digest)
    found: dict[Key, tuple[Key, str]] = {}
    for pairs in (
        _same_videos(videos, digest),
        _same_frames(images, digest) if deep else (),
        _same_ends(images, digest),
    ):
        for key, other, same in pairs:
            found.setdefault(key, (other, same))
    faults = Faults()
    for key, (other, same) in found.items():
        kind = COPY if dataset[key] == "own" else OFFICIAL_COPY
        kind = COPY_OF_ANOTHER_SUBJECT if key[0] != other[0] else kind
        faults.append(kind.at(f"{dataset[key]} {'/'.join(key)}", other="/".join(other), same=same))
    return faults


def _same_videos(videos: Mapping[Key, Path], digest: Callable) -> Iterator[Pair]:
    for as_large in _alike(videos, _size):
        for alike in _alike(as_large, digest):
            yield from ((*pair, "has the same video as") for pair in _pairs(alike))


def _same_ends(images: Mapping[Key, Sequence[Path]], digest: Callable) -> Iterator[Pair]:
    def length(paths: Sequence[Path]) -> tuple | None:
        size = _size(paths[0])
        return None if size is None else (len(paths), size)

    def ends(paths: Sequence[Path]) -> tuple | None:
        found = digest(paths[0]), digest(paths[-1])
        return None if None in found else found

    for as_long in _alike(images, length):
        for alike in _alike(as_long, ends):
            folders = {key: paths[0].parent for key, paths in alike.items()}
            yield from ((*pair, "has the same first and last frame as") for pair in _pairs(folders))


def _same_frames(images: Mapping[Key, Sequence[Path]], digest: Callable) -> Iterator[Pair]:
    clips = tqdm(images.items(), "comparing all frames", unit="sequence", disable=None)
    counts = {key: Counter(map(digest, paths)) for key, paths in clips}
    # An image that one sequence holds twice, such as a black one, says nothing.
    blank = {None}.union(*([image for image, count in one.items() if count > 1] for one in counts.values()))
    owners: dict[bytes, Key] = {}
    for key, count in counts.items():
        shared = Counter(owners.setdefault(image, key) for image in count if image not in blank)
        # A leak comes before a larger overlap within a subject.
        for other, number in sorted(shared.items(), key=lambda found: (found[0][0] == key[0], -found[1])):
            if other != key and file_id(images[key][0].parent) != file_id(images[other][0].parent):
                yield key, other, f"shares {number} of its {len(images[key])} frames with"
                break


def _alike(clips: Mapping[Key, Any], trait: Callable[[Any], Any]) -> list[dict[Key, Any]]:
    """The groups of two clips or more with the same trait; a clip whose trait is None is in no group."""
    groups: dict[Any, dict[Key, Any]] = {}
    for key, clip in clips.items():
        groups.setdefault(trait(clip), {})[key] = clip
    return [group for value, group in groups.items() if value is not None and len(group) > 1]


def _pairs(places: Mapping[Key, Path]) -> Iterator[tuple[Key, Key]]:
    """Each clip with an earlier one in another place, if possible of another subject."""
    ids = {key: file_id(place) for key, place in places.items()}
    for position, key in enumerate(ids):
        earlier = [other for other in list(ids)[:position] if ids[other] != ids[key]]
        if earlier:
            yield key, next((other for other in earlier if other[0] != key[0]), earlier[0])


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _digest(path: Path) -> bytes | None:
    """None if the file cannot be read, which is found where frames are decoded."""
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").digest()
    except OSError:
        return None
