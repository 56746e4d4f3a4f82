"""Peers through the workflow, from frames to tables: a network and a descriptor of frames, beside M6."""

import pandas as pd
import pytest
from workflow_runs import branch, planned, run

from ra_icl.files import read_json

PEERS = ["peer_ststnet", "peer_lbp_top"]
VALUES = {
    "protocols": ["groups5"],
    "tables": {"peers": ["m6", *PEERS], "table3": ["m6"]},
    "keep_epochs": ["m6", "peer_ststnet"],
    "methods": {"peer_ststnet": {"peer": {"epochs": 2}}},
}


@pytest.mark.workflow
def test_peers_run_on_the_folds_of_m6_and_fill_their_tables(clone, results):
    folder, configs = branch(clone, results, "peers", **VALUES)
    run(clone, "peers", "differences_peers", "leak_peers", "cost_peers", configs=configs)

    table = pd.read_csv(folder / "tables" / "peers.csv").set_index("method")
    assert list(table.index) == ["m6", *PEERS]
    assert table["data"].eq("synthetic").all()
    metrics = {name: read_json(folder / "metrics" / "groups5" / f"{name}.json") for name in table.index}
    for name, content in metrics.items():
        assert table.loc[name, "composite_uf1"] == pytest.approx(
            100 * content["scores"]["composite"]["uf1"]["mean"], abs=1e-3
        )
    sequences = {name: [one["subject"] for one in content["subjects"]] for name, content in metrics.items()}
    assert sequences["m6"] == sequences["peer_lbp_top"] == sequences["peer_ststnet"]

    differences = pd.read_csv(folder / "tables" / "differences_peers.csv").set_index("method")
    for name in PEERS:
        gap = table.loc["m6", "composite_uf1"] - table.loc[name, "composite_uf1"]
        assert differences.loc[name, "uf1_difference"] == pytest.approx(gap, abs=1e-3)
    costs = pd.read_csv(folder / "tables" / "cost_peers.csv").set_index("method")
    assert costs.loc["peer_ststnet", "parameters_trained"] == 1683
    assert costs.loc[["peer_lbp_top"], "parameters_trained"].isna().all()
    assert (costs["seconds_clip"] > 0).all()
    leak = pd.read_csv(folder / "tables" / "leak_peers.csv")
    assert set(leak["method"]) == {"peer_ststnet"}

    # The report has a page for each of them, though the config's own tables show M6 alone.
    assert planned(clone, "report", configs=configs)["method_page"] == 3
    run(clone, "results/peers/pages/run.html", configs=configs)
    page = (folder / "pages" / "run.html").read_text()
    assert "Training: 15 folds" in page
    assert all(title in page for title in ("Ra-ICL (M6)", "STSTNet", "LBP-TOP"))

    record = read_json(folder / "folds" / "groups5" / "peer_lbp_top" / "seed0" / "group1.json")
    assert {one["from"] for one in record["settings"].values()} <= {"paper", "code", "choice", "config"}
    assert record["data"]["all"].keys() == {"grey"}
