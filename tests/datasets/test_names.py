"""Names of subjects and clips: different ones stay different, in files and out of them, and both forms of é meet."""

import unicodedata
from itertools import combinations

import pytest

from ra_icl.datasets.names import file_safe, on_disk, one_form, original
from ra_icl.datasets.reading import build_index
from ra_icl.errors import InputError

NFC, NFD = (unicodedata.normalize(form, "Zoë 1") for form in ("NFC", "NFD"))
STRANGE = (
    "Zoë 1",
    "Zoe 1",
    "Zoë_1",
    "Zo=C3=AB=201",
    "高兴",
    "厌恶",
    "a b",
    "a_b",
    "a/b",
    "a=b",
    ".a",
    "-a",
    "a.",
    "*",
    "$(x)",
)


@pytest.mark.parametrize("official", ["sub01", "006", "s01", "spNO.1", "p-1", "p_1.2", "P1"])
def test_official_ids_stay_as_they_are(official):
    assert file_safe(official) == official


def test_safe_names_are_plain_differ_and_lead_back():
    for name in STRANGE:
        safe = file_safe(name)
        assert set(safe) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-=")
        assert safe[0] not in ".-"
        assert original(safe) == name
    for one, other in combinations(STRANGE, 2):
        assert file_safe(one) != file_safe(other)
    assert file_safe("Zoë 1") == "Zo=C3=AB=201"
    assert file_safe(NFC) == file_safe(NFD)


@pytest.mark.parametrize("stored", [NFC, NFD])
@pytest.mark.parametrize("given", [NFC, NFD])
def test_a_folder_is_found_in_either_form(tmp_path, stored, given):
    (tmp_path / stored / stored).mkdir(parents=True)
    assert on_disk(tmp_path / given / given) == tmp_path / stored / stored
    assert on_disk(tmp_path / given / "高兴") == tmp_path / stored / "高兴"  # which is not there
    mixed = unicodedata.normalize("NFD", "é") + "é"
    (tmp_path / mixed).mkdir()
    assert on_disk(tmp_path / one_form(mixed)) == tmp_path / mixed


def own(root, *rows, emotion="joy"):
    (root / "annotation.csv").write_text("\n".join(["subject,clip,onset,offset,emotion", *rows, ""]), encoding="utf-8")
    return {"root": str(root), "labels": {"negative": ["disgust"], "positive": [emotion]}}


def test_clips_with_different_names_are_different_sequences(tmp_path):
    clips = ("高兴", "厌恶", "take.1", "take.2", "take", "a b", "a_b", "a/b", "a_1", "a.mp4", "a.avi", "a$b")
    rows = [f"p{number % 2},{clip},1,9,joy" for number, clip in enumerate(clips)]
    index = build_index("own", own(tmp_path, *rows))
    assert index["sequence"].tolist() == [f"{clip}_1" for clip in clips]
    assert index["frames"].tolist() == list(clips)


def test_both_forms_of_a_name_are_one(tmp_path):
    (tmp_path / NFD).mkdir()
    labels = {"emotion": unicodedata.normalize("NFD", "fröhlich")}
    index = build_index("own", own(tmp_path, f"p1,{NFC},1,9,fröhlich", f"{NFD},a,1,9,fröhlich", **labels))
    assert index["sequence"].tolist() == [f"{NFC}_1", "a_1"]
    assert index["frames"].tolist() == [NFD, "a"]
    assert index["subject"].tolist() == ["p1", "Zo=C3=AB=201"]
    with pytest.raises(InputError, match=r"row 3: p1/Zoë 1_1: is listed twice, first in row 2"):
        build_index("own", own(tmp_path, f"p1,{NFC},1,9,joy", f"p1,{NFD},1,9,joy", "p2,c,1,9,joy"))
