"""Instance sets: loading, scaling to network inputs, pairs, the middle instance."""

import numpy as np
import pandas as pd
import pytest
import torch

from ra_icl.errors import InputError
from ra_icl.files import save_tensors
from ra_icl.training.instances import InputOptions, load_instances, normalise


@pytest.fixture
def flow_folder(tmp_path):
    rng = np.random.default_rng(0)
    for subject, sets in {"sub01": {"a": 3, "b": 1}, "sub02": {"c": 4}}.items():
        tensors = {name: rng.normal(size=(n, 3, 4, 4)).astype(np.float16) for name, n in sets.items()}
        save_tensors(tmp_path / "casme2" / f"{subject}.safetensors", tensors, {})
    return tmp_path


def table(*rows):
    return pd.DataFrame([("casme2", *row) for row in rows], columns=["dataset", "subject", "sequence", "label"])


ROWS = (("sub01", "a", 0), ("sub01", "b", 1), ("sub02", "c", 2))


def load(folder, rows=ROWS, normalise="none"):
    return load_instances(table(*rows), folder, InputOptions(normalise), "cpu")


def test_sets_are_stacked_in_table_order(flow_folder):
    sets = load(flow_folder)
    assert sets.maps.shape == (8, 3, 4, 4)
    assert sets.first.tolist() == [0, 3, 4]
    assert sets.count.tolist() == [3, 1, 4]
    assert sets.labels.tolist() == [0, 1, 2]


def test_pairs_are_distinct_instances_of_their_own_sequence(flow_folder):
    sets = load(flow_folder)
    generator = torch.Generator().manual_seed(0)
    rows = torch.tensor([0, 1, 2]).repeat(200)
    p, q = sets.draw_pair(rows, generator)
    places = [
        [(sets.maps[first : first + count].float() == map).all(dim=(1, 2, 3)).nonzero().item() for map in maps]
        for maps, first, count in ((p[0::3], 0, 3), (q[0::3], 0, 3), (p[2::3], 4, 4), (q[2::3], 4, 4))
    ]
    for ps, qs, count in ((places[0], places[1], 3), (places[2], places[3], 4)):
        assert all(a != b for a, b in zip(ps, qs, strict=True))
        assert len(set(zip(ps, qs, strict=True))) == count * (count - 1)  # every ordered pair turns up
    assert torch.equal(p[1::3], q[1::3])  # a single instance is both


def test_the_middle_instance_is_inferred_on(flow_folder):
    sets = load(flow_folder)
    assert torch.equal(sets.middle(), sets.maps[[1, 3, 5]].float())


def test_a_subset_keeps_its_own_sequences(flow_folder):
    subset = load(flow_folder).subset(np.array([2]))
    assert subset.table["sequence"].tolist() == ["c"]
    assert subset.first.tolist() == [4]


def test_scaling_per_instance_stretches_every_channel():
    maps = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 5, 5)).astype(np.float32))
    scaled = normalise(maps, InputOptions("instance")).numpy()
    assert scaled.min(axis=(2, 3)) == pytest.approx(np.zeros((2, 3)), abs=1e-6)
    assert scaled.max(axis=(2, 3)) == pytest.approx(np.ones((2, 3)), abs=1e-6)


def test_scaling_per_set_keeps_intensity_and_zero():
    maps = torch.zeros((2, 3, 4, 4))
    maps[0, 0, 0, 0], maps[1, 1, 0, 0], maps[1, 2, 0, 0] = -1, 4, 3
    scaled = normalise(maps, InputOptions("set"))
    assert scaled[0, 0, 1, 1] == 0.5
    assert scaled[1, 1, 0, 0] == 1
    assert scaled[0, 0, 0, 0] == pytest.approx(0.5 - 1 / 8)
    assert scaled[1, 2, 0, 0] == 1


def test_a_constant_map_stays_finite():
    assert normalise(torch.ones(1, 3, 4, 4), InputOptions("instance")).isfinite().all()
    assert normalise(torch.zeros(1, 3, 4, 4), InputOptions("set")).isfinite().all()


def test_a_missing_sequence_names_the_file(flow_folder):
    with pytest.raises(InputError, match=r"sub02\.safetensors: z is missing"):
        load(flow_folder, (("sub02", "z", 0),))


def test_a_truncated_flow_file_names_itself(flow_folder):
    path = flow_folder / "casme2" / "sub02.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"sub02\.safetensors: cannot be read"):
        load(flow_folder)


def test_maps_of_different_sizes_are_refused(flow_folder):
    save_tensors(flow_folder / "casme2" / "sub03.safetensors", {"d": np.zeros((1, 3, 5, 5), np.float16)}, {})
    with pytest.raises(InputError, match="different sizes"):
        load(flow_folder, (*ROWS, ("sub03", "d", 0)))
