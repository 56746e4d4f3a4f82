"""A clip recognised: detect the face on the onset frame, crop, flow, classify, each by the code of the workflow."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ra_icl.errors import InputError
from ra_icl.faces.crop import crop_sequence
from ra_icl.faces.landmarks import find
from ra_icl.faces.onset import face_info
from ra_icl.faces.options import FaceOptions
from ra_icl.files import checksum
from ra_icl.flow.subjects import sequence_maps
from ra_icl.recognition.clips import Clip, clip_frames, remarks
from ra_icl.recognition.model import Model
from ra_icl.training.instances import InstanceSets, StoredFlow, instance_sets
from ra_icl.training.prediction import predict

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recognition:
    """What a model says of a clip, and what it was shown.

    numbers: of the T frames from onset to offset. crops: (T, H, W[, 3]) uint8. face: `crop_sequence`'s info, whose
    `marks` include what `clips.remarks` says of the clip. positions:
    of the N sampled frames among the T. maps: (N, 3, H, W) float16, u, v (pixels of the crop) and strain. inputs: the
    same as the network sees them. probabilities: {class: its probability}, in the model's order.
    """

    clip: Clip
    numbers: list[int]
    crops: np.ndarray
    face: dict[str, Any]
    positions: list[int]
    maps: np.ndarray
    inputs: torch.Tensor
    probabilities: Mapping[str, float]

    @property
    def prediction(self) -> str:
        """The most probable class."""
        return max(self.probabilities, key=lambda name: self.probabilities[name])


def recognise(model: Model, clip: Clip | str | Path) -> Recognition:
    """Recognise the expression of a clip; of a path alone it lasts from the first frame to the last.

    Raises InputError as `clip_frames` does, if a frame cannot be read, or if no face is found on the onset frame.
    """
    clip = clip if isinstance(clip, Clip) else Clip(clip)
    name = str(clip.path)
    if clip.apex is None and "apex" in model.sampling.mode:
        log.warning("%s: this model looks at the apex; none is given, and the middle frame stands for it", name)
    numbers, frames = clip_frames(clip, model.faces.missing_frames)
    seen = remarks(clip, numbers)
    for remark in seen:
        log.warning("%s: %s", name, remark)
    crops, face = crop_sequence(frames, model.faces, name, _find_face)
    face["marks"] = [*seen, *face["marks"]]
    maps, used = sequence_maps(crops, numbers, clip.apex, model.sampling, model.flow, name)
    sets = _instance_sets(maps, len(numbers), model)
    (values,) = predict(model.network, sets, model.method)
    probabilities = {name: float(value) for name, value in zip(model.classes, values, strict=True)}
    return Recognition(clip, numbers, crops, face, used["positions"], maps, sets.maps, probabilities)


def _find_face(image: np.ndarray, options: FaceOptions, name: str) -> dict:
    """`onset.find_face` in the words of a clip: no config, no dataset."""
    found = find(image, options)
    if found.box is None and options.fallback == "error":
        raise InputError(
            f"{name}: no face is found on the onset frame; a face has to look at the camera, upright and whole: "
            "look at the frame, or give an --onset that shows one"
        )
    if found.box is None:
        log.warning("%s: no face is found on the onset frame, and the whole frame is used", name)
    elif found.attempt > 1:
        log.warning(
            "%s: the face is found at try %d only, by a looser search; look at the crop: is it a whole face, upright?",
            *(name, found.attempt),
        )
    if found.box is not None and found.eyes is None:
        log.warning("%s: no plausible pair of eyes; look at the crop (--picture): is it a face, upright?", name)
    if found.others:
        log.warning(
            "%s: %d faces are found on the onset frame, of which one %d px wide is taken; if it is another's, cut the "
            "video around the right one",
            *(name, 1 + len(found.others), round(found.box[2])),
        )
    return face_info(found, image.shape[:2], options)


def _instance_sets(maps: np.ndarray, frames: int, model: Model) -> InstanceSets:
    """The instance set of one clip, made as those of a fold are."""
    table = pd.DataFrame({"dataset": ["clip"], "subject": [""], "sequence": [""], "label": [0], "frames": [frames - 1]})
    stored = StoredFlow(Path(), table, (torch.from_numpy(maps),), (checksum(maps),))
    return instance_sets(stored, model.method.input, "cpu")
