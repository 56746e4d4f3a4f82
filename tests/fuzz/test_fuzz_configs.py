"""Configs with other values, keys and bytes: each is read as it stands, or one line names the key or the file."""

import copy
import json
from dataclasses import is_dataclass
from pathlib import Path

import pytest
import yaml
from fuzz_harness import attempt, content, damaged, damages, fuzz
from hypothesis import strategies as st

from ra_icl.errors import one_line
from ra_icl.planning.config import check_config, load_config
from ra_icl.planning.plan import make_plan

CONFIG = Path(__file__).parents[2] / "config"
MINE = """\
pathvars: {results: results/mine}
protocols: [cde, casme3_4]
data: {source: twins}
twins: {per_class: 1, frames: [8, 9], scale: 0.2}
datasets:
  own: {root: my-data, labels: {negative: [disgust, fear], positive: [joy]}, excluded: [neutral]}
faces: {size: 64, grey: false}
base:
  training: {epochs: 3, learning_rate: 0.003}
methods:
  m13: {title: Mine, loss: {attention: 0}}
  m10: null
sweeps:
  heads: {figure: 12, method: m6, key: model.regions.heads, values: [2, 4]}
tables: {table1: [m1, m13], table3: [m1, m2, m6]}
"""
STRANGE = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        0.5,
        1e308,
        float("nan"),
        float("inf"),
        10**30,
        "",
        "x",
        "1e-3",
        "yes",
        "../x",
        "a b",
    ),
    *("m6", "m1\n", "{x}", "$(touch x)", "é", [], [1, 2], [None], ["m1", "m1"], {}, {"x": 1}, {1: 2}, [[]], {"x": {}}),
)
VALUES = st.one_of(
    *[st.sampled_from(STRANGE)] * 3,
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.dates(),
    st.lists(st.one_of(st.integers(0, 9), st.text(max_size=3)), max_size=3),
    st.dictionaries(st.one_of(st.text(max_size=3), st.integers(0, 3)), st.integers(0, 9), max_size=2),
)


@pytest.fixture(scope="session")
def mine(tmp_path_factory):
    """A config of one's own, as a file, and all of it on top of the shipped one."""
    path = tmp_path_factory.mktemp("config") / "mine.yaml"
    path.write_text(MINE, encoding="utf-8")
    return path, load_config([CONFIG / "config.yaml", CONFIG / "demo.yaml", path])


@st.composite
def edits(draw):
    """One or two edits: (a number for each level of the config, what is done there, the value, another key)."""
    places = st.lists(st.integers(0, 60), min_size=1, max_size=5)
    kind = st.sampled_from(["value", "value", "value", "remove", "rename", "add"])
    return draw(st.lists(st.tuples(places, kind, VALUES, st.text(max_size=5)), min_size=1, max_size=2))


def edited(config, edit):
    """(the config after an edit, the path of the key that it changed)."""
    (first, *more), kind, value, name = edit
    if isinstance(config, list) and config:
        place = first % len(config)
        return [*config[:place], value, *config[place + 1 :]], [str(place)]
    if not isinstance(config, dict) or not config:
        return value, []
    key = list(config)[first % len(config)]
    if more and isinstance(config[key], dict | list) and config[key]:
        below, path = edited(config[key], (more, kind, value, name))
        return config | {key: below}, [key, *path]
    if kind == "remove":
        return {one: entry for one, entry in config.items() if one != key}, [key]
    if kind == "rename":
        return {name if one == key else one: entry for one, entry in config.items()}, [key, name]
    return (config | {name: value}, [name]) if kind == "add" else (config | {key: value}, [key])


def plain(options):
    """Options as YAML would give them."""
    if is_dataclass(options):
        return {name: plain(value) for name, value in vars(options).items()}
    if isinstance(options, dict):
        return {name: plain(value) for name, value in options.items()}
    return [plain(value) for value in options] if isinstance(options, list | tuple) else options


def holds(found, given):
    """Whether options have every value that a config gives."""
    if isinstance(given, dict) and isinstance(found, dict):
        return all(name in found and holds(found[name], value) for name, value in given.items())
    if isinstance(given, list) and isinstance(found, list):
        return len(found) == len(given) and all(map(holds, found, given))
    if isinstance(found, float) and isinstance(given, int) and not isinstance(given, bool):
        given = float(given)
    return found == given and isinstance(found, bool) == isinstance(given, bool)


@fuzz(20, changes=edits())
def test_changed_configs(mine, changes):
    config, paths = copy.deepcopy(mine[1]), []
    for edit in changes:
        config, path = edited(config, edit)
        paths += path
    if not isinstance(config, dict):
        return
    # A key is named as it is, or as Python and JSON show it.
    names = [shown for name in paths for shown in (one_line(str(name)), repr(name)) if shown] or ["config"]
    checked, said = attempt(["config"], check_config, config)
    if said:
        assert any(name in said[0] for name in names), f"names none of {names}: {said[0]}"
        return
    assert holds(plain(checked), config)
    plan, refused = attempt(["config", *names], make_plan, config)
    if not refused:
        for method in plan.methods:
            json.loads(plan.training_slice(method))
            assert plan.sampling(method)
        for protocol in plan.selected:
            assert len(set(plan.folds(protocol))) == len(plan.folds(protocol))


@fuzz(7, operations=damages(1))
def test_damaged_config_files(mine, operations):
    path, before = mine
    data = damaged(path.read_bytes(), operations)
    with content(path, data):
        found, said = attempt([path, "config: "], load_config, [CONFIG / "config.yaml", CONFIG / "demo.yaml", path])
    if not said:
        given = yaml.safe_load(data.decode("utf-8")) or {}
        assert holds(found, {key: value for key, value in given.items() if not isinstance(value, dict)})
        assert found.keys() == before.keys()
