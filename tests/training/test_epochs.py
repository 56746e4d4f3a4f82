"""Predictions that are kept beside a fold's: after each epoch those of a training that ends there, and of each view."""

import numpy as np
import pandas as pd
import pytest
from fold_data import changed, train_fold, write_workspace

from ra_icl.training.checkpoint import Checkpoint, Stopped
from ra_icl.training.loop import Training
from ra_icl.training.outputs import EPOCHS
from ra_icl.training.prediction import WAYS


def test_each_epoch_predicts_what_a_training_of_that_length_would(tmp_path, small_method):
    write_workspace(tmp_path)
    out = train_fold(tmp_path, changed(small_method, training={"epochs": 3}), keep_epochs=True)
    kept = pd.read_csv(out.with_suffix(EPOCHS))
    assert list(kept["epoch"]) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    for epoch, rows in kept.groupby("epoch"):
        short = changed(small_method, training={"epochs": epoch})
        alone = pd.read_csv(train_fold(tmp_path, short, folder=f"until{epoch}"))
        pd.testing.assert_frame_equal(rows.drop(columns="epoch").reset_index(drop=True), alone)
    assert kept[["p0", "p1", "p2"]].nunique().min() == len(kept)  # no epoch is another one's copy


def test_keeping_them_changes_nothing_else(tmp_path, small_method):
    write_workspace(tmp_path)
    plain = train_fold(tmp_path, small_method, folder="plain")
    kept = train_fold(tmp_path, small_method, folder="kept", keep_epochs=True)
    assert kept.read_bytes() == plain.read_bytes()
    assert not plain.with_suffix(EPOCHS).exists()


def interrupt(monkeypatch, workspace, options, after, **keeping):
    """A fold of the workspace that is asked to stop after so many epochs, and stops."""
    epoch = Training.epoch

    def stop(training):
        epoch(training)
        training.checkpoint.asked_to_stop = len(training.record["curve"]) == after

    with monkeypatch.context() as patched:
        patched.setattr(Training, "epoch", stop)
        with pytest.raises(Stopped):
            train_fold(workspace, options, **keeping)


def test_an_interrupted_training_has_them_all(tmp_path, small_method, monkeypatch):
    write_workspace(tmp_path)
    options = changed(small_method, training={"epochs": 3})
    whole = train_fold(tmp_path, options, folder="whole", keep_epochs=True)
    states = {"checkpoints": tmp_path / "states", "keep_epochs": True}
    interrupt(monkeypatch, tmp_path, options, 1, **states)
    resumed = train_fold(tmp_path, options, **states)
    assert resumed.with_suffix(EPOCHS).read_bytes() == whole.with_suffix(EPOCHS).read_bytes()

    # From the copy beside the checkpoints all files come back.
    for suffix in (".csv", ".json", EPOCHS):
        resumed.with_suffix(suffix).unlink()
    monkeypatch.setattr(Checkpoint, "load", lambda _: pytest.fail("trained again"))
    again = train_fold(tmp_path, options, **states)
    assert again.with_suffix(EPOCHS).read_bytes() == whole.with_suffix(EPOCHS).read_bytes()


def test_a_training_that_was_interrupted_without_them_starts_over(tmp_path, small_method, monkeypatch):
    write_workspace(tmp_path)
    options = changed(small_method, training={"epochs": 3})
    whole = train_fold(tmp_path, options, folder="whole", keep_epochs=True)
    interrupt(monkeypatch, tmp_path, options, 2, checkpoints=tmp_path / "states")
    out = train_fold(tmp_path, options, checkpoints=tmp_path / "states", keep_epochs=True)
    assert out.with_suffix(EPOCHS).read_bytes() == whole.with_suffix(EPOCHS).read_bytes()


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_fold_without_all_of_them_is_trained_again(tmp_path, small_method, damage):
    write_workspace(tmp_path)
    out = train_fold(tmp_path, small_method, keep_epochs=True)
    path = out.with_suffix(EPOCHS)
    whole = path.read_text()
    if damage == "gone":
        path.unlink()
    else:
        path.write_text("\n".join(whole.splitlines()[:-1]) + "\n")
    train_fold(tmp_path, small_method, keep_epochs=True)
    assert path.read_text() == whole
    train_fold(tmp_path, small_method)
    assert not path.exists()


@pytest.mark.parametrize("view", WAYS)
def test_views_are_what_methods_with_other_inference_predict(tmp_path, small_method, view):
    write_workspace(tmp_path, instances=3)
    kept = train_fold(tmp_path, small_method, folder="kept", keep_views=True)
    views = pd.read_csv(kept.with_suffix(".views.csv"))
    alone = pd.read_csv(train_fold(tmp_path, changed(small_method, inference=WAYS[view]), folder="alone"))
    columns = ["p0", "p1", "p2"]
    np.testing.assert_array_equal(views[[f"{column}_{view}" for column in columns]], alone[columns])
    names = ["dataset", "subject", "sequence", "label"]
    pd.testing.assert_frame_equal(views[names], alone[names])
    found = {name: tuple(views[f"p0_{name}"]) for name in WAYS}
    assert len(set(found.values())) == len(WAYS)  # every way predicts something else
    pd.testing.assert_series_equal(pd.read_csv(kept)["p0"], views["p0_middle"], check_names=False)
