"""What the figures of attention show of a sequence: frames, motion, and the maps of each method's network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ra_icl.attention.choice import Chosen, choose
from ra_icl.attention.maps import class_maps, enlarged, regions_of
from ra_icl.attention.sequences import Kept, Places, file_of, kept_network, known_motion, rows_of, sampled
from ra_icl.datasets.names import original
from ra_icl.errors import InputError
from ra_icl.evaluation.folds import SEQUENCE_KEY, read_fold
from ra_icl.evaluation.motion import full_colour
from ra_icl.files import open_tensors
from ra_icl.flow.sampling import middle_instance
from ra_icl.training.instances import load_instances


class MethodView(NamedTuple):
    """What a method's network makes of K instances of a sequence that its fold held out.

    title: of the method; judgement: the class that it predicts from the middle instance, and how sure it is. cam,
    grad_cam: (K, H, W), the maps of that class on the whole picture; guided: (K, H, W), the length of Guided Grad-CAM
    over the channels. regions: (K, N, H, W), or None without region discovery.
    """

    title: str
    judgement: str
    cam: np.ndarray
    grad_cam: np.ndarray
    guided: np.ndarray
    regions: np.ndarray | None


class Shown(NamedTuple):
    """A sequence as the figures show it.

    title: its name, class and why it is shown. labels: of K instances, the numbers of their frames, and from which of
    them the methods predict. frames: (K, H, W[, 3]) uint8, or None for published maps. motion: (K, 2, H, W), u and v.
    strain: (K, H, W). pixels: whether the motion is in pixels, not in the units of published maps. active: (H, W) bool,
    where the expression moves the skin, of twins. methods: a view each.
    """

    title: str
    labels: list[str]
    frames: np.ndarray | None
    motion: np.ndarray
    strain: np.ndarray
    pixels: bool
    active: np.ndarray | None
    methods: list[MethodView]

    @property
    def speed(self) -> float:
        """The length of motion that has the full colour, as have the few vectors at the border that are longer."""
        return full_colour(np.linalg.norm(self.motion, axis=1))


def shown_sequences(
    folds: Mapping[str, Sequence[Path]],
    titles: Mapping[str, str],
    places: Places,
    dataset: str,
    label: int,
    named: Sequence[str] = (),
) -> tuple[list[Shown], dict[str, Any]]:
    """The sequences of a class to show, and what a title says of the run.

    folds: {method: CSV files of its folds, of one seed}, all of one protocol and one sampling; by the last method's
    predictions the surest sequences are found. titles: {method: its title}. named: as `choice.choose` takes it.
    Facts: data_source, protocol, selection, class_name, `chosen_by`, the title of the last method, and `counts`, how
    many of the class's sequences and people are shown, in words.
    Raises InputError if a fold, a network, flow or the truth is missing.
    """
    kept = kept_network(folds[list(folds)[-1]][0])
    classes = kept.fold.class_names
    predictions = {
        method: pd.concat([read_fold(path, len(classes))[0] for path in paths], ignore_index=True)
        for method, paths in folds.items()
    }
    last = list(predictions)[-1]
    chosen = choose(predictions[last], dataset, label, named)
    found = [_shown(one, dataset, predictions, titles, places, classes) for one in chosen]
    rows = predictions[last].query("dataset == @dataset and label == @label")
    people = len({one.subject for one in chosen}), rows["subject"].nunique()
    counts = "{} of {} sequences, {} of {} people".format(len(chosen), len(rows), *people)
    facts = {"data_source": kept.fold.data_source, "protocol": kept.fold.protocol, "class_name": classes[label]}
    facts |= {"selection": kept.options["training"]["select"], "chosen_by": titles[last], "counts": counts}
    return found, facts


def _shown(
    one: Chosen,
    dataset: str,
    predictions: Mapping[str, pd.DataFrame],
    titles: Mapping[str, str],
    places: Places,
    classes: Sequence[str],
) -> Shown:
    views = []
    for method, rows in predictions.items():
        held_out = _of_sequence(rows, (dataset, one.subject, one.sequence))
        if len(held_out) != 1:
            raise InputError(
                f"attention: {len(held_out)} folds of {method} hold out {one.subject}/{one.sequence}; give one"
            )
        views.append((titles[method], held_out.iloc[0]))
    kept = [kept_network(Path(predicted["file"])) for _, predicted in views]
    held_out, _ = rows_of(kept[0].fold, places.indexes)
    row = next(_of_sequence(held_out, (dataset, one.subject, one.sequence)).itertuples())
    with open_tensors(file_of(places.flow, row)) as file:
        maps = file.get(row.sequence, verify=True).astype(np.float32)  # (N, 3, H, W)
    middle = middle_instance(len(maps))
    some = sorted({0, middle, len(maps) - 1})
    methods = [
        _view(title, predicted, network, places, classes, some)
        for (title, predicted), network in zip(views, kept, strict=True)
    ]
    title = f"{one.why}: {original(row.subject)}/{original(row.sequence)}, {row.emotion}"
    labels, *pictures = _frames(row, maps[some], some, places)
    if all(network.options["inference"]["instances"] == "middle" for network in kept):
        labels[some.index(middle)] += " predicted from"
    return Shown(title, labels, *pictures, _active(row, maps.shape[-1], places), methods)


def _view(
    title: str, predicted: pd.Series, kept: Kept, places: Places, classes: Sequence[str], some: list[int]
) -> MethodView:
    """What a method's network makes of the instances numbered `some`."""
    held_out, _ = rows_of(kept.fold, places.indexes)
    one = _of_sequence(held_out, predicted[SEQUENCE_KEY])
    inputs = load_instances(one, places.flow, kept.input, "cpu").maps[some].float()
    size, label = inputs.shape[-1], int(predicted["prediction"])
    found = class_maps(kept.network, inputs, [label] * len(inputs))
    regions = None
    if kept.network.regions is not None:
        regions = enlarged(regions_of(kept.network, inputs), size).numpy()
    judgement = f"{classes[label]} {100 * predicted[f'p{label}']:.0f} %"
    cam, grad_cam = (enlarged(some, size).numpy() for some in (found.cam, found.grad_cam))
    return MethodView(title, judgement, cam, grad_cam, found.guided.norm(dim=1).numpy(), regions)


def _of_sequence(rows: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """The rows of a sequence; key: its dataset, subject and name."""
    return rows[(rows[SEQUENCE_KEY] == list(key)).all(axis=1)]


def _frames(row: Any, maps: np.ndarray, some: list[int], places: Places) -> tuple[Any, ...]:
    """Labels, frames, motion, strain, and whether the motion is in pixels, of the instances numbered `some`."""
    motion, strain = maps[:, :2], maps[:, 2]
    if places.crops is None:
        # Published maps are scaled map by map, so that no motion has another value in each; most of a face is at rest.
        motion = motion - np.median(motion, axis=(2, 3), keepdims=True)
        return [f"map {number + 1}" for number in some], None, motion, strain, False
    used = sampled(places.flow, row)
    with open_tensors(file_of(places.crops, row)) as file:
        clip = file.get(row.sequence)
        frames = clip[[used.positions[number] for number in some]].copy()
    labels = [f"frame {used.numbers[number]}" for number in some]
    return labels, frames, motion, strain, True


def _active(row: Any, size: int, places: Places) -> np.ndarray | None:
    if places.twins is None or places.crops is None:
        return None
    truth, transform = known_motion(places.twins, places.crops, row)
    return truth.crop_active(transform, size)
