"""The reader of published flow maps, on small PNG files written here."""

from hashlib import sha256

import cv2
import numpy as np
import pandas as pd
import pytest

from ra_icl.datasets.public_flow import (
    FOLDER,
    TABLE,
    PublishedOptions,
    check_clone,
    clone_checksum,
    read_index,
    read_maps,
    write_subject,
)
from ra_icl.errors import InputError
from ra_icl.files import load_tensors
from ra_icl.planning.options import from_mapping

ROWS = [
    ("casme2", "sub01", "EP02_01f", 1),
    ("casme2", "sub02", "EP01_11f", 0),
    ("samm", "006", "006_1_2", 0),
    ("smic", "s03", "s03_sur_01", 2),
]


def planes(number, instance):
    """u, v and strain (3, 4, 4) uint8 of an instance of a sequence: every pixel of every plane is different."""
    return (np.arange(48).reshape(3, 4, 4) + 50 * number + 25 * instance).astype(np.uint8)


def write_png(path, maps):
    """An image whose red is u, green v and blue strain."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(maps.transpose(1, 2, 0), cv2.COLOR_RGB2BGR))


@pytest.fixture
def clone(tmp_path):
    root = tmp_path / "clone"
    for number, (_, subject, clip, _) in enumerate(ROWS):
        write_png(root / FOLDER / f"{subject}_{clip} .png", planes(number, 0))
        write_png(root / FOLDER / f"{subject}_{clip}_1 .png", planes(number, 1))
    table = pd.DataFrame(ROWS, columns=["dataset", "sub", "filename_o", "label"])
    table.assign(apex="", imagename="x.jpg").to_csv(root / TABLE, index=False)
    return root


def source(clone, layout="onset_apex", **more):
    return PublishedOptions(root=str(clone), layout=layout, **more)


def test_the_table_becomes_an_index(clone):
    index = read_index({"htnet": source(clone)}, "samm")
    assert index["subject"].tolist() == ["006"]
    assert index["emotion"].tolist() == ["negative"]
    assert read_index({"htnet": source(clone)}, "smic")["emotion"].tolist() == ["surprise"]


def test_the_decay_runs_back_and_is_reversed(clone):
    growth, decay = (planes(0, instance) / 255 for instance in (0, 1))
    kept = read_maps(source(clone, "onset_apex_offset", reverse_decay=False), "sub01", "EP02_01f")
    np.testing.assert_array_equal(kept, np.stack([growth, decay]).astype(np.float16))
    decay[:2] = 1 - decay[:2]
    reversed_ = read_maps(source(clone, "onset_apex_offset"), "sub01", "EP02_01f")
    np.testing.assert_array_equal(reversed_, np.stack([growth, decay]).astype(np.float16))


def test_a_flow_file_is_written_for_every_subject(clone, tmp_path):
    for subject, rows in read_index({"x": source(clone)}, "casme2").groupby("subject"):
        write_subject(rows, source(clone), tmp_path / "flow" / f"{subject}.safetensors")
    for number, (_, subject, clip, _) in enumerate(ROWS[:2]):
        tensors, metadata = load_tensors(tmp_path / "flow" / f"{subject}.safetensors")
        assert set(tensors) == {clip}
        np.testing.assert_array_equal(tensors[clip], (planes(number, 0)[None] / 255).astype(np.float16))
        assert "not pixels" in metadata["units"]


def test_the_checksum_of_a_clone_is_of_names_and_contents_of_maps_and_table(clone):
    names = sorted(path.name for path in (clone / FOLDER).iterdir())
    lines = [f"{TABLE}\0{sha256((clone / TABLE).read_bytes()).hexdigest()}\n"]
    lines += [f"{FOLDER}/{name}\0{sha256((clone / FOLDER / name).read_bytes()).hexdigest()}\n" for name in names]
    expected = sha256("".join(lines).encode()).hexdigest()
    (clone / "README.md").write_text("not part of it")
    assert clone_checksum(clone) == (8, expected)


def test_a_clone_is_compared_with_what_its_options_state(clone, tmp_path):
    count, checksum = clone_checksum(clone)
    stated = source(clone, commit="abc", files=count, sha256=checksum)
    check_clone("public_flow.x", stated)
    check_clone("public_flow.x", source(clone))  # nothing is stated
    first, second = sorted((clone / FOLDER).iterdir())[:2]
    first.rename(tmp_path / "kept")
    with pytest.raises(InputError, match=r"holds 7 files, but public_flow\.x\.files is 8; clone commit abc again"):
        check_clone("public_flow.x", stated)
    second.rename(first)  # as many files, other names
    (tmp_path / "kept").rename(second)
    with pytest.raises(InputError, match=r"differ from those of commit abc .*public_flow\.x\.sha256"):
        check_clone("public_flow.x", stated)
    (clone / TABLE).unlink()
    with pytest.raises(InputError, match=rf"{TABLE}: cannot be read .*public_flow\.x\.root"):
        check_clone("public_flow.x", stated)


def test_a_missing_clone_names_folder_and_key(tmp_path):
    with pytest.raises(InputError, match=r"public_flow\.htnet\.root: folder .*nowhere.* does not exist"):
        read_index({"htnet": source(tmp_path / "nowhere")}, "casme2")
    with pytest.raises(InputError, match=r"public_flow\.htnet\.root: folder \(not set\)"):
        read_index({"htnet": PublishedOptions()}, "casme2")


def test_a_missing_table_names_itself(clone):
    (clone / TABLE).unlink()
    with pytest.raises(InputError, match=TABLE):
        read_index({"htnet": source(clone)}, "casme2")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("006_1_2,0", "006_1_2,9", r"row 4: label is '9', not one of 0, 1, 2; clone"),
        ("samm,006", "a'b,006", r"row 4: dataset is \"a'b\", not one of casme2, samm, smic; clone"),
        ("samm,006,", "samm,,", r"row 4: sub is empty; fill"),
        ("samm,006", "samm,../006", r"row 4: sub is '\.\./006', which is no name of a published map; clone"),
        ("smic,s03,s03_sur_01,2", "samm,006,006_1_2,0", r"row 5: 006/006_1_2: is listed twice, first in row 4; remove"),
        ("samm,006,006_1_2,0,,x.jpg", "samm,006,006_1_2", r"row 4: has 3 cells, the header 6; give"),
        ("imagename", "sub", r"row 1: the column 'sub' occurs 2 times"),
        ("label", "class", r"row 1: no column 'label'"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(clone, old, new, said):
    table = (clone / TABLE).read_text()
    assert table.count(old) == 1
    (clone / TABLE).write_text(table.replace(old, new))
    with pytest.raises(InputError, match=rf"{TABLE}, {said}"):
        read_index({"htnet": source(clone)}, "samm")


def test_a_subject_named_na_is_a_subject(clone):
    (clone / TABLE).write_text((clone / TABLE).read_text().replace("samm,006,", "samm,NA,"))
    assert read_index({"htnet": source(clone)}, "samm")["subject"].tolist() == ["NA"]


def test_clones_that_disagree_are_refused(clone, tmp_path):
    other = tmp_path / "other"
    (other / FOLDER).mkdir(parents=True)
    (other / TABLE).write_text((clone / TABLE).read_text().replace("EP02_01f,1", "EP02_01f,0"))
    with pytest.raises(InputError, match=r"public_flow\.b\.root.*differs"):
        read_index({"a": source(clone), "b": source(other)}, "casme2")


def test_a_missing_map_names_its_file(clone):
    (clone / FOLDER / "006_006_1_2 .png").unlink()
    with pytest.raises(InputError, match=r"006_006_1_2 \.png: published map missing"):
        read_maps(source(clone), "006", "006_1_2")


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_an_unreadable_map_names_its_file(clone, content):
    (clone / FOLDER / "006_006_1_2 .png").write_bytes(content)
    with pytest.raises(InputError, match=r"006_006_1_2 \.png: not a readable"):
        read_maps(source(clone), "006", "006_1_2")


def test_maps_that_differ_in_size_are_refused(clone):
    write_png(clone / FOLDER / "006_006_1_2_1 .png", planes(2, 1)[:, :3])
    with pytest.raises(InputError, match="differ in size"):
        read_maps(source(clone, "onset_apex_offset"), "006", "006_1_2")


def test_an_unknown_layout_is_refused():
    with pytest.raises(InputError, match=r"public_flow\.a\.layout: is 'other'; choose 'onset_apex' or"):
        from_mapping(PublishedOptions, {"layout": "other"}, "public_flow.a")
