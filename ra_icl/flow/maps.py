"""Optical flow and strain between face crops: the instances of MIR (Eqs. 1-2)."""

from dataclasses import asdict
from importlib import import_module
from types import ModuleType

import numpy as np

from ra_icl.errors import InputError
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.strain import optical_strain


def flow(onset: np.ndarray, frames: np.ndarray, options: FlowOptions) -> np.ndarray:
    """Return the optical flow from the onset to each frame (Eq. 1).

    frames: (N, H, W) or (N, H, W, 3) RGB, uint8, N >= 1. onset: (H, W[, 3]) for all of them, or (N, H, W[, 3]), one for
    each. Colour is converted to grey.
    Returns (N, 2, H, W) float32: u (right) and v (down) in pixels of the crop.
    Raises InputError if the type is not uint8, the frames differ in size from the onset, or there are none.
    """
    onset, frames = _checked(onset, frames)
    return backend_of(options.backend).tvl1(onset, frames, **asdict(options.parameters))


def flow_maps(onset: np.ndarray, frames: np.ndarray, options: FlowOptions) -> np.ndarray:
    """Return the flow maps [u, v, strain] of the onset against each frame (Eq. 2).

    Shapes of onset and frames, and errors, as `flow`. Returns (N, 3, H, W) float32.
    """
    if options.backend == "torch":  # strain is computed where the flow is
        onset, frames = _checked(onset, frames)
        return backend_of("torch").tvl1(onset, frames, strain=True, **asdict(options.parameters))
    field = flow(onset, frames, options)
    return np.concatenate([field, optical_strain(field)[:, None]], axis=1)


def backend_of(name: str) -> ModuleType:
    """Import the module of a backend.

    Raises InputError if Numba finds no folder to keep its compiled code in.
    """
    try:
        return import_module(f"ra_icl.flow.tvl1_{name}")
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
        raise InputError(
            "flow: Numba can write its compiled code neither to the package's folder nor to your home folder; set the "
            "environment variable NUMBA_CACHE_DIR to a folder that you can write to"
        ) from error


def _checked(onset: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Onset (H, W) or (N, H, W) and frames (N, H, W), grey; raises as `flow` says."""
    onset, frames = _stack(onset), _stack(frames)
    _check(onset, frames)
    return grey(onset, frames.ndim == 4), grey(frames, frames.ndim == 4)


def _stack(images: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(images)
    except ValueError as error:
        raise InputError("flow: frames of different sizes; crop them all alike") from error


def _check(onset: np.ndarray, frames: np.ndarray) -> None:
    if frames.ndim and len(frames) == 0:
        raise InputError("flow: no frames after the onset; check the sampling")
    if onset.dtype != np.uint8 or frames.dtype != np.uint8:
        kinds = f"{onset.dtype} and {frames.dtype}"
        raise InputError(f"flow: onset and frames are {kinds}; give uint8 grey levels")
    # A width of 3 in a stack of three dimensions is one colour image whose axis of frames was forgotten.
    if frames.ndim not in (3, 4) or frames.shape[3:] not in ((), (3,)) or frames.shape[2:] == (3,) or 0 in frames.shape:
        raise InputError(f"flow: frames of shape {frames.shape}; give (N, H, W) or (N, H, W, 3)")
    if onset.shape not in (frames.shape, frames.shape[1:]):
        sizes = f"{frames.shape}, onset of shape {onset.shape}"
        raise InputError(f"flow: frames of shape {sizes}; crop them all alike, one onset for all or one for each")


def grey(images: np.ndarray, colour: bool) -> np.ndarray:
    """(..., H, W, 3) RGB to (..., H, W) luma, ITU-R BT.601 as OpenCV's; grey stays as it is."""
    if not colour:
        return np.ascontiguousarray(images)
    return np.rint(images @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.uint8)
