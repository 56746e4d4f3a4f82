"""A choice from hand-made inner folds: scores, spread, ties, what is refused, and what a table's notes say."""

import json
import subprocess
import sys
from statistics import stdev

import pandas as pd
import pytest

from ra_icl.errors import InputError
from ra_icl.evaluation.choice import choose, read_choice, selection_notes, selections_of
from ra_icl.files import read_json, write_json

CLASSES = ("negative", "positive", "surprise")
# Labels and predictions of the two inner folds of each candidate.
LABELS = ([0, 0, 1, 2], [0, 1, 1, 2, 2])
PREDICTIONS = {
    "base": ([0, 0, 1, 1], [0, 1, 0, 2, 2]),  # 7 of 9
    "slow": ([0, 0, 1, 2], [0, 1, 1, 2, 1]),  # 8 of 9
    "wide": ([1, 1, 1, 1], [0, 1, 1, 2, 2]),
}
GRID = {"base": {}, "slow": {"training": {"learning_rate": 0.0003}}, "wide": {"model": {"backbone": {"width": 16}}}}
FLOW = "ab" * 32


def write_fold(folder, candidate, part, predictions, **changes):
    """An inner fold as `ra-icl fold` leaves it; returns its CSV."""
    name = f"group1of5-inner{part}of2"
    path = folder / f"m2.{candidate}" / f"{name}.csv"
    labels = LABELS[part - 1]
    rows = [
        ("smic", f"s{part}{number}", f"c{number}", label, guess, *(float(guess == one) for one in range(3)))
        for number, (label, guess) in enumerate(zip(labels, predictions, strict=True))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = ["dataset", "subject", "sequence", "label", "prediction", "p0", "p1", "p2"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    record = {"method": f"m2.{candidate}", "protocol": "cde", "seed": 3, "fold": name, "selection": "last"}
    record |= {"data_source": "twins", "data": {"predicted": len(rows), "flow": FLOW, "all": {}}}
    write_json(path.with_suffix(".json"), record | {"versions": {}, "seconds": part} | changes)
    return path


@pytest.fixture
def folds(tmp_path):
    return [
        write_fold(tmp_path, candidate, part, guesses[part - 1])
        for candidate, guesses in PREDICTIONS.items()
        for part in (1, 2)
    ]


def chosen(folds, out, grid=GRID, **changes):
    given = {"candidates": grid, "protocol": "cde", "method": "m2", "group": "group1", "classes": CLASSES}
    return choose(folds, out, **given | changes)


def test_the_best_pooled_score_wins(folds, tmp_path):
    """UF1 and UAR by hand, over the nine sequences of both inner folds."""
    out = tmp_path / "group1.json"
    content = chosen(folds, out)
    assert read_json(out) == read_choice(out) == content
    # slow: recalls 3/3, 3/3, 2/3; F1 1, 6/7, 4/5
    slow = content["candidates"]["slow"]
    assert slow["uar"] == pytest.approx((1 + 1 + 2 / 3) / 3)
    assert slow["uf1"] == pytest.approx((1 + 6 / 7 + 4 / 5) / 3)
    assert slow["score"] == pytest.approx((slow["uar"] + slow["uf1"]) / 2)
    # Its first fold is perfect; the second: recalls 1, 1, 1/2, F1 1, 4/5, 2/3
    assert slow["folds"] == pytest.approx([1, ((1 + 1 + 0.5) / 3 + (1 + 4 / 5 + 2 / 3) / 3) / 2])
    assert slow["spread"] == pytest.approx(stdev(slow["folds"]))
    # base: recalls 1, 2/3, 2/3; F1 6/7, 2/3, 4/5
    assert content["candidates"]["base"]["uar"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert content["candidates"]["base"]["uf1"] == pytest.approx((6 / 7 + 2 / 3 + 4 / 5) / 3)
    assert (content["candidate"], content["overrides"]) == ("slow", GRID["slow"])
    assert content["candidates"]["wide"]["overrides"] == GRID["wide"]
    about = {"protocol": "cde", "method": "m2", "group": "group1", "groups": 5, "inner_folds": 2, "seed": 3}
    assert content | about | {"data_source": "twins", "flow": FLOW} == content


def test_of_equal_scores_the_first_listed_wins(tmp_path):
    same = [write_fold(tmp_path, name, part, LABELS[part - 1]) for name in ("base", "slow", "wide") for part in (2, 1)]
    for order in (["base", "slow", "wide"], ["wide", "slow", "base"]):
        grid = {name: GRID[name] for name in order}
        assert chosen(same, tmp_path / "group1.json", grid)["candidate"] == order[0]


def test_neither_order_nor_time_changes_the_file(folds, tmp_path):
    chosen(folds, tmp_path / "a.json")
    record = read_json(folds[0].with_suffix(".json"))
    write_json(folds[0].with_suffix(".json"), record | {"seconds": 99, "key": "other"})
    chosen(folds[::-1], tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": "m6.base"}, "is of m6.base, not of a candidate of m2; give its inner folds alone"),
        ({"method": "m2.lr5"}, "is of m2.lr5, not of a candidate of m2"),
        ({"fold": "group2of5-inner1of2"}, "is fold group2of5-inner1of2, not an inner fold of group1"),
        ({"fold": "smic-s1"}, "is fold smic-s1, not an inner fold of group1"),
        ({"fold": "group1of5-inner1of3"}, "has other folds than"),
        ({"fold": "group1of5-inner2of2"}, "inner fold 2 of base is given twice"),
        ({"data": {"predicted": 4, "flow": "cd" * 32, "all": {}}}, "has other flow than"),
        ({"seed": 4}, "has other seed than"),
        ({"selection": "best_on_held_out"}, "has other selection than"),
        ({"protocol": "groups5"}, "has other protocol than"),
    ],
)
def test_folds_that_do_not_belong_together_are_refused(folds, tmp_path, changes, words):
    write_fold(tmp_path, "base", 1, PREDICTIONS["base"][0], **changes)
    with pytest.raises(InputError, match=words):
        chosen([*folds[1:], folds[0]], tmp_path / "group1.json")
    assert not (tmp_path / "group1.json").exists()


def test_every_candidate_needs_all_inner_folds(folds, tmp_path):
    with pytest.raises(InputError, match=r"group1\.json: wide has 1 inner folds of 2; name the CSV files of all"):
        chosen(folds[:-1], tmp_path / "group1.json")
    with pytest.raises(InputError, match="more has 0 inner folds of 2"):
        chosen(folds, tmp_path / "group1.json", GRID | {"more": {}})


def test_metrics_and_notes_say_what_was_chosen(folds, tmp_path):
    for group in ("group1", "group2"):
        for path in folds:
            record = read_json(path.with_suffix(".json"))
            write_json(path.with_suffix(".json"), record | {"fold": f"{group}{record['fold'][6:]}"})
        chosen(folds, tmp_path / f"{group}.json", group=group)
    (found,) = selections_of([tmp_path / "group1.json", tmp_path / "group2.json"])
    assert (found["method"], found["inner_folds"], found["seed"]) == ("m2", 2, 3)
    assert list(found["groups"]) == ["group1", "group2"]
    assert found["groups"]["group2"]["candidate"] == "slow"
    assert list(found["groups"]["group2"]["scores"]) == list(GRID)
    first, *groups = selection_notes([{"method": name, "selection_of": found} for name in ("m1", "m2")] + [{}])
    assert first.startswith("Options of m2 were chosen for each of 2 groups of subjects, by 2 inner ")
    assert "seed 3; also used for m1. Below: the choice" in first
    slow = read_choice(tmp_path / "group1.json")["candidates"]["slow"]
    assert len(groups) == 2
    assert groups[0].startswith("m2, group1: slow (base ")
    assert f"slow {100 * slow['score']:.1f} ± {100 * slow['spread']:.1f}" in groups[0]
    assert selections_of([]) == []
    assert selection_notes([{"method": "m1"}]) == []


def test_notes_of_an_ensemble_tell_the_choices_of_all_its_members(folds, tmp_path):
    chosen(folds, tmp_path / "m2.json")
    write_json(tmp_path / "m6.json", read_json(tmp_path / "m2.json") | {"method": "m6"})
    found = selections_of([tmp_path / "m2.json", tmp_path / "m6.json"])
    assert [selection["method"] for selection in found] == ["m2", "m6"]
    notes = selection_notes([{"method": "both", "selections_of_members": found}])
    assert [note.split(" ")[:3] for note in notes[::2]] == [["Options", "of", "m2"], ["Options", "of", "m6"]]
    assert [note.split(":")[0] for note in notes[1::2]] == ["m2, group1", "m6, group1"]
    assert all("also used for both. Below" in note for note in notes[::2])


def run(*arguments):
    program = [sys.executable, "-c", "from ra_icl.cli import main; main()", *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def test_the_command_writes_the_same_file(folds, tmp_path):
    chosen(folds, tmp_path / "a.json")
    given = ("--protocol", "cde", "--method", "m2", "--group", "group1", "--out", tmp_path / "b.json")
    done = run("choose", *folds, "--candidates", json.dumps(GRID), *given)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    done = run("choose", *folds[1:], "--candidates", json.dumps(GRID), *given)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("ra-icl: error: ")
    assert "base has 1 inner folds of 2" in line
