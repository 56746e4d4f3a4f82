"""Face crops: the face of the onset frame, eyes levelled, cut from every frame with the same transform."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from ra_icl import files
from ra_icl.datasets.damage import Inspection
from ra_icl.datasets.frames import Frame, file_stamps, read_frames, sequence_bits, sequence_frames
from ra_icl.errors import FaultKind
from ra_icl.faces.align import cut
from ra_icl.faces.landmarks import detector_record
from ra_icl.faces.onset import find_face
from ra_icl.faces.options import FaceOptions
from ra_icl.faces.stabilise import Stabiliser

NOTHING_TO_CROP = FaultKind(
    "crops-no-frames", "no frames to crop", "check its frame folder", {"where": "samm 006/006_1_2"}
)
NO_SEQUENCE = FaultKind(
    "crops-no-sequence",
    "the index has no sequence of this subject",
    "check the name",
    {"where": "crops/samm/006.safetensors"},
)

log = logging.getLogger(__name__)


def crop_sequence(
    frames: Sequence[Frame],
    options: FaceOptions,
    name: str,
    find: Callable[[np.ndarray, FaceOptions, str], dict] = find_face,
) -> tuple[np.ndarray, dict]:
    """Cut the face out of a sequence, using the onset frame's transform for every frame.

    frames: image files or frames of a video, the onset first. name: of the sequence, for messages. find: what finds
    the face on the onset frame and says so if there is none, as `find_face` does in the words of a dataset.
    Returns uint8 crops (T, size, size[, 3]) and how they were made: `found` (eyes, box or whole_frame), `attempt` (the
    number of the try that found the face, from 1), `box` and `eyes` (frame pixels, or null), `others` (the boxes of the
    faces that were not taken), `transform` (2x3, frame to crop pixels, both measured from the image's corner), `bits`
    (of the grey levels in the files; all frames have the scale of these), `marks` (what `Inspection` finds, in words)
    and, if the head is stabilised, `head` (per frame: right and down in crop pixels, degrees).
    Raises InputError if a frame cannot be read, frames differ in size or no face is found.
    """
    if not frames:
        raise NOTHING_TO_CROP.error(name)
    bits, inspection = sequence_bits(frames, options.bits), Inspection(options.bits)
    images = read_frames(frames, options.grey, bits, inspection.see)
    onset = next(images)
    info = find(onset, options, name)
    crops = np.empty((len(frames), options.size, options.size, *onset.shape[2:]), np.uint8)
    crops[0] = cut(onset, info["transform"], options.size)
    if options.stabilise == "rigid":
        info |= {"head": _cut_stabilised(crops, images, info["transform"])}
    else:
        for crop, image in zip(crops[1:], images, strict=True):
            crop[:] = cut(image, info["transform"], options.size)
    marks = inspection.marks()
    for mark in marks:
        log.warning("%s: %s", name, mark)
    return crops, info | {"bits": bits, "marks": marks}


def crop_subject(index: pd.DataFrame, root: str | Path, out: Path, options: FaceOptions) -> None:
    """Write the crops of one subject's sequences to `out`.

    index: the subject's rows. root: the dataset's folder. out: a uint8 tensor (T, size, size[, 3]) per sequence.
    Metadata: options, OpenCV's version, `detector` (name, version, model and its SHA-256) and, per sequence, `frames`
    (their numbers), `offset` (the row's, which may be missing among them), `files` (the `file_stamps` of what was read)
    and `crop_sequence`'s info.
    Raises InputError like `crop_sequence`, or if frames of a sequence are missing.
    """
    if index.empty:
        raise NO_SEQUENCE.error(out)
    clips, sequences = {}, {}
    subject = index["subject"].iloc[0]
    for _, row in tqdm(index.iterrows(), f"crops {subject}", len(index), unit="sequence", disable=None):
        name = f"{row['dataset']} {row['subject']}/{row['sequence']}"
        numbers, frames = zip(*sequence_frames(row, root, options.missing_frames), strict=True)
        total = row["offset"] - row["onset"] + 1
        if len(frames) < total:
            log.warning("%s: %d of %d frames are missing", name, total - len(frames), total)
        stamps = file_stamps(frames)  # before they are read: a change during that is noticed later
        clips[row["sequence"]], info = crop_sequence(frames, options, name)
        sequences[row["sequence"]] = {"frames": list(numbers), "offset": int(row["offset"]), "files": stamps} | info
    record = {"options": asdict(options), "opencv": cv2.__version__, "detector": detector_record(options)}
    files.save_tensors(out, clips, record | {"sequences": sequences})


def _cut_stabilised(crops: np.ndarray, images: Iterable[np.ndarray], transform: list) -> list[list[float]]:
    """Fill crops[1:] with the head's motion removed, each by a single interpolation; returns that motion."""
    size = crops.shape[1]
    stabiliser = Stabiliser(crops[0])
    head = [[0.0, 0.0, 0.0]]
    for crop, image in zip(crops[1:], images, strict=True):
        steady, motion = stabiliser.steady(cut(image, transform, size), transform)
        crop[:] = cut(image, steady, size)
        head.append(motion)
    return head
