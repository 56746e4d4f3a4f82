"""A user's own data: the CSV, the label map, and every fault of it."""

import pytest

from ra_icl.datasets.reading import build_index
from ra_icl.errors import InputError

LABELS = {"negative": ["disgust", "Fear"], "positive": ["joy"]}


def own_data(root, *lines, header="subject,clip,onset,apex,offset,fps,emotion"):
    (root / "annotation.csv").write_text("\n".join([header, *lines]) + "\n")
    return {"root": str(root), "labels": LABELS, "excluded": ["neutral"]}


def test_rows_become_an_index_of_classes(tmp_path):
    options = own_data(
        tmp_path, "p1,p1/film.mp4,12,20,31,29.97,Disgust", "p2,clip 7,1,,9,200,joy", "p2,clip 8,1,,9,,neutral", ",,,,,,"
    )
    index = build_index("own", options)
    assert index["sequence"].tolist() == ["p1/film.mp4_12", "clip 7_1"]
    assert index["emotion"].tolist() == ["negative", "positive"]
    assert index["frames"].tolist() == ["p1/film.mp4", "clip 7"]
    assert index["fps"].tolist() == [29.97, 200]
    assert index["apex"].isna().tolist() == [False, True]


def test_columns_may_come_in_any_order_and_without_the_optional_ones(tmp_path):
    options = own_data(tmp_path, "joy,9,1,c,p1", "joy,8,1,d,p2", header="\ufeffEmotion,Offset, Onset,Clip,Subject")
    assert build_index("own", options)["offset"].tolist() == [9, 8]


def test_all_faults_are_found_at_once_each_with_its_row(tmp_path):
    options = own_data(
        tmp_path,
        "p1,c,x,,9,0,joy",
        "p1,../c,-1,,9,,joy",
        "p1,c,5,,9,,anger",
        "p1,,5,,9,,joy",
        "p1,d,9,,5,,joy",
        "p1,e,1,,5,,joy",
        "p1,e,1,,5,,joy",
        "p1,/etc,1,,5,,joy",
    )
    with pytest.raises(InputError, match=r"row 2: onset is 'x'.* more: `ra-icl check` lists all") as error:
        build_index("own", options)
    wanted = [
        "row 2: onset is 'x'",
        "row 2: fps is '0'",
        "row 3: onset is '-1'",
        "row 3: '../c' leaves the folder",
        "row 4: emotion is 'anger', which datasets.own names neither in labels",
        "row 5: clip is empty",
        "row 9: '/etc' leaves the folder",
        "row 8: p1/e_1: is listed twice",
        "row 6: p1/d_9: offset 5 is not after onset 9",
    ]
    found = error.value.faults
    assert len(found) == len(wanted)
    for fault, words in zip(found, wanted, strict=True):
        assert words in fault
        assert str(tmp_path / "annotation.csv") in fault


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({}, "datasets.own.labels: names fewer than two classes; give two"),
        ({"a": ["joy"]}, "give two classes or more"),
        ({"a": ["joy"], "b": ["Joy"]}, "emotion 'joy' is there twice"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, labels, words):
    with pytest.raises(InputError, match=words):
        build_index("own", own_data(tmp_path, "p1,c,1,,9,,joy") | {"labels": labels})


def test_an_emotion_in_labels_and_excluded_is_refused(tmp_path):
    """Its sequences would be left out without a word."""
    options = own_data(tmp_path, "p1,c,1,,9,,joy", "p2,c,1,,9,,fear")
    with pytest.raises(
        InputError, match=r"^datasets\.own\.labels: emotion 'fear' is there twice, in labels or excluded"
    ):
        build_index("own", options | {"labels": {"a": ["joy"], "b": ["fear"]}, "excluded": ["FEAR", "other"]})


def test_a_file_in_place_of_a_folder_is_said_to_be_one(tmp_path):
    options = own_data(tmp_path, "p1,c,1,,9,,joy", "p2,c,1,,9,,joy")
    file = tmp_path / "annotation.csv"
    with pytest.raises(InputError, match=rf"^datasets\.own\.root: {file} is a file; give the folder that holds it$"):
        build_index("own", options | {"root": str(file)})
    with pytest.raises(InputError, match=rf"^datasets\.own\.frames: {file} is a file; "):
        build_index("own", options | {"frames": "annotation.csv"})
    with pytest.raises(InputError, match=r"root: folder /nowhere does not exist; correct it, or set it to '' to do"):
        build_index("own", options | {"root": "/nowhere"})
