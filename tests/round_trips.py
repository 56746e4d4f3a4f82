"""Round trips across the borders between two stages: what one writes, the next one reads.

The data are structured: every pixel, channel, frame and sequence has its own value, so that nothing can be transposed,
swapped, reversed or shuffled unnoticed. Each check raises AssertionError if what is read is not what was written.
"""

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from ra_icl import files
from ra_icl.datasets import public_flow
from ra_icl.datasets.frames import read_frames, sequence_frames
from ra_icl.datasets.index import index_frame
from ra_icl.datasets.protocols import PROTOCOLS, select
from ra_icl.faces.crop import crop_subject
from ra_icl.faces.landmarks import Found
from ra_icl.faces.options import FaceOptions
from ra_icl.flow import subjects as flow_subjects
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.model.options import BackboneOptions, ModelOptions, RegionOptions
from ra_icl.model.siamese import Branch
from ra_icl.training.checkpoint import Checkpoint
from ra_icl.training.instances import InstanceSets, load_instances
from ra_icl.training.loop import Training
from ra_icl.training.method import InputOptions, MethodOptions, OptimiserOptions
from ra_icl.training.network import load_network, save_network
from ra_icl.twins import render as twins
from ra_icl.twins.plan import TwinOptions, clips, plan
from ra_icl.twins.truth import read_truth, truth_file

SAVE = files.save_tensors  # for what a check prepares: the stages' own is what a mutation replaces


# Frames on disk -> crops

NUMBERS = (8, 9, 10, 11)  # in the order of numbers, not of names


def frame_value(x, y, step, clip):
    """RGB of a frame at pixel (x, y), both counted from the centre of the first: linear, so crops of it are known."""
    red, green = 10 + 1.2 * x + 4 * step + 20 * clip, 240 - 1.5 * y - 4 * step - 20 * clip
    return np.stack([red, green, 30 + 0.5 * x + y + 6 * step + 20 * clip], axis=-1)


