"""The workflow end to end on tiny twins, and what it says to bad input."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from workflow_runs import ROOT, SNAKEMAKE, branch, config_file, environment, run, snakemake


@pytest.mark.workflow
def test_the_run_leaves_tables_figures_and_records(results):
    for name in ("table1", "table2", "table3"):
        assert set(pd.read_csv(results / "tables" / f"{name}.csv")["data"]) == {"synthetic"}
        for suffix in ("md", "tex", "notes.md", "html"):
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
def test_the_run_compares_m6_with_the_other_methods_of_table_3(results):
    table = pd.read_csv(results / "tables" / "differences.csv")
    assert table[["method", "reference", "protocol", "subjects"]].to_numpy().tolist() == [["m1", "m6", "cde", 6]]
    metrics = {name: json.loads((results / f"metrics/cde/{name}.json").read_text()) for name in ("m1", "m6")}
    means = {name: content["scores"]["composite"]["uf1"]["mean"] for name, content in metrics.items()}
    assert table["uf1_difference"][0] == pytest.approx(100 * (means["m6"] - means["m1"]), abs=1e-3)
    assert table[["uf1_low", "uar_high"]].isna().all(axis=None)
    text = (results / "tables" / "differences.notes.md").read_text()
    assert "SYNTHETIC TWINS" in text
    assert "No interval for 6 subjects" in text


@pytest.mark.workflow
def test_the_counts_are_those_of_the_twins_and_nothing_is_left_to_resume(results):
    assert "18" in (results / "tables" / "table4.md").read_text()
    assert "SYNTHETIC TWINS" in (results / "tables" / "table5.md").read_text()
    assert list((results / "checkpoints").rglob("*.safetensors")) == []
    assert list((results / "folds").rglob("*.safetensors")) == []


@pytest.mark.workflow
def test_the_flow_set_lists_every_sequence_of_the_protocol(results):
    lines = (results / "flow/middle-2/cde.sha256").read_text().splitlines()
    names = [line.split()[0] for line in lines]
    assert len(names) == len(set(names)) == 18
    assert {name.split("/")[0] for name in names} == {"casme2", "samm", "smic"}


@pytest.mark.workflow
def test_the_quality_control_shows_every_sequence(clone, results):
    run(clone, "qc")
    listed = (results / "qc" / "smic.csv").read_text().splitlines()
    assert len(listed) == 1 + 6
    for picture in ("smic.png", "smic/s01.png", "casme3.png"):
        assert (results / "qc" / picture).read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def ctrl_c():
    """Ctrl-C reaches what is started here, even if the tests run in the background, with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.workflow
