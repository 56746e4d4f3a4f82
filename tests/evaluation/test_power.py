"""The power of the paired test, and the table that says which printed differences it could see."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from metrics_content import metrics, people

from ra_icl import files
from ra_icl.datasets.paper import EXPECTED
from ra_icl.errors import FaultKind, InputError
from ra_icl.evaluation.intervals import Subjects, compare
from ra_icl.evaluation.power import p_values, power, scores_of, smallest_seen, weaker
from ra_icl.evaluation.power_table import ASKED, OURS, _printed_rates, build_power, power_notes, write_power
from ra_icl.evaluation.simulation import NO_AGREEMENT, Agreement, People, simulate
from ra_icl.evaluation.table_formats import write_formats
from ra_icl.evaluation.tables import write_table

PUBLISHED = Path(__file__).parents[2] / "config" / "published.csv"
GOOD = np.array([[0.8, 0.15, 0.05], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]])
RATES = np.stack([GOOD, GOOD[[1, 2, 0]][:, [1, 2, 0]]])


@pytest.fixture
def crowd():
    """40 people with up to 8 sequences of each class, of two datasets."""
    return People(np.random.default_rng(1).integers(0, 9, (40, 3)), np.arange(40) % 2)


def test_p_is_that_of_the_table_of_differences():
    """Nine people: there all swaps are counted, and p is exact."""
    few = People(np.random.default_rng(1).integers(0, 9, (9, 3)), np.arange(9) % 2)
    rng = np.random.default_rng(2)
    matrices = simulate(few, np.stack([RATES, weaker(RATES, 1.2), RATES]), Agreement(0.6, 0.2, 0.3), rng)
    names = [("ab"[dataset], str(number)) for number, dataset in enumerate(few.datasets)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    found = p_values(matrices, pairs, rng)
    for pair, p in zip(pairs, found, strict=True):
        both = [Subjects(names, matrices[place][:, None]) for place in pair]
        assert p == pytest.approx([found.p for found in compare(*both).values()], abs=0.05)
    assert found.min() < 0.1 < found.max()
    assert p_values(matrices, [(1, 0)], np.random.default_rng(3)) == pytest.approx(
        p_values(matrices, [(0, 1)], np.random.default_rng(3))
    )
    assert (p_values(matrices[[0, 0]], [(0, 1)], rng) == 1).all()


def test_no_difference_is_found_as_rarely_as_the_level_says_and_a_large_one_always(crowd):
    rates = np.stack([RATES, RATES, weaker(RATES, 2.2)])
    found = power(crowd, rates, Agreement(0.6, 0.2, 0.3), [(0, 1), (0, 2)], 100)
    assert (found["alone"][0] <= 0.11).all()
    assert (found["alone"][1] > 0.95).all()
    assert (found["holm"] <= found["alone"]).all()


def test_a_weaker_method_misses_more_often(crowd):
    less = weaker(RATES, 1.5)
    assert less.sum(-1) == pytest.approx(1)
    assert 1 - np.diagonal(less, axis1=-2, axis2=-1) == pytest.approx(
        1.5 * (1 - np.diagonal(RATES, axis1=-2, axis2=-1))
    )
    assert np.diagonal(weaker(RATES, 100), axis1=-2, axis2=-1) == pytest.approx(0)
    assert weaker(np.eye(3), 2) == pytest.approx(np.eye(3))
    assert (scores_of(crowd, less) < scores_of(crowd, RATES) - 0.05).all()


def test_the_smallest_difference_is_larger_among_many_and_smaller_where_methods_agree(crowd):
    apart, alike = (
        smallest_seen(crowd, RATES, agreement, 10, 60) for agreement in (NO_AGREEMENT, Agreement(0.9, 0.1, 0.1))
    )
    assert (apart[:, 0] < apart[:, 1]).all()
    assert (alike < apart).all()
    found = power(crowd, np.stack([RATES, weaker(RATES, 1.0)]), NO_AGREEMENT, [(0, 1)], 50)
    assert found["alone"].max() < 0.2


def content(method, hits, **changes):
    counts = {"casme2": 8, "samm": 8, "smic": 8}
    return metrics(
        method, subjects=people(hits, counts, seeds=len(changes.get("seeds", [0])), method=int(method[1])), **changes
    )


def write(tmp_path, *contents):
    paths = [tmp_path / f"{number}.json" for number in range(len(contents))]
    for path, one in zip(paths, contents, strict=True):
        files.write_json(path, one)
    return paths


def test_the_table_asks_for_the_papers_differences(tmp_path):
    paths = write(tmp_path, content("m2", 0.7, seeds=(0, 1)), content("m6", 0.75))
    table = build_power({path: files.read_json(path) for path in paths}, PUBLISHED, 3)
    write_formats(table, tmp_path / "power")
    printed = table.printed
    assert printed["Agreement"].unique().tolist() == ["two methods", "two seeds"]
    asked = table.data[table.data["agreement"] == "two seeds"].iloc[: len(ASKED)]
    assert asked["question"].tolist() == ["M1 to M2", "M5 to M6", "M6 to M7", "M6 to M8", "M6 to M9"]
    assert len(table.data) == 2 * (len(ASKED) + 4)
    assert table.data["uf1_holm"].max() <= 1
    assert "simulated" in (tmp_path / "power.csv").read_text()
    assert printed["UF1"].iloc[: len(ASKED)].tolist() == ["+1.69", "+2.24", "−0.32", "+0.21", "−0.16"]
    notes = (tmp_path / "power.notes.md").read_text()
    assert "3 simulated experiments" in notes
    assert "measured on m2 (2), m6 (1) (trainings)" in notes


def test_printed_scores_are_those_that_are_simulated():
    labels = np.array([list(EXPECTED["cde"][name].values()) for name in ("casme2", "samm", "smic")])
    everyone = People(labels, np.arange(3))
    rates, scores = _printed_rates(PUBLISHED)
    assert scores["M5"] == (85.81, 85.46)
    assert 100 * scores_of(everyone, rates[OURS]) == pytest.approx([88.05, 89.11], abs=0.006)
    assert 100 * scores_of(everyone, rates["M2"]) == pytest.approx([84.91, 83.72], abs=0.006)


def test_what_does_not_fit_is_said(tmp_path):
    one, other = content("m2", 0.7), content("m6", 0.7)
    fewer = metrics("m6", subjects=people(0.7, {"casme2": 8, "samm": 7, "smic": 8}, method=6))
    none = tmp_path / "none.csv"
    none.write_text("method,table,composite_uf1,composite_uar\n")
    for contents, published, fault in (
        ((one, fewer), PUBLISHED, "1.json: m6 was tested on other subjects or labels than m2; give metrics of"),
        ((metrics("m2", subjects=people(0.7, {"casme3": 9})),), PUBLISHED, "0.json: m2 was tested on casme3, and not"),
        ((one,), PUBLISHED, "0.json: all metrics are of m2; give those of another"),
        ((one, other), none, "none.csv: Table 3 has no row M1 for which"),
    ):
        with pytest.raises(InputError, match=fault):
            write_power(write(tmp_path, *contents), published, tmp_path / "power", 2)


def test_every_kind_has_an_example():
    kinds = [kind for name, kind in FaultKind.all.items() if name.startswith("power-")]
    assert len(kinds) == 4
    assert all("{" not in kind.shown() for kind in kinds)


def test_table_3_says_what_can_be_seen(tmp_path):
    kept = PUBLISHED.with_name("published_power.csv")
    notes = power_notes(kept, "3")
    assert "sees a difference in UF1 of " in notes[0]
    smallest = pd.read_csv(kept).query("question == 'smallest seen, from M6, as printed'")["uf1_difference"]
    assert f"{smallest.min():.1f} to {smallest.max():.1f} points with a power of 80 %" in notes[0]
    assert power_notes(kept, "1") == power_notes(tmp_path / "none.csv", "3") == []
    files.write_json(tmp_path / "m6.json", metrics("m6", subjects=people(0.7)))
    write_table("3", [tmp_path / "m6.json"], PUBLISHED, tmp_path / "table3", {"m6": {"title": "M6"}})
    assert notes[0] in (tmp_path / "table3.notes.md").read_text()


def test_the_documentation_prints_what_is_kept():
    """docs/leak.md and config/published_power.csv, which the notes of Table 3 are made from."""
    text = (PUBLISHED.parents[1] / "docs" / "leak.md").read_text(encoding="utf-8")
    kept = pd.read_csv(PUBLISHED.with_name("published_power.csv"))
    for question, rows in kept[~kept["question"].str.startswith("smallest")].groupby("question"):
        cells = [question]
        for score in ("uf1", "uar"):
            difference = f"{rows[f'{score}_difference'].iloc[0]:+.2f}".replace("-", "−")
            cells += [difference, *(f"{100 * power:.0f} %" for power in rows[f"{score}_power"])]
        assert f"| {' | '.join(cells)} |" in text
    for level in ("M6, as printed", "m1_causalnet, as measured"):
        rows = [kept[kept["question"] == f"smallest seen{words}, from {level}"] for words in ("", " after Holm")]
        assert f" | {' | '.join(f'{size}' for found in rows for size in found['uf1_difference'])} |" in text
