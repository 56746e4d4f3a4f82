"""The leak: what is gained by choosing the epoch by the held-out subjects' own labels.

The trainings are the same in every row; only the epoch at which a held-out subject is predicted differs. What a row
gains over the last epoch is therefore no better method, and nobody who has no labels can have it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ra_icl.datasets.nested import InnerFold
from ra_icl.errors import InputError
from ra_icl.evaluation.caveats import DATA, all_caveats
from ra_icl.evaluation.data_notes import data_notes
from ra_icl.evaluation.folds import EPOCHS, predictions_among, read_beside
from ra_icl.evaluation.intervals import Subjects, compare, interval_notes, score_intervals, subjects_of
from ra_icl.evaluation.leak_figure import CHOOSING, draw_epochs
from ra_icl.evaluation.metrics import SCORES, uar, uf1
from ra_icl.evaluation.records import read_metrics, read_record
from ra_icl.evaluation.table_formats import Table, write_formats
from ra_icl.evaluation.tables import DECIMALS, SYNTHETIC_NOTE, percent, record, signed

RULES = {"last": "the last"} | CHOOSING
LEAKS = ("subject", "mean")  # the rules that look at the labels which they are judged by
SHOWN = ("uf1", "uar")
INNER_NOTE = "Chosen by inner folds: highest UF1 + UAR on the inner folds of the other groups' subjects"


@dataclass(frozen=True)
class Epochs:
    """A method's predictions after each epoch, counted.

    names: (dataset, subject), sorted. matrices: (subjects, seeds, epochs, C, C), counts; where a training was shorter
    than others, its last epoch goes on. lengths: (subjects, seeds), how long each was.
    """

    names: list[tuple[str, str]]
    matrices: np.ndarray
    lengths: np.ndarray


def read_epochs(fold_csvs: Sequence[Path], metrics: Mapping[str, Any]) -> Epochs:
    """Count the predictions after each epoch of a method's folds, from the .epochs.csv beside each fold's CSV.

    metrics: the content of the method's metrics JSON. Raises InputError if a file is missing or cannot be read, or if
    the last epochs do not give the confusion matrices of `metrics`.
    """
    whole = subjects_of(metrics)
    places = {name: place for place, name in enumerate(whole.names)}
    seeds = {seed: place for place, seed in enumerate(metrics["seeds"])}
    classes = len(metrics["classes"])
    counted = {}
    for path in fold_csvs:
        seed = seeds[read_record(path.with_suffix(".json"))["seed"]]
        for name, rows in _read(path).groupby(["dataset", "subject"]):
            if name not in places:
                what = f"holds {'/'.join(name)}, which is not among the subjects of {metrics['method']}'s metrics"
                raise InputError(f"{path}: {what}; delete the fold, or make the metrics again")
            counted[places[name], seed] = _count(rows, classes)
    longest = max(map(len, counted.values()))
    matrices = np.zeros((len(places), len(seeds), longest, classes, classes), dtype=int)
    lengths = np.zeros((len(places), len(seeds)), dtype=int)
    for place, found in counted.items():
        lengths[place] = len(found)
        matrices[place] = found[np.minimum(np.arange(longest), len(found) - 1)]
    if not np.array_equal(matrices[:, :, -1], whole.matrices):
        what = f"the last epochs are not what {metrics['method']} was scored on"
        raise InputError(f"{fold_csvs[0].parent}: {what}; run its folds again")
    return Epochs(whole.names, matrices, lengths)


def best_by_subject(epochs: Epochs) -> np.ndarray:
    """The epoch, from 1, at which each subject's accuracy is highest, (subjects, seeds); of several, the latest."""
    hits = np.trace(epochs.matrices, axis1=-2, axis2=-1)
    latest = hits.shape[-1] - np.argmax(hits[..., ::-1], axis=-1)
    return np.minimum(latest, epochs.lengths)


def best_of_all(epochs: Epochs) -> np.ndarray:
    """The epoch, from 1, at which UF1 + UAR of all subjects are highest, one per seed, as (subjects, seeds).

    A training that was shorter is taken at its end.
    """
    return np.minimum(_best_epochs(epochs.matrices)[None], epochs.lengths)


def best_of_inner(epochs: Epochs, inner: Mapping[str, np.ndarray], groups: Sequence[str]) -> np.ndarray:
    """The epoch, from 1, that inner folds choose for each subject's group, as (subjects, seeds).

    inner: {group: the counts of its inner folds (epochs, C, C)}, subjects of the other groups alone. groups: the group
    of each subject of `epochs`.
    """
    chosen = {group: int(_best_epochs(counts[None, None])[0]) for group, counts in inner.items()}
    of_subject = np.array([chosen[group] for group in groups])
    return np.minimum(of_subject[:, None], epochs.lengths)


