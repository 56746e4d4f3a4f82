"""What a run will need: numbers of steps and bytes against counts by hand, a step that is really taken."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ra_icl.errors import InputError
from ra_icl.planning import estimate as module
from ra_icl.planning.config import load_config
from ra_icl.planning.estimate import disk_bytes, estimate, measured_step, steps_of
from ra_icl.planning.methods import merge
from ra_icl.planning.plan import make_plan
from ra_icl.training.fold import Fold, fold_rows, split
from ra_icl.training.instances import InstanceSets
from ra_icl.training.loop import Training

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def plan():
    values = load_config([ROOT / "config/config.yaml", ROOT / "config/demo.yaml"])
    return make_plan(values | {"seeds": [0, 1], "protocols": ["cde"]})


def test_steps_are_those_of_every_fold(plan, small_method):
    rows, steps = plan.selected["cde"], 0
    for fold in plan.folds("cde"):
        dataset, _, subject = fold.partition("-")
        own = ((rows["dataset"] == dataset) & (rows["subject"] == subject)).sum()
        steps += 2 * small_method.training.epochs * math.ceil((len(rows) - own) / small_method.training.batch)
    assert steps_of(plan, "cde", "m6", small_method) == steps


def trained_steps(plan, method, options):
    """Steps that the trainings of all folds of a method take, on sets with as many instances as its flow would have."""
    rows, total = plan.selected["cde"], 0
    frames = (rows["offset"] - rows["onset"]).to_numpy()
    counts = torch.from_numpy({"m6": np.minimum(frames, 4), "m1": np.minimum(frames, 1)}[method])
    table = rows[["dataset", "subject", "sequence", "label"]].assign(frames=frames)
    first, labels = counts.cumsum(0) - counts, torch.tensor(rows["label"].to_numpy())
    sets = InstanceSets(
        torch.zeros(int(counts.sum()), 3, 8, 8), first, counts, labels, table, np.zeros((len(rows), 3, 3))
    )
    for fold in plan.folds("cde"):
        training, held_out = split(sets, fold_rows(rows, Fold("cde", method, fold, 0, "twins"))[1])
        started = Training(training, held_out, 3, options, 0, "cpu")
        total += started.steps_per_epoch * options.training.epochs
    return total * len(plan.config["seeds"])


@pytest.mark.parametrize(
    ("method", "pairs"),
    [("m6", "sequences"), ("m6", "instances"), ("m6", 3), ("m1", "instances"), ("m1", 4), ("m1", 9)],
)
def test_steps_are_those_of_the_trainings(plan, small_method, method, pairs):
    """Of sequences of 1 to 6 frames after the onset, so that a number of pairs is sometimes too large for them."""
    rows = plan.selected["cde"]
    short = rows.assign(offset=rows["onset"] + 1 + np.arange(len(rows)) % 6)
    plan = replace(plan, selected={"cde": short})
    options = replace(small_method, training=replace(small_method.training, pairs=pairs))
    assert steps_of(plan, "cde", method, options) == trained_steps(plan, method, options)


def test_a_control_on_one_instance_takes_the_steps_of_the_whole_method(plan, small_method):
    """As many pairs of its one instance as M6 has instances; one less, and it takes fewer."""
    steps = {
        pairs: steps_of(
            plan, "cde", method, replace(small_method, training=replace(small_method.training, pairs=pairs))
        )
        for method, pairs in (("m6", "instances"), ("m1", 4), ("m1", 3))
    }
    assert steps["instances"] == steps[4] > steps[3]


def test_steps_of_groups_are_those_of_five_trainings(plan, small_method):
    groups = make_plan(plan.config | {"protocols": ["groups5"]})
    sizes = {"group1": 24, **{f"group{number}": 12 for number in range(2, 6)}}  # six subjects with 12 sequences each
    assert len(groups.selected["groups5"]) == sum(sizes.values())
    epochs = [math.ceil((sum(sizes.values()) - own) / small_method.training.batch) for own in sizes.values()]
    assert steps_of(groups, "groups5", "m6", small_method) == 2 * small_method.training.epochs * sum(epochs)


def test_bytes_are_those_of_crops_and_flow(plan):
    rows, size = plan.selected["cde"], plan.config["faces"]["size"]
    crops = sum((row.offset - row.onset + 1) * size**2 for row in rows.itertuples())
    samplings = {plan.sampling(method): plan.methods[method]["sampling"] for _, method in plan.runs()}
    pairs = sum(
        1 if one["mode"] == "apex" else min(row.offset - row.onset, 10**9 if one["mode"] == "full" else 4)
        for one in samplings.values()
        for row in rows.itertuples()
    )
    networks = disk_bytes(plan) - crops - pairs * 3 * 2 * size**2
    without = replace(plan, config=plan.config | {"keep_networks": []})
    assert disk_bytes(without) == crops + pairs * 3 * 2 * size**2
    assert networks == disk_bytes(plan) - disk_bytes(without) > 0


def test_protocols_share_the_flow_of_their_sequences():
    values = load_config([ROOT / "config/config.yaml", ROOT / "config/demo.yaml"]) | {"keep_networks": []}
    one, other, both = (
        make_plan(values | {"protocols": protocols})
        for protocols in (["casme3_4"], ["casme3_7"], ["casme3_4", "casme3_7"])
    )
    assert set(one.selected["casme3_4"]["sequence"]) == set(other.selected["casme3_7"]["sequence"])
    assert disk_bytes(both) == disk_bytes(one) == disk_bytes(other) > 0


def test_a_step_is_measured_and_scaled_to_the_batch(small_method, monkeypatch):
    monkeypatch.setattr(module.time, "perf_counter", iter([0.0, 6.0]).__next__)
    seconds, memory, device = measured_step(small_method, 3, 400)  # two sequences of this size are enough of a batch
    assert (seconds, memory, device) == (6.0 / 3 * 8 / 2, 0, "cpu")


def test_the_lines_name_device_hours_and_disk(plan, monkeypatch):
    monkeypatch.setattr(module, "measured_step", lambda options, classes, size: (0.5, 0, "cpu"))
    text = "\n".join(estimate(plan))
    assert "device: cpu" in text
    assert "training: 120 folds" in text
    assert "GiB of crops, flow and networks" in text
    assert "selection" not in text
    options = plan.config["selection"] | {"groups": 2, "inner_folds": 2, "candidates": {"a": {}, "b": {}}}
    options["methods"] = {"m6": ["m1"]}
    selecting = make_plan(plan.config | {"selection": options})
    assert "selection: 8 inner folds first, on 25% of the subjects each" in "\n".join(estimate(selecting))


def test_a_peer_is_measured_on_the_frames_that_it_reads(monkeypatch):
    values = load_config([ROOT / "config/config.yaml", ROOT / "config/demo.yaml"])
    more = {"sampling": {"mode": "frames", "instances": 30}, "peer": {"name": "lbp_top"}}
    tables = {name: [] for name in values["tables"]} | {"table3": ["peer_lbp_top", "peer_lbp_top_30"]}
    changes = {
        "protocols": ["cde"],
        "methods": {"peer_lbp_top_30": more},
        "keep_networks": [],
        "attention": {"table": []},
    }
    plan = make_plan(merge(values, changes | {"tables": tables}))
    measured = []
    monkeypatch.setattr(module, "measured_step", lambda *_: (0.5, 0, "cpu"))
    monkeypatch.setattr(
        module, "measured_peer_step", lambda _, __, method, ___: measured.append(method) or (1.0, 0, "cpu")
    )
    estimate(plan)
    assert sorted(measured) == ["peer_lbp_top", "peer_lbp_top_30"]


def test_a_full_gpu_is_one_line(plan, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nGPU 0 has")

    monkeypatch.setattr(module, "measured_step", full)
    with pytest.raises(InputError, match=r"^the GPU's memory is full [^\n]*Tried to allocate 20[^\n]*folds_per_gpu"):
        estimate(plan)
