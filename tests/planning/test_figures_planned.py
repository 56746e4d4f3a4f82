"""What figures on request are drawn from, of the shipped configs and of changed ones."""

from pathlib import Path

import pytest

from ra_icl.planning.config import load_config
from ra_icl.planning.figures import apex_inputs, default_of, trained_methods
from ra_icl.planning.plan import make_plan

CONFIGS = Path(__file__).parents[2] / "config"


def plan_of(tmp_path, text="{}"):
    (tmp_path / "mine.yaml").write_text(text)
    return make_plan(load_config([CONFIGS / "config.yaml", CONFIGS / "demo.yaml", tmp_path / "mine.yaml"]))


def test_the_apex_is_asked_of_the_reference_and_of_methods_like_it_that_see_it(tmp_path):
    found = apex_inputs(plan_of(tmp_path))
    assert found.methods == ["m6", "m3", "m7"]  # m1 has no modules either, m8 to m10 do not see the apex
    assert (found.sampling["mode"], found.sampling["instances"]) == ("middle", 4)
    assert "source" not in found.sampling
    assert list(found.sweep) == ["4", "8", "12", "16", "20", "32"]
    assert found.sweep["4"] == "m6"
    assert found.sweep["16"] == "m6_instances_16"
    assert found.default == ["4"]


def test_other_references_have_other_companions_and_maybe_no_sweep(tmp_path):
    found = apex_inputs(plan_of(tmp_path, "reference: m2"))
    assert (found.methods, found.sweep, found.default) == (["m2", "m1"], {}, [])
    assert apex_inputs(plan_of(tmp_path, "reference: m7")) is None
    without = apex_inputs(plan_of(tmp_path, "sweeps: null\ntables: {table3: [m6]}"))
    assert (without.methods, without.sweep) == (["m6"], {})


@pytest.mark.parametrize(("values", "default"), [("[2, 8]", ["8"]), ("[2, 4]", [])])
def test_the_default_of_a_sweep_is_the_method_itself(tmp_path, values, default):
    plan = plan_of(tmp_path, f"sweeps: {{queries: {{values: {values}}}}}")
    assert default_of(plan, plan.sweeps["queries"]) == default
    assert {"m6", "m10", "m6_queries_2"} <= set(trained_methods(plan))
    assert set(trained_methods(plan)) <= set(plan.methods)
