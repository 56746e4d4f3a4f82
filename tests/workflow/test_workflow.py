"""The workflow end to end on tiny twins, and what it says to bad input."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[2]
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", "2"]
TINY = {
    "protocols": ["cde", "casme3_4"],
    "folds_per_job": 2,
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


def snakemake(clone, *arguments, configs=("config/demo.yaml", "tiny.yaml"), path="/nowhere"):
    """Run it in the clone; path: a folder of programs that come before all others."""
    environment = os.environ | {"PATH": f"{path}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [*SNAKEMAKE, *arguments, *(["--configfile", *configs] if configs else [])]
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def results(clone):
    done = snakemake(clone)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "table1.md" in done.stdout  # the run ends by saying where the tables are
    return clone / "results" / "demo"


def planned(clone, targets=(), **options):
    """The rules that a dry run would run, with their numbers: the rows of its table of job statistics."""
    shown = snakemake(clone, *targets, "--dry-run", **options)
    assert shown.returncode == 0, shown.stderr[-2000:]
    rows = re.findall(r"^([a-z]\w*) +([0-9]+)$", shown.stdout + shown.stderr, flags=re.MULTILINE)
    return {name: int(number) for name, number in rows if name != "total"}


def packs(*numbers):
    """What `planned` says of packs of CDE folds."""
    return {f"fold_cde_{number}": 1 for number in numbers}


@pytest.mark.workflow
def test_the_run_leaves_tables_figures_and_records(results):
    for name in ("table1", "table2", "table3"):
        assert set(pd.read_csv(results / "tables" / f"{name}.csv")["data"]) == {"synthetic"}
        for suffix in ("md", "tex", "notes.md"):
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
def test_the_counts_are_those_of_the_twins_and_nothing_is_left_to_resume(results):
    assert "18" in (results / "tables" / "table4.md").read_text()
    assert "SYNTHETIC TWINS" in (results / "tables" / "table5.md").read_text()
    assert list((results / "checkpoints").rglob("*.safetensors")) == []


@pytest.mark.workflow
def test_the_quality_control_shows_every_sequence(clone, results):
    done = snakemake(clone, "qc")
    assert done.returncode == 0, done.stderr[-3000:]
    listed = (results / "qc" / "smic.csv").read_text().splitlines()
    assert len(listed) == 1 + 6
    for picture in ("smic.png", "smic/s01.png", "casme3.png"):
        assert (results / "qc" / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.workflow
def test_a_second_run_does_nothing(clone, results):
    assert planned(clone) == {}


@pytest.mark.workflow
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_fold_is_its_three_files(clone, results, suffix):
    fold = results / f"folds/cde/m1/seed0/casme2-sub01{suffix}"
    shutil.move(fold, results / "kept")
    try:
        assert planned(clone)["fold_cde_1"] == 1
    finally:
        shutil.move(results / "kept", fold)


@pytest.mark.workflow
def test_a_deleted_fold_reruns_with_what_depends_on_it(clone, results):
    kept = results / "kept.csv"
    fold = results / "folds/cde/m1/seed0/casme2-sub01.csv"
    shutil.move(fold, kept)
    try:
        assert planned(clone) == packs(1) | {"metrics": 1, "table3": 1, "all": 1}
    finally:
        shutil.move(kept, fold)


@pytest.mark.workflow
def test_an_edited_method_reruns_its_own_folds(clone, results):
    (clone / "edit.yaml").write_text("methods: {m1: {training: {epochs: 2}}}")
    configs = ("config/demo.yaml", "tiny.yaml", "edit.yaml")
    assert planned(clone, configs=configs) == packs(1, 2, 3) | {"metrics": 1, "table3": 1, "all": 1}


@pytest.mark.workflow
def test_folds_that_are_there_stay_whatever_the_size_of_a_pack(clone, results):
    assert planned(clone, targets=("--config", "folds_per_job=4")) == {}


@pytest.fixture
def ctrl_c():
    """Ctrl-C reaches what is started here, even where the tests run in the background, with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.workflow
