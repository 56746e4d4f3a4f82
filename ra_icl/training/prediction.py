"""Prediction of held-out sequences."""

import numpy as np
import torch

from ra_icl.model.siamese import Branch
from ra_icl.training.augmentation import flip
from ra_icl.training.device import autocast
from ra_icl.training.instances import InstanceSets
from ra_icl.training.method import MethodOptions

AT_ONCE = 256  # instances
# The ways to predict, as options of `inference`.
WAYS = {
    "middle": {"instances": "middle", "mirror": False},
    "middle_mirror": {"instances": "middle", "mirror": True},
    "all": {"instances": "all", "mirror": False},
    "all_mirror": {"instances": "all", "mirror": True},
}


@torch.no_grad()
def predict(network: Branch, sets: InstanceSets, options: MethodOptions) -> np.ndarray:
    """Class probabilities (S, L) of S sequences.

    Those of the middle instance or, with `inference.instances: all`, their mean over the sequence's instances; with
    `inference.mirror` also over the mirror image of each.
    """
    was_training = network.training
    network.eval()
    instances, owners = sets.all_instances() if options.inference.instances == "all" else sets.middle_instances()
    found = []
    for some in instances.split(AT_ONCE):
        maps = sets.maps[some].float()
        views = [maps, flip(maps, options.augmentation.flip_negates_u)] if options.inference.mirror else [maps]
        with autocast(options.training.precision, maps.device):
            logits = [network.classify(view) for view in views]
        found.append(torch.stack(logits).float().softmax(dim=2).mean(dim=0))
    network.train(was_training)
    return _means(torch.cat(found).cpu().numpy(), owners.cpu().numpy())


def _means(probabilities: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """The mean of the rows of each owner; owners: ascending from 0, none left out."""
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    return np.add.reduceat(probabilities, starts) / np.bincount(owners)[:, None].astype(probabilities.dtype)
