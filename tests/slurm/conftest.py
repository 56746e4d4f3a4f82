"""The clusters and the clone that the tests of the profile share."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from slurm_cluster import Cluster, cluster, missing
from slurm_runs import Clone, prepared_clone


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Clone:
    """A clone with the flow of three folds, made once and only where there can be a cluster."""
    _skip_for(missing())
    return prepared_clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="module")
def plain_site(tmp_path_factory) -> Iterator[Cluster]:
    """A site without an accounting database."""
    with _site(tmp_path_factory, accounting=False) as running:
        yield running


@pytest.fixture(scope="module")
def accounting_site(tmp_path_factory) -> Iterator[Cluster]:
    """A site with one."""
    with _site(tmp_path_factory, accounting=True) as running:
        yield running


@contextmanager
def _site(tmp_path_factory, accounting: bool) -> Iterator[Cluster]:
    _skip_for(missing(accounting))
    with cluster(tmp_path_factory.mktemp("slurm"), accounting) as running:
        yield running


def _skip_for(reason: str) -> None:
    if reason:
        pytest.skip(reason)
