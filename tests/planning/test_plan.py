"""The plan: the shipped configs, methods as overrides, slices, and what a wrong config says."""

import copy
import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
import yaml

from ra_icl.datasets.reading import DEFAULTS
from ra_icl.errors import InputError
from ra_icl.faces.options import FaceOptions
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.planning.config import check_config, merge, slice_of
from ra_icl.planning.plan import make_plan, resolve
from ra_icl.training.method import MethodOptions
from ra_icl.twins.plan import TwinOptions

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


def config(*names):
    merged = {}
    for name in ("config", *names):
        merged = merge(merged, yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))
    return merged


@pytest.fixture
def demo():
    return config("demo")


def change(values, key, value):
    changed = copy.deepcopy(values)
    *path, last = key.split(".")
    place = changed
    for part in path:
        place = place.setdefault(part, {})
    place[last] = value
    return changed


def as_plain(options):
    if is_dataclass(options):
        return {field.name: as_plain(getattr(options, field.name)) for field in fields(options)}
    return list(options) if isinstance(options, tuple) else options


@pytest.mark.parametrize("names", [(), ("demo",), ("public-flow",)])
def test_the_shipped_configs_fit_the_schema(names):
    check_config(config(*names), SCHEMA)


def test_the_config_has_the_defaults_of_the_package():
    """A step typed by hand, without options, does what the workflow does."""
    ours = config()
    assert ours["faces"] == as_plain(FaceOptions())
    assert ours["flow"] == as_plain(FlowOptions())
    assert ours["twins"] == as_plain(TwinOptions())
    assert ours["base"]["sampling"] == as_plain(Sampling())
    method = as_plain(MethodOptions())
    assert {key: ours["base"][key] for key in method} == method
    for name, defaults in DEFAULTS.items():
        assert ours["datasets"][name] == {"root": "", **defaults}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("fases", {}, r"config: \(top level\): .*'fases' was unexpected.*known keys"),
        ("base.loss.lambda1", 1, r"config: base\.loss: .*'lambda1' was unexpected.*classification"),
        ("methods.m4.los", {}, r"config: methods\.m4: .*'los' was unexpected"),
        (
            "base.training.learning_rate",
            "1e-3",
            r"config: base\.training\.learning_rate: '1e-3' is not of type",
        ),
        ("data.source", "files", r"config: data\.source: 'files' is not one of"),
        ("protocols", ["mde"], r"config: protocols\.0: 'mde' is not one of"),
        ("seeds", [], r"config: seeds"),
    ],
)
def test_a_config_that_does_not_fit_names_the_key(demo, key, value, words):
    with pytest.raises(InputError, match=words) as caught:
        check_config(change(demo, key, value), SCHEMA)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("tables.table1", ["m99"], r"tables\.table1: 'm99' is not defined; known: m1, m2"),
        ("confusion", "ours", r"confusion: 'ours' is not defined"),
        ("sweeps.queries.method", "m0", r"sweeps\.queries\.method: 'm0' is not defined"),
        ("sweeps.queries.key", "model.querys", r"sweeps\.queries\.key: 'model\.querys' is no key"),
        ("methods.m2.sampling", {"mode": "published"}, r"methods\.m2\.sampling\.mode: published does not go"),
        ("twins.subjects", 1, r"twins: subjects is 1"),
    ],
)
def test_a_name_that_is_not_defined_is_refused(demo, key, value, words):
    with pytest.raises(InputError, match=words):
        make_plan(change(demo, key, value))


def test_missing_data_names_folder_and_key():
    with pytest.raises(InputError, match=r"datasets\.casme2\.root: is empty; set it in config/config\.yaml"):
        make_plan(config())
    values = change(config(), "datasets.casme2.root", "/nowhere/casme2")
    with pytest.raises(InputError, match=r"datasets\.casme2\.root: folder /nowhere/casme2 does not exist"):
        make_plan(values)


def test_only_the_datasets_of_the_protocols_are_needed(demo):
    values = change(config(), "protocols", ["casme3_3"])
    with pytest.raises(InputError, match=r"datasets\.casme3\.root"):
        make_plan(values)
    assert set(make_plan(change(demo, "protocols", ["cde"])).selected) == {"cde"}


