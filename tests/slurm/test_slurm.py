"""The cluster profile on a Slurm without an accounting database: what the jobs ask for, and what they live through."""

import time
from itertools import pairwise

import pytest
from slurm_cluster import GPU_PARTITION, GPUS, PARTITION
from slurm_runs import FOLDS

pytestmark = pytest.mark.slurm


@pytest.fixture
def started(plain_site):
    """A function that returns the jobs, oldest first, which this test has started."""
    before = set(plain_site.jobs())
    return lambda: [job for number, job in plain_site.jobs().items() if number not in before]


def in_state(jobs, state):
    return [job for job in jobs if job["JobState"] == state]


def gpu_of(job):
    """The index of the one GPU that a running job has: 0 of "gpu:1(IDX:0)"."""
    number, _, index = job["GRES"].removeprefix("gpu:").partition("(IDX:")
    assert number == "1"
    return int(index.rstrip(")"))


def test_folds_run_side_by_side_and_outlast_a_drained_node(plain_site, clone, started):
    clone.fill_in(f"slurm_partition: your-gpu-partition -> {GPU_PARTITION}")
    with clone.run(*clone.folds(1, *FOLDS)) as run:
        run.wait_until(lambda: len(in_state(started(), "RUNNING")) == GPUS, "a fold runs on every GPU")
        plain_site.node("drain")
        jobs = started()
        run.wait_until(lambda: len(in_state(started(), "COMPLETED")) == GPUS, "what runs on a draining node ends")
        time.sleep(3)  # longer than the scheduler waits between two looks
        assert len(in_state(started(), "PENDING")) == 1
        plain_site.node("resume")
        run.finish()
    assert {gpu_of(job) for job in in_state(jobs, "RUNNING")} == set(range(GPUS))
    asked = {(job["TimeLimit"], job["MinMemoryNode"], job["NumCPUs"], job["Partition"]) for job in started()}
    assert asked == {("01:00:00", "24000M", "2", GPU_PARTITION)}
    assert len(in_state(started(), "COMPLETED")) == len(FOLDS) == len(started())


def test_a_group_of_folds_is_one_job_with_one_gpu_and_the_sum_of_their_time_limits(plain_site, clone, started):
    clone.fill_in("groups: [fold=folds]", "group-components: [folds=4]")
    folds = FOLDS[:2]
    with clone.run(*clone.folds(2, *folds)) as run:
        run.wait_until(lambda: in_state(started(), "RUNNING"), "the group runs")
        (job,) = started()
        run.finish()
    gpu_of(job)
    asked = (job["TimeLimit"], job["MinMemoryNode"], job["NumCPUs"], job["Partition"])
    assert asked == ("02:00:00", "24000M", "2", PARTITION)
    assert len(started()) == 1
    spans = sorted(clone.span(2, fold) for fold in folds)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))  # they took turns
