"""The leak against plain loops over predictions: which epoch is chosen, and what that scores."""

import numpy as np
import pandas as pd
import pytest

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.evaluation.intervals import compare, subjects_of
from ra_icl.evaluation.leak import (
    EPOCHS,
    at_epochs,
    best_by_subject,
    best_of_inner,
    build_leak,
    chosen_epochs,
    count_inner,
    read_all,
)
from ra_icl.evaluation.metrics import aggregate, confusion, uar, uf1

CLASSES = ("negative", "positive", "surprise")
SUBJECTS = {"casme2": 5, "samm": 4, "smic": 3}
LENGTHS = (6, 4)  # epochs, of the folds of even and odd numbers
SEEDS = (0, 3)


def write_fold(path, rows, seed, method="m2", epochs=None):
    """A fold's CSV, JSON and epochs, as training writes them; rows: predictions after each epoch."""
    last = rows[rows["epoch"] == rows["epoch"].max()].drop(columns="epoch")
    files.write_csv(path, last)
    files.write_csv(path.with_suffix(EPOCHS), rows)
    values = {name: {"mean": 0.5, "min": 0.0, "max": 1.0} for name in ("u", "v", "strain")}
    record = {"method": method, "protocol": "cde", "seed": seed, "fold": path.stem, "selection": "last"}
    record |= {"data_source": "public_flow", "data": {"predicted": len(last), "flow": "ab" * 32, "all": values}}
    files.write_json(path.with_suffix(".json"), record | {"versions": {}, "seconds": 1.0})


