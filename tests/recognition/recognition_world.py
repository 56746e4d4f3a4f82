"""Twins of one small dataset taken through the workflow's steps once: two folds, and a model to use."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pandas as pd
import torch

from ra_icl.datasets.reading import build_index
from ra_icl.evaluation.metrics import aggregate
from ra_icl.faces.crop import crop_subject
from ra_icl.faces.options import FaceOptions
from ra_icl.files import write_csv
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.flow.subjects import flow_subject
from ra_icl.model.options import BackboneOptions, ModelOptions, RegionOptions
from ra_icl.recognition.model import Model, load_model, prediction_code
from ra_icl.recognition.score import held_out_score
from ra_icl.training.final import ALL, Known, train_final
from ra_icl.training.fold import Fold, run_fold
from ra_icl.training.method import InputOptions, MethodOptions, OptimiserOptions
from ra_icl.twins.plan import TwinOptions
from ra_icl.twins.render import render

SUBJECTS = ("sub01", "sub02")
METHOD = MethodOptions(
    input=InputOptions("set"),
    model=ModelOptions(BackboneOptions("standard", 8, (1, 1)), RegionOptions(3, 16, 1, 2, 16, 16, 8)),
    training=OptimiserOptions(epochs=15, batch=8, learning_rate=0.005, precision="fp32"),
)


@dataclass(frozen=True)
class World:
    """Where everything lies, the index, and the predictions of the final model's own training data."""

    folder: Path
    index: pd.DataFrame
    fitted: pd.DataFrame

    @property
    def model_file(self) -> Path:
        return self.folder / "models/cde/m6.safetensors"

    def model(self) -> Model:
        return load_model(self.model_file)

    def frames(self, row) -> Path:
        """The frame folder of a row of the index."""
        return self.folder / "twins/casme2" / row.frames


def make_world(folder: Path) -> World:
    """Everything below `folder`, laid out as the results of a run."""
    torch.manual_seed(0)
    root, table = folder / "twins/casme2", folder / "index/casme2.csv"
    render("casme2", root, TwinOptions(per_class=1, frames=(12, 14), scale=0.4, strength=(3, 5)))
    index = build_index("casme2", {"root": str(root)})
    write_csv(table, index)
    for subject, rows in index.groupby("subject"):
        crops, flow = (folder / part / f"casme2/{subject}.safetensors" for part in ("crops", "flow/middle-4"))
        crop_subject(rows, root, crops, FaceOptions(size=48))
        flow_subject(crops, rows, flow, Sampling("middle", 4), FlowOptions())
    folds = [folder / f"folds/cde/m6/seed0/casme2-{subject}.csv" for subject in SUBJECTS]
    for out in folds:
        fold = Fold("cde", "m6", out.stem, 0, "twins")
        run_fold(out, fold, [table], folder / "flow/middle-4", METHOD, keep_network=True)
    metrics = folder / "metrics/cde/m6.json"
    aggregate(folds, metrics, classes=fold.class_names, protocol="cde", method="m6")
    known = Known("M6 (ours)", held_out_score(metrics, "cde", "m6", "twins"), "digest", prediction_code)
    fold = Fold("cde", "m6", ALL, 0, "twins")
    out = folder / "models/cde/m6.safetensors"
    fitted = train_final(out, fold, [table], folder / "flow/middle-4", folder / "crops", METHOD, known)
    return World(folder, index, fitted)


def write_video(path, images, rate=25):
    """A lossless video of grey images (H, W) uint8, or of grey levels, each of which fills a small frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        frames = [image if np.ndim(image) else np.full((16, 32), image, np.uint8) for image in images]
        (stream.height, stream.width), stream.pix_fmt = frames[0].shape, "gray"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())
    return path
