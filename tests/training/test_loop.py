"""Training: the Siamese step's symmetries, what gets a gradient, and that the model learns."""

import io
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from fold_data import CLASSES, changed, moving_blobs

from ra_icl.errors import InputError
from ra_icl.model import regions
from ra_icl.model.options import RegionOptions
from ra_icl.model.regions import region_heatmaps
from ra_icl.model.siamese import Siamese
from ra_icl.training import losses, objective
from ra_icl.training.augmentation import AugmentationOptions
from ra_icl.training.loop import Training
from ra_icl.training.objective import classifier_terms, siamese_terms
from ra_icl.training.step import Stepper, balanced_weights


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_mirror_symmetric(model: Siamese, monkeypatch) -> None:
    """Give every branch left-right symmetric kernels and positions, so that mirrored input gives mirrored maps."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 4:
                parameter.copy_((parameter + parameter.flip(-1)) / 2)

    def symmetric(width, rows, columns, device=None):
        return torch.zeros(rows * columns, width, device=device)

    monkeypatch.setattr(regions, "sine_positions", symmetric)


def test_a_flipped_target_gives_the_loss_of_an_unflipped_one(small_method, monkeypatch):
    model = Siamese(CLASSES, small_method.model)
    make_mirror_symmetric(model, monkeypatch)
    pair = torch.rand(4, 3, 9, 9), torch.rand(4, 3, 9, 9)  # odd sizes: strides keep the symmetry
    labels = torch.tensor([0, 1, 2, 0])
    flipped = siamese_terms(model, pair, labels, small_method, generator()).losses
    augmentation = replace(small_method.augmentation, flip_target=False)
    plain = siamese_terms(model, pair, labels, replace(small_method, augmentation=augmentation), generator()).losses
    assert set(flipped) == {"cls", "acl", "align", "c"}
    for name, value in plain.items():
        assert flipped[name].item() == pytest.approx(value.item(), rel=1e-4), name


def test_an_undone_flip_is_needed(small_method, monkeypatch):
    """The test above must be able to fail: without undoing the flip the map losses differ."""
    model = Siamese(CLASSES, small_method.model)
    make_mirror_symmetric(model, monkeypatch)
    pair = torch.rand(4, 3, 9, 9), torch.rand(4, 3, 9, 9)
    labels = torch.tensor([0, 1, 2, 0])
    right = siamese_terms(model, pair, labels, small_method, generator()).losses["acl"].item()
    flip = objective.flip
    monkeypatch.setattr(objective, "flip", lambda maps, *negate_u: flip(maps, *negate_u) if negate_u else maps)
    wrong = siamese_terms(model, pair, labels, small_method, generator()).losses["acl"].item()
    assert abs(right - wrong) > 1e-3 * right


def test_the_step_is_symmetric_in_the_two_instances(small_method):
    model = Siamese(CLASSES, small_method.model)
    p, q = torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8)
    labels = torch.tensor([0, 1, 2, 0])
    forward = siamese_terms(model, (p, q), labels, small_method, generator()).losses
    backward = siamese_terms(model, (q, p), labels, small_method, generator()).losses
    for name, value in forward.items():
        assert backward[name].item() == pytest.approx(value.item(), rel=1e-4), name


def test_no_gradient_reaches_the_target(small_method):
    model = Siamese(CLASSES, small_method.model)
    for parameter in model.target.parameters():
        parameter.requires_grad_(True)  # even then: the step itself must stop it
    pair = torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8)
    terms = siamese_terms(model, pair, torch.tensor([0, 1, 2, 0]), small_method, generator())
    sum(terms.losses.values()).backward()
    assert all(parameter.grad is None for parameter in model.target.parameters())
    assert all(parameter.grad is not None for parameter in model.online.parameters())
    assert all(parameter.grad is not None for parameter in model.predictor.parameters())
    assert terms.measures()["wins"].sum().item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ({"attention": 0.0, "regions": 0.5}, {"cls", "align", "c"}),
        ({"attention": 0.5, "regions": 0.0}, {"cls", "acl"}),
        ({"attention": 0.5, "regions": 0.5, "entropy": 0.1}, {"cls", "acl", "align", "c", "entropy"}),
        ({"attention": 0.0, "regions": 0.5, "decorrelation": 0.1}, {"cls", "align", "c", "decorrelation"}),
    ],
)
def test_a_module_that_is_off_leaves_its_terms_out(small_method, loss, expected):
    options = changed(small_method, loss=loss)
    model = Siamese(CLASSES, options.model, discover=loss["regions"] > 0)
    pair = torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8)
    terms = siamese_terms(model, pair, torch.tensor([0, 1, 2, 0]), options, generator())
    assert set(terms.losses) == expected


def test_the_plain_classifier_has_one_term(small_method):
    options = changed(small_method, loss={"attention": 0, "regions": 0})
    assert not options.consistent
    model = Siamese(CLASSES, options.model, discover=False)
    terms = classifier_terms(model, (torch.rand(2, 3, 8, 8),) * 2, torch.tensor([0, 1]), options, generator())
    assert set(terms.losses) == {"cls"}
    assert set(terms.measures()) == {"cls", "accuracy"}


@pytest.mark.parametrize("classify", ["one", "both"])
def test_the_plain_classifier_sees_one_instance_of_a_pair_or_both(small_method, classify):
    options = changed(small_method, loss={"attention": 0, "regions": 0}, training={"classify": classify})
    model = Siamese(CLASSES, options.model, discover=False).eval()
    pair, labels = (torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8)), torch.tensor([0, 1, 2, 0])
    terms = classifier_terms(model, pair, labels, options, generator())
    seen = pair if classify == "both" else pair[:1]
    expected = torch.cat([model.online(maps).logits for maps in seen])
    assert torch.allclose(terms.logits, expected, atol=1e-5)
    assert terms.labels.tolist() == [0, 1, 2, 0] * len(seen)
    assert options.classified == len(seen)
    assert small_method.classified == 2  # with IRC or MRD always


def test_the_target_may_assign_on_the_online_networks_own_view(small_method):
    """The target starts as the online network, so that it sees the same S in the same view, flipped or not."""
    same = changed(small_method, loss={"alignment_view": "same"}, augmentation={"brightness": 0.4})
    cross = changed(same, loss={"alignment_view": "cross"})
    pair, labels = (torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8)), torch.tensor([0, 1, 2, 0])
    found = {}
    for name, options in (("same", same), ("cross", cross)):
        torch.manual_seed(0)
        terms = siamese_terms(Siamese(CLASSES, options.model), pair, labels, options, generator())
        own = 2 * losses.alignment(terms.view.similarity, region_heatmaps(terms.view.similarity))
        found[name] = terms.losses["align"].item(), own.item()
        others = {key: value.item() for key, value in terms.losses.items() if key != "align"}
        found.setdefault("others", others)
        assert found["others"] == others  # the key changes nothing else
    assert found["same"][0] == pytest.approx(found["same"][1], rel=1e-5)
    assert abs(found["cross"][0] - found["cross"][1]) > 1e-5 * found["cross"][1]


def test_the_targets_decay_rises_along_a_cosine(small_method):
    """By hand: BYOL's 1 - (1 - tau) (cos(pi k / K) + 1) / 2 at the first, the middle and the last step."""
    options = changed(small_method, model={"target_decay": 0.9, "target_decay_end": 1.0})
    sets = moving_blobs(16, 2, seed=1)
    training = Training(sets, sets, CLASSES, options, 0, "cpu")
    assert training.steps_per_epoch * options.training.epochs == 4
    expected = [0.9, 1 - 0.1 * (0.5**0.5 + 1) / 2, 0.95, 1 - 0.1 * (1 - 0.5**0.5) / 2]
    assert [training.decay(step) for step in range(4)] == pytest.approx(expected)
    lower = Training(sets, sets, CLASSES, changed(options, model={"target_decay_end": 0.5}), 0, "cpu")
    assert [lower.decay(step) for step in (0, 2, 4)] == pytest.approx([0.9, 0.7, 0.5])
    assert Training(sets, sets, CLASSES, small_method, 0, "cpu").decay(3) == 0.99


