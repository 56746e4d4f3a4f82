"""Sequences that the config leaves out: how they are spelled, and what is no sequence."""

import pandas as pd
import pytest
import yaml

from ra_icl.datasets.index import index_frame
from ra_icl.datasets.left_out import exclusion, leave_out
from ra_icl.datasets.names import file_safe
from ra_icl.datasets.reading import survey, survey_without
from ra_icl.errors import Faults


def rows(dataset, *names):
    parts = [name.split("/", 1) for name in names]
    return index_frame(
        {
            **{"dataset": dataset, "subject": subject, "sequence": sequence, "frames": sequence, "onset": number},
            **{"apex": number + 1, "offset": number + 2, "fps": 30, "emotion": "fear"},
        }
        for number, (subject, sequence) in enumerate(parts)
    )


CASME3 = rows("casme3", "spNO.1/a_355", "spNO.1/a_412", "spNO.2/j_9")


def names(index):
    return [f"{row.subject}/{row.sequence}" for row in index.itertuples()]


@pytest.mark.parametrize(
    "entry",
    [
        "spNO.1/a_355",  # the index
        "spNO.1/a/355",  # the folders of the edition
        "casme3 spNO.1/a_355",  # as messages begin
        "casme3/spNO.1/A/355",
        "spNo.1/a_355",
        " spNO.1/a_355 ",
    ],
)
def test_a_sequence_is_found_by_each_of_its_spellings(entry):
    faults = Faults()
    used, left_out = leave_out(CASME3, [entry], faults)
    assert faults == []
    assert names(used) == ["spNO.1/a_412", "spNO.2/j_9"]
    assert names(left_out) == ["spNO.1/a_355"]
    pd.testing.assert_frame_equal(used, CASME3.iloc[1:])


def test_two_forms_of_unicode_meet_and_the_exact_name_comes_first():
    index = rows("own", "Zo\u00eb/smile_1", "p1/a_1", "p1/A_1", "own/b_1")
    faults = Faults()
    _, left_out = leave_out(index, ["Zoe\u0308/smile_1", "p1/A_1", "own/b_1"], faults)
    assert faults == []
    assert names(left_out) == ["Zo\u00eb/smile_1", "p1/A_1", "own/b_1"]


def test_a_subject_is_found_as_its_row_spells_it():
    index = rows("own", file_safe("Zo\u00eb 1") + "/clip/a_1", "p1/a_1")
    faults = Faults()
    _, left_out = leave_out(index, ["Zoe\u0308 1/clip/a_1"], faults)
    assert faults == []
    assert names(left_out) == ["Zo=C3=AB=201/clip/a_1"]


def test_a_sequence_alone_is_enough_if_one_subject_has_it():
    index = rows("own", "p1/p1/smile.mp4_3", "p2/frown_1", "p3/frown_1", "p3/x_1", "x_1/x_1")
    faults = Faults()
    _, left_out = leave_out(index, ["p1/smile.mp4_3", "own p1/Smile.mp4/3", "p3/x_1"], faults)
    assert faults == []
    assert names(left_out) == ["p1/p1/smile.mp4_3", "p3/x_1"]
    used, _ = leave_out(index, ["frown_1"], faults)
    assert len(used) == 5
    assert "(near: p2/frown_1, p3/frown_1)" in faults[0]


def test_what_is_no_sequence_is_a_fault_that_names_what_is_near():
    faults = Faults()
    used, left_out = leave_out(CASME3, ["spNO.1/a_356", "spNO.2/j_9", "nothing alike"], faults)
    assert names(left_out) == ["spNO.2/j_9"]
    assert len(used) == 2
    near, far = faults
    assert near.startswith("data.exclude.casme3: 'spNO.1/a_356' is no sequence that a protocol uses; correct it to ")
    assert "(near: spNO.1/a_355" in near
    assert near.kind == far.kind == "exclude-unknown"
    assert "near" not in far


def test_an_entry_that_could_be_two_sequences_is_a_fault():
    faults = Faults()
    _, left_out = leave_out(rows("own", "p1/a_1", "p1/A_1", "p2/x_1"), ["P1/A_1"], faults)
    assert len(left_out) == 0
    assert "(near: p1/a_1, p1/A_1)" in faults[0]


def test_what_is_wrong_with_a_sequence_that_is_left_out_is_no_fault(tmp_path):
    """Its emotion, its times, and that it overlaps another subject's; an unreadable cell is a fault all the same."""
    for clip in ("a", "b", "c"):
        (tmp_path / clip).mkdir()
    lines = ["p1,a,1,9,joy", "p2,b,1,9,fear", "p2,c,9,2,fear", "p3,a,4,12,joy", "p4,c,x,2,joy"]
    (tmp_path / "annotation.csv").write_text("\n".join(["subject,clip,onset,offset,emotion", *lines]))
    options = {"root": str(tmp_path), "labels": {"positive": ["joy"], "negative": ["fear"]}}
    assert len(survey("own", options)[1]) == 3
    used, left_out, (fault,) = survey_without("own", options, ["p2/c_9", "p3/a_4"])
    assert names(used) == ["p1/a_1", "p2/b_1"]
    assert names(left_out) == ["p2/c_9", "p3/a_4"]
    assert "row 6: onset is 'x'" in fault


def test_a_list_that_leaves_nothing_is_a_fault():
    faults = Faults()
    leave_out(CASME3, names(CASME3), faults)
    assert [fault.kind for fault in faults] == ["exclude-everything"]


@pytest.mark.parametrize("name", ["spNO.1/a_355", "p1/a, b: [c]_1", 'Zo\u00eb/"x"_1', "p#1/a #2_1", "006/006_1_2"])
def test_the_entry_for_the_config_is_yaml_that_names_the_sequence(name):
    entry = exclusion("own", name).removeprefix("add ").removesuffix(" to data.exclude.own")
    assert yaml.safe_load(f"data: {{exclude: {{own: [{entry}]}}}}") == {"data": {"exclude": {"own": [name]}}}
