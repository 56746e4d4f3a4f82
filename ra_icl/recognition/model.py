"""A model to use, read from its file: the network, and how a clip is prepared for it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2

from ra_icl import __version__
from ra_icl.errors import InputError
from ra_icl.faces.landmarks import detector_record
from ra_icl.faces.options import NEED_MODEL, FaceOptions
from ra_icl.files import open_tensors
from ra_icl.flow.maps import backend_of
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.model.siamese import Branch
from ra_icl.planning.code import code_digest
from ra_icl.planning.options import parse
from ra_icl.training.method import MethodOptions
from ra_icl.training.network import load_network

GIVE_ONE = "give the .safetensors that the target `final_model` wrote"
TRAIN_ONE = "`snakemake --cores all final_model` makes a model to use"


@dataclass(frozen=True)
class Model:
    """A trained network, in evaluation mode on the CPU, and everything that a clip goes through before it.

    classes: in the order of the network's outputs. method: with the precision that the training had. about: what the
    file says of the model, see `training.final.train_final`.
    """

    path: Path
    network: Branch
    classes: tuple[str, ...]
    faces: FaceOptions
    sampling: Sampling
    flow: FlowOptions
    method: MethodOptions
    about: Mapping[str, Any]

    @property
    def synthetic(self) -> bool:
        """Whether it has seen nothing but made-up faces."""
        return self.about["training"]["data_source"] == "twins"


def load_model(path: str | Path, detector_model: str | None = None) -> Model:
    """Read a model to use.

    detector_model: where the face detector's model file lies on this machine, if the model was trained with a detector
    that needs one.
    Raises InputError if the file is missing, damaged, of another version, or no model of `train_final`.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; {TRAIN_ONE}")
    try:
        with open_tensors(path) as file:
            metadata = file.metadata
    except InputError as error:
        (fault,) = error.faults
        raise InputError(f"{path}: {fault.what}: no model, or a damaged one; {GIVE_ONE}") from error
    if "model" not in metadata:
        raise InputError(f"{path}: does not say how a clip is prepared, as the network of a fold; {TRAIN_ONE}")
    try:
        about, options = metadata["model"], metadata["options"]
        prepared = about["prepared"]
        faces = prepared["faces"] | ({"model": detector_model} if detector_model else {})
        _require_detector(path, faces)
        method = _options(MethodOptions, options)
        training = replace(method.training, precision=about["training"]["precision"], device="cpu")
        return Model(
            path=path,
            network=load_network(path),
            classes=tuple(metadata["classes"]),
            faces=_options(FaceOptions, faces),
            sampling=_options(Sampling, prepared["sampling"]),
            flow=_options(FlowOptions, prepared["flow"]),
            method=replace(method, training=training),
            about=about,
        )
    except (KeyError, TypeError, RuntimeError) as error:  # RuntimeError: weights that do not fit
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: is a model of another version of ra-icl ({reason}); {TRAIN_ONE}") from error


def _require_detector(path: Path, faces: Mapping[str, Any]) -> None:
    """Raise InputError if the face detector's model file does not lie where it lay in training."""
    if faces["detector"] in NEED_MODEL and not Path(faces["model"]).expanduser().is_file():
        raise InputError(
            f"{path}: was trained with the face detector {faces['detector']}, whose model {faces['model']} is not "
            "here; say where it lies with --detector-model"
        )


def prediction_code(backend: str) -> str:
    """A digest of the code that takes a clip to its probabilities, with the flow computed by this backend."""
    return code_digest("ra_icl.recognition.recognise", f"ra_icl.flow.tvl1_{backend}")


def unlike_here(model: Model) -> list[str]:
    """What differs here from where the model was trained and may change its probabilities, in words; empty if nothing.

    Raises InputError if the face detector's package or model file is missing.
    """
    prepared, versions = model.about["prepared"], model.about["training"]["versions"]
    detector, here = prepared["detector"], detector_record(model.faces)
    pairs = {
        "ra-icl": (versions["ra_icl"], __version__),
        "OpenCV": (prepared["opencv"], cv2.__version__),
        "the face detector": (detector["version"], here["version"]),
        "the face detector's model": (detector.get("sha256"), here.get("sha256")),
        f"flow backend {prepared['backend']}": (prepared["version"], backend_of(prepared["backend"]).VERSION),
    }
    found = [f"{name} is {now}, the model's {then}" for name, (then, now) in pairs.items() if then != now]
    if not found and model.about["code"]["prediction"] != prediction_code(prepared["backend"]):
        found = ["the code from clip to probability has changed since the model was trained"]
    return [f"{'; '.join(found)}: probabilities may differ a little from those of its training"] if found else []


def _options(cls: type, values: Mapping[str, Any]) -> Any:
    """Build an option class from a file's metadata. Raises TypeError for what it does not know or take."""
    try:
        return parse(cls, json.dumps(values), "model")
    except InputError as error:
        raise TypeError(str(error).removeprefix("--model: ")) from error
