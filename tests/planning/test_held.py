"""What `cross` in a config means, with the datasets that it has."""

from pathlib import Path

import pytest

from ra_icl.errors import InputError
from ra_icl.planning.config import load_config
from ra_icl.planning.estimate import steps_of
from ra_icl.planning.held import parts_of
from ra_icl.planning.methods import merge
from ra_icl.planning.plan import make_plan

ROOT = Path(__file__).parents[2]


@pytest.fixture
def demo():
    values = load_config([ROOT / "config/config.yaml", ROOT / "config/demo.yaml"])
    return merge(values, {"protocols": ["cde", "cross"], "tables": {"cross": ["m1", "m6"]}})


def test_cross_is_four_protocols(demo):
    plan = make_plan(demo)
    assert list(plan.selected) == ["cde", "cross", "cross_casme2", "cross_samm", "cross_smic"]
    assert plan.fold_files("cross", "m6") == [f"cross/m6/seed0/{name}.csv" for name in ("casme2", "samm", "smic")]
    assert plan.fold_files("cross_samm", "m1") == ["cross_samm/m1/seed0/others.csv"]
    assert plan.score_tables()["cross"] == (list(plan.selected)[1:], ["m1", "m6"])
    # The method of the confusion matrices is trained for the protocols that have one.
    crossed = {method for protocol, method in plan.runs() if protocol.startswith("cross")}
    assert crossed == {"m1", "m6"}


def test_a_step_is_taken_on_the_datasets_that_are_trained_on(demo, small_method):
    plan = make_plan(demo)
    rows, batch = plan.selected["cde"], small_method.training.batch
    for name in ("casme2", "samm", "smic"):
        trained = (rows["dataset"] == name).sum()
        steps = -(-trained // batch) * small_method.training.epochs
        assert steps_of(plan, f"cross_{name}", "m1", small_method) == steps


def test_datasets_without_a_root_are_not_crossed(demo):
    roots = {"casme2": {"root": "a"}, "samm": {"root": ""}, "smic": {"root": "c"}}
    config = merge(demo, {"data": {"source": "datasets"}, "datasets": roots})
    assert parts_of(config, "cross") == ["cross", "cross_casme2", "cross_smic"]
    assert parts_of(config, "cde") == ["cde"]
    config = merge(config, {"datasets": {"smic": {"root": ""}}})
    with pytest.raises(InputError, match="protocols: cross needs two datasets, but only casme2 has a root"):
        parts_of(config, "cross")
