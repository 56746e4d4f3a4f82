"""Folders and files of other names, and strange places: every sequence has its frames, or a line names it."""

import csv
import shutil
import unicodedata
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from fuzz_harness import attempt, check_line, fuzz
from fuzz_tables import names_row
from hypothesis import assume
from hypothesis import strategies as st

from ra_icl.datasets.frames import sequence_frames
from ra_icl.datasets.options import DATASETS
from ra_icl.datasets.reading import survey
from ra_icl.planning.check import check_dataset

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
        found, said = attempt([str(root), f"datasets.{dataset}"], check_dataset, dataset, options, decode=False)
        rows, noticed = found or (before[:0], said)
        after = frames_of(rows, root)
    for line in noticed:
        check_line(line, [str(root), f"datasets.{dataset}", *before["sequence"]])
    for (subject, sequence), files in sound.items():
        named = any(sequence in line or f"{subject}/" in line for line in noticed)
        kept = after.get((subject, sequence))
        whole = kept is not None and len(kept) >= len(files) - 1 and set(kept) <= {*files, target.name}
        seen = any(target.name in line or str(path.parent) in line for line in noticed)
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
    rows, said = check_dataset(dataset, {"root": str(twins[dataset])}, decode=False)
    found = frames_of(rows, twins[dataset])
    assert len(found) == len(rows)
    assert said == []


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
def film(tmp_path_factory):
    """The bytes of a video of eight frames."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 30, (48, 40))
    for number in range(8):
        video.write(np.full((40, 48, 3), 20 * number, np.uint8))
    video.release()
    return path.read_bytes()


CLIP = st.tuples(
    st.one_of(st.sampled_from(STEMS), st.text(min_size=1, max_size=6)), st.sampled_from(SUFFIXES), st.booleans()
)


@fuzz(10, clips=st.lists(CLIP, min_size=2, max_size=3, unique_by=lambda clip: clip[0] + clip[1]))
def test_clips_of_any_name(film, tmp_path_factory, clips):
    """Own data: each clip is a sequence of its own, and its frames are its frames; or its row is named."""
    root = tmp_path_factory.mktemp("own")
    rows = [["subject", "clip", "onset", "offset", "emotion"]]
    for number, (stem, suffix, is_video) in enumerate(clips):
        name = stem + suffix
        try:
            name.encode()
        except UnicodeEncodeError:
            continue  # no text of a file
        rows.append([f"p{number}", name, 1 + number, 4 + number, ("joy", "disgust")[number % 2]])
        if "/" in name or "\0" in name or name in (".", ".."):
            continue
        if is_video:
            (root / name).write_bytes(film + bytes(number))
        else:
            (root / name).mkdir()
            for frame in range(1, 8):
                (root / name / f"{frame}.png").write_bytes(b"%d of %d" % (frame, number))
    path = root / "annotation.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    options = {"root": str(root), "labels": {"positive": ["joy"], "negative": ["disgust"]}}
    found, said = attempt([path.name], check_dataset, "own", options, decode=False)
    index, noticed = found or ([], said)
    for line in noticed:
        check_line(line, [path.name, "own "])
    if not said:
        check_clips(index, noticed, rows, root)
    shutil.rmtree(root)


def check_clips(index, noticed, rows, root):
    """Every row of own data is a sequence with the frames of its clip, or named."""
    assert not index.duplicated("sequence").any() or noticed
    for number, (subject, clip, onset, offset, _) in enumerate(rows[1:], 2):
        of_subject = index[index["subject"] == subject]
        if any(names_row(line, number) or f"own {subject}/" in line for line in noticed):
            continue
        assert len(of_subject) == 1, f"row {number}, clip {clip!r}, is lost, and nothing is said"
        frames = sequence_frames(of_subject.iloc[0], root)
        assert [frame for frame, _ in frames] == list(range(onset, offset + 1))
        sources = {str(source.path if hasattr(source, "path") else source.parent) for _, source in frames}
        assert {unicodedata.normalize("NFC", source) for source in sources} == {
            unicodedata.normalize("NFC", str(root / clip))
        }
