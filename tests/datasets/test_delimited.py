"""CSV files of own data as programs and people write them: every cell in its column, or one line that names the row."""

import random

import pytest

from ra_icl.datasets.reading import build_index, survey
from ra_icl.errors import InputError

HEADER = "subject,clip,onset,offset,apex,fps,emotion"
TWO = "p1,v/a,1,9,4,30,joy\np2,v/b,2,8,,25,disgust\n"


def options_of(root, data):
    (root / "annotation.csv").write_bytes(data if isinstance(data, bytes) else data.encode())
    return {"root": str(root), "labels": {"negative": ["disgust"], "positive": ["joy"]}, "excluded": ["neutral"]}


def fault_of(root, data):
    """The one line in which a CSV ends."""
    with pytest.raises(InputError) as error:
        build_index("own", options_of(root, data))
    (fault,) = error.value.faults
    assert "\n" not in fault
    assert fault.where.startswith(str(root / "annotation.csv"))
    assert fault.kind != "other"
    return fault.removeprefix(str(root / "annotation.csv"))


def read(root, data):
    index = build_index("own", options_of(root, data))
    return index.drop(columns=["dataset", "frames"]).astype(object).where(index.notna(), None).to_numpy().tolist()


WANTED = [["p1", "v/a_1", 1, 4, 9, 30.0, "positive"], ["p2", "v/b_2", 2, None, 8, 25.0, "negative"]]


@pytest.mark.parametrize(
    "data",
    [
        f"{HEADER}\n{TWO}",
        f"\ufeff{HEADER}\r\n{TWO}".replace("\n", "\r\n").replace("\r\r", "\r"),
        f"{HEADER}\n{TWO}".replace("\n", "\r"),
        f"\n{HEADER},\n\n{TWO},,,\n",
        f"{HEADER}\n{TWO}".replace("joy\n", "joy,\n").replace("disgust\n", "disgust, ,\n"),
        f"{HEADER}\n{TWO}".replace(",", ";"),
        f"{HEADER}\n{TWO}".replace(",", "\t"),
        "sep=;\r\n" + f"{HEADER}\n{TWO}".replace(",", ";"),
        f'"sep=|"\n{HEADER}\n{TWO}'.replace(",", "|"),
        f"{HEADER},note\n{TWO}".replace("joy", 'joy,"unsure,\nsays ""A"""').replace("disgust", "disgust,x"),
        "subject,clip,onset,offset,emotion,fps,apex\np1,v/a,1,9,joy,30,4\np2,v/b,2,8,disgust,25\n",
    ],
)
def test_what_programs_write_is_read(tmp_path, data):
    assert read(tmp_path, data) == WANTED


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("", ": cannot be read as CSV: it is empty"),
        ("\n,,\n", ": cannot be read as CSV: it is empty"),
        (f"{HEADER}\n", ": lists no sequence with an emotion of datasets.own.labels; add a row"),
        (f"{HEADER}\np1,a,1,9,,30,neutral\n", ": lists no sequence"),
        (f"{HEADER}\np1,a,1,9,,30,joy\np1,b,1,9,,30,disgust\n", ": all sequences are of one subject, p1, so that none"),
        (f"{HEADER}\n{TWO}".replace("fps", "Onset"), ", row 1: the column 'onset' occurs 2 times (onset, Onset)"),
        (f"{HEADER},Emotion\n{TWO}", ", row 1: the column 'emotion' occurs 2 times (emotion, Emotion); remove"),
        (f"{HEADER}\n{TWO}p3,c,1,9,4,30,joy,!\n", ", row 4: has 8 cells, the header 7; give every row"),
        (f"{HEADER}\n{TWO}p3,c,1,9,4,30\n", ", row 4: has 6 cells, the header 7"),
        (f'{HEADER}\n{TWO}p3,"c,1,9,4,30,joy\n', ", row 4: a quotation mark is not closed"),
        (
            f'{HEADER},note\np3,c,1,9,4,30,joy,"x\n{TWO}p4,d,1,9,4,30,joy,y"\n',
            ", row 2: a quotation mark is not closed",
        ),
        (
            f"{HEADER}\n{TWO}".encode("utf-16"),
            ": cannot be read as CSV: it is text in UTF-16; save it again as CSV UTF-8",
        ),
        (f"{HEADER}\n{TWO}".encode("utf-16")[2:], ": cannot be read as CSV: it is no text (a byte 0 in line 1)"),
        (
            f"{HEADER}\n{TWO}Zoë,c,1,9,4,30,joy\n".encode("latin-1"),
            ": cannot be read as CSV: byte 0xEB in line 4 is not",
        ),
        (f"{HEADER}\n{TWO}p\0,c,1,9,4,30,joy\n", ": cannot be read as CSV: it is no text (a byte 0 in line 4)"),
        (f"{HEADER}\n{TWO}p3,c,,9,4,30,joy\n", ", row 4: onset is empty; fill the cell in or remove the row"),
        (f"{HEADER}\n{TWO}p3,c,1,-9,4,30,joy\n", ", row 4: offset is '-9', which is not a frame number"),
        (f"{HEADER}\n{TWO}p3,c,1,9,4,30,none\n", ", row 4: emotion is 'none', which datasets.own names neither"),
        (b"PK\x03\x04", ": cannot be read as CSV: it is a workbook (.xlsx, .ods); save it"),
        (b"\xd0\xcf\x11\xe0", ": cannot be read as CSV: it is an old workbook (.xls)"),
        (
            "sep=;\nsubject;clip\n",
            ", row 2: no column 'onset', 'offset', 'emotion' (found: subject, clip); the columns subject, clip, onset, "
            "offset, emotion are required",
        ),
        (
            f"{HEADER}\n{TWO}p3,v\\c,1,9,4,30,joy\n",
            ", row 4: clip is 'v\\c', and there is no such file or folder; write /",
        ),
        (f'{HEADER}\n{TWO}p3,"c\nd",1,9,4,30,joy\n', ", row 4: clip is 'c\\nd', which holds a line break"),
        (
            f"{HEADER}\n{TWO}p3,c,1,9,four,30,joy\n",
            ", row 4: apex is 'four', which is neither a frame number nor a mark",
        ),
        (f"{HEADER}\n{TWO}p3,c,1,9,1,30,joy\n", ", row 4: apex 1 of p3/c_1 is its onset"),
        (f"{HEADER}\n{TWO}p3,c,1,1e30,4,30,joy\n", ", row 4: offset is '1e30', which is not a frame number"),
        (f"{HEADER}\n{TWO}p3,{'c' * 300},1,9,4,30,joy\n", ", row 4: 'cccccccccccccccccccc...' has 300 bytes"),
        (f"{HEADER}\n{TWO}p3,{'c/' * 1500},1,9,4,30,joy\n", ", row 4: 'c/c/c/c/c/c/c/c/c/c/...' has 3000 bytes, more"),
        (f"{HEADER}\n{TWO}{'ü' * 60},c,1,9,4,30,joy\n", ", row 4: the subject's name has 360 characters as part of a"),
    ],
)
def test_what_does_not_fit_is_one_line_with_its_row(tmp_path, data, words):
    assert fault_of(tmp_path, data).startswith(words)


