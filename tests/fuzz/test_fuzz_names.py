"""Folders and files of other names, and strange places: every sequence has its frames, or a line names it."""

import csv
import os
import shutil
import unicodedata
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from fuzz_harness import attempt, check_line, fuzz, look_at
from fuzz_tables import is_empty, names_row
from hypothesis import assume
from hypothesis import strategies as st

from ra_icl.datasets.frames import sequence_frames
from ra_icl.datasets.options import DATASETS
from ra_icl.datasets.reading import survey
from ra_icl.errors import Faults

OFFICIAL = ("casme2", "samm", "smic", "casme3")
HABITS = (
    *(
        "{} (copy)",
        "Copy of {}",
        "{}_old",
        ".{}",
        "_{}",
        "{} ",
        "{}.bak",
        "{}~",
        "{}.jpg",
        "{}.mp4",
        "x",
        "0",
        "é",
        "高兴",
    ),
    *("Thumbs.db", ".DS_Store", "Micro", "neg", "{}\n", "{}\u2028", "img00000000000000000000000000000000000001.jpg"),
)


@st.composite
def names(draw):
    """Another name for `name`: a function of it, and how it came about."""
    text = st.text(
        st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=20
    )
    return draw(st.one_of(st.sampled_from(HABITS), st.sampled_from(["upper", "lower", "NFD", "swapcase"]), text))


def renamed(name, change):
    if change in ("upper", "lower", "swapcase"):
        return getattr(name, change)()
    if change == "NFD":
        return unicodedata.normalize("NFD", name)
    return change.replace("{}", name)


@contextmanager
def moved(path, target):
    path.rename(target)
    try:
        yield
    finally:
        target.rename(path)


def below(root):
    """All files and folders below a root but the annotation and the truth of twins, in order."""
    found = sorted(root.rglob("*"))
    return [
        path for path in found if path.suffix not in (".xlsx", ".safetensors", ".csv") and "truth" not in path.parts
    ]


def frames_of(rows, root):
    """{(subject, sequence): names of its frames' files}; a sequence whose frames are not found is left out."""
    found = {}
    for row in rows.itertuples():
        frames, said = attempt([row.sequence], sequence_frames, row, root)
        if not said:
            found[row.subject, row.sequence] = [path.name for _, path in frames]
    return found


@fuzz(14, dataset=st.sampled_from(OFFICIAL), place=st.integers(0, 9999), folder=st.booleans(), change=names())
def test_renamed_files_and_folders(twins, dataset, place, folder, change):
    root = twins[dataset]
    options = {"root": str(root)}
    before, _ = survey(dataset, options)
    sound = frames_of(before, root)
    paths = [path for path in below(root) if path.is_dir() == folder]
    path = paths[place % len(paths)]
    target = path.with_name(renamed(path.name, change))
    assume(len(target.name.encode()) <= 255 and target.name not in (".", "..", "") and "/" not in target.name)
    assume(not target.exists())
    with moved(path, target):
        found, said = attempt([str(root), f"datasets.{dataset}"], look_at, dataset, options)
        rows, noticed = found or (before[:0], said)
        after = frames_of(rows, root)
    for line in noticed:
        check_line(line, [str(root), f"datasets.{dataset}", *before["sequence"]])
    for (subject, sequence), files in sound.items():
        named = any(sequence in line or f"{subject}/" in line for line in noticed)
        kept = after.get((subject, sequence))
        whole = kept is not None and len(kept) >= len(files) - 1 and set(kept) <= {*files, target.name}
        seen = any(target.name in line or str(path.parent) in line for line in noticed) or target.name[0] == "."
        assert named or whole or seen, f"{subject}/{sequence}: {kept} instead of {files}, and nothing is said"


PLACES = (
    *(
        "",
        ".",
        "..",
        "/",
        "~",
        "~nobody",
        "$HOME",
        "${HOME}/x",
        "nowhere",
        "a\nb",
        "a\0b",
        "x" * 300,
        "{root}",
        "{root}/",
    ),
    *("{root}/nowhere", "{root}/.", "*", "{x}", "{root}/{annotation}", "é", "\ud800"),
)


@fuzz(
    6,
    dataset=st.sampled_from((*OFFICIAL, "own")),
    key=st.sampled_from(["root", "annotation", "frames"]),
    value=st.one_of(st.sampled_from(PLACES), st.text(st.characters(exclude_characters="/"), max_size=12)),
)
def test_strange_places(twins, own, dataset, key, value):
    """A place that the config names: it is read as it was, or the key or the file is named."""
    options = own[0] if dataset == "own" else {"root": str(twins[dataset])}
    root, annotation = options["root"], DATASETS[dataset]().annotation
    before, _ = survey(dataset, options)
    value = value.replace("{root}", root).replace("{annotation}", annotation)
    names = [f"datasets.{dataset}", root, value or "datasets"]
    found, _ = attempt(names, survey, dataset, options | {key: value})
    if found is None:
        return
    rows, faults = found
    for line in faults:
        check_line(line, names)
    assert faults or rows.drop(columns="frames").equals(before.drop(columns="frames"))


