"""Damaged files between the stages: what is read is what was written, or the file is named."""

import csv
import io
import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from fuzz_harness import attempt, content, damaged, damages, fuzz
from hypothesis import strategies as st

from ra_icl.datasets.index import index_frame, read_index_csv
from ra_icl.evaluation.explain import explain
from ra_icl.evaluation.folds import read_fold
from ra_icl.evaluation.metrics import aggregate
from ra_icl.files import load_tensors, save_tensors, write_csv, write_json
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.flow.subjects import flow_subject
from ra_icl.planning.check_frames import recorded_crops
from ra_icl.planning.check_results import damaged_results
from ra_icl.training.checkpoint import Checkpoint
from ra_icl.training.instances import load_instances
from ra_icl.training.method import InputOptions

SEQUENCES = ("EP01_01", "EP02_03f", "a b.é")
NUMBERS = [46, 47, 49, 50]
OPENCV = FlowOptions(backend="opencv")  # the one that compiles nothing
CLASSES = ("negative", "positive", "surprise")
ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 10**20),
        st.floats(),
        st.text(max_size=6),
        st.sampled_from(["", "m1", "cde"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=3,
)


def distinct(*shape, kind, first=0):
    """An array in which neighbours differ, others in each array that starts at another `first`."""
    return ((np.arange(math.prod(shape)) * 7 + first) % 251).reshape(shape).astype(kind)


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """A results folder with index, crops and flow of one subject; the rows of its index; the flow as computed."""
    root = tmp_path_factory.mktemp("results")
    rows = [
        ("casme2", "sub01", name, f"sub01/{name}", 46, 47 if number else None, 50, 200, "happiness")
        for number, name in enumerate(SEQUENCES)
    ]
    columns = ("dataset", "subject", "sequence", "frames", "onset", "apex", "offset", "fps", "emotion")
    index = index_frame([dict(zip(columns, row, strict=True)) for row in rows])
    write_csv(root / "index/casme2.csv", index)
    crops = {name: distinct(4, 16, 16, kind=np.uint8, first=50 * number) for number, name in enumerate(SEQUENCES)}
    info = {"frames": NUMBERS, "files": [[9, 10**18 + number] for number in NUMBERS], "found": "eyes"}
    path = root / "crops/casme2/sub01.safetensors"
    save_tensors(path, crops, {"options": {"size": 16}, "sequences": dict.fromkeys(SEQUENCES, info)})
    flow_subject(path, index, root / "flow/middle-2/casme2/sub01.safetensors", Sampling(instances=2), OPENCV)
    return root, index, flow_of(root, index)


def flow_of(results, index):
    """The flow that is computed from the crops of a results folder, and what it records."""
    out = results / "other.safetensors"
    flow_subject(results / "crops/casme2/sub01.safetensors", index, out, Sampling(instances=2), OPENCV)
    return load_tensors(out)


def assert_same_tensors(found, wanted):
    """Equal names, shapes, types and values, and equal metadata."""
    assert found[1] == wanted[1]
    assert found[0].keys() == wanted[0].keys()
    for name, array in wanted[0].items():
        assert found[0][name].dtype == array.dtype
        np.testing.assert_array_equal(found[0][name], array)


@fuzz(7, operations=damages())
def test_damaged_crops(results, operations):
    root, index, before = results
    path = root / "crops/casme2/sub01.safetensors"
    recorded = recorded_crops(path.parent)
    with content(path, damaged(path.read_bytes(), operations)):
        found, said = attempt([path], flow_of, root, index)
        faults = damaged_results(root, "snakemake")
        again = recorded_crops(path.parent)
    if not said:
        assert_same_tensors(found, before)
    assert said or faults or again == recorded, "frames and stamps are others, unsaid"


@fuzz(7, operations=damages())
def test_damaged_flow(results, operations):
    root, index, before = results
    folder = root / "flow/middle-2"
    path = folder / "casme2/sub01.safetensors"
    table = index.assign(label=[0, 1, 2])
    maps = load_instances(table, folder, InputOptions(), "cpu").maps
    with content(path, damaged(path.read_bytes(), operations)):
        whole, said = attempt([path], load_tensors, path, verify=True)
        sets, refused = attempt([path, folder], load_instances, table, folder, InputOptions(), "cpu")
        faults = damaged_results(root, "snakemake")
    assert faults or not said
    if not refused and not faults:
        torch.testing.assert_close(sets.maps, maps, rtol=0, atol=0)
    if not said:
        assert_same_tensors(whole, before)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A checkpoint, and its tensors and record."""
    found = Checkpoint(tmp_path_factory.mktemp("checkpoint") / "fold.safetensors", "the key")
    tensors = {"weight": torch.arange(60.0).reshape(3, 4, 5), "steps": torch.tensor(7)}
    found.save(tensors, {"curve": [0.5, 0.25], "epoch": 2})
    return found, found.load()


@fuzz(6, operations=damages())
def test_damaged_checkpoints(checkpoint, operations):
    """It is resumed as it was saved, or training starts over."""
    saved, (tensors, record) = checkpoint
    with content(saved.path, damaged(saved.path.read_bytes(), operations)):
        found = saved.load()
    if found is not None:
        assert found[1] == record
        assert found[0].keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert torch.equal(found[0][name], tensor)


@pytest.fixture(scope="session")
def folds(tmp_path_factory):
    """CSV files of two folds with a JSON beside each."""
    root, paths = tmp_path_factory.mktemp("folds"), []
    options = {"loss": {"class_weights": "none"}, "model": {"target_decay": 0.99}}
    for number, subject in enumerate(("sub01", "sub02")):
        rows = [("casme2", subject, name, n, (n + number) % 3, 0.5, 0.25, 0.25) for n, name in enumerate(SEQUENCES)]
        columns = ("dataset", "subject", "sequence", "label", "prediction", "p0", "p1", "p2")
        paths.append(root / f"casme2-{subject}.csv")
        write_csv(paths[-1], pd.DataFrame(rows, columns=columns))
        values = {channel: {"mean": 0.1, "min": -1.0, "max": 1.0} for channel in ("u", "v", "strain")}
        record = {"method": "m6", "protocol": "cde", "seed": 0, "fold": f"casme2-{subject}", "selection": "last"}
        data = {"predicted": 3, "flow": "ab" * 32, "all": values, "classes": [4, 5, 6]}
        record |= {"data_source": "datasets", "data": data}
        record |= {"versions": {"torch": "2.13.0"}, "seconds": 3.5, "device": "cpu", "commit": "abc", "key": "k"}
        write_json(paths[-1].with_suffix(".json"), record | {"curve": curve(6), "options": options})
    return paths


def curve(epochs):
    """What is recorded of each epoch, of a training that learned."""
    found = {"accuracy": 0.9, "gradients": {"cls": 2.0, "acl": 1.0}, "assignment_entropy": 1.0, "wins": [0.5, 0.5]}
    changing = [{"cls": 1 / epoch, "weight_norm": 1.0 + epoch, "lag": 0.3 / epoch} for epoch in range(1, epochs + 1)]
    return [found | {"loss": 2.0, "mask_cosine": 0.5} | epoch for epoch in changing]


def aggregated(folds):
    return aggregate(folds, folds[0].with_name("metrics.json"), classes=CLASSES, protocol="cde", method="m6")


@fuzz(6, number=st.integers(0, 1), operations=damages())
def test_damaged_predictions(folds, number, operations):
    """What is scored are the cells of the file."""
    path = folds[number]
    data = damaged(path.read_bytes(), operations)
    with content(path, data):
        found, said = attempt([path], read_fold, path, len(CLASSES))
        _, refused = attempt([*folds, "metrics"], aggregated, folds)
    assert not said or refused
    if said:
        return
    cells = [row for row in csv.reader(io.StringIO(data.decode("utf-8"), newline="")) if row]
    rows = found[0].drop(columns=["seed", "file"])
    assert len(rows) == len(cells) - 1 == 3
    for wanted, row in zip(cells[1:], rows.itertuples(index=False), strict=True):
        assert wanted[:3] == list(row[:3])
        assert [float(cell) for cell in wanted[3:]] == [float(value) for value in row[3:]]


@st.composite
def json_changes(draw):
    """Where a JSON is changed, as a number for each level, and what stands there then; None removes the key."""
    return draw(st.lists(st.integers(0, 30), min_size=1, max_size=3)), draw(ANYTHING), draw(st.booleans())


def with_change(value, change):
    """`value` with another value at a place of `json_changes`."""
    (first, *more), new, remove = change
    if not isinstance(value, dict) or not value:
        return new
    key = list(value)[first % len(value)]
    if more and isinstance(value[key], list) and value[key]:
        place = more[0] % len(value[key])
        return value | {key: [*value[key][:place], with_change(value[key][place], (more, new, remove))]}
    if more and isinstance(value[key], dict):
        return value | {key: with_change(value[key], (more, new, remove))}
    return {k: v for k, v in value.items() if k != key} if remove else value | {key: new}


@fuzz(8, number=st.integers(0, 1), change=json_changes(), operations=st.one_of(st.just([]), st.just([]), damages()))
def test_changed_records_of_folds(folds, number, change, operations):
    """JSON with other values or bytes: the scores are the same, for they come from the CSV, or the file is named."""
    path = folds[number].with_suffix(".json")
    before = aggregated(folds)
    text = json.dumps(with_change(json.loads(path.read_text(encoding="utf-8")), change))
    with content(path, damaged(text.encode(), operations)):
        found, said = attempt([*folds, *[one.with_suffix(".json") for one in folds]], aggregated, folds)
        attempt([path], explain, path)
    assert said or found["scores"] == before["scores"]


@fuzz(8, operations=damages(1))
def test_damaged_index(results, operations):
    """Rows are what the CSV says, or the file is named."""
    path = results[0] / "index/casme2.csv"
    data = damaged(path.read_bytes(), operations)
    with content(path, data):
        found, said = attempt([path], read_index_csv, path)
    if said:
        return
    cells = [row for row in csv.reader(io.StringIO(data.decode("utf-8"), newline="")) if row]
    assert len(found) == len(cells) - 1
    for wanted, row in zip(cells[1:], found.astype(object).to_dict("records"), strict=True):
        for title, cell in zip(cells[0], wanted, strict=False):
            if title in row:
                assert same_value(cell, row[title]), f"{title} is {cell!r} in the file and {row[title]!r} as read"


def same_value(cell, value):
    if pd.isna(value):
        return cell == ""
    return cell == value if isinstance(value, str) else float(cell) == value
