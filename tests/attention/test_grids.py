"""What a figure shows of a sequence: its own frames and motion, and the maps of the networks that held it out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from made_run import SIZE, add_fold, make_data

from ra_icl.attention.grids import shown_sequences
from ra_icl.attention.maps import class_maps, enlarged, regions_of
from ra_icl.attention.sequences import Places, kept_network
from ra_icl.errors import InputError
from ra_icl.files import load_tensors
from ra_icl.training.instances import normalise
from ra_icl.training.method import InputOptions
from ra_icl.twins.truth import read_truth

TITLES = {"m2": "M2", "m6": "M6 (ours)"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def places(folder):
    return make_data(folder, datasets=("casme2",))


@pytest.fixture
def folds(folder, places, small_method):
    plain = replace(small_method, loss=replace(small_method.loss, regions=0))
    return {
        method: [add_fold(folder, options, method, "casme2", subject) for subject in "12"]
        for method, options in (("m2", plain), ("m6", small_method))
    }


def test_each_method_shows_the_network_that_held_the_person_out(places, folds):
    shown, facts = shown_sequences(folds, TITLES, places, "casme2", 0)
    assert facts["class_name"] == "negative"
    assert (facts["data_source"], facts["chosen_by"]) == ("twins", "M6 (ours)")
    assert facts["counts"].startswith(f"{len(shown)} of 2 sequences, ")
    assert facts["counts"].endswith(" of 2 people")
    assert 1 <= len(shown) == len({one.title.split(":")[0] for one in shown}) <= 2
    for one in shown:
        why, name = one.title.split(": ")
        subject, sequence = name.removesuffix(", disgust").split("/")
        tensors, _ = load_tensors(places.flow / "casme2" / f"{subject}.safetensors")
        maps = torch.from_numpy(tensors[sequence])
        inputs = normalise(maps.clone(), InputOptions()).float()[[0, 1, 3]]  # first, middle, last of four
        assert np.array_equal(one.motion, maps[[0, 1, 3], :2].float())
        assert np.array_equal(one.strain, maps[[0, 1, 3], 2].float())
        for view, (method, paths) in zip(one.methods, folds.items(), strict=True):
            csv = paths["12".index(subject)]
            predicted = pd.read_csv(csv).set_index("sequence").loc[sequence]
            label = int(predicted["prediction"])
            assert (label == 0) == ("right" in why) or method != "m6"
            network = kept_network(csv).network
            expected = class_maps(network, inputs, [label] * 3)
            np.testing.assert_allclose(view.cam, enlarged(expected.cam, SIZE), atol=1e-5)
            np.testing.assert_allclose(view.grad_cam, enlarged(expected.grad_cam, SIZE), atol=1e-5)
            np.testing.assert_allclose(view.guided, np.sqrt((expected.guided.numpy() ** 2).sum(axis=1)), atol=1e-6)
            share = 100 * predicted[f"p{label}"]
            assert view.judgement == f"{['negative', 'positive', 'surprise'][label]} {share:.0f} %"
            assert view.title == TITLES[method]
            if method == "m2":
                assert view.regions is None
            else:
                np.testing.assert_allclose(view.regions, enlarged(regions_of(network, inputs), SIZE), atol=1e-6)


def test_frames_are_those_of_the_instances_and_the_truth_is_that_of_the_clip(places, folds):
    [one], _ = shown_sequences(folds, TITLES, places, "casme2", 1, ["2/2_happiness"])
    assert one.title == "chosen: 2/2_happiness, happiness"
    clips, _ = load_tensors(places.crops / "casme2/2.safetensors")
    assert np.array_equal(one.frames, clips["2_happiness"][[1, 2, 4]])
    assert one.labels == ["frame 11", "frame 12 predicted from", "frame 14"]
    assert one.pixels
    truth = read_truth(places.twins / "casme2/truth/2/2_happiness.safetensors")
    assert np.array_equal(one.active, truth.active())


def test_published_maps_have_no_frames_and_their_motion_starts_from_the_median(places, folds):
    published = Places(places.indexes, places.flow)
    [one], _ = shown_sequences(folds, TITLES, published, "casme2", 1, ["1/1_happiness"])
    assert one.frames is None
    assert one.active is None
    assert not one.pixels
    assert one.labels == ["map 1", "map 2 predicted from", "map 4"]
    maps = load_tensors(places.flow / "casme2/1.safetensors")[0]["1_happiness"][[0, 1, 3], :2].astype(np.float32)
    for instance in range(3):
        for channel in range(2):
            expected = maps[instance, channel] - np.median(maps[instance, channel])
            np.testing.assert_allclose(one.motion[instance, channel], expected, atol=1e-6)


def test_the_full_colour_leaves_out_a_few_outliers(places, folds):
    [one], _ = shown_sequences(folds, TITLES, places, "casme2", 1, ["1/1_happiness"])
    lengths = np.sort(np.hypot(one.motion[:, 0], one.motion[:, 1]).ravel())
    assert (lengths <= one.speed).mean() == pytest.approx(0.995, abs=0.002)


def test_a_sequence_that_a_method_lacks_is_one_line(places, folds):
    lacking = folds | {"m2": folds["m2"][:1]}
    with pytest.raises(InputError, match="0 folds of m2 hold out 2/2_happiness; give one"):
        shown_sequences(lacking, TITLES, places, "casme2", 1, ["2/2_happiness"])
