"""What an adapter passes over is listed, with the name that may have been meant."""

import os
import shutil
from pathlib import Path

import pytest

from ra_icl.datasets import unread
from ra_icl.datasets.reading import build_index, survey
from ra_icl.errors import InputError
from ra_icl.twins.plan import TwinOptions
from ra_icl.twins.render import render

HS = "SMIC_all_raw/HS"
SHORT = {"negative": "ne", "positive": "po", "surprise": "sur"}


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp("twins")
    for dataset in ("casme2", "samm", "casme3"):
        render(dataset, root / dataset, TwinOptions(per_class=2, frames=(3, 4), scale=0.05))
    return root


@pytest.fixture
def twin(rendered, tmp_path):
    return lambda dataset: shutil.copytree(rendered / dataset, tmp_path / dataset)


def found_in(dataset, root, **options):
    """{where below root: (severity, names)}, and how many rows were read."""
    options = {"root": str(root)} | options
    rows, _ = survey(dataset, options)
    found = unread.find(dataset, options, rows)
    return {str(one.where).removeprefix(f"{root}/"): (one.severity, one.what) for one in found}, len(rows)


@pytest.fixture
def smic(tmp_path):
    for subject in ("s1", "s2", "s3", "s04"):
        for emotion in ("negative", "positive", "surprise"):
            clip = f"{HS}/{subject}/micro/{emotion}/{subject}_{SHORT[emotion]}_01"
            touch(tmp_path, *(f"{clip}/image{number}.bmp" for number in (5, 6, 7)))
        touch(tmp_path, f"{HS}/{subject}/non_micro/x/image1.bmp", f"{HS}/{subject}/micro/negative/Thumbs.db")
    touch(
        tmp_path, f"{HS}/README.txt", f"{HS}/.DS_Store", f"{HS}/__MACOSX/._s1/image1.bmp", "SMIC_all_raw/VIS/s1/1.bmp"
    )
    (tmp_path / HS / "s4").mkdir()  # empty: nothing is lost
    (tmp_path / HS / "s4").rename(tmp_path / HS / "notes")
    return tmp_path


def test_a_link_to_another_clip_is_a_fault(smic, tmp_path_factory):
    """It would put one recording into training and test."""
    os.symlink(smic / HS / "s1/micro/negative/s1_ne_01", smic / HS / "s2/micro/negative/s2_ne_09")
    (fault,) = survey("smic", {"root": str(smic)})[1]
    assert fault.startswith(
        f"smic s02/s02_ne_09: {HS}/s2/micro/negative/s2_ne_09 is by a link the folder of s01/s01_ne_01"
    )
    root = tmp_path_factory.mktemp("casme3") / "twin"
    render("casme3", root, TwinOptions(per_class=1, frames=(8, 9), scale=0.05))
    rows, faults = survey("casme3", {"root": str(root)})
    assert faults == []  # expressions of one file share its folder
    one, other = (root / rows[rows["subject"] == name]["frames"].iloc[0] for name in rows["subject"].unique()[:2])
    shutil.rmtree(other)
    os.symlink(one, other)
    assert {fault.kind for fault in survey("casme3", {"root": str(root)})[1]} == {"folder-linked-twice"}


def test_a_folder_that_cannot_be_opened_loses_no_clips(smic, monkeypatch):
    closed, scan = smic / HS / "s2/micro", os.scandir

    def scandir(path):
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match=r"s2/micro: cannot be read \(Permission denied\); give yourself read"):
        build_index("smic", {"root": str(smic)})


def test_nothing_is_listed_that_is_read_or_known(smic):
    assert found_in("smic", smic) == ({}, 12)


def test_links_to_nothing_and_in_circles_are_passed_over(smic):
    for folder in (HS, f"{HS}/s1", f"{HS}/s1/micro", f"{HS}/s1/micro/negative"):
        (smic / folder / "itself").symlink_to("itself")
        (smic / folder / "nowhere").symlink_to("/nowhere/at/all")
    (smic / HS / "circle").mkdir()
    for name in "abc":
        (smic / HS / "circle" / name).symlink_to(smic / HS / "circle")
    assert found_in("smic", smic) == ({}, 12)


def test_case_does_not_count_in_smic(smic):
    before = build_index("smic", {"root": str(smic)})
    (smic / HS / "s1/micro").rename(smic / HS / "s1/MICRO")
    (smic / HS / "s2/micro/negative").rename(smic / HS / "s2/micro/Negative")
    (smic / HS / "s3").rename(smic / HS / "S3")
    after = build_index("smic", {"root": str(smic)})
    assert after.drop(columns="frames").equals(before.drop(columns="frames"))
    assert [(smic / place / "image6.bmp").is_file() for place in after["frames"]] == [True] * 12
    assert found_in("smic", smic) == ({}, 12)


