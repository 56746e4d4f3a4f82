"""Attention in numbers, of networks and known motion made by hand, against what plain loops find."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from made_run import INSTANCES, SIZE, add_fold, make_data
from typer.testing import CliRunner

from ra_icl.attention.maps import regions_of
from ra_icl.attention.measuring import MEASURES, _against_truth, of_queries, write_measures
from ra_icl.attention.sequences import Places, kept_network
from ra_icl.cli import app
from ra_icl.errors import InputError
from ra_icl.files import load_tensors, save_tensors
from ra_icl.training.instances import normalise
from ra_icl.training.method import InputOptions
from ra_icl.twins.truth import read_truth


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def places(folder):
    return make_data(folder)


@pytest.fixture
def folds(folder, places, small_method):
    return [add_fold(folder, small_method, "m6", dataset, "1") for dataset in ("casme2", "samm")]


def inputs_of(places, dataset, subject, sequence):
    tensors, _ = load_tensors(places.flow / dataset / f"{subject}.safetensors")
    return normalise(torch.from_numpy(tensors[sequence].copy()), InputOptions()).float()


def correlated(one, other):
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


def cams_of(network, inputs, label):
    """(N, h, w), by a loop over channels."""
    with torch.no_grad():
        features = network.backbone(inputs).double().numpy()
    weight = network.classifier.weight.detach().double().numpy()[label]
    return sum(weight[channel] * features[:, channel] for channel in range(features.shape[1]))


def test_the_command_takes_what_a_pattern_finds(folder, places, folds):
    beside = [folds[0].with_suffix(suffix) for suffix in (".epochs.csv", ".views.csv")]
    for one in beside:
        one.write_text("x\n")
    options = ["--flow", places.flow, "--out", folder / "found.csv", *(f"--index={path}" for path in places.indexes)]
    done = CliRunner().invoke(app, ["attention-measures", *map(str, [*folds, *beside, *options])])
    assert done.exit_code == 0, done
    assert len(pd.read_csv(folder / "found.csv")) == 4
    done = CliRunner().invoke(app, ["attention-measures", *map(str, [*beside, *options])])
    assert str(done.exception) == f"{beside[0]}: holds no predictions of a fold; name the fold's CSV"
    for one in beside:
        one.unlink()


def test_a_row_for_each_held_out_sequence_with_what_its_own_network_looks_at(folder, places, folds):
    write_measures(folds, folder / "m6.csv", places)
    found = pd.read_csv(folder / "m6.csv", dtype={"subject": str})
    assert [tuple(row) for row in found[["dataset", "subject", "sequence"]].to_numpy()] == [
        (dataset, "1", f"1_{emotion}") for dataset in ("casme2", "samm") for emotion in ("happiness", "disgust")
    ]
    assert found["label"].tolist() == [1, 0, 1, 0]
    assert set(found["fold"]) == {"casme2-1", "samm-1"}
    for row in found.to_dict("records"):
        network = kept_network(folds[["casme2", "samm"].index(row["dataset"])]).network
        inputs = inputs_of(places, row["dataset"], "1", row["sequence"])
        label = int(network.classify(inputs)[1].argmax())  # of 4 instances the second is the middle one
        assert row["looked_at"] == label
        cams = cams_of(network, inputs, label)
        pairs = [correlated(cams[i], cams[j]) for i in range(INSTANCES) for j in range(i)]
        assert row["agreement"] == pytest.approx(np.mean(pairs), abs=1e-4)
        turned = cams_of(network, inputs.flip(-1), label)[..., ::-1]
        assert row["mirror"] == pytest.approx(np.mean([*map(correlated, cams, turned)]), abs=1e-4)
        [other] = {"1_happiness", "1_disgust"} - {row["sequence"]}
        theirs = cams_of(network, inputs_of(places, row["dataset"], "1", other), label)[1]
        assert row["others"] == pytest.approx(correlated(cams[1], theirs), abs=1e-4)
    assert found["query_subjects"].notna().all()
    assert found["query_datasets"].notna().all()


def test_queries_are_compared_with_one_sequence_of_each_person_of_training(folder, places, folds):
    write_measures(folds[:1], folder / "m6.csv", places)
    network = kept_network(folds[0]).network

    def heatmaps_of(dataset, subject, sequence):
        middle = inputs_of(places, dataset, subject, sequence)[1:2]  # of 4 instances the second is the middle one
        return regions_of(network, middle).double().flatten(2).numpy()[0]

    others = [("casme2", "2"), ("samm", "1"), ("samm", "2")]
    known = np.stack([heatmaps_of(*person, f"{person[1]}_happiness") for person in others])
    for row in pd.read_csv(folder / "m6.csv").to_dict("records"):
        wanted = of_queries(heatmaps_of("casme2", "1", row["sequence"]), known, np.array([True, False, False]))
        assert {name: row[name] for name in wanted} == pytest.approx(wanted, abs=1e-4)


def test_the_mirror_image_has_u_negated_where_training_negates_it(folder, places, small_method):
    augmentation = replace(small_method.augmentation, flip_negates_u=True)
    csv = add_fold(folder, replace(small_method, augmentation=augmentation), "m6_negated", "casme2", "1")
    write_measures([csv], folder / "negated.csv", places)
    network = kept_network(csv).network
    for row in pd.read_csv(folder / "negated.csv").to_dict("records"):
        inputs = inputs_of(places, "casme2", "1", row["sequence"])
        mirrored = inputs.flip(-1)
        mirrored[:, 0] = 1 - mirrored[:, 0]  # inputs are from 0 to 1
        cams, turned = (cams_of(network, some, row["looked_at"]) for some in (inputs, mirrored))
        assert row["mirror"] == pytest.approx(np.mean([*map(correlated, cams, turned[..., ::-1])]), abs=1e-4)


def test_what_is_inside_the_known_regions_is_counted_pixel_by_pixel(folder, places, folds):
    write_measures(folds[:1], folder / "m6.csv", places)
    found = pd.read_csv(folder / "m6.csv")
    network = kept_network(folds[0]).network
    for row in found.to_dict("records"):
        truth = read_truth(places.twins / "casme2/truth/1" / f"{row['sequence']}.safetensors")
        active, second = truth.active(), truth.region("second")  # crops and frames are one here
        assert (row["area"], row["second_area"]) == pytest.approx((active.mean(), second.mean()))
        assert 0.6 < active.mean() < 0.75  # the left half and a corner, and their edges
        assert 0.08 < second.mean() < 0.2
        cams = cams_of(network, inputs_of(places, "casme2", "1", row["sequence"]), row["looked_at"])
        inside, hits, weak = [], 0, []
        for cam in cams:
            large = cv2.resize(cam, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
            positive = np.where(large > 0, large, 0)
            inside.append(positive[active].sum() / positive.sum())
            weak.append(positive[second].sum() / positive.sum())
            hits += active[np.unravel_index(large.argmax(), large.shape)]
        assert row["inside"] == pytest.approx(np.mean(inside), abs=1e-4)
        assert row["second"] == pytest.approx(np.mean(weak), abs=1e-4)
        assert row["hit"] == hits / INSTANCES


@pytest.mark.parametrize(("side", "inside"), [("left", 1), ("right", 0)])
def test_maps_at_one_side_are_inside_or_not(side, inside, places):
    row = pd.DataFrame([("casme2", "1", "1_disgust")], columns=["dataset", "subject", "sequence"])
    maps = np.full((3, SIZE, SIZE), -5.0)
    maps[:, 4:12, slice(2, 8) if side == "left" else slice(16, 20)] = [[[1]], [[2]], [[3]]]
    found = _against_truth(maps, next(row.itertuples()), places)
    assert (found["inside"], found["hit"], found["second"]) == (inside, inside, 0)


def test_without_truth_what_needs_it_is_empty(folder, places, folds):
    write_measures(folds, folder / "real.csv", Places(places.indexes, places.flow, places.crops))
    found = pd.read_csv(folder / "real.csv")
    assert found[["inside", "area", "hit", "second", "second_area"]].isna().all(axis=None)
    assert found[["agreement", "others", "mirror"]].notna().all(axis=None)


def test_a_network_without_regions_has_no_queries_to_measure(folder, places, small_method):
    options = replace(small_method, loss=replace(small_method.loss, regions=0))
    write_measures([add_fold(folder, options, "m2", "casme2", "2")], folder / "m2.csv", places)
    found = pd.read_csv(folder / "m2.csv")
    assert found.filter(like="query").isna().all(axis=None)
    assert list(found.columns[-len(MEASURES) :]) == list(MEASURES)


def test_queries_are_compared_with_their_own_mean_heatmaps():
    rng = np.random.default_rng(2)
    known = rng.normal(size=(5, 3, 20))
    own = np.array([True, False, True, False, False])
    seen = known.mean(axis=0) + 0.3 * rng.normal(size=(3, 20))
    seen[[0, 1]] = seen[[1, 0]]  # two queries have changed places
    found = of_queries(seen, known, own)
    means = {name: known[rows].mean(axis=0) for name, rows in (("own", own), ("rest", ~own), ("all", own | ~own))}
    assert found["query_subjects"] == pytest.approx(np.mean([correlated(seen[k], means["own"][k]) for k in range(3)]))
    assert found["query_datasets"] == pytest.approx(np.mean([correlated(seen[k], means["rest"][k]) for k in range(3)]))
    apart = [correlated(seen[k], means["all"][n]) for k in range(3) for n in range(3) if n != k]
    assert found["query_other"] == pytest.approx(np.mean(apart))
    assert found["query_found"] == pytest.approx(1 / 3)
    assert of_queries(known.mean(axis=0), known, own)["query_found"] == 1


def test_queries_of_uniform_heatmaps_and_of_one_dataset_have_nothing_to_compare():
    flat = np.full((3, 20), 1 / 3)
    found = of_queries(flat, np.stack([flat, flat]), np.array([True, True]))
    assert all(map(math.isnan, found.values()))
    known = np.random.default_rng(0).normal(size=(2, 3, 20))
    assert math.isnan(of_queries(known[0], known, np.array([True, True]))["query_datasets"])


def test_what_is_missing_is_one_line(folder, places, folds, small_method, tmp_path):
    lost = tmp_path / "folds/cde/m5/seed0/casme2-1.csv"
    with pytest.raises(InputError, match=r"casme2-1\.safetensors: no kept network; list m5 under keep_networks and "):
        kept_network(lost)
    save_tensors(lost.with_suffix(".safetensors"), {"weight": np.zeros(2)}, {"fold": {}, "options": {"loss": {}}})
    with pytest.raises(InputError, match=r"casme2-1\.safetensors: is of another version; delete it and its CSV"):
        kept_network(lost)
    other = add_fold(folder, small_method, "m5", "casme2", "1")
    with pytest.raises(InputError, match="is of m5 under cde; give folds of one method alone"):
        write_measures([folds[0], other], tmp_path / "out.csv", places)
    assert not (tmp_path / "out.csv").exists()


def test_stabilised_crops_do_not_fit_the_truth(folder, places, folds, tmp_path):
    for path in (folder / "crops").rglob("*.safetensors"):
        tensors, record = load_tensors(path)
        turned = {name: one | {"head": [[0, 0, 0]]} for name, one in record["sequences"].items()}
        save_tensors(tmp_path / path.relative_to(folder), tensors, {"sequences": turned})
    moved = Places(places.indexes, places.flow, tmp_path / "crops", places.twins)
    with pytest.raises(InputError, match="1_happiness is stabilised, its truth is not; run with stabilise: none"):
        write_measures(folds, tmp_path / "out.csv", moved)
