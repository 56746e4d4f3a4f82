"""One clone and one run on tiny twins, shared by the tests of the workflow."""

from pathlib import Path

import pytest
from workflow_runs import new_clone, snakemake


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Path:
    """The files of a clone that a run needs, with a config of its own."""
    return new_clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def results(clone) -> Path:
    """The results of a whole run. A test that changes them puts them back."""
    done = snakemake(clone)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "table1.md" in done.stdout  # the run ends by saying where the tables are
    return clone / "results" / "demo"
