"""Annotation and layout of the four datasets, each with its quirks, written small and read back."""

import subprocess
import sys
from datetime import datetime
from hashlib import sha256

import pandas as pd
import pytest
from openpyxl import Workbook

from ra_icl.datasets import casme2, casme3, smic
from ra_icl.datasets.folders import finder
from ra_icl.datasets.frames import sequence_frames
from ra_icl.datasets.index import (
    COLUMNS,
    NAMES,
    index_frame,
    read_index_csv,
    read_index_csvs,
    validate,
    write_index_csv,
)
from ra_icl.datasets.reading import DEFAULTS, build_index, survey
from ra_icl.datasets.spreadsheet import read_table
from ra_icl.errors import Faults, InputError
from ra_icl.files import write_csv
from ra_icl.flow.sampling import apex_position
from ra_icl.planning.code import dependencies

CASME2_HEADER = [
    *("Subject", "Filename", None, "OnsetFrame", " ApexFrame ", "OffsetFrame"),
    *(None, "Action Units", "Estimated Emotion "),
]
SAMM_HEADER = [
    *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame"),
    *("Duration", "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"),
]
CASME3_HEADER = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]


def write_sheet(path, *rows, title="Sheet1", first=()):
    """A spreadsheet of the rows; `first` are sheets that stand before it."""
    book = Workbook()
    book.active.title = first[0] if first else title
    sheet = book.create_sheet(title) if first else book.active
    for row in rows:
        sheet.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def casme2_row(subject, clip, onset, apex, offset, emotion="happiness"):
    return [subject, clip, None, onset, apex, offset, None, "12", emotion]


def samm_row(subject, clip, onset, apex, offset, emotion="Anger"):
    return [subject, clip, 1, onset, apex, offset, 9, "Micro - 1/2", "4", emotion, 3, None]


def casme3_row(subject, letter, onset, apex, offset, emotion="disgust"):
    return [subject, letter, onset, apex, offset, "4", "III", emotion]


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def casme2_root(tmp_path, *rows, header=CASME2_HEADER):
    write_sheet(tmp_path / DEFAULTS["casme2"]["annotation"], header, *rows)
    touch(tmp_path / "CASME2_RAW_selected")
    return {"root": str(tmp_path)}


# CASME II


def test_casme2_row_becomes_an_index_row(tmp_path):
    options = casme2_root(tmp_path, casme2_row(1, " EP02_01f ", 46, 59, 86))
    index = build_index("casme2", options)
    folder = "CASME2_RAW_selected/sub01/EP02_01f"
    expected = ["casme2", "sub01", "EP02_01f", folder, 46, 59, 86, 200, "happiness"]
    assert list(index.columns) == COLUMNS
    assert index.iloc[0].tolist() == expected
    assert list(index.index) == [0]


def test_casme2_apex_may_be_blank_or_marked_as_unknown(tmp_path):
    cells = ["/", None, " - ", "?", "n/a", 3.0, "4"]
    rows = [casme2_row(f"sub{number:02d}", "EP01_01", 1, cell, 9) for number, cell in enumerate(cells, 1)]
    index = build_index("casme2", casme2_root(tmp_path, *rows))
    assert index["apex"].tolist() == [pd.NA, pd.NA, pd.NA, pd.NA, pd.NA, 3, 4]
    assert index["apex"].dtype == "Int64"
    assert list(index["subject"]) == [f"sub{number:02d}" for number in range(1, 8)]


def test_casme2_drops_the_rows_outside_every_protocol_before_it_checks(tmp_path):
    options = casme2_root(
        tmp_path,
        casme2_row(7, "EP06_01", 15, 49, 6, "others"),  # a wrong offset, in no protocol
        casme2_row(4, "EP12_01f", 261, "/", 321, "disgust"),
        casme2_row(5, "EP09_05f", 69, 69, 123, "disgust"),
        casme2_row(24, "EP07_01", 24, 41, 66, "repression"),
        casme2_row(24, "EP07_04f", 4, 24, 41, "repression"),
        casme2_row(24, "EP10_03", 334, 356, 376, "repression"),
        casme2_row(24, "EP18_03", 53, 76, 88, "Surprise"),
    )
    index = build_index("casme2", options)
    assert list(index["sequence"]) == ["EP18_03"]
    assert list(index["emotion"]) == ["surprise"]
    whole = casme2.read_index(tmp_path / DEFAULTS["casme2"]["annotation"], tmp_path, Faults())
    assert len(whole) == 7
    assert list(whole.index) == list(range(2, 9))


