"""The reader of published flow maps, on small PNG files written here."""

import cv2
import numpy as np
import pandas as pd
import pytest

from ra_icl.datasets.public_flow import (
    FOLDER,
    TABLE,
    PublishedOptions,
    read_index,
    read_maps,
    write_subjects,
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


def write_png(path, u, v, strain):
    """A 4 x 4 image of one colour: blue is strain, green v, red u."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((4, 4, 3), (strain, v, u), np.uint8))


@pytest.fixture
def clone(tmp_path):
    root = tmp_path / "clone"
    for number, (_, subject, clip, _) in enumerate(ROWS):
        write_png(root / FOLDER / f"{subject}_{clip} .png", 200, 100, number)
        write_png(root / FOLDER / f"{subject}_{clip}_1 .png", 55, 255, 7)
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


def test_one_map_is_u_v_strain_in_0_to_1(clone):
    maps = read_maps(source(clone), "sub02", "EP01_11f")
    assert maps.shape == (1, 3, 4, 4)
    assert maps.dtype == np.float16
    assert maps[0, :, 0, 0] == pytest.approx([200 / 255, 100 / 255, 1 / 255], abs=1e-3)


def test_the_decay_runs_back_and_is_turned_round(clone):
    turned = read_maps(source(clone, "onset_apex_offset"), "sub01", "EP02_01f")
    assert turned.shape == (2, 3, 4, 4)
    assert turned[1, :, 0, 0] == pytest.approx([200 / 255, 0, 7 / 255], abs=1e-3)
    kept = read_maps(source(clone, "onset_apex_offset", reverse_decay=False), "sub01", "EP02_01f")
    assert kept[1, :, 0, 0] == pytest.approx([55 / 255, 1, 7 / 255], abs=1e-3)
    assert np.array_equal(turned[0], kept[0])


def test_a_flow_file_is_written_for_every_subject(clone, tmp_path):
    write_subjects(read_index({"x": source(clone)}, "casme2"), source(clone), tmp_path / "flow")
    tensors, metadata = load_tensors(tmp_path / "flow" / "sub01.safetensors")
    assert set(tensors) == {"EP02_01f"}
    assert "not pixels" in metadata["units"]
    assert (tmp_path / "flow" / "sub02.safetensors").is_file()


def test_a_missing_clone_names_folder_and_key(tmp_path):
    with pytest.raises(InputError, match=r"public_flow\.htnet\.root: folder .*nowhere.* does not exist"):
        read_index({"htnet": source(tmp_path / "nowhere")}, "casme2")
    with pytest.raises(InputError, match=r"public_flow\.htnet\.root: folder \(not set\)"):
        read_index({"htnet": PublishedOptions()}, "casme2")


def test_a_missing_table_names_itself(clone):
    (clone / TABLE).unlink()
    with pytest.raises(InputError, match=TABLE):
        read_index({"htnet": source(clone)}, "casme2")


def test_an_unknown_label_names_its_row(clone):
    table = (clone / TABLE).read_text().replace("006_1_2,0", "006_1_2,9")
    (clone / TABLE).write_text(table)
    with pytest.raises(InputError, match=r"row 4: label 9"):
        read_index({"htnet": source(clone)}, "samm")


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
    cv2.imwrite(str(clone / FOLDER / "006_006_1_2_1 .png"), np.zeros((5, 4, 3), np.uint8))
    with pytest.raises(InputError, match="differ in size"):
        read_maps(source(clone, "onset_apex_offset"), "006", "006_1_2")


def test_an_unknown_layout_is_refused():
    with pytest.raises(InputError, match=r"public_flow\.a\.layout: is 'other'; choose 'onset_apex' or"):
        from_mapping(PublishedOptions, {"layout": "other"}, "public_flow.a")
