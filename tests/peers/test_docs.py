"""docs/peers.md: its example of a new peer runs word for word, and it has a row for every system of Tables 1 and 2."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from ra_icl import peers
from ra_icl.cli import app
from ra_icl.files import read_json, save_tensors
from ra_icl.planning import peers as planning
from ra_icl.planning.config import load_config
from ra_icl.planning.plan import make_plan

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")


def block(language):
    example = PAGE.partition("## A peer of your own")[2]
    (found,) = re.findall(rf"```{language}\n(.*?)```", example, re.DOTALL)
    return found


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The example's file, found as if it lay in ra_icl/peers."""
    (tmp_path / "tiny.py").write_text(block("python"), encoding="utf-8")
    monkeypatch.setattr(peers, "__path__", [*peers.__path__, str(tmp_path)])
    planning.declared_peers.cache_clear()
    yield
    planning.declared_peers.cache_clear()
    sys.modules.pop("ra_icl.peers.tiny", None)


def test_the_example_of_a_new_peer_trains_a_fold(tmp_path, tiny):
    methods = yaml.safe_load("methods:\n" + block("yaml"))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(methods | {"tables": {"peers": ["m6", "peer_tiny"]}}))
    config = load_config([ROOT / "config" / "config.yaml", ROOT / "config" / "demo.yaml", tmp_path / "mine.yaml"])
    config["methods"] = {name: value for name, value in config["methods"].items() if name in ("m6", "peer_tiny")}
    config["tables"] |= {"table3": ["m6"], "table3_controls": [], "cross": [], "peers_casme3": []}
    config |= {"sweeps": {}, "keep_networks": [], "attention": {"figures": [], "table": [], "sequences": {}}}
    options = make_plan(config).training_slice("peer_tiny")

    rng = np.random.default_rng(0)
    rows = []
    for subject in ("sub01", "sub02"):
        maps = {f"EP{n:02d}": rng.normal(size=(1, 3, 32, 32)).astype(np.float16) for n in range(3)}
        save_tensors(tmp_path / "flow" / "casme2" / f"{subject}.safetensors", maps, {})
        emotions = dict(zip(maps, ("disgust", "happiness", "surprise"), strict=True))
        rows += [("casme2", subject, name, "x", 1, 3, 5, 200, emotion) for name, emotion in emotions.items()]
    columns = ["dataset", "subject", "sequence", "frames", "onset", "apex", "offset", "fps", "emotion"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "casme2.csv", index=False)
    command = ["fold", "--out", f"{tmp_path}/folds/casme2-sub01.csv", "--index", f"{tmp_path}/casme2.csv"]
    command += [
        "--flow",
        f"{tmp_path}/flow",
        "--data-source",
        "twins",
        "--method",
        "peer_tiny",
        "--options",
        options,
        "--code",
        "x",
    ]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.exception
    record = read_json(tmp_path / "folds" / "casme2-sub01.json")
    assert record["settings"]["filters"] == {"value": 16, "from": "config"}
    assert record["settings"]["size"] == {"value": 28, "from": "paper"}
    assert len(pd.read_csv(tmp_path / "folds" / "casme2-sub01.csv")) == 3
    assert record["epoch"] == 30


def test_every_system_of_tables_1_and_2_has_a_row():
    published = pd.read_csv(ROOT / "config" / "published.csv", comment="#", dtype=str)
    systems = published.loc[published["table"].isin(["1", "2"]), "method"].unique()
    rows = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| ")]
    assert [name for name in systems if name not in rows and name != "Ra-ICL (ours)"] == []


def test_every_measured_peer_is_one_that_the_config_has():
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    named = set(re.findall(r"`(peer_\w+)`", PAGE)) - {"peer_tiny"}
    assert named == {name for name in config["methods"] if name.startswith("peer_")}
