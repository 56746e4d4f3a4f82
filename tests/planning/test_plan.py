"""The plan: the shipped configs, methods as overrides, slices, and what a wrong config says."""

import copy
import json
import re
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
import yaml

from ra_icl.errors import Faults, InputError
from ra_icl.flow.sampling import MODES
from ra_icl.planning.check import find_faults
from ra_icl.planning.config import load_config, merge, slice_of
from ra_icl.planning.methods import MIR_MARKS, resolve
from ra_icl.planning.plan import make_plan
from ra_icl.twins import plan as twin_plan
from ra_icl.twins.plan import TwinOptions

ROOT = Path(__file__).parents[2]


def config(*names):
    merged = {}
    for name in ("config", *names):
        merged = merge(merged, yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))
    return merged


@pytest.fixture
def demo():
    return config("demo")


def reading(indexes):
    """These indexes, by dataset, in place of those on disk; what changes in them inside is read, too."""
    return mock.patch(
        "ra_icl.planning.indexes.survey_without", lambda name, *_: (indexes[name], indexes[name][:0], Faults())
    )


def change(values, key, value):
    changed = copy.deepcopy(values)
    *path, last = key.split(".")
    place = changed
    for part in path:
        place = place.setdefault(part, {})
    place[last] = value
    return changed


def test_missing_data_names_folder_and_key():
    with pytest.raises(InputError, match=r"datasets\.casme2\.root: is empty; set it in .*, or remove cde, casme3_3, "):
        make_plan(config())
    values = change(change(config(), "datasets.casme2.root", "/nowhere/casme2"), "protocols", ["cde"])
    with pytest.raises(
        InputError, match=r"casme2\.root: folder /nowhere/casme2 does not exist; .* '' to do without casme2"
    ):
        make_plan(values)


def test_a_protocol_needs_sequences_and_two_subjects_and_check_says_the_same(tmp_path, monkeypatch):
    """Of own data, and of a dataset beside others: what stops the plan is what `ra-icl check` prints."""
    rows = [f"{subject},{subject}/film,1,9,{emotion}" for subject in ("p1", "p2") for emotion in ("joy", "fear")]
    rows = [row.replace("film", f"film{number}") for number, row in enumerate(rows)]
    (tmp_path / "mine.yaml").write_text(
        f"protocols: [own]\ndatasets: {{own: {{root: '{tmp_path}', labels: {{a: [fear], b: [joy]}}}}}}\n"
    )

    def said(count):
        text = "\n".join(["subject,clip,onset,offset,emotion", *rows[:count]])
        (tmp_path / "annotation.csv").write_text(text + "\n")
        checked = [fault for fault in find_faults([tmp_path / "mine.yaml"]) if "film" not in fault]
        try:
            make_plan(load_config([ROOT / "config/config.yaml", tmp_path / "mine.yaml"]))
        except InputError as error:
            assert checked
            return str(error)
        assert checked == []
        return ""

    monkeypatch.chdir(ROOT)
    for count in (0, 2):
        assert re.match(r"[^\n]+: [^\n]+; [^\n]+$", said(count))
    assert said(4) == ""


def test_a_dataset_without_a_sequence_of_its_protocol_is_one_line():
    values = change(change(config(), "protocols", ["cde"]), "data.count_mismatch", "warning")
    for name in ("casme2", "smic"):
        values = change(values, f"datasets.{name}.root", f"/data/{name}")
    indexes = {name: twin_plan.plan(name, TwinOptions()) for name in ("casme2", "smic")}
    indexes["smic"] = indexes["smic"].iloc[:0]
    none = r"^datasets\.smic: none of its sequences belongs to protocol cde; "
    with reading(indexes), pytest.raises(InputError, match=none):
        make_plan(values)


def test_only_the_datasets_of_the_protocols_are_needed(demo):
    values = change(config(), "protocols", ["casme3_3"])
    with pytest.raises(InputError, match=r"datasets\.casme3\.root: is empty; .* remove casme3_3 from protocols"):
        make_plan(values)
    assert set(make_plan(change(demo, "protocols", ["cde"])).selected) == {"cde"}


def test_cde_runs_on_the_datasets_that_have_a_root(tmp_path, caplog):
    """Two of three, with the paper's counts: the plan is made of these two, and only they are compared."""
    options = TwinOptions(census="full", frames=(8, 9))
    values = change(change(config(), "protocols", ["cde"]), "faces.size", 48)
    indexes = {name: twin_plan.plan(name, options) for name in ("casme2", "smic")}
    for name in indexes:
        values = change(values, f"datasets.{name}.root", str(tmp_path / name))
    with reading(indexes):
        plan = make_plan(values)
        indexes["smic"] = indexes["smic"].iloc[1:]
        with pytest.raises(InputError, match=r"cde: the data differ .*: smic [a-z]+ [0-9]+ instead of [0-9]+; check"):
            make_plan(values)
    assert caplog.messages[0] == "cde runs without samm: datasets.samm.root is empty"
    assert plan.datasets("cde") == plan.all_datasets() == ["casme2", "smic"]
    assert len(plan.folds("cde")) == 24 + 16
    assert {fold.split("-")[0] for fold in plan.folds("cde")} == {"casme2", "smic"}
    assert {path.split("/")[1] for path in plan.flow_files("cde", "apex")} == {"casme2", "smic"}
    assert len(plan.selected["cde"]) == 145 + 164


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