def at_epochs(epochs: Epochs, chosen: np.ndarray) -> Subjects:
    """The predictions of each subject and seed at the epoch chosen for it."""
    taken = np.take_along_axis(epochs.matrices, chosen[..., None, None, None] - 1, axis=2)
    return Subjects(epochs.names, taken[:, :, 0])


def _best_epochs(matrices: np.ndarray) -> np.ndarray:
    """The epoch, from 1, with the highest UF1 + UAR of all subjects; (seeds,) from (subjects, seeds, epochs, C, C)."""
    pooled = matrices.sum(0)
    return np.argmax(uf1(pooled) + uar(pooled), axis=-1) + 1


def _read(path: Path) -> pd.DataFrame:
    """The predictions after each epoch beside a fold's CSV, of all epochs that its record tells of."""
    kept = path.with_suffix(EPOCHS)
    if not kept.is_file():
        raise InputError(f"{kept}: is missing; list the method under keep_epochs and run again")
    rows = read_beside(kept, {"epoch": int, "label": int, "prediction": int})
    last, trained = rows["epoch"].max(), len(read_record(path.with_suffix(".json")).get("curve", ()))
    if last != trained:
        what = f"ends with epoch {last}, but its fold was trained for {trained}"
        raise InputError(f"{kept}: {what}; delete {path} and run again")
    return rows


def _count(rows: pd.DataFrame, classes: int) -> np.ndarray:
    """The confusion matrices (epochs, C, C) of predictions after each epoch, from 1."""
    counts = np.zeros((rows["epoch"].max(), classes, classes), dtype=int)
    np.add.at(counts, (rows["epoch"].to_numpy() - 1, rows["label"].to_numpy(), rows["prediction"].to_numpy()), 1)
    return counts


def build_leak(found: Sequence[tuple[Mapping[str, Any], Epochs, Mapping[str, np.ndarray]]], methods: Mapping) -> Table:
    """The table: a row for each method and rule, with what it gains over the last epoch.

    found: of `read_method`, for each method. methods: {method: its "title" and its mark "mir"}.
    """
    titles = _titles(methods)
    rows = [
        _row(metrics, rule, epochs, chosen[rule], chosen["last"], titles)
        for metrics, epochs, chosen in found
        for rule in RULES
        if rule in chosen
    ]
    contents = [metrics for metrics, _, _ in found]
    data = pd.DataFrame(rows)
    caption = "One training, predicted at differently chosen epochs, UF1 and UAR in %"
    said, notes = tuple(all_caveats(contents)), _notes(contents, methods)
    return Table("leak", caption, said, notes, data, _printed(data), record=record(contents))


def _row(
    metrics: Mapping[str, Any],
    rule: str,
    epochs: Epochs,
    chosen: np.ndarray,
    last: np.ndarray,
    titles: Mapping[str, str],
) -> dict[str, Any]:
    """A row of the CSV: scores, intervals and gains in points, and which epochs were chosen."""
    method, subjects = metrics["method"], at_epochs(epochs, chosen)
    row = {"data": DATA[metrics["data_source"]], "method": method, "title": titles.get(method, method.upper())}
    row |= {"rule": rule, "leak": rule in LEAKS, "seeds": len(metrics["seeds"])}
    row |= dict(zip(("epoch_low", "epoch_median", "epoch_high"), np.quantile(chosen, (0, 0.5, 1)), strict=True))
    intervals, gains = score_intervals(subjects), compare(subjects, at_epochs(epochs, last))
    for score in SHOWN:
        values = 100 * SCORES[score](subjects.matrices.sum(0))
        low, high = (100 * end for end in intervals.get(score, (np.nan, np.nan)))
        gain = gains[score]
        row |= {score: values.mean(), f"{score}_std": values.std(ddof=1) if len(values) > 1 else np.nan}
        row |= {f"{score}_low": low, f"{score}_high": high}
        row |= {f"{score}_gain": 100 * gain.value, f"{score}_gain_low": 100 * gain.low}
        row |= {f"{score}_gain_high": 100 * gain.high, f"{score}_p": gain.p}
    return {key: round(value, DECIMALS) if isinstance(value, float) else value for key, value in row.items()}


def _printed(data: pd.DataFrame) -> pd.DataFrame:
    """The cells for people, all text."""
    cells = {"Method": data["title"], "Data": data["data"], "Epoch": data["rule"].map(RULES)}
    epochs = data[["epoch_median", "epoch_low", "epoch_high"]].itertuples(index=False)
    cells["Median (range)"] = [f"{median:g} ({low:g} to {high:g})" for median, low, high in epochs]
    for score in SHOWN:
        spread = data[[score, *(f"{score}_{end}" for end in ("std", "low", "high"))]].itertuples(index=False)
        cells[score.upper()] = [percent(*values) for values in spread]
        gains = data[[f"{score}_gain{end}" for end in ("", "_low", "_high")]].itertuples(index=False)
        shown = pd.Series([signed(*values) for values in gains])
        cells[f"{score.upper()}: gain"] = shown.mask(data["rule"].eq("last"), "")
    return pd.DataFrame(cells)