def test_an_interrupted_run_goes_on_and_trains_nothing_twice(clone, results, ctrl_c):
    """Ctrl-C reaches Snakemake and its folds; the same command then trains those that had not ended."""
    changes = {"protocols": ["cde"], "tables": {"table3": ["m1"]}, "base": {"training": {"epochs": 20}}}
    folder, configs = branch(clone, results, "again", **changes)
    command = [*SNAKEMAKE, "table3", "--configfile", *configs]
    options = {"cwd": clone, "env": environment(), "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, **options, start_new_session=True)
    while process.poll() is None and len(list(folder.glob("folds/**/*.csv"))) < 3:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait() != 0
    done = {path: path.stat().st_mtime_ns for path in folder.glob("folds/**/*.csv")}
    assert 1 <= len(done) < 6
    assert subprocess.run(command, **options, check=False).returncode == 0
    assert (folder / "tables/table3.md").exists()
    assert len(list(folder.glob("folds/**/*.csv"))) == 6
    # One that had just ended may not have been recorded: it runs again, and has its result at once.
    assert any(path.stat().st_mtime_ns == written for path, written in done.items())
    assert list(folder.glob("checkpoints/**/*.safetensors")) == []


@pytest.mark.workflow
def test_a_fold_whose_loss_is_not_finite_stops_alone_and_says_so(clone, results):
    """M1 diverges at once, M6 trains."""
    changes = {"methods": {"m1": {"training": {"learning_rate": 1.0e30}}}}
    folder, configs = branch(clone, results, "nan", **changes)
    m1, m6 = (folder / f"folds/cde/{method}/seed0/smic-s01.csv" for method in ("m1", "m6"))
    done = snakemake(clone, str(m1.relative_to(clone)), str(m6.relative_to(clone)), configs=configs)
    assert done.returncode != 0
    (line,) = [line.strip() for line in done.stderr.splitlines() if "ra-icl: error:" in line]
    assert "training.learning_rate: the loss is" in line
    assert not m1.exists()
    assert m6.exists()
    assert "Traceback" not in done.stderr


@pytest.mark.workflow
def test_a_network_is_kept_for_the_methods_that_the_config_names(clone, results):
    folder, configs = branch(clone, results, "networks", keep_networks=["m1"])
    targets = [f"results/networks/folds/cde/{method}/seed0/smic-s01.csv" for method in ("m1", "m6")]
    run(clone, *targets, configs=configs)
    kept = [path.relative_to(folder / "folds") for path in (folder / "folds").rglob("*.safetensors")]
    assert kept == [Path("cde/m1/seed0/smic-s01.safetensors")]


def test_every_target_of_the_paper_has_a_name(clone):
    shown = snakemake(clone, "--list-target-rules").stdout.split()
    wanted = {
        "all",
        "qc",
        "report",
        "confusion",
        "differences",
        "differences_controls",
        "sweeps",
        "sweep_instances",
        "sweep_lambda3",
    }
    wanted |= {f"table{number}" for number in range(1, 6)}
    wanted |= {"table3_controls", *(f"ablation_m{number}" for number in range(1, 13))}
    wanted |= {f"figure{number}" for number in (4, *range(6, 12))}
    assert wanted <= set(shown)


def test_groups_are_five_folds_per_method_and_seed_and_controls_a_target_of_their_own(clone):
    values = {
        "pathvars": {"results": "results/groups"},
        "protocols": ["groups5"],
        "seeds": [1, 2],
        "tables": {"table3": ["m1", "m6"], "table3_controls": ["m6", "m11", "m12"]},
    }
    configs = config_file(clone, "groups.yaml", **values)
    for targets, methods in {(): ("m1", "m6"), ("table3_controls",): ("m6", "m11", "m12")}.items():
        shown = snakemake(clone, *targets, "--dry-run", configs=configs)
        folds = re.findall(
            r"Fold (\w+) of (\w+) under (\w+), seed ([0-9]+)$", shown.stdout + shown.stderr, re.MULTILINE
        )
        wanted = product([f"group{number}" for number in range(1, 6)], methods, ["groups5"], "12")
        assert sorted(folds) == sorted(wanted)


def test_the_snakefile_is_read_without_torch_and_opencv(clone):
    """It is read again in every cluster job."""
    program = (
        "import sys; from snakemake.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'torch', 'cv2', 'numba', 'ra_icl.planning.plan'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "--list-target-rules", "--configfile", "config/demo.yaml"]
    variables = os.environ | {"PYTHONPATH": str(clone)}
    done = subprocess.run(command, cwd=clone, env=variables, capture_output=True, text=True, check=False)
    assert "table1" in done.stdout
    assert done.stderr.splitlines()[-1] == "['ra_icl.planning.plan']"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "datasets.casme2.root: is empty; set it in config/config.yaml"),
        (
            "protocols: [cde]\ndatasets: {casme2: {root: /nowhere}}",
            "datasets.casme2.root: folder /nowhere does not exist",
        ),
        ("base: {loss: {lamda: 1}}", "config: base.loss.lamda: unknown key; known: classification, attention"),
        ("data: {source: twins}\nconfusion: m99", "confusion: 'm99' is not defined"),
        ("data: {source: twins}\nseeds: [0]\nseeds: [1]", "wrong.yaml, line 3: seeds is already in line 2; keep one"),
        ("data: {source: twins}\nsweeps: {lambda1: {figure: 4}}", "sweeps.lambda1.figure: 4 is taken"),
    ],
)
def test_a_wrong_config_stops_at_once_and_names_the_key(clone, text, words):
    (clone / "wrong.yaml").write_text(text)
    done = snakemake(clone, "--dry-run", configs=("wrong.yaml",))
    assert done.returncode == 1
    *before, line = done.stderr.splitlines()
    assert line.startswith("ra-icl: error: ")
    assert words in line
    # Snakemake's two lines about profile and config, and datasets that a protocol runs without.
    assert [other for other in before if not other.startswith(("Using", "Config file", "cde runs without"))] == []


def test_the_slurm_profile_is_found_from_the_clone(clone):
    pytest.importorskip("snakemake_executor_plugin_slurm")
    done = snakemake(clone, "--profile", "slurm", "--dry-run")
    assert done.returncode == 0, done.stderr[-2000:]


def rule_files():
    return [*sorted((ROOT / "workflow").rglob("*.smk")), ROOT / "workflow/Snakefile"]


def test_everything_in_a_shell_command_is_quoted():
    commands = [
        command
        for path in rule_files()
        for command in re.findall(r"shell:\n((?:\s+\".*\"\n)+)", path.read_text(), flags=re.MULTILINE)
    ]
    assert len(commands) >= 14
    values = [value for command in commands for value in re.findall(r"{[^}]*}", command)]
    assert [value for value in values if not value.endswith(":q}")] == []


def test_the_linter_only_wishes_for_conda_environments(clone):
    """No conda channel has this package, so a `conda:` line could not work: see environment.yml."""
    done = snakemake(clone, "--lint")
    findings = set(re.findall(r"^ +\* (.*):$", done.stdout + done.stderr, flags=re.MULTILINE))
    assert findings == {"Specify a conda environment or container for each rule."}
