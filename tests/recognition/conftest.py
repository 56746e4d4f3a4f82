"""One world of twins and a model to use for all tests of this room."""

import pytest
from recognition_world import World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world") / "results/demo")
