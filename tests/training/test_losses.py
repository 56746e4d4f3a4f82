"""Each loss against plain loops written from the equation."""

import math

import pytest
import torch

from ra_icl.model.attention import attention_maps
from ra_icl.model.regions import region_heatmaps, weighted_average_pooling
from ra_icl.training import losses
from ra_icl.training.losses import LossOptions

B, C, L, N, H, W, D = 2, 5, 3, 4, 3, 2, 6


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


def test_classification_loss_is_eq_4():
    features, weight, labels = torch.randn(B, C), torch.randn(L, C), torch.tensor([2, 0])
    total = 0.0
    for f, y in zip(features.tolist(), labels.tolist(), strict=True):
        scores = [math.exp(sum(w * x for w, x in zip(row, f, strict=True))) for row in weight.tolist()]
        total += -math.log(scores[y] / sum(scores))
    assert losses.classification_loss(features @ weight.T, labels).item() == pytest.approx(total / B, rel=1e-5)


def test_attention_maps_are_eq_5():
    features, weight = torch.randn(B, C, H, W), torch.randn(L, C)
    maps = attention_maps(features, weight)
    for b in range(B):
        for j in range(L):
            for x in range(H):
                for y in range(W):
                    expected = sum((weight[j, c] * features[b, c, x, y]).item() for c in range(C))
                    assert maps[b, j, x, y].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("form", ["printed", "squared"])
def test_attention_consistency_is_eq_6(form):
    online, target = torch.randn(B, L, H, W), torch.randn(B, L, H, W)
    total = 0.0
    for b in range(B):
        for j in range(L):
            squares = 0.0
            for u in range(H):
                for v in range(W):
                    squares += (online[b, j, u, v].item() - target[b, j, u, v].item()) ** 2
            total += math.sqrt(squares) if form == "printed" else squares
    expected = total / (L * H * W) / B
    assert losses.attention_consistency(online, target, form).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("form", ["printed", "squared"])
def test_equal_attention_maps_give_a_gradient_of_zero(form):
    """The derivative of a norm at 0 is 0 / 0. One class of one image differs, and has a gradient."""
    online = torch.randn(B, L, H, W)
    target = online.clone()
    target[1, 2] += 1
    online.requires_grad_()
    losses.attention_consistency(online, target, form).backward()
    moved = online.grad != 0
    assert online.grad.isfinite().all()
    assert moved[1, 2].all()
    assert moved.sum() == H * W


def test_the_forms_of_eqs_6_and_14_that_are_printed_are_the_default():
    maps = torch.randn(B, L, H, W), torch.randn(B, L, H, W)
    vectors = torch.randn(B, N, D), torch.randn(B, N, D)
    for loss, pair in ((losses.attention_consistency, maps), (losses.region_consistency, vectors)):
        assert loss(*pair) == loss(*pair, "printed")
    assert (LossOptions().attention_form, LossOptions().consistency_form) == ("printed", "printed")


