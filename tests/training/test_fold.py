"""A fold as a step: disjoint subjects, whole files or none, seeds of its own."""

import json

import numpy as np
import pandas as pd
import pytest

from ra_icl.datasets.index import COLUMNS
from ra_icl.errors import InputError
from ra_icl.files import save_tensors
from ra_icl.training import fold as module
from ra_icl.training.fold import Fold, resolve_device, run_folds
from ra_icl.training.loop import Training

EMOTIONS = ("disgust", "happiness", "surprise")


@pytest.fixture
def workspace(tmp_path):
    """Two CASME II subjects with three sequences each; flow is noise."""
    rng = np.random.default_rng(0)
    rows = []
    for subject in ("sub01", "sub02"):
        names = [f"EP0{n}" for n in range(3)]
        rows += [
            ("casme2", subject, name, "x", 1, 3, 5, 200, emotion) for name, emotion in zip(names, EMOTIONS, strict=True)
        ]
        maps = {name: rng.normal(size=(2, 3, 8, 8)).astype(np.float16) for name in names}
        save_tensors(tmp_path / "flow" / "casme2" / f"{subject}.safetensors", maps, {})
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(tmp_path / "casme2.csv", index=False)
    return tmp_path


def train_folds(workspace, options, *names, folder="folds", **keep):
    folds = {workspace / folder / f"{name}.csv": Fold("cde", "m6", name, 0, "twins") for name in names}
    run_folds(folds, [workspace / "casme2.csv"], workspace / "flow", options, "cpu", **keep)
    return list(folds)


def test_a_fold_writes_predictions_record_and_network(workspace, small_method):
    [out] = train_folds(workspace, small_method, "casme2-sub01")
    table = pd.read_csv(out)
    assert table["subject"].unique().tolist() == ["sub01"]
    assert table["label"].tolist() == [0, 1, 2]
    assert table[["p0", "p1", "p2"]].sum(axis=1).to_numpy() == pytest.approx(np.ones(3), abs=1e-5)
    record = json.loads((workspace / "folds" / "casme2-sub01.json").read_text())
    assert record["selection"] == "last"
    assert record["data_source"] == "twins"
    assert len(record["curve"]) == 2
    assert (workspace / "folds" / "casme2-sub01.safetensors").stat().st_size > 1000


def test_training_and_held_out_subjects_are_disjoint(workspace, small_method, monkeypatch):
    seen = {}

    def spy(training, held_out, *arguments):
        seen["training"] = set(training.table["subject"])
        seen["held_out"] = set(held_out.table["subject"])
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "Training", spy)
    with pytest.raises(KeyboardInterrupt):
        train_folds(workspace, small_method, "casme2-sub01")
    assert seen == {"training": {"sub02"}, "held_out": {"sub01"}}


def test_a_fold_that_fails_leaves_nothing(workspace, small_method, monkeypatch):
    def full_disk(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(module, "save_tensors", full_disk)
    with pytest.raises(OSError, match="No space"):
        train_folds(workspace, small_method, "casme2-sub01")
    assert list((workspace / "folds").iterdir()) == []


def test_a_fold_trained_after_others_is_the_one_trained_alone(workspace, small_method):
    together = train_folds(workspace, small_method, "casme2-sub01", "casme2-sub02")
    [alone] = train_folds(workspace, small_method, "casme2-sub02", folder="alone")
    for suffix in (".csv", ".safetensors"):
        assert together[1].with_suffix(suffix).read_bytes() == alone.with_suffix(suffix).read_bytes()


def test_a_fold_that_fails_leaves_the_others_and_what_they_learned(workspace, small_method, monkeypatch):
    """The first fails; the workflow deletes what the second wrote, as their job failed, and starts the job again."""
    epochs, start_epoch = [], Training.start_epoch

    def counted(fold):
        epochs.append(fold.held_out.table["subject"][0])
        start_epoch(fold)

    def fails(fold):
        if fold.held_out.table["subject"][0] == "sub01":
            raise InputError("training.learning_rate: the loss is nan")
        start_epoch(fold)

    names, kept = ("casme2-sub01", "casme2-sub02"), workspace / "kept"
    monkeypatch.setattr(Training, "start_epoch", fails)
    with pytest.raises(InputError, match=r"^fold casme2-sub01: training.learning_rate: the loss is nan$"):
        train_folds(workspace, small_method, *names, checkpoints=kept)
    second = workspace / "folds" / "casme2-sub02.csv"
    before = second.read_bytes()
    second.unlink()
    monkeypatch.setattr(Training, "start_epoch", counted)
    train_folds(workspace, small_method, *names, checkpoints=kept)
    assert second.read_bytes() == before
    assert epochs == ["sub01", "sub01"]
    assert list(kept.iterdir()) == []


def test_every_fold_has_a_seed_of_its_own():
    seeds = {Fold("cde", "m6", name, seed, "twins").training_seed for name in ("a", "b") for seed in (0, 1)}
    assert len(seeds) == 4
    assert Fold("cde", "m6", "a", 0, "twins").training_seed == Fold("cde", "m5", "a", 0, "twins").training_seed


def test_an_unknown_subject_is_refused(workspace, small_method):
    with pytest.raises(InputError, match="fold casme2-sub77: no such subject"):
        train_folds(workspace, small_method, "casme2-sub77")


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert resolve_device("auto") == "cpu"
    with pytest.raises(InputError, match="finds no CUDA GPU"):
        resolve_device("cuda")
