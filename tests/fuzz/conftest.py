"""Small data of every kind, rendered once, and the count of the examples at the end."""

import os

import cv2
import fuzz_harness
import hypothesis.configuration
import pytest
from fuzz_changes import csv_text
from fuzz_tables import EXCLUDED, LABELS, Table

from ra_icl.datasets.reading import survey
from ra_icl.twins.plan import TwinOptions
from ra_icl.twins.render import render

os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # as the command line does
OFFICIAL = ("casme2", "samm", "smic", "casme3")


@pytest.fixture(scope="session", autouse=True)
def _one_thread_and_no_folder_of_hypothesis(tmp_path_factory):
    cv2.setNumThreads(1)
    hypothesis.configuration.set_hypothesis_home_dir(tmp_path_factory.mktemp("hypothesis"))


@pytest.fixture(scope="session")
def twins(tmp_path_factory):
    """{dataset: folder} of a small twin of each official dataset."""
    root = tmp_path_factory.mktemp("fuzz")
    for name in OFFICIAL:
        render(name, root / name, TwinOptions(per_class=1, frames=(8, 9), scale=0.2))
    return {name: root / name for name in OFFICIAL}


@pytest.fixture(scope="session")
def own(twins):
    """Options, path and table of own data: the clips of the SMIC twin, as folders of images."""
    root = twins["smic"]
    rows, _ = survey("smic", {"root": str(root)})
    emotions = {"negative": "Disgust", "positive": "joy", "surprise": "surprise"}
    cells = [
        (f"p{int(row.subject[1:])}", row.frames, row.onset, row.onset + 3, row.offset, 99.5, emotions[row.emotion])
        for row in rows.itertuples()
    ]
    roles = ("subject", "clip", "onset", "apex", "offset", "fps", "emotion")
    table = Table("own", (roles, *cells), 0, dict(zip(roles, roles, strict=True)), ("apex", "fps"))
    path = root / "annotation.csv"
    path.write_text(csv_text(table)[0], encoding="utf-8")
    options = {"root": str(root), "labels": {name: list(words) for name, words in LABELS.items()}}
    return options | {"excluded": list(EXCLUDED)}, path, table


def pytest_terminal_summary(terminalreporter):
    """Print how many examples were run."""
    if fuzz_harness.run:
        count, targets = fuzz_harness.run.total(), len(fuzz_harness.run)
        terminalreporter.write_line(f"fuzz: {count} examples over {targets} targets")
