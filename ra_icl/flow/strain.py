"""Optical strain: the magnitude of the local deformation that a flow field describes."""

import numpy as np

from ra_icl.errors import InputError


def optical_strain(flow: np.ndarray) -> np.ndarray:
    """Return the strain magnitude of a flow field (third channel of Eq. 2).

    epsilon = sqrt(exx^2 + eyy^2 + 2 exy^2), with exx = du/dx, eyy = dv/dy and
    exy = (du/dy + dv/dx) / 2 by central differences (one-sided on the border).

    flow: (..., 2, H, W), channels u (right) and v (down) in pixels. Returns (..., H, W), per pixel,
    of the same floating dtype; a translation or a small rotation gives zero.
    Raises InputError for another shape or a side of one pixel.
    """
    if flow.ndim < 3 or flow.shape[-3] != 2 or min(flow.shape[-2:]) < 2:
        raise InputError(f"strain needs flow of shape (..., 2, H, W), H and W >= 2; got {flow.shape}")
    u, v = flow[..., 0, :, :], flow[..., 1, :, :]
    du_dy, du_dx = np.gradient(u, axis=(-2, -1))
    dv_dy, dv_dx = np.gradient(v, axis=(-2, -1))
    exy = (du_dy + dv_dx) / 2
    return np.sqrt(du_dx**2 + dv_dy**2 + 2 * exy**2)
