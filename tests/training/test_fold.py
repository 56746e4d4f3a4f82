"""A fold as a step: disjoint subjects, whole files or none, nothing trained twice."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fold_data import changed, distinct_maps, train_fold, write_workspace

from ra_icl.errors import InputError
from ra_icl.files import load_tensors, read_json, save_tensors, write_json
from ra_icl.training import fold as module
from ra_icl.training import outputs
from ra_icl.training.fold import Fold
from ra_icl.training.instances import normalise
from ra_icl.training.loop import Training
from ra_icl.training.network import load_network

SUFFIXES = (".csv", ".json", ".safetensors")


class Retrained(Exception):  # noqa: N818 (what happened, not a mistake)
    """A training was started."""


def refuse_to_train(monkeypatch):
    """From here on, starting a training raises Retrained."""

    def start(*_):
        raise Retrained

    monkeypatch.setattr(module, "Training", start)


def contents(out):
    return {suffix: out.with_suffix(suffix).read_bytes() for suffix in SUFFIXES if out.with_suffix(suffix).exists()}


def test_a_fold_writes_predictions_record_and_network(tmp_path, small_method, monkeypatch):
    """The network that was trained comes back from its file, and gives each sequence the prediction in its row."""
    maps, kept = write_workspace(tmp_path, instances=3), {}
    run = Training.run

    def keep(training):
        kept["trained"] = run(training)
        return kept["trained"]

    monkeypatch.setattr(Training, "run", keep)
    out = train_fold(tmp_path, small_method, keep_network=True)
    record = read_json(out.with_suffix(".json"))
    assert record["data"]["trained"] == record["data"]["predicted"] == 3
    assert (record["selection"], record["data_source"], len(record["curve"])) == ("last", "twins", 2)

    tensors, metadata = load_tensors(out.with_suffix(".safetensors"), verify=True)
    assert metadata["classes"] == ["negative", "positive", "surprise"]
    assert metadata["fold"]["name"] == "casme2-sub01"
    trained = kept["trained"].network.state_dict()
    assert tensors.keys() == trained.keys()
    for name, tensor in trained.items():
        expected = tensor.numpy().astype(np.float16) if tensor.is_floating_point() else tensor.numpy()
        assert tensors[name].dtype == expected.dtype
        assert np.array_equal(tensors[name], expected), name

    network, table = load_network(out.with_suffix(".safetensors")), pd.read_csv(out)
    assert table["sequence"].tolist() == ["EP00", "EP01", "EP02"]
    assert table["label"].tolist() == [0, 1, 2]
    for row in table.itertuples():
        middle = torch.from_numpy(maps[row.subject, row.sequence][1:2].copy())
        with torch.no_grad():
            expected = network.classify(normalise(middle, small_method.input).float()).softmax(dim=1)[0]
        assert [row.p0, row.p1, row.p2] == pytest.approx(expected.tolist(), abs=2e-3)
        assert row.prediction == np.argmax([row.p0, row.p1, row.p2])


@pytest.mark.parametrize("select", ["last", "best_on_held_out"])
def test_the_leak_changes_the_epoch_and_is_recorded(tmp_path, small_method, monkeypatch, select):
    """On noise, at a high rate that stays high, the best epoch on the held-out subject is not the last one."""
    write_workspace(tmp_path, sequences=12)
    method = changed(small_method, training={"epochs": 8, "learning_rate": 0.03, "gamma": 1.0, "select": select})
    truth, by_epoch, epoch = np.arange(12) % 3, [], Training.epoch

    def watched(training):
        epoch(training)
        by_epoch.append(training.predict())

    monkeypatch.setattr(Training, "epoch", watched)
    out = train_fold(tmp_path, method, seed=3)
    hits = [(probabilities.argmax(axis=1) == truth).sum() for probabilities in by_epoch]
    best = len(hits) - 1 - int(np.argmax(hits[::-1]))  # the latest of the best, as `leak` takes it
    assert hits[best] > hits[-1]
    used = {"last": 7, "best_on_held_out": best}[select]
    record = read_json(out.with_suffix(".json"))
    assert (record["selection"], record["epoch"], len(record["curve"])) == (select, used + 1, 8)
    table = pd.read_csv(out)
    np.testing.assert_allclose(table[["p0", "p1", "p2"]], by_epoch[used], rtol=1e-6)
    assert np.abs(by_epoch[best] - by_epoch[-1]).max() > 0.01
    assert (table["prediction"] == truth).sum() == hits[used]


def test_training_and_held_out_subjects_are_disjoint(tmp_path, small_method, monkeypatch):
    write_workspace(tmp_path, subjects=3)
    seen = {}

    def spy(training, held_out, *_):
        seen.update(training=set(training.table["subject"]), held_out=set(held_out.table["subject"]))
        raise Retrained

    monkeypatch.setattr(module, "Training", spy)
    with pytest.raises(Retrained):
        train_fold(tmp_path, small_method, "casme2-sub02")
    assert seen == {"training": {"sub01", "sub03"}, "held_out": {"sub02"}}


def test_a_group_holds_out_all_sequences_of_its_subjects(tmp_path, small_method, monkeypatch):
    write_workspace(tmp_path, subjects=7)
    seen = {}

    def spy(training, held_out, *_):
        sets = {"training": training.table, "held_out": held_out.table}
        seen.update({name: [*zip(table["subject"], table["sequence"], strict=True)] for name, table in sets.items()})
        raise Retrained

    monkeypatch.setattr(module, "Training", spy)
    with pytest.raises(Retrained):
        train_fold(tmp_path, small_method, "group2", protocol="groups5")
    assert seen["held_out"] == [(subject, f"EP{n:02d}") for subject in ("sub02", "sub07") for n in range(3)]
    assert {subject for subject, _ in seen["training"]} == {f"sub{n:02d}" for n in (1, 3, 4, 5, 6)}
    assert len(seen["training"]) == 15
    with pytest.raises(InputError, match="fold group6: groups5 has no such fold"):
        train_fold(tmp_path, small_method, "group6", protocol="groups5")
    with pytest.raises(InputError, match="fold casme2-sub01: groups5 has no such fold"):
        train_fold(tmp_path, small_method, protocol="groups5")


def test_a_fold_that_fails_leaves_nothing(tmp_path, small_method, monkeypatch):
    def full_disk(*_):
        raise OSError("No space left on device")

    write_workspace(tmp_path)
    monkeypatch.setattr(outputs, "write_json", full_disk)
    with pytest.raises(OSError, match="No space"):
        train_fold(tmp_path, small_method, keep_network=True)
    assert list((tmp_path / "folds").iterdir()) == []


def test_predictions_never_stand_beside_an_older_record(tmp_path, small_method, monkeypatch):
    """As by a kill between the renames of the two files."""
    write_workspace(tmp_path)
    out = train_fold(tmp_path, small_method)
    before, rename = out.read_bytes(), os.replace

    def killed(source, target):
        if Path(target).name == "casme2-sub01.json":
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        train_fold(tmp_path, changed(small_method, training={"epochs": 3}))
    assert out.read_bytes() != before
    assert not out.with_suffix(".json").exists()


def test_a_fold_with_nothing_new_is_not_trained_again(tmp_path, small_method, monkeypatch, caplog):
    write_workspace(tmp_path)
    out = train_fold(tmp_path, small_method, keep_network=True, code="a")
    before = contents(out)
    for suffix in SUFFIXES:
        os.utime(out.with_suffix(suffix), (1e9, 1e9))
    refuse_to_train(monkeypatch)
    with caplog.at_level("INFO"):
        train_fold(tmp_path, small_method, keep_network=True, code="a")
    assert "unchanged: same flow, options and code; nothing to train" in caplog.text
    assert contents(out) == before
    assert all(out.with_suffix(suffix).stat().st_mtime > 1e9 + 1 for suffix in SUFFIXES)
    train_fold(tmp_path, small_method, code="a")
    assert contents(out) == {suffix: before[suffix] for suffix in (".csv", ".json")}  # a stale network goes
    with pytest.raises(Retrained):
        train_fold(tmp_path, small_method, keep_network=True, code="a")


def test_a_network_that_another_training_left_is_not_taken_for_this_ones(tmp_path, small_method, monkeypatch):
    """As by a kill between the renames of the network and of the predictions."""
    write_workspace(tmp_path)
    out = train_fold(tmp_path, small_method, keep_network=True)
    other = train_fold(tmp_path, changed(small_method, training={"epochs": 3}), folder="others", keep_network=True)
    out.with_suffix(".safetensors").write_bytes(other.with_suffix(".safetensors").read_bytes())
    refuse_to_train(monkeypatch)
    train_fold(tmp_path, changed(small_method, training={"epochs": 3}), folder="others", keep_network=True)
    with pytest.raises(Retrained):
        train_fold(tmp_path, small_method, keep_network=True)


def test_where_auto_is_another_precision_a_fold_is_trained_again(tmp_path, small_method, monkeypatch):
    method = changed(small_method, training={"precision": "auto"})
    write_workspace(tmp_path)
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
    train_fold(tmp_path, method)
    refuse_to_train(monkeypatch)
    train_fold(tmp_path, changed(method, training={"precision": "fp32"}))
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)
    with pytest.raises(Retrained):
        train_fold(tmp_path, method)


def test_predictions_that_are_not_finite_are_no_result(tmp_path, small_method):
    write_workspace(tmp_path)
    path = tmp_path / "flow/casme2/sub01.safetensors"  # held out: the loss does not show it
    tensors, metadata = load_tensors(path)
    spoiled = np.full_like(tensors["EP01"], np.nan)
    save_tensors(path, tensors | {"EP01": spoiled}, metadata)
    with pytest.raises(InputError, match=r"^casme2/sub01/EP01: its probabilities are not finite"):
        train_fold(tmp_path, small_method, checkpoints=tmp_path / "checkpoints")
    assert not list(tmp_path.rglob("casme2-sub01.csv"))


def test_checkpoints_beside_the_result_are_refused(tmp_path, small_method, monkeypatch):
    """The kept result would be copied onto itself, and the state has the name of the kept network."""
    write_workspace(tmp_path)
    refuse_to_train(monkeypatch)
    with pytest.raises(InputError, match=r"folds is the folder of casme2-sub01\.csv too; give another"):
        train_fold(tmp_path, small_method, checkpoints=tmp_path / "folds/../folds")


def test_a_number_of_pairs_is_of_the_frames_that_the_annotation_has_now(tmp_path, small_method):
    """An offset that was corrected: other pairs per epoch, from the same flow."""
    method = changed(small_method, training={"pairs": 16, "epochs": 1})
    trained = []
    for frames in (4, 4, 12):
        write_workspace(tmp_path, frames=frames)
        trained.append(read_json(train_fold(tmp_path, method, code="a").with_suffix(".json")))
    assert trained[0] == trained[1]
    assert trained[2]["images"] == 3 * trained[0]["images"]


def other_flow(workspace):
    """One value of one map of a training subject changes in its last bit."""
    path = workspace / "flow" / "casme2" / "sub02.safetensors"
    tensors, metadata = load_tensors(path)
    changed = tensors["EP01"].copy()
    changed.view(np.uint16)[1, 2, 3, 4] ^= 1
    save_tensors(path, tensors | {"EP01": changed}, metadata)


def other_labels(workspace):
    index = workspace / "casme2.csv"
    index.write_text(index.read_text().replace("surprise", "happiness"))


def cut_row(workspace):
    out = workspace / "folds" / "casme2-sub01.csv"
    out.write_text("".join(out.read_text().splitlines(keepends=True)[:-1]))


def cut_record(workspace):
    record = workspace / "folds" / "casme2-sub01.json"
    record.write_text(record.read_text()[:-20])


def older_record(workspace):
    record = workspace / "folds" / "casme2-sub01.json"
    write_json(record, {key: value for key, value in read_json(record).items() if key != "key"})


@pytest.mark.parametrize("change", [other_flow, other_labels, cut_row, cut_record, older_record])
def test_a_fold_whose_files_changed_is_trained_again(tmp_path, small_method, monkeypatch, change):
    write_workspace(tmp_path)
    train_fold(tmp_path, small_method)
    refuse_to_train(monkeypatch)
    train_fold(tmp_path, small_method)
    change(tmp_path)
    with pytest.raises(Retrained):
        train_fold(tmp_path, small_method)


def test_a_fold_of_other_options_code_or_seed_is_trained_again(tmp_path, small_method, monkeypatch):
    write_workspace(tmp_path)
    train_fold(tmp_path, small_method, code="a")
    refuse_to_train(monkeypatch)
    train_fold(tmp_path, small_method, code="a")
    other = changed(small_method, loss={"attention": 0.25})
    for options, changes in (
        (other, {"code": "a"}),
        (small_method, {"code": "b"}),
        (small_method, {"code": "a", "seed": 1}),
    ):
        with pytest.raises(Retrained):
            train_fold(tmp_path, options, **changes)


def test_seeds_differ_between_folds_but_not_between_methods():
    seeds = {Fold("cde", "m6", name, seed, "twins").training_seed for name in ("a", "b") for seed in (0, 1)}
    assert len(seeds) == 4
    assert Fold("cde", "m6", "a", 0, "twins").training_seed == Fold("cde", "m5", "a", 0, "twins").training_seed


def test_an_unknown_or_an_only_subject_is_refused(tmp_path, small_method):
    write_workspace(tmp_path, subjects=1)
    with pytest.raises(InputError, match="fold casme2-sub77: cde has no such fold"):
        train_fold(tmp_path, small_method, "casme2-sub77")
    with pytest.raises(InputError, match="fold casme2-sub01: no other subject to train on"):
        train_fold(tmp_path, small_method, "casme2-sub01")


def test_the_test_data_has_no_value_twice():
    a, b = distinct_maps((2, 3, 4, 4), (1, 3, 4, 4))
    values = np.concatenate([a.ravel(), b.ravel()])
    assert len(np.unique(values)) == len(values)
    assert 0 <= values.min() < values.max() < 1


def test_a_commit_with_new_or_changed_files_is_called_dirty(tmp_path, monkeypatch):
    """A peer of one's own is a new file, which git's own word for dirty leaves out; what git ignores does not count."""
    module_file = tmp_path / "ra_icl/training/fold.py"
    module_file.parent.mkdir(parents=True)
    module_file.write_text("x = 1\n")
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "a"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.setattr(module, "__file__", str(module_file))
    (tmp_path / "ra_icl/__pycache__").mkdir()
    (tmp_path / "ra_icl/__pycache__/fold.pyc").write_text("")
    (tmp_path / "notes.txt").write_text("no part of the package")
    assert module.commit_of_code() == commit
    peer = tmp_path / "ra_icl/peers/tiny.py"
    peer.parent.mkdir()
    peer.write_text("y = 1\n")
    assert module.commit_of_code() == f"{commit}-dirty"
    peer.unlink()
    module_file.write_text("x = 2\n")
    assert module.commit_of_code() == f"{commit}-dirty"
