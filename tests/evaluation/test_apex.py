"""How far windows are from the apex, and what it matters: distances by hand, rates by loops, a planted effect."""

import numpy as np
import pandas as pd
import pytest
from drawn_legends import assert_legends_are_clear
from fold_records import write_fold
from metrics_content import metrics
from typer.testing import CliRunner

from ra_icl.cli import app
from ra_icl.datasets.index import COLUMNS
from ra_icl.errors import InputError
from ra_icl.evaluation import apex, apex_figure
from ra_icl.files import read_json, write_csv, write_json
from ra_icl.flow.sampling import Sampling

MIDDLE = Sampling("middle", 4)


def write_index(path, rows):
    """rows: (dataset, subject, sequence, onset, apex, offset)."""
    whole = [(*row[:3], "frames", *row[3:], 200.0, "joy") for row in rows]
    table = pd.DataFrame(whole, columns=list(COLUMNS)).astype({"apex": "Int64"})
    write_csv(path, table)
    return path


def test_distances_are_those_of_the_middle_instance_in_frames(tmp_path):
    """From 20 frames after the onset, 9 to 12 are sampled; of 3, all. Inference takes 10, and of 3 the 2nd."""
    rows = [
        ("casme2", "s1", "far", 100, 117, 120),
        ("casme2", "s1", "last", 100, 112, 120),
        ("casme2", "s1", "before", 100, 108, 120),
        ("samm", "s1", "short", 7, 9, 10),
        ("samm", "s1", "at the onset", 7, 7, 10),
        ("smic", "s1", "none", 100, None, 120),
    ]
    found = apex.apex_distances([write_index(tmp_path / "index.csv", rows)], MIDDLE)
    assert found["sequence"].tolist() == [row[2] for row in rows]
    assert found["distance"].tolist()[:-1] == [-7, -2, 2, 0, 2]
    assert np.isnan(found["distance"].iloc[-1])
    assert found["inside"].tolist() == [False, True, False, True, False, False]
    uniform = apex.apex_distances([tmp_path / "index.csv"], Sampling("full"))
    assert uniform["distance"].tolist()[:3] == [-7, -2, 2]  # the 10th of 20 frames
    assert uniform["inside"].tolist() == [True, True, True, True, False, False]


def test_a_sampling_that_looks_at_the_apex_has_no_distance():
    with pytest.raises(InputError, match=r"sampling\.mode: is apex, which looks at the apex; choose middle"):
        apex.apex_distances([], Sampling("apex"))


def test_bins_hold_about_as_many_sequences_and_equal_distances_share_one():
    distances = np.arange(105.0)
    assert np.bincount(apex.bins_of(distances)).tolist() == [15] * 7
    assert apex.bins_of(np.arange(29.0)).tolist() == [0] * 29  # too few for two
    assert np.bincount(apex.bins_of(np.arange(30.0))).tolist() == [15, 15]
    tied = np.array([0.0] * 40 + [1.0] * 50 + [5.0] * 15)
    found = apex.bins_of(tied)
    assert [set(tied[found == number]) for number in range(found.max() + 1)] == [{0.0}, {1.0}, {5.0}]
    shuffled = np.random.default_rng(0).permutation(tied)
    assert (apex.bins_of(shuffled) == np.searchsorted([0.0, 1.0, 5.0], shuffled)).all()


def rows_of(people, hits_of, sequences=3, seeds=2):
    """Rows of `joined`: distances 0, 1, .. over all sequences; hits_of(distance): hits of `seeds`."""
    keys = [("samm", f"s{person:02}", f"e{number}") for person in range(people) for number in range(sequences)]
    rows = [(*key, float(at), at < 5, hits_of(at), seeds) for at, key in enumerate(keys)]
    return pd.DataFrame(rows, columns=["dataset", "subject", "sequence", "distance", "inside", "hits", "seeds"])


def test_hit_rates_are_shares_of_all_seeds_and_intervals_are_over_people():
    rows = rows_of(20, lambda at: at % 3)
    bins = apex.hit_rates(rows)
    assert [one.sequences for one in bins] == [15] * 4
    for number, one in enumerate(bins):
        inside = range(15 * number, 15 * number + 15)
        assert one.distance == np.mean(inside)
        assert one.rate == pytest.approx(sum(at % 3 for at in inside) / 30)
        assert one.subjects == 5
        assert np.isnan([one.low, one.high]).all()  # of fewer than ten people
    (one,) = apex.hit_rates(rows_of(29, lambda at: 2 * (at < 13), sequences=1))
    assert one.rate == pytest.approx(13 / 29)
    deviation = (one.rate * (1 - one.rate) / 29) ** 0.5  # everybody has one sequence: a binomial
    assert (one.low, one.high) == pytest.approx((one.rate - 1.96 * deviation, one.rate + 1.96 * deviation), abs=0.035)
    (sure,) = apex.hit_rates(rows_of(12, lambda at: 2, sequences=1))
    assert (sure.low, sure.high) == (1, 1)