def test_the_target_moves_by_each_steps_decay(small_method, monkeypatch):
    """Eq. 3 with the decay of that step, of every parameter, in every step of a training."""
    options = changed(small_method, model={"target_decay": 0.6, "target_decay_end": 1.0})
    sets = moving_blobs(16, 2, seed=1)
    training, step, moved = Training(sets, sets, CLASSES, options, 0, "cpu"), Stepper.step, []

    def watched(stepper, rows):
        before = [value.clone() for value in stepper.model.target.parameters()]
        step(stepper, rows)
        tau = 0.6 + 0.4 * (1 - math.cos(math.pi * len(moved) / 4)) / 2
        pairs = zip(before, stepper.model.online.parameters(), stepper.model.target.parameters(), strict=True)
        moved.append(all(torch.allclose(tau * old + (1 - tau) * theta, xi, atol=1e-6) for old, theta, xi in pairs))

    monkeypatch.setattr(Stepper, "step", watched)
    training.run()
    assert moved == [True] * 4


@pytest.mark.parametrize(("decoder_input", "low", "high"), [("queries", 0.02, 1), ("zeros", 0, 0.01)])
def test_the_queries_differ_after_a_few_steps(small_method, decoder_input, low, high):
    """The standard deviation of S over the queries after 6 steps at the paper's rate, with the demo's decoder."""
    regions = RegionOptions(width=32, heads=4, feedforward=32, hidden=32, embedding=32, decoder_input=decoder_input)
    method = changed(small_method, training={"epochs": 3, "batch": 16})
    method = replace(method, model=replace(method.model, regions=regions))
    sets = moving_blobs(32, 4, seed=1)
    curve = Training(sets, sets, CLASSES, method, 0, "cpu").run().curve
    assert all(low < epoch["similarity_spread"] < high for epoch in curve)


