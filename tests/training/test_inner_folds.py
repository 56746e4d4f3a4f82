"""Nested selection end to end on small noise: a group's maps never reach its own choice; a fold takes its choice."""

import subprocess
import sys
from dataclasses import asdict, replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from fold_data import write_workspace

from ra_icl.datasets.index import read_index_csv
from ra_icl.datasets.nested import group_of
from ra_icl.datasets.protocols import PROTOCOLS, select
from ra_icl.evaluation.choice import choose
from ra_icl.files import load_tensors, read_json, save_tensors, write_json
from ra_icl.planning.config import slice_of
from ra_icl.training import fold as module
from ra_icl.training.fold import Fold, run_fold

CLASSES = PROTOCOLS["cde"].classes
GROUPS, PARTS = 3, 2
GRID = {"slow": {"training": {"learning_rate": 0.0001}}, "fast": {"training": {"learning_rate": 0.01}}}


def inner_name(group, part):
    return f"{group}of{GROUPS}-inner{part}of{PARTS}"


def train(workspace, options, name, method, folder="folds"):
    out = workspace / folder / method / f"{name}.csv"
    run_fold(out, Fold("cde", method, name, 0, "twins"), [workspace / "casme2.csv"], workspace / "flow", options)
    return out


def choice(workspace, options, group, folder):
    """Train the inner folds of a group and choose; returns the bytes of the choice's file."""
    folds = []
    for (candidate, changes), part in product(GRID.items(), range(1, PARTS + 1)):
        changed = replace(options, training=replace(options.training, **changes["training"]))
        folds.append(train(workspace, changed, inner_name(group, part), f"m6.{candidate}", folder))
    out = workspace / folder / f"{group}.json"
    choose(folds, out, candidates=GRID, protocol="cde", method="m6", group=group, classes=CLASSES)
    return out.read_bytes()


def members(workspace, group):
    rows = select(read_index_csv(workspace / "casme2.csv"), PROTOCOLS["cde"])
    return sorted(set(rows["subject"][group_of(rows, PROTOCOLS["cde"], GROUPS) == group]))


def test_noise_in_a_groups_maps_leaves_its_choice_and_changes_others(tmp_path, small_method):
    write_workspace(tmp_path, subjects=6, sequences=4)
    before = {group: choice(tmp_path, small_method, group, "before") for group in ("group1", "group2")}
    noise = np.random.default_rng(1)
    assert members(tmp_path, "group1") == ["sub01", "sub04"]
    for subject in members(tmp_path, "group1"):
        path = tmp_path / "flow/casme2" / f"{subject}.safetensors"
        tensors, _ = load_tensors(path)
        save_tensors(path, {name: noise.normal(0, 3, one.shape).astype(one.dtype) for name, one in tensors.items()}, {})
    after = {group: choice(tmp_path, small_method, group, "after") for group in before}  # all folds are trained anew
    assert after["group1"] == before["group1"]
    ours, theirs = (read_json(tmp_path / folder / "group2.json")["candidates"] for folder in ("before", "after"))
    assert [ours[name]["folds"] for name in GRID] != [theirs[name]["folds"] for name in GRID]


def test_the_group_is_in_neither_set_and_its_flow_is_not_opened(tmp_path, small_method, monkeypatch):
    """Without the group's files, and with other labels of the group, the fold is the same."""
    write_workspace(tmp_path, subjects=6, sequences=4)
    name, group = inner_name("group1", 2), members(tmp_path, "group1")
    out = train(tmp_path, small_method, name, "m6.slow")
    tested = set(pd.read_csv(out)["subject"])
    record = read_json(out.with_suffix(".json"))
    assert not tested & set(group)
    assert record["data"]["trained"] + record["data"]["predicted"] == 16
    for subject in group:
        (tmp_path / "flow/casme2" / f"{subject}.safetensors").unlink()
    index = pd.read_csv(tmp_path / "casme2.csv")
    index.loc[index["subject"].isin(group), "emotion"] = "surprise"
    index.to_csv(tmp_path / "casme2.csv", index=False)

    def start(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(module, "Training", start)
    train(tmp_path, small_method, name, "m6.slow")


def ra_icl_fold(workspace, options, *arguments, name="casme2-sub01"):
    program = [sys.executable, "-c", "from ra_icl.cli import main; main()", "fold", "--data-source", "twins"]
    given = ["--out", workspace / f"{name}.csv", "--index", workspace / "casme2.csv", "--flow", workspace / "flow"]
    given += ["--checkpoints", workspace / "checkpoints", "--options", slice_of(asdict(options)), *arguments]
    return subprocess.run([*program, *map(str, given)], capture_output=True, text=True, check=False)


@pytest.fixture
def group1(tmp_path):
    """A choice as `choose` writes it."""
    content = {"protocol": "cde", "method": "m6", "group": "group1", "inner_folds": 2, "seed": 0}
    content |= {"candidates": {}, "candidate": "fast", "overrides": {"training": {"learning_rate": 0.01, "epochs": 3}}}
    write_json(tmp_path / "group1.json", content)
    return tmp_path / "group1.json"


def test_a_fold_is_trained_with_its_choice_and_records_it(tmp_path, small_method, group1):
    write_workspace(tmp_path, subjects=3)
    done = ra_icl_fold(tmp_path, small_method, "--choice", group1)
    assert done.returncode == 0, done.stderr
    record = read_json(tmp_path / "casme2-sub01.json")
    expected = asdict(replace(small_method, training=replace(small_method.training, learning_rate=0.01, epochs=3)))
    plain = {"model": expected["model"] | {"backbone": expected["model"]["backbone"] | {"blocks": [1, 1]}}}
    augmentation = expected["augmentation"] | {"blur_sigma": list(expected["augmentation"]["blur_sigma"])}
    assert record["options"] == expected | plain | {"augmentation": augmentation}
    assert (record["candidate"], len(record["curve"])) == ("fast", 3)
    # The workflow deletes the outputs of a job that it runs again: an unchanged choice trains nothing.
    kept = (tmp_path / "casme2-sub01.csv").read_bytes()
    (tmp_path / "casme2-sub01.csv").unlink()
    again = ra_icl_fold(tmp_path, small_method, "--choice", group1)
    assert "nothing to train" in again.stderr
    assert (tmp_path / "casme2-sub01.csv").read_bytes() == kept
    other = read_json(group1) | {"candidate": "slow", "overrides": {"training": {"epochs": 1}}}
    write_json(group1, other)
    assert "nothing to train" not in ra_icl_fold(tmp_path, small_method, "--choice", group1).stderr
    record = read_json(tmp_path / "casme2-sub01.json")
    assert (record["candidate"], len(record["curve"])) == ("slow", 1)


def test_a_choice_that_cannot_be_used_is_one_line(tmp_path, small_method, group1):
    write_workspace(tmp_path, subjects=2)
    content = read_json(group1)
    for wrong, words in (
        (
            {key: value for key, value in content.items() if key != "overrides"},
            "key overrides is missing; if a run wrote it, delete it",
        ),
        (content | {"overrides": {"training": {"epoch": 3}}}, "--options: training.epoch: unknown key"),
    ):
        write_json(group1, wrong)
        done = ra_icl_fold(tmp_path, small_method, "--choice", group1)
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert words in line
