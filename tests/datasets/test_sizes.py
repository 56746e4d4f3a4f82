"""Sizes are looked at before they are trusted: no row of an annotation makes a run list millions of frames."""

import json
import time

import pytest

from ra_icl.datasets.reading import survey
from ra_icl.planning.check import find_faults

LABELS = {"a": ["joy"], "b": ["fear"]}
SOUND = ["p1,p1/one,1,9,joy", "p2,p2/two,999990,1000000,fear"]


@pytest.mark.parametrize(
    ("onset", "offset"),
    [
        ("1", "40000000"),
        ("1", "9999999"),
        ("1", "1e30"),
        ("1", "9" * 25),
        ("1e30", "1e31"),
        ("1000000000", "1000000005"),
    ],
)
def test_endless_sequences_are_one_line_each_and_cost_no_time(tmp_path, onset, offset):
    (tmp_path / "film.mp4").write_bytes(b"16 frames")
    wrong = [f"p3,film.mp4,{onset},{offset},joy", f"p4,folder,{onset},{offset},fear"]
    lines = ["subject,clip,onset,offset,emotion", *SOUND, *wrong]
    (tmp_path / "annotation.csv").write_text("\n".join(lines) + "\n")
    options = {"root": str(tmp_path), "labels": LABELS}
    (tmp_path / "mine.yaml").write_text(f"protocols: [own]\ndatasets: {{own: {json.dumps(options)}}}\n")
    start = time.monotonic()
    faults = find_faults([tmp_path / "mine.yaml"])
    assert time.monotonic() - start < 5
    rows, found = survey("own", options)
    assert rows["offset"].tolist() == [9, 1_000_000]
    for number in (4, 5):
        of_row = [fault for fault in found if f"annotation.csv, row {number}" in fault]
        assert of_row
        assert set(of_row) <= set(faults)
        assert [fault for fault in of_row if "; correct" not in fault or "\n" in fault] == []
