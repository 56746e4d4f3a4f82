"""Attention in numbers: what kept networks look at in the sequences that their folds held out, a row a sequence."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ra_icl.attention.maps import all_activations, enlarged, regions_of
from ra_icl.attention.measures import correlation, finite_mean, hits, pair_correlation, shares, standard
from ra_icl.attention.sequences import Kept, Places, kept_network, known_motion, rows_of
from ra_icl.errors import InputError
from ra_icl.files import write_csv
from ra_icl.flow.sampling import middle_instance
from ra_icl.model.siamese import Branch
from ra_icl.training.augmentation import flip
from ra_icl.training.instances import InstanceSets, load_instances

# What is measured of a sequence, each the mean over its instances. Those of TRUTH need the true motion of twins.
TRUTH = ("inside", "area", "hit", "second", "second_area")
SEEN = ("agreement", "others", "mirror")
QUERIES = ("query_subjects", "query_datasets", "query_other", "query_found")
MEASURES = (*TRUTH, *SEEN, *QUERIES)
IDENTITY = ("data_source", "protocol", "method", "selection", "seed", "fold", "dataset", "subject", "sequence", "label")


def write_measures(
    folds: Sequence[Path], out: Path, places: Places, progress: Callable[[], object] = lambda: None
) -> None:
    """Measure the networks of one method's folds, of all seeds, and write the CSV `out`: a row per held-out sequence.

    folds: the folds' CSV files, the networks beside them. progress: called after each fold. Columns: IDENTITY,
    `looked_at`, the label that the network predicts from the middle instance and whose map is measured, and MEASURES;
    empty where there is nothing to measure. See docs/attention.md for their meaning.
    Raises InputError if a network, flow or the truth is missing, or if the folds are of several methods.
    """
    rows, methods = [], set()
    for csv in folds:
        kept = kept_network(csv)
        methods.add((kept.fold.protocol, kept.fold.method))
        if len(methods) > 1:
            raise InputError(
                f"{csv}: is of {kept.fold.method} under {kept.fold.protocol}; give folds of one method alone"
            )
        rows += measure_fold(kept, places)
        progress()
    write_csv(out, pd.DataFrame(rows, columns=[*IDENTITY, "looked_at", *MEASURES]))


def measure_fold(kept: Kept, places: Places) -> list[dict[str, Any]]:
    """A row for each sequence that the fold of a kept network held out; see `write_measures`."""
    held_out, trained = rows_of(kept.fold, places.indexes)
    sets = load_instances(held_out, places.flow, kept.input, "cpu")
    network = kept.network
    found, activations = [], []
    for number, row in enumerate(held_out.itertuples()):
        inputs = _instances(sets, number)
        measured, middle = _of_sequence(network, inputs, kept.options["augmentation"]["flip_negates_u"], row, places)
        found.append(_identity(kept, row) | measured)
        activations.append(middle)
    for number, measured in enumerate(found):
        alone = activations[number][measured["looked_at"]]
        rest = [maps[measured["looked_at"]] for other, maps in enumerate(activations) if other != number]
        measured["others"] = finite_mean(correlation(alone, np.stack(rest))) if rest else np.nan
    if network.regions is not None:
        one_each = trained.drop_duplicates(["dataset", "subject"]).reset_index(drop=True)
        references = load_instances(one_each, places.flow, kept.input, "cpu")
        for measured, of_queries in zip(found, _of_queries(network, sets, references), strict=True):
            measured |= of_queries
    return found


def _identity(kept: Kept, row: Any) -> dict[str, Any]:
    fold = kept.fold
    of_fold = {"data_source": fold.data_source, "protocol": fold.protocol, "method": fold.method, "seed": fold.seed}
    of_fold |= {"selection": kept.options["training"]["select"], "fold": fold.name}
    return of_fold | {key: getattr(row, key) for key in ("dataset", "subject", "sequence", "label")}


def _instances(sets: InstanceSets, number: int) -> torch.Tensor:
    """The network inputs (N, 3, H, W) of a sequence."""
    first, count = int(sets.first[number]), int(sets.count[number])
    return sets.maps[first : first + count].float()


def _of_sequence(
    network: Branch, inputs: torch.Tensor, negates_u: bool, row: Any, places: Places
) -> tuple[dict[str, Any], np.ndarray]:
    """Measures of the instances (N, 3, H, W) of a sequence, and the middle one's maps of all classes (L, h, w)."""
    middle = middle_instance(len(inputs))
    logits, maps = all_activations(network, inputs)
    label = int(logits[middle].argmax())
    mirrored = all_activations(network, flip(inputs, negates_u))[1].flip(-1)
    seen, turned = (some[:, label].double().numpy() for some in (maps, mirrored))
    measured = {
        "looked_at": label,
        "agreement": pair_correlation(seen),
        "mirror": finite_mean(correlation(seen, turned)),
    }
    if places.twins and places.crops:
        measured |= _against_truth(enlarged(maps[:, label], inputs.shape[-1]).double().numpy(), row, places)
    return measured, maps[middle].double().numpy()


