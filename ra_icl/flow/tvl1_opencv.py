"""TV-L1 optical flow by OpenCV's DualTVL1."""

import cv2
import numpy as np

VERSION = cv2.__version__
PAIRS_AT_ONCE = 1  # they are worked on one by one: a caller need not collect any


def tvl1(
    onset: np.ndarray,
    frames: np.ndarray,
    *,
    tau: float,
    lambda_: float,
    theta: float,
    scales: int,
    warps: int,
    epsilon: float,
    inner_iterations: int,
    outer_iterations: int,
    gamma: float,
    scale_step: float,
    median_filter: int,
    presmooth: float = 0.0,
    pyramid_smooth: float = 0.0,
) -> np.ndarray:
    """Return the TV-L1 flow from the onset to each of `frames`, one thread.

    onset: (H, W) uint8 for all frames, or (N, H, W), one for each. frames: (N, H, W) uint8.
    The parameters are DualTVL1's, under its names; it has no smoothing, so the last two have to be 0.
    Returns (N, 2, H, W) float32: u (right) and v (down) in pixels, so that
    frame(x + u, y + v) = onset(x, y).
    OpenCV 4 rounds warp coordinates to 1/32 px and 5 does not: keep VERSION beside what comes out.
    """
    # Pairs are run side by side as processes; threads within a pair would only fight over the cores.
    cv2.setNumThreads(1)
    solver = cv2.optflow.DualTVL1OpticalFlow_create(
        tau=tau,
        lambda_=lambda_,
        theta=theta,
        nscales=scales,
        warps=warps,
        epsilon=epsilon,
        innnerIterations=inner_iterations,  # three n: OpenCV's own spelling
        outerIterations=outer_iterations,
        scaleStep=scale_step,
        gamma=gamma,
        medianFiltering=median_filter,
    )
    result = np.empty((len(frames), 2, *frames.shape[1:]), np.float32)
    for out, first, frame in zip(result, np.broadcast_to(onset, frames.shape), frames, strict=True):
        out[:] = solver.calc(first, frame, None).transpose(2, 0, 1)
    return result
