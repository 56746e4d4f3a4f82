"""The Siamese pair: an online branch that learns and a target branch that follows it (Eq. 3)."""

import copy
from typing import NamedTuple

import torch
from torch import nn

from ra_icl.model.attention import attention_maps
from ra_icl.model.backbone import Backbone
from ra_icl.model.options import ModelOptions
from ra_icl.model.regions import RegionDiscovery, mlp, region_heatmaps


class View(NamedTuple):
    """The output of a branch for a batch of flow maps; the last three are None without region discovery.

    logits (B, L); attention M (B, L, h, w), Eq. 5; similarity S (B, N, h, w), Eq. 7; embeddings z (B, N, D), Eq. 12;
    masks Q (B, N, D), the mask embeddings of Eq. 7, of unit length.
    """

    logits: torch.Tensor
    attention: torch.Tensor
    similarity: torch.Tensor | None = None
    embeddings: torch.Tensor | None = None
    masks: torch.Tensor | None = None


class Branch(nn.Module):
    """E: backbone, classifier without bias (Eq. 4) and, if `discover`, region discovery."""

    def __init__(self, classes: int, options: ModelOptions, discover: bool) -> None:
        super().__init__()
        channels = options.backbone.channels
        self.backbone = Backbone(options.backbone)
        self.classifier = nn.Linear(channels, classes, bias=False)
        self.regions = RegionDiscovery(channels, options.regions) if discover else None
        self.options = options

    def classify(self, maps: torch.Tensor) -> torch.Tensor:
        """Logits (B, L) of flow maps (B, 3, H, W): all that inference needs."""
        return self.classifier(self.backbone(maps).mean(dim=(2, 3)))

    def forward(self, maps: torch.Tensor) -> View:
        features = self.backbone(maps)  # F (B, C, h, w)
        logits = self.classifier(features.mean(dim=(2, 3)))  # (B, L)
        weight = self.classifier.weight.detach() if self.options.detach_classifier else self.classifier.weight
        attention = attention_maps(features, weight)  # M (B, L, h, w)
        if self.regions is None:
            return View(logits, attention)
        similarity, masks = self.regions(features)  # S (B, N, h, w), Q (B, N, D)
        heatmaps = region_heatmaps(similarity, self.options.regions.pooling_temperature)  # P (B, N, h, w)
        return View(logits, attention, similarity, self.regions.embed(features, heatmaps), masks)


class Siamese(nn.Module):
    """Online network, target network (starts as its copy, never gets a gradient) and the predictor G (Eq. 13)."""

    def __init__(self, classes: int, options: ModelOptions, discover: bool = True) -> None:
        super().__init__()
        self.online = Branch(classes, options, discover)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        embedding = options.regions.embedding
        self.predictor = mlp(embedding, options.regions.hidden, embedding) if discover else None

    def predict(self, embeddings: torch.Tensor) -> torch.Tensor:
        """G applied to the online embeddings z (B, N, D)."""
        return self.predictor(embeddings.flatten(0, 1)).unflatten(0, embeddings.shape[:2])

    @torch.no_grad()
    def update_target(self, decay: torch.Tensor) -> None:
        """Move the target's parameters by Eq. 3: xi = tau xi + (1 - tau) theta. decay: tau, a scalar tensor.

        In training the target's BatchNorm normalises by its own batch; its running statistics follow these batches.
        """
        theta, xi = list(self.online.parameters()), list(self.target.parameters())
        steps = torch._foreach_sub(theta, xi)
        torch._foreach_mul_(steps, 1 - decay)
        torch._foreach_add_(xi, steps)