def test_an_unknown_emotion_is_named_with_its_row_and_left_out(tmp_path):
    options = casme2_root(tmp_path, casme2_row(1, "EP01_01", 1, 3, 9), casme2_row(2, "EP01_02", 1, 3, 9, "glee"))
    rows, faults = survey("casme2", options)
    assert list(rows["sequence"]) == ["EP01_01"]
    (fault,) = faults
    assert "20140508.xlsx, row 3: sub02/EP01_02: emotion 'glee' is not known (known: disgust, fear, happiness" in fault


def test_casme2_missing_column_is_named(tmp_path):
    header = [cell if cell != "OffsetFrame" else "End" for cell in CASME2_HEADER]
    options = casme2_root(tmp_path, casme2_row(1, "EP01_01", 1, 3, 9), header=header)
    with pytest.raises(InputError, match=r"2014\S*, row 1: no column 'OffsetFrame' .*OnsetFrame"):
        build_index("casme2", options)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (casme2_row(1, "EP01_01", 9, None, 9), r"row 3: sub01/EP01_01: offset 9 is not after onset 9"),
        (casme2_row(1, "EP01_01", 1, 10, 9), r"row 3: sub01/EP01_01: apex 10 is outside .*1\.\.9"),
        (casme2_row(1, "EP02_01f", 1, 3, 9), r"row 3: sub01/EP02_01f: is listed twice, first in row 2"),
        (casme2_row(1, "EP01_01", "x", 3, 9), r"row 3: OnsetFrame is 'x'"),
        (casme2_row(1, "EP01_01", 1.5, 3, 9), r"row 3: OnsetFrame is 1\.5"),
        (
            casme2_row(1, "EP01_01", 1, "46?", 9),
            r"row 3: ApexFrame is '46\?', which is neither a frame number nor a mark",
        ),
        (casme2_row(1, "EP01_01", 1, -3, 9), r"row 3: ApexFrame is -3, which is neither"),
        (casme2_row(1, "EP01_01", 1, 2.5, 9), r"row 3: ApexFrame is 2\.5, which is neither"),
        (casme2_row(1, "EP01_01", 1, 3, 1e30), r"row 3: OffsetFrame is 1e\+30, which is not a frame number"),
        (
            casme2_row(1, "EP01_01", datetime(2014, 5, 8), 3, 9),
            r"row 3: OnsetFrame is '2014-05-08 00:00:00'",
        ),
        (casme2_row(1, "EP01_01", True, 3, 9), r"row 3: OnsetFrame is True, which is not a frame number"),
        (casme2_row(1, "EP01_01", "1_000", 3, 9), r"row 3: OnsetFrame is '1_000', which is not a frame number"),
        (casme2_row("x", "EP01_01", 1, 3, 9), r"row 3: Subject is 'x'"),
        (casme2_row(-5, "EP01_01", 1, 3, 9), r"row 3: Subject is -5, which is no number of a subject"),
        (casme2_row(None, "EP01_01", 1, 3, 9), r"row 3: Subject is empty"),
        (casme2_row(1, None, 1, 3, 9), r"row 3: Filename is empty"),
        (casme2_row(1, "EP01_01", 1, 3, 9, None), r"row 3: Estimated Emotion is empty"),
    ],
)
def test_unknown_faults_stop_with_file_and_row(tmp_path, row, message):
    options = casme2_root(tmp_path, casme2_row(1, "EP02_01f", 46, 59, 86), row)
    with pytest.raises(InputError, match=message) as error:
        build_index("casme2", options)
    assert str(error.value).startswith(str(tmp_path / DEFAULTS["casme2"]["annotation"]))
    assert "\n" not in str(error.value)


# SAMM


def samm_root(tmp_path, *rows):
    notes = [["Notes on the codes"], [None], ['"L2" = left', None]] + [[None]] * 10
    write_sheet(tmp_path / DEFAULTS["samm"]["annotation"], *notes, SAMM_HEADER, *rows)
    return {"root": str(tmp_path)}


