"""What went wrong in a training, in plain words, from the record that its fold leaves.

`findings` gives each warning a name, by which a method's metrics count its folds and a table's notes speak of them;
`explain` is for people.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from ra_icl.errors import InputError
from ra_icl.evaluation.records import FOLD, read_record

# A term pulls harder than classification in more than half of the epochs, with some room: in trainings that learned, no
# term's median was above 1; 30 times the weight of L_acl gave 2.3 to 12.
OUTWEIGHS = 1.5
# Share of what guessing the classes' frequencies costs; trainings that learned ended below 0.8 of it. Strong L_acl can
# keep the loss there although most answers are right, so the accuracy must also be less than HALF_WAY from the most
# frequent class's share to 1.
UNDERFIT, HALF_WAY = 0.9, 0.5
# Relative change of ||W|| over all epochs; at a rate of 1e-6 it was below 1e-4, in trainings that learned above 0.02.
STILL = 0.002
# Share of ln N. At temperature 1 the entropy of P stayed above 0.997 of it; at 0.1 a training starts at 0.91.
UNIFORM = 0.99
# Share of the pixels that one query wins: the other N - 1 then have a twentieth together.
WINS = 0.95
# Mean cosine between mask embeddings: those of a decoder that starts from zeros had 0.995 and more, others up to 0.98.
ALIKE = 0.99
# The target's distance at the end as a share of its largest. It closes in as the rate falls, unless it follows too
# slowly (0.4 to 0.6 in trainings of three time constants of the average); one that never moves is farthest at the end.
# Below LAG_LEAST, a share of the parameters' norm, it is near.
LAG_OF_LARGEST, LAG_LEAST = 0.8, 0.05
# Training accuracy from which a training has memorised its sequences, and how far the held-out one is below it.
BY_HEART, GAP = 0.95, 0.3
FEW = 20  # held-out sequences: one more hit or miss then changes the accuracy by 5 points or more

TERMS = {
    "acl": "L_acl",
    "align": "L_align",
    "c": "L_c",
    "entropy": "the entropy term",
    "decorrelation": "decorrelation",
}
WEIGHTS = {"acl": "attention", "align": "alignment", "c": "consistency"}  # their keys below `loss`, if named otherwise
# Every warning, as the notes of a table name it.
WARNINGS = {f"outweighed_by_{term}": f"{title} outweighs classification" for term, title in TERMS.items()} | {
    "uniform_regions": "P stays uniform, so that the queries divide nothing",
    "collapsed_regions": "the queries have collapsed",
    "lagging_target": "the target network lags behind",
    "underfit": "the network has not learned its training sequences",
    "overfit": "the network has memorised its training sequences",
}


def explain(path: Path) -> list[str]:
    """Lines that say what is wrong with a fold, with the numbers.

    path: its JSON or its CSV of predictions, which lie side by side. Raises InputError if one of them is missing or
    damaged.
    """
    path = Path(path)
    path = path.with_suffix(".json") if path.suffix == ".csv" else path
    record = read_record(path, {"curve?": FOLD["curve?"], "data?": {}, "options?": {}})
    if peer := record.get("options", {}).get("peer"):
        what = f"is of the peer {peer['name']}, whose training leaves no diagnoses"
        raise InputError(f"{path}: {what}; name the JSON of a method of Ra-ICL's")
    if not record.get("curve"):
        raise InputError(f"{path}: holds no curve; name the JSON of a fold")
    if not diagnosed(record):
        return ["trained by an older version, which left no diagnoses; train the fold again to have it explained"]
    try:
        predictions = pd.read_csv(path.with_suffix(".csv"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    found = _findings(path, record, predictions)
    return [f"{name}: {text}" for name, text in found.items()] or ["nothing stands out"]


def diagnosed(record: Mapping[str, Any]) -> bool:
    """Whether a fold's record holds what `findings` reads; those of older versions do not."""
    curve = record.get("curve")
    return bool(curve) and "gradients" in curve[-1] and "classes" in record.get("data", {})


def findings(record: Mapping[str, Any], predictions: pd.DataFrame) -> dict[str, str]:
    """What stands out in a fold: {name of the warning: a sentence with the numbers}; empty if nothing does.

    record: the fold's JSON, for which `diagnosed` holds. predictions: its CSV. A warning is left out where another is
    its cause: a network that does not move or whose classification is outweighed has not learned either, and regions
    and a target are judged only where the network has learned.
    """
    curve = record["curve"]
    norms = [epoch["weight_norm"] for epoch in curve]
    loss, chance, majority = curve[-1]["cls"], *guessing(record)
    learned = f"the classification loss ends at {loss:.2f}, guessing has {chance:.2f}"
    if len(curve) > 1 and (max(norms) - min(norms)) < STILL * max(norms):
        return {"underfit": f"the weights hardly move, and {learned}; raise training.learning_rate"}
    found = dict(_outweighing(curve, learned))
    if loss >= UNDERFIT * chance and curve[-1]["accuracy"] < majority + HALF_WAY * (1 - majority):
        return found or {"underfit": f"{learned}; train longer or raise training.learning_rate"}
    return found | dict(_regions(record)) | dict(_target(record)) | dict(_overfit(curve, predictions))


