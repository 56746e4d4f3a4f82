"""What is said of a training: short real ones, healthy and spoiled on purpose, and hand-made records at each limit."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ra_icl.datasets.index import COLUMNS
from ra_icl.errors import InputError
from ra_icl.evaluation.explain import diagnosed, explain, findings
from ra_icl.files import read_json, save_tensors, write_json
from ra_icl.model.options import BackboneOptions, ModelOptions, RegionOptions
from ra_icl.training.augmentation import AugmentationOptions
from ra_icl.training.fold import Fold, run_fold
from ra_icl.training.instances import InputOptions
from ra_icl.training.method import MethodOptions, OptimiserOptions

EMOTIONS = ("disgust", "happiness", "surprise")  # in label order
CENTRES = ((3, 8), (8, 8), (13, 8))
# Regions that neither stay uniform nor collapse, and a target that closes in within 48 steps.
HEALTHY = MethodOptions(
    input=InputOptions("none"),
    model=ModelOptions(
        BackboneOptions("small", 8, (1, 1, 1)),
        RegionOptions(
            width=32, layers=1, heads=4, feedforward=32, hidden=32, embedding=32,
            temperature=0.1, target_temperature=0.04, sinkhorn=3,
        ),
        target_decay=0.95,
    ),
    augmentation=AugmentationOptions(blur=0),
    training=OptimiserOptions(epochs=12, batch=12, learning_rate=0.006, gamma=0.85, precision="fp32"),
)  # fmt: skip


def changed(**changes):
    """HEALTHY with other options: changed(training={"epochs": 3})."""
    return replace(HEALTHY, **{name: replace(getattr(HEALTHY, name), **values) for name, values in changes.items()})


def regions(**changes):
    return changed(model={"regions": replace(HEALTHY.model.regions, **changes)})


def write_subject(folder, subject, sequences, seed, shuffled=False):
    """Rows and flow of a subject: a bump in u at a place that tells the class, under noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:16, :16]
    labels = np.arange(sequences) % 3
    tensors = {}
    for number, label in enumerate(labels):
        y, x = CENTRES[label]
        maps = rng.normal(0.5, 0.1, (4, 3, 16, 16))
        maps[:, 0] += rng.uniform(0.3, 0.8, (4, 1, 1)) * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 6)
        tensors[f"EP{number:02d}"] = maps.astype(np.float16)
    save_tensors(folder / "flow" / "casme2" / f"{subject}.safetensors", tensors, {})
    if shuffled:
        rng.shuffle(labels)
    return [
        ("casme2", subject, name, "x", 1, 3, 9, 200, EMOTIONS[label])
        for name, label in zip(tensors, labels, strict=True)
    ]


def train(folder, options, training=48, held_out=24, **how):
    """The JSON of a fold that was trained."""
    rows = write_subject(folder, "sub01", held_out, seed=2) + write_subject(folder, "sub02", training, seed=1, **how)
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "casme2.csv", index=False)
    out = folder / "casme2-sub01.csv"
    run_fold(out, Fold("cde", "m6", out.stem, 0, "twins"), [folder / "casme2.csv"], folder / "flow", options)
    return out.with_suffix(".json")


SPOILED = {
    "outweighed_by_acl": changed(loss={"attention": 30 * HEALTHY.loss.attention}),
    "lagging_target": changed(model={"target_decay": 1.0}),
    "underfit": changed(training={"learning_rate": 1e-6}),
    "collapsed_regions": changed(model={"regions": replace(HEALTHY.model.regions, sinkhorn=0), "target_decay": 0.9}),
    "uniform_regions": regions(temperature=1.0, target_temperature=1.0, sinkhorn=0),
}


@pytest.mark.parametrize("warning", SPOILED)
def test_a_training_that_is_spoiled_is_explained_by_its_cause_alone(tmp_path, warning):
    lines = explain(train(tmp_path, SPOILED[warning]))
    assert [line.partition(":")[0] for line in lines] == [warning]