def _titles(methods: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: method.get("title", name) for name, method in methods.items()}


def _notes(contents: Sequence[Mapping[str, Any]], methods: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """What was done with the data, and what the rows mean."""
    names = [content["method"] for content in contents]
    return (
        *([SYNTHETIC_NOTE] if contents[0]["data_source"] == "twins" else []),
        *data_notes(contents, methods),
        "All rows of a method come from the same trainings; gain: points over the last epoch",
        "Best for each held-out subject: highest accuracy on that subject, of several epochs the latest; "
        "best over all: highest UF1 + UAR of all held-out subjects; both use the labels that they are scored on",
        *_inner_notes(contents),
        *interval_notes(names, [subjects_of(content) for content in contents]),
    )


def _inner_notes(contents: Sequence[Mapping[str, Any]]) -> list[str]:
    """Whose inner folds chose the epochs: a method that takes another's options takes its epochs, too."""
    selected = [(content["method"], content["selection_of"]) for content in contents if content.get("selection_of")]
    others = [f"for {method} those of {of['method']}" for method, of in selected if of["method"] != method]
    return ["; ".join([INNER_NOTE, *others])] if selected else []


def write_leak(metrics_jsons: Sequence[Path], folds: Path, out_stem: Path, figure_stem: Path, methods: Mapping) -> None:
    """Write the table as `out_stem`.csv, .md, .tex, .notes.md and .html, the chosen epochs as `figure_stem`.pdf, .png.

    folds: the folder folds/ of the run that the metrics come from. methods: as for `build_leak`.
    """
    found = [read_method(Path(path), Path(folds)) for path in metrics_jsons]
    write_formats(build_leak(found, methods), out_stem)
    draw_epochs(found, _titles(methods), figure_stem)


def read_method(metrics_json: Path, folds: Path) -> tuple[dict[str, Any], Epochs, dict[str, np.ndarray]]:
    """A method's metrics, epochs and {rule: chosen epochs (subjects, seeds)}; `inner` if its options were selected.

    Raises InputError, naming the file, for a fold that is missing or does not belong to the metrics, and for a method
    that is not scored at its last epoch.
    """
    metrics = read_metrics(metrics_json)
    if metrics["selection"] != "last":
        what = f"{metrics['method']} has chosen its epochs: its training.select is {metrics['selection']}"
        raise InputError(f"{metrics_json}: {what}; set it to last")
    root = folds / metrics["protocol"]
    epochs = read_epochs(_fold_csvs([root / metrics["method"] / f"seed{seed}" for seed in metrics["seeds"]]), metrics)
    chosen = {"last": epochs.lengths, "subject": best_by_subject(epochs), "mean": best_of_all(epochs)}
    if selection := metrics.get("selection_of"):
        chosen["inner"] = best_of_inner(epochs, *_inner(epochs, root, selection, len(metrics["classes"])))
    return metrics, epochs, chosen


def _fold_csvs(folders: Sequence[Path]) -> list[Path]:
    found = [path for folder in folders for path in predictions_among(sorted(folder.glob("[!.]*.csv")))]
    if not found:
        raise InputError(f"{folders[0]}: holds no folds; name the folder folds/ of the run")
    return found


def _inner(
    epochs: Epochs, root: Path, selection: Mapping[str, Any], classes: int
) -> tuple[dict[str, np.ndarray], list[str]]:
    """{group: the counts of the chosen candidate's inner folds (epochs, C, C)}, and the group of each subject.

    A subject belongs to the one group whose inner folds have not seen it.
    """
    groups, parts = selection["groups"], selection["inner_folds"]
    counts, seen = {}, {}
    for group, choice in groups.items():
        folder = root / f"{selection['method']}.{choice['candidate']}" / f"seed{selection['seed']}"
        names = [InnerFold(group, len(groups), part, parts).name for part in range(1, parts + 1)]
        tables = [_read(folder / f"{name}.csv") for name in names]
        counts[group] = sum(_count(table, classes) for table in tables)
        seen[group] = {pair for table in tables for pair in zip(table["dataset"], table["subject"], strict=True)}
    unseen = [[group for group in groups if name not in seen[group]] for name in epochs.names]
    for name, of_subject in zip(epochs.names, unseen, strict=True):
        if len(of_subject) != 1:
            raise InputError(
                f"{root}: {'/'.join(name)} is left out by the inner folds of {len(of_subject)} groups instead of one; "
                "run them again"
            )
    return counts, [of_subject[0] for of_subject in unseen]
