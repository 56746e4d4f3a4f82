"""Nested selection in the plan: candidates, inner folds, who takes which choice, and what is refused."""

import copy
import json
from pathlib import Path

import pytest

from ra_icl.datasets.index import index_frame
from ra_icl.datasets.nested import InnerFold, group_of
from ra_icl.datasets.protocols import PROTOCOLS
from ra_icl.errors import Faults, InputError
from ra_icl.planning.config import check_config, load_config
from ra_icl.planning.indexes import Indexed
from ra_icl.planning.methods import merge
from ra_icl.planning.plan import make_plan
from ra_icl.planning.selection import Selection

ROOT = Path(__file__).parents[2]
GRID = {"slow": {"training": {"learning_rate": 0.0003}}, "base": {}, "wide": {"model": {"backbone": {"width": 16}}}}
CHANGES = {"selection": {"inner_folds": 2, "seed": 7, "candidates": GRID, "methods": {"m2": ["m1"], "m6": ["m4"]}}}


@pytest.fixture
def demo():
    """Five subjects in each of three datasets: one of each in every group."""
    values = load_config([ROOT / "config/config.yaml", ROOT / "config/demo.yaml"])
    return merge(values, {"protocols": ["cde", "casme3_4"], "twins": {"subjects": 5}, **CHANGES})


def test_candidates_are_methods_of_their_own(demo):
    plan = make_plan(demo)
    assert [name for name in plan.methods if "." in name and "lambda" not in name] == [
        f"{method}.{candidate}" for method in ("m2", "m6") for candidate in GRID
    ]
    assert plan.training_slice("m2.base") == plan.training_slice("m2")
    ours, theirs = (json.loads(plan.training_slice(name)) for name in ("m6.wide", "m6"))
    assert ours["model"]["backbone"].pop("width") == 16 != theirs["model"]["backbone"].pop("width")
    assert ours == theirs
    assert plan.sampling("m2.slow") == plan.sampling("m2")
    # They are trained for choices alone.
    assert plan.runs() == make_plan(demo | {"selection": demo["selection"] | {"methods": {}}}).runs()


def test_a_choice_is_made_from_all_inner_folds_of_all_candidates(demo):
    selection = Selection(make_plan(demo))
    groups = [f"group{number}" for number in range(1, 6)]
    assert selection.choices() == [f"cde/{method}/{group}.json" for method in ("m2", "m6") for group in groups]
    assert selection.inner_files("cde", "m6", "group3") == [
        f"cde/m6.{candidate}/seed7/group3of5-inner{part}of2.csv" for candidate in GRID for part in (1, 2)
    ]
    assert json.loads(selection.candidates) == GRID
    assert list(json.loads(selection.candidates)) == list(GRID)  # the order breaks ties
    assert selection.trainings == 2 * 5 * len(GRID) * 2


def test_epochs_are_kept_of_the_candidates_whose_choices_a_method_takes(demo):
    selection = Selection(make_plan(demo | {"keep_epochs": ["m1", "m3"]}))
    kept = [name for name in ("m1", "m2", "m2.wide", "m3", "m4", "m6", "m6.wide") if selection.keeps_epochs(name)]
    assert kept == ["m1", "m2.wide", "m3"]
    selection = Selection(make_plan(demo | {"keep_epochs": ["m6"]}))
    assert [selection.keeps_epochs(name) for name in ("m6", "m6.slow", "m4", "m2.slow")] == [True, True, False, False]


def test_an_ensemble_takes_the_choices_of_its_members(demo):
    ensembles = {
        "both": {"title": "Both", "members": ["m1", "m4", "m2"]},
        "plain": {"title": "Plain", "members": ["m3"]},
    }
    selection = Selection(make_plan(merge(demo, {"ensembles": ensembles})))
    groups = [f"group{number}.json" for number in range(1, 6)]
    assert selection.choices_of("cde", "both") == [f"cde/{name}/{group}" for name in ("m2", "m6") for group in groups]
    assert selection.choices_of("cde", "plain") == []


def test_every_fold_takes_the_choice_of_its_subjects_group(demo):
    plan = make_plan(demo)
    selection, rows = Selection(plan), plan.selected["cde"]
    group = group_of(rows, PROTOCOLS["cde"], 5)
    taken = {}
    for dataset, subject, own in zip(rows["dataset"], rows["subject"], group, strict=True):
        fold = f"{dataset}-{subject}"
        assert selection.choice_of("cde", "m4", fold) == [f"cde/m6/{own}.json"]
        assert selection.choice_of("cde", "m1", fold) == selection.choice_of("cde", "m2", fold)
        taken.setdefault(own, set()).add(fold)
    assert sorted(map(len, taken.values())) == [3] * 5
    assert selection.choice_of("cde", "m2", "casme2-sub01") == [f"cde/m2/{group.iloc[0]}.json"]
    # Neither other methods, nor inner folds, nor other protocols take one.
    inner = InnerFold("group1", 5, 1, 2).name
    assert selection.choice_of("cde", "m5", "casme2-sub01") == selection.choice_of("cde", "m6.base", inner) == []
    assert selection.choice_of("casme3_4", "m6", plan.folds("casme3_4")[0]) == []
    assert selection.choices_of("cde", "m1") == selection.choices()[:5]
    assert selection.choices_of("cde", "m5") == selection.choices_of("casme3_4", "m6") == []


