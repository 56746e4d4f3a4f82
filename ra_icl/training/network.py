"""The file of a trained network: its online branch, or that of a peer, in half precision."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ra_icl.files import load_tensors, save_tensors
from ra_icl.model.options import BackboneOptions, ModelOptions, RegionOptions
from ra_icl.model.siamese import Branch
from ra_icl.peers.registry import load_peer
from ra_icl.training.method import MethodOptions


def save_network(
    path: Path,
    network: Branch | nn.Module,
    classes: Sequence[str],
    options: MethodOptions,
    fold: Mapping[str, Any],
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a network's weights and buffers as float16 (integers unchanged), with classes, options and fold.

    about: further metadata.
    """
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in network.state_dict().items()
    }
    metadata = {"classes": list(classes), "options": asdict(options), "fold": dict(fold)}
    save_tensors(path, tensors, metadata | dict(about or {}))


def load_network(path: Path) -> Branch | nn.Module:
    """Read a file of `save_network`, a branch or a peer's network, as float32 in evaluation mode.

    Raises InputError if it is damaged.
    """
    tensors, metadata = load_tensors(path, verify=True)
    network = _network(len(metadata["classes"]), metadata["options"])
    network.load_state_dict({name: torch.from_numpy(array) for name, array in tensors.items()})
    return network.eval()


def _network(classes: int, options: Mapping[str, Any]) -> Branch | nn.Module:
    if options.get("peer"):  # networks of older versions have no such option
        peer = load_peer(options["peer"])
        return peer.module.network(classes, peer.settings)
    model = options["model"]
    backbone = BackboneOptions(**model["backbone"] | {"blocks": tuple(model["backbone"]["blocks"])})
    chosen = ModelOptions(**model | {"backbone": backbone, "regions": RegionOptions(**model["regions"])})
    return Branch(classes, chosen, discover=options["loss"]["regions"] > 0)
