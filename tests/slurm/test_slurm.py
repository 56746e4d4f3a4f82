"""The cluster profile on a Slurm without an accounting database."""

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


def test_groups_of_six_folds_run_side_by_side_with_a_gpu_each(plain_site, clone):
    clone.fill_in(f"slurm_partition: your-gpu-partition -> {GPU_PARTITION}")
    folds = [fold for seed in range(1, 5) for fold in clone.folds(seed, *FOLDS)]
    with clone.run(*folds) as run:
        run.wait_until(lambda: len(in_state(plain_site, "RUNNING")) == GPUS, "a group runs on every GPU")
        side_by_side = in_state(plain_site, "RUNNING")
        run.finish()
    assert {gpu_of(job) for job in side_by_side} == set(range(GPUS))
    jobs = plain_site.jobs().values()
    asked = {(job["TimeLimit"], job["MinMemoryNode"], job["NumCPUs"], job["Partition"]) for job in jobs}
    assert asked == {("02:00:00", "24000M", "2", GPU_PARTITION)}
    assert len(in_state(plain_site, "COMPLETED")) == len(jobs) == len(folds) / 6
    assert all((clone.root / fold).exists() for fold in folds)


def test_a_cancelled_group_is_retried_with_a_longer_limit_and_trains_nothing_twice(plain_site, clone):
    clone.fill_in(f"slurm_partition: your-gpu-partition -> {GPU_PARTITION}")
    before = len(plain_site.jobs())
    with clone.run(*clone.folds(5, *FOLDS), config="base: {training: {epochs: 60}}") as run:
        finished = clone.root / "results/demo/folds/casme3_3/m1/seed5"
        run.wait_until(lambda: list(finished.glob("*.json")), "a fold has ended")
        (first,) = [path.stem for path in finished.glob("*.json")]
        others = [fold for fold in FOLDS if fold != first]
        run.wait_until(lambda: any("epoch 3/60" in clone.log(5, fold) for fold in others), "the next fold trains")
        plain_site.cancel()
        run.finish()
    cancelled, again = list(plain_site.jobs().values())[before:]
    assert (cancelled["JobState"], cancelled["TimeLimit"]) == ("CANCELLED", "01:00:00")
    assert (again["JobState"], again["TimeLimit"]) == ("COMPLETED", "02:00:00")
    logs = {fold: clone.log(5, fold) for fold in FOLDS}
    assert "epoch" not in logs[first]
    assert sum("resumed after epoch" in log for log in logs.values()) == 1
    assert all((clone.root / fold).exists() for fold in clone.folds(5, *FOLDS))
