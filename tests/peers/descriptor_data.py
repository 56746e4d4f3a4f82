"""Sequences for the peers that are a descriptor: a class is where, and whither, a patch of a face moves."""

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from ra_icl.flow.strain import optical_strain

SIDE, FRAMES = 40, 12
MOTIONS = ((10, 10, 0.3), (10, 30, 2.2), (30, 20, 4.4))  # row, column and direction of each class


def moving_patches(sequences, seed):
    """Clips (S, 12, 40, 40) uint8, their maps of u, v and strain at the last frame (S, 3, 40, 40), labels (S,).

    Textures and strengths differ.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(sequences) % len(MOTIONS)
    clips, maps = zip(*(one_sequence(rng, *MOTIONS[label]) for label in labels), strict=True)
    return np.stack(clips), np.stack(maps).astype(np.float32), labels


def one_sequence(rng, row, column, direction):
    """A clip and its map."""
    picture = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.2)
    picture = 128 + 100 * picture / np.abs(picture).max()
    y, x = np.indices((SIDE, SIDE))
    bump = rng.uniform(1, 2) * np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * 4**2))
    motion = np.stack([bump * np.cos(direction), bump * np.sin(direction)])
    frames = [
        map_coordinates(picture, [y - share * motion[1], x - share * motion[0]], order=1, mode="nearest")
        for share in np.linspace(0, 1, FRAMES)
    ]
    return np.rint(frames).astype(np.uint8), np.concatenate([motion, optical_strain(motion)[None]])


def distinct_maps(sequences, height, width, seed=0):
    """Maps (S, 3, H, W) float32 of u, v and strain in random order, without two equal values."""
    values = np.random.default_rng(seed).permutation(sequences * 3 * height * width).astype(np.float32)
    maps = values.reshape(sequences, 3, height, width) / values.size - 0.5
    maps[:, 2] = np.abs(maps[:, 2])
    return maps
