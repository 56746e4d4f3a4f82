"""Own data: one person, clip or expression that is there twice is a fault that names both rows."""

import os

import pytest

from ra_icl.datasets.identity import EXPRESSIONS_OVERLAP, OVERLAP, overlaps, plain_subject
from ra_icl.datasets.index import index_frame
from ra_icl.datasets.reading import build_index, survey
from ra_icl.errors import InputError

LABELS = {"negative": ["disgust", "fear"], "positive": ["joy"]}
HEADER = "subject,clip,onset,apex,offset,fps,emotion"


@pytest.fixture
def data(tmp_path):
    """Options of own data with some clips, as a function of the rows of its annotation."""
    for clip in ("a", "b", "c", "d/a"):
        (tmp_path / clip).mkdir(parents=True)
    (tmp_path / "film.mp4").write_bytes(b"film")

    def options(*rows):
        if len({row.split(",")[0] for row in rows}) == 1:  # which is a fault of its own
            rows = (*rows, "another,other,1,,9,,joy")
        (tmp_path / "annotation.csv").write_text("\n".join([HEADER, *rows]) + "\n")
        return {"root": str(tmp_path), "labels": LABELS, "excluded": ["neutral"]}

    return options


def the_finding(options):
    """The only finding, as its kind and the line after the name of the file."""
    (finding,) = survey("own", options)[1]
    place, _, text = finding.partition(", ")
    assert place.endswith("annotation.csv")
    return finding.kind, text


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("p1", "P1"),
        ("p1", "p01"),
        ("1", "01"),
        ("1", "1.0"),
        ("001", "1.00"),
        ("p1", "p1\u200b"),
        ("p10", "P010"),
        ("Zoë 1", "ZOË01"),
    ],
)
def test_one_person_in_two_spellings_is_a_fault_that_names_both_rows(data, first, second):
    assert plain_subject(first) == plain_subject(second)
    options = data(f"{first},a,1,,9,,joy", "x,b,1,,9,,joy", f"{second},c,1,,9,,joy", f"{second},film.mp4,1,,9,,joy")
    kind, text = the_finding(options)
    assert kind == "subject-spelled-twice"
    assert text.startswith(f"row 4: subject {second!r} differs from {first!r} in row 2 by no more than case, ")
    with pytest.raises(InputError, match=r"row 4: subject .* in row 2 "):
        build_index("own", options)


@pytest.mark.parametrize(
    ("first", "second"), [("p1", "p2"), ("p1", "p10"), ("1.1", "1.10"), ("0", "00a"), ("p100", "p1"), ("a1", "1")]
)
def test_two_persons_stay_two(data, first, second):
    assert plain_subject(first) != plain_subject(second)
    rows, found = survey("own", data(f"{first},a,1,,9,,joy", f"{second},b,1,,9,,joy"))
    assert found == []
    assert rows["subject"].tolist() == [first, second]


@pytest.mark.parametrize(
    ("rows", "kind", "text"),
    [
        (
            ("p1,a,1,,9,,joy", "p2,a,40,,49,,joy"),
            "clip-of-two-subjects",
            "row 3: a belongs to subject 'p2' here but to 'p1' in row 2; ",
        ),
        (
            ("p1,film.mp4,1,,9,,joy", "p1,film.mp4,8,,20,,fear"),
            "frames-of-two-emotions",
            "row 3: frames 8 to 20 of film.mp4 are negative here, and some of them are positive in row 2; ",
        ),
        (  # one within the other, and neutral rows are left out
            ("p1,a,1,,90,,joy", "p1,b,1,,90,,fear", "p1,a,3,,9,,neutral", "p1,a,30,,40,,fear"),
            "frames-of-two-emotions",
            "row 5: frames 30 to 40 of a are negative here, and some of them are positive in row 2; ",
        ),
        (
            ("p1,a,1,,9,,joy", "p1,./b/../a,8,,20,,joy"),
            "frames-overlap",
            "row 3: frames 8 to 20 of a are in part those of row 2; ",
        ),
    ],
)
def test_one_clip_twice_names_both_rows(data, rows, kind, text):
    found, line = the_finding(data(*rows))
    assert found == kind
    assert line.startswith(text)


def test_one_clip_may_hold_several_expressions(data):
    rows = ("p1,a,1,,9,,joy", "p1,a,9,,20,,fear", "p1,a,21,,30,,joy", "p1,d/a,1,,9,,fear", "p2,b,1,,9,,joy")
    assert survey("own", data(*rows))[1] == []


def link(target, path):
    path.symlink_to(target)


def linked_folder(target, path):
    path.parent.symlink_to(target.parent, target_is_directory=True)


@pytest.mark.parametrize(
    ("make", "first", "second"),
    [(link, "a", "b2"), (link, "film.mp4", "b2.mp4"), (os.link, "film.mp4", "b2.mp4"), (linked_folder, "d/a", "e/a")],
)
def test_one_clip_by_two_paths_is_seen(data, tmp_path, make, first, second):
    make(tmp_path / first, tmp_path / second)
    kind, text = the_finding(data(f"p1,{first},1,,9,,joy", f"p1,{second},40,,49,,fear"))
    assert kind == "clip-by-two-paths"
    assert text.startswith(f"row 3: {second} is the same file or folder as {first} in row 2; write it in one way")
    kind, text = the_finding(data(f"p1,{first},1,,9,,joy", f"p2,{second},1,,9,,joy"))
    assert kind == "clip-of-two-subjects"
    assert text.startswith(f"row 3: {second} belongs to subject 'p2' here but to 'p1' in row 2; ")
    kind, text = the_finding(data(f"p1,{first},1,,9,,joy", f"p1,{second},5,,20,,fear"))
    assert kind == "frames-of-two-emotions"
    kind, text = the_finding(data(f"p1,{first},1,,9,,joy", f"p1,{second},1,,9,,joy"))
    assert kind == "frames-twice"
    assert text == f"row 3: frames 1 to 9 of {second} are in row 2 as well; remove one of the rows"


def test_an_apex_on_the_onset_is_a_fault(data):
    options = data("p1,a,3,3,9,,joy", "p1,b,3,4,9,,joy", "p1,c,3,9,9,,joy", "p1,film.mp4,3,,9,,joy")
    kind, text = the_finding(options)
    assert (kind, text) == ("apex-on-onset", "row 2: apex 3 of p1/a_3 is its onset; empty the cell or correct it")


def test_overlaps_of_one_class_do_not_stop(data):
    assert OVERLAP.severity == EXPRESSIONS_OVERLAP.severity == "note"
    assert len(build_index("own", data("p1,a,1,,9,,fear", "p1,a,5,,12,,disgust"))) == 3


def test_official_overlaps_are_one_note():
    def row(subject, sequence, onset, offset):
        place = {"dataset": "casme3", "subject": subject, "sequence": sequence, "frames": f"{subject}/{sequence}"}
        return place | {"onset": onset, "apex": onset + 1, "offset": offset, "fps": 30, "emotion": "fear"}

    rows = [
        row("spNO.1", "a_340", 340, 360),
        row("spNO.1", "a_355", 355, 370),
        row("spNO.1", "a_360", 360, 365),
        row("spNO.1", "b_350", 350, 365),
        row("spNO.2", "a_350", 350, 365),
    ]
    (note,) = overlaps(index_frame(rows, range(2, 7)), "labels.xlsx")
    assert note.startswith(
        "labels.xlsx: 2 expressions share frames with another one of their file, the first spNO.1/a_355 "
    )
    assert overlaps(index_frame([rows[0], *rows[2:]], range(2, 6)), "labels.xlsx") == []
