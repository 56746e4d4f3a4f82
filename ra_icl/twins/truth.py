"""The truth behind a twin's clip: its motion from the onset to every frame, and where the expression is.

It is kept beside the frames, in truth/{subject}/{sequence}.safetensors: `fields` (K, 2, h, w) float16, the displacement
by each action unit and each distractor at full strength, right and down in pixels of the frame, on every fourth pixel;
`intensity` (K, T) float32, the strength of each in every frame, 0 at the onset. The true flow of a frame is the sum of
the fields weighted by their intensities. The metadata name the action units, to which the first fields belong; the
other fields are distractors. Those of the study's twins also hold `parts`, the role and the unit of each field.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.twins.motion import STEP, Motion, enlarged

ACTIVE = 0.2  # a place is active if the expression moves it by this share of the largest displacement


@dataclass(frozen=True)
class Truth:
    """What `write_truth` keeps of a clip. units: the action units, to which the first fields belong; onset: its number.

    fields: (K, 2, h, w). intensity: (K, T). size: (width, height) of the frame. parts: of the study's twins, the role
    (first, second, distractor, head) and the unit of each field.
    """

    fields: np.ndarray
    intensity: np.ndarray
    units: tuple[str, ...]
    onset: int
    size: tuple[int, int]
    parts: tuple[tuple[str, str], ...] = ()

    def flow(self, position: int) -> np.ndarray:
        """True displacement (2, H, W) from the onset to `position`, right and down in pixels of the frame."""
        coarse = np.tensordot(self.intensity[:, position], self.fields, axes=1).transpose(1, 2, 0)
        return enlarged(np.ascontiguousarray(coarse, np.float32), self.size).transpose(2, 0, 1)

    def active(self) -> np.ndarray:
        """(H, W) bool: where the expression, without distractors, moves the skin."""
        count = len(self.units)
        peak = self.intensity[:count].max(axis=1)
        coarse = np.tensordot(peak, self.fields[:count], axes=1).transpose(1, 2, 0)
        moved = np.linalg.norm(enlarged(np.ascontiguousarray(coarse, np.float32), self.size), axis=2)
        return moved > ACTIVE * moved.max()

    def peaks(self, role: str) -> np.ndarray:
        """(T,): the largest displacement by the fields of `role` in each frame, in pixels of the frame; 0 if none."""
        return self._moved(role).max(axis=(1, 2))

    def region(self, role: str, position: int | None = None) -> np.ndarray:
        """(H, W) bool: where the fields of `role` move the skin in the frame at `position`, or else in any frame.

        It is empty if the clip has no such field, or if none acts in that frame.
        """
        moved = self._moved(role)
        here = moved.max(axis=0) if position is None else moved[position]
        return enlarged(here, self.size) > max(ACTIVE * moved.max(), 1e-6)

    def _moved(self, role: str) -> np.ndarray:
        """(T, h, w): the length of the displacement by the fields of `role`."""
        chosen = [kind == role for kind, _ in self.parts]
        if not any(chosen):
            return np.zeros((self.intensity.shape[1], *self.fields.shape[2:]), np.float32)
        return np.linalg.norm(np.einsum("kt,kchw->tchw", self.intensity[chosen], self.fields[chosen]), axis=1)

    def crop_flow(self, position: int, transform: list, size: int) -> np.ndarray:
        """`flow` as seen in a crop: (2, size, size) in pixels of the crop. transform: 2x3, frame to crop."""
        turn = np.array(transform)[:, :2]
        return np.einsum("ij,jyx->iyx", turn, _cut(self.flow(position).transpose(1, 2, 0), transform, size))

    def crop_active(self, transform: list, size: int) -> np.ndarray:
        """`active` as seen in a crop: (size, size) bool."""
        return _cut(self.active().astype(np.float32)[..., None], transform, size)[0] > 0.5

    def crop_region(self, role: str, transform: list, size: int, position: int | None = None) -> np.ndarray:
        """`region` as seen in a crop: (size, size) bool."""
        return _cut(self.region(role, position).astype(np.float32)[..., None], transform, size)[0] > 0.5


def truth_file(root: Path, subject: str, sequence: str) -> Path:
    """The file with the truth of a sequence, below the root of a twin."""
    return Path(root, "truth", subject, f"{sequence}.safetensors")


def write_truth(path: Path, motion: Motion, onset: int) -> None:
    """Write the motion of a clip; onset: number of its first frame."""
    tensors = {"fields": motion.fields.astype(np.float16), "intensity": motion.intensity.astype(np.float32)}
    record = {"units": motion.units, "onset": onset, "size": motion.size, "step": STEP}
    files.save_tensors(path, tensors, record | ({"parts": motion.parts} if motion.parts else {}))


def read_truth(path: Path) -> Truth:
    """Read what `write_truth` wrote. Raises InputError if it cannot be read."""
    tensors, record = files.load_tensors(path)
    if "fields" not in tensors:
        raise InputError(f"{path}: contains no true motion; render the twin again")
    fields = tensors["fields"].astype(np.float32)
    parts = tuple(map(tuple, record.get("parts", ())))
    return Truth(fields, tensors["intensity"], tuple(record["units"]), record["onset"], tuple(record["size"]), parts)


def _cut(image: np.ndarray, transform: list, size: int) -> np.ndarray:
    """(C, size, size) from (H, W, C), sampled linearly."""
    matrix = np.array(transform, float)
    # Transforms measure from the corner of the image, warpAffine from the centre of its first pixel.
    matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    cut = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.atleast_3d(cut).transpose(2, 0, 1)
