"""LBP-TOP: local binary patterns on three orthogonal planes, with a linear SVM: the baseline of MEGC 2019.

Texture in place of flow: each pixel of a clip is compared with its four neighbours in the planes XY, XT and YT, whose
patterns are counted in blocks of the face.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch

from ra_icl.errors import InputError
from ra_icl.options import Options, above, at_least
from ra_icl.peers.classifiers import support_vectors
from ra_icl.peers.maps import resize
from ra_icl.peers.settings import choice, paper

FED = "frames"
PLANES = ("xy", "xt", "yt")


@dataclass(frozen=True)
class Settings(Options):
    """LBP-TOP's settings. "paper" is the challenge's guideline, which also gives the 4 neighbours and the 10 frames.

    It lists "RXY, RXT, RYT = {1, 1, 4}", which are read here as the usual radii along X, Y and T. Frames are chosen by
    the method's sampling. Raises ValueError for blocks without a pixel that has all neighbours.
    """

    size: Annotated[int, at_least(5), choice("side of the frames in pixels; the size of the crops is not stated")] = 112
    radius_x: Annotated[int, at_least(1), choice("of neighbours left and right, in pixels; guideline: RXY 1")] = 1
    radius_y: Annotated[int, at_least(1), choice("of those above and below, in pixels; guideline: RXT 1")] = 1
    radius_t: Annotated[int, at_least(1), choice("of those before and after, in frames; guideline: RYT 4")] = 4
    blocks: Annotated[int, at_least(1), paper("blocks along each side, which do not overlap")] = 5
    patterns: Annotated[Literal[16], choice("all of four neighbours; whether only uniform ones is not stated")] = 16
    shares: Annotated[Literal[True], choice("counts of a block in a plane sum to 1; not stated")] = True
    standardise: Annotated[bool, choice("features standardised on the training sequences; not stated")] = False
    c: Annotated[float, above(0), choice("C of the linear SVM; the SVM is not stated, this is the plainest")] = 1.0

    def __post_init__(self) -> None:
        radius = max(self.radius_x, self.radius_y)
        if self.size // self.blocks <= radius or self.size <= 2 * radius:
            raise ValueError(f"{self.blocks} blocks along {self.size} pixels are too small; give fewer")


def describe(maps: torch.Tensor, settings: Settings) -> np.ndarray:
    """Grey frames (S, N, 1, H, W) as features (S, blocks^2 x 3 planes x 16 patterns).

    Blocks row by row; the patterns of a block in a plane as shares, which sum to 1.
    Raises InputError for fewer frames than 2 radius_t + 1.
    """
    size, fewest = settings.size, 2 * settings.radius_t + 1
    if maps.shape[1] < fewest:
        raise InputError(f"peer lbp_top: is fed {maps.shape[1]} frames; set sampling.instances to {fewest} or more")
    return np.stack([_describe(np.rint(resize(clip.float(), size)[:, 0].numpy()), settings) for clip in maps])


def _describe(clip: np.ndarray, settings: Settings) -> np.ndarray:
    """The features of one clip (N, H, W) of whole grey levels."""
    x, y, t = settings.radius_x, settings.radius_y, settings.radius_t
    frames, height, width = clip.shape
    middle = np.s_[t : frames - t, y : height - y, x : width - x]  # the pixels that have all neighbours
    pairs = {}  # of the two neighbours along an axis, which is not darker: 0 to 3, two bits of a pattern
    for axis, radius in (("x", (0, 0, x)), ("y", (0, y, 0)), ("t", (t, 0, 0))):
        before, after = (_shifted(clip, middle, radius, sign) >= clip[middle] for sign in (-1, 1))
        pairs[axis] = before.astype(np.int32) + 2 * after
    columns, rows = (_blocks(side, radius, settings.blocks) for side, radius in ((width, x), (height, y)))
    bins = settings.patterns * (rows[:, None] * settings.blocks + columns)
    counts = [
        np.bincount((bins + pairs[one] + 4 * pairs[other]).ravel(), minlength=settings.patterns * settings.blocks**2)
        for one, other in PLANES
    ]
    counts = np.stack(counts).reshape(len(PLANES), -1, settings.patterns).swapaxes(0, 1)  # (blocks^2, planes, patterns)
    return (counts / counts.sum(axis=2, keepdims=True)).ravel()


def _shifted(clip: np.ndarray, middle: tuple[slice, ...], radius: tuple[int, ...], sign: int) -> np.ndarray:
    """The neighbour at `sign` times `radius` (t, y, x) of each pixel in `middle`."""
    return clip[tuple(slice(s.start + sign * r, s.stop + sign * r) for s, r in zip(middle, radius, strict=True))]


def _blocks(side: int, radius: int, blocks: int) -> np.ndarray:
    """The block of each line of pixels that has neighbours at `radius`."""
    return np.arange(radius, side - radius) * blocks // side


def classifier(settings: Settings):
    """The classifier: a linear SVM."""
    return support_vectors("linear", settings.c, standardise=settings.standardise)
