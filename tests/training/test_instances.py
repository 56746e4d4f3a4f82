"""Instance sets: loading, scaling to network inputs, pairs, the middle instance."""

import numpy as np
import pandas as pd
import pytest
import torch
from fold_data import distinct_maps
from safetensors.numpy import save_file

from ra_icl.errors import InputError
from ra_icl.files import save_tensors
from ra_icl.training.instances import InputOptions, load_instances, normalise, pairs_of, stored_flow
from ra_icl.training.method import OptimiserOptions

SHAPES = {"sub01": {"a": 3, "b": 1}, "sub02": {"c": 4}}
FRAMES = {"a": 3, "b": 0, "c": 9}
ROWS = (("sub01", "a", 0), ("sub02", "c", 2), ("sub01", "b", 1))  # not file by file


@pytest.fixture
def stored():
    """{sequence: maps (N, 3, 4, 5)} as flow files hold them."""
    counts = {name: count for sets in SHAPES.values() for name, count in sets.items()}
    maps = distinct_maps(*[(count, 3, 4, 5) for count in counts.values()])
    return dict(zip(counts, maps, strict=True))


@pytest.fixture
def flow_folder(tmp_path, stored):
    for subject, sets in SHAPES.items():
        save_tensors(tmp_path / "casme2" / f"{subject}.safetensors", {name: stored[name] for name in sets}, {})
    return tmp_path


def table(*rows):
    """Rows as `protocols.select` gives them; a sequence has as many frames after the onset as FRAMES says."""
    found = pd.DataFrame([("casme2", *row) for row in rows], columns=["dataset", "subject", "sequence", "label"])
    return found.assign(onset=11, offset=[11 + FRAMES.get(sequence, 1) for sequence in found["sequence"]])


def load(folder, rows=ROWS, normalise="none"):
    return load_instances(table(*rows), folder, InputOptions(normalise), "cpu")


def test_sets_are_the_stored_maps_in_table_order(flow_folder, stored):
    sets = load(flow_folder)
    assert np.array_equal(sets.maps.numpy(), np.concatenate([stored["a"], stored["c"], stored["b"]]))
    assert sets.first.tolist() == [0, 3, 7]
    assert sets.count.tolist() == [3, 4, 1]
    assert sets.labels.tolist() == [0, 2, 1]
    assert sets.table["sequence"].tolist() == ["a", "c", "b"]
    assert sets.table["frames"].tolist() == [3, 9, 0]
    expected = [stored["c"].astype(np.float32)[:, channel] for channel in range(3)]
    for statistic, of in enumerate((np.mean, np.min, np.max)):
        assert sets.statistics[1, statistic] == pytest.approx([of(values) for values in expected], rel=1e-6)


def test_the_summary_is_over_all_instances(flow_folder, stored):
    maps = np.concatenate(list(stored.values())).astype(np.float32)
    summary = load(flow_folder).summary()
    for channel, name in enumerate(("u", "v", "strain")):
        values = maps[:, channel]
        expected = {"mean": values.mean(), "min": values.min(), "max": values.max()}
        assert summary[name] == pytest.approx(expected, rel=1e-6)


def test_the_digest_is_of_names_and_values_in_order(flow_folder, stored):
    digest = stored_flow(table(*ROWS), flow_folder).digest
    assert stored_flow(table(*ROWS), flow_folder).digest == digest
    assert stored_flow(table(*ROWS[::-1]), flow_folder).digest != digest
    save_tensors(flow_folder / "casme2" / "sub02.safetensors", {"c": stored["c"][::-1]}, {})
    assert stored_flow(table(*ROWS), flow_folder).digest != digest


