"""The study's twins: who shows what, which regions stay, what only passes by; all of it by the truth."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ra_icl.datasets.protocols import PROTOCOLS
from ra_icl.datasets.reading import build_index
from ra_icl.errors import InputError
from ra_icl.flow.sampling import Sampling, sample
from ra_icl.planning.config import load_config
from ra_icl.planning.options import from_mapping
from ra_icl.twins import render as twins
from ra_icl.twins.plan import TwinOptions, clips, plan
from ra_icl.twins.study import SECONDS, WEAK
from ra_icl.twins.truth import read_truth, truth_file, write_truth

ROOT = Path(__file__).parents[2]
CLASSES = ("negative", "positive", "surprise")
DATASETS = ("casme2", "samm", "smic")
TWINS = load_config([ROOT / "config/config.yaml", ROOT / "config/study.yaml"])["twins"]
STUDY = from_mapping(TwinOptions, TWINS | {"seed": 0}, "twins")
CONTROL = replace(STUDY, census="study_control")


def class_of(clip):
    return PROTOCOLS["cde"].labels[clip.dataset][clip.emotion]


@pytest.fixture(scope="module", params=[STUDY, CONTROL], ids=lambda options: options.census)
def options(request):
    return request.param


@pytest.fixture(scope="module")
def truths(tmp_path_factory):
    """(class, truth) of all clips of SMIC-HS, whose clips are the shortest, for both censuses."""
    root = tmp_path_factory.mktemp("truths")
    found = {}
    for options in (STUDY, CONTROL):
        faces = {}
        for clip in clips("smic", options):
            face = faces.setdefault(clip.subject, None) or twins.subject_face(clip, options)
            faces[clip.subject] = face
            path = truth_file(root / options.census, clip.subject, clip.sequence)
            write_truth(path, twins.clip_motion(face, clip, options)[1], clip.onset)
            found.setdefault(options.census, []).append((class_of(clip), read_truth(path)))
    return found


def units(truth, *roles):
    return [unit for role, unit in truth.parts if role in roles]


def curves(truth, role):
    return {n: truth.intensity[n] for n, (kind, _) in enumerate(truth.parts) if kind == role}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_dataset_has_24_subjects_with_all_classes_and_100_clips(options, seed):
    totals = Counter()
    for dataset in DATASETS:
        planned = clips(dataset, replace(options, seed=seed))
        sizes = Counter(clip.subject for clip in planned)
        assert sorted(sizes.values()) == [4] * 20 + [5] * 4
        of_subject = {subject: Counter() for subject in sizes}
        for clip in planned:
            of_subject[clip.subject][class_of(clip)] += 1
        for counts in of_subject.values():
            assert set(counts) == set(CLASSES)
            assert max(counts.values()) == 2
        counts = sum(of_subject.values(), Counter())
        assert sorted(counts.values()) == [33, 33, 34]
        totals += counts
    assert totals == dict.fromkeys(CLASSES, 100)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_sequence_has_16_instances(options, dataset):
    for clip in clips(dataset, options):
        positions = sample(clip.offset - clip.onset + 1, None, Sampling("middle", 16), clip.sequence)
        assert len(positions) == 16
    with pytest.raises(InputError, match=r"frames.*28 or more"):
        from_mapping(TwinOptions, {"census": options.census, "frames": [27, 40]}, "twins")


def test_a_study_leaves_out_casme3_and_says_so(options):
    with pytest.raises(InputError, match="no casme3"):
        plan("casme3", options)


def test_negative_and_positive_share_the_first_region_and_differ_in_the_second(truths):
    shown = {name: set() for name in CLASSES}
    for name, truth in truths["study"]:
        shown[name].add(truth.units)
    assert shown == {"negative": {("12", "4")}, "positive": {("12", "6")}, "surprise": {("26", "4"), ("26", "6")}}


def test_the_second_region_is_weak_and_elsewhere(truths):
    places = {}
    for _, truth in truths["study"]:
        first, second = truth.region("first"), truth.region("second")
        assert 0.01 < first.sum() / truth.active().sum() < 1
        assert (first & second).sum() < 0.15 * min(first.sum(), second.sum())
        assert truth.peaks("second").max() == pytest.approx(WEAK * truth.peaks("first").max(), rel=0.05)
        y, _ = np.nonzero(second)
        places.setdefault(truth.units[1], []).append(y.mean() / truth.size[1])
    assert max(places["4"]) < min(places["6"])  # the brows, the cheeks


def test_both_regions_stay_over_all_instances(truths):
    for _, truth in truths["study"]:
        start = 1 + (truth.intensity.shape[1] - 1 - 16) // 2
        for role in ("first", "second"):
            (curve,) = curves(truth, role).values()
            assert len(curves(truth, role)) == 1
            assert curve[0] == 0
            assert curve.max() == pytest.approx(1, abs=1e-3)
            assert np.median(curve[start : start + 16]) > 0.5
            assert (np.diff(np.sign(np.diff(curve))) != 0).sum() <= 2  # rises, then falls


def test_distractors_pass_by_at_second_regions_whatever_the_class(truths):
    pulses = {(name, unit): 0 for name in CLASSES for unit in SECONDS}
    clean, misled = 0, []
    for name, truth in truths["study"]:
        passing = {n: curve for n, curve in curves(truth, "distractor").items() if truth.parts[n][1] != "blink"}
        clean += not passing
        other = 0
        for n, curve in passing.items():
            acting = np.flatnonzero(curve)
            assert 1 <= len(acting) <= 7
            assert len(acting) == np.ptp(acting) + 1
            peak = np.linalg.norm(truth.fields[n], axis=0).max()
            assert 0.99 < peak / (WEAK * truth.peaks("first").max()) < 1.85
            unit = truth.parts[n][1]
            if unit in SECONDS:
                pulses[name, unit] += 1
                other = other + curve * peak if unit != truth.units[1] else other
        if passing:
            misled.append(np.mean(other > truth.peaks("second")))
    assert 5 < clean < 30
    assert min(pulses.values()) > 15  # both places, in every class
    assert 0.05 < np.mean(misled) < 0.3


def test_a_decoy_lies_where_another_class_has_its_second_region(truths):
    """The region that a passing unit 4 moves in positive clips is that of negative's second region."""
    where = {}
    for name, truth in truths["study"]:
        if units(truth, "distractor") == ["4"] and name == "positive":
            where["decoy"] = truth.region("distractor")
        if name == "negative" and not units(truth, "distractor"):
            where["second"] = truth.region("second")
    rows = [np.nonzero(mask)[0].mean() for mask in where.values()]
    assert len(rows) == 2
    assert abs(rows[0] - rows[1]) < 0.05 * truth.size[1]
    assert where["decoy"].sum() == pytest.approx(where["second"].sum(), rel=0.3)