def test_an_interrupted_run_goes_on_and_trains_nothing_twice(clone, results, ctrl_c):
    """Ctrl-C reaches Snakemake and its jobs; the same command then finishes what is left: half of the third pack."""
    (clone / "again.yaml").write_text(
        "pathvars: {results: results/again}\nprotocols: [cde]\ntables: {table3: [m1]}\nbase: {training: {epochs: 50}}"
    )
    shutil.copytree(results / "twins", clone / "results/again/twins")
    files = ["config/demo.yaml", "tiny.yaml", "again.yaml"]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [*SNAKEMAKE, "table3", "--rerun-triggers", "mtime", "--configfile", *files]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=clone, env=environment, start_new_session=True, **quiet)
    folds = clone / "results/again/folds"
    for _ in range(1200):
        time.sleep(0.1)
        if len(list(folds.rglob("*.csv"))) >= 5 or process.poll() is not None:
            break
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait() != 0
    done = {path: path.stat().st_mtime_ns for path in folds.rglob("*.csv")}
    assert 4 <= len(done) < 6
    assert subprocess.run(command, cwd=clone, env=environment, **quiet, check=False).returncode == 0
    assert (clone / "results/again/tables/table3.md").exists()
    assert len(list(folds.rglob("*.csv"))) == 6
    finished = {path: when for path, when in done.items() if path.stat().st_mtime_ns == when}
    assert len(finished) == 4
    log = (clone / "results/again/logs/folds/cde/m1/seed0/pack3.log").read_text()
    assert "resumed after epoch 50\n" in log
    assert log.count("epoch 50/50") == 1


@pytest.mark.workflow
def test_a_fold_whose_loss_is_not_finite_stops_alone_and_says_so(clone, results, tmp_path):
    """M1 diverges at once, M6 trains; on a machine with a GPU, as many folds as fit share it."""
    (clone / "nan.yaml").write_text("methods: {m1: {training: {learning_rate: 1.0e+30}}}")
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 8192")
    (tmp_path / "nvidia-smi").chmod(0o755)
    done = snakemake(clone, "table3", path=tmp_path, configs=("config/demo.yaml", "tiny.yaml", "nan.yaml"))
    assert done.returncode != 0
    assert re.search(r"Provided resources: .*gpu\b.*\b2\b", done.stderr)
    lines = [line.strip() for line in done.stderr.splitlines() if "ra-icl: error:" in line]
    assert len(lines) == 6
    assert all("training.learning_rate: the loss is" in line for line in lines)
    assert list((results / "folds/cde/m1").rglob("*.csv")) == []
    assert len(list((results / "folds/cde/m6").rglob("*.csv"))) == 6
    assert "Traceback" not in done.stderr


def test_every_target_of_the_paper_has_a_name(clone):
    shown = snakemake(clone, "--list-target-rules").stdout.split()
    wanted = {"all", "qc", "confusion", "sweep_instances", "sweep_lambda3", *(f"table{n}" for n in range(1, 6))}
    assert wanted | {f"ablation_m{number}" for number in range(1, 11)} <= set(shown)


def test_the_snakefile_is_read_without_torch_and_opencv(clone):
    """It is read again in every cluster job."""
    program = (
        "import sys; from snakemake.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'torch', 'cv2', 'numba', 'ra_icl.planning.plan'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "--list-target-rules", "--configfile", "config/demo.yaml"]
    environment = os.environ | {"PYTHONPATH": str(clone)}
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert "table1" in done.stdout
    assert done.stderr.splitlines()[-1] == "['ra_icl.planning.plan']"


@pytest.mark.workflow
def test_a_pack_that_lost_a_file_is_computed_again_to_the_same_bytes(clone, results):
    flow = results / "flow/middle-2/casme2"
    before = {path.name: path.read_bytes() for path in flow.iterdir()}
    (flow / "sub01.safetensors").unlink()
    targets = ["results/demo/flow/middle-2/casme2/sub01.safetensors"]
    assert planned(clone, targets=targets) == {"flow_middle_2_casme2_1": 1}
    done = snakemake(clone, *targets)
    assert done.returncode == 0, done.stderr[-3000:]
    assert {path.name: path.read_bytes() for path in flow.iterdir()} == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "datasets.casme2.root: is empty; set it in config/config.yaml"),
        (
            "protocols: [cde]\ndatasets: {casme2: {root: /nowhere}}",
            "datasets.casme2.root: folder /nowhere does not exist",
        ),
        ("base: {loss: {lamda: 1}}", "config: base.loss.lamda: unknown key; known: classification, attention"),
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
