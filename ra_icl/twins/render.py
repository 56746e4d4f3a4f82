"""Synthetic twins of the four datasets: made-up faces in the official layouts.

They exist to run and test every step without the closed datasets. Numbers measured on them cannot be compared with
numbers measured on the real data.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from openpyxl import Workbook
from tqdm import tqdm

from ra_icl.datasets.protocols import PROTOCOLS
from ra_icl.errors import InputError
from ra_icl.twins.census import STUDIES
from ra_icl.twins.faces import FACE_WIDTH, Face, draw_face, draw_look, pose
from ra_icl.twins.motion import Motion, draw_motion
from ra_icl.twins.plan import LAYOUTS, Clip, Layout, TwinOptions, clips, stream
from ra_icl.twins.study import draw_study_motion
from ra_icl.twins.truth import truth_file, write_truth
from ra_icl.twins.units import EMOTIONS, objective_class

_BEYOND = {"casme2": 2, "samm": 1}  # frames in the folders before onset and after offset
_MARGIN = 64  # the noise is one large field that is read at a different position for every frame


def render(dataset: str, root: str | Path, options: TwinOptions) -> None:
    """Write the twin of `dataset` into folder `root`: frames, true motion, and its spreadsheet (SMIC has none).

    The folder appears once all of it is written. Raises InputError if `root` exists and is not empty, or if the dataset
    has no twin.
    """
    root = Path(root)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(
            f"{root}: already exists, and twins overwrite nothing; name another folder, or delete it if it holds a twin"
        )
    planned = clips(dataset, options)
    cv2.setNumThreads(1)
    root.parent.mkdir(parents=True, exist_ok=True)
    temporary = root.with_name(f".{root.name}.{os.getpid()}")
    try:
        units = _write_frames(temporary, planned, options)
        write_annotation(dataset, temporary, planned, units)
        os.replace(temporary, root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def clip_motion(face: Face, clip: Clip, options: TwinOptions) -> tuple[Face, Motion]:
    """The face as it sits in this clip, and its motion from onset to offset."""
    rng = _generator(options, clip, "motion")
    face = pose(face, rng.uniform(-0.04, 0.04, 2), rng.uniform(0.96, 1.04), rng.uniform(-3, 3))
    # Half of the strength depends on the subject, as some people show little of any emotion.
    low, high = options.strength
    own = stream(options, clip.dataset, clip.subject, "strength").random()
    strength = low + (high - low) * (own + rng.random()) / 2
    length = clip.offset - clip.onset + 1
    if options.census in STUDIES:
        name = PROTOCOLS["cde"].labels[clip.dataset][clip.emotion]
        shared = options.census == "study"
        return face, draw_study_motion(face, name, length, clip.apex - clip.onset, strength, rng, shared)
    ways = EMOTIONS[clip.dataset][clip.emotion]
    return face, draw_motion(face, ways, length, clip.apex - clip.onset, strength, rng)


def subject_face(clip: Clip, options: TwinOptions) -> Face:
    """The neutral face of the clip's subject, in a frame of the official size times the scale."""
    seed = stream(options, clip.dataset, clip.subject, "face").getrandbits(64)
    rng = np.random.default_rng(seed)
    size = tuple(round(side * options.scale) for side in LAYOUTS[clip.dataset].size)
    look = draw_look(rng)
    face = draw_face(look, size, FACE_WIDTH[clip.dataset] * size[1], rng)
    if clip.dataset == "samm":  # filmed in grey
        return replace(face, image=cv2.cvtColor(face.image, cv2.COLOR_BGR2GRAY))
    return face