def test_a_distractors_region_is_that_of_the_frame(truths):
    acted = 0
    for _, truth in truths["study"]:
        peaks = truth.peaks("distractor")
        if peaks.max() > 0:
            acted += 1
            assert truth.region("distractor", int(peaks.argmax())).any()
            assert not truth.region("distractor", 0).any()
        else:
            assert not truth.region("distractor").any()
    assert acted > 50


def neighbours(truth, roles):
    """Mean correlation of the fields of `roles` between frames that follow each other, head and blinks left out."""
    chosen = [n for n, (role, unit) in enumerate(truth.parts) if role in roles and unit != "blink"]
    moved = np.tensordot(truth.intensity[chosen].T, truth.fields[chosen], axes=1)
    moved = moved[8:18].reshape(10, -1)
    return np.diag(np.corrcoef(moved), 1).mean()


def test_instances_of_the_control_share_the_first_region_alone(truths):
    still = [truth for _, truth in truths["study"] if not set(units(truth, "distractor")) - {"blink"}]
    assert min(neighbours(truth, ("second",)) for truth in still) > 0.999
    few = [truth for _, truth in truths["study_control"] if len(units(truth, "distractor")) == 6]
    assert len(few) > 5
    assert max(neighbours(truth, ("distractor",)) for truth in few) < 0.2
    for _, truth in truths["study_control"]:
        assert len(curves(truth, "first")) == 1
        assert not truth.region("second").any()
        assert not truth.peaks("second").any()
        assert len(truth.units) == 1


def test_what_accompanies_the_control_does_not_tell_the_class(truths):
    shares = {name: Counter() for name in CLASSES}
    for name, truth in truths["study_control"]:
        for n, curve in curves(truth, "distractor").items():
            shares[name][truth.parts[n][1]] += curve.sum()
    for unit in ("2", "4", "5", "6", "9", "17"):
        found = [shares[name][unit] / shares[name].total() for name in CLASSES]
        assert max(found) - min(found) < 0.12
    assert {name: {truth.units for kind, truth in truths["study_control"] if kind == name} for name in CLASSES} == {
        "negative": {("15",)},
        "positive": {("12",)},
        "surprise": {("20",)},
    }


def test_the_control_has_the_subjects_clips_and_strengths_of_the_study(truths):
    for dataset in DATASETS:
        pd.testing.assert_frame_equal(plan(dataset, STUDY), plan(dataset, CONTROL))
    first = [[truth.peaks("first").max() for _, truth in truths[census]] for census in ("study", "study_control")]
    np.testing.assert_allclose(*first, rtol=0.01)


def test_seeds_differ_in_looks_motion_and_noise(options):
    def drawn(seed):
        seeded = replace(options, seed=seed)
        clip = clips("smic", seeded)[0]
        face = twins.subject_face(clip, seeded)
        noise = twins._noise_field(face, twins._generator(seeded, clip, "noise"))
        motion = twins.clip_motion(face, clip, seeded)[1]
        return face.image, motion.flow(8), noise

    for one, same, other in zip(drawn(0), drawn(0), drawn(1), strict=True):
        np.testing.assert_array_equal(one, same)
        assert (one != other).mean() > 0.5


def test_the_adapter_reads_back_the_plan_and_the_crop_shows_the_regions(options, tmp_path, monkeypatch):
    monkeypatch.setattr(twins, "clips", lambda dataset, options: clips(dataset, options)[:9])
    twins.render("casme2", tmp_path / "casme2", options)
    expected = plan("casme2", options).head(9)
    pd.testing.assert_frame_equal(build_index("casme2", {"root": str(tmp_path / "casme2")}), expected)
    row = expected.iloc[0]
    truth = read_truth(truth_file(tmp_path / "casme2", row.subject, row.sequence))
    half = [[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]
    region = truth.crop_region("first", half, 80)
    assert region.sum() == pytest.approx(truth.region("first")[:160, :160].sum() / 4, rel=0.15)
