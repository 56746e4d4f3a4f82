"""Ensembles in the plan: their members, seeds and files, and what is refused."""

import json
from pathlib import Path

import pytest

from ra_icl.errors import InputError
from ra_icl.planning.config import check_config, load_config
from ra_icl.planning.methods import merge
from ra_icl.planning.plan import make_plan

ROOT = Path(__file__).parents[2]
ENSEMBLES = {
    "m6_all_views": {"title": "M6, all views", "members": ["m6"], "instances": "all", "mirror": True},
    "both": {"title": "M6 and M3", "members": ["m6", "m3"], "seeds": "all"},
}


@pytest.fixture(scope="module")
def demo():
    values = load_config([ROOT / "config/config.yaml", ROOT / "config/demo.yaml"])
    tables = {"table1": ["m1", "both"], "table3": ["m1", "m6_all_views"], "table2": ["m6"]}
    changes = {"protocols": ["cde"], "seeds": [4, 2], "ensembles": ENSEMBLES, "tables": tables, "confusion": "both"}
    return merge(values, changes)


def test_an_ensemble_has_folds_as_a_method_has(demo):
    plan = make_plan(demo)
    folds = plan.folds("cde")
    assert plan.fold_files("cde", "m6_all_views") == [
        f"cde/m6_all_views/seed{seed}/{fold}.csv" for seed in (4, 2) for fold in folds
    ]
    assert plan.fold_files("cde", "both") == [f"cde/both/seed4/{fold}.csv" for fold in folds]
    assert plan.member_files("cde", "m6_all_views", 2, "samm-006") == ["cde/m6/seed2/samm-006.csv"]
    assert plan.member_files("cde", "both", 4, "samm-006") == [
        f"cde/{method}/seed{seed}/samm-006.csv" for method in ("m6", "m3") for seed in (4, 2)
    ]
    assert [plan.view(name) for name in ENSEMBLES] == ["all_mirror", "middle"]


def test_its_members_are_trained_and_not_itself(demo):
    plan = make_plan(demo)
    assert plan.runs() == [("cde", "m1"), ("cde", "m3"), ("cde", "m6")]
    assert not set(ENSEMBLES) & set(plan.methods)


def test_a_row_has_its_title_its_first_members_marks_and_whether_any_needs_an_apex(demo):
    plan = make_plan(demo)
    marks = json.loads(plan.row_slice(["m6", "m3", "both"]))
    assert "Apex" in marks["m3"]["mir"]
    assert marks["both"] == marks["m6"] | {"title": "M6 and M3", "mir": marks["m3"]["mir"]}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"ensembles": {"both": {"members": ["m6", "m66"]}}}, r"ensembles\.both\.members: 'm66' is not defined"),
        ({"ensembles": {"both": {"members": []}}}, r"ensembles\.both\.members"),
        ({"ensembles": {"both": {"seeds": "some"}}}, r"ensembles\.both\.seeds"),
        ({"ensembles": {"both": {"members": ["m6_all_views"]}}}, "'m6_all_views' is not defined"),
        ({"ensembles": {"m6": {"title": "x", "members": ["m5"]}}}, r"ensembles\.m6: is a method, too; choose another"),
        ({"ensembles": {"both": None}}, r"tables\.table1: 'both' is not defined"),
        (
            {"methods": {"m3": {"training": {"select": "best_on_held_out"}}}},
            r"ensembles\.both\.members: training\.select of m6 is last, of m3 best_on_held_out; set it alike",
        ),
        ({"keep_networks": ["both"]}, "keep_networks: 'both' is not defined"),
        ({"reference": "both"}, "reference: 'both' is not defined"),
    ],
)
def test_what_does_not_fit_is_refused(demo, changes, fault):
    with pytest.raises(InputError, match=fault):
        check_config(merge(demo, changes))
