"""What `ra-icl predict` prints: a table, CSV or JSON, and what everybody has to know who reads it."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate

from ra_icl.datasets.index import TITLES
from ra_icl.recognition.card import NO_LIE_DETECTOR, SYNTHETIC_NOTE, UNCALIBRATED, people_of
from ra_icl.recognition.clips import printable
from ra_icl.recognition.model import Model
from ra_icl.recognition.recognise import Recognition
from ra_icl.recognition.score import percent


def notice(model: Model) -> list[str]:
    """Lines that go with every prediction: what the model was trained on, how good it is, and what it is not."""
    return [f"{model.about['title']}: {trained_on(model)}", worth(model), NO_LIE_DETECTOR, UNCALIBRATED]


def trained_on(model: Model) -> str:
    """What a model was trained on, in a sentence; of synthetic faces it says so loudly."""
    if model.synthetic:
        return SYNTHETIC_NOTE
    data = model.about["data"]
    clips, people = (sum(found[key] for found in data.values()) for key in ("clips", "subjects"))
    return f"trained on {clips} clips of {people} people ({', '.join(TITLES[name] for name in data)})."


def worth(model: Model) -> str:
    """The score on held-out people, in a sentence."""
    score = model.about["score"]
    caveats = "".join(f"; {caveat}" for caveat in score["caveats"])
    return (
        f"On {people_of(model)} that its method had not seen: UF1 {percent(score, 'uf1')}, UAR {percent(score, 'uar')} "
        f"(guessing: {100 / len(model.classes):.1f} %){caveats}."
    )


def as_table(found: Sequence[Recognition], model: Model) -> str:
    """A row per clip: its frames, a column per class, the most probable one."""
    rows = [[one.clip.name, f"{one.numbers[0]}-{one.numbers[-1]}", *_shown(one), one.prediction] for one in found]
    header = ["clip", "frames", *model.classes, "most like"]
    places = ["left", "left", *["right"] * len(model.classes), "left"]
    return tabulate(rows, header, disable_numparse=True, colalign=places if rows else None)


def _shown(one: Recognition) -> list[str]:
    return [f"{value:.2f}" for value in one.probabilities.values()]


def as_csv(found: Sequence[Recognition], model: Model) -> str:
    """A row per clip with the columns clip, onset, offset, prediction and a `p_` column per class.

    Of a list, a column `row` after `clip` has the number of the row that names it.
    """
    columns = ["clip", "row", "onset", "offset", "prediction", *(f"p_{name}" for name in model.classes)]
    rows = [
        [one.clip.name, one.clip.row, one.numbers[0], one.numbers[-1], one.prediction, *one.probabilities.values()]
        for one in found
    ]
    table = pd.DataFrame(rows, columns=columns).astype({"row": "Int64"})
    return (table if table["row"].notna().any() else table.drop(columns="row")).to_csv(index=False)


def as_json(found: Sequence[Recognition], model: Model) -> str:
    """{"model": what it is, "clips": [what it says of each]}."""
    about: dict[str, Any] = {"file": str(model.path), "title": model.about["title"], "classes": list(model.classes)}
    about |= {"synthetic": model.synthetic, "notice": notice(model), "held_out": model.about["score"]}
    clips = [
        {
            "clip": one.clip.name,
            **({} if one.clip.row is None else {"row": one.clip.row}),
            "onset": one.numbers[0],
            "offset": one.numbers[-1],
            "sampled": [one.numbers[position] for position in one.positions],
            "face": {key: one.face[key] for key in ("found", "attempt", "box", "eyes", "others")},
            "marks": [printable(mark) for mark in one.face["marks"]],
            "prediction": one.prediction,
            "probabilities": dict(one.probabilities),
        }
        for one in found
    ]
    return json.dumps({"model": about, "clips": clips}, indent=1, ensure_ascii=False)
