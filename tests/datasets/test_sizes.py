"""Sizes are looked at before they are trusted: no row of an annotation makes a run list millions of frames."""

import time

import pytest

from ra_icl.datasets.reading import DEFAULTS, survey
from ra_icl.planning.check import check_dataset
from ra_icl.planning.check_frames import Look

LABELS = {"a": ["joy"], "b": ["fear"]}
SOUND = ["p1,p1/one,1,9,joy", "p2,p2/two,999990,1000000,fear"]


@pytest.mark.parametrize(
    ("onset", "offset"),
    [
        ("1", "40000000"),
        ("1", "9999999"),
        ("1", "1e30"),
        ("1", "9" * 25),
        ("9000000000000000", "9000000000000009"),
        ("1000000000", "1000000005"),
    ],
)
def test_endless_sequences_are_one_line_each_and_cost_no_time(tmp_path, onset, offset):
    (tmp_path / "film.mp4").write_bytes(b"16 frames")
    wrong = [f"p3,film.mp4,{onset},{offset},joy", f"p4,folder,{onset},{offset},fear"]
    lines = ["subject,clip,onset,offset,emotion", *SOUND, *wrong]
    (tmp_path / "annotation.csv").write_text("\n".join(lines) + "\n")
    options = {"root": str(tmp_path), "labels": LABELS}
    start = time.monotonic()
    config = {"data": {"source": "datasets", "exclude": {}}, "datasets": {"own": DEFAULTS["own"] | options}}
    _, faults = check_dataset(config, "own", Look())
    assert time.monotonic() - start < 5
    rows, found = survey("own", options)
    assert rows["offset"].tolist() == [9, 1_000_000]
    for number in (4, 5):
        of_row = [fault for fault in found if f"annotation.csv, row {number}" in fault]
        assert len(of_row) in (1, 2)  # one for each cell, or one for both
        assert set(of_row) <= set(faults)
        assert all("; correct" in fault and "\n" not in fault for fault in of_row)
