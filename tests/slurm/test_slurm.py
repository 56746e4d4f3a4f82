"""The cluster profile on a Slurm without an accounting database."""

import time

import pytest
from slurm_cluster import GPU_PARTITION, GPUS
from slurm_runs import FOLDS

pytestmark = pytest.mark.slurm


def in_state(site, state):
    return [job for job in site.jobs().values() if job["JobState"] == state]


def gpu_of(job):
    """The index of the one GPU that a running job has: 0 of "gpu:1(IDX:0)"."""
    number, _, index = job["GRES"].removeprefix("gpu:").partition("(IDX:")
    assert number == "1"
    return int(index.rstrip(")"))


def test_folds_run_side_by_side_and_outlast_a_drained_node(plain_site, clone):
    clone.fill_in(f"slurm_partition: your-gpu-partition -> {GPU_PARTITION}")
    with clone.run(*clone.folds(1, *FOLDS)) as run:
        run.wait_until(lambda: len(in_state(plain_site, "RUNNING")) == GPUS, "a fold runs on every GPU")
        side_by_side = in_state(plain_site, "RUNNING")
        plain_site.node("drain")
        run.wait_until(lambda: len(in_state(plain_site, "COMPLETED")) == GPUS, "what runs on a draining node ends")
        time.sleep(3)  # longer than the scheduler waits between two looks
        assert len(in_state(plain_site, "PENDING")) == 1
        plain_site.node("resume")
        run.finish()
    assert {gpu_of(job) for job in side_by_side} == set(range(GPUS))
    jobs = plain_site.jobs().values()
    asked = {(job["TimeLimit"], job["MinMemoryNode"], job["NumCPUs"], job["Partition"]) for job in jobs}
    assert asked == {("01:00:00", "24000M", "2", GPU_PARTITION)}
    assert len(in_state(plain_site, "COMPLETED")) == len(FOLDS) == len(jobs)
