"""`ra-icl check`: every fault of a dataset in one pass, and an exit status that says so."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from openpyxl import load_workbook

from ra_icl import cli
from ra_icl.datasets.frames import frame_files
from ra_icl.datasets.reading import DEFAULTS, build_index
from ra_icl.errors import InputError
from ra_icl.planning.check import check_config_datasets, check_dataset
from ra_icl.twins.plan import TwinOptions
from ra_icl.twins.render import render

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp("twin") / "casme2"
    render("casme2", root, TwinOptions(per_class=1, frames=(8, 9), scale=0.2))
    return root


@pytest.fixture
def twin(rendered, tmp_path):
    return Path(shutil.copytree(rendered, tmp_path / "casme2"))


def test_a_sound_dataset_has_no_fault(twin):
    rows, faults = check_dataset("casme2", {"root": str(twin)})
    assert faults == []
    assert len(rows) == len(build_index("casme2", {"root": str(twin)}))


def test_every_fault_is_found_in_one_pass(twin):
    rows = build_index("casme2", {"root": str(twin)})
    book = load_workbook(twin / DEFAULTS["casme2"]["annotation"])
    sheet = book.active
    sheet.append([sheet.cell(2, 1).value, "../../other", None, 1, 2, 9, None, "4", "happiness"])
    sheet.append([1, "EP90_01", None, "x", "y", 9, None, "4", "happiness"])
    book.save(twin / DEFAULTS["casme2"]["annotation"])
    folders = [Path(folder) for folder in rows["frames"]]
    shutil.rmtree(folders[0])
    for file in folders[1].iterdir():
        file.unlink()
    cut, small = list(frame_files(folders[2]).values())[4:6]
    cut.write_bytes(cut.read_bytes()[:300])
    cv2.imwrite(str(small), np.zeros((20, 30), np.uint8))
    frame_files(folders[3])[rows["onset"][3]].unlink()
    _, faults = check_dataset("casme2", {"root": str(twin)})
    wanted = [
        "'sub01/../../other' leaves the folder",
        "OnsetFrame is 'x'",
        "ApexFrame is 'y'",
        f"frame folder {folders[0]} is missing",
        f"{folders[1]} holds no frames",
        f"{cut}: is not a whole image",
        f"{small}: is 30x20, the onset frame",
        "the onset frame",
    ]
    assert len(faults) == len(wanted)
    for fault, words in zip(faults, wanted, strict=True):
        assert words in fault
        assert "\n" not in fault
    assert len(check_dataset("casme2", {"root": str(twin)}, decode=False)[1]) == len(wanted) - 2


def test_the_command_prints_all_and_exits_non_zero(twin, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    mine = tmp_path / "mine.yaml"
    roots = {"casme2": {"root": str(twin)}, "smic": {"root": "/nowhere"}}
    mine.write_text(yaml.safe_dump({"protocols": ["cde", "casme3_4"], "datasets": roots}))
    monkeypatch.setattr("sys.argv", ["ra-icl", "check", "--configfile", str(mine)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    no_data, no_folder = capsys.readouterr().out.splitlines()
    assert no_data.startswith("config: datasets.casme3.root: is empty; ")
    assert no_folder.startswith("datasets.smic.root: folder /nowhere does not exist; ")
    mine.write_text(yaml.safe_dump({"protocols": ["cde"], "datasets": roots}))
    assert check_config_datasets([mine], ["casme2"], decode=True) == []
    with pytest.raises(InputError, match=r"--dataset samm: .*datasets\.samm\.root is empty; choose from casme2, smic"):
        check_config_datasets([mine], ["samm"], decode=True)


def test_counts_are_compared_where_a_protocol_is_whole(twin, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    root = tmp_path / "casme3"
    render("casme3", root, TwinOptions(per_class=2, frames=(8, 9), scale=0.2))
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"protocols": ["casme3_4"], "datasets": {"casme3": {"root": str(root)}}}))
    (fault,) = check_config_datasets([mine], [], decode=False)
    assert "casme3_4: the data differ from the paper's counts" in fault


def test_counts_are_compared_of_the_datasets_that_have_a_root(twin, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(ROOT)
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"protocols": ["cde"], "datasets": {"casme2": {"root": str(twin)}}}))
    (fault,) = check_config_datasets([mine], [], decode=False)
    assert "cde: the data differ from the paper's counts: casme2 negative" in fault
    assert "samm" not in fault
    assert "cde runs without samm: datasets.samm.root is empty" in caplog.messages


def test_what_cannot_be_checked_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(InputError, match=r"data\.source is twins"):
        check_config_datasets([Path("config/demo.yaml")], [], decode=False)
    with pytest.raises(InputError, match=r"--dataset own: no protocol"):
        check_config_datasets([], ["own"], decode=False)
