"""Tables 4 and 5 from an index: counts by hand, differences from the paper, notes."""

import pytest

from ra_icl.datasets.index import index_frame
from ra_icl.datasets.protocols import EXPECTED, EXPECTED_SUBJECTS
from ra_icl.errors import InputError
from ra_icl.evaluation.count_tables import build_counts, write_counts


def rows(dataset, *subjects_and_emotions):
    return [
        {
            **{"dataset": dataset, "subject": subject, "sequence": f"{number}", "frames": "f", "onset": 1},
            **{"apex": 3, "offset": 9, "fps": 30, "emotion": emotion},
        }
        for number, (subject, emotion) in enumerate(subjects_and_emotions)
    ]


def test_table_4_counts_classes_and_subjects():
    index = index_frame(
        [
            *rows("casme2", ("sub01", "disgust"), ("sub01", "happiness"), ("sub02", "others")),
            *rows("samm", ("006", "anger"), ("007", "surprise")),
        ]
    )
    table = build_counts("4", index, "twins").rows.set_index("Class")
    assert table["CASME II"].tolist() == ["1", "1", "0", "2", "1"]
    assert table["SAMM"].tolist() == ["1", "0", "1", "2", "2"]
    assert table["SMIC-HS"].tolist() == ["–"] * 5
    assert table["Full"].tolist() == ["2", "1", "1", "4", "3"]


def test_the_papers_counts_stand_without_brackets():
    emotions = {"negative": "anger", "positive": "happiness", "surprise": "surprise"}
    index = []
    for dataset, counts in EXPECTED["cde"].items():
        spelling = {"samm": emotions, "casme2": emotions | {"negative": "disgust"}}.get(dataset, {})
        samples = [spelling.get(name, name) for name, count in counts.items() for _ in range(count)]
        subjects = EXPECTED_SUBJECTS["cde"][dataset]
        index += rows(dataset, *[(f"s{i % subjects:02d}", emotion) for i, emotion in enumerate(samples)])
    table = build_counts("4", index_frame(index), "datasets")
    assert table.rows["Full"].tolist() == ["250", "109", "83", "442", "68"]
    assert table.notes[-1] == "Every count is the paper's"
    short = build_counts("4", index_frame(index[1:]), "datasets")
    assert short.rows.loc[0, "CASME II"] == "87 (88)"
    assert short.notes[-1].startswith("4 counts differ from the paper's")


def test_table_5_counts_each_number_of_classes(tmp_path):
    index = index_frame(rows("casme3", ("spNO.1", "happy"), ("spNO.1", "fear"), ("spNO.2", "others")))
    write_counts("5", index, tmp_path / "table5", "twins")
    table = build_counts("5", index, "twins").rows.set_index("Class")
    assert table.loc["negative"].tolist() == ["1", "1", "–"]
    assert table.loc["others"].tolist() == ["–", "1", "1"]
    assert table.loc["fear"].tolist() == ["–", "–", "1"]
    assert table.loc["subjects"].tolist() == ["1", "2", "2"]
    for suffix in ("csv", "md", "tex"):
        assert "SYNTHETIC TWINS" in (tmp_path / f"table5.{suffix}").read_text()


def test_the_note_names_every_sequence_that_is_left_out():
    index = index_frame(rows("casme2", ("sub01", "disgust")))
    note = build_counts("4", index, "datasets").notes[0]
    for name in ("sub04/EP12_01f", "sub05/EP09_05f", "sub24/EP07_01", "sub24/EP07_04f", "sub24/EP10_03"):
        assert name in note


def test_other_numbers_and_an_empty_index_are_refused():
    index = index_frame(rows("casme2", ("sub01", "disgust")))
    with pytest.raises(InputError, match="choose 4 or 5"):
        build_counts("3", index, "datasets")
    with pytest.raises(InputError, match="holds none of its datasets"):
        build_counts("5", index, "datasets")