def test_a_folder_for_a_file_is_named(tmp_path):
    options = options_of(tmp_path, "") | {"annotation": "."}
    with pytest.raises(InputError, match=r"annotation file \S+ is missing"):
        build_index("own", options)


def test_a_backslash_in_a_name_on_disk_is_a_part_of_it(tmp_path):
    (tmp_path / "v\\a").mkdir()
    assert read(tmp_path, f"{HEADER}\n{TWO}".replace("v/a", "v\\a"))[0][1] == "v\\a_1"


@pytest.mark.parametrize("mark", ["", " ", "/", "-", "?", "n/a", "NaN"])
def test_an_unknown_apex_is_empty(tmp_path, mark):
    assert read(tmp_path, f"{HEADER}\n{TWO}".replace(",4,", f",{mark},"))[0][3] is None


def test_no_row_is_lost_without_a_word(tmp_path):
    """Bytes changed at random: rows and faults account for every row, and there is no traceback."""
    draw, read_whole = random.Random(0), 0
    rows = [f"p{number},clip {number},{number},{number + 9},,30,joy" for number in range(1, 7)]
    for _ in range(200):
        data = bytearray("\n".join([HEADER, *rows, ""]).encode())
        data[draw.randrange(len(data))] = draw.choice(b"\"',;\t\n\r\0\xff0x")
        try:
            index, faults = survey("own", options_of(tmp_path, bytes(data)))
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017
            continue
        assert len(index) == 6 or faults, bytes(data)
        read_whole += not faults
    assert read_whole > 25