def render_clip(
    face: Face, motion: Motion, noise: np.ndarray, deviation: float, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield the frames: the neutral face pulled along the motion, with flicker and noise added.

    A frame is uint8 and has the shape of the face's image. noise: uint8 field larger than the frame, with mean 128 and
    standard deviation 32, which is scaled to `deviation`.
    """
    width, height = motion.size
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    for position in range(motion.intensity.shape[1]):
        source = cv2.subtract(grid, motion.backward(position))
        frame = cv2.remap(face.image, source, None, cv2.INTER_LINEAR, borderMode=1)
        top, left = rng.integers(_MARGIN, size=2)
        grains = noise[top : top + height, left : left + width]
        part = deviation / 32
        yield cv2.addWeighted(frame, motion.gain[position], grains, part, -128 * part)


def _write_frames(root: Path, planned: list[Clip], options: TwinOptions) -> dict[Clip, str]:
    """Write the frames of all clips; return the action units of each for the annotation."""
    units = {}
    bar = tqdm(total=len(planned), desc=f"{planned[0].dataset} twin", unit="clip", disable=None)
    for _, of_subject in groupby(planned, key=lambda clip: clip.subject):
        for clip in (group := list(of_subject)):
            if clip is group[0]:
                face = subject_face(clip, options)
                noise = _noise_field(face, _generator(options, clip, "noise"))
            units[clip] = _write_clip(root, clip, face, noise, options)
            bar.update()
    bar.close()
    return units


def _write_clip(root: Path, clip: Clip, face: Face, noise: np.ndarray, options: TwinOptions) -> str:
    folder = root / LAYOUTS[clip.dataset].frames / clip.folder
    folder.mkdir(parents=True, exist_ok=True)
    posed, motion = clip_motion(face, clip, options)
    write_truth(truth_file(root, clip.subject, clip.sequence), motion, clip.onset)
    rng = _generator(options, clip, "noise")
    frames = list(render_clip(posed, motion, noise, options.noise, rng))
    beyond = _BEYOND.get(clip.dataset, 0)
    for number in range(clip.onset - beyond, clip.offset + beyond + 1):
        if number != clip.missing:
            frame = frames[min(max(number - clip.onset, 0), len(frames) - 1)]
            write_frame(folder / _file_name(clip, number), frame)
    return "+".join(motion.units)


def write_frame(path: Path, frame: np.ndarray) -> None:
    if not cv2.imwrite(str(path), frame):
        raise InputError(f"{path}: cannot be written; check the disk and run again")


def _file_name(clip: Clip, number: int) -> str:
    return {
        "casme2": f"img{number}.jpg",
        # the zero padding of SAMM varies
        "samm": f"{clip.subject}_{number:0{5 - clip.number % 2}d}.jpg",
        "smic": f"image{number}.bmp",
        "casme3": f"{number}.jpg",
    }[clip.dataset]


def _noise_field(face: Face, rng: np.random.Generator) -> np.ndarray:
    height, width = (side + _MARGIN for side in face.image.shape[:2])
    normal = rng.standard_normal((height, width, *face.image.shape[2:]), np.float32)
    return np.clip(np.rint(128 + 32 * normal), 0, 255).astype(np.uint8)


def _generator(options: TwinOptions, clip: Clip, purpose: str) -> np.random.Generator:
    key = (clip.dataset, clip.subject, clip.sequence, purpose)
    return np.random.default_rng(stream(options, *key).getrandbits(64))


def write_annotation(dataset: str, root: Path, planned: list[Clip], units: dict[Clip, str]) -> None:
    """Write the official spreadsheet of `dataset`, quirks included, into `root`; SMIC has none."""
    layout: Layout = LAYOUTS[dataset]
    if not layout.annotation:
        return
    book = Workbook()
    sheet = book.active
    title, rows = _SHEETS[dataset](planned, units)
    sheet.title = title
    for row in rows:
        sheet.append(row)
    root.mkdir(parents=True, exist_ok=True)
    book.save(root / layout.annotation)


def _casme2_sheet(planned: list[Clip], units: dict[Clip, str]) -> tuple[str, list[list]]:
    # the official header has stray spaces and two columns without a name
    frames = ["OnsetFrame", "ApexFrame ", "OffsetFrame"]
    rows = [["Subject", "Filename ", None, *frames, None, "Action Units", "Estimated Emotion "]]
    for clip in planned:
        apex = clip.apex if clip.used else "/"
        numbers = [clip.onset, apex, clip.offset]
        subject = int(clip.subject.removeprefix("sub"))
        rows.append([subject, clip.sequence, None, *numbers, None, units[clip], clip.emotion])
    return "Sheet1", rows


def _samm_sheet(planned: list[Clip], units: dict[Clip, str]) -> tuple[str, list[list]]:
    frames = ["Onset Frame", "Apex Frame", "Offset Frame", "Duration", "Micro"]
    names = ["Action Units", "Estimated Emotion", "Objective Classes", "Notes"]
    # the official header is in row 14, below notes
    rows = [["Synthetic twin of SAMM: made-up faces, no participant"], *[[None]] * 12]
    rows.append(["Subject", "Filename", "Inducement Code", *frames, *names])
    for clip in planned:
        numbers = [clip.onset, clip.apex, clip.offset, clip.offset - clip.onset + 1, "Micro - 1/2"]
        coded = [units[clip], clip.emotion.capitalize(), objective_class(clip.emotion), None]
        rows.append([clip.subject, clip.sequence, 8, *numbers, *coded])
    return "MICRO_ONLY", rows


def _casme3_sheet(planned: list[Clip], units: dict[Clip, str]) -> tuple[str, list[list]]:
    rows = [["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]]
    for number, clip in enumerate(planned):
        # an apex at onset is an annotation error, because of which the protocols leave the clip out
        numbers = [clip.onset, clip.apex if clip.used else clip.onset, clip.offset]
        film = clip.sequence.split("_")[0].replace("j", "J")  # upper case in the labels only
        # both spellings occur
        emotion = clip.emotion.capitalize() if number % 2 == 0 else clip.emotion
        rows.append([clip.subject, film, *numbers, units[clip], objective_class(clip.emotion), emotion])
    return "label", rows


_SHEETS = {"casme2": _casme2_sheet, "samm": _samm_sheet, "casme3": _casme3_sheet}
