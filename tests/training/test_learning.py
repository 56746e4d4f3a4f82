"""From rendered twins to predictions: the whole method learns, so that one that cannot learn fails."""

import pytest

from ra_icl.datasets.protocols import PROTOCOLS, select
from ra_icl.datasets.reading import build_index
from ra_icl.faces.crop import crop_subject
from ra_icl.faces.options import FaceOptions
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.flow.subjects import flow_subject
from ra_icl.model.options import BackboneOptions, ModelOptions, RegionOptions
from ra_icl.training.augmentation import AugmentationOptions
from ra_icl.training.fold import held_out_rows, split
from ra_icl.training.instances import InputOptions, load_instances
from ra_icl.training.loop import Training
from ra_icl.training.method import MethodOptions, OptimiserOptions
from ra_icl.twins.plan import TwinOptions
from ra_icl.twins.render import render

M6 = MethodOptions(
    model=ModelOptions(
        BackboneOptions("small", 8, (1, 1, 1, 1)),
        RegionOptions(width=32, heads=4, feedforward=32, hidden=32, embedding=32),
    ),
    augmentation=AugmentationOptions(blur=0),
    training=OptimiserOptions(epochs=40, batch=16, learning_rate=0.003, gamma=0.95, precision="fp32"),
)


@pytest.fixture(scope="module")
def instance_sets(tmp_path_factory):
    """Four subjects of a CASME II twin with 18 sequences each, through crops and TV-L1 flow.

    Peaks of 0.75 to 1.7 px in crops of 48 px; at the default strength they would be 0.1 to 0.5.
    """
    root = tmp_path_factory.mktemp("learning")
    strength = (2.0, 4.5)
    options = TwinOptions(subjects=4, per_class=6, scale=0.35, frames=(12, 14), excluded=False, strength=strength)
    render("casme2", root / "twin", options)
    index = build_index("casme2", {"root": str(root / "twin")})
    for subject, rows in index.groupby("subject"):
        crops = root / "crops" / f"{subject}.safetensors"
        crop_subject(rows, root / "twin", crops, FaceOptions(size=48))
        flow = root / "flow" / "casme2" / f"{subject}.safetensors"
        flow_subject(crops, rows, flow, Sampling("middle", 4), FlowOptions())
    return load_instances(select(index, PROTOCOLS["cde"]), root / "flow", InputOptions(), "cpu")


def test_the_whole_method_beats_chance_on_an_unseen_twin(instance_sets):
    training, held_out = split(instance_sets, held_out_rows(instance_sets.table, "casme2-sub01"))
    trained = Training(training, held_out, 3, M6, 0, "cpu").run()
    hits = trained.probabilities.argmax(axis=1) == held_out.table["label"].to_numpy()
    assert len(hits) == 18
    assert hits.mean() > 0.55  # chance is 0.33