def test_samm_header_is_found_below_the_notes_and_ids_are_padded(tmp_path):
    options = samm_root(
        tmp_path,
        samm_row("006", "006_1_2", 5562, 5588, 5632),
        samm_row(7, "007_3_1", 10, 20, 30, "Other"),
        samm_row(11, "011_1_4", 10, 20, 30, "Happiness"),
    )
    index = build_index("samm", options)
    assert list(index["subject"]) == ["006", "011"]
    assert list(index["frames"]) == ["006/006_1_2", "011/011_1_4"]
    assert list(index["emotion"]) == ["anger", "happiness"]
    assert set(index["fps"]) == {200}


def test_samm_known_faults_are_repaired_or_emptied(tmp_path):
    options = samm_root(
        tmp_path,
        samm_row("013", "013_1_9", 5658, 5680, 5379),
        samm_row("028", "028_4_1", 1071, 9999, 1134),
        samm_row("032", "032_3_1", 4896, 1, 4970),
    )
    index = build_index("samm", options)
    assert list(index["offset"]) == [5739, 1134, 4970]
    assert index["apex"].isna().tolist() == [False, True, True]


def test_samm_repairs_leave_corrected_editions_alone(tmp_path):
    options = samm_root(
        tmp_path,
        samm_row("013", "013_1_9", 10, 20, 30),
        samm_row("028", "028_4_1", 1071, 1113, 1134),
        samm_row("032", "032_3_1", 4896, None, 4970),
    )
    index = build_index("samm", options)
    assert list(index["offset"]) == [30, 1134, 4970]
    assert index["apex"].isna().tolist() == [False, False, True]


def test_samm_unknown_fault_names_its_spreadsheet_row(tmp_path):
    options = samm_root(tmp_path, samm_row("006", "006_1_2", 5562, 5000, 5632))
    with pytest.raises(InputError, match=r"row 15: 006/006_1_2: apex 5000 is outside"):
        build_index("samm", options)


# CASME II and SAMM: a folder per clip, within its subject's


def two_names(root, dataset, first, second):
    """Options of CASME II or SAMM whose first two rows have these (subject, clip)."""
    write, row = {"casme2": (casme2_root, casme2_row), "samm": (samm_root, samm_row)}[dataset]
    return write(root, row(*first, 1, 3, 9), row(*second, 1, 3, 9, "surprise"))


@pytest.mark.parametrize(("dataset", "base"), [("casme2", "CASME2_RAW_selected/sub01"), ("samm", "001")])
def test_one_frame_folder_in_two_rows_is_a_fault_that_names_both(tmp_path, dataset, base):
    touch(tmp_path / base / "a_01f")
    touch(tmp_path / base / "b")
    (tmp_path / base / "link").symlink_to(tmp_path / base / "b", target_is_directory=True)
    for name, other in (("a_01F", "a_01f"), ("./a_01f", "a_01f"), ("link", "b")):
        _, (fault,) = survey(dataset, two_names(tmp_path, dataset, (1, other), (1, name)))
        assert fault.kind == "folder-of-two-rows"
        row, subject = fault.where.rpartition(" ")[2], base.rpartition("/")[2]
        assert row == f"{subject}/{name}"
        assert f" is the folder of {subject}/{other} in row " in fault
        with pytest.raises(InputError, match="is the folder of "):
            build_index(dataset, two_names(tmp_path, dataset, (1, other), (1, name)))
    assert survey(dataset, two_names(tmp_path, dataset, (1, "a_01f"), (1, "b")))[1] == []


@pytest.mark.parametrize("dataset", ["casme2", "samm"])
@pytest.mark.parametrize("name", ["../sub02/EP21_02", "../002/002_1_2", "/data", ".."])
def test_a_clip_outside_its_subjects_folder_is_refused(tmp_path, dataset, name):
    rows, faults = survey(dataset, two_names(tmp_path, dataset, (1, "a"), (1, name)))
    assert list(rows["sequence"]) == ["a"]
    (fault,) = faults
    assert f": '{name}' leaves the folder {tmp_path}" in fault
    assert fault.partition(";")[0].endswith("01")


