"""Folds as a run leaves them, with curves in which no two numbers are alike."""

import pandas as pd

from ra_icl.files import write_csv, write_json

CHANNELS = {name: {"mean": 0.5, "min": 0.0, "max": 1.0} for name in ("u", "v", "strain")}


def curve(epochs, shift=0.0, *, terms=("cls", "acl", "align", "c"), queries=4):
    """A curve of `epochs` epochs: the term cls falls from 1 + shift by 0.1 an epoch, the others lie 1 apart."""
    found = []
    for epoch in range(epochs):
        values = {term: number + 1 + shift - 0.1 * epoch for number, term in enumerate(terms)}
        gradients = {term: (number + 1) * (1 + shift) * 10.0**-epoch for number, term in enumerate(terms)}
        told = values | {"loss": sum(values.values()), "accuracy": 0.4 + 0.05 * epoch + 0.1 * shift}
        told |= {"weight_norm": 1 + shift + 0.2 * epoch, "gradients": gradients}
        if "acl" in terms:
            told["lag"] = 0.5 - 0.1 * epoch + 0.01 * shift
        if "align" in terms:
            told |= {"assignment_entropy": 1.0 + 0.01 * epoch, "mask_cosine": 0.5 + 0.02 * epoch}
            told["wins"] = wins(epoch, shift, queries)
        found.append(told)
    return found


def wins(epoch, shift, queries=4):
    """Shares of the queries, which add up to 1; which of them is the largest changes from epoch to epoch."""
    shares = [1.0 + shift, *(0.1 * number for number in range(1, queries))]
    shares = [share / sum(shares) for share in shares]
    place = epoch % queries
    return shares[-place:] + shares[:-place] if place else shares


def write_fold(folder, fold, rows, curve, *, method="m6", seed=0, protocol="cde", source="twins", selection="last"):
    """A fold's CSV and JSON; rows: (sequence, label, prediction). Returns the CSV."""
    dataset, _, subject = fold.partition("-")
    out = folder / protocol / method / f"seed{seed}" / f"{fold}.csv"
    out.parent.mkdir(parents=True, exist_ok=True)
    columns = ["dataset", "subject", "sequence", "label", "prediction", "p0", "p1", "p2"]
    table = [(dataset, subject, *row, 0.5, 0.3, 0.2) for row in rows]
    write_csv(out, pd.DataFrame(table, columns=columns))
    record = {
        **{"method": method, "protocol": protocol, "seed": seed, "fold": fold, "selection": selection},
        **{"data_source": source, "versions": {"torch": "2"}, "seconds": 9.0, "curve": curve},
        "data": {"predicted": len(rows), "flow": "f" * 64, "all": CHANNELS, "classes": [6, 3, 1]},
        "options": {"loss": {"class_weights": "none"}, "model": {"target_decay": 0.99}},
    }
    write_json(out.with_suffix(".json"), {key: value for key, value in record.items() if value is not None})
    return out
