"""The table of differences: who is compared with whom, what is printed, what cannot be compared."""

import pandas as pd
import pytest
from metrics_content import metrics, people

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.evaluation.differences import build_differences, write_differences
from ra_icl.evaluation.intervals import compare, holm, subjects_of

METHODS = {"m1": {"title": "M1, plain"}, "m2": {"title": "M2"}, "m6": {"title": "M6 (ours)"}}
HITS = {"m1": 0.3, "m2": 0.75, "m6": 0.8}


def content(method, *, counts=None, seeds=(0, 1), **changes):
    entries = people(HITS[method], counts, seeds=len(seeds), method=int(method[1]))
    return metrics(method, seeds=seeds, **{"subjects": entries} | changes)


def build(*contents, reference="m6", methods=METHODS):
    return build_differences(contents, reference, methods)


def test_the_reference_minus_each_other_method_in_the_order_of_the_config():
    m1, m2, m6 = content("m1"), content("m2"), content("m6")
    table = build(m2, m6, m1)
    assert table.data["method"].tolist() == ["m1", "m2"]
    assert table.data["title"].tolist() == ["M1, plain", "M2"]
    shared = table.data[["data", "reference", "protocol", "subjects", "seeds"]]
    assert shared.to_numpy().tolist() == [["real", "m6", "cde", 15, 2]] * 2
    expected = [compare(subjects_of(m6), subjects_of(other)) for other in (m1, m2)]
    for score in ("uf1", "uar"):
        for place, found in enumerate(expected):
            row = table.data.iloc[place]
            ends = [row[f"{score}_{name}"] for name in ("difference", "low", "high")]
            points = [100 * value for value in (found[score].value, found[score].low, found[score].high)]
            assert ends == pytest.approx(points, abs=1e-3)
            assert row[f"{score}_p"] == found[score].p
        assert table.data[f"{score}_p_holm"].tolist() == holm([found[score].p for found in expected])
    assert table.data["uf1_difference"][0] > 30
    assert table.data["uf1_p_holm"][0] == 2 * table.data["uf1_p"][0] < 0.01


def test_what_is_printed_is_what_the_data_hold():
    table = build(content("m1"), content("m6"), reference="m1")
    row = table.data.iloc[0]
    assert row["uf1_high"] < 0
    ends = f"[−{-row['uf1_low']:.1f}, −{-row['uf1_high']:.1f}]"
    cells = table.printed.iloc[0].to_dict()
    assert cells["UF1"] == f"−{-row['uf1_difference']:.2f} {ends}"
    assert cells["UF1: p"] == cells["UF1: Holm"] == f"{row['uf1_p']:.4f}"
    assert list(cells) == ["Method", "Data", "UF1", "UF1: p", "UF1: Holm", "UAR", "UAR: p", "UAR: Holm"]
    assert table.title == "M1, plain minus each other method, protocol cde, in points of UF1 and UAR"
    assert table.record["Method"].tolist() == ["m1", "m6"]


def test_title_and_notes_say_what_the_numbers_rest_on():
    table = build(content("m6", source="twins"), content("m1", source="twins"), content("m2", source="twins"))
    assert table.title.endswith("SYNTHETIC TWINS: not comparable with any published number")
    assert set(table.data["data"]) == {"synthetic"}
    notes = "\n".join(table.notes)
    for words in (
        "Scores on synthetic twins show",
        "[ ]: 95 % bootstrap interval over subjects, 15 of them, each resampled within its dataset",
        "p: two-sided, from 9,999 random ways of swapping",
        "adjusted for 2 comparisons, separately for UF1 and UAR",
        "mean over 2 seeds",
    ):
        assert words in notes


def test_notes_count_midpoints_and_what_is_left_out():
    m1 = content("m1") | {"without_apex": {"casme2": 21}, "left_out": {"samm": 3}}
    methods = METHODS | {"m1": {"title": "M1", "mir": "→Apex*"}}
    notes = build(m1, content("m6") | {"left_out": {"samm": 3}}, methods=methods).notes
    assert notes[0].startswith("Without an annotated apex: 21 sequences of CASME II; methods that need an apex")
    assert notes[1] == "Left out by data.exclude: 3 sequences of SAMM"


def test_below_ten_subjects_there_is_a_difference_and_p_but_no_interval():
    few = {"casme2": 5, "samm": 4}
    table = build(content("m6", counts=few), content("m1", counts=few))
    assert table.data[["uf1_low", "uf1_high", "uar_low", "uar_high"]].isna().all(axis=None)
    assert "[" not in table.printed["UF1"][0]
    assert table.data["uf1_p"][0] < 0.05
    assert "No interval for 9 subjects: at least 10 are needed" in table.notes
    assert any("all 512 ways of swapping" in note for note in table.notes)