@pytest.mark.parametrize(
    ("write", "row", "place"),
    [(casme2_root, casme2_row, "row 3: sub02/b"), (samm_root, samm_row, "row 16: 002/b")],
)
def test_an_apex_on_the_onset_is_a_warning_that_names_the_row(tmp_path, write, row, place):
    rows = row(1, "a", 1, 2, 9), row(2, "b", 4, 4, 9, "surprise"), row(3, "c", 1, None, 9), row(4, "d", 1, 9, 9)
    dataset, options = write.__name__.removesuffix("_root"), write(tmp_path, *rows)
    index, (warning,) = survey(dataset, options)
    assert (warning.kind, warning.severity) == ("apex-on-onset-in-official-data", "warning")
    assert warning.where.endswith(f", {place}")
    assert "apex 4 is the onset, so that methods which need an apex take the frame after it; " in warning
    assert apex_position([4, 5, 6, 7], index.loc[1, "apex"]) == 1
    assert build_index(dataset, options)["apex"].tolist() == [2, 4, pd.NA, 9]


def test_the_official_apex_on_an_onset_is_left_out_without_a_word(tmp_path):
    rows = casme2_row(5, "EP09_05f", 69, 69, 123, "disgust"), casme2_row(1, "a", 1, 2, 9)
    assert survey("casme2", casme2_root(tmp_path, *rows))[1] == []


# SMIC-HS


def smic_clip(root, folder, emotion, clip, *numbers):
    return touch(
        root / "SMIC_all_raw" / "HS" / folder / "micro" / emotion / clip,
        *[f"image{number}.bmp" for number in numbers],
    )


def test_smic_layout_carries_everything(tmp_path):
    smic_clip(tmp_path, "s1", "negative", "s1_ne_01", 559740, 559738, 559739)
    smic_clip(tmp_path, "s12", "surprise", "s12_sur_02", 9, 10, 11)
    smic_clip(tmp_path, "s03", "positive", "s03_po_11", 1, 2)
    smic_clip(tmp_path, "s03", "positive", "s3_po_09", 1, 2)
    touch(tmp_path / "SMIC_all_raw" / "HS" / "s1" / "non_micro" / "s1_x_01", "image1.bmp")
    touch(tmp_path / "SMIC_all_raw" / "HS", "readme.txt")
    index = build_index("smic", {"root": str(tmp_path)})
    clip = "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01"
    first = ["smic", "s01", "s01_ne_01", clip, 559738, 559740, 100, "negative"]
    assert index.drop(columns="apex").iloc[0].tolist() == first
    assert list(index["sequence"]) == ["s01_ne_01", "s03_po_09", "s03_po_11", "s12_sur_02"]
    assert list(index["onset"]) == [559738, 1, 1, 9]
    assert index["apex"].isna().all()


def test_files_beside_the_clips_are_no_clips(tmp_path):
    smic_clip(tmp_path, "s1", "negative", "s1_ne_01", 1, 2, 3)
    (tmp_path / "SMIC_all_raw/HS/s1/micro/negative/Thumbs.db").touch()
    (tmp_path / "SMIC_all_raw/HS/s2").touch()
    assert list(build_index("smic", {"root": str(tmp_path)})["sequence"]) == ["s01_ne_01"]


