"""An ensemble's fold is the mean of its members' probabilities, and says what it was made from."""

import numpy as np
import pandas as pd
import pytest

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.evaluation.ensemble import combine
from ra_icl.evaluation.folds import VIEWS
from ra_icl.evaluation.metrics import aggregate

NAMES = [("samm", "006", f"006_1_{number}") for number in range(4)]
LABELS = [0, 1, 2, 0]


def write_member(folder, number, sequences=4, **changes):
    """A member whose every probability is its own; its CSV is what the view `middle` says."""
    path = folder / f"member{number}" / "samm-006.csv"
    rng = np.random.default_rng(number)
    table = pd.DataFrame(NAMES[:sequences], columns=["dataset", "subject", "sequence"])
    table["label"] = LABELS[:sequences]
    views = table.copy()
    for view in ("middle", "all_mirror"):
        views[[f"p{label}_{view}" for label in range(3)]] = rng.dirichlet([1, 1, 1], sequences)
    middle = views[[f"p{label}_middle" for label in range(3)]].to_numpy()
    table["prediction"] = middle.argmax(axis=1)
    table[["p0", "p1", "p2"]] = middle
    files.write_csv(path, table)
    files.write_csv(path.with_suffix(VIEWS), views)
    ranges = {name: {"mean": number + 0.5, "min": -float(number), "max": 1.0 + number} for name in "uv"}
    record = {"method": f"m{number}", "protocol": "cde", "seed": number, "fold": "samm-006", "selection": "last"}
    record |= {"data_source": "public_flow", "versions": {"torch": "2.13"}, "seconds": 10.0 + number}
    record |= {"data": {"predicted": sequences, "flow": f"{number}" * 64, "all": ranges}, "device": "cpu (x)"}
    files.write_json(path.with_suffix(".json"), record | changes)
    return path


def test_the_mean_of_the_members_is_predicted(tmp_path):
    paths = [write_member(tmp_path, number) for number in (1, 2, 3)]
    out = tmp_path / "ensemble" / "samm-006.csv"
    combine(paths, out, view="all_mirror", method="m6_ensemble", seed=0, classes=3)
    columns = ["p0_all_mirror", "p1_all_mirror", "p2_all_mirror"]
    mean = sum(pd.read_csv(path.with_suffix(VIEWS))[columns].to_numpy() for path in paths) / 3
    found = pd.read_csv(out, dtype={"subject": str})
    np.testing.assert_allclose(found[["p0", "p1", "p2"]], mean, rtol=1e-12)
    assert found["prediction"].tolist() == mean.argmax(axis=1).tolist()
    assert found["label"].tolist() == LABELS
    assert list(map(tuple, found[["dataset", "subject", "sequence"]].to_numpy())) == NAMES
    record = files.read_json(out.with_suffix(".json"))
    assert record["members"] == [{"method": f"m{number}", "seed": number} for number in (1, 2, 3)]
    assert (record["seconds"], record["method"], record["seed"]) == (36.0, "m6_ensemble", 0)
    assert record["data"]["all"]["u"] == {"mean": 2.5, "min": -3.0, "max": 4.0}
    # It is scored as any method is.
    about = {"classes": ("a", "b", "c"), "protocol": "cde", "method": "m6_ensemble"}
    choices = [{"method": name, "inner_folds": 2, "seed": 0, "groups": {}} for name in ("m2", "m6")]
    content = aggregate([out], tmp_path / "m.json", **about, selections=choices)
    assert content["scores"]["composite"]["samples"] == 4
    assert content["members"] == {"m1": [1], "m2": [2], "m3": [3]}
    assert (content["view"], content["selections_of_members"]) == ("all_mirror", choices)
    assert "selection_of" not in content


def test_a_method_takes_the_choices_of_one(tmp_path):
    about = {"classes": ("a", "b", "c"), "protocol": "cde", "method": "m1"}
    choices = [{"method": name, "groups": {}} for name in ("m2", "m6")]
    path = write_member(tmp_path, 1)
    with pytest.raises(InputError, match=r"m\.json: was given choices for m2 and m6; a method takes those of one"):
        aggregate([path], tmp_path / "m.json", **about, selections=choices)
    content = aggregate([path], tmp_path / "m.json", **about, selections=choices[:1])
    assert content["selection_of"] == choices[0]
    assert content.keys().isdisjoint({"members", "view", "selections_of_members"})


def test_one_member_is_itself(tmp_path):
    path = write_member(tmp_path, 5)
    combine([path], tmp_path / "one.csv", view="middle", method="m6_middle", seed=2, classes=3)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "one.csv"), pd.read_csv(path))
    assert files.read_json(tmp_path / "one.json")["data"]["flow"] == "5" * 64


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"fold": "samm-007"}, "member2/samm-006.csv: fold is 'samm-007', not 'samm-006'; combine one fold"),
        ({"protocol": "groups5"}, "protocol is 'groups5', not 'cde'"),
        ({"selection": "best_on_held_out"}, "selection is 'best_on_held_out', not 'last'"),
        ({"sequences": 3}, "member2/samm-006.csv: predicts other sequences than .*member1/samm-006.csv"),
    ],
)
def test_members_of_other_folds_are_refused(tmp_path, changes, fault):
    paths = [write_member(tmp_path, 1), write_member(tmp_path, 2, **changes)]
    with pytest.raises(InputError, match=fault):
        combine(paths, tmp_path / "out.csv", view="middle", method="x", seed=0, classes=3)
    assert not (tmp_path / "out.csv").exists()


def test_a_member_counts_once(tmp_path):
    path = write_member(tmp_path, 1)
    with pytest.raises(InputError, match=r"samm-006\.csv: is given twice; name each member's fold once"):
        combine([path, path], tmp_path / "out.csv", view="middle", method="x", seed=0, classes=3)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "samm-006.views.csv: cannot be read as predictions"),
        ("dataset,subject\nsamm,006\n", "samm-006.views.csv: cannot be read as predictions"),
        ("cut", "samm-006.views.csv: holds other sequences than samm-006.csv"),
    ],
)
def test_damaged_views_are_refused(tmp_path, text, fault):
    path = write_member(tmp_path, 1)
    views = path.with_suffix(VIEWS)
    whole = views.read_text()
    views.unlink()
    if text:
        views.write_text("\n".join(whole.splitlines()[:3]) + "\n" if text == "cut" else text)
    with pytest.raises(InputError, match=fault):
        combine([path], tmp_path / "out.csv", view="middle", method="x", seed=0, classes=3)
