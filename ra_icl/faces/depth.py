"""Depth crops: depth images cut as their colour frames were, with only the face left in them."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from ra_icl import files
from ra_icl.datasets.depth import depth_files, read_depth
from ra_icl.datasets.frames import read_image, sequence_frames
from ra_icl.errors import InputError
from ra_icl.faces.align import cut
from ra_icl.faces.stabilise import without_head

REACH = 200.0  # mm before and behind the middle of the face; the authors' grid is 400 mm deep
MEASURED = 0.5  # of the area that a pixel averages, at least; or it counts as not measured
FEW = 0.8  # a share of the middle of the crop that is worth a warning

log = logging.getLogger(__name__)


def crop_depth(
    crops: Path, index: pd.DataFrame, root: str | Path, out: Path, wanted: Callable[[Any, list[int]], list[int]]
) -> None:
    """Write the depth of one subject's sequences to `out`, cut with the transforms of their crops.

    crops: file of `crop_subject`. index: the subject's rows. root: the dataset's folder. wanted: of an index row and
    the numbers of its cropped frames, the positions whose depth is wanted; the first is the onset's, 0.
    out: a float32 tensor (1 + N, size, size) per sequence, see `cut_depth`. Metadata: `frames`, their numbers.
    Raises InputError if the crops lack a sequence, or if a depth image is missing or not as `read_depth` says.
    """
    tensors, sequences = {}, {}
    cropped, size = _cropped(crops)
    rows = index.itertuples()
    for row in tqdm(rows, f"depth {index['subject'].iloc[0]}", len(index), unit="sequence", disable=None):
        name = f"{row.dataset} {row.subject}/{row.sequence}"
        info = cropped.get(row.sequence)
        if info is None:
            raise InputError(f"{crops}: does not hold {name}; {files.RERUN}")
        positions = wanted(row, info["frames"])
        numbers = [info["frames"][position] for position in positions]
        frame_size = _frame_size(row, root)
        images = [read_depth(path, frame_size) for path in depth_files(row, root, numbers)]
        heads = [info["head"][position] for position in positions] if "head" in info else None
        tensors[row.sequence] = crop_images(images, info["transform"], size, heads)
        sequences[row.sequence] = {"frames": numbers}
        _warn(name, numbers, tensors[row.sequence])
    files.save_tensors(out, tensors, {"sequences": sequences})


def crop_images(
    images: Sequence[np.ndarray], transform: list, size: int, heads: Sequence[Sequence[float]] | None = None
) -> np.ndarray:
    """The depth of a face (T, size, size), see `cut_depth`, from depth images (H, W), the onset's first.

    transform: the onset's, 2x3. heads: the head's motion in each, if the crops are without it.
    """
    transforms = [without_head(transform, head, size) for head in heads] if heads else [transform] * len(images)
    middle = _middle(cut_depth(images[0], transform, size))
    return np.stack([cut_depth(image, one, size, middle) for image, one in zip(images, transforms, strict=True)])


def cut_depth(image: np.ndarray, transform: list, size: int, middle: float | None = None) -> np.ndarray:
    """Cut one depth image as `align.cut` cuts its colour frame: (size, size) float32 in mm, 0 where not measured.

    image: (H, W) uint16 in mm, 0 where not measured. middle: depth of the face; what is more than REACH before or
    behind it counts as not measured, so that no pixel mixes the face with the wall. Only measurements are averaged: a
    pixel between 600 mm and none has 600 mm, not 300.
    """
    measured = image > 0
    if middle is not None:
        measured &= np.abs(image.astype(np.float32) - middle) <= REACH
    share = cut(measured.astype(np.float32), transform, size, cv2.INTER_LINEAR)
    total = cut(np.where(measured, image, 0).astype(np.float32), transform, size, cv2.INTER_LINEAR)
    return np.where(share >= MEASURED, total / np.maximum(share, MEASURED), 0).astype(np.float32)


def _cropped(crops: Path) -> tuple[dict[str, dict], int]:
    """{sequence: how it was cropped} and the side of the crops."""
    with files.open_tensors(crops) as file:
        sequences = file.metadata.get("sequences", {})
        found = {name: info for name, info in sequences.items() if name in file.names and "transform" in info}
        sizes = {file.shape(name)[1] for name in found}
    return found, sizes.pop() if sizes else 0


def _frame_size(row, root: str | Path) -> tuple[int, int]:
    """Height and width of the colour frames; the crops saw to it that they are alike."""
    _, frame = sequence_frames(row, root, most_missing=1)[0]
    return read_image(frame, grey=True).shape


def _inner(depth: np.ndarray) -> np.ndarray:
    """The middle half of crops (..., H, W), where the face is."""
    quarter = depth.shape[-1] // 4
    return depth[..., quarter : 3 * quarter, quarter : 3 * quarter]


def _middle(onset: np.ndarray) -> float:
    """The median depth in the middle of the onset's crop, 0 if nothing is measured there."""
    inner = _inner(onset)
    return float(np.median(inner[inner > 0])) if inner.any() else 0.0


def _warn(name: str, numbers: Sequence[int], depth: np.ndarray) -> None:
    for number, share in zip(numbers, (_inner(depth) > 0).mean(axis=(1, 2)), strict=True):
        if share < FEW:
            log.warning("%s: depth was measured in %.0f %% of the face in frame %d", name, 100 * share, number)