def test_smic_folders_of_another_name_are_faults_with_a_guess(smic):
    (smic / HS / "s1/micro").rename(smic / HS / "s1/micros")
    (smic / HS / "s2/micro/negative").rename(smic / HS / "s2/micro/neg")
    (smic / HS / "s2/micro/surprise").rename(smic / HS / "s2/micro/suprise")
    (smic / HS / "s3").rename(smic / HS / "S3 (copy)")
    shutil.copytree(smic / HS / "s04", smic / HS / "subject_4")  # the real one is there: no guess
    found, read = found_in("smic", smic)
    lost = "not read, so that labelled clips are lost"
    assert read == 4
    assert found == {
        HS: ("fault", f"'S3 (copy)' (did you mean 's3'?), 'subject_4' are {lost}"),
        f"{HS}/s1": ("fault", f"'micros' (did you mean 'micro'?) is {lost}"),
        f"{HS}/s2/micro": (
            "fault",
            f"'neg' (did you mean 'negative'?), 'suprise' (did you mean 'surprise'?) are {lost}",
        ),
    }


def test_both_spellings_of_a_folder_are_read(smic):
    touch(smic, f"{HS}/s1/Micro/Negative/s1_ne_09/1.bmp", f"{HS}/s1/Micro/Negative/s1_ne_09/2.bmp")
    touch(smic, f"{HS}/s1/micro/negative/S1_ne_08/1.bmp", f"{HS}/s1/micro/negative/S1_ne_08/2.bmp")
    assert found_in("smic", smic) == ({}, 14)
    touch(smic, f"{HS}/s1/Micro/negative/s1_ne_01/1.bmp", f"{HS}/s1/Micro/negative/s1_ne_01/2.bmp")
    (fault,) = survey("smic", {"root": str(smic)})[1]
    assert "s01/s01_ne_01" in fault
    assert "twice" in fault


def test_loose_frames_and_packed_clips_are_listed(smic):
    touch(
        smic, *(f"{HS}/s1/micro/negative/image{number}.bmp" for number in range(5)), f"{HS}/s5.zip", f"{HS}/mine/a.png"
    )
    every = unread.find("smic", {"root": str(smic)}, survey("smic", {"root": str(smic)})[0])
    assert {(str(one.where).removeprefix(f"{smic}/"), one.severity, one.what.split(" not")[0]) for one in every} == {
        (f"{HS}/s1/micro/negative", "fault", "'image0.bmp', 'image1.bmp', 'image2.bmp' and 2 more are"),
        (HS, "fault", "'s5.zip' (did you mean 's5'?) is"),
        (HS, "warning", "'mine' is"),
    }


@pytest.mark.parametrize("dataset", ["casme2", "samm", "casme3"])
def test_a_sound_copy_has_nothing_unread(twin, dataset):
    root = twin(dataset)
    touch(root, "README.md", "flow/.keep")
    found, read = found_in(dataset, root)
    assert found == {}
    assert read > 0


@pytest.mark.parametrize("dataset", ["casme2", "samm"])
def test_case_does_not_count_where_it_is_unambiguous(twin, dataset):
    root = twin(dataset)
    before = build_index(dataset, {"root": str(root)})
    clip = root / before["frames"][0]
    clip.rename(clip.with_name(clip.name.swapcase()))
    clip.parent.rename(clip.parent.with_name(clip.parent.name.upper()))
    after = build_index(dataset, {"root": str(root)})
    assert after.drop(columns="frames").equals(before.drop(columns="frames"))
    assert all((root / place).is_dir() for place in after["frames"])
    assert found_in(dataset, root)[0] == {}


def test_an_exact_name_wins_over_another_case_and_the_other_is_listed(twin):
    root = twin("casme2")
    before = build_index("casme2", {"root": str(root)})
    clip = root / before["frames"][0]
    shutil.copytree(clip, clip.with_name(clip.name.upper()))
    assert build_index("casme2", {"root": str(root)}).equals(before)
    found, _ = found_in("casme2", root)
    place = clip.parent.relative_to(root).as_posix()
    assert found == {place: ("warning", f"'{clip.name.upper()}' is not read")}


