"""The cluster profile on a Slurm with an accounting database: what it knows of folds, cancelled ones too."""

import pytest
from slurm_cluster import ACCOUNT, GPU_PARTITION, PARTITION, output
from slurm_runs import FOLDS

pytestmark = pytest.mark.slurm

SITE = (
    f"slurm_account: your-account -> {ACCOUNT}",
    f"slurm_partition: your-partition -> {PARTITION}",
    f"slurm_partition: your-gpu-partition -> {GPU_PARTITION}",
)


def accounted(fold):
    """What the database knows of a fold's jobs, oldest first: state, minutes, account, partition, resources."""
    columns = "Comment%80,State,TimelimitRaw,Account,Partition,ReqTRES%80"
    shown = output("sacct", "--allocations", "--noheader", "--parsable2", f"--format={columns}")
    return [line.split("|")[1:] for line in shown.splitlines() if line.split("|")[0].endswith(fold)]


def test_a_cancelled_fold_is_retried_with_a_longer_limit_and_resumes(accounting_site, clone):
    clone.fill_in(*SITE)
    fold = FOLDS[0]
    with clone.run(*clone.folds(3, fold), config="base: {training: {epochs: 150}}") as run:
        run.wait_until(lambda: "epoch 5/150" in clone.log(3, fold), "the fold trains")
        accounting_site.cancel(fold)
        run.finish()
    first, second = accounted(fold)
    assert first[0].startswith("CANCELLED by ")
    assert second[0] == "COMPLETED"
    assert (first[1], second[1]) == ("60", "120")
    log = clone.log(3, fold)
    epoch = int(log.partition("resumed after epoch ")[2].split()[0])
    assert epoch >= 5
    assert f"epoch {epoch + 1}/150" in log
    assert f"epoch {epoch}/150" not in log


def test_sacct_follows_a_fold_to_its_end_and_knows_what_it_asked_for(accounting_site, clone):
    clone.fill_in(*SITE, sacct=True)
    fold = FOLDS[1]
    with clone.run(*clone.folds(4, fold)) as run:
        run.finish()
    ((state, minutes, account, partition, asked),) = accounted(fold)
    assert (state, minutes, account, partition) == ("COMPLETED", "60", ACCOUNT, GPU_PARTITION)
    assert {"cpu=2", "mem=24000M", "gres/gpu=1"} <= set(asked.split(","))