def _findings(path: object, record: Mapping[str, Any], predictions: pd.DataFrame) -> dict[str, str]:
    """`findings`. Raises InputError, naming the file, for values that no training leaves."""
    try:
        return findings(record, predictions)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: object, error: Exception) -> InputError:
    reason = " ".join(str(error).split())
    return InputError(f"{path}: its CSV or a value cannot be read ({reason}); delete both and run again")


def count_warnings(folds: Sequence[tuple[pd.DataFrame, Mapping[str, Any]]]) -> dict[str, dict[str, int]]:
    """{"warnings": {name: number of folds}} of what `read_fold` returned; empty if no fold is `diagnosed`."""
    told = [_findings(rows["file"].iloc[0], record, rows) for rows, record in folds if diagnosed(record)]
    return {"warnings": dict(Counter(name for found in told for name in found))} if told else {}


def warning_notes(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for every warning that at least half of a method's folds have. metrics: content of metrics JSONs."""
    notes = []
    for content in metrics:
        for name, count in content.get("warnings", {}).items():
            folds = content["folds"] * len(content["seeds"])
            if 2 * count >= folds:
                where = f"{content['method']}: in {count} of {folds} folds"
                notes.append(f"{where} {WARNINGS.get(name, name)} (ra-icl explain)")
    return notes


def guessing(record: Mapping[str, Any]) -> tuple[float, float]:
    """Classification loss and accuracy of a network that knows nothing but how frequent the training classes are."""
    counts = [count for count in record["data"]["classes"] if count]
    if record["options"]["loss"]["class_weights"] == "balanced":
        return math.log(len(counts)), 1 / len(counts)
    shares = [count / sum(counts) for count in counts]
    return -sum(share * math.log(share) for share in shares), max(shares)


def _outweighing(curve: Sequence[Mapping[str, Any]], learned: str) -> Iterator[tuple[str, str]]:
    """The term whose gradient on the backbone is the largest, if it is larger than classification's.

    Others that are larger too are named in its sentence: where one outweighs, classification's own gradient wanes.
    """
    pulls = {}
    for term in curve[-1]["gradients"]:
        if term != "cls":
            pulls[term] = median(epoch["gradients"][term] / max(epoch["gradients"]["cls"], 1e-12) for epoch in curve)
    stronger = sorted((term for term in pulls if pulls[term] > OUTWEIGHS), key=pulls.get, reverse=True)
    if stronger:
        shown = ", ".join(f"{TERMS[term]} {pulls[term]:.1f} times" for term in stronger)
        text = f"gradients on the backbone, in the median over epochs: {shown} that of classification"
        key = WEIGHTS.get(stronger[0], stronger[0])
        yield f"outweighed_by_{stronger[0]}", f"{text}; {learned}; lower loss.{key}"


def _regions(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    last = record["curve"][-1]
    if "mask_cosine" not in last:  # without MRD, or with a single query
        return
    entropy, cosine, wins = last["assignment_entropy"], last["mask_cosine"], max(last["wins"])
    alike = f"the mean cosine between mask embeddings is {cosine:.3f}"
    most = math.log(len(last["wins"]))
    if entropy >= UNIFORM * most:
        text = f"the entropy of P is {entropy:.3f} of at most {most:.3f}, {alike}"
        yield "uniform_regions", f"{text}: the queries divide nothing; lower model.regions.temperature"
    elif wins > WINS or cosine > ALIKE:
        text = f"one of {len(last['wins'])} queries wins {wins:.0%} of the pixels, {alike}"
        yield "collapsed_regions", f"{text}; see model.regions.sinkhorn and loss.entropy"


def _target(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    lags = [epoch["lag"] for epoch in record["curve"] if "lag" in epoch]
    if lags and lags[-1] > max(LAG_LEAST, LAG_OF_LARGEST * max(lags)):
        decay = record["options"]["model"]["target_decay"]
        text = f"the target ends {lags[-1]:.0%} of the parameters' norm away, and was at most {max(lags):.0%} away"
        yield "lagging_target", f"{text}; lower model.target_decay, which is {decay:g}, or train longer"


def _overfit(curve: Sequence[Mapping[str, Any]], predictions: pd.DataFrame) -> Iterator[tuple[str, str]]:
    hits, count = int((predictions["label"] == predictions["prediction"]).sum()), len(predictions)
    accuracy = curve[-1]["accuracy"]
    if accuracy >= BY_HEART and hits / count < accuracy - GAP:
        few = "; that is few sequences, so look at other folds too" if count < FEW else ""
        yield "overfit", f"training accuracy is {accuracy:.0%}, {hits} of {count} held-out sequences are right{few}"