def test_smic_annotation_gives_the_range_of_the_clips_it_lists(tmp_path):
    smic_clip(tmp_path, "s1", "negative", "s1_ne_01", *range(100, 120))
    smic_clip(tmp_path, "s1", "negative", "s1_ne_02", *range(200, 220))
    header = ["Subject", "Filename", None, "OnsetF", "OffsetF", "Emotion", "FirstF", "LastF"]
    write_sheet(
        tmp_path / "a.xlsx",
        header,
        [1, "s1_ne_01", None, 105, 112, "negative", 1, 999],
        [20, "s20_ne_07", None, 105, 112, "negative", 1, 999],
    )
    index = build_index("smic", {"root": str(tmp_path), "annotation": "a.xlsx"})
    assert index[["onset", "offset"]].to_numpy().tolist() == [[105, 112], [200, 219]]
    (warning,) = survey("smic", {"root": str(tmp_path), "annotation": "a.xlsx"})[1]
    assert "a.xlsx: lists s20_ne_07 without a folder below " in warning
    assert warning.severity == "warning"
    write_sheet(tmp_path / "a.xlsx", header, [1, "s1_ne_01", None, 105, 112, "positive", 1, 999])
    with pytest.raises(InputError, match=r"a\.xlsx, row 2: s01_ne_01 is 'positive' here"):
        build_index("smic", {"root": str(tmp_path), "annotation": "a.xlsx"})
    clip = [1, "s1_ne_01", None, 105, 112, "negative"]
    write_sheet(tmp_path / "a.xlsx", header, clip, [1, "s1_ne_02", None, 201, 10**7 + 1, "negative"], [*clip])
    index, faults = survey("smic", {"root": str(tmp_path), "annotation": "a.xlsx"})
    assert index[["onset", "offset"]].to_numpy().tolist() == [[105, 112], [200, 219]]
    assert [fault.partition("a.xlsx, ")[2].partition(" (")[0] for fault in faults] == [
        "row 3: frames 201 to 10000001, more than a sequence may have",
        "row 4: s01/s01_ne_01: is listed twice, first in row 2; remove one of the two",
    ]


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        ([("s18", "surprise", "s18_sur_03")], r"s18_sur_03: holds no frames"),
        ([("s1", "negative", "s2_ne_01", 1, 2)], r"s2_ne_01: the name does not fit a clip of subject s01"),
        ([("s1", "negative", "s1_ne_01_copy", 1, 2)], r"s1_ne_01_copy: the name does not fit a clip of subject s01"),
        ([("s1", "negative", "clip", 1, 2)], r"clip: the name does not fit a clip of subject s01"),
        ([("s1", "negative", "s1_ne_01", 5)], r"s01/s01_ne_01: offset 5 is not after onset 5"),
        (
            [("s1", "negative", "s1_ne_01", 1, 2), ("s01", "negative", "s01_ne_02", 1, 2)],
            r"s01 and s1 are one subject",
        ),
        (
            [("s1", "negative", "s1_ne_01", 1, 2), ("s1", "negative", "s01_ne_01", 1, 2)],
            r"s01/s01_ne_01: is listed twice",
        ),
        ([("s1", "positive", "s1_ne_01", 1, 2)], r"s1_ne_01: the name says negative, the folder positive; move"),
        ([("s1", "Negative", "s1_SUR_01", 1, 2)], r"s1_SUR_01: the name says surprise, the folder negative; move"),
        ([("s1", "surprise", "s1_po_01", 1, 2)], r"s1_po_01: the name says positive, the folder surprise; move"),
        ([("x", "negative", "s1_ne_01", 1, 2)], r"no clips such as .*datasets\.smic\.frames"),
    ],
)
def test_smic_faults_name_the_folder(tmp_path, clips, message):
    for clip in clips:
        smic_clip(tmp_path, *clip)
    with pytest.raises(InputError, match=message):
        build_index("smic", {"root": str(tmp_path)})


# CAS(ME)³


def casme3_root(tmp_path, *rows):
    path = tmp_path / DEFAULTS["casme3"]["annotation"]
    write_sheet(path, CASME3_HEADER, *rows, title="label", first=("about",))
    touch(tmp_path / "part_A")
    return {"root": str(tmp_path)}


def test_casme3_several_expressions_in_one_file_and_mixed_case(tmp_path):
    options = casme3_root(
        tmp_path,
        casme3_row("spNO.1", "a", 355, 360, 370, "Others"),
        casme3_row("spNO.1", "a", 500, 510, 520, "others"),
        casme3_row("spNo.2", "J", 5, 7, 9, "happy"),
    )
    touch(tmp_path / "part_A" / "spNO.1" / "a" / "color")
    touch(tmp_path / "part_A" / "spNo.2" / "J" / "color")
    index = build_index("casme3", options)
    assert list(index["subject"]) == ["spNO.1", "spNO.1", "spNO.2"]
    assert list(index["sequence"]) == ["a_355", "a_500", "j_5"]
    assert list(index["emotion"]) == ["others", "others", "happy"]
    assert list(index["frames"]) == [f"part_A/{folder}/color" for folder in ("spNO.1/a", "spNO.1/a", "spNo.2/J")]
    assert set(index["fps"]) == {30}


def test_casme3_files_are_found_whatever_the_case_of_their_folders(tmp_path):
    rows = [casme3_row("spNO.1", letter, 5, 7, 9) for letter in "abcd"]
    options = casme3_root(tmp_path, *rows)
    subject, other = tmp_path / "part_A" / "spNO.1", tmp_path / "part_A" / "spNo.1"  # as two archives unpack
    touch(subject / "a" / "color")
    touch(subject / "b" / "depth")
    touch(other / "a" / "color")
    touch(other / "b" / "Color")
    touch(other / "C" / "COLOR")
    folders = ["spNO.1/a/color", "spNo.1/b/Color", "spNo.1/C/COLOR", "spNO.1/d/color"]
    assert list(build_index("casme3", options)["frames"]) == [f"part_A/{folder}" for folder in folders]


