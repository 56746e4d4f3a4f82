"""What a training tells about itself: how hard each loss term pulls, and what the queries and the target do."""

from typing import Any

import torch

from ra_icl.model.siamese import View
from ra_icl.training import losses
from ra_icl.training.objective import Terms
from ra_icl.training.step import Stepper

SEQUENCES = 16  # of the batch that is diagnosed


def diagnose(stepper: Stepper, epoch: int) -> dict[str, Any]:
    """Diagnose one batch of training sequences with the networks as they are.

    Returns `weight_norm`, ||W|| of the classifier; `gradients`, by loss term the norm of the gradient that the term,
    times its weight in Eq. 15, gives the backbone; with a target network `lag`, the distance of the target's parameters
    from the online network's as a share of these; with MRD `assignment_entropy`, the mean entropy of P over pixels in
    nats (ln N if uniform), `similarity_spread`, the standard deviation of S over the queries, and with several queries
    `mask_cosine`, the mean cosine between the mask embeddings of an image.
    The batch and its augmentation come from a generator of their own, and BatchNorm's statistics are put back, so that
    training goes on as if nothing had happened.
    """
    model = stepper.model
    kept = [buffer.clone() for buffer in model.buffers()]
    devices = [stepper.device] if stepper.device.type == "cuda" else []
    with torch.random.fork_rng(devices):  # the decoder's dropout draws from PyTorch's own generator
        torch.manual_seed(epoch)
        terms = _terms(stepper, epoch)
        found = {"weight_norm": float(model.online.classifier.weight.detach().norm())}
        found["gradients"] = _gradients(stepper, terms)
    for buffer, before in zip(model.buffers(), kept, strict=True):
        buffer.copy_(before)
    if stepper.options.consistent:
        found["lag"] = _lag(stepper)
    if terms.view is not None and terms.view.similarity is not None:
        found |= _regions(terms.view, stepper.options.model.regions.temperature)
    return found


def _terms(stepper: Stepper, epoch: int) -> Terms:
    generator = torch.Generator(stepper.device).manual_seed(epoch)
    order = torch.randperm(len(stepper.data), generator=generator, device=stepper.device)
    return stepper.terms(order[:SEQUENCES], generator)


def _gradients(stepper: Stepper, terms: Terms) -> dict[str, float]:
    weights, backbone = losses.weights_of(stepper.options.loss), list(stepper.model.online.backbone.parameters())
    norms = {}
    for name, term in terms.losses.items():
        if not weights[name]:
            continue
        found = torch.autograd.grad(weights[name] * term, backbone, retain_graph=True, allow_unused=True)
        norms[name] = torch.stack(torch._foreach_norm([one for one in found if one is not None])).norm()
    values = torch.stack(list(norms.values())).tolist()  # the host waits for the device once
    return dict(zip(norms, values, strict=True))


def _lag(stepper: Stepper) -> float:
    theta, xi = (list(branch.parameters()) for branch in (stepper.model.online, stepper.model.target))
    with torch.no_grad():
        apart = torch.stack(torch._foreach_norm(torch._foreach_sub(theta, xi))).norm()
        return float(apart / torch.stack(torch._foreach_norm(theta)).norm())


@torch.no_grad()
def _regions(view: View, temperature: float) -> dict[str, float]:
    similarity, masks = view.similarity.float(), view.masks.float()  # (B, N, h, w), (B, N, D)
    logs = (similarity / temperature).log_softmax(dim=1)
    queries, cosines = masks.shape[1], masks @ masks.transpose(1, 2)
    found = {
        "assignment_entropy": float(-(logs.exp() * logs).sum(dim=1).mean()),
        "similarity_spread": float(similarity.std(dim=1, correction=0).mean()),
    }
    if queries > 1:
        others = cosines.sum(dim=(1, 2)) - cosines.diagonal(dim1=1, dim2=2).sum(dim=1)
        found["mask_cosine"] = float(others.mean() / (queries * (queries - 1)))
    return found
