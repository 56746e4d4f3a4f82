"""The target `attention`: figures and table from kept networks, and one line where a network is not kept."""

import pandas as pd
import pytest
from workflow_runs import branch, planned, run, snakemake

from ra_icl.datasets.index import read_index_csv

pytestmark = pytest.mark.workflow


def test_a_network_that_is_not_kept_is_one_line_before_anything_runs(clone):
    done = snakemake(clone, "attention", "--dry-run")
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    assert line.startswith("ra-icl: error: config: keep_networks: lacks m2, m5, m6, m1, m3, m4, whose networks ")
    assert "Traceback" not in done.stderr


def test_attention_makes_figures_of_the_named_sequence_and_the_table(clone, results):
    row = read_index_csv(results / "index/casme3.csv").iloc[0]
    attention = {"figures": ["m6"], "table": ["m6"], "sequences": {"casme3": [f"{row['subject']}/{row['sequence']}"]}}
    changes = {"protocols": ["casme3_4"], "keep_networks": ["m6"], "attention": attention}
    folder, configs = branch(clone, results, "seen", **changes)
    run(clone, "attention", configs=configs)
    pictures = sorted(path.name for path in (folder / "figures/attention").iterdir())
    stem = pictures[0].removesuffix("_maps.pdf")
    assert pictures == [f"{stem}_{grid}.{suffix}" for grid in ("maps", "regions") for suffix in ("pdf", "png")]
    table = pd.read_csv(folder / "tables/attention.csv")
    assert table["method"].tolist() == ["m6"]
    assert table["folds"].tolist() == [2]
    assert 0 < table["inside"][0] < 100
    measured = pd.read_csv(folder / "attention/casme3_4/m6.csv")
    folds = pd.concat(map(pd.read_csv, (folder / "folds/casme3_4/m6/seed0").glob("*.csv")))
    assert sorted(measured["sequence"]) == sorted(folds["sequence"])
    assert planned(clone, "attention", configs=configs) == {}
