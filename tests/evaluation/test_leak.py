"""The leak against plain loops over predictions: which epoch is chosen, and what that scores."""

import numpy as np
import pandas as pd
import pytest

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.evaluation.folds import EPOCHS
from ra_icl.evaluation.intervals import compare, subjects_of
from ra_icl.evaluation.leak import (
    INNER_NOTE,
    _best_epochs,
    at_epochs,
    best_by_subject,
    build_leak,
    read_method,
    write_leak,
)
from ra_icl.evaluation.leak_figure import edges_of
from ra_icl.evaluation.metrics import aggregate, confusion, uar, uf1

CLASSES = ("negative", "positive", "surprise")
SUBJECTS = {"casme2": 5, "samm": 4, "smic": 3}
LENGTHS = (6, 4)  # epochs, of the folds of even and odd numbers
SEEDS = (0, 3)


def write_fold(path, rows, seed, method="m2"):
    """A fold's CSV, JSON and epochs, as training writes them; rows: predictions after each epoch."""
    last = rows[rows["epoch"] == rows["epoch"].max()].drop(columns="epoch")
    files.write_csv(path, last)
    files.write_csv(path.with_suffix(EPOCHS), rows)
    files.write_csv(path.with_suffix(".views.csv"), last)  # as a member of an ensemble leaves it too
    values = {name: {"mean": 0.5, "min": 0.0, "max": 1.0} for name in ("u", "v", "strain")}
    record = {"method": method, "protocol": "cde", "seed": seed, "fold": path.stem, "selection": "last"}
    record |= {"curve": [{}] * int(rows["epoch"].max())}
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


PEOPLE = [(dataset, f"{number:03d}") for dataset, count in SUBJECTS.items() for number in range(count)]
GROUPS = {name: f"group{1 + number % 2}" for number, name in enumerate(PEOPLE)}
PEAKS = {"group1": 2, "group2": 5}  # the epoch at which a group's inner folds are best
SELECTION = {
    "method": "m6",
    "inner_folds": 2,
    "seed": 0,
    "groups": {group: {"candidate": "fast", "scores": {}, "spread": {}} for group in PEAKS},
}