def _against_truth(maps: np.ndarray, row: Any, places: Places) -> dict[str, float]:
    """How class activation maps (N, size, size) fit the regions in which the clip's expression moves the skin.

    The negative part of a map, which speaks against the class, is left out.
    """
    truth, transform = known_motion(places.twins, places.crops, row)
    size, positive = maps.shape[-1], np.maximum(maps, 0)[:, None]

    def share(mask: np.ndarray) -> float:
        return finite_mean(shares(positive, np.broadcast_to(mask, maps.shape)))

    active = truth.crop_active(transform, size)
    found = {"inside": share(active), "area": float(active.mean()), "hit": finite_mean(hits(maps, active))}
    if any(role == "second" for role, _ in truth.parts):
        second = truth.crop_region("second", transform, size)
        found |= {"second": share(second), "second_area": float(second.mean())}
    return found


def _of_queries(network: Branch, sets: InstanceSets, references: InstanceSets) -> list[dict[str, float]]:
    """Whether each query means in the held-out sequences what it means in the subjects of training.

    references: one sequence of each subject that the fold was trained on. Both are seen by their middle instances.
    """
    held_out, known = (
        regions_of(network, some.maps[some.middle_instances()[0]].float()).double().flatten(2).numpy()
        for some in (sets, references)
    )
    datasets = references.table["dataset"].to_numpy()
    return [
        of_queries(heatmaps, known, datasets == dataset)
        for heatmaps, dataset in zip(held_out, sets.table["dataset"], strict=True)
    ]


def of_queries(heatmaps: np.ndarray, known: np.ndarray, own: np.ndarray) -> dict[str, float]:
    """Compare the queries' heatmaps (N, X) of an image with the mean heatmaps of R subjects, `known` (R, N, X).

    own: (R,) bool, the subjects of the image's dataset. Returns mean correlations with the same query in subjects of
    that dataset and of the others, with other queries in all subjects, and the share of queries that resemble their own
    mean heatmap over all subjects more than that of any other query (1 / N by chance).
    """
    seen = standard(heatmaps)

    def compared(subjects: np.ndarray) -> np.ndarray:
        if not subjects.any():
            return np.full((len(heatmaps), len(heatmaps)), np.nan)
        return seen @ standard(known[subjects].mean(axis=0)).T  # (N, N)

    everyone = compared(np.ones(len(known), dtype=bool))
    there = np.isfinite(everyone).all(axis=1)
    nearest = np.where(there, np.nan_to_num(everyone).argmax(axis=1) == np.arange(len(everyone)), np.nan)
    return {
        "query_subjects": finite_mean(np.diag(compared(own))),
        "query_datasets": finite_mean(np.diag(compared(~own))),
        "query_other": finite_mean(everyone[~np.eye(len(everyone), dtype=bool)]),
        "query_found": finite_mean(nearest),
    }
