"""Which sequences are shown: those that the config names, or the surest right and the surest wrong one of a class."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from ra_icl.errors import InputError


class Chosen(NamedTuple):
    """A sequence to show, and in words why: "surest right", "surest wrong" or "chosen"."""

    subject: str
    sequence: str
    why: str


def choose(predictions: pd.DataFrame, dataset: str, label: int, named: Sequence[str] = ()) -> list[Chosen]:
    """The sequences of a dataset and true class to show, from the predictions of one method's folds of one seed.

    predictions: columns dataset, subject, sequence, label, prediction and p0, p1, ... as `read_fold` gives them. named:
    subject/sequence of those to show instead, of any class; those of other classes are passed over.
    Of the right ones and of the wrong ones the surest is that whose predicted class has the highest probability; equal
    ones go by name. There may be none of either kind.
    Raises InputError if there is no sequence of that dataset and class, or no such named one.
    """
    of_dataset = predictions[predictions["dataset"] == dataset]
    rows = of_dataset[of_dataset["label"] == label]
    if rows.empty:
        raise InputError(f"attention: no held-out sequence of {dataset} has label {label}; give its subjects' folds")
    rows = rows.sort_values(["subject", "sequence"], ignore_index=True)
    if named:
        known = set(of_dataset["subject"] + "/" + of_dataset["sequence"])
        names = rows["subject"] + "/" + rows["sequence"]
        for name in named:
            if name not in known:
                raise InputError(
                    f"attention: {name} is no held-out sequence of {dataset}; correct it, or give its fold"
                )
        if not set(named) & set(names):
            raise InputError(f"attention: none of {', '.join(named)} has label {label}; name one that has, or none")
        places = [names.tolist().index(name) for name in named if name in set(names)]
        return [Chosen(rows["subject"][place], rows["sequence"][place], "chosen") for place in places]
    sure = pd.Series([row[f"p{row['prediction']}"] for _, row in rows.iterrows()], index=rows.index)
    right = rows["prediction"] == label
    return [
        Chosen(rows["subject"][sure[kind].idxmax()], rows["sequence"][sure[kind].idxmax()], why)
        for kind, why in ((right, "surest right"), (~right, "surest wrong"))
        if kind.any()
    ]