def test_folders_that_no_row_names_are_warnings_with_a_guess(twin):
    root = twin("casme2")
    rows = build_index("casme2", {"root": str(root)})
    clip = root / rows["frames"][0]
    clip.rename(clip.with_name(f"{clip.name} - Copy"))
    frames = root / "CASME2_RAW_selected"
    touch(root, "CASME2_RAW_selected/sub77/EP01_01/img1.jpg", "CASME2_RAW_selected/mine/a/b/c.png")
    touch(root, f"{clip.parent.relative_to(root)}/EP99_01.avi")
    every = unread.find("casme2", {"root": str(root)}, rows)
    assert {(str(one.where), one.severity, one.what) for one in every} == {
        (
            str(clip.parent),
            "warning",
            f"'{clip.name} - Copy' (did you mean '{clip.name}'?), 'EP99_01.avi' are not read",
        ),
        (str(frames), "warning", "'sub77' is not read"),
        (str(frames), "note", f"'mine' is named by no row of {root / 'CASME2-coding-20140508.xlsx'}"),
    }


def test_videos_without_expression_are_one_note_in_casme3(twin):
    root = twin("casme3")
    subject = build_index("casme3", {"root": str(root)})["subject"][0]
    touch(root, *(f"part_A/{subject}/{letter}/color/1.jpg" for letter in "wxyz"), f"part_A/{subject}/w/depth/1.png")
    touch(root, "part_A/spNO.999/a/color/1.jpg", "part_A/part_B/spNO.1/a/color/1.jpg")
    found, _ = found_in("casme3", root)
    ((where, (severity, what)),) = found.items()
    assert (where, severity) == ("part_A", "note")
    assert what.startswith(f"'{subject}/w', '{subject}/x', '{subject}/y' and 2 more are named by no row of ")


def test_own_clips_that_no_row_names_are_a_note(tmp_path):
    rows = ["p1,p1/a.mp4,1,9,joy", "p1,p1/b,1,9,fear", "p2,p2,1,9,neutral", "p3,p3/Ärger,1,9,joy"]
    (tmp_path / "annotation.csv").write_text("\n".join(["subject,clip,onset,offset,emotion", *rows]), encoding="utf-8")
    touch(tmp_path, "p1/a.mp4", "p1/b/1.png", "p2/1.png", "docs/plan.txt", "mine.yaml")
    options = {"labels": {"negative": ["fear"], "positive": ["joy"]}, "excluded": ["neutral"]}
    assert found_in("own", tmp_path, **options)[0] == {}
    touch(tmp_path, "p1/c.avi", "p4/x/1.png", "p4/y/1.png", "film.webm", "p3/arger/1.png", "p2/9.png")
    every = unread.find("own", {"root": str(tmp_path), **options}, None)
    assert {(str(one.where), one.severity, one.what) for one in every} == {
        (str(tmp_path), "note", f"'film.webm', 'p1/c.avi', 'p4' are named by no row of {tmp_path / 'annotation.csv'}"),
        (str(tmp_path / "p3"), "warning", "'arger' (did you mean 'Ärger'?) is not read"),
    }
    (tmp_path / "annotation.csv").unlink()
    assert unread.find("own", {"root": str(tmp_path), **options}, None) == []


def test_what_a_row_at_fault_names_is_not_called_unnamed(tmp_path):
    lines = ["subject,clip,onset,offset,emotion", "p1,p1/a,1,9,joy", "p2,p2/b,x,9,fear", "p3,p3/c,1,9,joy"]
    touch(tmp_path, "p1/a/1.png", "p2/b/1.png", "p4/1.png")
    options = {"labels": {"negative": ["fear"], "positive": ["joy"]}}
    (tmp_path / "annotation.csv").write_text("\n".join(lines))
    assert found_in("own", tmp_path, **options) == ({}, 2)
    (tmp_path / "annotation.csv").write_text("\n".join(lines).replace("x", "1"))
    assert found_in("own", tmp_path, **options)[0] == {
        str(tmp_path): ("note", f"'p4' is named by no row of {tmp_path / 'annotation.csv'}")
    }


@pytest.mark.parametrize(
    ("held", "wanted", "guess"),
    [
        ("6", "006", "006"),
        ("smile", "smile.mp4", "smile.mp4"),
        ("smile.MOV", "smile", "smile"),
        ("smile ", "smile", "smile"),
        ("take.02", "take.01", ""),
        ("clip 12", "clip 2", ""),
    ],
)
def test_a_name_is_guessed_whatever_its_zeros_and_suffix(held, wanted, guess):
    assert unread._guess(held, ["frown", wanted]) == guess


def test_a_name_that_cannot_be_printed_is_escaped(tmp_path):
    (tmp_path / "annotation.csv").write_text("subject,clip,onset,offset,emotion\np1,a,1,9,joy\n")
    touch(tmp_path, "b\nc.avi", os.fsdecode(b"\xff.avi"))
    options = {"root": str(tmp_path), "labels": {"negative": ["fear"], "positive": ["joy"]}}
    (note,) = unread.find("own", options, survey("own", options)[0])
    assert note.what.startswith(r"'b\nc.avi', '\udcff.avi' are named by no row of ")