def test_pairs_are_distinct_instances_of_their_own_sequence(flow_folder):
    sets = load(flow_folder)
    generator = torch.Generator().manual_seed(0)
    rows = torch.tensor([0, 1, 2]).repeat(200)
    p, q = sets.draw_pair(rows, generator)
    places = [
        [(sets.maps[first : first + count].float() == map).all(dim=(1, 2, 3)).nonzero().item() for map in maps]
        for maps, first, count in ((p[0::3], 0, 3), (q[0::3], 0, 3), (p[1::3], 3, 4), (q[1::3], 3, 4))
    ]
    for ps, qs, count in ((places[0], places[1], 3), (places[2], places[3], 4)):
        assert all(a != b for a, b in zip(ps, qs, strict=True))
        assert len(set(zip(ps, qs, strict=True))) == count * (count - 1)  # every ordered pair turns up
    assert torch.equal(p[2::3], q[2::3])  # a single instance is both


def test_the_middle_instance_is_inferred_on(flow_folder, stored):
    middle = np.stack([stored["a"][1], stored["c"][1], stored["b"][0]]).astype(np.float32)
    sets = load(flow_folder)
    instances, owners = sets.middle_instances()
    assert np.array_equal(sets.maps[instances].float().numpy(), middle)
    assert owners.tolist() == [0, 1, 2]


def test_a_subset_keeps_its_own_sequences(flow_folder, stored):
    subset = load(flow_folder).subset(np.array([1, 2]))
    assert subset.table["sequence"].tolist() == ["c", "b"]
    assert subset.labels.tolist() == [2, 1]
    middle = subset.maps[subset.middle_instances()[0]]
    assert np.array_equal(middle.numpy(), np.stack([stored["c"][1], stored["b"][0]]))
    instances, owners = subset.all_instances()
    assert np.array_equal(subset.maps[instances].numpy(), np.concatenate([stored["c"], stored["b"]]))
    assert owners.tolist() == [0, 0, 0, 0, 1]
    assert subset.summary()["v"]["max"] == max(stored["c"][:, 1].max(), stored["b"][:, 1].max())


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [("sequences", [1, 1, 1]), ("instances", [3, 4, 1]), (2, [2, 2, 1]), (5, [3, 5, 1]), (100, [3, 9, 1])],
)
def test_pairs_of_an_epoch(flow_folder, pairs, expected):
    """One, as many as there are instances, or a number, up to the frames after the onset (a: 3, c: 9, b: none)."""
    assert pairs_of(load(flow_folder), OptimiserOptions(pairs=pairs)).tolist() == expected


def test_scaling_per_instance_stretches_every_channel_to_0_1(stored):
    maps = stored["c"].astype(np.float32)
    scaled = normalise(torch.from_numpy(maps.copy()), InputOptions("instance")).numpy()
    for n in range(4):
        for c in range(3):
            low, high = maps[n, c].min(), maps[n, c].max()
            assert scaled[n, c] == pytest.approx((maps[n, c] - low) / (high - low), abs=1e-6)


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


def test_a_flow_file_without_checksums_names_itself(flow_folder, stored):
    save_file({"c": stored["c"]}, flow_folder / "casme2" / "sub02.safetensors")
    with pytest.raises(InputError, match=r"sub02\.safetensors: c has no checksum; if a run wrote it, delete it"):
        load(flow_folder)


def test_a_bit_that_was_flipped_after_the_flow_was_listed_is_not_trained_on(flow_folder):
    path = flow_folder / "casme2" / "sub02.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"^/\S*/casme2/sub02\.safetensors: c: its checksum does not .*again$"):
        load(flow_folder)


def test_a_missing_sequence_names_the_file(flow_folder):
    with pytest.raises(InputError, match=r"sub02\.safetensors: z is missing"):
        load(flow_folder, (("sub02", "z", 0),))


def test_a_truncated_flow_file_names_itself(flow_folder):
    path = flow_folder / "casme2" / "sub02.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"sub02\.safetensors: cannot be read"):
        load(flow_folder)


def test_maps_of_different_sizes_are_refused(flow_folder):
    save_tensors(flow_folder / "casme2" / "sub03.safetensors", {"d": np.zeros((1, 3, 5, 4), np.float16)}, {})
    with pytest.raises(InputError, match="different sizes"):
        load(flow_folder, (*ROWS, ("sub03", "d", 0)))
