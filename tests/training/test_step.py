"""A step on its device: recorded steps count like any other, the rate reaches them, sums are of every step."""

import copy
from dataclasses import replace

import pytest
import torch
from config_methods import built, options_in_config, small_methods
from fold_data import CLASSES, changed, moving_blobs

from ra_icl.model.siamese import Siamese
from ra_icl.planning.options import from_mapping
from ra_icl.training import losses
from ra_icl.training import step as module
from ra_icl.training.method import MethodOptions
from ra_icl.training.step import WARM_STEPS, Stepper


class OnGpu:
    """A device that says it is a GPU: the bookkeeping of recorded steps runs on a CPU too."""

    type = "cuda"


METHODS = small_methods()


def test_the_methods_are_those_of_the_config():
    """The tests on a GPU read it without the checks of a run."""
    for name, values in options_in_config().items():
        assert built(MethodOptions, values) == from_mapping(MethodOptions, values, name)


def stepper_of(options, sequences=10):
    data = moving_blobs(sequences, 3, seed=1)
    torch.manual_seed(0)
    model = Siamese(CLASSES, options.model, options.loss.regions > 0).train()
    return Stepper(model, data, CLASSES, options, torch.Generator().manual_seed(0))


def test_steps_that_are_recorded_count_like_any_other(small_method, monkeypatch):
    """Two batch sizes in turn: each is recorded once, after its warm steps, and no step is lost or done twice."""
    plain, recording = stepper_of(small_method), stepper_of(small_method)
    recorded = []

    def fake(step, rows, generator, pool):
        assert generator is recording.generator
        recorded.append(len(rows))
        static = rows.clone()

        def replay(chosen):
            static.copy_(chosen)
            step(static)

        return replay

    monkeypatch.setattr(module, "record", fake)
    monkeypatch.setattr(module, "autocast", lambda precision, device: torch.autocast("cpu", enabled=False))
    recording.device = OnGpu()
    order = torch.randperm(10)
    for _ in range(WARM_STEPS + 3):
        for rows in order.tensor_split([6]):
            plain(rows)
            recording(rows)
    assert recorded == [6, 4]
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, recording.model.state_dict()[name]), name
    assert plain.take_means() == recording.take_means()


def test_means_are_over_the_steps_since_the_last_call(small_method):
    stepper, single = stepper_of(small_method), []
    other = stepper_of(small_method)
    for rows in torch.arange(10).tensor_split(2):
        stepper(rows)
        other(rows)
        single.append(other.take_means())
    means = stepper.take_means()
    assert set(means) == {"loss", "cls", "acl", "align", "c", "accuracy", "wins"}
    for name in ("loss", "cls", "acl", "align", "c", "accuracy"):
        assert means[name] == pytest.approx((single[0][name] + single[1][name]) / 2, rel=1e-5)
    assert sum(means["wins"]) == pytest.approx(1)
    assert stepper.steps == 0
    assert all(not total.any() for total in stepper.sums.values())


def test_one_step_is_adam_on_the_objective_and_eq_3(small_method):
    """Against PyTorch's Adam on a copy of the network, with the loss put together here."""
    stepper = stepper_of(small_method)
    model = copy.deepcopy(stepper.model)
    generator = torch.Generator().manual_seed(0)
    plain = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.001, weight_decay=0.0001)
    rows = torch.arange(6)
    stepper(rows)
    pair = stepper.data.draw_pair(rows, generator)
    terms = module.siamese_terms(model, pair, stepper.data.labels[rows], small_method, generator).losses
    (0.5 * (terms["cls"] + terms["acl"] + terms["align"] + terms["c"])).backward()
    before = {name: value.clone() for name, value in model.target.named_parameters()}
    plain.step()
    for name, value in model.online.named_parameters():
        found = stepper.model.online.get_parameter(name), stepper.model.target.get_parameter(name)
        torch.testing.assert_close(value, found[0], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(0.99 * before[name] + 0.01 * value, found[1], atol=1e-6, rtol=1e-5)


def test_bf16_and_fp32_stay_together_step_by_step(small_method):
    """The same pairs and draws in both; bf16 keeps 8 bits of a number."""
    losses = {}
    for precision in ("fp32", "bf16"):
        stepper = stepper_of(changed(small_method, training={"precision": precision}))
        losses[precision] = []
        for step in range(12):
            stepper(torch.arange(10).roll(3 * step)[:6])
            losses[precision].append(stepper.take_means()["loss"])
    assert losses["bf16"] != losses["fp32"]
    for half, full in zip(losses["bf16"], losses["fp32"], strict=True):
        assert half == pytest.approx(full, rel=0.03)


@pytest.mark.parametrize("name", METHODS)
def test_no_method_asks_the_device_for_a_value_in_a_step(name):
    """Which a recorded step must not: tensors of the device `meta` have none to give."""
    stepper = stepper_of(METHODS[name])
    stepper.model.to("meta")
    stepper.data = replace(
        stepper.data, **{part: getattr(stepper.data, part).to("meta") for part in ("maps", "first", "count", "labels")}
    )
    stepper.class_weights = stepper.class_weights.to("meta")
    terms = stepper.terms(torch.arange(6, device="meta"), stepper.generator)
    losses.objective(terms.losses, stepper.options.loss).backward()
    assert all(measure.device.type == "meta" for measure in terms.measures().values())
    assert all(parameter.grad is not None for parameter in stepper.model.online.backbone.parameters())
