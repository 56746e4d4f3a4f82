"""Optical strain: the magnitude of the local deformation that a flow field describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ra_icl.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def optical_strain(flow: np.ndarray | Tensor) -> np.ndarray | Tensor:
    """Return the strain magnitude of a flow field (third channel of Eq. 2).

    epsilon = sqrt(exx^2 + eyy^2 + 2 exy^2), with exx = du/dx, eyy = dv/dy and
    exy = (du/dy + dv/dx) / 2 by central differences (one-sided on the border).

    flow: (..., 2, H, W), array or torch tensor, channels u (right) and v (down) in pixels. Returns (..., H, W), per
    pixel, of the same kind and floating dtype; a translation or a small rotation gives zero.
    Raises InputError for another shape or a side of one pixel.
    """
    if flow.ndim < 3 or flow.shape[-3] != 2 or min(flow.shape[-2:]) < 2:
        raise InputError(f"strain needs flow of shape (..., 2, H, W), H and W >= 2; got {tuple(flow.shape)}")
    du_dy, du_dx = _slopes(flow[..., 0, :, :])
    dv_dy, dv_dx = _slopes(flow[..., 1, :, :])
    exy = (du_dy + dv_dx) / 2
    return (du_dx**2 + dv_dy**2 + 2 * exy**2) ** 0.5


def _slopes(component: np.ndarray | Tensor) -> tuple:
    """The slopes down and to the right."""
    if isinstance(component, np.ndarray):
        return np.gradient(component, axis=(-2, -1))
    from torch import gradient  # the other backends do without torch

    return gradient(component, dim=(-2, -1))
