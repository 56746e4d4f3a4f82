"""Does it matter how far the sampled window is from the apex? Scores over N, and hit rates over that distance.

The method never sees the apex; the annotation serves here to ask, afterwards, whether that was any loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ra_icl.datasets.index import TITLES, read_index_csvs
from ra_icl.errors import InputError
from ra_icl.evaluation.caveats import caveats
from ra_icl.evaluation.folds import SEQUENCE_KEY, class_count, read_fold, require_same
from ra_icl.evaluation.intervals import LEAST_SUBJECTS, bootstrap
from ra_icl.evaluation.metrics import summarise
from ra_icl.files import RERUN
from ra_icl.flow.sampling import Sampling, middle_instance, sample

MOST_BINS, LEAST_IN_BIN = 7, 15  # bins of equal numbers of sequences: no more of them, and no fewer sequences in each
# Modes that take frames without looking at the apex: their window has a distance from it.
APEX_FREE = ("middle", "full", "random", "uniform")


@dataclass(frozen=True)
class Predicted:
    """What one method predicted: `rows`, a row per sequence and seed, with the column hit; and its scores.

    content: what `caveats` and `data_of` read of a metrics JSON.
    """

    method: str
    rows: pd.DataFrame
    content: Mapping[str, Any]


@dataclass(frozen=True)
class Bin:
    """Sequences whose windows are about as far from the apex.

    distance: their mean in frames; rate, low, high: the share that was predicted right, and its interval over people,
    NaN with fewer than 10 of them.
    """

    distance: float
    sequences: int
    subjects: int
    rate: float
    low: float
    high: float


def apex_distances(indexes: Sequence[Path], sampling: Sampling) -> pd.DataFrame:
    """Where the window of every sequence of the index CSVs lies: columns SEQUENCE_KEY, distance, inside.

    distance: frames from the annotated apex to the middle instance, from which inference predicts; negative before the
    apex, NaN without an annotation. inside: whether the apex is one of the sampled frames. All frames from onset to
    offset are taken to be there. Raises InputError for a sampling that looks at the apex.
    """
    if sampling.mode not in APEX_FREE:
        raise InputError(f"sampling.mode: is {sampling.mode}, which looks at the apex; choose {', '.join(APEX_FREE)}")
    rows = read_index_csvs(indexes)
    found = []
    for row in rows.itertuples():
        key = f"{row.dataset}/{row.subject}/{row.sequence}"
        positions = sample(int(row.offset - row.onset) + 1, None, sampling, key)
        middle = positions[middle_instance(len(positions))]
        known = not pd.isna(row.apex)
        apex = int(row.apex - row.onset) if known else None
        found.append((middle - apex if known else np.nan, known and apex in positions))
    return rows[SEQUENCE_KEY].assign(distance=[one for one, _ in found], inside=[one for _, one in found])


def read_predicted(fold_csvs: Sequence[Path]) -> list[Predicted]:
    """What each method predicted, in the order in which methods first occur among the folds' CSVs.

    Raises InputError, naming the file, for folds that cannot be read and for methods of other sequences or seeds.
    """
    folds: dict[str, list] = {}
    for path in map(Path, fold_csvs):
        rows, record = read_fold(path, class_count(path))
        of_method = folds.setdefault(record["method"], [])
        of_method.append((rows, record))
        require_same(path, record, _shared(of_method[0][1]), "name the folds of one run")
    found = [_predicted(method, of_method) for method, of_method in folds.items()]
    for one in found[1:]:
        first, other = (set(each.rows[[*SEQUENCE_KEY, "seed"]].itertuples(index=False)) for each in (found[0], one))
        if first != other:
            raise InputError(f"{one.method}: predicts other sequences or seeds than {found[0].method}; {RERUN}")
    return found


def _shared(record: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that must be the same in all folds of a method."""
    return {key: record[key] for key in ("protocol", "data_source", "selection")}


def _predicted(method: str, folds: Sequence[tuple[pd.DataFrame, Mapping[str, Any]]]) -> Predicted:
    rows = pd.concat([rows for rows, _ in folds], ignore_index=True)
    first, classes = folds[0][1], sum(name[0] == "p" and name[1:].isdigit() for name in rows.columns)
    content = _shared(first) | {"method": method}
    content |= summarise(rows, [str(number) for number in range(classes)])
    content["subjects"] = rows[["dataset", "subject"]].drop_duplicates().to_dict("records")
    return Predicted(method, rows.assign(hit=rows["label"] == rows["prediction"]), content)


def joined(predicted: Predicted, distances: pd.DataFrame) -> pd.DataFrame:
    """A row per sequence that has an annotated apex: SEQUENCE_KEY, distance, inside, hits, seeds.

    Raises InputError for a sequence that no index has.
    """
    per_sequence = predicted.rows.groupby(SEQUENCE_KEY)["hit"].agg(hits="sum", seeds="count").reset_index()
    rows = per_sequence.merge(distances, "left", SEQUENCE_KEY, indicator="found")
    for row in rows[rows["found"] != "both"].itertuples():
        raise InputError(f"{predicted.method}: {row.dataset}/{row.subject}/{row.sequence} is not in the index; {RERUN}")
    return rows.drop(columns="found").dropna(subset="distance").reset_index(drop=True)


def bins_of(distances: np.ndarray) -> np.ndarray:
    """The bin (S,) of each distance (S,): about as many sequences in each, and equal distances in one."""
    count = max(1, min(MOST_BINS, len(distances) // LEAST_IN_BIN))
    inner = np.unique(np.quantile(distances, np.arange(1, count) / count, method="inverted_cdf"))
    found = np.searchsorted(inner, distances, side="left")
    return np.unique(found, return_inverse=True)[1]


def hit_rates(rows: pd.DataFrame) -> list[Bin]:
    """Hit rates by distance, over the rows of `joined`, in the order of the distances."""
    found = []
    for _, part in rows.groupby(bins_of(rows["distance"].to_numpy())):
        people = part.groupby(["dataset", "subject"])[["hits", "seeds"]].sum().to_numpy(dtype=float)
        rate = people[:, 0].sum() / people[:, 1].sum()
        found.append(Bin(part["distance"].mean(), len(part), len(people), rate, *_interval(people)))
    return found


def _interval(people: np.ndarray) -> tuple[float, float]:
    """The 95 % bootstrap interval of a hit rate, people drawn with replacement; people: (P, 2), hits of how many."""
    if len(people) < LEAST_SUBJECTS:
        return np.nan, np.nan

    def rate(rows: np.ndarray) -> np.ndarray:
        hits, of = np.moveaxis(people[rows].sum(-2), -1, 0)
        return (hits / of)[None]

    low, high = bootstrap([np.arange(len(people))], rate)[0]
    return float(low), float(high)


def notes_of(first: Predicted, rows: pd.DataFrame, distances: pd.DataFrame) -> list[str]:
    """What must be said: caveats, how often the apex is in the window, and which sequences are left out."""
    inside = 100 * rows["inside"].mean()
    notes = [*caveats(first.content), f"The apex is in the sampled window of {inside:.0f} % of {len(rows)} sequences"]
    sequences = first.rows[SEQUENCE_KEY].drop_duplicates().merge(distances, "left", SEQUENCE_KEY)
    missing = sequences.loc[sequences["distance"].isna(), "dataset"].value_counts()
    listed = ", ".join(f"{missing[name]} of {title}" for name, title in TITLES.items() if name in missing)
    return [*notes, *([f"Without an annotated apex, and so counted in the scores alone: {listed}"] if listed else [])]
