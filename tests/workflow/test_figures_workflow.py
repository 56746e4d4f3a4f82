"""Figures on request, from the folds of a run that is there."""

import shutil

import pytest
from workflow_runs import config_file, planned, run


@pytest.mark.workflow
def test_figures_on_request_are_drawn_without_training_anything(clone, results):
    """N = 2 is M6 itself, so that the sweep over N needs no further fold."""
    others = dict.fromkeys(("queries", "lambda1", "lambda2", "lambda3"))
    configs = config_file(clone, "figures.yaml", sweeps={"instances": {"values": [2]}} | others)
    targets = ("apex", "sweeps", "results/demo/figures/curves/cde/m6.png")
    jobs = {"apex": 1, "sweeps": 1, "sweep_figure": 1, "curves_figure": 1}
    assert planned(clone, *targets, configs=configs) == jobs
    run(clone, *targets, configs=configs)
    for name in ("apex", "figure6", "curves/cde/m6"):
        assert (results / f"figures/{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (results / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
    assert planned(clone, *targets, configs=configs) == {}


@pytest.mark.workflow
def test_what_a_dropped_protocol_left_does_not_keep_the_report_from_being_made(clone, results):
    left = results / "figures" / "curves" / "casme3_4"
    left.mkdir(parents=True)
    (left / "m6.png").touch()
    jobs = planned(clone, "report", configs=config_file(clone, "cde_only.yaml", protocols=["cde"]))
    assert jobs["report"] == 1
    assert "curves_figure" not in jobs
    shutil.rmtree(left)
