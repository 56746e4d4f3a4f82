"""The file of a trained network: its online branch in half precision."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ra_icl.files import load_tensors, save_tensors
from ra_icl.model.options import BackboneOptions, ModelOptions, RegionOptions
from ra_icl.model.siamese import Branch
from ra_icl.training.method import MethodOptions


def save_network(
    path: Path,
    network: Branch,
    classes: Sequence[str],
    options: MethodOptions,
    fold: Mapping[str, Any],
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a branch's weights and buffers as float16 (integers unchanged), with classes, options and fold.

    about: further metadata.
    """
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in network.state_dict().items()
    }
    metadata = {"classes": list(classes), "options": asdict(options), "fold": dict(fold)}
    save_tensors(path, tensors, metadata | dict(about or {}))


def load_network(path: Path) -> Branch:
    """Read a file of `save_network` as a float32 branch in evaluation mode. Raises InputError if it is damaged."""
    tensors, metadata = load_tensors(path, verify=True)
    model = metadata["options"]["model"]
    backbone = BackboneOptions(**model["backbone"] | {"blocks": tuple(model["backbone"]["blocks"])})
    options = ModelOptions(**model | {"backbone": backbone, "regions": RegionOptions(**model["regions"])})
    network = Branch(len(metadata["classes"]), options, discover=metadata["options"]["loss"]["regions"] > 0)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
    return network.eval()