def test_the_controls_of_frames_are_m6_with_another_sampling(demo):
    plan = make_plan(demo)
    assert {plan.training_slice(name) for name in ("m11", "m12")} == {plan.training_slice("m6")}
    assert [plan.sampling(name) for name in ("m11", "m12")] == ["onset_to_apex-4", "apex_to_offset-4"]
    rows = json.loads(plan.row_slice(["m11", "m12"]))
    assert [row["mir"] for row in rows.values()] == ["→Onset to Apex", "→Apex to Offset"]


def test_flow_depends_on_what_its_sampling_uses_alone(demo):
    plan = make_plan(merge(demo, {"base": {"sampling": {"seed": 7}}}))
    assert plan.samplings == {name: one for name, one in make_plan(demo).samplings.items() if "random" not in name} | {
        name: one for name, one in plan.samplings.items() if "random" in name
    }
    assert {one["seed"] for one in plan.samplings.values() if one["mode"] == "random"} == {7}
    more = make_plan(merge(demo, {"base": {"sampling": {"instances": 3}}}))
    assert more.samplings["apex"] == plan.samplings["apex"]
    assert "instances" not in plan.samplings["full"]
    assert more.samplings["middle-3"]["instances"] == 3


def test_own_data_have_no_twin(demo):
    with pytest.raises(InputError, match=r"protocols: own is of your own data, which have no synthetic twin; take it"):
        make_plan(demo | {"protocols": ["cde", "own"]})


def test_every_sampling_mode_has_a_mark():
    assert set(MIR_MARKS) == {*MODES, "published"}


def test_three_lines_of_yaml_add_a_method(demo):
    added = yaml.safe_load("methods:\n  m6_no_blur:\n    title: M6 without blur\n    augmentation: {blur: 0}")
    values = merge(demo, added)
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


def test_every_method_of_a_sweep_has_a_name_for_a_file(demo):
    values = change(demo, "sweeps.blocks", {"figure": 12, "method": "m6", "key": "model.backbone.blocks"})
    values["sweeps"]["blocks"]["values"] = [[1, 2], [2, 1, 1]]
    values["sweeps"]["precision"] = {"figure": 13, "method": "m2", "key": "training.precision", "values": ["bf16"]}
    plan = make_plan(values)
    assert plan.sweeps["blocks"]["methods"] == {"1-2": "m6_blocks_1-2", "2-1-1": "m6_blocks_2-1-1"}
    assert plan.methods["m6_blocks_2-1-1"]["model"]["backbone"]["blocks"] == [2, 1, 1]
    assert plan.sweeps["precision"]["methods"] == {"bf16": "m2_precision_bf16"}
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in plan.methods)


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


def test_groups_are_five_folds_for_every_method_and_seed(demo):
    values = change(change(demo, "protocols", ["groups5", "casme3_3"]), "seeds", [1, 2])
    plan = make_plan(values)
    groups = [f"group{number}" for number in range(1, 6)]
    assert plan.folds("groups5") == groups
    assert plan.fold_files("groups5", "m2") == [
        f"groups5/m2/seed{seed}/{fold}.csv" for seed in (1, 2) for fold in groups
    ]
    assert len(plan.fold_of("groups5")) == len(plan.selected["groups5"])
    assert plan.flow_files("groups5", "apex") == make_plan(change(demo, "protocols", ["cde"])).flow_files("cde", "apex")
    # Table 1 compares with published numbers, which are of LOSO.
    assert plan.score_tables() == {
        "table2": (["casme3_3"], ["m6"]),
        "table3": (["groups5"], [f"m{number}" for number in range(1, 11)]),
    }


def test_groups_have_the_counts_of_cde(tmp_path):
    """Real data: the same sequences as in Table 4, or the run stops."""
    options = TwinOptions(census="full", frames=(8, 9))
    values = change(config(), "protocols", ["groups5"])
    indexes = {name: twin_plan.plan(name, options) for name in ("casme2", "samm", "smic")}
    for name in indexes:
        values = change(values, f"datasets.{name}.root", str(tmp_path / name))
    with reading(indexes):
        plan = make_plan(values)
        indexes["samm"] = indexes["samm"].iloc[1:]
        with pytest.raises(
            InputError, match=r"groups5: the data differ .*: samm [a-z]+ [0-9]+ instead of [0-9]+; check"
        ):
            make_plan(values)
    sizes = plan.fold_of("groups5").value_counts().tolist()
    assert (len(sizes), sum(sizes)) == (5, 442)


def test_controls_are_trained_on_request_alone(demo):
    plan = make_plan(demo)
    assert not {"m11", "m12"} & {method for _, method in plan.runs()}


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
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["dependencies"][-1] == {"pip": ["-r requirements.lock", "-e ."]}
    assert "torch==2.13.0" in (ROOT / "requirements.lock").read_text().splitlines()
