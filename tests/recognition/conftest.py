"""One world of twins and a model to use for all tests of this room."""

import pytest
from recognition_world import World, make_world, write_video


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    return make_world(tmp_path_factory.mktemp("world") / "results/demo")


@pytest.fixture
def video(tmp_path):
    """20 frames at 25 per second: levels 10, 20, ..."""
    return write_video(tmp_path / "clip.mkv", range(10, 210, 10))


@pytest.fixture
def folder(tmp_path):
    """Empty frames img7 to img20."""
    (tmp_path / "frames").mkdir()
    for number in range(7, 21):
        (tmp_path / f"frames/img{number}.jpg").touch()
    return tmp_path / "frames"
