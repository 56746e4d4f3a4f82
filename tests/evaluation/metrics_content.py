"""Metrics as aggregation writes them, in which no two numbers are alike."""

import numpy as np

from ra_icl.datasets.protocols import PROTOCOLS

FLOW = "0123456789abcdef" * 4


def percents(method: str, subset: int) -> tuple[float, float]:
    """UF1 and UAR in % of a method (m1 to m9) on its subset 0, 1, ..: 61.25 and 62.25 of m6 on subset 0."""
    return 10 * int(method[1]) + 2 * subset + 1.25, 10 * int(method[1]) + 2 * subset + 2.25


def deviation(subset: int, score: int) -> float:
    """The deviation over seeds in %: 0.11 for UF1 on subset 0."""
    return 0.11 + 0.2 * subset + 0.1 * score


def matrix(classes: int, subset: int) -> list[list[int]]:
    """A confusion matrix (classes, classes) whose counts are all different: 10, 11, .. on subset 0."""
    return (10 * (subset + 1) + np.arange(classes**2)).reshape(classes, classes).tolist()


def metrics(
    method="m6", protocol="cde", *, datasets=None, source="datasets", selection="last", seeds=(0,), subjects=None
):
    """The content of a metrics JSON; several seeds give deviations. Without `subjects` it is of an older version."""
    known = PROTOCOLS[protocol]
    classes = list(known.classes) or ["one", "two"]
    subsets = ["composite", *(datasets or known.datasets)]
    content = {
        "method": method,
        "protocol": protocol,
        "classes": classes,
        "seeds": list(seeds),
        "scores": {name: _scores(method, number, len(seeds)) for number, name in enumerate(subsets)},
        "confusion": {name: matrix(len(classes), number) for number, name in enumerate(subsets)},
        "data_source": source,
        "selection": selection,
        "data": {"flow": FLOW, "values": values(int(method[1]))},
        "without_apex": {"smic": 164} if "smic" in subsets else {},
        "left_out": {},
    }
    if subjects is not None:
        content["subjects"] = subjects
        content["confusion"]["composite"] = np.sum([one["confusion"] for one in subjects], axis=(0, 1)).tolist()
    return content


def people(hits: float, counts=None, *, seeds=1, classes=3, method=0) -> list[dict]:
    """Entries of a metrics JSON's `subjects`: 15 people of three datasets, or `counts` = {dataset: people}.

    Their labels are the same whatever the other arguments; a share of `hits` is predicted right, at random of `method`.
    """
    labels, guesses = np.random.default_rng(1), np.random.default_rng([2, method])
    found = []
    for dataset, count in (counts or {"casme2": 6, "samm": 5, "smic": 4}).items():
        for number in range(count):
            label = labels.integers(classes, size=labels.integers(2, 9))
            right = guesses.random((seeds, len(label))) < hits
            guess = np.where(right, label, (label + guesses.integers(1, classes, size=right.shape)) % classes)
            matrices = np.zeros((seeds, classes, classes), dtype=int)
            for one, guessed in zip(matrices, guess, strict=True):
                np.add.at(one, (label, guessed), 1)
            sequences = [
                {"sequence": f"clip{place:02}", "label": int(label[place]), "predictions": guess[:, place].tolist()}
                for place in range(len(label))
            ]
            entry = {"dataset": dataset, "subject": f"s{number:02}", "confusion": matrices.tolist()}
            found.append({**entry, "sequences": sequences})
    return found


def values(seed: int) -> dict:
    """Mean, least and largest of u, v and strain: u is 1.5 (-9 to 12) for seed 1."""
    channels = enumerate(("u", "v", "strain"))
    return {name: {"mean": seed + number + 0.5, "min": number - 9.0, "max": number + 12.0} for number, name in channels}


def _scores(method, subset, seeds):
    means = dict(zip(("uf1", "uar"), percents(method, subset), strict=True))
    scores = {
        name: {"mean": mean / 100, "std": deviation(subset, number) / 100 if seeds > 1 else None}
        for number, (name, mean) in enumerate(means.items())
    }
    return scores | {"samples": 100 * (subset + 1)}
