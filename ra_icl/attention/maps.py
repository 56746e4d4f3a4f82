"""Maps of what a network looks at: CAM, Grad-CAM and Guided Grad-CAM of its classes, and the heatmaps of its regions.

Grad-CAM (Selvaraju et al., 2017) and guided backpropagation (Springenberg et al., 2014) are captum's.
"""

import copy
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from ra_icl.model.attention import attention_maps
from ra_icl.model.regions import region_heatmaps
from ra_icl.model.siamese import Branch

AT_ONCE = 64  # instances


class Maps(NamedTuple):
    """What a network looks at in B instances when it judges one class of each.

    cam: (B, h, w), the class activation map, Eq. 5, raw. grad_cam: (B, h, w), not negative. guided: (B, 3, H, W),
    guided backpropagation times Grad-CAM, signed, for u, v and strain.
    """

    cam: torch.Tensor
    grad_cam: torch.Tensor
    guided: torch.Tensor


class Classifier(nn.Module):
    """The path from flow maps (B, 3, H, W) to logits (B, L) of a copy of `network`.

    Hooks on the backward pass, by which captum replaces the gradients of ReLUs, forbid a ReLU that works in place.
    """

    def __init__(self, network: Branch) -> None:
        super().__init__()
        self.backbone, self.classifier = copy.deepcopy((network.backbone, network.classifier))
        for module in self.backbone.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.backbone(maps).mean(dim=(2, 3)))


def class_maps(network: Branch, inputs: torch.Tensor, classes: Sequence[int]) -> Maps:
    """The maps of network inputs (B, 3, H, W) for the class of each, B labels; the network in evaluation mode.

    The classifier is linear on averaged features, so Grad-CAM is the positive part of the CAM divided by h w.
    """
    from captum.attr import GuidedGradCam, LayerGradCam  # here, as its import takes a second

    classifier = Classifier(network.eval())
    target = torch.as_tensor(classes, device=inputs.device)
    cam = all_activations(network, inputs)[1][torch.arange(len(inputs), device=inputs.device), target]
    grad_cam = LayerGradCam(classifier, classifier.backbone)
    guided = GuidedGradCam(classifier, classifier.backbone)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(backward hooks|require gradients)", category=UserWarning)
        found = [
            (
                grad_cam.attribute(some, target=labels, relu_attributions=True)[:, 0],
                guided.attribute(some, target=labels, interpolate_mode="bilinear"),
            )
            for some, labels in zip(inputs.split(AT_ONCE), target.split(AT_ONCE), strict=True)
        ]
    return Maps(cam.cpu(), *(torch.cat(part).detach().cpu() for part in zip(*found, strict=True)))


@torch.no_grad()
def all_activations(network: Branch, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (B, L) and the class activation maps (B, L, h, w), Eq. 5, of network inputs (B, 3, H, W)."""
    found = [network.backbone(some) for some in inputs.split(AT_ONCE)]
    features = torch.cat(found)
    weight = network.classifier.weight
    return network.classifier(features.mean(dim=(2, 3))), attention_maps(features, weight)


@torch.no_grad()
def regions_of(network: Branch, inputs: torch.Tensor) -> torch.Tensor:
    """The heatmaps P (B, N, h, w) of region discovery, Eq. 8, at the temperature of the online network's assignment.

    inputs: (B, 3, H, W). The network must have region discovery.
    """
    temperature = network.options.regions.temperature
    similarity = [network.regions(network.backbone(some))[0] for some in inputs.split(AT_ONCE)]
    return region_heatmaps(torch.cat(similarity), temperature)


def enlarged(maps: torch.Tensor, size: int) -> torch.Tensor:
    """Maps (..., h, w) on the whole picture (..., size, size), bilinearly; each cell covers its share of it."""
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    large = functional.interpolate(flat, (size, size), mode="bilinear", align_corners=False)
    return large.reshape(*maps.shape[:-2], size, size)
