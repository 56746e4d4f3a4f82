"""The target `final_model`, and the README's line that tries the model on a twin's clips."""

import json
import re
import shlex
from glob import glob

import pytest
from typer.testing import CliRunner
from workflow_runs import ROOT, planned, run

from ra_icl.cli import app

pytestmark = pytest.mark.workflow
MODEL = "results/demo/models/cde/m6"


def test_the_final_model_predicts_a_twins_clip(clone, results, monkeypatch):
    run(clone, "final_model")
    assert planned(clone, "final_model") == {}
    assert "TRAINED ON SYNTHETIC FACES" in (clone / f"{MODEL}.md").read_text()
    assert list((results / "checkpoints").rglob("*.safetensors")) == []
    (line,) = re.findall(r"^ra-icl predict (results/demo/.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    clips, *options = shlex.split(line)
    assert options == ["--model", f"{MODEL}.safetensors"]
    monkeypatch.chdir(clone)
    paths = sorted(glob(clips))
    done = CliRunner().invoke(app, ["predict", *paths, *options, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    assert [found["clip"] for found in json.loads(done.stdout)["clips"]] == paths != []
