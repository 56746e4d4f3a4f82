"""The test cluster itself: it takes nobody's place, and leaves nothing behind."""

from pathlib import Path

import pytest
import slurm_cluster
from slurm_cluster import CONFIG, MARK, cluster, missing, output, wait_until

pytestmark = pytest.mark.slurm


@pytest.fixture
def configuration(tmp_path, monkeypatch):
    """A file that stands for the machine's slurm.conf, where all that a cluster needs is installed."""
    monkeypatch.setattr(slurm_cluster, "CONFIG", tmp_path / "slurm.conf")
    monkeypatch.setattr(slurm_cluster, "DAEMONS", ())
    monkeypatch.setattr(slurm_cluster.os, "geteuid", lambda: 0)
    return tmp_path / "slurm.conf"


def test_a_configuration_of_someone_else_is_in_use_and_that_of_a_killed_test_is_not(configuration, tmp_path):
    assert missing() == ""
    configuration.write_text("ClusterName=theirs\n")
    assert "stays as it is" in missing()
    configuration.unlink()
    configuration.symlink_to(tmp_path / "gone.conf")
    assert missing() == ""


def test_what_is_not_installed_is_named(configuration, monkeypatch):
    monkeypatch.setattr(slurm_cluster, "DAEMONS", ("no-such-daemon",))
    assert "no-such-daemon not installed" in missing()


def test_who_is_not_root_is_told(configuration, monkeypatch):
    monkeypatch.setattr(slurm_cluster.os, "geteuid", lambda: 1000)
    assert "needs root" in missing()


def test_a_failure_leaves_no_process_and_no_configuration(tmp_path):
    if missing():
        pytest.skip(missing())
    with pytest.raises(ZeroDivisionError):
        _fail_with_a_job(tmp_path)
    wait_until(lambda: not _processes_of(tmp_path), "every process has ended", seconds=10)
    assert not CONFIG.is_symlink()


def _fail_with_a_job(folder):
    with cluster(folder):
        started = folder / "started"
        output("sbatch", "--output=/dev/null", f"--wrap=(trap '' TERM; setsid sleep 900 & touch {started}) & wait")
        wait_until(started.exists, "the job has started a process that is no longer its child")
        assert CONFIG.read_text().startswith(MARK)
        raise ZeroDivisionError


def _processes_of(folder):
    """The command lines of the living processes that were started with the cluster's configuration."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment, command = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
        except OSError:
            continue
        if command and f"SLURM_CONF={folder}/".encode() in environment:
            found.append(command)
    return found
