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
    """What a branch sees in a batch of flow maps; the last two are None without region discovery.

    logits (B, L); attention M (B, L, h, w), Eq. 5; similarity S (B, N, h, w), Eq. 7; embeddings z (B, N, D), Eq. 12.
    """

    logits: torch.Tensor
    attention: torch.Tensor
    similarity: torch.Tensor | None
    embeddings: torch.Tensor | None


class Branch(nn.Module):
    """E: backbone, classifier without bias (Eq. 4) and, where `discover` is set, region discovery."""

    def __init__(self, classes: int, options: ModelOptions, discover: bool) -> None:
        super().__init__()
        channels = options.backbone.channels
        self.backbone = Backbone(options.backbone)
        self.classifier = nn.Linear(channels, classes, bias=False)
        self.regions = RegionDiscovery(channels, options.regions) if discover else None
        self.temperature = options.regions.temperature

    def classify(self, maps: torch.Tensor) -> torch.Tensor:
        """Logits (B, L) of flow maps (B, 3, H, W): all that inference needs."""
        return self.classifier(self.backbone(maps).mean(dim=(2, 3)))

    def forward(self, maps: torch.Tensor) -> View:
        features = self.backbone(maps)
        logits = self.classifier(features.mean(dim=(2, 3)))
        attention = attention_maps(features, self.classifier.weight)
        if self.regions is None:
            return View(logits, attention, None, None)
        similarity = self.regions(features)
        heatmaps = region_heatmaps(similarity, self.temperature)
        return View(logits, attention, similarity, self.regions.embed(features, heatmaps))


class Siamese(nn.Module):
    """Online network, target network (starts as its copy, never sees a gradient) and the predictor G (Eq. 13)."""

    def __init__(self, classes: int, options: ModelOptions, discover: bool = True) -> None:
        super().__init__()
        self.online = Branch(classes, options, discover)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.target.temperature = options.regions.target_temperature
        embedding = options.regions.embedding
        self.predictor = mlp(embedding, options.regions.hidden, embedding) if discover else None
        self.decay = options.target_decay

    def predict(self, embeddings: torch.Tensor) -> torch.Tensor:
        """G applied to the online embeddings z (B, N, D)."""
        return self.predictor(embeddings.flatten(0, 1)).unflatten(0, embeddings.shape[:2])

    @torch.no_grad()
    def update_target(self) -> None:
        """Move the target by Eq. 3: xi = tau xi + (1 - tau) theta.

        BatchNorm's running statistics are copied from the online network: in training the target normalises by its
        own batch, and in inference it is not used.
        """
        theta, xi = list(self.online.parameters()), list(self.target.parameters())
        torch._foreach_lerp_(xi, theta, 1 - self.decay)
        ours, theirs = list(self.target.buffers()), list(self.online.buffers())
        for counts in (False, True):  # CUDA copies those in one call that are of one kind
            chosen = [place for place, buffer in enumerate(ours) if buffer.is_floating_point() != counts]
            torch._foreach_copy_([ours[place] for place in chosen], [theirs[place] for place in chosen])
