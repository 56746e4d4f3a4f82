"""The file of a model to use: everything comes back, and what is no such file is one line."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file

from ra_icl.errors import InputError
from ra_icl.faces.options import FaceOptions
from ra_icl.files import load_tensors, save_tensors
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.recognition import model as module
from ra_icl.recognition.model import load_model, unlike_here


def changed_file(world, out, change):
    """A copy of the model's file with changed metadata."""
    tensors, metadata = load_tensors(world.model_file)
    metadata = json.loads(json.dumps(metadata))
    change(metadata)
    save_tensors(out, tensors, metadata)
    return out


def test_what_a_clip_goes_through_comes_back_from_the_file(world):
    model = world.model()
    assert model.classes == ("negative", "positive", "surprise")
    assert model.faces == FaceOptions(size=48)
    assert model.flow == FlowOptions()
    assert model.sampling == Sampling("middle", 4)
    assert model.method.input.normalise == "set"
    assert (model.method.training.precision, model.method.training.device) == ("fp32", "cpu")
    assert not model.network.training
    assert model.synthetic


def test_the_file_says_what_the_model_was_trained_on_and_by_what(world):
    about = world.model().about
    found = about["data"]["casme2"]
    assert (found["subjects"], found["clips"]) == (2, len(world.fitted))
    assert found["classes"]["negative"] == {"disgust": 1, "repression": 1}
    used = world.index[world.index["sequence"].isin(world.fitted["sequence"])]
    lengths = used["offset"] - used["onset"] + 1
    assert found["frames"] == [lengths.min(), lengths.max()]
    training = about["training"]
    assert {training[key] for key in ("method", "protocol", "data_source")} == {"m6", "cde", "twins"}
    assert training["versions"].keys() == {"ra_icl", "torch", "python"}
    assert about["prepared"]["opencv"] == cv2.__version__
    right = world.fitted[["p0", "p1", "p2"]].to_numpy().argmax(axis=1) == world.fitted["label"]
    assert training["right_on_training"] == right.mean()


def test_the_weights_are_kept_in_half_precision(world):
    kinds = {name: tensor.dtype for name, tensor in load_file(world.model_file).items()}
    assert {kind for name, kind in kinds.items() if not name.endswith("num_batches_tracked")} == {np.dtype(np.float16)}


def test_the_network_of_a_fold_is_no_model_to_use(world):
    path = world.folder / "folds/cde/m6/seed0/casme2-sub01.safetensors"
    with pytest.raises(InputError, match=r"as the network of a fold; `snakemake --cores all final_model` makes"):
        load_model(path)


def test_what_is_no_model_is_one_line(world, tmp_path):
    with pytest.raises(InputError, match=r"gone\.safetensors: there is no such file"):
        load_model(tmp_path / "gone.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(world.model_file.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"cut\.safetensors: cannot be read"):
        load_model(tmp_path / "cut.safetensors")
    (tmp_path / "film.mp4").write_bytes(b"no tensors")
    line = r"film\.mp4: cannot be read \(.*\): no model, or a damaged one; give the \.safetensors that .* wrote$"
    with pytest.raises(InputError, match=line):
        load_model(tmp_path / "film.mp4")
    whole = bytearray(world.model_file.read_bytes())
    whole[-50] ^= 1
    (tmp_path / "bit.safetensors").write_bytes(whole)
    with pytest.raises(InputError, match="its checksum does not match"):
        load_model(tmp_path / "bit.safetensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda metadata: metadata["model"].pop("prepared"), "is a model of another version"),
        (lambda metadata: metadata["model"]["prepared"]["faces"].update(side=3), "side: unknown key"),
        (lambda metadata: metadata["classes"].append("fear"), "is a model of another version"),
    ],
)
def test_a_file_of_another_version_is_one_line(world, tmp_path, change, words):
    with pytest.raises(InputError, match=words) as caught:
        load_model(changed_file(world, tmp_path / "other.safetensors", change))
    assert "other.safetensors" in str(caught.value)


def test_it_predicts_in_the_precision_of_its_training(world, tmp_path):
    path = changed_file(
        world, tmp_path / "bf16.safetensors", lambda metadata: metadata["model"]["training"].update(precision="bf16")
    )
    assert load_model(path).method.training.precision == "bf16"


def test_a_detectors_model_is_looked_for_where_it_is_said_to_lie(world, tmp_path):
    def with_yunet(metadata):
        metadata["model"]["prepared"]["faces"].update(detector="yunet", model="/elsewhere/yunet.onnx")

    path = changed_file(world, tmp_path / "yunet.safetensors", with_yunet)
    with pytest.raises(InputError, match=r"yunet, whose model /elsewhere/yunet\.onnx is not here; .*--detector-model"):
        load_model(path)
    (tmp_path / "mine.onnx").touch()
    assert load_model(path, str(tmp_path / "mine.onnx")).faces.model == str(tmp_path / "mine.onnx")


def test_what_differs_here_is_said(world, monkeypatch):
    model = world.model()
    assert unlike_here(model) == []
    monkeypatch.setattr(module, "prediction_code", lambda backend: "another")
    assert unlike_here(model) == [
        "the code from clip to probability has changed since the model was trained: probabilities may differ a little "
        "from those of its training"
    ]
    older = {**model.about, "prepared": {**model.about["prepared"], "opencv": "4.9.0"}}
    (line,) = unlike_here(replace(model, about=older))
    assert line.startswith(f"OpenCV is {cv2.__version__}, the model's 4.9.0: probabilities")
