"""Controls do as much as M6: how many pairs an epoch draws from a sequence, steps taken, images classified."""

import pytest
from fold_data import changed, train_fold, write_workspace

from ra_icl.files import read_json
from ra_icl.training import loop
from ra_icl.training.instances import InstanceSets
from ra_icl.training.step import Stepper

OFF = {"attention": 0, "regions": 0}


@pytest.fixture
def done(monkeypatch):
    """{"steps", "images", "pairs"} that trainings really took, classified and drew, those of diagnoses left out."""
    counted = {"steps": 0, "images": 0, "pairs": []}
    step, terms, draw = Stepper.step, Stepper.terms, InstanceSets.draw_pair

    def counting_step(stepper, rows):
        counted["steps"] += 1
        step(stepper, rows)

    def counting_terms(stepper, rows, generator):
        found = terms(stepper, rows, generator)
        counted["images"] += len(found.logits) * (generator is stepper.generator)
        return found

    def counting_draw(sets, rows, generator):
        counted["pairs"].append(rows.tolist())
        return draw(sets, rows, generator)

    monkeypatch.setattr(Stepper, "step", counting_step)
    monkeypatch.setattr(Stepper, "terms", counting_terms)
    monkeypatch.setattr(InstanceSets, "draw_pair", counting_draw)
    monkeypatch.setattr(loop, "diagnose", lambda stepper, epoch: {"gradients": {}})
    return counted


def recorded(folder, options, instances):
    """Steps and images of a fold's JSON; its sequences have 20 frames after the onset."""
    folder.mkdir()
    write_workspace(folder, instances=instances, size=4, frames=20)
    record = read_json(train_fold(folder, options).with_suffix(".json"))
    return {key: record[key] for key in ("steps", "images")}


def test_controls_take_the_steps_and_classify_the_images_of_the_whole_method(tmp_path, small_method, done):
    """M6 on 16 instances, `m2_equal` on the same, `m1_equal` on its one instance; 3 training sequences, batch 8."""
    m6 = changed(small_method, training={"pairs": "instances"})
    m2 = changed(m6, loss=OFF, training={"classify": "both"})
    m1 = changed(m2, training={"pairs": 16})
    expected = {"steps": 2 * 3 * 16 / 8, "images": 2 * 3 * 16 * 2}
    for name, options, instances in (("m6", m6, 16), ("m2_equal", m2, 16), ("m1_equal", m1, 1)):
        done |= {"steps": 0, "images": 0}
        assert recorded(tmp_path / name, options, instances) == expected
        assert {key: done[key] for key in expected} == expected


def test_the_papers_baselines_classify_one_instance_of_each_pair(tmp_path, small_method, done):
    m2 = changed(small_method, loss=OFF)
    assert recorded(tmp_path / "m2", m2, 16) == {"steps": 2, "images": 2 * 3}
    assert (done["steps"], done["images"]) == (2, 2 * 3)
    done |= {"steps": 0, "images": 0}
    assert recorded(tmp_path / "m6", small_method, 16) == {"steps": 2, "images": 2 * 3 * 2}
    assert (done["steps"], done["images"]) == (2, 2 * 3 * 2)


@pytest.mark.parametrize(
    ("pairs", "instances", "times"), [("sequences", 5, 1), ("instances", 5, 5), (7, 1, 7), (90, 2, 20)]
)
def test_every_sequence_occurs_as_often_as_asked_in_every_epoch(tmp_path, small_method, done, pairs, instances, times):
    """A number is at most the 20 frames after the onset."""
    recorded(tmp_path / "fold", changed(small_method, training={"pairs": pairs}), instances)
    drawn = [row for batch in done["pairs"] for row in batch]
    half = len(drawn) // 2
    assert len(drawn) == 2 * 3 * times
    for epoch in (drawn[:half], drawn[half:]):
        assert [epoch.count(row) for row in range(3)] == [times] * 3
    assert times == 1 or drawn[:half] != drawn[half:]  # in another order
