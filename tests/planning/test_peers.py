"""Peers in a config: what is known without PyTorch, what does not fit, what a peer's folds depend on."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ra_icl import peers
from ra_icl.errors import InputError
from ra_icl.planning.config import load_config
from ra_icl.planning.options import from_mapping
from ra_icl.planning.peers import declared_peers, training_modules
from ra_icl.planning.plan import make_plan
from ra_icl.planning.settings import Method

CONFIG = Path(__file__).parents[2] / "config" / "config.yaml"
DEMO = CONFIG.with_name("demo.yaml")


def plan_of(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    return make_plan(load_config([CONFIG, DEMO, tmp_path / "mine.yaml"]))


def test_every_peer_declares_the_class_that_its_module_has():
    """The plan reads the class alone; the fold takes the module's."""
    from ra_icl.peers.registry import load_peer

    assert "ststnet" in declared_peers()
    for name, declared in declared_peers().items():
        peer = load_peer({"name": name})
        assert vars(declared.settings()) == vars(peer.settings)
        assert (declared.fed, declared.trains_network) == (peer.module.FED, peer.trains_network)


def test_every_setting_of_a_peer_says_where_it_comes_from():
    from ra_icl.peers.registry import load_peer
    from ra_icl.peers.settings import origins

    for name in declared_peers():
        found = origins(load_peer({"name": name}).settings)
        assert {one["from"] for one in found.values()} <= {"paper", "code", "choice"}, name


def test_peers_are_known_without_torch():
    code = "import sys\nfor name in ('torch', 'sklearn'): sys.modules[name] = None\nfrom ra_icl.planning import peers\n"
    subprocess.run([sys.executable, "-c", code + "assert 'ststnet' in peers.declared_peers()"], check=True)


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("{peer: {name: ststnt}}", "methods.mine.peer.name: 'ststnt' is not defined; known: .*ststnet"),
        ("{peer: {epochs: 3}}", "methods.mine.peer.name: None is not defined"),
        ("{peer: {name: ststnet, epoch: 3}}", "methods.mine.peer.epoch: unknown key; known: size, .*epochs"),
        ("{peer: {name: ststnet, epochs: 0}}", "methods.mine.peer.epochs: is 0; give at least 1"),
        ("{peer: {name: ststnet, optimiser: lion}}", "methods.mine.peer.optimiser: is 'lion'; choose 'adam' or 'sgd'"),
        (
            "{peer: {name: ststnet, momentum: 0.9}}",
            "methods.mine.peer: momentum is 0.9, but adam has none; take it out",
        ),
        ("{peer: {name: htnet, width: 2}}", r"methods.mine.peer: width is 2, less than heads \(3\); give each head"),
        (
            "{sampling: {mode: frames}, peer: {name: lbp_top, blocks: 100}}",
            "methods.mine.peer: 100 blocks along 112 pixels are too small; give fewer",
        ),
        (
            "{sampling: {mode: frames}, peer: {name: lbp_top, size: 16, blocks: 1, radius_y: 8}}",
            "methods.mine.peer: 1 blocks along 16 pixels are too small",
        ),
        ("{peer: {name: htnet, repeats: [2, -1, 1]}}", "methods.mine.peer.repeats.1: is -1; give at least 0"),
        ("{peer: {name: dual_inception, maps: [0, 16]}}", "methods.mine.peer.maps.0: is 0; give at least 1"),
    ],
)
def test_a_peer_or_setting_that_does_not_fit_is_named(tmp_path, method, fault):
    with pytest.raises(InputError, match=fault):
        plan_of(tmp_path, f"methods: {{mine: {method}}}")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "methods: {peer_ststnet: {training: {epochs: 3}}}",
            r"methods\.peer_ststnet\.training\.epochs: has no effect on peer_ststnet, a peer, whose settings are below "
            r"peer; take training\.epochs out$",
        ),
        ("methods: {peer_svm: {loss: {regions: 0}}}", r"methods\.peer_svm\.loss\.regions: has no effect on peer_svm"),
        (
            "sweeps: {x: {figure: 12, method: peer_ststnet, key: training.epochs, values: [3, 4]}}",
            r"sweeps\.x\.key: has no effect on peer_ststnet",
        ),
    ],
)
def test_what_changes_nothing_about_a_peer_is_refused(tmp_path, text, fault):
    with pytest.raises(InputError, match=fault):
        plan_of(tmp_path, text)


def test_the_device_of_a_peer_can_be_set(tmp_path):
    plan = plan_of(tmp_path, "methods: {peer_ststnet: {training: {device: cpu}, title: Mine}}")
    assert plan.device("peer_ststnet") == "cpu"


