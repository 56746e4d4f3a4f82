"""What the target `attention` is made of, and what it says where a network is not kept."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ra_icl.errors import InputError
from ra_icl.planning.attention import (
    attention_folds,
    attention_panels,
    attention_protocols,
    named_of,
    panel_title,
    region_methods,
    require_attention,
)
from ra_icl.planning.config import load_config, merge
from ra_icl.planning.plan import make_plan

ROOT = Path(__file__).parents[2]
CLASSES = ("negative", "positive", "surprise")


def plan_of(**changes):
    values = {}
    for name in ("config", "demo"):
        values = merge(values, yaml.safe_load((ROOT / f"config/{name}.yaml").read_text(encoding="utf-8")))
    return make_plan(merge(values, changes))


def test_a_figure_for_every_class_and_dataset_from_the_folds_that_hold_them_out():
    plan = plan_of(seeds=[3, 1])
    require_attention(plan)
    panels = attention_panels(plan)
    assert list(panels) == [f"{name}_{one}" for name in ("casme2", "samm", "smic") for one in CLASSES]
    assert panels["samm_positive"] == ("cde", "samm", 1)
    assert panel_title(plan, panels["casme2_surprise"]) == "CASME II, surprise"
    assert attention_folds(plan, panels["samm_positive"]) == {
        method: [f"cde/{method}/seed3/samm-{subject}.csv" for subject in ("006", "007")]
        for method in ("m2", "m5", "m6")
    }
    assert region_methods(plan) == ["m6"]
    assert named_of(plan, panels["samm_positive"]) == "[]"


@pytest.mark.parametrize(
    ("protocols", "found"),
    [
        (["cde", "casme3_3"], ["cde"]),
        (["groups5", "casme3_7"], ["groups5"]),
        (["cross", "casme3_4", "casme3_7"], ["casme3_4"]),
    ],
)
def test_one_protocol_a_dataset_is_looked_at(protocols, found):
    assert attention_protocols(plan_of(protocols=protocols)) == found


def test_own_data_are_looked_at_beside_the_others():
    def shown(*protocols):
        return attention_protocols(SimpleNamespace(selected=dict.fromkeys(protocols)))

    assert shown("casme3_3", "casme3_4", "own") == ["casme3_3", "own"]
    assert shown("cde", "casme3_3", "own") == ["cde", "own"]


def test_a_named_sequence_has_its_class_shown_alone():
    rows = plan_of().selected["cde"]
    row = rows[(rows["dataset"] == "smic") & (rows["label"] == 2)].iloc[0]
    plan = plan_of(attention={"sequences": {"smic": [f"{row['subject']}/{row['sequence']}".upper()]}})
    require_attention(plan)
    assert list(attention_panels(plan)) == ["smic_surprise"]
    panel = attention_panels(plan)["smic_surprise"]
    assert json.loads(named_of(plan, panel)) == [f"{row['subject']}/{row['sequence']}"]


def test_what_is_missing_is_named_with_its_key():
    with pytest.raises(
        InputError, match="config: keep_networks: lacks m5, m1, whose networks the target attention looks"
    ):
        require_attention(plan_of(keep_networks=["m2", "m3", "m4", "m6"]))
    with pytest.raises(InputError, match=r"attention\.figures: .* m1 has apex, m6 has middle-4; name methods of one "):
        require_attention(plan_of(attention={"figures": ["m1", "m6"]}))
    with pytest.raises(InputError, match=r"config: attention\.sequences\.samm: 'sub01/EP' is no sequence that a prot"):
        require_attention(plan_of(attention={"sequences": {"samm": ["sub01/EP"]}}))
    with pytest.raises(InputError, match=r"attention\.sequences\.casme3: only sequences of cde are shown"):
        require_attention(plan_of(attention={"sequences": {"casme3": ["spNO.1/a"]}}))
    with pytest.raises(InputError, match=r"config: attention\.table: 'm66' is not defined; known: m1, "):
        plan_of(attention={"table": ["m66"]})


@pytest.mark.parametrize("names", [["config"], ["config", "demo"], ["config", "study"], ["config", "public-flow"]])
def test_every_config_keeps_the_networks_that_it_looks_at(names):
    config = load_config([ROOT / f"config/{name}.yaml" for name in names])
    wanted = {*config["attention"]["figures"], *config["attention"]["table"]}
    assert len(wanted) >= 2
    assert wanted <= set(config["keep_networks"])
