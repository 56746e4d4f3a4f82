"""Pairs of images whose motion is known: a photograph's face, or a texture, under sub-pixel motion."""

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, zoom

BORDER = 8  # pixels, where no flow is judged


def face():
    """A photographed face, (130, 130) float32 grey levels."""
    from skimage import data  # here, because a bare machine with a GPU may lack it

    return data.astronaut()[60:190, 160:290] @ np.array([0.299, 0.587, 0.114], np.float32)


def texture():
    """Noise of several sizes, (130, 130) float32 grey levels: a picture that needs no file."""
    rng = np.random.default_rng(0)
    layers = [size * gaussian_filter(rng.normal(size=(130, 130)), size) for size in (1, 2, 4, 8, 16)]
    total = np.sum(layers, axis=0)
    return (128 + 100 * total / np.abs(total).max()).astype(np.float32)


def moving_pair(size, peak, noise, seed, picture=face):
    """Onset and frame, uint8, and the true flow (2, size, size): a few bumps of sub-pixel motion on a picture."""
    rng = np.random.default_rng(seed)
    frame = zoom(picture(), size / 130, order=3)
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


def moving_pairs(size, numbers, picture=face):
    """Onsets, frames (N, size, size) and motion of several pairs; the number of each decides peak and noise."""
    peaks = (0.2, 0.6, 1.2, 2.5)
    pairs = [moving_pair(size, peaks[number % 4], number // 4 % 3, number, picture) for number in numbers]
    return tuple(map(np.stack, zip(*pairs, strict=True)))


def distance(first, second):
    """Mean endpoint difference inside the border."""
    return np.linalg.norm(first - second, axis=-3)[..., BORDER:-BORDER, BORDER:-BORDER].mean()