def test_of_folders_that_differ_in_case_the_exact_one_is_taken_if_any(tmp_path):
    touch(tmp_path / "one" / "sub01" / "EP02_01F")
    touch(tmp_path / "one" / "Sub01" / "EP02_01F")
    touch(tmp_path / "two" / "SUB01" / "a")
    touch(tmp_path / "two" / "Sub01" / "a")
    find = finder()
    assert find(tmp_path / "one", "sub01", "EP02_01f") == tmp_path / "one/sub01/EP02_01F"
    assert find(tmp_path / "two", "sub01", "a") == tmp_path / "two/sub01/a"  # nobody knows which
    assert find(tmp_path / "one", "sub02", "EP02_01f") == tmp_path / "one/sub02/EP02_01f"


def test_casme3_clip_edition_is_seen_folder_by_folder(tmp_path):
    options = casme3_root(
        tmp_path,
        casme3_row("spNO.1", "a", 355, 360, 370),
        casme3_row("spNO.1", "J", 10, 12, 20),
        casme3_row("spNO.3", "b", 1, 2, 3),
        casme3_row("spNO.3", "c", 4, 5, 6),
        casme3_row("spNO.4", "a", 7, 8, 9),
    )
    frames = tmp_path / "Part_A_ME_clip" / "frame"
    touch(frames / "spNo.1_a_355")
    touch(frames / "spNO.1_J_10")
    touch(frames / "spNO.3" / "b" / "color")
    index = build_index("casme3", options | {"frames": "Part_A_ME_clip/frame"})
    # The last two are missing: each is named where its edition would have it.
    folders = ("spNo.1_a_355", "spNO.1_J_10", "spNO.3/b/color", "spNO.3/c/color", "spNO.4_a_7")
    assert list(index["frames"]) == [f"Part_A_ME_clip/frame/{folder}" for folder in folders]


def test_casme3_rows_against_the_rule_are_dropped_and_do_not_stop(tmp_path):
    options = casme3_root(
        tmp_path,
        casme3_row("spNO.1", "a", 10, 10, 20),
        casme3_row("spNO.1", "b", 10, 25, 20),
        casme3_row("spNO.1", "c", 10, 12, 4),
        casme3_row("spNO.1", "d", 10, 20, 20),
    )
    assert list(build_index("casme3", options)["sequence"]) == ["d_10"]
    path = tmp_path / DEFAULTS["casme3"]["annotation"]
    assert len(casme3.read_index(path, tmp_path / "part_A", Faults())) == 4


def test_casme3_duplicate_of_the_other_case_is_found(tmp_path):
    options = casme3_root(tmp_path, casme3_row("spNO.1", "j", 10, 12, 20), casme3_row("spNO.1", "J", 10, 12, 20))
    with pytest.raises(InputError, match=r"row 3: spNO\.1/j_10: is listed twice"):
        build_index("casme3", options)


# Paths of the config


@pytest.mark.parametrize("dataset", NAMES)
def test_missing_root_names_folder_and_key(tmp_path, dataset):
    missing = tmp_path / "nowhere"
    key = rf"datasets\.{dataset}\.root"
    with pytest.raises(InputError, match=rf"^{key}: folder {missing} does not exist; correct it"):
        build_index(dataset, {"root": str(missing)})
    with pytest.raises(InputError, match=rf"^{key}: is empty; set it in config/config\.yaml"):
        build_index(dataset, {"root": ""})


