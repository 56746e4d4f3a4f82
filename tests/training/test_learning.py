"""From rendered twins to predictions: M6 learns on unseen subjects, and a spoiled one fails the same check."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fold_data import changed
from scipy.stats import binomtest

from ra_icl.datasets.protocols import PROTOCOLS, fold_of, select
from ra_icl.datasets.reading import build_index
from ra_icl.evaluation.metrics import confusion, uf1
from ra_icl.faces.crop import crop_subject
from ra_icl.faces.options import FaceOptions
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.flow.subjects import flow_subject
from ra_icl.model.options import BackboneOptions, ModelOptions, RegionOptions
from ra_icl.training.augmentation import AugmentationOptions
from ra_icl.training.fold import split
from ra_icl.training.instances import InputOptions, load_instances, normalise
from ra_icl.training.loop import Training
from ra_icl.training.method import MethodOptions, OptimiserOptions
from ra_icl.twins.plan import TwinOptions
from ra_icl.twins.render import render

SEEDS = (0, 1, 2)
HELD_OUT = (("casme2-sub01", "casme2-sub02"), ("casme2-sub03", "casme2-sub04"))
M6 = MethodOptions(
    model=ModelOptions(
        BackboneOptions("small", 8, (1, 1, 1)),
        RegionOptions(width=32, layers=1, heads=4, feedforward=32, hidden=32, embedding=32),
    ),
    augmentation=AugmentationOptions(blur=0),
    training=OptimiserOptions(epochs=8, batch=24, pairs="instances", learning_rate=0.006, gamma=0.85, precision="fp32"),
)
M2 = changed(M6, loss={"attention": 0, "regions": 0})


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    """Four subjects of a CASME II twin with 18 sequences each, through crops of 32 px and TV-L1 flow.

    Peaks of 0.5 to 1.1 px; at the default strength they would be 0.1 to 0.35. Maps are halved to 16 px, so that a
    training takes a second.
    """
    root = tmp_path_factory.mktemp("learning")
    strength = (2.0, 4.5)
    options = TwinOptions(subjects=4, per_class=6, scale=0.35, frames=(12, 14), excluded=False, strength=strength)
    render("casme2", root / "twin", options)
    index = build_index("casme2", {"root": str(root / "twin")})
    for subject, rows in index.groupby("subject"):
        crops = root / "crops" / f"{subject}.safetensors"
        crop_subject(rows, root / "twin", crops, FaceOptions(size=32))
        flow = root / "flow" / "casme2" / f"{subject}.safetensors"
        flow_subject(crops, rows, flow, Sampling("middle", 4), FlowOptions())
    sets = load_instances(select(index, PROTOCOLS["cde"]), root / "flow", InputOptions("none"), "cpu")
    halved = torch.nn.functional.avg_pool2d(sets.maps.float(), 2)
    return replace(sets, maps=normalise(halved, InputOptions()).half())


def pooled(sets, method, seed, curves=None):
    """Labels and predictions of all sequences, each by a training on the two other subjects; adds to `curves`."""
    labels, predictions = [], []
    for subjects in HELD_OUT:
        training, held_out = split(sets, fold_of(sets.table, PROTOCOLS["cde"]).isin(subjects).to_numpy())
        trained = Training(training, held_out, 3, method, seed, "cpu").run()
        if curves is not None:
            curves.append(trained.curve)
        labels += held_out.table["label"].tolist()
        predictions += trained.probabilities.argmax(axis=1).tolist()
    return np.array(labels), np.array(predictions)


def require_learning(method, baseline):
    """p < 0.001 against chance for every seed, and a mean UF1 not below the baseline's by more than 0.1.

    Both: {seed: (labels, predictions)}.
    """
    for labels, predictions in method.values():
        hits = int((labels == predictions).sum())
        assert binomtest(hits, len(labels), 1 / 3, alternative="greater").pvalue < 0.001
    means = [np.mean([uf1(confusion(*pair, 3)) for pair in found.values()]) for found in (method, baseline)]
    assert means[0] > means[1] - 0.1


@pytest.fixture(scope="module")
def baseline(twin):
    """M2 under the same settings, which itself learns."""
    return {seed: pooled(twin, M2, seed) for seed in SEEDS}


def test_the_whole_method_learns_a_twin(twin, baseline):
    curves = []
    found = {seed: pooled(twin, M6, seed, curves) for seed in SEEDS}
    assert all(len(labels) == 72 for labels, _ in found.values())
    assert min(epoch["similarity_spread"] for curve in curves for epoch in curve) > 0.02  # the queries differ
    require_learning(found, baseline)
    require_learning(baseline, found)


@pytest.mark.parametrize(("form", "seeds"), [("printed", SEEDS), ("squared", SEEDS[:1])])
def test_the_check_turns_red_where_attention_consistency_outweighs_classification(twin, baseline, form, seeds):
    """At 30 times the weight of L_acl the network predicts one or two of the three classes, in either form."""
    spoiled = changed(M6, loss={"attention": 30 * M6.loss.attention, "attention_form": form})
    with pytest.raises(AssertionError):
        require_learning({seed: pooled(twin, spoiled, seed) for seed in seeds}, baseline)
