"""Optical flow and strain between face crops: the instances of MIR (Eqs. 1-2)."""

from dataclasses import asdict
from importlib import import_module
from types import ModuleType

import numpy as np

from ra_icl.errors import InputError
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.strain import optical_strain

__all__ = ["FlowOptions", "flow", "flow_maps", "optical_strain"]


def flow(onset: np.ndarray, frames: np.ndarray, options: FlowOptions) -> np.ndarray:
    """Return the optical flow from the onset to each frame (Eq. 1).

    onset: (H, W) or (H, W, 3) RGB, uint8. frames: (N, H, W[, 3]) uint8, N >= 1. Colour is made grey.
    Returns (N, 2, H, W) float32: u (right) and v (down) in pixels of the crop.
    Raises InputError for another type, frames of another size than the onset, or no frames.
    """
    onset, frames = np.asarray(onset), _stack(frames)
    _check(onset, frames)
    return _backend(options.backend).tvl1(_grey(onset), _grey(frames), **asdict(options.parameters))


def flow_maps(onset: np.ndarray, frames: np.ndarray, options: FlowOptions) -> np.ndarray:
    """Return the flow maps [u, v, strain] of the onset against each frame (Eq. 2).

    Shapes of onset and frames, and errors, as `flow`. Returns (N, 3, H, W) float32.
    """
    field = flow(onset, frames, options)
    return np.concatenate([field, optical_strain(field)[:, None]], axis=1)


def _backend(name: str) -> ModuleType:
    """The backend's module; imported when it is used, so that reading FlowOptions waits for nothing."""
    return import_module(f"ra_icl.flow.tvl1_{name}")


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
