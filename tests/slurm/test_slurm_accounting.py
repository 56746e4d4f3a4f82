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


def test_a_group_of_folds_is_one_job_with_one_gpu(accounting_site, clone):
    """Here sacct, not squeue, tells Snakemake when the job has ended."""
    clone.fill_in(*SITE, sacct=True)
    with clone.run(*clone.folds(6, *FOLDS)) as run:
        run.finish()
    columns = "--format=State,TimelimitRaw,Account,Partition,ReqTRES%80"
    (row,) = output("sacct", "--allocations", "--noheader", "--parsable2", columns).splitlines()
    *found, asked = row.split("|")
    assert found == ["COMPLETED", "60", ACCOUNT, GPU_PARTITION]
    assert {"cpu=2", "mem=24000M", "gres/gpu=1"} <= set(asked.split(","))
