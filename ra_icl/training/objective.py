"""The loss terms of a batch: both directions of the Siamese pair, or the plain classifier."""

from typing import NamedTuple

import torch

from ra_icl.model.regions import region_heatmaps, sinkhorn
from ra_icl.model.siamese import Siamese, View
from ra_icl.training import losses
from ra_icl.training.augmentation import flip, transform
from ra_icl.training.method import MethodOptions


class Terms(NamedTuple):
    """Loss terms by name and, with region discovery, the share of pixels that each query wins (N,)."""

    losses: dict[str, torch.Tensor]
    wins: torch.Tensor | None = None


def siamese_terms(
    model: Siamese,
    pair: tuple[torch.Tensor, torch.Tensor],
    labels: torch.Tensor,
    options: MethodOptions,
    generator: torch.Generator,
    class_weights: torch.Tensor | None = None,
) -> Terms:
    """All loss terms of a batch of instance pairs, both directions (Eqs. 4, 6, 10, 14).

    pair: I_p and I_q, (B, 3, H, W) each; labels: (B,). The online network sees T_theta(I_p) and T_theta(I_q), the
    target the flipped T_xi(I_q) and T_xi(I_p). Eqs. 4 and 6 are averaged over the two directions, Eqs. 10 and 14
    summed as printed.
    """
    augmentation = options.augmentation
    seen = torch.cat(pair)  # I_p, I_q: (2B, 3, H, W)
    followed = torch.cat(pair[::-1])  # I_q, I_p: (2B, 3, H, W)
    if augmentation.flip_target:
        followed = flip(followed, augmentation.flip_negates_u)
    online = model.online(transform(seen, augmentation, generator))  # a View of 2B samples
    with torch.no_grad():
        target = model.target(transform(followed, augmentation, generator))
    terms = {"cls": losses.classification_loss(online.logits, labels.repeat(2), class_weights)}
    undo = flip if augmentation.flip_target else torch.Tensor.contiguous
    if options.loss.attention:
        terms["acl"] = losses.attention_consistency(online.attention, undo(target.attention))  # (2B, L, h, w) both
    if not options.loss.regions:
        return Terms(terms)
    terms |= _region_terms(model, online, target, undo, options)
    return Terms(terms, _wins(online.similarity.detach()))


def _region_terms(model: Siamese, online: View, target: View, undo, options: MethodOptions) -> dict[str, torch.Tensor]:
    """L_align (Eq. 10), L_c (Eq. 14) and, if it has a weight, the entropy term."""
    regions = options.model.regions
    heatmaps = undo(region_heatmaps(target.similarity, regions.target_temperature))  # (2B, N, h, w)
    if regions.sinkhorn:
        heatmaps = sinkhorn(heatmaps, regions.sinkhorn)
    directions = 2  # the batch holds both: the mean over it times two is the sum of Eqs. 10 and 14
    align = losses.alignment(online.similarity, heatmaps, regions.temperature)
    consistency = losses.region_consistency(model.predict(online.embeddings), target.embeddings)  # (2B, N, D) both
    terms = {"align": directions * align, "c": directions * consistency}
    if options.loss.entropy:
        terms["entropy"] = losses.mean_entropy(online.similarity, regions.temperature)
    return terms


def classifier_terms(
    model: Siamese,
    pair: tuple[torch.Tensor, torch.Tensor],
    labels: torch.Tensor,
    options: MethodOptions,
    generator: torch.Generator,
    class_weights: torch.Tensor | None = None,
) -> Terms:
    """Eq. 4 alone, on one instance per sequence: the plain classifier of M1 and M2. Arguments as `siamese_terms`."""
    logits = model.online.classify(transform(pair[0], options.augmentation, generator))  # (B, L)
    return Terms({"cls": losses.classification_loss(logits, labels, class_weights)})


def _wins(similarity: torch.Tensor) -> torch.Tensor:
    """Share of the pixels of S (2B, N, h, w) that each query wins, (N,): it shows a collapse onto one region."""
    queries = torch.arange(similarity.shape[1], device=similarity.device)
    return (similarity.argmax(dim=1)[..., None] == queries).float().mean(dim=(0, 1, 2))
