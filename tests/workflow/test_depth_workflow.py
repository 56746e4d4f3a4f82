"""Which steps a method with depth adds to a run on twins."""

import pytest
from deep_peer import METHOD, SOURCE
from workflow_runs import CONFIGS, new_clone, planned


@pytest.mark.workflow
def test_depth_is_rendered_and_cut_for_the_method_that_takes_it(tmp_path):
    clone = new_clone(tmp_path)
    (clone / "ra_icl/peers/nearest.py").write_text(SOURCE)
    (clone / "deep.yaml").write_text(METHOD)
    jobs = planned(clone, "deep", "peer_ststnet", configs=(*CONFIGS, "deep.yaml"))
    assert (jobs["twins"], jobs["twin_depth"]) == (4, 1)
    assert jobs["depth"] == 2  # of the two subjects of CAS(ME)³; deep's own table is of that alone, also beside cde
    assert jobs["flow"] == 2 + 6  # apex-depth; apex, of the CDE datasets
