"""Full-size twins, and the truth beside the frames, as flow in a crop: against estimated flow and by hand."""

import statistics

import cv2
import numpy as np
import pytest

from ra_icl.datasets import paper, protocols
from ra_icl.datasets.frames import sequence_frames
from ra_icl.errors import InputError
from ra_icl.faces.crop import crop_sequence
from ra_icl.faces.options import FaceOptions
from ra_icl.flow.maps import flow
from ra_icl.flow.options import FlowOptions
from ra_icl.twins import render as twins
from ra_icl.twins.plan import LAYOUTS, TwinOptions, clips, plan
from ra_icl.twins.truth import read_truth, truth_file

FULL = TwinOptions(census="full")
SIZE = 128


@pytest.mark.parametrize("name", protocols.PROTOCOLS.keys() - {"own"})
def test_a_full_twin_has_exactly_the_papers_subjects_and_class_counts(name):
    protocol = protocols.PROTOCOLS[name]
    for dataset in protocol.datasets:
        index = plan(dataset, FULL)
        assert not index.duplicated(["subject", "sequence"]).any()
        rows = protocols.select(index, protocol)
        counts = paper.EXPECTED[name][dataset]
        assert {c: int((rows["label"] == n).sum()) for n, c in enumerate(protocol.classes)} == counts
        assert rows["subject"].nunique() == paper.EXPECTED_SUBJECTS[name][dataset]


def test_subjects_of_a_full_twin_are_as_unequal_as_the_real_ones():
    sizes = []
    for dataset in protocols.PROTOCOLS["cde"].datasets:
        sizes += plan(dataset, FULL).groupby("subject").size().tolist()
    assert (len(sizes), sum(sizes), min(sizes), max(sizes)) == (68, 442, 1, 39)
    assert sizes.count(1) == 8
    assert statistics.median(sizes) == 4


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    root = tmp_path_factory.mktemp("twin") / "casme2"
    options = TwinOptions(per_class=1, frames=(20, 20), scale=1.0, strength=(2.0, 2.5), noise=0.0)
    twins.render("casme2", root, options)
    return root, plan("casme2", options)


def test_estimated_flow_follows_the_truth_inside_the_crop(twin):
    root, index = twin
    for row in index.head(2).itertuples():
        truth = read_truth(truth_file(root, row.subject, row.sequence))
        numbers, paths = zip(*sequence_frames(row, root), strict=True)
        crops, info = crop_sequence(paths, FaceOptions(size=SIZE), "s")
        position = numbers.index(row.apex)
        estimated = flow(crops[0], crops[[position]], FlowOptions(backend="opencv"))[0]
        true = truth.crop_flow(position, info["transform"], SIZE)
        active = truth.crop_active(info["transform"], SIZE)
        assert 0.01 < active.mean() < 0.6
        assert np.corrcoef(estimated[:, active].ravel(), true[:, active].ravel())[0, 1] > 0.9
        largest = np.hypot(*true).max()
        assert 0.3 < largest < 4.5
        still = ~cv2.dilate(active.astype(np.uint8), np.ones((25, 25))).astype(bool)
        assert np.hypot(*true)[still].mean() < 0.4 * largest


def test_the_crops_turn_and_scale_apply_to_the_true_flow(twin):
    root, index = twin
    row = index.iloc[0]
    truth = read_truth(truth_file(root, row.subject, row.sequence))
    apex = row.apex - row.onset
    right, down = truth.flow(apex)
    y, x = np.unravel_index(np.hypot(right, down).argmax(), right.shape)
    # twice the size, turned by 90 degrees, the pixel that moves most on the middle of crop pixel (100, 100)
    quarter = [[0, 2.0, 100.5 - 2 * (y + 0.5)], [-2.0, 0, 100.5 + 2 * (x + 0.5)]]
    turned = truth.crop_flow(apex, quarter, 200)
    assert np.hypot(right[y, x], down[y, x]) > 1
    np.testing.assert_allclose(turned[:, 100, 100], (2 * down[y, x], -2 * right[y, x]), atol=0.02)


def test_a_file_without_truth_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        read_truth(tmp_path / "nowhere.safetensors")


def test_every_face_of_a_sample_of_the_full_twins_is_found():
    """The detector's first try finds the neutral face of subjects it was not tuned on."""
    from ra_icl.faces.onset import find_face

    for dataset in LAYOUTS:
        first = {}
        for clip in clips(dataset, FULL):
            first.setdefault(clip.subject, clip)
        for clip in list(first.values())[3::11]:
            options = TwinOptions(census="full", scale=0.5)
            face, _ = twins.clip_motion(twins.subject_face(clip, options), clip, options)
            image = face.image if face.image.ndim == 2 else cv2.cvtColor(face.image, cv2.COLOR_BGR2RGB)
            assert find_face(image, FaceOptions(), f"{dataset} {clip.subject}")["found"] == "eyes"
