"""Pairs of images whose motion is known: a photograph's face under sub-pixel motion."""

import cv2
import numpy as np
from scipy.ndimage import map_coordinates
from skimage import data

BORDER = 8  # pixels, where no flow is judged


def face():
    """A photographed face, (130, 130) float32 grey levels."""
    return cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)[60:190, 160:290].astype(np.float32)


def moving_pair(size, peak, noise, seed):
    """Onset and frame, uint8, and the true flow (2, size, size): a few bumps of sub-pixel motion on a face."""
    rng = np.random.default_rng(seed)
    frame = cv2.resize(face(), (size, size), interpolation=cv2.INTER_CUBIC)
    x, y = np.indices(frame.shape, np.float32)[::-1]
    motion = np.zeros((2, size, size))
    for _ in range(4):
        centre, direction = rng.uniform(0.18 * size, 0.82 * size, 2), rng.normal(size=2)
        radius = rng.uniform(0.055, 0.11) * size
        bump = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * radius**2))
        motion += bump * (direction / np.linalg.norm(direction))[:, None, None]
    motion *= peak / np.linalg.norm(motion, axis=0).max()
    onset = map_coordinates(frame, [y + motion[1], x + motion[0]], order=5, mode="nearest")
    images = [image + noise * rng.normal(size=image.shape) for image in (onset, frame)]
    return *(np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in images), motion


def moving_pairs(size, numbers):
    """Onsets, frames (N, size, size) and motion of several pairs; the number of each decides peak and noise."""
    pairs = [moving_pair(size, (0.2, 0.6, 1.2, 2.5)[number % 4], number // 4 % 3, seed=number) for number in numbers]
    return tuple(map(np.stack, zip(*pairs, strict=True)))


def distance(first, second):
    """Mean endpoint difference inside the border."""
    return np.linalg.norm(first - second, axis=-3)[..., BORDER:-BORDER, BORDER:-BORDER].mean()
