"""What a training tells about itself: against plain loops, and without any trace in the training."""

import math
from dataclasses import replace

import pytest
import torch
from fold_data import CLASSES, changed, moving_blobs

from ra_icl.model.siamese import Siamese
from ra_icl.training import loop
from ra_icl.training.diagnostics import SEQUENCES, diagnose
from ra_icl.training.loop import Training
from ra_icl.training.step import Stepper

EPOCH = 3
TOLD = {"weight_norm", "gradients", "lag", "assignment_entropy", "similarity_spread", "mask_cosine"}


@pytest.fixture
def method(small_method):
    """Every term, each with a weight of its own, and augmentation that draws."""
    loss = {"attention": 0.4, "regions": 0.3, "alignment": 2, "consistency": 3, "entropy": 0.2, "decorrelation": 0.1}
    method = changed(small_method, loss=loss, augmentation={"brightness": 0.4, "shift": 1})
    return replace(method, model=replace(method.model, regions=replace(method.model.regions, temperature=0.5)))


@pytest.fixture
def stepper(method):
    """A training after two steps, so that the target lags behind."""
    data = moving_blobs(24, 3, seed=1)
    stepper = Stepper(Siamese(CLASSES, method.model).train(), data, CLASSES, method, torch.Generator().manual_seed(0))
    for rows in torch.arange(24).tensor_split(2):
        stepper(rows)
    return stepper


def same_batch(stepper):
    """The batch that is diagnosed, through the networks once more."""
    generator = torch.Generator().manual_seed(EPOCH)
    rows = torch.randperm(24, generator=generator)[:SEQUENCES]
    return stepper.terms(rows, generator)


def test_gradients_are_those_of_each_weighted_term_on_the_backbone(stepper):
    found = diagnose(stepper, EPOCH)["gradients"]
    weights = {"cls": 0.5, "acl": 0.4, "align": 0.3 * 2, "c": 0.3 * 3, "entropy": 0.2, "decorrelation": 0.1}
    assert found.keys() == weights.keys()
    for name, weight in weights.items():
        stepper.model.zero_grad()
        (weight * same_batch(stepper).losses[name]).backward()
        squares = 0.0
        for parameter in stepper.model.online.backbone.parameters():
            for value in parameter.grad.flatten().tolist():
                squares += value**2
        assert found[name] == pytest.approx(math.sqrt(squares), rel=1e-3), name
    assert len({round(value, 6) for value in found.values()}) == 6


def test_a_term_without_weight_is_left_out(stepper):
    stepper.options = changed(stepper.options, loss={"attention": 0, "entropy": 0})
    assert set(diagnose(stepper, EPOCH)["gradients"]) == {"cls", "align", "c", "decorrelation"}


def norm(parameters):
    return math.sqrt(sum(value**2 for one in parameters for value in one.detach().flatten().tolist()))


def test_norms_and_lag_are_of_the_parameters(stepper):
    found = diagnose(stepper, EPOCH)
    online, target = stepper.model.online, stepper.model.target
    assert found["weight_norm"] == pytest.approx(norm([online.classifier.weight]), rel=1e-5)
    apart = norm([ours - theirs for ours, theirs in zip(online.parameters(), target.parameters(), strict=True)])
    assert found["lag"] == pytest.approx(apart / norm(online.parameters()), rel=1e-3)
    assert found["lag"] > 1e-4


def test_entropy_spread_and_cosines_are_of_pixels_and_pairs(stepper):
    found, view = diagnose(stepper, EPOCH), same_batch(stepper).view
    images, queries, height, width = view.similarity.shape
    entropy, spread, cosines = [], [], []
    for image in range(images):
        for u in range(height):
            for v in range(width):
                values = view.similarity[image, :, u, v].tolist()
                exponentials = [math.exp(value / 0.5) for value in values]
                shares = [one / sum(exponentials) for one in exponentials]
                entropy.append(-sum(share * math.log(share) for share in shares))
                mean = sum(values) / queries
                spread.append(math.sqrt(sum((value - mean) ** 2 for value in values) / queries))
        for m in range(queries):
            for n in range(queries):
                if m != n:
                    pair = zip(view.masks[image, m].tolist(), view.masks[image, n].tolist(), strict=True)
                    cosines.append(sum(one * other for one, other in pair))
    for name, values in (("assignment_entropy", entropy), ("similarity_spread", spread), ("mask_cosine", cosines)):
        assert found[name] == pytest.approx(sum(values) / len(values), rel=1e-4), name


def test_a_single_query_has_no_cosine(method):
    regions = replace(method.model.regions, queries=1)
    method = replace(method, model=replace(method.model, regions=regions))
    model = Siamese(CLASSES, method.model).train()
    stepper = Stepper(model, moving_blobs(8, 2, seed=1), CLASSES, method, torch.Generator().manual_seed(0))
    found = diagnose(stepper, 0)
    assert "mask_cosine" not in found
    assert found["assignment_entropy"] == 0


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_training_that_is_not_diagnosed_is_the_same_bit_for_bit(method, monkeypatch, dropout):
    regions = replace(method.model.regions, dropout=dropout, batch_masks=True)
    method = changed(replace(method, model=replace(method.model, regions=regions)), training={"epochs": 3})
    sets = moving_blobs(20, 3, seed=1), moving_blobs(6, 3, seed=2)
    told = Training(*sets, CLASSES, method, 7, "cpu")
    first = told.run()
    monkeypatch.setattr(loop, "diagnose", lambda stepper, epoch: {"gradients": {}})
    untold = Training(*sets, CLASSES, method, 7, "cpu")
    second = untold.run()
    assert (first.probabilities == second.probabilities).all()
    for one, other in zip(first.curve, second.curve, strict=True):
        assert one.keys() - other.keys() == TOLD - {"gradients"}
        assert {key: one[key] for key in other if key != "gradients"} == {
            key: value for key, value in other.items() if key != "gradients"
        }
    for name, tensor in told._state().items():
        assert torch.equal(tensor, untold._state()[name]), name


@pytest.mark.parametrize(
    ("loss", "terms", "told"),
    [
        ({}, {"cls", "acl", "align", "c"}, TOLD | {"wins"}),
        ({"regions": 0}, {"cls", "acl"}, {"weight_norm", "gradients", "lag"}),
        ({"attention": 0, "regions": 0}, {"cls"}, {"weight_norm", "gradients"}),
    ],
)
def test_what_an_epoch_of_the_curve_tells(small_method, loss, terms, told, caplog):
    """Of M6, M5 and M2; the log has a line with all of it."""
    sets = moving_blobs(16, 2, seed=1)
    with caplog.at_level("INFO"):
        curve = Training(sets, sets, CLASSES, changed(small_method, loss=loss), 0, "cpu").run().curve
    assert len(curve) == 2
    for epoch in curve:
        assert epoch.keys() == {"loss", "accuracy"} | terms | told
        assert epoch["gradients"].keys() == terms
        assert 0 <= epoch["accuracy"] <= 1
    for name in (terms | told | {"pull_cls"}) - {"gradients"}:
        assert f" {name} " in caplog.text