def test_weights_balance_the_classes():
    labels = torch.tensor([0] * 6 + [1] * 3 + [2])
    weights = balanced_weights(labels, 3)
    totals = [weights[label].item() * (labels == label).sum().item() for label in range(3)]
    assert totals == pytest.approx([10 / 3] * 3)


@pytest.mark.parametrize("loss", [{"attention": 0, "regions": 0}, {"regions": 0}])
def test_the_model_learns(small_method, loss):
    """Far above chance (1/3) on sequences that it never saw: a model that cannot learn fails here."""
    method = changed(small_method, loss=loss, training={"epochs": 12, "learning_rate": 0.01})
    trained = Training(moving_blobs(48, 4, seed=1), moving_blobs(60, 4, seed=2), CLASSES, method, 0, "cpu").run()
    truth = np.arange(60) % CLASSES
    assert (trained.probabilities.argmax(axis=1) == truth).mean() > 0.8
    assert trained.curve[-1]["loss"] < trained.curve[0]["loss"]
    assert trained.epoch == 12


def test_a_seed_repeats_a_fold_bit_for_bit(small_method):
    data, held_out = moving_blobs(12, 2, seed=1), moving_blobs(6, 2, seed=2)
    first, second = (Training(data, held_out, CLASSES, small_method, 7, "cpu").run() for _ in range(2))
    assert np.array_equal(first.probabilities, second.probabilities)
    assert first.curve == second.curve
    other = Training(data, held_out, CLASSES, small_method, 8, "cpu").run()
    assert not np.array_equal(first.probabilities, other.probabilities)


def test_the_held_out_subject_leaves_no_trace_in_training(small_method):
    data = moving_blobs(12, 2, seed=1)
    networks = [
        Training(data, moving_blobs(6, 2, seed=seed), CLASSES, small_method, 0, "cpu").run().network.state_dict()
        for seed in (2, 3)
    ]
    assert all(torch.equal(networks[0][name], networks[1][name]) for name in networks[0])


def test_the_leak_chooses_the_epoch_by_the_held_out_labels(small_method):
    """With labels that only the predictions of epoch k match, it keeps the network of epoch k, and says so."""
    last = changed(small_method, training={"epochs": 6, "learning_rate": 0.03})
    leak = changed(last, training={"select": "best_on_held_out"})
    data, held_out = moving_blobs(12, 2, seed=1), moving_blobs(30, 2, seed=2)
    watched, by_epoch = Training(data, held_out, CLASSES, last, 0, "cpu"), []
    for _ in range(6):
        watched.epoch()
        by_epoch.append(watched.predict())
    chosen = set()
    for probabilities in by_epoch:
        labels = probabilities.argmax(axis=1)
        latest = max(number for number, one in enumerate(by_epoch) if (one.argmax(axis=1) == labels).all())
        judged = replace(held_out, table=held_out.table.assign(label=labels))
        trained = Training(data, judged, CLASSES, leak, 0, "cpu").run()
        assert trained.epoch == latest + 1
        assert np.array_equal(trained.probabilities, by_epoch[latest])
        chosen.add(trained.epoch)
    assert len(chosen) > 1
    assert Training(data, judged, CLASSES, last, 0, "cpu").run().epoch == 6


def test_a_loss_that_is_not_finite_stops_the_fold(small_method):
    data = moving_blobs(8, 2, seed=1)
    data.maps[:] = float("nan")
    with pytest.raises(InputError, match=r"loss is nan in epoch 1"):
        Training(data, data, CLASSES, small_method, 0, "cpu").run()


def test_augmentation_defaults_are_the_papers():
    assert AugmentationOptions().flip == 0
    assert AugmentationOptions().flip_target


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stderr", [io.StringIO, Terminal])
def test_a_training_draws_a_bar_on_a_terminal_alone(small_method, monkeypatch, stderr):
    monkeypatch.setattr(sys, "stderr", stderr())
    sets = moving_blobs(9, 2, 0)
    Training(sets, sets, CLASSES, small_method, 0, "cpu").run()
    shown, epochs = sys.stderr.getvalue(), small_method.training.epochs
    assert bool(shown) == (stderr is Terminal)
    assert (f" {epochs}/{epochs} " in shown and "accuracy=" in shown) == (stderr is Terminal)