def test_nothing_stands_out_in_a_healthy_training(tmp_path):
    path = train(tmp_path, HEALTHY)
    assert explain(path) == ["nothing stands out"]
    command = [sys.executable, "-c", "from ra_icl.cli import main; main()", "explain", path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "nothing stands out\n"


def test_labels_that_mean_nothing_are_learned_by_heart(tmp_path):
    options = changed(
        loss={"attention": 0, "regions": 0},
        augmentation={"brightness": 0, "contrast": 0, "saturation": 0},
        training={"batch": 4, "epochs": 20, "gamma": 0.95},
    )
    (line,) = explain(train(tmp_path, options, training=12, held_out=12, shuffled=True))
    assert line.startswith("overfit: training accuracy is ")
    assert line.endswith("of 12 held-out sequences are right; that is few sequences, so look at other folds too")


def record(epochs=3, *, regions=True, **changes):
    """A training that nothing is wrong with, of 8 queries and three classes; changes: of its last epoch."""
    told = {
        "cls": 0.3,
        "accuracy": 0.9,
        "weight_norm": 1.0,
        "lag": 0.02,
        "gradients": {"cls": 1.0, "acl": 0.2, "c": 0.9},
    }
    if regions:
        told |= {"assignment_entropy": 1.2, "mask_cosine": 0.6, "wins": [0.3, *[0.1] * 7]}
    curve = [told | {"weight_norm": 1 + 0.1 * epoch, "lag": 0.1} for epoch in range(epochs)]
    curve[-1] |= {"lag": 0.02} | changes
    options = asdict_of(HEALTHY)
    return {"curve": curve, "data": {"classes": [10, 10, 10]}, "options": options}


def asdict_of(options):
    return {
        "loss": {"class_weights": options.loss.class_weights},
        "model": {"target_decay": options.model.target_decay},
    }


def predictions(right, wrong=0):
    return pd.DataFrame({"label": [1] * (right + wrong), "prediction": [1] * right + [0] * wrong})


LIMITS = [
    ({}, []),
    ({"cls": 0.98, "accuracy": 0.4}, []),  # ln 3 is 1.0986
    ({"cls": 1.0, "accuracy": 0.4}, ["underfit"]),
    ({"cls": 1.0, "accuracy": 0.68}, []),  # more than half of what is between 1/3 and 1
    ({"assignment_entropy": 2.05}, []),  # ln 8 is 2.0794
    ({"assignment_entropy": 2.06}, ["uniform_regions"]),
    ({"assignment_entropy": 2.07, "mask_cosine": 0.999, "wins": [1.0, *[0.0] * 7]}, ["uniform_regions"]),
    ({"mask_cosine": 0.985}, []),
    ({"mask_cosine": 0.995}, ["collapsed_regions"]),
    ({"wins": [0.06, 0.94, *[0.0] * 6]}, []),
    ({"wins": [0.04, 0.96, *[0.0] * 6]}, ["collapsed_regions"]),
    ({"lag": 0.079}, []),  # of at most 0.1
    ({"lag": 0.081}, ["lagging_target"]),
    ({"accuracy": 0.96}, ["overfit"]),  # 6 of 10 are right
    ({"accuracy": 0.94}, []),
    ({"lag": 0.09, "accuracy": 1.0}, ["lagging_target", "overfit"]),
    ({"lag": 0.09, "accuracy": 0.3, "cls": 1.1, "mask_cosine": 1.0}, ["underfit"]),  # the others follow from it
]


@pytest.mark.parametrize(("changes", "names"), LIMITS)
def test_each_warning_has_its_limit(changes, names):
    assert list(findings(record(**changes), predictions(6, 4))) == names


def test_a_term_outweighs_if_it_does_in_most_epochs():
    strong = {"cls": 0.1, "acl": 0.02, "c": 0.4}
    once = record(gradients=strong)
    assert findings(once, predictions(4)) == {}
    often = record(gradients=strong)
    often["curve"][0] |= {"gradients": strong}
    found = findings(often, predictions(4))
    assert list(found) == ["outweighed_by_c"]
    assert "in the median over epochs: L_c 4.0 times that of classification" in found["outweighed_by_c"]
    both = record(epochs=1, gradients={"cls": 0.1, "c": 0.2, "acl": 0.7, "align": 0.1})
    ((name, text),) = findings(both, predictions(4)).items()
    assert name == "outweighed_by_acl"
    assert "L_acl 7.0 times, L_c 2.0 times that of classification" in text


def test_weights_that_stand_still_are_the_cause_of_all_else():
    still = record(gradients={"cls": 0.1, "c": 0.9}, cls=1.05)
    for number, epoch in enumerate(still["curve"]):
        epoch["weight_norm"] = 1 + 1e-4 * number
    found = findings(still, predictions(4))
    assert list(found) == ["underfit"]
    assert "the weights hardly move, and the classification loss ends at 1.05, guessing has 1.10" in found["underfit"]


def test_guessing_costs_the_entropy_of_the_classes():
    """Of 90 and 10 sequences 0.325; weighed alike, ln 2."""
    rare = record(cls=0.31, accuracy=0.91)
    rare["data"]["classes"] = [90, 0, 10]
    assert "guessing has 0.33" in findings(rare, predictions(4))["underfit"]
    rare["options"]["loss"]["class_weights"] = "balanced"
    assert findings(rare, predictions(4)) == {}


def test_a_classifier_and_a_single_query_have_no_regions_to_judge():
    assert findings(record(regions=False), predictions(4)) == {}
    single = record(assignment_entropy=0.0, wins=[1.0])
    for epoch in single["curve"]:
        del epoch["mask_cosine"]
    assert findings(single, predictions(4)) == {}


def test_a_fold_of_an_older_version_or_without_its_files_is_one_line(tmp_path):
    older = record()
    for epoch in older["curve"]:
        del epoch["gradients"]
    write_json(tmp_path / "fold.json", older)
    assert not diagnosed(read_json(tmp_path / "fold.json"))
    assert explain(tmp_path / "fold.json") == [
        "trained by an older version, which left no diagnoses; train the fold again to have it explained"
    ]
    write_json(tmp_path / "fold.json", older | {"options": {"peer": {"name": "svm"}}})
    with pytest.raises(InputError, match=r"fold\.json: is of the peer svm, whose training leaves no diagnoses; name"):
        explain(tmp_path / "fold.json")
    write_json(tmp_path / "fold.json", record())
    with pytest.raises(InputError, match=r"^[^\n]*fold\.json: its CSV or a value cannot be read \([^\n]*run again$"):
        explain(tmp_path / "fold.json")
    (tmp_path / "fold.json").write_text(json.dumps({"scores": {}}))
    with pytest.raises(InputError, match=r"fold\.json: holds no curve; name the JSON of a fold$"):
        explain(Path(tmp_path / "fold.json"))
    with pytest.raises(InputError, match=r"^[^\n]*other\.json: is missing; check its name, or run the step that makes"):
        explain(tmp_path / "other.csv")


def test_the_csv_of_a_fold_stands_for_the_json_beside_it(tmp_path):
    write_json(tmp_path / "fold.json", record())
    predictions(4).to_csv(tmp_path / "fold.csv", index=False)
    assert explain(tmp_path / "fold.csv") == explain(tmp_path / "fold.json") == ["nothing stands out"]
