"""config/public-flow.yaml unchanged, on small clones made here."""

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml
from workflow_runs import planned, run, snakemake

from ra_icl.datasets.index import read_index_csv
from ra_icl.datasets.nested import group_of
from ra_icl.datasets.protocols import PROTOCOLS, fold_of, select
from ra_icl.datasets.public_flow import FOLDER, TABLE
from ra_icl.files import read_json

ROWS = [  # dataset, subject, clip, label
    ("casme2", "sub01", "EP02_01f", 1),
    ("casme2", "sub02", "EP01_11f", 0),
    ("samm", "006", "006_1_2", 0),
    ("smic", "s03", "s03_sur_01", 2),
]


@pytest.fixture(scope="module")
def published(clone):
    """Clones of both repositories where the config has them, with a first and a second map a sequence."""
    noise = np.random.default_rng(0)
    for repository in ("HTNet", "CausalNet"):
        root = clone / "public" / repository
        (root / FOLDER).mkdir(parents=True)
        for _, subject, clip, _ in ROWS:
            for ending in (" .png", "_1 .png"):
                cv2.imwrite(
                    str(root / FOLDER / f"{subject}_{clip}{ending}"), noise.integers(0, 256, (28, 28, 3), np.uint8)
                )
        table = pd.DataFrame(ROWS, columns=["dataset", "sub", "filename_o", "label"])
        table.assign(apex="", imagename="x.jpg").to_csv(root / TABLE, index=False)
    (clone / "warn.yaml").write_text(yaml.safe_dump({"data": {"count_mismatch": "warning"}}))  # few sequences
    return clone


UNCHECKED = {name: {"files": 0, "sha256": ""} for name in ("htnet", "causalnet", "causalnet_apex")}
FEW = {
    "data": {"count_mismatch": "warning"},
    "public_flow": UNCHECKED,
    "base": {"training": {"epochs": 1}},
    "selection": {
        "groups": 2,
        "inner_folds": 2,
        "candidates": dict.fromkeys(["lr01", "epochs20", "width16", "width16_epochs20"]),
        "methods": {"m2_causalnet": None, "m6_causalnet": ["m1_htnet"]},
    },
    "protocols": ["cde"],
    "seeds": [0],
    "tables": {"table1": ["m1_htnet", "m6_causalnet", "m6_all_causalnet"], "table3": []},
}


@pytest.mark.workflow
def test_the_config_of_published_flow_plans_all_inner_folds(published):
    configs = ("config/public-flow.yaml", "warn.yaml")
    jobs = planned(published, "select", configs=configs)
    groups = len(ROWS)  # of a subject each
    assert (jobs["fold"], jobs["choose"]) == (2 * 6 * 3 * groups, 2 * groups)
    jobs = planned(published, configs=configs)
    inner, seeds, members = 2 * 6 * 3 * groups, 3, len(ROWS)
    across = 3 * seeds * (3 + 3)  # of three methods: one fold per dataset to test on, and one per dataset to train on
    assert (jobs["fold"], jobs["metrics"]) == (inner + 8 * seeds * members + across, 9 + 3 * 4)
    assert jobs["ensemble"] == seeds * members  # of m6_all, one per seed
    jobs = planned(published, "ensembles", "differences_ensembles", configs=configs)
    assert (jobs["ensemble"], jobs["metrics"]) == (3 * members, 3)  # one over all seeds
    assert jobs["fold"] == inner + 5 * seeds * members  # M1 twice, M2, M3, M6


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("target", "need"), [("qc", "video frames"), ("peers_casme3", "CAS(ME)³"), ("peer_alexnet_depth", "sets to null")]
)
def test_a_target_that_this_config_cannot_make_says_what_it_needs(published, target, need):
    shown = snakemake(published, target, "--dry-run", configs=("config/public-flow.yaml", "warn.yaml"))
    assert shown.returncode == 1
    last = shown.stderr.splitlines()[-1]
    assert last.startswith(f"ra-icl: error: target {target}: ")
    assert need in last


@pytest.mark.workflow
def test_another_clone_than_the_config_states_is_not_read(published):
    target = "results/public-flow/index/samm.csv"
    shown = snakemake(published, target, configs=("config/public-flow.yaml", "warn.yaml"))
    assert shown.returncode
    log = (published / "results/public-flow/logs/index/samm.log").read_text()
    assert f"CausalNet/{FOLDER}: holds 8 files, but public_flow.causalnet.files is 1768; clone commit 7bdf163" in log
    assert not (published / target).exists()


@pytest.mark.workflow
def test_the_config_of_published_flow_runs(published):
    (published / "few.yaml").write_text(yaml.safe_dump(FEW))
    configs = ("config/public-flow.yaml", "few.yaml")
    run(published, "select", configs=configs)
    results = published / "results/public-flow"
    choices = {path.stem: read_json(path) for path in results.glob("selection/cde/m6_causalnet/*.json")}
    assert sorted(choices) == ["group1", "group2"]
    assert all(list(choice["candidates"]) == ["base", "lr001"] for choice in choices.values())
    assert len(list(results.glob("folds/cde/*/seed0/*.json"))) == 8

    run(published, configs=configs)
    table = pd.read_csv(results / "tables/table1.csv")
    assert "published flow maps" in (results / "tables/table1.md").read_text()
    assert table["method"].tolist()[-3:] == ["m1_htnet", "m6_causalnet", "m6_all_causalnet"]
    assert table["title"].iloc[-1] == "M6, both instances and their mirror images averaged"
    # An ensemble of one is one view of its member, under a name of its own.
    for row in ROWS:
        name = f"{row[0]}-{row[1]}"
        views = pd.read_csv(results / f"folds/cde/m6_causalnet/seed0/{name}.views.csv")
        own = pd.read_csv(results / f"folds/cde/m6_all_causalnet/seed0/{name}.csv")
        np.testing.assert_array_equal(own[["p0", "p1", "p2"]], views[[f"p{n}_all_mirror" for n in range(3)]])
    assert len(list((results / "folds/cde/m6_causalnet/seed0").glob("*.json"))) == len(ROWS)
    assert (results / "figures/figure4.png").exists()
    # Every fold of M1 and M6 was trained with the choice for its subject's group.
    protocol = PROTOCOLS["cde"]
    rows = select(pd.concat(map(read_index_csv, results.glob("index/*.csv"))), protocol)
    for name, group in zip(fold_of(rows, protocol), group_of(rows, protocol, 2), strict=True):
        for method in ("m1_htnet", "m6_causalnet"):
            record = read_json(results / f"folds/cde/{method}/seed0/{name}.json")
            assert record["candidate"] == choices[group]["candidate"]
            rate = choices[group]["overrides"].get("training", {}).get("learning_rate", 0.003)
            assert record["options"]["training"]["learning_rate"] == rate
    found = read_json(results / "metrics/cde/m1_htnet.json")["selection_of"]
    assert {group: one["candidate"] for group, one in found["groups"].items()} == {
        group: choice["candidate"] for group, choice in sorted(choices.items())
    }
    notes = (results / "tables/table1.notes.md").read_text()
    assert "Options of m6_causalnet were chosen for each of 2 groups" in notes
    assert "also used for m1_htnet, m6_all_causalnet. Below" in notes
    mean = read_json(results / "metrics/cde/m6_all_causalnet.json")
    assert (mean["members"], mean["view"]) == ({"m6_causalnet": [0]}, "all_mirror")
    assert mean["selections_of_members"] == [found]
    assert f"m6_causalnet, group2: {choices['group2']['candidate']} (base " in notes