def test_a_sweep_varies_a_setting_that_the_config_leaves_as_the_peer_has_it(tmp_path):
    plan = plan_of(tmp_path, "sweeps: {rate: {figure: 12, method: peer_rcn_s, key: peer.epochs, values: [50, 100]}}")
    assert plan.sweeps["rate"]["methods"] == {"50": "peer_rcn_s_rate_50", "100": "peer_rcn_s"}
    changed = plan.methods["peer_rcn_s_rate_50"]["peer"]
    assert (changed["name"], changed["variant"], changed["epochs"], changed["batch"]) == ("rcn", "S", 50, 64)
    assert plan.methods["peer_rcn_s"]["peer"] == {"name": "rcn", "variant": "S"}
    text = "sweeps: {maps: {figure: 12, method: peer_dual_inception, key: peer.maps, values: [[6, 16], [3, 8]]}}"
    swept = plan_of(tmp_path, text).sweeps["maps"]["methods"]
    assert swept == {"6-16": "peer_dual_inception", "3-8": "peer_dual_inception_maps_3-8"}
    with pytest.raises(InputError, match=r"sweeps\.maps\.key: 'peer\.map' is no key of a method"):
        plan_of(tmp_path, text.replace("peer.maps", "peer.map"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "ensembles: {both: {title: B, members: [m6, peer_ststnet]}}",
            "ensembles.both.members: peer_ststnet is a peer",
        ),
        ("final_model: {method: peer_ststnet}", "final_model.method: peer_ststnet is a peer"),
        ("attention: {table: [peer_ststnet]}", "attention.table: peer_ststnet is a peer"),
        (
            "selection: {candidates: {a: {}, b: {}}, methods: {m6: [peer_ststnet]}}",
            "selection.methods: peer_ststnet is a",
        ),
        (
            "methods: {table1: {sampling: {mode: apex}, peer: {name: svm}}}",
            "methods.table1: its table has the peer's name; let it begin with peer_",
        ),
    ],
)
def test_a_peer_is_refused_where_it_cannot_be(tmp_path, text, fault):
    with pytest.raises(InputError, match=fault):
        plan_of(tmp_path, text)


def test_what_draws_nothing_runs_with_the_first_seed_alone(tmp_path):
    plan = plan_of(tmp_path, "seeds: [3, 4]")
    seeds = {name: plan.seeds(name) for name in ("m6", "peer_ststnet", "peer_svm", "peer_lbp_top")}
    assert seeds == {"m6": [3, 4], "peer_ststnet": [3, 4], "peer_svm": [3], "peer_lbp_top": [3]}


def test_folds_of_a_peer_depend_on_its_settings_and_code_alone(tmp_path):
    text = "methods: {peer_ststnet: {peer: {batch: 8}}}\nbase: {model: {target_decay: 0.9}, training: {epochs: 7}}"
    plan, other = plan_of(tmp_path, text), plan_of(tmp_path, "seeds: [0]")
    found = json.loads(plan.training_slice("peer_ststnet"))
    assert found["peer"] == {"name": "ststnet", "batch": 8}
    assert found.keys() == {"peer", "training"}
    assert found["training"].keys() == {"device"}
    assert json.loads(other.training_slice("peer_ststnet")) == found | {"peer": {"name": "ststnet"}}
    assert (plan.device("peer_ststnet"), plan.device("peer_svm")) == ("auto", "cpu")  # no share of a GPU for an SVM
    assert json.loads(plan.training_slice("peer_svm"))["training"]["device"] == "cpu"
    assert training_modules(found["peer"]) == ["ra_icl.training.fold", "ra_icl.peers.ststnet"]
    assert training_modules({}) == ["ra_icl.training.fold"]
    assert from_mapping(Method, plan.methods["peer_ststnet"]).peer == {"name": "ststnet", "batch": 8}


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        ('FED = "flow"', 'FED = "flows"', 'FED is \'flows\'; write FED = "flow" or FED = "frames"'),
        ('FED = "flow"', "", "FED is None; write"),
        ("= 8", "= COUNT", "class Settings: name 'COUNT' is not defined"),
        (', choice("filters")', "", r"class Settings: filters is declared without paper\(..\), code\(..\) or choice\("),
        ("filters: Annotated", "filters: int\n    other: Annotated", "class Settings: .*filters"),
    ],
)
def test_a_peer_whose_file_is_not_whole_is_named_before_anything_runs(tmp_path, monkeypatch, right, wrong, fault):
    source = (
        'FED = "flow"\n@dataclass(frozen=True)\nclass Settings(Options):\n'
        '    filters: Annotated[int, at_least(1), choice("filters")] = 8\n'
    )
    (tmp_path / "whole.py").write_text(source)
    monkeypatch.setattr(peers, "__path__", [*peers.__path__, str(tmp_path)])
    declared_peers.cache_clear()
    try:
        assert declared_peers()["whole"].settings().filters == 8
        (tmp_path / "whole.py").write_text(source.replace(right, wrong))
        declared_peers.cache_clear()
        with pytest.raises(InputError, match=f"whole.py: {fault}"):
            declared_peers()
    finally:
        declared_peers.cache_clear()


def test_the_marks_of_ra_icl_are_not_those_of_a_peer(tmp_path):
    marks = json.loads(plan_of(tmp_path, "tables: {table3: [m6, peer_ststnet]}").row_slice(["m6", "peer_ststnet"]))
    assert marks["m6"] == {"title": "Ra-ICL (M6)", "mir": "✓", "irc": True, "mrd": True}
    assert marks["peer_ststnet"] == {"title": "STSTNet", "mir": "→Apex*", "irc": False, "mrd": False}


def test_the_training_of_a_classifier_is_estimated_by_the_sequences_that_it_describes():
    from ra_icl.peers.registry import load_peer
    from ra_icl.planning.peer_costs import FITTED, PeerCosts, steps_of_training

    network = load_peer({"name": "ststnet", "epochs": 5, "batch": 8})
    assert steps_of_training(network, 17) == 5 * 3
    costs = PeerCosts(load_peer({"name": "bi_woof"}), 3, 16, 3, 1)
    start = time.perf_counter()
    per_sequence = costs.seconds_of_step("cpu")
    measured = time.perf_counter() - start
    assert steps_of_training(costs.peer, 17) == 17
    assert 0 < per_sequence * FITTED < measured  # of several trainings, one
