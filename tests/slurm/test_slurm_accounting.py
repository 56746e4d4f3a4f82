"""The cluster profile on a Slurm with an accounting database, which is asked afterwards what it has seen."""

import pytest
from slurm_cluster import ACCOUNT, GPU_PARTITION, PARTITION, output
from slurm_runs import FOLDS

pytestmark = pytest.mark.slurm

SITE = (
    f"slurm_account: your-account -> {ACCOUNT}",
    f"slurm_partition: your-partition -> {PARTITION}",
    f"slurm_partition: your-gpu-partition -> {GPU_PARTITION}",
)


@pytest.fixture
def accounted(accounting_site):
    """A function that returns the jobs of this test, oldest first: (state, minutes); what they asked for is checked."""
    before = len(_rows())

    def jobs():
        rows = _rows()[before:]
        for *_, account, partition, asked in rows:
            assert (account, partition) == (ACCOUNT, GPU_PARTITION)
            assert {"cpu=2", "mem=24000M", "gres/gpu=1"} <= set(asked.split(","))
        return [tuple(row[:2]) for row in rows]

    return jobs


def _rows():
    columns = "--format=State,TimelimitRaw,Account,Partition,ReqTRES%80"
    shown = output("sacct", "--allocations", "--noheader", "--parsable2", columns)
    return [line.split("|") for line in shown.splitlines()]


def test_a_pack_of_folds_is_one_job_with_one_gpu(clone, accounted):
    """Here sacct, not squeue, tells Snakemake when the job has ended."""
    clone.fill_in(*SITE, sacct=True)
    with clone.run(*clone.folds(2, *FOLDS), config="folds_per_job: 4") as run:
        run.finish()
    assert accounted() == [("COMPLETED", "60")]
    assert [fold for line in clone.log(2).splitlines() for fold in FOLDS if f" {fold}: " in line] == list(FOLDS)


def test_a_cancelled_fold_is_retried_with_a_longer_limit_and_resumes(accounting_site, clone, accounted):
    clone.fill_in(*SITE)
    with clone.run(*clone.folds(3, FOLDS[0]), config="base: {training: {epochs: 100}}") as run:
        run.wait_until(lambda: "epoch 3/100" in clone.log(3), "the fold trains")
        accounting_site.cancel()
        run.finish()
    (cancelled, first), again = accounted()
    assert cancelled.startswith("CANCELLED by ")
    assert first == "60"
    assert again == ("COMPLETED", "120")
    log = clone.log(3)
    epoch = int(log.partition("resumed after epoch ")[2].split()[0])
    assert epoch >= 3
    assert f"epoch {epoch + 1}/100" in log
    assert f"epoch {epoch}/100" not in log
