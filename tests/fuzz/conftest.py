"""Small data of every kind, rendered once, and the count of the examples at the end."""

import os
import shutil

import cv2
import fuzz_harness
import hypothesis.configuration
import numpy as np
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
def own(twins, tmp_path_factory):
    """Options, path and table of own data: a video, and the clips of the SMIC twin as folders of images."""
    root, smic = tmp_path_factory.mktemp("own"), {"root": str(twins["smic"])}
    emotions = {"negative": "Disgust", "positive": "joy", "surprise": "surprise"}
    cells = [("p1", "film.avi", 2, 4, 7, 30, "Fear")]
    write_video(root / "film.avi", 8)
    for row in survey("smic", smic)[0].itertuples():
        shutil.copytree(twins["smic"] / row.frames, root / "clips" / row.sequence)
        times = (row.onset, row.onset + 3, row.offset, 99.5)
        cells.append((f"p{int(row.subject[1:])}", f"clips/{row.sequence}", *times, emotions[row.emotion]))
    roles = ("subject", "clip", "onset", "apex", "offset", "fps", "emotion")
    table = Table("own", (roles, *cells), 0, dict(zip(roles, roles, strict=True)), ("apex", "fps"))
    (root / "annotation.csv").write_text(csv_text(table)[0], encoding="utf-8")
    options = {"root": str(root), "labels": {name: list(words) for name, words in LABELS.items()}}
    return options | {"excluded": list(EXCLUDED)}, root / "annotation.csv", table


def write_video(path, count):
    """A video whose frames are all different."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30, (48, 40))
    for number in range(count):
        video.write(np.full((40, 48, 3), (20 * number, 100, 200 - 10 * number), np.uint8))
    video.release()


def pytest_terminal_summary(terminalreporter):
    """Print how many examples were run."""
    if fuzz_harness.run:
        count, targets = fuzz_harness.run.total(), len(fuzz_harness.run)
        terminalreporter.write_line(f"fuzz: {count} examples over {targets} targets")