def test_the_values_of_a_sweep_take_the_choice_of_the_method_that_is_varied(demo):
    plan = make_plan(demo)
    selection, swept = Selection(plan), plan.sweeps["queries"]["methods"]
    assert len(swept) > 1
    for method in swept.values():
        assert selection.choices_of("cde", method) == selection.choices_of("cde", "m6") != []
        assert selection.choice_of("cde", method, "casme2-sub01") == selection.choice_of("cde", "m6", "casme2-sub01")
    plain = Selection(make_plan(merge(demo, {"selection": {"methods": {"m6": None}}})))
    assert {len(plain.choices_of("cde", method)) for method in swept.values()} == {0}


def test_a_candidate_that_changes_what_a_sweep_varies_is_refused(demo):
    key = demo["sweeps"]["queries"]["key"]
    assert key == "model.regions.queries"
    few = merge(demo, {"selection": {"candidates": {"few": {"model": {"regions": {"queries": 2}}}}}})
    with pytest.raises(InputError, match=rf"candidates\.few: changes {key}, .* sweeps\.queries to null"):
        check_config(few)
    check_config(merge(few, {"sweeps": {"queries": None}}))
    decays = {"figure": 20, "method": "m6", "key": "model.target_decay_end", "values": [0.995, 1.0]}
    fixed = merge(demo, {"selection": {"candidates": {"fixed": {"model": {"target_decay_end": None}}}}})
    check_config(fixed)
    with pytest.raises(
        InputError, match=r"candidates\.fixed: changes model\.target_decay_end, .* sweeps\.decays to null"
    ):
        check_config(merge(fixed, {"sweeps": {"decays": decays}}))
    check_config(merge(few, {"selection": {"methods": {"m6": None}}}))


def test_under_groups5_the_fold_is_the_group(demo):
    selection = Selection(make_plan(demo | {"protocols": ["groups5"]}))
    assert selection.choice_of("groups5", "m4", "group4") == ["groups5/m6/group4.json"]
    assert selection.inner_files("groups5", "m2", "group4")[0] == "groups5/m2.slow/seed7/group4of5-inner1of2.csv"


def own_data(subjects):
    """A config of own data that selects, and a reader of its index: a sequence of each class per subject."""
    values = load_config([ROOT / "config/config.yaml"])
    data = {"root": "mine", "labels": {"negative": ["fear"], "positive": ["joy"]}}
    values = merge(values, {"protocols": ["own"], "datasets": {"own": data}, **CHANGES})
    rows = [
        {"dataset": "own", "subject": f"p{person}", "sequence": name, "frames": name, "onset": 1, "offset": 9}
        | {"apex": None, "fps": 30.0, "emotion": name}
        for person in range(1, subjects + 1)
        for name in ("negative", "positive")
    ]
    index = index_frame(rows)
    return values, lambda config, dataset: Indexed(index, index[:0], Faults())


def test_own_data_select_too():
    selection = Selection(make_plan(*own_data(6)))
    groups = [f"group{number}" for number in range(1, 6)]
    assert selection.choices() == [f"own/{method}/{group}.json" for method in ("m2", "m6") for group in groups]
    taken = [selection.choice_of("own", "m4", f"own-p{person}") for person in range(1, 7)]
    assert sorted(taken) == sorted([f"own/m6/{group}.json"] for group in ["group1", *groups])  # p1 and p6 share one
    assert selection.inner_files("own", "m2", "group2")[0] == "own/m2.slow/seed7/group2of5-inner1of2.csv"
    with pytest.raises(InputError, match=r"inner_folds: is 2, but without group1 own has subjects for only 1; "):
        Selection(make_plan(*own_data(2)))


@pytest.mark.parametrize("protocols", [["casme3_4"], ["cross", "casme3_3"]])
def test_a_method_cannot_select_where_no_protocol_lets_it(demo, protocols):
    alone = demo | {"protocols": protocols}
    with pytest.raises(InputError, match=r"^config: selection\.methods: only under cde, groups5, own are .* add"):
        check_config(alone)
    check_config(merge(alone, {"selection": {"methods": {"m2": None, "m6": None}}}))
    check_config(demo | {"protocols": [*protocols, "groups5"]})