def test_region_heatmaps_are_eq_8():
    similarity = torch.rand(B, N, H, W) * 2 - 1
    heatmaps = region_heatmaps(similarity)
    for b in range(B):
        for u in range(H):
            for v in range(W):
                exponentials = [math.exp(similarity[b, n, u, v]) for n in range(N)]
                for m in range(N):
                    assert heatmaps[b, m, u, v].item() == pytest.approx(exponentials[m] / sum(exponentials), rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_alignment_is_eqs_9_and_10(temperature):
    similarity, target = torch.rand(B, N, H, W) * 2 - 1, torch.rand(B, N, H, W).softmax(dim=1)
    online = region_heatmaps(similarity, temperature)
    total = 0.0
    for b in range(B):
        for u in range(H):
            for v in range(W):
                total -= sum(target[b, m, u, v].item() * math.log(online[b, m, u, v]) for m in range(N))
    expected = total / (H * W) / B
    assert losses.alignment(similarity, target, temperature).item() == pytest.approx(expected, rel=1e-4)


def test_weighted_average_pooling_is_eq_11():
    features, heatmaps = torch.randn(B, C, H, W), torch.rand(B, N, H, W)
    pooled = weighted_average_pooling(features, heatmaps)
    for b in range(B):
        for m in range(N):
            weight = heatmaps[b, m].sum().item()
            for c in range(C):
                expected = (
                    sum((heatmaps[b, m, u, v] * features[b, c, u, v]).item() for u in range(H) for v in range(W))
                    / weight
                )
                assert pooled[b, m, c].item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("form", ["printed", "byol"])
def test_region_consistency_is_eqs_13_and_14_negated(form):
    prediction, target = torch.randn(B, N, D), torch.randn(B, N, D)
    total = 0.0
    for b in range(B):
        similarity = sum(cosine(prediction[b, m].tolist(), target[b, m].tolist()) for m in range(N)) / N
        total += 2 - 2 * similarity if form == "byol" else -similarity
    assert losses.region_consistency(prediction, target, form).item() == pytest.approx(total / B, rel=1e-5)


@pytest.mark.parametrize(("form", "agreeing", "opposite"), [("printed", -1, 1), ("byol", 0, 4)])
def test_region_consistency_falls_as_regions_agree(form, agreeing, opposite):
    target = torch.randn(B, N, D)
    assert losses.region_consistency(target, target, form).item() == pytest.approx(agreeing, abs=1e-5)
    assert losses.region_consistency(-target, target, form).item() == pytest.approx(opposite, abs=1e-5)


def test_decorrelation_is_the_mean_squared_cosine_of_different_regions():
    embeddings = torch.randn(B, N, D)
    total, count = 0.0, 0
    for b in range(B):
        for m in range(N):
            for n in range(N):
                if m != n:
                    total += cosine(embeddings[b, m].tolist(), embeddings[b, n].tolist()) ** 2
                    count += 1
    assert losses.decorrelation(embeddings).item() == pytest.approx(total / count, rel=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        found = losses.decorrelation(embeddings.bfloat16())
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(total / count, rel=0.02)
    assert losses.decorrelation(embeddings[:, :1]).item() == 0  # one region has no other


def test_mean_entropy_is_of_the_batchs_mean_assignment():
    similarity, temperature = torch.rand(B, N, H, W) * 2 - 1, 0.1
    shares = [0.0] * N
    for b in range(B):
        for u in range(H):
            for v in range(W):
                exponentials = [math.exp(similarity[b, n, u, v] / temperature) for n in range(N)]
                for m in range(N):
                    shares[m] += exponentials[m] / sum(exponentials) / (B * H * W)
    expected = sum(share * math.log(share) for share in shares)
    assert losses.mean_entropy(similarity, temperature).item() == pytest.approx(expected, rel=1e-4)


def test_mean_entropy_is_smallest_for_equal_shares():
    equal, collapsed = torch.zeros(B, N, H, W), torch.zeros(B, N, H, W)
    collapsed[:, 0] = 5
    assert losses.mean_entropy(equal).item() == pytest.approx(-math.log(N), rel=1e-5)
    assert losses.mean_entropy(collapsed) > losses.mean_entropy(equal)


def test_objective_is_eq_15():
    terms = {name: torch.tensor(value) for name, value in {"cls": 1.0, "acl": 2.0, "align": 3.0, "c": 4.0}.items()}
    options = LossOptions(classification=0.1, attention=0.2, regions=0.3)
    assert losses.objective(terms, options).item() == pytest.approx(0.1 * 1 + 0.2 * 2 + 0.3 * (3 + 4))
    assert losses.objective({"cls": terms["cls"]}, options).item() == pytest.approx(0.1)


def test_each_part_of_the_region_term_has_a_factor_and_every_other_term_a_weight():
    options = LossOptions(0.1, 0.2, 0.3, alignment=5, consistency=7, entropy=11, decorrelation=13)
    values = {"cls": 1.0, "acl": 2.0, "align": 3.0, "c": 4.0, "entropy": 6.0, "decorrelation": 8.0}
    expected = 0.1 * 1 + 0.2 * 2 + 0.3 * (5 * 3 + 7 * 4) + 11 * 6 + 13 * 8
    terms = {name: torch.tensor(value) for name, value in values.items()}
    assert losses.objective(terms, options).item() == pytest.approx(expected)
    assert losses.weights_of(options) == pytest.approx(
        {"cls": 0.1, "acl": 0.2, "align": 1.5, "c": 2.1, "entropy": 11, "decorrelation": 13}
    )
