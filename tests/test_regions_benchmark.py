"""The benchmark of regions: its measures on heatmaps made by hand, and the whole of it on a tiny run."""

import importlib
import runpy
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from ra_icl.attention.measures import shares
from ra_icl.datasets.index import index_frame
from ra_icl.errors import InputError
from ra_icl.files import read_json, save_tensors, write_csv
from ra_icl.model.siamese import Branch
from ra_icl.training.fold import Fold
from ra_icl.training.network import save_network
from ra_icl.twins.motion import Motion
from ra_icl.twins.truth import truth_file, write_truth

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
measures = SimpleNamespace(**runpy.run_path(str(BENCHMARKS / "region_measures.py")))
SIZE = 24


@pytest.fixture
def masks():
    """Nine images; in each another ninth of the picture is active, so that together they cover it once."""
    found = np.zeros((9, SIZE, SIZE))
    for number in range(9):
        row, column = divmod(number, 3)
        found[number, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 1
    return found


@pytest.fixture
def seeing(masks):
    """Heatmaps of two queries, of which the first is the active region and the second the rest."""
    return np.stack([masks, 1 - masks], axis=1)


@pytest.fixture
def fixed():
    """A fixed grid of eight cells, the same in nine images."""
    return np.repeat(measures.grid(8, SIZE, SIZE)[None], 9, axis=0)


@pytest.fixture
def changing():
    """Smooth heatmaps of four queries that are different in each of nine images."""
    rng = np.random.default_rng(1)
    found = rng.random((9, 4, 6, 6)).repeat(4, axis=2).repeat(4, axis=3)
    return found / found.sum(axis=1, keepdims=True)


def test_a_grid_of_eight_is_two_rows_of_four():
    cells = measures.grid(8, 48, 48)
    assert np.array_equal(cells.sum(axis=0), np.ones((48, 48)))
    assert np.array_equal(cells.sum(axis=(1, 2)), np.full(8, 24 * 12))
    assert cells[1, :24, 12:24].all()
    assert cells[6, 24:, 24:36].all()
    assert measures.grid(7, 7, 7)[:, 0].argmax(axis=0).tolist() == list(range(7))


def test_heatmaps_that_are_the_mask_lie_inside_it_and_tell_all_of_it(seeing, masks):
    assert shares(seeing, masks) == pytest.approx(np.tile([1.0, 0.0], (9, 1)))
    area = 1 / 9
    whole = -area * np.log2(area) - (1 - area) * np.log2(1 - area)
    assert measures.information(measures.winners(seeing), masks) == pytest.approx(whole)
    assert measures.fixed_share(seeing) == pytest.approx([0, 0], abs=1e-12)  # as a whole they are everywhere alike


def test_masks_of_other_images_show_what_was_seen_in_the_image(seeing, masks):
    other = measures.others(masks)
    assert other[0] == pytest.approx(masks[1:].mean(axis=0))
    assert shares(seeing, other)[:, 0] == pytest.approx(np.zeros(9))
    assert measures.information(measures.winners(seeing), other) < 0.05


def test_masks_moved_at_random_show_the_bias(seeing, masks):
    rng = np.random.default_rng(0)
    assert 0 < measures.chance_information(measures.winners(seeing), masks, rng) < 0.1


def test_uniform_heatmaps_have_the_area_inside_and_tell_nothing(masks):
    uniform = np.full((9, 4, SIZE, SIZE), 0.25)
    assert shares(uniform, masks) == pytest.approx(np.full((9, 4), 1 / 9))
    assert measures.information(measures.winners(uniform), masks) == pytest.approx(0)
    assert measures.information(uniform, masks) == pytest.approx(0)
    assert np.isnan(measures.fixed_share(uniform)).all()
    found = measures.agreement(uniform, np.arange(9))
    assert np.isnan(found["other_subject"]).all()
    assert np.isnan(found["other_query"]).all()
    assert np.isnan(measures.following(uniform, uniform, 2)["stayed"]).all()


def test_a_fixed_grid_is_all_mean_picture_and_blind_to_the_image(fixed, masks):
    masks = masks * (np.arange(SIZE) < 13)  # activity is commoner at the left, which a grid can tell
    told = measures.information(fixed, masks)
    assert told > 0.03
    assert measures.information(fixed, measures.others(masks)) == pytest.approx(told)
    assert measures.fixed_share(fixed) == pytest.approx(np.ones(8))
    found = measures.agreement(fixed, np.arange(9))
    assert found["other_subject"] == pytest.approx(np.ones(8))
    assert found["other_query"] == pytest.approx(np.full(8, -1 / 7))  # cells that do not overlap
    assert np.isnan(found["same_subject"]).all()  # every subject has one image
    moved = measures.following(fixed, fixed, 6)
    assert np.nanmin(moved["stayed"]) == pytest.approx(1)
    assert np.nanmax(moved["followed"]) < 0  # moved along by a cell's width


def test_heatmaps_that_move_with_the_input_are_followed(changing):
    found = measures.following(changing, np.roll(changing, 8, axis=3), 8)
    assert found["followed"] == pytest.approx(np.ones(4))
    assert found["stayed"] == pytest.approx(found["itself"])
    assert (found["stayed"] < 0.5).all()
    assert (measures.fixed_share(changing) < 0.3).all()


def test_information_is_that_of_scikit_learn(changing, masks):
    won = measures.winners(changing)
    assert np.array_equal(won.sum(axis=1), np.ones((9, SIZE, SIZE)))
    expected = mutual_info_score(changing.argmax(axis=1).ravel(), masks.ravel()) / np.log(2)
    assert expected > 0.001
    assert measures.information(won, masks) == pytest.approx(expected)


def test_agreement_is_over_pairs_of_images(changing):
    subjects = np.array(list("aaabbbbcc"))
    found = measures.agreement(changing, subjects)
    expected = {name: [[] for _ in range(4)] for name in found}
    for one in range(9):
        for two in range(9):
            for n in range(4):
                for m in range(4):
                    value = np.corrcoef(changing[one, n].ravel(), changing[two, m].ravel())[0, 1]
                    if n == m and one != two:
                        kind = "same_subject" if subjects[one] == subjects[two] else "other_subject"
                        expected[kind][n].append(value)
                    if n != m and subjects[one] != subjects[two]:
                        expected["other_query"][n].append(value)
    for name, values in expected.items():
        assert found[name] == pytest.approx([np.mean(some) for some in values]), name


def test_a_query_that_means_another_region_in_every_subject_agrees_within_one_alone(seeing):
    swapped = np.concatenate([seeing[:1], seeing[:1], seeing[:1, ::-1], seeing[:1, ::-1]])
    subjects = np.array(["a", "a", "b", "b"])
    found = measures.agreement(swapped, subjects)
    assert found["same_subject"] == pytest.approx([1, 1])
    assert found["other_subject"] == pytest.approx([-1, -1])
    assert found["other_query"] == pytest.approx([1, 1])
    means, names = measures.subject_means(swapped, subjects)
    assert names.tolist() == ["a", "b"]
    assert np.array_equal(means, swapped[[0, 2]])


@pytest.fixture
def run(tmp_path, small_method):
    """A finished run by hand: five subjects a dataset, one clip each, and an untrained network for one of five folds.

    The first region, the left half, moves in every frame; the second in every frame but the middle instance's.
    """
    rng = np.random.default_rng(0)
    fields = np.zeros((2, 2, 6, 6), np.float32)
    fields[0, 0, :, :3], fields[1, 1, :, 3:] = 1, 1
    intensity = np.array([[0, 1, 1, 1, 1], [0, 1, 0, 1, 1]], np.float32)
    motion = Motion(fields, intensity, np.ones(5), ("12", "4"), (SIZE, SIZE), (("first", "12"), ("second", "4")))
    still = {"transform": [[1, 0, 0], [0, 1, 0]]}
    for dataset, emotion in {"casme2": "happiness", "samm": "anger", "smic": "surprise"}.items():
        rows = []
        for subject in "12345":
            row = {"dataset": dataset, "subject": subject, "sequence": f"clip{subject}", "frames": "", "onset": 10}
            rows.append(row | {"apex": 12, "offset": 14, "fps": 200, "emotion": emotion})
            place, name = Path(dataset, f"{subject}.safetensors"), row["sequence"]
            maps = rng.normal(size=(4, 3, SIZE, SIZE)).astype(np.float16)
            frames = {"sequences": {name: {"positions": [1, 2, 3, 4], "frames": [11, 12, 13, 14]}}}
            save_tensors(tmp_path / "flow/middle-4" / place, {name: maps}, frames)
            save_tensors(tmp_path / "crops" / place, {name: maps[:, 0] > 0}, {"sequences": {name: still}})
            write_truth(truth_file(tmp_path / "twins" / dataset, subject, name), motion, onset=10)
        write_csv(tmp_path / "index" / f"{dataset}.csv", index_frame(rows))
    fold = Fold("groups5", "m6", "group2", 0, "twins")
    network = Branch(3, small_method.model, discover=True)
    path = tmp_path / "folds/groups5/m6/seed0/group2.safetensors"
    save_network(path, network, fold.class_names, small_method, asdict(fold))
    return tmp_path


@pytest.fixture
def bench(run, monkeypatch):
    """What the benchmark does with that run, in this process."""
    monkeypatch.syspath_prepend(BENCHMARKS)

    def call(*arguments):
        command = ["regions.py", run, "--sampling=middle-4", f"--out={run / 'out.json'}", *arguments]
        monkeypatch.setattr("sys.argv", list(map(str, command)))
        importlib.import_module("regions").main()

    return call


def test_a_run_is_measured_on_the_middle_instances_of_what_the_fold_held_out(run, bench, capsys):
    bench("--methods", "m6")
    assert "### m6 on synthetic twins: 1 networks, 3 queries, 3 held-out sequences" in capsys.readouterr().out
    (found,) = read_json(run / "out.json")["m6"].values()
    assert (found["images"], found["subjects"], found["queries"]) == (3, 3, 3)
    first, second = found["regions"]["first"], found["regions"]["second"]
    assert first["images"] == 3
    assert 0.5 <= first["area"] < 0.6  # the field fades out over a few pixels
    assert first["grid"]["best"] == pytest.approx(1)  # the left third
    assert second == {"images": 0}
    assert sum(first["queries"]["share"]) == pytest.approx(3 * first["area"], abs=0.2)
    assert found["moved_by"] == 0.25


def test_a_method_without_kept_networks_is_named(bench):
    with pytest.raises(InputError, match="m6_sharp: no kept network; list m6_sharp under keep_networks"):
        bench("--methods", "m6_sharp")
