"""Frame sampling against the definitions, written out on small sequences."""

import subprocess
import sys
from itertools import pairwise

import pytest

from ra_icl.errors import InputError
from ra_icl.flow.sampling import MODES, Sampling, apex_position, middle_instance, sample
from ra_icl.planning.options import from_mapping


@pytest.mark.parametrize(
    ("length", "count", "expected"),
    [
        (11, 4, [4, 5, 6, 7]),  # T' = 10: three frames before the window, three after
        (12, 4, [4, 5, 6, 7]),  # T' = 11: the odd frame is left at the end
        (12, 5, [4, 5, 6, 7, 8]),
        (5, 4, [1, 2, 3, 4]),
        (4, 4, [1, 2, 3]),
        (2, 16, [1]),
    ],
)
def test_middle_takes_consecutive_frames_around_the_middle(length, count, expected):
    assert sample(length, None, Sampling("middle", count), "s") == expected


# The frames of a part, given the apex and the last frame.
PARTS = {
    "onset_to_apex": lambda apex, last: [p for p in range(last + 1) if 0 < p <= apex],
    "apex_to_offset": lambda apex, last: [p for p in range(last + 1) if p >= apex],
}


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "frames"])
@pytest.mark.parametrize("length", [2, 3, 7, 16, 17, 18, 33, 68, 277])
def test_every_mode_gives_distinct_ascending_frames_after_the_onset(mode, length):
    for count in (1, 4, 16, 32):
        positions = sample(length, 1 + (length - 2) // 3, Sampling(mode, count), "s")
        wanted = {"apex": 1, "full": length - 1}.get(mode, min(count, length - 1))
        assert wanted == Sampling(mode, count).pairs(length - 1)
        if mode in PARTS:  # which have no more than that
            wanted = min(count, len(PARTS[mode](1 + (length - 2) // 3, length - 1)))
        assert len(positions) == wanted
        assert positions == sorted(set(positions))
        assert positions[0] >= 1
        assert positions[-1] <= length - 1


@pytest.mark.parametrize("length", [2, 9, 60])
def test_frames_are_made_from_the_whole_sequence_and_are_always_n(length):
    assert sample(length, None, Sampling("frames", 10), "s") == list(range(1, length))
    assert Sampling("frames", 10).pairs(length - 1) == 10


def test_apex_is_one_frame_and_ignores_the_number_of_instances():
    assert sample(20, 7, Sampling("apex", 16), "s") == [7]
    assert sample(3, 2, Sampling("apex", 16), "s") == [2]


@pytest.mark.parametrize(("length", "midpoint"), [(2, 1), (3, 1), (4, 1), (5, 2), (34, 16)])
def test_no_apex_stands_for_the_midpoint(length, midpoint):
    assert sample(length, None, Sampling("apex"), "s") == [midpoint]


@pytest.mark.parametrize(("apex", "expected"), [(10, [9, 10, 11, 12]), (1, [1, 2, 3, 4]), (19, [16, 17, 18, 19])])
def test_apex_neighbourhood_is_centred_and_shifted_to_stay_inside(apex, expected):
    assert sample(20, apex, Sampling("apex_neighbourhood", 4), "s") == expected


def test_the_middle_instance_of_an_apex_neighbourhood_is_the_apex():
    for count in (3, 4, 16):
        positions = sample(60, 30, Sampling("apex_neighbourhood", count), "s")
        assert positions[middle_instance(count)] == 30


def test_uniform_spans_the_sequence_evenly():
    assert sample(11, None, Sampling("uniform", 4), "s") == [1, 4, 7, 10]
    assert sample(12, None, Sampling("uniform", 1), "s") == [5]
    for length in range(6, 80):
        positions = sample(length, None, Sampling("uniform", 5), "s")
        gaps = [later - earlier for earlier, later in pairwise(positions)]
        assert (positions[0], positions[-1]) == (1, length - 1)
        assert max(gaps, default=1) - min(gaps, default=1) <= 1


@pytest.mark.parametrize("mode", PARTS)
@pytest.mark.parametrize("count", [1, 2, 4, 16])
def test_a_part_gives_all_its_frames_or_n_evenly_spaced_ones(mode, count):
    for length in (2, 5, 20, 41):
        for apex in range(1, length):
            part = PARTS[mode](apex, length - 1)
            found = sample(length, apex, Sampling(mode, count), "s")
            if len(part) <= count:
                assert found == part
                continue
            assert len(found) == count
            if count == 1:
                assert found == [part[max(1, len(part) // 2) - 1]]
                continue
            ideal = [part[0] + i * (len(part) - 1) / (count - 1) for i in range(count)]
            assert (found[0], found[-1]) == (part[0], part[-1])
            assert max(abs(a - b) for a, b in zip(found, ideal, strict=True)) <= 0.5


def test_the_parts_meet_at_the_apex_or_at_the_midpoint():
    assert sample(12, 4, Sampling("onset_to_apex"), "s") == [1, 2, 3, 4]
    assert sample(12, 4, Sampling("apex_to_offset"), "s") == [4, 5, 6, 7, 8, 9, 10, 11]
    assert sample(12, 4, Sampling("apex_to_offset", 3), "s") == [4, 8, 11]
    assert sample(12, None, Sampling("onset_to_apex"), "s") == [1, 2, 3, 4, 5]
    assert sample(12, None, Sampling("apex_to_offset", 2), "s") == [5, 11]


def test_random_depends_on_seed_and_sequence_and_covers_every_frame():
    def draw(seed, key):
        return tuple(sample(60, None, Sampling("random", 8, seed), key))

    assert draw(0, "casme2/sub01/a") == draw(0, "casme2/sub01/a")
    assert draw(0, "casme2/sub01/a") != draw(1, "casme2/sub01/a")
    assert draw(0, "casme2/sub01/a") != draw(0, "casme2/sub01/b")
    assert set().union(*(draw(seed, "k") for seed in range(100))) == set(range(1, 60))


def test_random_is_the_same_in_another_process():
    code = "from ra_icl.flow.sampling import *; print(sample(60, None, Sampling('random', 8, 3), 'k'))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == str(sample(60, None, Sampling("random", 8, 3), "k"))


@pytest.mark.parametrize(
    ("sampling", "name"),
    [
        (Sampling(), "middle-16"),
        (Sampling("apex", 4), "apex"),
        (Sampling("apex_neighbourhood"), "apex_neighbourhood-16"),
        (Sampling("full", seed=2), "full"),
        (Sampling("random", 8, 0), "random-8-seed0"),
        (Sampling("uniform", 4), "uniform-4"),
        (Sampling("onset_to_apex"), "onset_to_apex-16"),
        (Sampling("apex_to_offset", 4), "apex_to_offset-4"),
        (Sampling("frames", 10), "frames-10"),
    ],
)
def test_name(sampling, name):
    assert sampling.name == name


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"mode": "centre"}, r"\.mode: is 'centre'; choose 'middle', 'apex'"),
        ({"instances": 0}, r"\.instances: is 0; give at least 1"),
        ({"instances": 1.5}, r"\.instances: is 1\.5; give an integer"),
        ({"instances": True}, r"\.instances: is True; give an integer"),
        ({"seed": "a"}, r"\.seed: is 'a'; give an integer"),
    ],
)
def test_bad_options_are_refused(values, part):
    with pytest.raises(InputError, match=f"config: sampling{part}"):
        from_mapping(Sampling, values, "sampling")


@pytest.mark.parametrize("length", [0, 1])
def test_a_sequence_that_cannot_be_sampled_is_named(length):
    with pytest.raises(InputError, match="smic/s01/x"):
        sample(length, None, Sampling(), "smic/s01/x")


def test_apex_position_is_that_of_the_nearest_frame_but_never_the_onset():
    numbers = [46, 47, 48, 51, 52]
    assert apex_position(numbers, 48) == 2
    assert apex_position(numbers, 50) == 3
    assert apex_position(numbers, 46) == 1
    assert apex_position(numbers, 99) == 4
    assert apex_position(numbers, None) is None
    assert apex_position([46], 46) is None


@pytest.mark.parametrize(("count", "middle"), [(1, 0), (2, 0), (3, 1), (4, 1), (16, 7)])
def test_middle_instance(count, middle):
    assert middle_instance(count) == middle


def test_an_empty_set_has_no_middle():
    with pytest.raises(InputError, match="no middle"):
        middle_instance(0)
