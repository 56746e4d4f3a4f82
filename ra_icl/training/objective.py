"""The loss terms of a batch: both directions of the Siamese pair, or the plain classifier."""

from typing import NamedTuple

import torch

from ra_icl.model.regions import region_heatmaps, sinkhorn
from ra_icl.model.siamese import Siamese, View
from ra_icl.training import losses
from ra_icl.training.augmentation import flip, transform
from ra_icl.training.method import MethodOptions


class Terms(NamedTuple):
    """What a batch gives: loss terms by name, logits of the classified instances, and their labels.

    view: what the online network made of them; None for the plain classifier.
    """

    losses: dict[str, torch.Tensor]
    logits: torch.Tensor
    labels: torch.Tensor
    view: View | None = None

    def measures(self) -> dict[str, torch.Tensor]:
        """Loss terms, the share of instances classified right and, with MRD, that of pixels won by each query (N,)."""
        found = self.losses | {"accuracy": (self.logits.argmax(dim=1) == self.labels).float().mean()}
        if self.view is not None and self.view.similarity is not None:
            found["wins"] = _wins(self.view.similarity.detach())
        return found


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
    loss = options.loss
    augmentation = options.augmentation
    seen = torch.cat(pair)  # I_p, I_q: (2B, 3, H, W)
    followed = torch.cat(pair[::-1])  # I_q, I_p: (2B, 3, H, W)
    if augmentation.flip_target:
        followed = flip(followed, augmentation.flip_negates_u)
    seen = transform(seen, augmentation, generator)
    online = model.online(seen)  # a View of 2B samples
    with torch.no_grad():
        target = model.target(transform(followed, augmentation, generator))
    labels = labels.repeat(2)
    terms = {"cls": losses.classification_loss(online.logits, labels, class_weights)}
    undo = flip if augmentation.flip_target else torch.Tensor.contiguous
    if loss.attention:  # (2B, L, h, w) both
        terms["acl"] = losses.attention_consistency(online.attention, undo(target.attention), loss.attention_form)
    if loss.regions:
        assigned = undo(target.similarity)  # (2B, N, h, w)
        if loss.alignment_view == "same":
            with torch.no_grad():
                assigned = model.target(seen).similarity
        terms |= _region_terms(model, online, target, assigned, options)
    return Terms(terms, online.logits, labels, online)


def _region_terms(
    model: Siamese, online: View, target: View, assigned: torch.Tensor, options: MethodOptions
) -> dict[str, torch.Tensor]:
    """L_align (Eq. 10), L_c (Eq. 14) and the terms beyond the paper that have a weight.

    assigned: S of the target network (2B, N, h, w), whose softmax the online network is to match.
    """
    regions, loss = options.model.regions, options.loss
    heatmaps = region_heatmaps(assigned, regions.target_temperature)
    if regions.sinkhorn:
        heatmaps = sinkhorn(heatmaps, regions.sinkhorn)
    directions = 2  # the batch holds both: the mean over it times two is the sum of Eqs. 10 and 14
    align = losses.alignment(online.similarity, heatmaps, regions.temperature)
    predicted = model.predict(online.embeddings)  # (2B, N, D), as the target's embeddings
    consistency = losses.region_consistency(predicted, target.embeddings, loss.consistency_form)
    terms = {"align": directions * align, "c": directions * consistency}
    if loss.entropy:
        terms["entropy"] = losses.mean_entropy(online.similarity, regions.temperature)
    if loss.decorrelation:
        terms["decorrelation"] = losses.decorrelation(online.embeddings)
    return terms


def classifier_terms(
    model: Siamese,
    pair: tuple[torch.Tensor, torch.Tensor],
    labels: torch.Tensor,
    options: MethodOptions,
    generator: torch.Generator,
    class_weights: torch.Tensor | None = None,
) -> Terms:
    """Eq. 4 alone, the plain classifier of M1 and M2, on one instance of each pair or, if so asked, on both.

    Arguments as `siamese_terms`.
    """
    seen = torch.cat(pair[: options.classified])  # (B or 2B, 3, H, W)
    labels = labels.repeat(options.classified)
    logits = model.online.classify(transform(seen, options.augmentation, generator))
    return Terms({"cls": losses.classification_loss(logits, labels, class_weights)}, logits, labels)


def _wins(similarity: torch.Tensor) -> torch.Tensor:
    """Share of the pixels of S (2B, N, h, w) that each query wins, (N,): it shows a collapse onto one region."""
    queries = torch.arange(similarity.shape[1], device=similarity.device)
    return (similarity.argmax(dim=1)[..., None] == queries).float().mean(dim=(0, 1, 2))
