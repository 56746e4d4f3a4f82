"""Optical flow and strain from a subject's face crops: the instance sets of MIR (Eqs. 1-2)."""

from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from tqdm import tqdm

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.flow.strain import optical_strain
from ra_icl.options import require_choice
from ra_icl.sampling import Sampling, apex_position, sample

BACKENDS = ("numba", "opencv")


@dataclass(frozen=True)
class FlowOptions:
    """TV-L1 and its parameters; the defaults are those of OpenCV's DualTVL1.

    backend: numba (the same scheme with an exact warp, compiled, whatever the version of OpenCV) or opencv
    (cv2.optflow.DualTVL1OpticalFlow, the reference).
    tau, theta: step and tightness of the scheme; lambda_: weight of the data term, smaller is smoother.
    scales, scale_step: pyramid levels and the ratio between them; warps: warps per level.
    epsilon: stopping threshold; inner_iterations, outer_iterations: at most so many per warp.
    gamma: weight of the illumination term, 0 is off (opencv alone has it); median_filter: size of the filter, 1 is off.
    Raises ValueError for a value out of range.
    """

    backend: str = "numba"
    tau: float = 0.25
    lambda_: float = 0.15
    theta: float = 0.3
    scales: int = 5
    warps: int = 5
    epsilon: float = 0.01
    inner_iterations: int = 30
    outer_iterations: int = 10
    gamma: float = 0.0
    scale_step: float = 0.8
    median_filter: int = 5

    def __post_init__(self) -> None:
        require_choice("backend", self.backend, BACKENDS)
        require_choice("median_filter", self.median_filter, (1, 3, 5))
        for field in fields(self):
            if field.type is not str:
                _require_positive(field.name, getattr(self, field.name), field.type)
        if self.gamma and self.backend != "opencv":
            raise ValueError(
                f"gamma is {self.gamma}; backend {self.backend} has no illumination term: set 0, or opencv"
            )
        if self.scale_step >= 1:
            raise ValueError(f"scale_step is {self.scale_step}; give a ratio below 1")


def flow(onset: np.ndarray, frames: np.ndarray, options: FlowOptions) -> np.ndarray:
    """Return the optical flow from the onset to each frame (Eq. 1).

    onset: (H, W) or (H, W, 3) RGB, uint8. frames: (N, H, W[, 3]) uint8, N >= 1. Colour is made grey.
    Returns (N, 2, H, W) float32: u (right) and v (down) in pixels of the crop.
    Raises InputError for another type, frames of another size than the onset, or no frames.
    """
    onset, frames = np.asarray(onset), _stack(frames)
    _check(onset, frames)
    return _backend(options.backend).tvl1(_grey(onset), _grey(frames), **_parameters(options))


def flow_maps(onset: np.ndarray, frames: np.ndarray, options: FlowOptions) -> np.ndarray:
    """Return the flow maps [u, v, strain] of the onset against each frame (Eq. 2).

    Shapes of onset and frames, and errors, as `flow`. Returns (N, 3, H, W) float32.
    """
    field = flow(onset, frames, options)
    return np.concatenate([field, optical_strain(field)[:, None]], axis=1)


def flow_subject(crops: Path, index: pd.DataFrame, out: Path, sampling: Sampling, options: FlowOptions) -> None:
    """Write the flow maps of one subject's sequences to `out`.

    crops: file of `faces.crop_subject`. index: the subject's rows; each needs its crops.
    out: a float16 tensor (N, 3, H, W) per sequence, channels u, v (pixels) and strain. Metadata:
    sampling, options, backend and version, and per sequence `positions`, `frames` (their numbers)
    and `apex` (position, or null).
    Raises InputError where the crops do not hold a sequence of the index.
    """
    if index.empty:
        raise InputError(f"{out}: the index has no sequence of this subject; check the name")
    frames, source = files.load_tensors(crops)
    tensors, sequences = {}, {}
    for row in tqdm(index.itertuples(), f"flow {Path(out).stem}", len(index), unit="sequence"):
        key = f"{row.dataset}/{row.subject}/{row.sequence}"
        clip = frames.get(row.sequence)
        numbers = source.get("sequences", {}).get(row.sequence, {}).get("frames", [])
        if clip is None or len(clip) != len(numbers):
            raise InputError(f"{crops}: does not hold {key} whole; delete it and run again")
        used = _used_frames(numbers, row.apex, sampling, key)
        tensors[row.sequence] = flow_maps(clip[0], clip[used["positions"]], options).astype("f2")
        sequences[row.sequence] = used
    files.save_tensors(out, tensors, _metadata(sampling, options) | {"sequences": sequences})


def _used_frames(numbers: list[int], apex, sampling: Sampling, key: str) -> dict:
    """Positions and numbers of the sampled frames, as the metadata keeps them."""
    position = apex_position(numbers, None if pd.isna(apex) else int(apex))
    positions = sample(len(numbers), position, sampling, key)
    return {
        "positions": positions,
        "frames": [numbers[position] for position in positions],
        "apex": position,
    }


def _metadata(sampling: Sampling, options: FlowOptions) -> dict:
    return {
        "sampling": asdict(sampling) | {"name": sampling.name},
        "options": asdict(options),
        "backend": options.backend,
        "version": _backend(options.backend).VERSION,
    }


def _backend(name: str) -> ModuleType:
    """The backend's module; imported when it is used, so that reading FlowOptions waits for nothing."""
    return import_module(f"ra_icl.flow.tvl1_{name}")


def _parameters(options: FlowOptions) -> dict:
    values = asdict(options)
    del values["backend"]
    return values


def _stack(frames: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(frames)
    except ValueError as error:
        raise InputError("flow: frames of different sizes; crop them all alike") from error


def _check(onset: np.ndarray, frames: np.ndarray) -> None:
    if len(frames) == 0:
        raise InputError("flow: no frames after the onset; check the sampling")
    if onset.dtype != np.uint8 or frames.dtype != np.uint8:
        kinds = f"{onset.dtype} and {frames.dtype}"
        raise InputError(f"flow: onset and frames are {kinds}; give uint8 grey levels")
    if onset.ndim not in (2, 3) or onset.shape[2:] not in ((), (3,)):
        raise InputError(f"flow: onset of shape {onset.shape}; give (H, W) or (H, W, 3)")
    if frames.shape[1:] != onset.shape:
        sizes = f"{frames.shape[1:]}, the onset of {onset.shape}"
        raise InputError(f"flow: frames of shape {sizes}; crop them all alike")


def _grey(images: np.ndarray) -> np.ndarray:
    """(..., H, W, 3) RGB to (..., H, W) luma, ITU-R BT.601 as OpenCV's; grey stays as it is."""
    if images.shape[-1] != 3 or images.ndim < 3:
        return np.ascontiguousarray(images)
    return np.rint(images @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.uint8)


def _require_positive(name: str, value: float, kind: type) -> None:
    """Raise ValueError unless `value` is a positive number of `kind`; gamma may be zero."""
    if kind is int and type(value) is not int:
        raise ValueError(f"{name} is {value!r}; give an integer")
    if type(value) not in (int, float):
        raise ValueError(f"{name} is {value!r}; give a number (YAML takes 1e-3 as text: write 0.001)")
    if not (value > 0 or (name == "gamma" and value == 0)) or value == float("inf"):
        raise ValueError(f"{name} is {value}; give a positive number")