def test_missing_annotation_and_frames_name_their_keys(tmp_path):
    with pytest.raises(InputError, match=r"annotation file \S*20140508\.xlsx is missing; set datasets\.casme2\."):
        build_index("casme2", {"root": str(tmp_path)})
    with pytest.raises(InputError, match=r"datasets\.samm\.annotation: is empty"):
        build_index("samm", {"root": str(tmp_path), "annotation": ""})
    options = casme2_root(tmp_path, casme2_row(1, "EP01_01", 1, 3, 9))
    with pytest.raises(InputError, match=r"frame folder \S*faces does not exist; set datasets\.casme2\.frames"):
        build_index("casme2", options | {"frames": "faces"})
    with pytest.raises(InputError, match="'casme4' is not known; choose one of casme2, samm"):
        build_index("casme4", options)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ("{root}/Cropped", "Cropped/sub01/EP01_01"),
        ("{root}/../other", "{above}/other/sub01/EP01_01"),  # on another disk, say: it does not move with the root
        ("../other", "../other/sub01/EP01_01"),
        ("./Cropped/.", "Cropped/sub01/EP01_01"),
    ],
)
def test_frames_are_relative_to_the_root_unless_an_absolute_option_leads_outside(tmp_path, frames, expected):
    root = touch(tmp_path / "disk" / "casme2")
    for folder in (root / "Cropped", root.parent / "other"):
        touch(folder / "sub01" / "EP01_01", "img1.jpg", "img2.jpg")
    annotation = write_sheet(tmp_path / "x.xlsx", CASME2_HEADER, casme2_row(1, "EP01_01", 1, None, 2))
    options = {"root": str(root), "annotation": str(annotation), "frames": frames.format(root=root)}
    index = build_index("casme2", options)
    assert index.loc[0, "frames"] == expected.format(above=root.parent)
    assert len(sequence_frames(index.iloc[0], root)) == 2


def test_an_index_that_lost_a_row_is_refused(tmp_path):
    rows = casme2_row(1, "EP01_01", 1, 3, 9), casme2_row(2, "EP01_02", 1, None, 9)
    index, path = build_index("casme2", casme2_root(tmp_path / "data", *rows)), tmp_path / "casme2.csv"
    write_index_csv(path, index)
    pd.testing.assert_frame_equal(read_index_csv(path), index)
    assert path.with_name("casme2.csv.sha256").read_text() == f"{sha256(path.read_bytes()).hexdigest()}  casme2.csv\n"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    with pytest.raises(
        InputError,
        match=r"casme2\.csv: is not as it was written.* in casme2\.csv\.sha256; if a run wrote it, delete it",
    ):
        read_index_csv(path)
    write_index_csv(path, index)
    assert path.read_bytes() == whole
    assert len(read_index_csv(path)) == 2
    path.with_name("casme2.csv.sha256").unlink()  # as older versions left it, or a hand that wrote it
    assert len(read_index_csv(path)) == 2


def test_a_sequence_in_two_indexes_is_refused(tmp_path):
    paths = [tmp_path / f"{number}.csv" for number in (1, 2)]
    for number, path in enumerate(paths, 1):
        rows = casme2_row(number, "EP01_01", 1, 3, 9), casme2_row(number, "EP01_02", 1, None, 9)
        write_index_csv(path, build_index("casme2", casme2_root(tmp_path / f"data{number}", *rows)))
    found = read_index_csvs(paths)
    assert found["subject"].tolist() == ["sub01", "sub01", "sub02", "sub02"]
    pd.testing.assert_frame_equal(found.head(2), read_index_csv(paths[0]))
    line = r"1\.csv: casme2/sub01/EP01_01: is listed twice, first in .*1\.csv; remove one of the two"
    with pytest.raises(InputError, match=line):
        read_index_csvs([*paths, paths[0]])


def test_data_that_moved_give_the_same_index(tmp_path, monkeypatch):
    old = tmp_path / "old"
    casme2_root(old, casme2_row(1, "EP01_01", 1, 3, 9), casme2_row(2, "EP01_02", 1, 3, 9))
    write_csv(tmp_path / "old.csv", build_index("casme2", {"root": str(old)}))
    old.rename(tmp_path / "new")
    write_csv(tmp_path / "new.csv", build_index("casme2", {"root": str(tmp_path / "new")}))
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "here.csv", build_index("casme2", {"root": "new"}))
    monkeypatch.setenv("HOME", str(tmp_path))
    write_csv(tmp_path / "home.csv", build_index("casme2", {"root": "~/new"}))
    first, *others = ((tmp_path / f"{name}.csv").read_bytes() for name in ("old", "new", "here", "home"))
    assert others == [first] * 3


# The index itself


