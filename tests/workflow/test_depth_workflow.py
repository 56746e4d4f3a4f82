"""A method with depth in a run on twins: which steps it adds, and the baseline of CAS(ME)³ from frames to its table."""

import numpy as np
import pandas as pd
import pytest
from deep_peer import METHOD, SOURCE
from workflow_runs import CONFIGS, branch, new_clone, planned, run

from ra_icl.files import load_tensors, read_json


@pytest.mark.workflow
def test_depth_is_rendered_and_cut_for_the_method_that_takes_it(tmp_path):
    clone = new_clone(tmp_path)
    (clone / "ra_icl/peers/nearest.py").write_text(SOURCE)
    (clone / "deep.yaml").write_text(METHOD)
    jobs = planned(clone, "peer_deep", "peer_ststnet", configs=(*CONFIGS, "deep.yaml"))
    assert (jobs["twins"], jobs["twin_depth"]) == (4, 1)
    assert jobs["depth"] == 2  # of CAS(ME)³'s two subjects; peer_deep's own table is of that alone, also beside cde
    assert jobs["flow"] == 2 + 6  # apex-depth; apex, of the CDE datasets


@pytest.mark.workflow
def test_the_baselines_of_casme3_run_from_frames_to_their_table(clone, results):
    small = {"peer": {"size": 63, "hidden": 8, "epochs": 1}}
    folder, configs = branch(
        clone,
        results,
        "baselines",
        protocols=["casme3_4"],
        tables={"peers_casme3": ["m6", "peer_alexnet", "peer_alexnet_depth"], "table3": ["m6"]},
        methods={"peer_alexnet": small, "peer_alexnet_depth": small},
    )
    run(clone, "peers_casme3", configs=configs)

    table = pd.read_csv(folder / "tables" / "peers_casme3.csv").set_index("method")
    metrics = {
        name: read_json(folder / "metrics" / "casme3_4" / f"{name}.json")
        for name in ("m6", "peer_alexnet", "peer_alexnet_depth")
    }
    for name, content in metrics.items():
        scored = 100 * content["scores"]["composite"]["uf1"]["mean"]
        assert table.loc[name, "composite_uf1"] == pytest.approx(scored, abs=1e-3)
    assert list(metrics["peer_alexnet"]["data"]["values"]) == ["u", "v", "strain"]
    assert list(metrics["peer_alexnet_depth"]["data"]["values"]) == ["u", "v", "strain", "depth"]

    files = sorted((folder / "flow" / "apex-depth" / "casme3").glob("*.safetensors"))
    maps = [one for path in files for one in load_tensors(path)[0].values()]
    assert {one.shape[1] for one in maps} == {4}
    assert all(np.ptp(one[:, 3].astype(float)) > 0 for one in maps)
    record = read_json(next((folder / "folds" / "casme3_4" / "peer_alexnet_depth" / "seed0").glob("*.json")))
    assert record["settings"]["depth"] == {"value": True, "from": "config"}