def test_methods_are_table_3s_rows():
    rows = {name: resolve(config(), name) for name in config()["methods"]}
    modes = [rows[f"m{number}"]["sampling"]["mode"] for number in range(1, 11)]
    assert modes == [
        "apex",
        "middle",
        "apex",
        *["middle"] * 3,
        "apex_neighbourhood",
        "full",
        "random",
        "uniform",
    ]
    irc = [number for number in range(1, 11) if rows[f"m{number}"]["loss"]["attention"]]
    mrd = [number for number in range(1, 11) if rows[f"m{number}"]["loss"]["regions"]]
    assert irc == [3, 5, 6, 7, 8, 9, 10]
    assert mrd == [3, 4, 6, 7, 8, 9, 10]


def test_three_lines_of_yaml_add_a_method(demo):
    added = yaml.safe_load("methods:\n  m6_no_blur:\n    title: M6 without blur\n    augmentation: {blur: 0}")
    values = merge(demo, added)
    check_config(values, SCHEMA)
    plan = make_plan(values)
    ours, theirs = (json.loads(plan.training_slice(name)) for name in ("m6_no_blur", "m6"))
    assert ours["augmentation"].pop("blur") == 0
    theirs["augmentation"].pop("blur")
    assert ours == theirs


def test_a_sweep_is_a_method_per_value_and_reuses_its_origin():
    values = change(config("demo"), "base.sampling.instances", 16)
    plan = make_plan(values)
    assert plan.sweeps["instances"]["methods"]["16"] == "m6"
    assert plan.sweeps["instances"]["methods"]["4"] == "m6_instances_4"
    assert plan.sampling("m6_instances_4") == "middle-4"
    assert plan.methods["m6_lambda1_0.1"]["loss"]["classification"] == 0.1


def test_slices_depend_on_values_alone(demo):
    plan = make_plan(demo)
    assert slice_of({"a": 1, "b": 2}) == slice_of({"b": 2, "a": 1})
    edited = change(demo, "methods.m4.loss.regions", 0.7)
    other = make_plan(edited)
    assert plan.training_slice("m4") != other.training_slice("m4")
    assert plan.training_slice("m5") == other.training_slice("m5")


def test_the_plan_counts_folds_and_flow_files(demo):
    plan = make_plan(demo)
    assert len(plan.folds("cde")) == 6
    assert len(plan.fold_files("cde", "m6")) == 6
    assert len(make_plan(change(demo, "seeds", [0, 1])).fold_files("cde", "m6")) == 12
    assert "middle-4/casme2/sub01.safetensors" in plan.flow_files("cde", "middle-4")
    assert plan.flow_files("casme3_7", plan.sampling("m6"))[0].startswith("middle-4/casme3/")


def test_the_samplings_are_those_of_all_methods(demo):
    plan = make_plan(demo)
    assert set(plan.samplings) >= {"apex", "middle-4", "full", "random-4-seed0", "middle-8"}
    assert plan.samplings["middle-4"]["instances"] == 4
    assert {plan.sampling(name) for name in plan.methods} == set(plan.samplings)


def test_a_method_has_a_device(demo):
    plan = make_plan(change(demo, "methods.m2.training", {"device": "cpu"}))
    assert (plan.device("m1"), plan.device("m2")) == ("auto", "cpu")


@pytest.mark.parametrize("figure", [4, 11, 7])
def test_a_figure_is_drawn_once(demo, figure):
    with pytest.raises(InputError, match=rf"sweeps\.\w+\.figure: {figure} is taken; choose another number"):
        make_plan(change(demo, "sweeps.instances.figure", figure))


def test_frames_are_the_folders_that_exist_each_once(demo, tmp_path):
    plan = make_plan(change(demo, "datasets.casme3.root", str(tmp_path)))
    rows = plan.index[plan.index["dataset"] == "casme3"].head(3).assign(subject="spNO.7")
    rows["frames"] = ["part_A/a/color", "part_A/a/color", "part_A/gone"]
    (tmp_path / "part_A/a/color").mkdir(parents=True)
    plan = replace(plan, index=rows)
    assert plan.frames("casme3", "spNO.7") == [str(tmp_path / "part_A/a/color")]
    assert plan.frames("casme3", "spNO.8") == []


def test_the_plan_is_read_without_torch_and_opencv():
    import subprocess
    import sys

    program = "import sys, ra_icl.planning.plan; sys.exit(bool({'torch', 'cv2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_versions_agree_for_pip_and_conda():
    def pins(text):
        return {line.strip(" -") for line in text.splitlines() if "==" in line and "#" not in line}

    lock = (ROOT / "requirements.lock").read_text()
    assert pins(lock) == pins((ROOT / "environment.yml").read_text())
    assert "torch==2.13.0" in pins(lock)
