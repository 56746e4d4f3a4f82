"""The command line: bad input is one line on stderr and exit status 2."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from ra_icl.datasets.index import COLUMNS


def run(*arguments):
    program = [sys.executable, "-c", "from ra_icl.cli import main; main()", *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, check=False)


@pytest.fixture
def index(tmp_path):
    row = ("casme2", "sub01", "EP01", "none", 1, 3, 5, 200, "disgust")
    pd.DataFrame([row], columns=list(COLUMNS)).to_csv(tmp_path / "casme2.csv", index=False)
    return tmp_path / "casme2.csv"


def test_every_step_is_a_sub_command():
    shown = run("--help").stdout
    names = "twins index crop flow fold metrics table differences confusion sweep audit power"
    for name in names.split():
        assert f" {name} " in shown


def test_every_command_has_an_example_of_its_own():
    from ra_icl.cli import app

    for command in app.registered_commands:
        name = command.name or command.callback.__name__
        assert f"Example: ra-icl {name} " in command.callback.__doc__, name


def test_help_names_snakemake_and_the_version_is_printed():
    assert "snakemake" in run("--help").stdout
    assert run("--version").stdout.startswith("ra-icl ")


def test_the_schema_of_the_config_is_printed():
    printed = json.loads(run("config-schema").stdout)
    assert printed["$defs"]["OptimiserOptions"]["properties"]["epochs"]["minimum"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--subject", "sub01"], "EP01: frame folder"),
        (["--subject", "sub99"], "no subject 'sub99'; known: sub01"),
        (["--subject", "sub01", "--options", '{"sise": 64}'], "--options: sise: unknown key; known: size"),
        (["--subject", "sub01", "--options", "{"], "not JSON"),
    ],
)
def test_bad_input_is_one_line(index, tmp_path, arguments, words):
    given = ("--index", index, "--root", tmp_path, "--out", tmp_path / "out.safetensors")
    done = run("crop", *given, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert [words in line for line in done.stderr.splitlines() if line.startswith("ra-icl: error: ")] == [True]
    assert not (tmp_path / "out.safetensors").exists()


def test_a_fold_is_named_by_its_file_and_looked_up_before_any_flow_is_read(index, tmp_path):
    for name, words in {
        "casme2-sub77.csv": "fold casme2-sub77: cde has no such fold",
        "casme2-sub77": "-{subject}.csv or group1.csv",
    }.items():
        where = ["--out", tmp_path / name, "--index", index, "--flow", tmp_path / "none"]
        done = run("fold", *where, "--data-source", "twins")
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert line.startswith("ra-icl: error: ")
        assert words in line


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = run("twins", "--dataset", "smic", "--out", tmp_path / "file" / "smic")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("ra-icl: error: ")
    assert "file: File exists; check the path" in line


def test_a_missing_root_names_its_key(tmp_path):
    options = json.dumps({"root": str(tmp_path / "gone")})
    done = run("index", "--dataset", "samm", "--options", options, "--out", tmp_path / "x.csv")
    assert done.returncode == 2
    assert "datasets.samm.root: folder" in done.stderr
