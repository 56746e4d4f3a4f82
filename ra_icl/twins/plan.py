"""What the synthetic twins of the four datasets contain, before anything is drawn.

A twin is a made-up dataset in the official layout of a real one. Its clips are derived here from the options alone, so
that the index of a twin is known before its frames exist. In CASME II and SAMM film and inducement numbers are outside
the range of the real datasets, so that no twin's clip has the name of a real one there.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Literal

import pandas as pd

from ra_icl.datasets.index import index_frame
from ra_icl.datasets.protocols import PROTOCOLS
from ra_icl.errors import InputError
from ra_icl.options import Help, Options, between
from ra_icl.twins.census import STUDIES, census, study_census

FrameCount = Annotated[int, between(8, 400)]
Displacement = Annotated[float, between(0, 6)]


@dataclass(frozen=True)
class TwinOptions(Options):
    """How many clips the twins have and how hard they are. Raises ValueError for a range that is not in order."""

    seed: Annotated[int, Help("of everything that is drawn")] = 0
    census: Annotated[
        Literal["demo", "full", "study", "study_control"],
        Help(
            "demo: by `subjects` and `per_class`; full: subjects and class counts of Tables 4 and 5, 442 + 801 clips; "
            "study: 300 clips of 72 subjects on which the paper's claims can be true or false; study_control: the same "
            "without what they rest on"
        ),
    ] = "demo"
    subjects: Annotated[int, between(2, 200), Help("subjects per dataset")] = 2
    casme3_subjects: Annotated[
        Annotated[int, between(2, 200)] | None,
        Help("of CAS(ME)³, whose protocols have no other dataset to train on; null: as `subjects`"),
    ] = None
    per_class: Annotated[
        int,
        between(1, 40),
        Help("clips per subject and class of the 3-class protocol; CAS(ME)³ has half as many for each of its 7"),
    ] = 2
    frames: Annotated[
        tuple[FrameCount, FrameCount],
        Help("shortest and longest clip of CASME II and SAMM; those of SMIC-HS and CAS(ME)³ are shorter"),
    ] = (20, 30)
    scale: Annotated[float, between(0.2, 1), Help("of the official frame size")] = 0.5
    strength: Annotated[
        tuple[Displacement, Displacement],
        Help("peak displacement in pixels of a 128-pixel face crop, weakest and strongest"),
    ] = (0.3, 1.4)
    noise: Annotated[float, between(0, 16), Help("standard deviation of the sensor noise in grey levels")] = 1.0
    excluded: Annotated[bool, Help("also write clips that no protocol uses")] = True

    def __post_init__(self) -> None:
        for key in ("frames", "strength"):
            low, high = getattr(self, key)
            if low > high:
                raise ValueError(f"{key} is [{low}, {high}]; give the smaller value first")
        if self.census in STUDIES and self.frames[0] < 28:  # times the pace of SMIC-HS: an onset and 16 instances
            raise ValueError(f"frames begins with {self.frames[0]}; census {self.census} needs 28 or more")


@dataclass(frozen=True)
class Layout:
    """The official names and figures of a dataset.

    frames, annotation: relative to its root. size: width and height of a frame. fps: frame rate. pace: length of its
    clips relative to TwinOptions.frames, shortest and longest. emotions: for each class a tuple of emotions, which the
    clips take in turn. excluded: emotions that are annotated but that no protocol uses.
    """

    frames: str
    annotation: str
    size: tuple[int, int]
    fps: int
    pace: tuple[float, float]
    emotions: tuple[tuple[str, ...], ...]
    excluded: tuple[str, ...] = ()


LAYOUTS = {
    "casme2": Layout(
        "CASME2_RAW_selected",
        "CASME2-coding-20140508.xlsx",
        (640, 480),
        200,
        (1.0, 1.0),
        (("disgust", "repression"), ("happiness",), ("surprise",)),
        ("others", "sadness", "fear"),
    ),
    "samm": Layout(
        ".",
        "SAMM_Micro_FACS_Codes_v2.xlsx",
        (2040, 1088),
        200,
        (1.0, 1.0),
        (("anger", "contempt", "disgust", "fear", "sadness"), ("happiness",), ("surprise",)),
        ("other",),
    ),
    "smic": Layout(
        "SMIC_all_raw/HS",
        "",
        (640, 480),
        100,
        (0.6, 0.8),
        (("negative",), ("positive",), ("surprise",)),
    ),
    "casme3": Layout(
        "part_A",
        "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
        (1280, 720),
        30,
        (0.4, 0.9),
        (
            ("happiness",),
            ("surprise",),
            ("sadness",),
            ("disgust",),
            ("fear",),
            ("anger",),
            ("others",),
        ),
        ("others",),
    ),
}


@dataclass(frozen=True)
class Clip:
    """One clip of a twin.

    folder: relative to the dataset's frames folder. apex: the true one, also for SMIC. number: position among the
    subject's clips. used: whether a protocol uses it. missing: number of a frame that is missing on disk, or None. In
    CAS(ME)³, a clip that no protocol uses has its apex annotated at its onset.
    """

    dataset: str
    subject: str
    sequence: str
    folder: str
    number: int
    onset: int
    apex: int
    offset: int
    emotion: str
    used: bool
    missing: int | None = None


def plan(dataset: str, options: TwinOptions) -> pd.DataFrame:
    """The index of the twin of `dataset`: what its adapter reads back from the rendered folder.

    Columns as in `index.COLUMNS`; clips that no protocol uses are left out; the apex of SMIC is empty, since it has no
    apex annotation. Raises InputError if the dataset has no twin.
    """
    return index_frame(_index_row(clip) for clip in clips(dataset, options) if clip.used)


def clips(dataset: str, options: TwinOptions) -> list[Clip]:
    """All clips of the twin, subject by subject. Raises InputError if the dataset has no twin."""
    if dataset not in LAYOUTS:
        raise InputError(f"--dataset {dataset}: has no synthetic twin; choose one of {', '.join(LAYOUTS)}")
    of_subjects = enumerate(_emotions_of_subjects(dataset, options))
    return [clip for subject, shown in of_subjects for clip in _subject_clips(dataset, subject, shown, options)]


def subject_name(dataset: str, number: int) -> str:
    """The official padded id of the subject at position `number` (from 0)."""
    return {
        "casme2": f"sub{number + 1:02d}",
        "samm": f"{number + 6:03d}",
        "smic": f"s{number + 1:02d}",
        "casme3": f"spNO.{number + 1}",
    }[dataset]


def stream(options: TwinOptions, *key: str) -> random.Random:
    """A random stream that depends only on the seed and the key, the same in every process."""
    return random.Random("/".join([str(options.seed), *key]))


def _subject_clips(dataset: str, subject: int, shown: list[tuple[str, bool]], options: TwinOptions) -> Iterator[Clip]:
    name = subject_name(dataset, subject)
    rng = stream(options, dataset, name, "plan")
    number_of_frame = rng.randint(40, 400)
    for number, (emotion, used) in enumerate(shown):
        length, apex = _timing(rng, LAYOUTS[dataset], options)
        onset = number_of_frame + _FIRST_FRAME.get(dataset, 0)
        sequence, folder = _NAMES[dataset](subject, number, onset, emotion)
        yield Clip(
            dataset,
            name,
            sequence,
            folder,
            number,
            onset,
            onset + apex,
            onset + length - 1,
            emotion,
            used,
            # some frames of CAS(ME)³ are missing: here one in every third clip, never onset, apex or offset
            onset + apex + 1 if dataset == "casme3" and number % 3 == 1 else None,
        )
        number_of_frame += length + rng.randint(20, 300)


def _emotions_of_subjects(dataset: str, options: TwinOptions) -> list[list[tuple[str, bool]]]:
    """For each subject, its clips: emotion, and whether a protocol uses the clip."""
    layout = LAYOUTS[dataset]
    if options.census != "demo":
        names = PROTOCOLS["casme3_7" if dataset == "casme3" else "cde"].classes
        classes = dict(zip(names, layout.emotions, strict=True))
        deal = study_census if options.census in STUDIES else census
        shown = deal(dataset, classes, stream(options, dataset, "census"))
    else:
        of_casme3 = options.casme3_subjects or options.subjects
        subjects = of_casme3 if dataset == "casme3" else options.subjects
        count = -(-options.per_class // 2) if dataset == "casme3" else options.per_class
        shown = [
            [
                emotions[(subject * count + turn) % len(emotions)]
                for emotions in layout.emotions
                for turn in range(count)
            ]
            for subject in range(subjects)
        ]
    excluded = layout.excluded if options.excluded and options.census not in STUDIES else ()
    return [
        [*((emotion, True) for emotion in mine), *((excluded[subject % len(excluded)], False) for _ in excluded[:1])]
        for subject, mine in enumerate(shown)
    ]


def _timing(rng: random.Random, layout: Layout, options: TwinOptions) -> tuple[int, int]:
    """Length in frames and position of the apex: 2 or more after onset, 3 before the end."""
    shortest, longest = (round(length * pace) for length, pace in zip(options.frames, layout.pace, strict=True))
    length = max(rng.randint(min(shortest, longest), max(shortest, longest)), 6)
    return length, min(max(round(length * rng.uniform(0.3, 0.6)), 2), length - 4)


def _index_row(clip: Clip) -> dict:
    layout = LAYOUTS[clip.dataset]
    return {
        "dataset": clip.dataset,
        "subject": clip.subject,
        "sequence": clip.sequence,
        "frames": PurePosixPath(layout.frames, clip.folder).as_posix(),
        "onset": clip.onset,
        "apex": None if clip.dataset == "smic" else clip.apex,
        "offset": clip.offset,
        "fps": layout.fps,
        "emotion": clip.emotion,
    }


def _casme2_name(subject: int, number: int, onset: int, emotion: str) -> tuple[str, str]:
    sequence = f"EP{21 + number // 4}_{1 + number % 4:02d}{'f' if number % 2 == 0 else ''}"
    return sequence, f"{subject_name('casme2', subject)}/{sequence}"


def _samm_name(subject: int, number: int, onset: int, emotion: str) -> tuple[str, str]:
    name = subject_name("samm", subject)
    sequence = f"{name}_8_{1 + number}"
    return sequence, f"{name}/{sequence}"


def _smic_name(subject: int, number: int, onset: int, emotion: str) -> tuple[str, str]:
    clip = f"{ {'negative': 'ne', 'positive': 'po', 'surprise': 'sur'}[emotion] }_{1 + number:02d}"
    # subjects are s1 in some editions and s01 in others; here every other one is padded
    folder = f"s{subject + 1}" if subject % 2 == 0 else subject_name("smic", subject)
    return f"{subject_name('smic', subject)}_{clip}", f"{folder}/micro/{emotion}/{folder}_{clip}"


def _casme3_name(subject: int, number: int, onset: int, emotion: str) -> tuple[str, str]:
    film = _letter(number // 2)
    # every other subject has the folder spNo, as on real disks, where the labels say spNO
    folder = f"{'spNO' if subject % 2 == 0 else 'spNo'}.{subject + 1}"
    return f"{film}_{onset}", f"{folder}/{film}/color"


def _letter(number: int) -> str:
    letters = "abcjdefghiklmnopqrstuvwxyz"  # j early: the one letter that some labels write as J
    return letters[number] if number < 26 else _letter(number // 26 - 1) + letters[number % 26]


_NAMES = {
    "casme2": _casme2_name,
    "samm": _samm_name,
    "smic": _smic_name,
    "casme3": _casme3_name,
}
# the frame numbers of SMIC count from the start of a long recording
_FIRST_FRAME = {"smic": 559_000, "samm": 900}
