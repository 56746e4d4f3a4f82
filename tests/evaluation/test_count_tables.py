"""Tables 4 and 5 from an index: counts by hand, differences from the paper, notes."""

import pandas as pd
import pytest

from ra_icl.datasets.index import index_frame
from ra_icl.datasets.paper import EXPECTED, EXPECTED_SUBJECTS
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


def made_up(*datasets):
    """An index in which no two counts of a dataset and class are alike."""
    counts = {
        "casme2": {"disgust": 5, "repression": 1, "happiness": 4, "surprise": 3, "others": 2},
        "samm": {"anger": 9, "happiness": 8, "surprise": 7, "other": 1},
        "smic": {"negative": 12, "positive": 11, "surprise": 10},
    }
    index = []
    for people, dataset in enumerate(datasets, start=2):
        emotions = [emotion for emotion, count in counts[dataset].items() for _ in range(count)]
        index += rows(dataset, *[(f"{number % people:03d}", emotion) for number, emotion in enumerate(emotions)])
    return index_frame(index)


def test_table_4_counts_classes_and_subjects_of_each_dataset():
    data = build_counts("4", made_up("casme2", "samm", "smic"), "twins").data.set_index("row")
    assert data["casme2"].tolist() == [6, 4, 3, 13, 2]
    assert data["samm"].tolist() == [9, 8, 7, 24, 3]
    assert data["smic"].tolist() == [12, 11, 10, 33, 4]
    assert data["full"].tolist() == [27, 23, 20, 70, 9]
    assert list(data.index) == ["negative", "positive", "surprise", "total", "subjects"]
    assert set(data["data"]) == {"synthetic"}


def test_real_counts_have_the_papers_beside_them():
    table = build_counts("4", made_up("casme2", "samm", "smic"), "datasets")
    real, published = (part for _, part in table.data.groupby("data", sort=False))
    assert real["data"].tolist() == ["real"] * 5
    assert published["data"].tolist() == ["published"] * 5
    assert real["smic"].tolist() == [12, 11, 10, 33, 4]
    assert published["smic"].tolist() == [70, 51, 43, 164, 16]
    assert published["full"].tolist() == [250, 109, 83, 442, 68]
    assert table.printed["SMIC-HS"].tolist() == ["12 (70)", "11 (51)", "10 (43)", "33 (164)", "4 (16)"]
    assert table.notes[-1].startswith("20 counts differ from the paper's")


def test_the_papers_counts_have_no_brackets():
    emotions = {"negative": "anger", "positive": "happiness", "surprise": "surprise"}
    index = []
    for dataset, counts in EXPECTED["cde"].items():
        spelling = {"samm": emotions, "casme2": emotions | {"negative": "disgust"}}.get(dataset, {})
        samples = [spelling.get(name, name) for name, count in counts.items() for _ in range(count)]
        subjects = EXPECTED_SUBJECTS["cde"][dataset]
        index += rows(dataset, *[(f"s{i % subjects:02d}", emotion) for i, emotion in enumerate(samples)])
    table = build_counts("4", index_frame(index), "datasets")
    assert table.printed["Full"].tolist() == ["250", "109", "83", "442", "68"]
    assert table.notes[-1] == "Every count is the paper's"
    short = build_counts("4", index_frame(index[1:]), "datasets")
    assert short.printed.loc[0, "CASME II"] == "87 (88)"
    assert short.notes[-1].startswith("4 counts differ from the paper's")


def test_a_missing_dataset_is_named_and_the_sum_is_not_compared():
    table = build_counts("4", made_up("casme2", "smic"), "datasets")
    assert table.title == "Table 4. Sequences per class under the CDE setting; CDE without SAMM"
    assert table.printed["SAMM"].tolist() == ["–"] * 5
    assert table.printed["Full"].tolist() == ["18", "15", "13", "46", "5"]
    assert table.data["samm"].isna().tolist() == [True] * 5 + [False] * 5
    assert table.notes[-1].startswith("10 counts differ from the paper's")
    assert "without" not in build_counts("4", made_up("casme2", "samm", "smic"), "datasets").title


def test_table_5_counts_each_number_of_classes(tmp_path):
    emotions = {"happy": 7, "fear": 6, "disgust": 5, "anger": 4, "sad": 3, "surprise": 2, "others": 1}
    samples = [(f"spNO.{number % 5}", name) for name, count in emotions.items() for number in range(count)]
    index = index_frame(rows("casme3", *samples))
    write_counts("5", index, tmp_path / "table5", "twins")
    table = pd.read_csv(tmp_path / "table5.csv").set_index("row")
    assert table["casme3_3"].dropna().to_dict() == {
        **{"negative": 18, "positive": 7, "surprise": 2, "total": 27, "subjects": 5}
    }
    assert table["casme3_4"].dropna().to_dict() == {
        **{"negative": 18, "positive": 7, "surprise": 2, "others": 1, "total": 28, "subjects": 5}
    }
    assert table["casme3_7"].dropna().to_dict() == {
        **{"surprise": 2, "others": 1, "happiness": 7, "sadness": 3, "disgust": 5, "fear": 6, "anger": 4},
        **{"total": 28, "subjects": 5},
    }
    for suffix in ("md", "tex", "notes.md", "html"):
        assert "SYNTHETIC TWINS" in (tmp_path / f"table5.{suffix}").read_text()


def test_table_5_compares_no_subjects_because_the_paper_has_none():
    index = index_frame(rows("casme3", ("spNO.1", "happy"), ("spNO.2", "happy"), ("spNO.3", "others")))
    table = build_counts("5", index, "datasets")
    real, published = (part.set_index("row") for _, part in table.data.groupby("data", sort=False))
    assert real.loc["subjects", ["casme3_3", "casme3_4", "casme3_7"]].tolist() == [2, 3, 3]
    assert published.loc["subjects", ["casme3_3", "casme3_4", "casme3_7"]].isna().all()
    assert published.loc["total", ["casme3_3", "casme3_4", "casme3_7"]].tolist() == [670, 801, 801]
    printed = table.printed.set_index("Class")
    assert printed.loc["subjects"].tolist() == ["2", "3", "3"]
    assert printed.loc["positive", "3 classes"] == "2 (49)"


def test_the_notes_count_what_the_config_leaves_out():
    notes = build_counts("4", made_up("casme2", "samm"), "datasets", {"samm": 2}).notes
    assert notes[-1] == "Left out by data.exclude: 2 sequences of SAMM"
    assert "data.exclude" not in "".join(build_counts("4", made_up("casme2", "samm"), "datasets").notes)


def test_the_notes_name_every_real_sequence_that_is_left_out_and_none_of_twins():
    index = made_up("casme2")
    notes = {source: " ".join(build_counts("4", index, source).notes) for source in ("datasets", "twins")}
    for name in ("sub04/EP12_01f", "sub05/EP09_05f", "sub24/EP07_01", "sub24/EP07_04f", "sub24/EP10_03"):
        assert name in notes["datasets"]
    assert "EP" not in notes["twins"]
    assert "paper" not in notes["twins"]
    assert "EP" not in " ".join(build_counts("4", made_up("samm"), "datasets").notes)


def test_other_numbers_and_an_empty_index_are_refused():
    index = index_frame(rows("casme2", ("sub01", "disgust")))
    with pytest.raises(InputError, match="choose 4 or 5"):
        build_counts("3", index, "datasets")
    with pytest.raises(InputError, match="holds none of its datasets"):
        build_counts("5", index, "datasets")
    with pytest.raises(InputError, match="data_source 'photos'"):
        build_counts("4", index, "photos")
