"""Where each dataset lies on a user's disk; the defaults are the official names."""

import re
from dataclasses import dataclass, field
from typing import Annotated

from ra_icl.options import Help, Options, min_length

Root = Annotated[str, Help("folder of your copy; empty leaves the dataset out")]
Annotation = Annotated[str, Help("annotation file, below root or absolute; empty for none, which SMIC-HS alone allows")]
Frames = Annotated[str, Help("folder of the frames, below root or absolute")]
Emotion = Annotated[str, min_length(1)]


@dataclass(frozen=True)
class Casme2Options(Options):
    """CASME II."""

    root: Root = ""
    annotation: Annotation = "CASME2-coding-20140508.xlsx"
    frames: Frames = "CASME2_RAW_selected"


@dataclass(frozen=True)
class SammOptions(Options):
    """SAMM."""

    root: Root = ""
    annotation: Annotation = "SAMM_Micro_FACS_Codes_v2.xlsx"
    frames: Frames = "."


@dataclass(frozen=True)
class SmicOptions(Options):
    """SMIC-HS, whose folders carry the labels."""

    root: Root = ""
    annotation: Annotation = ""
    frames: Frames = "SMIC_all_raw/HS"


@dataclass(frozen=True)
class Casme3Options(Options):
    """CAS(ME)³, part A."""

    root: Root = ""
    annotation: Annotation = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
    frames: Frames = "part_A"


@dataclass(frozen=True)
class OwnOptions(Options):
    """Data of a user's own. Raises ValueError for a class name that cannot be part of a table or a path."""

    root: Root = ""
    annotation: Annotation = "annotation.csv"
    frames: Frames = "."
    labels: Annotated[
        dict[str, Annotated[tuple[Emotion, ...], min_length(1)]],
        Help("the emotions of each class, the classes in label order: {negative: [disgust, fear], positive: [joy]}"),
    ] = field(default_factory=dict)
    excluded: Annotated[tuple[Emotion, ...], Help("emotions to leave out")] = ()

    def __post_init__(self) -> None:
        for name in self.labels:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
                raise ValueError(f"labels has a class {name!r}; begin with a letter, then use letters, digits, _ and -")


DATASETS = {
    "casme2": Casme2Options,
    "samm": SammOptions,
    "smic": SmicOptions,
    "casme3": Casme3Options,
    "own": OwnOptions,
}
