"""A fold's kept result comes back as it was, and never mixes with another."""

import shutil

import pytest

from ra_icl.files import read_json, write_json
from ra_icl.training.kept import keep_result, restore_result
from ra_icl.training.outputs import EPOCHS, VIEWS


@pytest.fixture
def fold(tmp_path):
    out = tmp_path / "folds" / "casme3-spNO.1.csv"
    write(out, "1")
    return out


def write(out, text):
    out.parent.mkdir(exist_ok=True)
    out.write_text(f"csv {text}")
    write_json(out.with_suffix(".json"), {"key": "key", "of": text})


def texts(out):
    return [out.read_text(), f"json {read_json(out.with_suffix('.json'))['of']}"]


def test_what_was_deleted_comes_back(fold, tmp_path):
    keep_result(fold, tmp_path / "kept")
    fold.unlink()
    fold.with_suffix(".json").unlink()
    restore_result(fold, tmp_path / "kept", "key")
    assert texts(fold) == ["csv 1", "json 1"]
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["casme3-spNO.1.csv", "casme3-spNO.1.json"]


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_both_files_come_from_one_result(fold, tmp_path, suffix):
    keep_result(fold, tmp_path / "kept")
    write(fold, "2")
    fold.with_suffix(suffix).unlink()
    restore_result(fold, tmp_path / "kept", "key")
    assert texts(fold) == ["csv 1", "json 1"]


def test_a_result_that_is_there_stays_and_a_newer_one_replaces_the_kept(fold, tmp_path):
    keep_result(fold, tmp_path / "kept")
    write(fold, "2")
    restore_result(fold, tmp_path / "kept", "key")
    assert texts(fold) == ["csv 2", "json 2"]
    keep_result(fold, tmp_path / "kept")
    assert texts(tmp_path / "kept" / fold.name) == ["csv 2", "json 2"]


@pytest.mark.parametrize("suffix", [EPOCHS, VIEWS])
def test_a_result_never_takes_up_what_an_older_one_had_beside_it(fold, tmp_path, suffix):
    fold.with_suffix(suffix).write_text("rows 1")
    keep_result(fold, tmp_path / "kept")
    assert (tmp_path / "kept" / fold.name).with_suffix(suffix).read_text() == "rows 1"
    write(fold, "2")
    fold.with_suffix(suffix).unlink()
    keep_result(fold, tmp_path / "kept")
    fold.unlink()
    restore_result(fold, tmp_path / "kept", "key")
    assert texts(fold) == ["csv 2", "json 2"]
    assert not fold.with_suffix(suffix).exists()


def test_a_copy_that_is_cut_short_leaves_no_record(fold, tmp_path, monkeypatch):
    """As by a kill between the two files: the older record would vouch for newer predictions."""
    keep_result(fold, tmp_path / "kept")
    write(fold, "2")
    copy = shutil.copyfile

    def killed(source, target):
        if source.suffix == ".json":
            raise KeyboardInterrupt
        copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", killed)
    with pytest.raises(KeyboardInterrupt):
        keep_result(fold, tmp_path / "kept")
    kept = tmp_path / "kept" / fold.name
    assert kept.read_text() == "csv 2"
    assert not kept.with_suffix(".json").exists()


def test_a_result_of_other_options_or_code_stays_where_it_was_kept(fold, tmp_path):
    keep_result(fold, tmp_path / "kept")
    fold.unlink()
    restore_result(fold, tmp_path / "kept", "another key")
    assert not fold.exists()
    (tmp_path / "kept" / "casme3-spNO.1.json").write_text('{"key": ')
    restore_result(fold, tmp_path / "kept", "key")
    assert not fold.exists()


def test_nothing_kept_or_only_half_of_it_brings_nothing_back(fold, tmp_path):
    restore_result(tmp_path / "none.csv", tmp_path / "kept", "key")
    keep_result(fold, tmp_path / "kept")
    (tmp_path / "kept" / "casme3-spNO.1.json").unlink()
    fold.unlink()
    restore_result(fold, tmp_path / "kept", "key")
    assert not fold.exists()
