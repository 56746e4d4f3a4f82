"""Depth images of the twin of CAS(ME)³: a face in front of a wall, in mm, that moves as its colour frames do.

They are rendered into a twin only when a method wants them. Skin comes forward by as much as it moves sideways, so that
the true change of depth follows from the true motion.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ra_icl.errors import InputError
from ra_icl.twins.faces import Face, outline, relief
from ra_icl.twins.motion import Motion, face_grid
from ra_icl.twins.plan import LAYOUTS, Clip, TwinOptions, clips, stream
from ra_icl.twins.render import clip_motion, subject_face, write_frame

DATASET = "casme3"
FACE, CAMERA, WALL = 140.0, 650.0, 1500.0  # mm: width of a face, from the camera to its cheeks' edge, and to the wall
SLOPE = np.array([60.0, 25.0])  # mm per face width by which the wall goes back to the right and down
RIM = (0.94, 1.12)  # of `outline`: along it, cameras measure nothing
SPECKS = 0.002  # share of pixels without a measurement
NOISE = 0.5  # mm: standard deviation


def render_depth(root: Path, options: TwinOptions) -> None:
    """Write a depth image beside every colour frame of the twin of CAS(ME)³ in folder `root`.

    options: those that the twin was rendered with. Raises InputError if a clip has no folder in `root`.
    """
    planned = clips(DATASET, options)
    cv2.setNumThreads(1)
    with tqdm(total=len(planned), desc=f"{DATASET} twin, depth", unit="clip", disable=None) as bar:
        for _, of_subject in groupby(planned, key=lambda clip: clip.subject):
            face = None
            for clip in of_subject:
                face = face or subject_face(clip, options)
                _write_clip(root, clip, face, options)
                bar.update()


def depth_frames(face: Face, motion: Motion, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the depth images of a clip from onset to offset: (H, W) uint16 in mm, 0 where nothing is measured.

    face: as it sits in this clip.
    """
    x, y = face_grid(face, step=1)
    edge = outline(x, y, face.look)
    wall = WALL + SLOPE[0] * x + SLOPE[1] * y
    surface = np.float32(np.where(edge < 1, CAMERA - FACE * relief(x, y, face.look), wall))
    measured = np.uint8((edge < RIM[0]) | (edge > RIM[1]))
    width, height = motion.size
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    for position in range(motion.intensity.shape[1]):
        backward = motion.backward(position)
        source = cv2.subtract(grid, backward)
        depth = cv2.remap(surface, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        depth -= FACE / face.width * np.linalg.norm(backward, axis=2)
        depth += NOISE * rng.standard_normal(depth.shape, np.float32)
        seen = cv2.remap(measured, source, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE) > 0
        seen &= rng.random(depth.shape, np.float32) >= SPECKS
        yield np.where(seen, np.rint(depth), 0).astype(np.uint16)


def _write_clip(root: Path, clip: Clip, face: Face, options: TwinOptions) -> None:
    colour = root / LAYOUTS[DATASET].frames / clip.folder
    if not colour.is_dir():
        raise InputError(f"{colour}: is missing; render the twin with the same options first: ra-icl twins")
    folder = colour.with_name("depth")
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(stream(options, DATASET, clip.subject, clip.sequence, "depth").getrandbits(64))
    for number, depth in enumerate(depth_frames(*clip_motion(face, clip, options), rng), clip.onset):
        if number != clip.missing:
            write_frame(folder / f"{number}.png", depth)