@pytest.mark.parametrize(("counts", "least"), [({"casme2": 3, "samm": 2}, "0.0625"), ({"casme2": 3, "samm": 3}, "")])
def test_notes_say_if_so_few_subjects_cannot_give_a_small_p(counts, least):
    """All swaps of n subjects are 2^n, and two of them, none and all, always differ by as much as what was found."""
    right, wrong = people(1.0, counts, seeds=2), people(0.0, counts, seeds=2)
    table = build(content("m6", subjects=right), content("m1", subjects=wrong))
    said = [note for note in table.notes if "p cannot be below" in note]
    assert said == ([f"With 5 subjects p cannot be below {least}, however large a difference is"] if least else [])
    if least:
        assert table.data["uf1_p"][0] == float(least)


def test_two_names_for_the_same_predictions_do_not_differ():
    table = build(content("m6"), content("m1", subjects=content("m6")["subjects"]))
    shown = ["uf1_difference", "uf1_low", "uf1_high", "uf1_p", "uar_p_holm"]
    assert table.data[shown].iloc[0].tolist() == [0, 0, 0, 1, 1]
    assert table.printed["UF1"][0] == "+0.00 [0.0, 0.0]"


def test_a_method_without_a_title_is_called_by_its_name(tmp_path):
    for method in ("m2", "m6"):
        files.write_json(tmp_path / f"{method}.json", content(method))
    write_differences([tmp_path / "m2.json", tmp_path / "m6.json"], tmp_path / "differences")
    assert pd.read_csv(tmp_path / "differences.csv")["title"].tolist() == ["M2"]
    assert (tmp_path / "differences.md").read_text().startswith("**M6 minus each other method")
    assert {path.name for path in tmp_path.glob("differences.*")} == {
        *("differences.csv", "differences.html", "differences.md", "differences.tex", "differences.notes.md")
    }


def other_labels():
    entries = content("m1")["subjects"]
    first = next(one for one in entries if one["subject"] == "s02")
    first["confusion"] = [[*matrix[1:], matrix[0]] for matrix in first["confusion"]]
    return content("m1", subjects=entries)


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([content("m1"), content("m2")], "no metrics of the reference m6 given"),
        ([content("m6")], "only m6 is given"),
        ([content("m6"), content("m1"), content("m1")], "m1 is given twice"),
        ([content("m6"), content("m1", seeds=(0, 2))], r"m1 and m6 differ in seeds \(\[0, 2\], \[0, 1\]\)"),
        ([content("m6"), content("m1", source="twins")], r"differ in data_source \(twins, datasets\)"),
        ([content("m6"), content("m1", selection="best_on_held_out")], r"selection \(best_on_held_out, last\)"),
        ([content("m6"), metrics("m1", "casme3_3", seeds=(0, 1), subjects=people(0.3, seeds=2))], "differ in protocol"),
        (
            [content("m6"), content("m1", subjects=content("m1")["subjects"][1:])],
            "only one predicted .* casme2/s00",
        ),
        ([content("m6"), other_labels()], "m1 and m6: other labels or sequences of subject casme2/s02"),
        ([content("m6"), metrics("m1")], "metrics of m1 under cde: key subjects is missing"),
    ],
)
def test_what_cannot_be_compared_is_refused(contents, message):
    with pytest.raises(InputError, match=message) as error:
        build(*contents)
    assert "\n" not in str(error.value)


def test_what_no_seed_changes_is_compared_by_its_one_seed():
    """As if its predictions were there once per seed; other methods need the seeds of the reference."""
    m6 = content("m6")
    once, twice = (people(HITS["m1"], seeds=1, method=1) for _ in range(2))
    for entry in twice:
        entry["confusion"] = entry["confusion"] * 2
    one, both = content("m1", seeds=(0,), subjects=once) | {"draws": False}, content("m1", subjects=twice)
    pd.testing.assert_frame_equal(build(m6, one).data.drop(columns="seeds"), build(m6, both).data.drop(columns="seeds"))
    three = content("m6", seeds=(0, 1, 2), subjects=people(HITS["m6"], seeds=3))
    one, both = build(three, one).data, build(three, content("m1", subjects=twice) | {"draws": False}).data
    pd.testing.assert_frame_equal(one.drop(columns="seeds"), both.drop(columns="seeds"))
    with pytest.raises(InputError, match="differ in seeds"):
        build(m6, content("m1", seeds=(0,), subjects=once))
    with pytest.raises(InputError, match="differ in seeds"):
        build(m6, content("m1", seeds=(5,), subjects=once) | {"draws": False})


def test_choices_of_nested_selection_are_in_the_notes():
    groups = {
        "group1": {"candidate": "wide", "scores": {"base": 0.5, "wide": 0.6}, "spread": {"base": 0.1, "wide": 0.2}}
    }
    chosen = {"method": "m6", "inner_folds": 3, "seed": 0, "groups": groups}
    notes = "\n".join(build(content("m6") | {"selection_of": chosen}, content("m1")).notes)
    assert "m6, group1: wide (base 50.0 ± 10.0, wide 60.0 ± 20.0)" in notes
