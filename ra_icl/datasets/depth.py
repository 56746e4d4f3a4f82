"""Depth images of a sequence: of CAS(ME)³ alone, one beside each colour frame and with its number.

An image has one channel of 16 bits: millimetres from the camera, 0 where nothing was measured.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ra_icl.datasets.casme3 import depth_folder
from ra_icl.datasets.frames import frame_files, frame_source
from ra_icl.datasets.images import read_picture
from ra_icl.datasets.left_out import exclusion
from ra_icl.errors import FaultKind

DATASETS = ("casme3",)  # those that have depth

_WAYS_OUT = "or do without methods that have sampling.depth, or {exclusion}"
_EXAMPLE = {"where": "casme3 spNO.1/a_355", "exclusion": exclusion("casme3", "spNO.1/a_355")}
_FILE = {"where": "/data/part_A/spNO.1/a/depth/355.png"}
NO_FOLDER = FaultKind(
    "depth-folder-missing",
    "depth folder {source} is missing",
    "get the depth of part A from the owners of CAS(ME)³, " + _WAYS_OUT,
    _EXAMPLE | {"source": "/data/part_A/spNO.1/a/depth"},
)
NO_IMAGE = FaultKind(
    "depth-image-missing",
    "the depth of frame {numbers} is missing in {source}",
    "restore it, " + _WAYS_OUT,
    _EXAMPLE | {"source": "/data/part_A/spNO.1/a/depth", "numbers": "355 and 361"},
)
NOT_DEPTH = FaultKind(
    "depth-format",
    "has {channels} of {bits} bits",
    "depth is one channel of 16 bits, in millimetres: restore it as it was given out",
    _FILE | {"channels": "1 channel", "bits": 8},
)
OTHER_SIZE = FaultKind(
    "depth-size",
    "is {width}x{height}, the colour frames {frame_width}x{frame_height}",
    "a depth image must lie on its colour frame pixel by pixel: restore it as it was given out",
    _FILE | {"width": 640, "height": 480, "frame_width": 1280, "frame_height": 720},
)


def depth_files(row, root: str | Path, numbers: Sequence[int]) -> list[Path]:
    """The depth images of the frames `numbers` of an index row (a Series or a named tuple).

    root: the dataset's folder. Raises InputError naming the sequence if its depth folder, or the depth of one of these
    frames, is missing.
    """
    name, source = f"{row.dataset} {row.subject}/{row.sequence}", depth_folder(frame_source(row, root))
    values = {"source": source, "exclusion": exclusion(row.dataset, f"{row.subject}/{row.sequence}")}
    try:
        files = frame_files(source)
    except (FileNotFoundError, NotADirectoryError):
        raise NO_FOLDER.error(name, **values) from None
    missing = [str(number) for number in numbers if number not in files]
    if missing:
        raise NO_IMAGE.error(name, numbers=" and ".join(missing), **values)
    return [files[number] for number in numbers]


def read_depth(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Read a depth image (H, W) uint16, in mm; size: height and width of the colour frames.

    Raises InputError if it is no whole image, not of one channel of 16 bits, or of another size.
    """
    image = read_picture(path, grey=None).image
    if image.ndim != 2 or image.dtype.itemsize != 2:
        number = 1 if image.ndim == 2 else image.shape[2]
        channels = f"{number} channel{'s' if number > 1 else ''}"
        raise NOT_DEPTH.error(path, channels=channels, bits=8 * image.dtype.itemsize)
    if image.shape != tuple(size):
        (height, width), (frame_height, frame_width) = image.shape, size
        sizes = {"width": width, "height": height, "frame_width": frame_width, "frame_height": frame_height}
        raise OTHER_SIZE.error(path, **sizes)
    return image