@pytest.mark.parametrize("dataset", OFFICIAL)
def test_the_sound_folders_have_their_frames(twins, dataset):
    rows, said = look_at(dataset, {"root": str(twins[dataset])})
    found = frames_of(rows, twins[dataset])
    assert len(found) == len(rows)
    assert not Faults(said).serious


STEMS = (
    "take.1",
    "take.2",
    "a b",
    "a_b",
    "高兴",
    "厌恶",
    "é",
    "e\u0301",
    "Clip",
    "clip",
    "a..b",
    "-x",
    "#1",
    "a,b",
    'q"',
    "%41",
    "_",
)
SUFFIXES = ("", "", ".mp4", ".avi", ".MOV", ".m4v", ".webm", ".mpg", ".v2")


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Three films that have no frame in common, of eight frames each: (bytes of a video, [bytes of an image])."""
    root, found = tmp_path_factory.mktemp("film"), []
    for film in range(3):
        down, right = np.mgrid[:40, :48]
        frames = [(10 + 4 * number + (right, down, right + down)[film]).astype(np.uint8) for number in range(8)]
        video = cv2.VideoWriter(str(root / "film.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 30, (48, 40), False)
        for frame in frames:
            video.write(frame)
        video.release()
        images = [cv2.imencode(".png", frame)[1].tobytes() for frame in frames]
        found.append(((root / "film.mp4").read_bytes(), images))
    return found


NAME = st.one_of(st.sampled_from(STEMS), st.text(st.characters(codec="utf-8"), min_size=1, max_size=6))
CLIPS = st.lists(
    st.tuples(st.tuples(NAME, st.sampled_from(SUFFIXES)).map("".join), st.booleans()),
    min_size=2,
    max_size=3,
    unique_by=lambda clip: clip[0],
)


@fuzz(10, clips=CLIPS)
def test_clips_of_any_name(films, tmp_path_factory, clips):
    """Own data: each clip is a sequence of its own, with its frames; a name that is at fault is named."""
    root = tmp_path_factory.mktemp("own")
    for (name, is_video), (video, images) in zip(clips, films, strict=False):
        if "/" in name or "\0" in name or name in (".", ".."):
            continue
        if is_video:
            (root / name).write_bytes(video)
        else:
            (root / name).mkdir()
            for number, image in enumerate(images, 1):
                (root / name / f"{number}.png").write_bytes(image)
    rows = [("p1", name, 1, 4 + n, ("joy", "disgust")[n % 2]) for n, (name, _) in enumerate(clips)]
    rows[-1] = ("p2", *rows[-1][1:])  # one subject alone is a fault
    path = root / "annotation.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("subject", "clip", "onset", "offset", "emotion"), *rows])
    options = {"root": str(root), "labels": {"positive": ["joy"], "negative": ["disgust"]}}
    found, said = attempt([path.name], look_at, "own", options)
    if found is not None:
        for line in found[1]:
            check_line(line, [path.name, "own ", str(root)])
        check_clips(*found, rows, root)
    assert said or found
    shutil.rmtree(root)


def folded(name):
    """A name as some file systems compare it."""
    return unicodedata.normalize("NFC", name).casefold()


def check_clips(index, noticed, rows, root):
    """Every row of own data is a sequence with the frames of its clip; if its name is at fault, it is named."""
    if index.empty:
        assert noticed
        return
    names = [folded(clip) for _, clip, *_ in rows]
    for number, (_, clip, onset, offset, _) in enumerate(rows, 2):
        sound = clip.isprintable() and clip == clip.strip() == os.path.normpath(clip) and not is_empty(clip)
        sound = sound and "/" not in clip and not clip.startswith(".") and names.count(folded(clip)) == 1
        of_clip = index[index["offset"] == offset]
        keys = [f"/{sequence}:" for sequence in of_clip["sequence"]]
        if sum(other.startswith(clip) for _, other, *_ in rows) == 1:
            keys.append(str(root / clip))
        lines = [line for line in noticed if names_row(line, number) or any(key in line for key in keys)]
        assert not (sound and lines), f"clip {clip!r} is there and refused: {lines}"
        if not sound:
            assert noticed or len(of_clip), f"clip {clip!r} is lost, and nothing is said"
            continue
        assert len(of_clip) == 1, f"clip {clip!r} is lost, and nothing is said"
        frames = sequence_frames(of_clip.iloc[0], root)
        assert [frame for frame, _ in frames] == list(range(onset, offset + 1))
        sources = {source.path if hasattr(source, "path") else source.parent for _, source in frames}
        assert {folded(str(source)) for source in sources} == {folded(str(root / clip))}
