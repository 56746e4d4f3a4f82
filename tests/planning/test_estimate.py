"""What a run will need: numbers of steps and bytes against counts by hand, a step that is really taken."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from ra_icl.planning import estimate as module
from ra_icl.planning.config import load_config
from ra_icl.planning.estimate import disk_bytes, estimate, measured_step, steps_of
from ra_icl.planning.plan import make_plan

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
    assert steps_of(plan, "cde", small_method) == steps


def test_steps_of_groups_are_those_of_five_trainings(plan, small_method):
    groups = make_plan(plan.config | {"protocols": ["groups5"]})
    sizes = {"group1": 24, **{f"group{number}": 12 for number in range(2, 6)}}  # six subjects with 12 sequences each
    assert len(groups.selected["groups5"]) == sum(sizes.values())
    epochs = [math.ceil((sum(sizes.values()) - own) / small_method.training.batch) for own in sizes.values()]
    assert steps_of(groups, "groups5", small_method) == 2 * small_method.training.epochs * sum(epochs)


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
