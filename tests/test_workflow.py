"""The workflow end to end on tiny twins, and what it says to bad input."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", "2"]
TINY = {
    "protocols": ["cde", "casme3_4"],
    "twins": {"per_class": 1, "scale": 0.3, "frames": [10, 12]},
    "faces": {"size": 48},
    "base": {"sampling": {"instances": 2}, "training": {"epochs": 1}},
    "tables": {"table3": ["m1", "m6"]},
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The files of a clone that a run needs, with a config of its own."""
    root = tmp_path_factory.mktemp("clone")
    for name in ("workflow", "config", "slurm", "ra_icl"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "environment.yml", root)
    (root / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return root


def snakemake(clone, *arguments, configs=("config/demo.yaml", "tiny.yaml")):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [*SNAKEMAKE, *arguments, *(["--configfile", *configs] if configs else [])]
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def results(clone):
    done = snakemake(clone)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "table1.md" in done.stdout  # the run ends by saying where the tables are
    return clone / "results" / "demo"


def planned(clone, **options):
    """The rules that a dry run would run, with their numbers: the rows of its table of job statistics."""
    shown = snakemake(clone, "--dry-run", **options)
    assert shown.returncode == 0, shown.stderr[-2000:]
    rows = re.findall(r"^([a-z]\w*) +([0-9]+)$", shown.stdout + shown.stderr, flags=re.MULTILINE)
    return {name: int(number) for name, number in rows if name != "total"}


@pytest.mark.workflow
def test_the_run_leaves_tables_figures_and_records(results):
    for name in ("table1", "table2", "table3"):
        for suffix in ("csv", "md", "tex"):
            text = (results / "tables" / f"{name}.{suffix}").read_text()
            assert "SYNTHETIC TWINS" in text
            assert "HTNet" not in text  # no published row stands beside a synthetic one
    for name in ("figure4", "figure11"):
        assert (results / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (results / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    metrics = json.loads((results / "metrics/cde/m6.json").read_text())
    assert metrics["folds"] == 6
    assert metrics["scores"]["composite"]["samples"] == 18
    assert metrics["selection"] == "last"


@pytest.mark.workflow
def test_a_second_run_does_nothing(clone, results):
    assert planned(clone) == {}


@pytest.mark.workflow
def test_a_deleted_fold_reruns_with_what_depends_on_it(clone, results):
    kept = results / "kept.csv"
    fold = results / "folds/cde/m1/seed0/casme2-sub01.csv"
    shutil.move(fold, kept)
    try:
        assert planned(clone) == {"fold": 1, "metrics": 1, "table3": 1, "all": 1}
    finally:
        shutil.move(kept, fold)


@pytest.mark.workflow
def test_an_edited_method_reruns_its_own_folds(clone, results):
    (clone / "edit.yaml").write_text("methods: {m1: {training: {epochs: 2}}}")
    configs = ("config/demo.yaml", "tiny.yaml", "edit.yaml")
    assert planned(clone, configs=configs) == {"fold": 6, "metrics": 1, "table3": 1, "all": 1}


def test_every_target_of_the_paper_has_a_name(clone):
    shown = snakemake(clone, "--list-target-rules").stdout.split()
    wanted = {"all", "table1", "table2", "table3", "confusion", "sweep_instances", "sweep_lambda3"}
    assert wanted | {f"ablation_m{number}" for number in range(1, 11)} <= set(shown)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "datasets.casme2.root: is empty; set it in config/config.yaml"),
        ("datasets: {casme2: {root: /nowhere}}", "datasets.casme2.root: folder /nowhere does not exist"),
        ("base: {loss: {lamda: 1}}", "base.loss: Additional properties are not allowed ('lamda' was unexpected)"),
        ("data: {source: twins}\nconfusion: m11", "confusion: 'm11' is not defined"),
    ],
)
def test_a_wrong_config_stops_at_once_and_names_the_key(clone, text, words):
    (clone / "wrong.yaml").write_text(text)
    done = snakemake(clone, "--dry-run", configs=("wrong.yaml",))
    assert done.returncode != 0
    shown = done.stdout + done.stderr
    assert words in shown
    assert "Traceback" not in shown


def test_the_slurm_profile_is_found_from_the_clone(clone):
    pytest.importorskip("snakemake_executor_plugin_slurm")
    done = snakemake(clone, "--profile", "slurm", "--dry-run")
    assert done.returncode == 0, done.stderr[-2000:]