def write_run(folder):
    """Folds, inner folds and metrics of M2, which takes M6's choices; {(seed, dataset, subject): predictions}."""
    rng, rows = np.random.default_rng(7), {}
    labels = {name: rng.integers(0, 3, rng.integers(2, 7)) for name in PEOPLE}
    paths = []
    for seed in SEEDS:
        for number, name in enumerate(PEOPLE):
            rows[seed, *name] = predictions(*name, labels[name], LENGTHS[number % 2], rng)
            paths.append(folder / "folds" / "cde" / "m2" / f"seed{seed}" / f"{'-'.join(name)}.csv")
            write_fold(paths[-1], rows[seed, *name], seed)
    for group, peak in PEAKS.items():
        others = [name for name in PEOPLE if GROUPS[name] != group]
        for part in range(2):
            table = pd.concat([predictions(*name, rng.integers(0, 3, 9), 6, rng) for name in others[part::2]])
            right = table["epoch"] == peak
            table.loc[right, "prediction"] = table.loc[right, "label"]
            name = f"{group}of2-inner{part + 1}of2.csv"
            write_fold(folder / "folds" / "cde" / "m6.fast" / "seed0" / name, table, 0, "m6.fast")
    path = folder / "m2.json"
    aggregate(paths, path, classes=CLASSES, protocol="cde", method="m2", selections=[SELECTION])
    return path, rows


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Metrics JSON, folder of folds and predictions."""
    folder = tmp_path_factory.mktemp("leak")
    path, rows = write_run(folder)
    return path, folder / "folds", rows


def scores(rows, chosen):
    """UF1 and UAR, means and deviations over seeds, of predictions at the epochs {(seed, dataset, subject): epoch}."""
    found = []
    for seed in SEEDS:
        taken = [table[table["epoch"] == chosen[key]] for key, table in rows.items() if key[0] == seed]
        pooled = pd.concat(taken)
        matrix = confusion(pooled["label"], pooled["prediction"], 3)
        found.append((uf1(matrix), uar(matrix)))
    return np.mean(found, axis=0), np.std(found, axis=0, ddof=1)


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
    path, folds, rows = run
    found = read_method(path, folds)
    _, epochs, chosen = found
    expected = {
        "last": {key: table["epoch"].max() for key, table in rows.items()},
        "subject": naive_best_by_subject(rows),
        "mean": naive_best_of_all(rows),
        "inner": {key: min(PEAKS[GROUPS[key[1:]]], table["epoch"].max()) for key, table in rows.items()},
    }
    assert {rule: as_epochs(epochs, of_rule) for rule, of_rule in chosen.items()} == expected
    assert len({tuple(of_rule.values()) for of_rule in expected.values()}) == 4
    table = build_leak([found], {"m2": {"title": "M2"}})
    for row in table.data.to_dict("records"):
        means, deviations = scores(rows, expected[row["rule"]])
        assert [row["uf1"], row["uar"]] == pytest.approx(100 * means, abs=1e-4)
        assert [row["uf1_std"], row["uar_std"]] == pytest.approx(100 * deviations, abs=1e-4)
        gain = 100 * (means - scores(rows, expected["last"])[0])
        assert [row["uf1_gain"], row["uar_gain"]] == pytest.approx(gain, abs=1e-3)
        values = list(expected[row["rule"]].values())
        assert (row["epoch_low"], row["epoch_high"]) == (min(values), max(values))
    assert table.data["leak"].tolist() == [False, True, True, False]
    assert table.data["uf1_gain"][1] > 5  # the labels of the held-out subjects are worth something
    assert table.printed["UF1: gain"][0] == ""
    metrics, _, _ = found
    left_out = build_leak([(metrics | {"left_out": {"smic": 2}}, epochs, chosen)], {"m2": {"title": "M2"}}).notes
    assert "Left out by data.exclude: 2 sequences of SMIC-HS" in left_out


def test_the_best_epoch_over_all_has_the_highest_sum_of_both_scores():
    """The first of these epochs has the highest UF1, the third the highest UAR."""
    first, second = [[16, 0, 4], [1, 3, 0], [0, 3, 1]], [[10, 7, 3], [2, 2, 0], [0, 0, 4]]
    matrices = np.array([first, second, [[6, 2, 12], [0, 4, 0], [1, 0, 3]]])
    assert (np.argmax(uf1(matrices)), np.argmax(uar(matrices))) == (0, 2)
    assert _best_epochs(matrices[None, None]).tolist() == [2]


def test_the_gain_is_a_paired_difference(run):
    path, folds, _ = run
    metrics, epochs, chosen = read_method(path, folds)
    row = build_leak([(metrics, epochs, chosen)], {}).data.iloc[1]
    expected = compare(at_epochs(epochs, best_by_subject(epochs)), subjects_of(metrics))["uf1"]
    ends = [100 * expected.low, 100 * expected.high]
    assert [row["uf1_gain_low"], row["uf1_gain_high"]] == pytest.approx(ends, abs=1e-4)
    assert row["uf1_p"] == pytest.approx(expected.p, abs=1e-4)


def test_table_and_figure_are_written(run, tmp_path):
    path, folds, _ = run
    write_leak([path], folds, tmp_path / "leak", tmp_path / "figure", {"m2": {"title": "M2, two instances"}})
    table = pd.read_csv(tmp_path / "leak.csv")
    assert table["title"].unique().tolist() == ["M2, two instances"]
    assert table["rule"].tolist() == ["last", "subject", "mean", "inner"]
    text = (tmp_path / "leak.md").read_text()
    assert "published flow maps" in text
    assert "both use the labels that they are scored on" in text
    assert f"{INNER_NOTE}; for m2 those of m6" in text
    metrics, epochs, chosen = read_method(path, folds)
    without = {key: value for key, value in metrics.items() if key != "selection_of"}
    chosen = {rule: found for rule, found in chosen.items() if rule != "inner"}
    assert INNER_NOTE not in "\n".join(build_leak([(without, epochs, chosen)], {}).notes)
    own = metrics | {"method": "m6"}
    assert INNER_NOTE in build_leak([(own, epochs, chosen)], {}).notes
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")


def cut_last_epoch(fold, inner):
    rows = pd.read_csv(fold.with_suffix(EPOCHS), dtype=str)
    files.write_csv(fold.with_suffix(EPOCHS), rows[rows["epoch"] != rows["epoch"].max()])


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (
            lambda fold, inner: fold.with_suffix(EPOCHS).unlink(),
            "smic-002.epochs.csv: is missing; list the method under",
        ),
        (
            lambda fold, inner: fold.with_suffix(EPOCHS).write_text("epoch,label\n1,x\n"),
            "cannot be read as predictions",
        ),
        (
            cut_last_epoch,
            r"smic-002.epochs.csv: ends with epoch \d, but its fold was trained for \d; delete",
        ),
        (
            lambda fold, inner: cut_last_epoch(inner, None),
            r"inner1of2.epochs.csv: ends with epoch 5, but its fold was tr",
        ),
        (lambda fold, inner: fold.unlink(), "the last epochs are not what m2 was scored on; run its folds again"),
        (lambda fold, inner: inner.with_suffix(EPOCHS).unlink(), "group1of2-inner1of2.epochs.csv: is missing"),
        (
            lambda fold, inner: inner.with_suffix(EPOCHS).write_bytes(
                inner.with_name("group2of2-inner1of2.epochs.csv").read_bytes()
            ),
            "is left out by the inner folds of 0 groups instead of one",
        ),
        (
            lambda fold, inner: [
                fold.with_name(f"smic-999{end}").write_text(fold.with_suffix(end).read_text().replace("002", "999"))
                for end in (".csv", ".json", EPOCHS)
            ],
            "smic-999.csv: holds smic/999, which is not among the subjects of m2's metrics",
        ),
    ],
)
def test_what_is_missing_or_of_another_run_is_named(tmp_path, damage, fault):
    path, _ = write_run(tmp_path)
    folds = tmp_path / "folds" / "cde"
    damage(folds / "m2" / "seed3" / "smic-002.csv", folds / "m6.fast" / "seed0" / "group1of2-inner1of2.csv")
    with pytest.raises(InputError, match=fault):
        read_method(path, tmp_path / "folds")


@pytest.mark.parametrize("longest", [1, 6, 20, 45, 99, 100, 3000])
def test_every_epoch_is_in_a_bin_of_the_figure(longest):
    edges = edges_of(longest)
    counts, _ = np.histogram(np.arange(1, longest + 1), edges)
    assert counts.sum() == longest
    assert counts.min() > 0
    assert len(counts) <= 40


def test_a_method_that_chooses_its_epoch_by_the_leak_is_named(run, tmp_path):
    content = files.read_json(run[0]) | {"selection": "best_on_held_out"}
    files.write_json(tmp_path / "m2.json", content)
    with pytest.raises(InputError, match=r"m2\.json: m2 .* training\.select is best_on_held_out; set it to last"):
        read_method(tmp_path / "m2.json", run[1])


def test_a_folder_without_folds_is_named(run, tmp_path):
    with pytest.raises(InputError, match=r"seed0: holds no folds; name the folder folds/ of the run"):
        read_method(run[0], tmp_path)
