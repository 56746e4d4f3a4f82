"""SVM on raw maps: every pixel of u, v and strain is a feature. No one's method; what a descriptor has to beat."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch

from ra_icl.options import Options, above, at_least
from ra_icl.peers.classifiers import support_vectors
from ra_icl.peers.maps import resize
from ra_icl.peers.settings import choice

FED = "flow"


@dataclass(frozen=True)
class Settings(Options):
    """The SVM's settings."""

    size: Annotated[int, at_least(1), choice("side of the maps in pixels, that of the published ones")] = 28
    c: Annotated[float, above(0), choice("C of the SVM; large enough to separate the training sequences")] = 10.0
    gamma: Annotated[
        Literal["scale"] | Annotated[float, above(0)],
        choice("of the RBF kernel; scale: 1 / number of features, which all have variance 1; scikit-learn's default"),
    ] = "scale"


def describe(maps: torch.Tensor, settings: Settings) -> np.ndarray:
    """Maps (S, C, H, W) as features (S, 3 size^2): u, v, strain, row by row, as they are."""
    return resize(maps[:, :3].float(), settings.size).flatten(1).numpy()


def classifier(settings: Settings):
    """The classifier: features standardised on the training sequences, and an RBF kernel."""
    return support_vectors("rbf", settings.c, settings.gamma, standardise=True)
