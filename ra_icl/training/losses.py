"""The losses (Eqs. 4, 6, 9-10, 13-15). Every map of the target arrives here with its flip undone."""

import torch
from torch.nn import functional

from ra_icl.training.method import LossOptions


def classification_loss(
    logits: torch.Tensor, labels: torch.Tensor, class_weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross-entropy (Eq. 4) of logits (B, L) and labels (B,), averaged over the batch."""
    return functional.cross_entropy(logits.float(), labels, weight=class_weights)


def attention_consistency(online: torch.Tensor, target: torch.Tensor, form: str = "printed") -> torch.Tensor:
    """Attention-consistency loss (Eq. 6) between M_theta and the flipped-back M_xi, both (B, L, h, w).

    printed: the Euclidean norms of the differences of the L maps, summed over the classes, divided by L h w and
    averaged over the batch; where a difference is zero, so is its gradient. squared: the mean of squared differences
    over classes, rows, columns and the batch, as in the works that the paper cites.
    """
    difference = online.float() - target.float()
    if form == "squared":
        return difference.square().mean()
    norms = torch.linalg.vector_norm(difference, dim=(2, 3))  # (B, L)
    return norms.sum(dim=1).mean() / difference[0].numel()


def alignment(similarity: torch.Tensor, target: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """One direction of the alignment loss (Eqs. 9-10): cross-entropy of region assignments per pixel.

    similarity: S of the online network (B, N, h, w); target: P of the target network, flipped back, same shape.
    """
    log_assignment = (similarity.float() / temperature).log_softmax(dim=1)
    return -(target.float() * log_assignment).sum(dim=1).mean()


def region_consistency(prediction: torch.Tensor, target: torch.Tensor, form: str = "printed") -> torch.Tensor:
    """One direction of Eqs. 13-14: minus the cosine of G(z_theta) and z_xi, both (B, N, D), averaged over B and N.

    Eq. 14 adds the similarity itself to a loss that is minimised, which would push matching regions apart: its sign is
    turned here. byol: 2 - 2 cosines, the squared distance of the unit vectors, with twice the gradient.
    """
    cosine = functional.cosine_similarity(prediction.float(), target.float(), dim=-1).mean()
    return 2 - 2 * cosine if form == "byol" else -cosine


def mean_entropy(similarity: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Negative entropy of the batch's mean assignment: smallest where all regions win equally. Off in the paper."""
    share = (similarity.float() / temperature).softmax(dim=1).mean(dim=(0, 2, 3))
    return (share * share.log()).sum()


def decorrelation(embeddings: torch.Tensor) -> torch.Tensor:
    """Mean squared cosine between different regions of an image; embeddings: z (B, N, D). Off in the paper."""
    # A product of matrices would be in bf16 under autocast.
    embeddings = embeddings.float()
    cosines = functional.cosine_similarity(embeddings[:, :, None], embeddings[:, None], dim=-1)  # (B, N, N)
    images, regions = cosines.shape[:2]
    others = ~torch.eye(regions, dtype=torch.bool, device=cosines.device)
    return (cosines.square() * others).sum() / max(images * regions * (regions - 1), 1)


def weights_of(options: LossOptions) -> dict[str, float]:
    """The weight of every term in Eq. 15, and of the terms that the paper does not have."""
    return {
        "cls": options.classification,
        "acl": options.attention,
        "align": options.regions * options.alignment,
        "c": options.regions * options.consistency,
        "entropy": options.entropy,
        "decorrelation": options.decorrelation,
    }


def objective(terms: dict[str, torch.Tensor], options: LossOptions) -> torch.Tensor:
    """Eq. 15: lambda_1 L_cls + lambda_2 L_acl + lambda_3 (L_align + L_c); terms that a method lacks are left out."""
    weights = weights_of(options)
    return sum(weights[name] * term for name, term in terms.items())
