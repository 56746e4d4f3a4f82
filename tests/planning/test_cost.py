"""The costs of a method against counts by hand: layers, shapes, batches."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.model.siamese import Siamese
from ra_icl.planning.config import load_config
from ra_icl.planning.cost import flops_of_clip, flops_of_step, parameters, write_costs
from ra_icl.planning.instances import cost_inputs
from ra_icl.planning.options import from_mapping
from ra_icl.planning.peer_costs import flops_of
from ra_icl.planning.plan import make_plan
from ra_icl.training.method import MethodOptions

SIZE = 12
SMALL = {
    "model": {
        "backbone": {"stem": "small", "width": 4, "blocks": [1, 1, 1, 1]},
        "regions": {"queries": 3, "width": 8, "layers": 1, "heads": 2, "feedforward": 8, "hidden": 8, "embedding": 4},
    },
    "training": {"batch": 8},
}


def method(**changes):
    return from_mapping(MethodOptions, SMALL | changes, "options")


PLAIN = {"loss": {"attention": 0.0, "regions": 0.0}}


def counted_by_hand(options, batch, size=SIZE):
    """2 x multiplications of every convolution and the classifier, from the shapes that pass through them."""
    network, found = Siamese(3, options.model, discover=False).online.eval(), []

    def convolution(layer, inputs, output):
        taps = layer.in_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]
        found.append(2 * taps * output.numel())

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(convolution)
    network.classify(torch.rand(batch, 3, size, size))
    return sum(found) + 2 * batch * network.classifier.weight.numel()


def test_a_clip_costs_what_its_layers_cost():
    options = method(**PLAIN)
    assert flops_of_clip(options, 3, SIZE, 1) == counted_by_hand(options, 1) > 0
    everything = method(**PLAIN, inference={"instances": "all", "mirror": True})
    assert flops_of_clip(everything, 3, SIZE, 5) == counted_by_hand(options, 10)


def test_a_step_costs_forward_and_backward_of_the_whole_batch():
    options = method(**PLAIN, augmentation={"blur": 0.0})  # a blur is a convolution, too
    forward = counted_by_hand(options, 8)
    first = 2 * 3 * 9 * 4 * SIZE * SIZE * 8  # the maps themselves need no gradient
    assert flops_of_step(options, 3, SIZE) == 3 * forward - first


@pytest.mark.parametrize("grad", [False, True])
def test_attention_is_counted(grad):
    """Of q, k, v (2, 3, 5, 7): two products of matrices forward, two of each backward."""
    parts = [torch.rand(2, 3, 5, 7, requires_grad=grad) for _ in range(3)]
    once = 2 * (2 * 2 * 3 * 5 * 5 * 7)

    def attend():
        found = scaled_dot_product_attention(*parts)
        return found.sum().backward() if grad else found

    assert flops_of(attend) == once * (3 if grad else 1)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("first", [True, False])  # the first layer's input needs no gradient
def test_convolutions_in_groups_are_counted(groups, first):
    layer = torch.nn.Conv2d(6, 9, kernel_size=5, padding=2, groups=groups)
    inputs = torch.rand(2, 6, 8, 7, requires_grad=not first)
    once = 2 * (2 * 9 * 8 * 7) * (6 // groups) * 25
    assert flops_of(lambda: layer(inputs)) == once
    assert flops_of(lambda: layer(inputs).sum().backward()) == once * (2 if first else 3)


def test_the_whole_method_costs_more_than_its_parts():
    costs = [
        flops_of_step(method(loss=loss), 3, SIZE)
        for loss in (PLAIN["loss"], {"attention": 0.5, "regions": 0.0}, {"attention": 0.5, "regions": 0.5})
    ]
    assert costs == sorted(costs)
    assert costs[1] > 2 * costs[0]  # both instances, and a target that sees both too


def test_parameters_are_those_that_predict_and_those_that_learn():
    plain, whole = method(**PLAIN), method()
    network = Siamese(3, plain.model, discover=False).online
    by_hand = sum(parameter.numel() for parameter in network.parameters())
    assert parameters(plain, 3) == (by_hand, by_hand)
    predicting, trained = parameters(whole, 3)
    assert predicting == by_hand
    model = Siamese(3, whole.model)
    assert trained == sum(p.numel() for part in (model.online, model.predictor) for p in part.parameters()) > by_hand


def metrics(name, seconds, memory):
    composite = {"uf1": {"mean": 0.71234}, "uar": {"mean": 0.7}, "samples": 442}
    content = {"method": name, "protocol": "cde", "classes": ["a", "b", "c"], "seeds": [0, 1], "folds": 4}
    content |= {"scores": {"composite": composite} | dict.fromkeys(("casme2", "samm", "smic"), composite)}
    content |= {"confusion": {}, "data_source": "twins", "selection": "last", "data": {}, "device": ["cpu (x)"]}
    return content | {"seconds": seconds, "memory": memory}


def test_the_table_has_what_was_measured(tmp_path):
    jsons = [tmp_path / "m1.json", tmp_path / "m6.json"]
    files.write_json(jsons[0], metrics("m1", 100.0, None))
    files.write_json(jsons[1], metrics("m6", 400.0, 3 * 2**30))
    inputs = {
        "m1": {"title": "M1", "options": SMALL | PLAIN, "size": SIZE, "instances": 1.0},
        "m6": {"title": "M6", "options": SMALL, "size": SIZE, "instances": 13.5},
    }
    write_costs(dict(reversed(inputs.items())), jsons, tmp_path / "cost", "cpu")
    table = pd.read_csv(tmp_path / "cost.csv").set_index("method")
    assert table.index.tolist() == ["m1", "m6"]  # as in the tables of scores
    assert table["seconds_fold"].tolist() == [12.5, 50.0]
    assert table["maps_training"].tolist() == [1.0, 13.5]
    assert table["maps_clip"].tolist() == [1, 1]
    assert (table["seconds_clip"] > 0).all()
    assert table.loc["m1", "gflop_clip"] == pytest.approx(counted_by_hand(method(**PLAIN), 1) / 1e9)
    text = (tmp_path / "cost.md").read_text()
    assert "SYNTHETIC TWINS" in text
    assert "3.00 GiB" in text
    assert "–" in text  # folds of an older version did not say


def test_a_table_of_selected_methods_says_which_options_its_columns_are_of(tmp_path):
    groups = {"group1": {"candidate": "wide", "scores": {"wide": 0.7}, "spread": {"wide": 0.01}}}
    selection = {"method": "m1", "inner_folds": 3, "seed": 0, "groups": groups}
    files.write_json(tmp_path / "m1.json", metrics("m1", 100.0, None) | {"selection_of": selection})
    inputs = {"m1": {"title": "M1", "options": SMALL | PLAIN, "size": SIZE, "instances": 1.0}}
    write_costs(inputs, [tmp_path / "m1.json"], tmp_path / "cost", "cpu")
    notes = (tmp_path / "cost.notes.md").read_text()
    assert "memory of a fold are those of the chosen options; everything else" in notes
    assert "wide" in notes


@pytest.mark.parametrize(
    ("inputs", "device", "words"),
    [
        ({}, "cpu", "--methods: has no m1, whose metrics are given"),
        (
            {"m1": {"title": "M1", "size": 28, "instances": 1}},
            "cpu",
            "--methods: m1 has no options; give title",
        ),
        ({"m1": {"title": "M1", "options": {}, "size": 28, "instances": 1}}, "gpu", "'gpu' is not known; choose auto"),
    ],
)
def test_inputs_that_do_not_fit_are_named(tmp_path, inputs, device, words):
    files.write_json(tmp_path / "m1.json", metrics("m1", 100.0, None))
    with pytest.raises(InputError, match=words):
        write_costs(inputs, [tmp_path / "m1.json"], tmp_path / "cost", device)


def test_inputs_are_the_plans():
    root = Path(__file__).parents[2]
    plan = make_plan(load_config([root / "config/config.yaml", root / "config/demo.yaml"]) | {"protocols": ["cde"]})
    found = cost_inputs(plan, "cde", ["m1", "m6"])
    frames = plan.selected["cde"]["offset"] - plan.selected["cde"]["onset"]
    assert found["m1"]["instances"] == 1
    most = plan.methods["m6"]["sampling"]["instances"]
    assert found["m6"]["instances"] == pytest.approx(frames.clip(upper=most).mean())
    assert found["m6"]["size"] == plan.config["faces"]["size"]
    assert found["m6"]["options"]["training"] == plan.methods["m6"]["training"]