def check_crops(tmp_path):
    rows = []
    for clip, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        for step, number in enumerate(NUMBERS):
            image = frame_value(*np.meshgrid(np.arange(120), np.arange(90)), step, clip).round().astype(np.uint8)
            cv2.imwrite(str(tmp_path / name / f"img{number}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        rows.append({"dataset": "samm", "subject": "006", "sequence": name, "frames": name, "emotion": "anger"})
        rows[-1] |= {"onset": NUMBERS[0], "apex": None, "offset": NUMBERS[-1], "fps": 200}
    tilted = Found((35.0, 20.0, 50.0), ((48.0, 42.0), (70.0, 36.0)), 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ra_icl.faces.onset.find", lambda image, options: tilted)
        crop_subject(index_frame(rows), tmp_path, tmp_path / "006.safetensors", FaceOptions(size=40, grey=False))
    crops, record = files.load_tensors(tmp_path / "006.safetensors")
    for clip, name in enumerate(("a", "b")):
        assert record["sequences"][name]["frames"] == list(NUMBERS)
        back = np.linalg.inv(np.vstack([record["sequences"][name]["transform"], [0, 0, 1]]))
        right, down = np.meshgrid(np.arange(40) + 0.5, np.arange(40) + 0.5)
        x, y = (back[:2] @ np.stack([right, down, np.ones_like(down)]).reshape(3, -1)).reshape(2, 40, 40) - 0.5
        for step in range(len(NUMBERS)):
            np.testing.assert_allclose(crops[name][step], frame_value(x, y, step, clip), atol=1.5)


# Crops -> flow

SHIFTS = {"a": ((1.0, -0.4), (1.8, -0.8), (2.6, -1.2)), "b": ((-0.5, 0.9), (-0.8, 1.6), (-1.1, 2.3))}  # u, v by frame
SIZE = 48


def bump(x, y):
    """Where the shifts apply: a place right of the middle and above it, wider than high."""
    return np.exp(-(((x - 31) / 14) ** 2) - ((y - 17) / 10) ** 2)


def pattern(x, y):
    waves = np.sin(0.8 * x + 0.3 * y), np.sin(0.75 * y - 0.3 * x), np.sin(0.25 * x - 0.2 * y)
    return 128 + 40 * sum(waves)


def check_flow(tmp_path):
    x, y = np.meshgrid(np.arange(SIZE, dtype=float), np.arange(SIZE, dtype=float))
    crops, truth = {}, {}
    for name, shifts in SHIFTS.items():
        shown = [pattern(x - u * bump(x, y), y - v * bump(x, y)) for u, v in ((0, 0), *shifts)]
        crops[name] = np.stack(shown).round().clip(0, 255).astype(np.uint8)
        truth[name] = np.stack([moved(x, y, *shift) for shift in shifts])
    paths = [tmp_path / f"{name}.safetensors" for name in ("crops", "flow")]
    SAVE(paths[0], crops, {"sequences": {name: {"frames": [5, 6, 7, 8]} for name in SHIFTS}})
    keys = {"dataset": "samm", "subject": "006", "sequence": list(SHIFTS)}
    times = {"onset": 5, "apex": pd.array([6, 7], "Int64"), "offset": 8}
    flow_subjects.flow_subject(paths[0], pd.DataFrame(keys | times), paths[1], Sampling("full"), FlowOptions())
    for name, maps in files.load_tensors(paths[1])[0].items():
        assert maps.shape == (3, 3, SIZE, SIZE)
        off, motion = (
            np.linalg.norm(one, axis=1).mean(axis=(1, 2)) for one in (maps[:, :2] - truth[name], truth[name])
        )
        assert (off < 0.5 * motion).all()
        u, v, strain = maps.astype(float).transpose(1, 0, 2, 3)
        (du_dy, du_dx), (dv_dy, dv_dx) = (np.gradient(one, axis=(1, 2)) for one in (u, v))
        expected = np.sqrt(du_dx**2 + dv_dy**2 + (du_dy + dv_dx) ** 2 / 2)
        np.testing.assert_allclose(strain[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], atol=0.005)


def moved(x, y, u, v):
    """Flow (2, H, W) from a pattern to the same drawn at (x, y) - (u, v) bump(x, y), by fixed point."""
    right, down = np.zeros_like(x), np.zeros_like(y)
    for _ in range(50):
        weight = bump(x + right, y + down)
        right, down = u * weight, v * weight
    return np.stack([right, down])


# Published PNG -> flow file -> instance set -> the batch that the network sees

PUBLISHED = (("006", "006_1_2", 0), ("006", "006_1_3", 2), ("007", "007_3_1", 1), ("007", "007_3_4", 0))


def check_published(tmp_path):
    rng = np.random.default_rng(0)
    planes = rng.integers(0, 256, (len(PUBLISHED), 2, 3, 5, 5)).astype(np.uint8)  # sequence, instance, u v strain
    (tmp_path / public_flow.FOLDER).mkdir(parents=True)
    for (subject, sequence, _), instances_of in zip(PUBLISHED, planes, strict=True):
        for suffix, (u, v, strain) in zip(("", "_1"), instances_of, strict=True):
            path = tmp_path / public_flow.FOLDER / f"{subject}_{sequence}{suffix} .png"
            cv2.imwrite(str(path), np.dstack([strain, v, u]))  # OpenCV writes blue first
    table = pd.DataFrame(PUBLISHED, columns=["sub", "filename_o", "label"]).assign(dataset="samm")
    table.iloc[::-1].to_csv(tmp_path / public_flow.TABLE, index=False)
    options = public_flow.PublishedOptions(root=str(tmp_path), layout="onset_apex_offset")
    index = public_flow.read_index({"x": options}, "samm")
    for subject, rows in index.groupby("subject"):
        public_flow.write_subject(rows, options, tmp_path / "flow" / "samm" / f"{subject}.safetensors")
    selected = select(index, PROTOCOLS["cde"])
    sets = load_instances(selected, tmp_path / "flow", InputOptions("none"), "cpu")
    values = planes / 255
    values[:, 1, :2] = 1 - values[:, 1, :2]  # the decay, reversed
    expected = torch.from_numpy(values.astype(np.float16)).float()
    assert sets.table["sequence"].tolist() == [sequence for _, sequence, _ in PUBLISHED]
    assert sets.labels.tolist() == [label for _, _, label in PUBLISHED]
    assert torch.equal(sets.maps[sets.middle_instances()[0]].float(), expected[:, 0])
    for seed in range(4):
        p, q = sets.draw_pair(torch.tensor([3, 0, 2, 1]), torch.Generator().manual_seed(seed))
        for one, other, row in zip(p, q, (3, 0, 2, 1), strict=True):
            first = int(torch.equal(one, expected[row, 1]))
            assert torch.equal(one, expected[row, first])
            assert torch.equal(other, expected[row, 1 - first])


# Twins: frames and truth


def check_twins(tmp_path):
    options = TwinOptions(per_class=1, frames=(8, 8), scale=0.25, strength=(5, 6), noise=0, excluded=False)
    root = tmp_path / "casme2"
    twins.render("casme2", root, options)
    for row, clip in zip(plan("casme2", options).itertuples(), clips("casme2", options), strict=True):
        shown = list(read_frames([frame for _, frame in sequence_frames(row, root)], grey=False))
        face, motion = twins.clip_motion(twins.subject_face(clip, options), clip, options)
        assert np.abs(shown[0].astype(float) - face.image[..., ::-1]).mean() < 3  # JPEG
        truth = read_truth(truth_file(root, row.subject, row.sequence))
        assert truth.onset == row.onset
        grid = np.indices(shown[0].shape[:2], np.float32)[::-1]
        still, undone = 0.0, 0.0
        for position, frame in enumerate(shown):
            flow = truth.flow(position)
            np.testing.assert_allclose(flow, motion.flow(position).transpose(2, 0, 1), atol=0.01)
            where = truth.active()
            back = cv2.remap(frame, *(grid + flow), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            still += np.abs(frame.astype(float) - shown[0])[where].mean()
            undone += np.abs(back.astype(float) - shown[0])[where].mean()
        assert undone < 0.6 * still


# Network and checkpoint


REGIONS = RegionOptions(queries=3, width=16, heads=2, feedforward=16, hidden=16, embedding=8)
MODEL = ModelOptions(backbone=BackboneOptions(stem="small", width=8, blocks=(1, 1)), regions=REGIONS)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        assert torch.equal(found[name], value), name


def check_network(tmp_path):
    network, maps = Branch(3, MODEL, True).to(memory_format=torch.channels_last), torch.rand(2, 3, 12, 12)
    save_network(tmp_path / "fold.safetensors", network, "abc", MethodOptions(model=MODEL), {"name": "samm-006"})
    again = load_network(tmp_path / "fold.safetensors").to(memory_format=torch.channels_last)
    halved = {name: value.half().to(value.dtype) for name, value in network.state_dict().items()}
    assert_same(again.state_dict(), halved)
    network.load_state_dict(halved)
    assert torch.equal(again.classify(maps), network.eval().classify(maps))


def training_state(seed, checkpoint):
    """A training after one step, on sequences of two random instances each."""
    maps = torch.rand(8, 3, 12, 12, generator=torch.Generator().manual_seed(seed))
    table = pd.DataFrame({"dataset": "samm", "subject": "006", "sequence": list("abcd"), "label": [0, 1, 2, 0]})
    counts = torch.tensor([2, 2, 2, 2])
    sets = InstanceSets(
        maps.half(), 2 * torch.arange(4), counts, torch.tensor(table["label"]), table, np.zeros((4, 3, 3))
    )
    options = MethodOptions(model=MODEL, training=OptimiserOptions(epochs=3, batch=4, precision="fp32"))
    training = Training(sets, sets, 3, options, seed, "cpu", checkpoint)
    training.epoch()
    return training


def check_checkpoint(tmp_path):
    checkpoint = Checkpoint(tmp_path / "fold.safetensors", "key")
    kept, other = training_state(1, checkpoint), training_state(2, checkpoint)
    kept._save()
    other._resume()
    assert_same(other._state(), kept._state())
    assert torch.equal(other.generator.get_state(), kept.generator.get_state())
    assert other.record["curve"] == kept.record["curve"]