def test_people_are_drawn_and_not_sequences():
    """Ten people have all of their sequences right or wrong: with more sequences each, the interval stays as wide."""
    few, many = (
        apex.hit_rates(rows_of(14, lambda at, each=each: 2 * (at // each % 2), sequences=each).assign(distance=0.0))[0]
        for each in (2, 40)
    )
    assert (few.low, few.high) == pytest.approx((many.low, many.high))
    assert few.high - few.low > 0.4


@pytest.fixture
def run(tmp_path):
    """(fold CSVs, index): 3 methods over 30 people with 4 sequences; m6 is right near the apex alone, m7 always.

    Distances go from -20 to 20; SMIC has no apex, and m6 is wrong there.
    """
    places = iter(range(1000))
    index, folds = [], []
    for number in range(30):
        dataset = ("casme2", "samm", "smic")[number % 3]
        subject, told = f"s{number:02}", {"m6": [], "m7": []}
        for sequence in "abcd":
            distance = next(places) * 7 % 41 - 20
            known = dataset != "smic"
            # 61 frames: positions 29 to 32 of 60, the middle instance is at 30
            index.append((dataset, subject, sequence, 100, 130 - distance if known else None, 160))
            told["m6"].append((sequence, 0, 0 if known and abs(distance) <= 8 else 1))
            told["m7"].append((sequence, 0, 0))
        for method, rows in told.items():
            folds += [
                write_fold(tmp_path, f"{dataset}-{subject}", rows, None, method=method, seed=one) for one in (0, 1)
            ]
    folds.sort(key=lambda path: path.parent.parent.name)
    return folds, write_index(tmp_path / "index.csv", index)


@pytest.fixture
def saved(monkeypatch):
    found = []
    monkeypatch.setattr(apex_figure, "save_figure", lambda figure, stem: found.append(figure))
    return found


def test_a_planted_loss_far_from_the_apex_is_seen(run, tmp_path, saved):
    folds, index = run
    apex_figure.apex_figure(folds, [index], MIDDLE, tmp_path / "out", {"m6": "M6 (ours)"})
    _, rates = saved[0].axes
    m6, m7 = (container.lines[0] for container in rates.containers)
    assert [container.get_label() for container in rates.containers] == ["M6 (ours)", "M7"]
    assert m7.get_ydata().tolist() == [100] * len(m7.get_ydata())
    shares = m6.get_ydata()
    assert (shares[0], shares[-1]) == (0, 0)
    assert shares[len(shares) // 2] == 100
    lines = saved[0].get_suptitle().splitlines()
    assert lines[0] == "M6 (ours): does it matter where the apex is?"
    assert "SYNTHETIC TWINS: not comparable with any published number" in lines
    inside = sum(-2 <= number * 7 % 41 - 20 <= 1 for number in range(120) if number // 4 % 3 < 2)
    assert f"The apex is in the sampled window of {round(100 * inside / 80)} % of 80 sequences" in lines
    assert lines[-1] == "Without an annotated apex, and so counted in the scores alone: 40 of SMIC-HS"
    assert (
        saved[0].get_supxlabel().startswith("Data: synthetic twins of CASME II, SAMM and SMIC-HS, 120 sequences, 30 p")
    )


def test_the_histogram_counts_every_sequence_with_an_apex_at_its_distance(run, tmp_path, saved):
    apex_figure.apex_figure(run[0], [run[1]], MIDDLE, tmp_path / "out")
    (bars,) = saved[0].axes[0].containers
    found = {round(bar.get_center()[0]): bar.get_height() for bar in bars if bar.get_height()}
    distances = [number * 7 % 41 - 20 for number in range(120) if number // 4 % 3 < 2]
    assert found == {one: distances.count(one) for one in distances}


def test_scores_over_n_stand_beside_those_with_the_apex(run, tmp_path, saved):
    sweep = {str(n): tmp_path / f"n{n}.json" for n in (4, 16)}
    for n, path in sweep.items():
        write_json(path, metrics(f"m{len(n)}", source="twins", seeds=(0, 1)))
    apex_figure.apex_figure(run[0], [run[1]], MIDDLE, tmp_path / "out", None, sweep, "4")
    scores = saved[0].axes[0]
    assert [text.get_text() for text in scores.get_legend().get_texts()] == ["UF1 of M7", "UF1", "UAR"]
    assert_legends_are_clear(saved[0])
    assert scores.containers[0].lines[0].get_ydata().tolist() == [11.25, 21.25]
    assert [text.get_text() for text in scores.texts] == ["default"]
    (dashed,) = [line for line in scores.lines if line.get_linestyle() == "--"]
    assert dashed.get_ydata()[0] == 100


def test_what_does_not_fit_is_named(run, tmp_path):
    folds, index = run
    with pytest.raises(InputError, match="m7: predicts other sequences or seeds than m6"):
        apex_figure.apex_figure(folds[:-1], [index], MIDDLE, tmp_path / "out")
    other = write_index(tmp_path / "other.csv", [("samm", "x", "y", 1, 2, 30)])
    with pytest.raises(InputError, match="m6: casme2/s00/a is not in the index"):
        apex_figure.apex_figure(folds, [other], MIDDLE, tmp_path / "out")
    with pytest.raises(InputError, match="no folds given"):
        apex_figure.apex_figure([], [index], MIDDLE, tmp_path / "out")
    smic = [path for path in folds if path.name.startswith("smic")]
    with pytest.raises(InputError, match="no sequence has an annotated apex"):
        apex_figure.apex_figure(smic, [index], MIDDLE, tmp_path / "out")
    mixed = tmp_path / "mixed.csv"
    mixed.write_bytes(folds[0].read_bytes())
    write_json(mixed.with_suffix(".json"), read_json(folds[0].with_suffix(".json")) | {"protocol": "groups5"})
    with pytest.raises(InputError, match=r"mixed\.csv: protocol is 'groups5', not 'cde'; name the folds of one run"):
        apex_figure.apex_figure([*folds, mixed], [index], MIDDLE, tmp_path / "out")
    assert not list(tmp_path.glob("out.*"))


def test_the_command_draws_both_files(run, tmp_path):
    folds, index = run
    words = ["apex", *map(str, folds), "--index", str(index), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*words, "--sampling", '{"instances": 4}'])
    assert done.exit_code == 0, done
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF")
    refused = CliRunner().invoke(app, [*words, "--values", "[4]"])
    assert "holds 1 values for 0 files of --sweep" in str(refused.exception)