def test_without_methods_nothing_is_selected(demo):
    selection = Selection(make_plan(demo | {"selection": demo["selection"] | {"methods": {"m2": None}}}))
    assert selection.choices() == selection.choice_of("cde", "m2", "casme2-sub01") == []
    assert selection.trainings == 0


SEVEN = {f"c{number}": {} for number in range(7)}
REFUSED = [
    ({"methods": {"m66": []}}, r"selection\.methods: 'm66' is not defined; known: m1, m2"),
    ({"methods": {"m6": ["m2_queries"]}}, r"selection\.methods: 'm2_queries' is not defined"),
    ({"methods": {"m6": ["m4"], "m5": ["m4"]}}, r"selection\.methods: m4 takes the choices of m6 and of m5; leave"),
    ({"methods": {"m6": ["m6"]}}, r"selection\.methods: m6 takes the choices of m6 and of m6; leave"),
    ({"candidates": SEVEN}, r"selection\.candidates: holds 7 candidates; leave 6"),
    ({"candidates": {}}, r"selection\.candidates: is empty; give at least two"),
    ({"candidates": {"base": {}}}, r"selection\.candidates: holds one; give at least two"),
    (
        {"candidates": {"base": {}, "svm": {"peer": {"name": "svm"}}}},
        r"candidates\.svm\.peer: a candidate may only change input, [^;]*inference; take peer out",
    ),
    (
        {"candidates": {"base": {}, "best": {"training": {"select": "best_on_held_out"}}}},
        r"candidates\.best\.training\.select: candidates share the epoch",
    ),
    (
        {"candidates": {"base": {}, "more": {"loss": {"attention": 0.5}}}},
        r"candidates\.more: changes loss\.attention, in which m4 differs from m6, .* do not let m4 take it$",
    ),
    (
        {"candidates": {"few": {"sampling": {"instances": 4}}}},
        r"candidates\.few\.sampling: a candidate may only change ",
    ),
    ({"candidates": {"few": {"title": "few"}}}, r"candidates\.few\.title: a candidate may only change input, model, "),
    (
        {"candidates": {"few": {"training": {"epoch": 4}}}},
        r"candidates\.few\.training\.epoch: unknown key; .*\(as a candidate of m\d\)$",
    ),
    ({"candidates": {"two words": {}}}, r"selection\.candidates\.two words: is 'two words'; give a name"),
    ({"groups": 1}, r"selection\.groups: is 1; give at least 2$"),
    ({"inner_fold": 2}, r"selection\.inner_fold: unknown key; known: groups, inner_folds, seed, candidates, methods"),
]


@pytest.mark.parametrize(("changes", "line"), REFUSED, ids=[str(changes) for changes, _ in REFUSED])
def test_what_does_not_fit_is_one_line_that_names_the_key(demo, changes, line):
    wrong = copy.deepcopy(demo)
    wrong["selection"] |= changes
    with pytest.raises(InputError, match=line) as caught:
        check_config(wrong)
    assert str(caught.value).startswith("config: ")
    assert "\n" not in str(caught.value)


def test_groups_and_inner_folds_have_to_fit_the_protocol(demo):
    four = demo | {"selection": demo["selection"] | {"groups": 4}}
    assert len(Selection(make_plan(four)).choices()) == 8
    with pytest.raises(InputError, match=r"selection\.groups: is 4; give 5, the folds of groups5"):
        make_plan(four | {"protocols": ["groups5"]})
    many = demo | {"selection": demo["selection"] | {"inner_folds": 13}}
    with pytest.raises(InputError, match=r"selection\.inner_folds: is 13, but without group1 cde .* for only 12"):
        Selection(make_plan(many))


def test_the_grid_of_published_flow():
    """Stated before any run: six candidates for M2 and M6, whose choices the other methods take."""
    values = load_config([ROOT / "config/config.yaml", ROOT / "config/public-flow.yaml"])
    options, base = values["selection"], values["base"]["training"]
    assert list(options["candidates"]) == ["base", "lr001", "lr01", "epochs20", "width16", "width16_epochs20"]
    assert (options["groups"], options["inner_folds"]) == (5, 3)
    for changes in options["candidates"].values():
        training = base | changes.get("training", {})
        assert training["gamma"] ** (training["epochs"] - 1) == pytest.approx(0.039, abs=0.0005)
    taken = {method for selecting, others in options["methods"].items() for method in (selecting, *others)}
    ours = {name for name, method in values["methods"].items() if method is not None}
    assert taken == {name for name in ours if not name.startswith("peer_")}