def test_table_leaves_out_notes_and_blank_rows(tmp_path):
    path = write_sheet(tmp_path / "a.xlsx", ["subject ", "On  set"], [1, 2], [None, None], [3, 4], ["a note below"])
    table = read_table(path, ["Subject", "On set"])
    assert table.to_numpy().tolist() == [[1, 2], [3, 4]]
    assert list(table.index) == [2, 4]


def an_index(folder="f", **changes):
    row = {
        **{"dataset": "samm", "subject": "006", "sequence": "006_1_2", "frames": str(folder)},
        **{"onset": 7, "apex": None, "offset": 12, "fps": 200, "emotion": "anger"},
    }
    return index_frame([row | changes])


def test_index_csv_keeps_padding_and_the_empty_apex(tmp_path):
    index = pd.concat([an_index(), an_index(subject="010", apex=9)], ignore_index=True)
    write_csv(tmp_path / "samm.csv", index)
    pd.testing.assert_frame_equal(read_index_csv(tmp_path / "samm.csv"), index)
    bare = an_index(fps=float("nan"))
    write_csv(tmp_path / "bare.csv", bare)
    pd.testing.assert_frame_equal(read_index_csv(tmp_path / "bare.csv"), bare)


def test_index_csv_faults_are_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        read_index_csv(tmp_path / "none.csv")
    write_csv(tmp_path / "a.csv", an_index().drop(columns=["apex", "fps"]))
    with pytest.raises(
        InputError, match=r"a\.csv: lacks the column apex, fps; give the index CSV that `ra-icl index` "
    ):
        read_index_csv(tmp_path / "a.csv")
    for cell in ("x", "1_000", "", "-5", "1e30", str(2**63)):
        write_csv(tmp_path / "b.csv", an_index().astype({"onset": "str"}).assign(onset=cell))
        with pytest.raises(InputError, match=rf"b\.csv: onset is '{cell}', which is no number of an index; give the "):
            read_index_csv(tmp_path / "b.csv")
    header, row = (tmp_path / "b.csv").read_text().splitlines()
    for text in (f"{header}\n{row},more\n", f"{header}\nsamm\n", f"{header},fps\n{row},3\n"):
        (tmp_path / "c.csv").write_text(text)
        with pytest.raises(InputError, match=r"c\.csv: cannot be read as an index \(a column twice, or a row"):
            read_index_csv(tmp_path / "c.csv")


@pytest.mark.parametrize("content", ["subject,clip,onset,offset,emotion\np1,a,1,9,joy\n", '"', "", "\xff"])
def test_nobody_is_told_to_delete_a_csv_of_their_own(tmp_path, content):
    (tmp_path / "annotation.csv").write_text(content, encoding="latin-1")
    with pytest.raises(InputError) as error:
        read_index_csv(tmp_path / "annotation.csv")
    assert error.value.faults[0].remedy.startswith("give the index CSV that `ra-icl index` writes; ")


def test_validate_takes_an_empty_apex_and_both_ends():
    validate(an_index(), "x")
    validate(an_index(apex=7), "x")
    validate(an_index(apex=12), "x")
    with pytest.raises(InputError, match=r"^x: 006/006_1_2: apex 13 is outside"):
        validate(an_index(apex=13), "x")


def test_reading_an_index_needs_no_frames_except_for_smic(tmp_path):
    # the workflow reads it at every start: three datasets must not list their frame folders
    build_index("casme2", casme2_root(tmp_path / "2", casme2_row(1, "EP01_01", 1, 3, 9)))
    build_index("samm", samm_root(tmp_path / "s", samm_row("006", "006_1_2", 1, 2, 3)))
    index = build_index("casme3", casme3_root(tmp_path / "3", casme3_row("spNO.1", "A", 1, 2, 3)))
    assert index.loc[0, "frames"] == "part_A/spNO.1/a/color"
    with pytest.raises(InputError):
        smic.read_index(None, tmp_path / "3", Faults())


def test_real_data_depend_on_no_twin():
    used = dependencies("ra_icl.datasets.reading", "ra_icl.datasets.public_flow", "ra_icl.faces.crop")
    assert "ra_icl.datasets.samm" in used
    assert not {name for name in used if name.startswith("ra_icl.twins")}


def test_import_is_light():
    code = (
        "import sys, ra_icl.datasets, ra_icl.datasets.protocols\n"
        "sys.exit(', '.join({'cv2', 'torch', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr.strip() == ""
