"""The training of a model to use: on everybody, and only where a new clip can be prepared alike."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fold_data import changed, write_workspace

from ra_icl.errors import InputError
from ra_icl.files import load_tensors, save_tensors
from ra_icl.training.final import ALL, Known, train_final
from ra_icl.training.fold import Fold, read_rows
from ra_icl.training.instances import load_instances, stored_flow
from ra_icl.training.loop import Training

FOLD = Fold("cde", "m6", ALL, 0, "twins")
FLOW = {
    "sampling": {"mode": "middle", "instances": 2, "seed": 0, "name": "middle-2"},
    "options": {"backend": "numba"},
    "backend": "numba",
    "version": "numba 1",
}
CROPS = {"options": {"size": 8}, "detector": {"name": "haar"}, "opencv": "4.14.0"}


@pytest.fixture
def workspace(tmp_path):
    """Three subjects' flow and crops that say how they were made."""
    write_workspace(tmp_path, subjects=3)
    for number in range(1, 4):
        describe(tmp_path, f"sub0{number}")
    return tmp_path


def describe(folder, subject, flow=FLOW, crops=CROPS):
    path = folder / f"flow/casme2/{subject}.safetensors"
    tensors, _ = load_tensors(path)
    save_tensors(path, tensors, flow)
    save_tensors(folder / f"crops/casme2/{subject}.safetensors", {"EP00": np.zeros((2, 8, 8), np.uint8)}, crops)


def train(folder, options, score=None, **keeping):
    known = Known("M6", score or {"flow": None}, "trains", lambda backend: f"predicts by {backend}", "as it was")
    paths = [folder / "casme2.csv"], folder / "flow", folder / "crops"
    return train_final(folder / "m6.safetensors", FOLD, *paths, options, known, **keeping)


def test_the_network_is_that_of_a_training_on_all_subjects(workspace, small_method):
    fitted = train(workspace, small_method, checkpoints=workspace / "states", checkpoint_seconds=0)
    table = read_rows(FOLD, [workspace / "casme2.csv"])
    assert len(table) == 9
    sets = load_instances(table, workspace / "flow", small_method.input, "cpu")
    wanted = Training(sets, sets, 3, small_method, FOLD.training_seed, "cpu").run()
    tensors, metadata = load_tensors(workspace / "m6.safetensors", verify=True)
    state = wanted.network.state_dict()
    assert tensors.keys() == state.keys()
    for name, tensor in state.items():
        torch.testing.assert_close(
            torch.from_numpy(tensors[name]), tensor.half() if tensor.is_floating_point() else tensor
        )
    np.testing.assert_array_equal(fitted[["p0", "p1", "p2"]].to_numpy(), wanted.probabilities)
    assert fitted[["subject", "sequence"]].to_numpy().tolist() == table[["subject", "sequence"]].to_numpy().tolist()
    assert metadata["classes"] == ["negative", "positive", "surprise"]
    assert list((workspace / "states").iterdir()) == []  # nothing to resume


def test_the_file_says_how_a_clip_is_prepared_and_what_is_known(workspace, small_method):
    table = read_rows(FOLD, [workspace / "casme2.csv"])
    score = {"flow": stored_flow(table, workspace / "flow").digest, "scores": {}}
    train(workspace, small_method, score)
    about = load_tensors(workspace / "m6.safetensors")[1]["model"]
    assert about["prepared"] == {
        "sampling": {"mode": "middle", "instances": 2, "seed": 0},
        "flow": {"backend": "numba"},
        **{"backend": "numba", "version": "numba 1"},
        **{"faces": {"size": 8}, "detector": {"name": "haar"}, "opencv": "4.14.0"},
    }
    assert (about["title"], about["score"], about["choice"]) == ("M6", score, "as it was")
    assert about["code"] == {"training": "trains", "prediction": "predicts by numba"}
    assert about["data"]["casme2"] == {
        **{"subjects": 3, "clips": 9, "frames": [5, 5], "fps": [200.0, 200.0]},
        "classes": {"negative": {"disgust": 3}, "positive": {"happiness": 3}, "surprise": {"surprise": 3}},
    }
    assert about["training"]["flow"] == score["flow"]
    assert "curve" not in about["training"]


def test_files_that_were_made_differently_are_refused_by_name(workspace, small_method):
    describe(workspace, "sub02", crops=CROPS | {"options": {"size": 16}})
    with pytest.raises(InputError, match=r"crops/casme2/sub02\.safetensors: was made with other faces than .*sub01"):
        train(workspace, small_method)
    describe(workspace, "sub02")
    describe(workspace, "sub03", flow=FLOW | {"version": "numba 2"})
    with pytest.raises(InputError, match=r"flow/casme2/sub03\.safetensors: was made with other version than .*sub01"):
        train(workspace, small_method)
    assert not (workspace / "m6.safetensors").exists()


def test_flow_of_two_models_of_gpu_is_taken_together(workspace, small_method):
    for number, card in enumerate(("H100", "L4", "H100"), start=1):
        version = {"backend": "torch", "version": f"torch 2.11.0, cuda NVIDIA {card}"}
        describe(workspace, f"sub0{number}", flow=FLOW | version)
    train(workspace, small_method)
    _, metadata = load_tensors(workspace / "m6.safetensors")
    assert metadata["model"]["prepared"]["version"] == "torch 2.11.0, cuda NVIDIA H100"
    describe(workspace, "sub02", flow=FLOW | version | {"version": "torch 2.11.0, cpu"})
    with pytest.raises(InputError, match=r"sub02\.safetensors: was made with other version"):
        train(workspace, small_method)


def test_published_maps_and_missing_crops_are_refused(workspace, small_method):
    describe(workspace, "sub01", flow={"source": "published maps"})
    with pytest.raises(InputError, match=r"sub01\.safetensors: does not say how it was made .*not published maps"):
        train(workspace, small_method)
    describe(workspace, "sub01")
    (workspace / "crops/casme2/sub03.safetensors").unlink()
    with pytest.raises(InputError, match=r"crops/casme2/sub03\.safetensors: cannot be read"):
        train(workspace, small_method)


def test_a_method_that_needs_held_out_subjects_is_refused(workspace, small_method):
    with pytest.raises(InputError, match=r"training\.select: m6 takes the epoch .* nobody is held out"):
        train(workspace, changed(small_method, training={"select": "best_on_held_out"}))


def test_a_peer_is_refused(workspace, small_method):
    with pytest.raises(InputError, match="peer: m6 is a peer; name a method of Ra-ICL's"):
        train(workspace, replace(small_method, peer={"name": "svm"}))


def test_a_score_of_other_data_is_refused(workspace, small_method):
    with pytest.raises(InputError, match="the score that the model would quote is of other flow"):
        train(workspace, small_method, {"flow": "another"})