def predictions(dataset, subject, labels, epochs, rng):
    """Predictions after each epoch, right more often from epoch to epoch and then less often."""
    found = []
    for epoch in range(1, epochs + 1):
        right = rng.random(len(labels)) < (0.3, 0.5, 0.8, 0.6, 0.5, 0.4)[epoch - 1]
        guess = np.where(right, labels, (labels + rng.integers(1, 3, len(labels))) % 3)
        rows = pd.DataFrame(
            {
                "epoch": epoch,
                "dataset": dataset,
                "subject": subject,
                "sequence": [f"clip{n}" for n in range(len(labels))],
                "label": labels,
                "prediction": guess,
            }
        )
        one_hot = np.eye(3)[guess]
        found.append(pd.concat([rows, pd.DataFrame(one_hot, columns=["p0", "p1", "p2"])], axis=1))
    return pd.concat(found, ignore_index=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Metrics JSON, fold CSVs and {(seed, dataset, subject): predictions} of one method."""
    folder, rng = tmp_path_factory.mktemp("leak"), np.random.default_rng(7)
    people = [(dataset, f"{number:03d}") for dataset, count in SUBJECTS.items() for number in range(count)]
    labels = {name: rng.integers(0, 3, rng.integers(2, 7)) for name in people}
    paths, rows = [], {}
    for seed in SEEDS:
        for number, (dataset, subject) in enumerate(people):
            rows[seed, dataset, subject] = predictions(
                dataset, subject, labels[dataset, subject], LENGTHS[number % 2], rng
            )
            paths.append(folder / f"seed{seed}" / f"{dataset}-{subject}.csv")
            write_fold(paths[-1], rows[seed, dataset, subject], seed)
    aggregate(paths, folder / "m2.json", classes=CLASSES, protocol="cde", method="m2")
    return folder / "m2.json", paths, rows


def scores(rows, chosen):
    """UF1 and UAR, each the mean over seeds, of predictions at the epochs {(seed, dataset, subject): epoch}."""
    found = []
    for seed in SEEDS:
        taken = [table[table["epoch"] == chosen[key]] for key, table in rows.items() if key[0] == seed]
        pooled = pd.concat(taken)
        matrix = confusion(pooled["label"], pooled["prediction"], 3)
        found.append((uf1(matrix), uar(matrix)))
    return np.mean(found, axis=0)


def as_epochs(epochs, chosen):
    """{(seed, dataset, subject): epoch} from (subjects, seeds)."""
    return {
        (seed, *name): chosen[row, column] for row, name in enumerate(epochs.names) for column, seed in enumerate(SEEDS)
    }


def naive_best_by_subject(rows):
    chosen = {}
    for key, table in rows.items():
        accuracy = [
            (table.loc[table["epoch"] == e, "label"] == table.loc[table["epoch"] == e, "prediction"]).mean()
            for e in range(1, table["epoch"].max() + 1)
        ]
        chosen[key] = max(e for e, value in enumerate(accuracy, 1) if value == max(accuracy))
    return chosen


def naive_best_of_all(rows):
    chosen = {}
    for seed in SEEDS:
        of_seed = {key: table for key, table in rows.items() if key[0] == seed}
        totals = []
        for epoch in range(1, max(LENGTHS) + 1):
            taken = [table[table["epoch"] == min(epoch, table["epoch"].max())] for table in of_seed.values()]
            pooled = pd.concat(taken)
            matrix = confusion(pooled["label"], pooled["prediction"], 3)
            totals.append(uf1(matrix) + uar(matrix))
        best = totals.index(max(totals)) + 1
        chosen |= {key: min(best, table["epoch"].max()) for key, table in of_seed.items()}
    return chosen


def test_the_rules_choose_what_plain_loops_choose(run):
    path, csvs, rows = run
    [(_, epochs)] = read_all([path], csvs)
    chosen = chosen_epochs(epochs)
    expected = {
        "last": {key: table["epoch"].max() for key, table in rows.items()},
        "subject": naive_best_by_subject(rows),
        "mean": naive_best_of_all(rows),
    }
    assert {rule: as_epochs(epochs, found) for rule, found in chosen.items()} == expected
    assert len({tuple(found.values()) for found in expected.values()}) == 3
    table = build_leak([(files.read_json(path), epochs, chosen)], {"m2": "M2"})
    for row in table.data.to_dict("records"):
        assert [row["uf1"], row["uar"]] == pytest.approx(100 * scores(rows, expected[row["rule"]]), abs=1e-4)
        gain = 100 * (scores(rows, expected[row["rule"]]) - scores(rows, expected["last"]))
        assert [row["uf1_gain"], row["uar_gain"]] == pytest.approx(gain, abs=1e-3)
        values = list(expected[row["rule"]].values())
        assert (row["epoch_low"], row["epoch_high"]) == (min(values), max(values))
    assert table.data["leak"].tolist() == [False, True, True]
    assert table.data["uf1_gain"].tolist()[1] > 5  # the labels of the held-out subjects are worth something


def test_the_gain_is_a_paired_difference(run):
    path, csvs, _ = run
    [(metrics, epochs)] = read_all([path], csvs)
    chosen = chosen_epochs(epochs)
    row = build_leak([(metrics, epochs, chosen)], {}).data.iloc[1]
    expected = compare(at_epochs(epochs, best_by_subject(epochs)), subjects_of(metrics))["uf1"]
    assert [row["uf1_gain_low"], row["uf1_gain_high"]] == pytest.approx(
        [100 * expected.low, 100 * expected.high], abs=1e-4
    )
    assert row["uf1_p"] == pytest.approx(expected.p, abs=1e-4)


def test_inner_folds_choose_by_other_subjects(run, tmp_path):
    path, csvs, _ = run
    [(metrics, epochs)] = read_all([path], csvs)
    rng = np.random.default_rng(3)
    inner, expected = {}, {}
    for group, peak in (("group1", 2), ("group2", 5)):
        folds = []
        for part in range(2):
            labels = rng.integers(0, 3, 30)
            table = predictions("samm", f"{part}", labels, 6, rng)
            table.loc[table["epoch"] == peak, "prediction"] = table.loc[table["epoch"] == peak, "label"]
            folds.append(tmp_path / f"{group}-{part}.csv")
            write_fold(folds[-1], table, 0)
        inner[group], expected[group] = count_inner(folds, 3), peak
    groups = [f"group{1 + number % 2}" for number in range(len(epochs.names))]
    chosen = best_of_inner(epochs, inner, groups)
    for place, group in enumerate(groups):
        assert (chosen[place] == np.minimum(expected[group], epochs.lengths[place])).all()
    # Whatever the held-out subjects' labels are, the choice stays.
    table = build_leak([(metrics, epochs, {"last": epochs.lengths, "inner": chosen})], {})
    assert table.data["rule"].tolist() == ["last", "inner"]
    assert not table.data["leak"].any()


def test_what_is_missing_or_of_another_run_is_named(run, tmp_path):
    path, csvs, rows = run
    with pytest.raises(InputError, match=r"m2.json: no folds of m2 are given"):
        read_all([path], [])
    copy = tmp_path / "smic-002.csv"
    key = next(key for key in rows if key[1:] == ("smic", "002"))
    write_fold(copy, rows[key], key[0])
    copy.with_suffix(EPOCHS).unlink()
    with pytest.raises(InputError, match=r"smic-002.epochs.csv: is missing; list the method under keep_epochs"):
        read_all([path], [copy])
    copy.with_suffix(EPOCHS).write_text("epoch,label\n1,x\n")
    with pytest.raises(InputError, match=r"smic-002.epochs.csv: cannot be read as predictions"):
        read_all([path], [copy])
    with pytest.raises(InputError, match=r"the last epochs are not what m2 was scored on; run its folds again"):
        read_all([path], csvs[:-1])
