"""UF1, UAR and accuracy against scikit-learn; the pooling of folds and what it refuses."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from ra_icl import files
from ra_icl.datasets.protocols import PROTOCOLS, select
from ra_icl.errors import InputError
from ra_icl.evaluation import caveats as module
from ra_icl.evaluation import metrics
from ra_icl.evaluation.folds import read_fold
from ra_icl.evaluation.records import read_metrics
from ra_icl.twins.plan import TwinOptions, plan

CLASSES = ["negative", "positive", "surprise"]


def sklearn_scores(label, prediction):
    present = sorted(set(label))
    return {
        "uf1": f1_score(label, prediction, labels=present, average="macro", zero_division=0),
        "uar": recall_score(label, prediction, labels=present, average="macro", zero_division=0),
        "accuracy": accuracy_score(label, prediction),
    }


def random_case(seed, classes=7, samples=60):
    rng = np.random.default_rng(seed)
    return rng.integers(classes, size=samples), rng.integers(classes, size=samples)


CASES = {
    "random": random_case(0),
    "few samples": random_case(1, samples=5),
    "a class never predicted": ([0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 0, 1]),
    "a class without samples": ([0, 0, 1, 1], [0, 1, 1, 0]),
    "a class without samples, predicted": ([0, 0, 1, 1], [0, 2, 1, 2]),
    "nothing right": ([0, 1, 2], [1, 2, 0]),
}


@pytest.mark.parametrize("case", CASES)
def test_scores_agree_with_scikit_learn(case):
    label, prediction = CASES[case]
    matrix = metrics.confusion(label, prediction, 7)
    assert (matrix == confusion_matrix(label, prediction, labels=range(7))).all()
    for name, expected in sklearn_scores(label, prediction).items():
        assert metrics.SCORES[name](matrix) == pytest.approx(expected, abs=1e-12), name


def test_uf1_and_uar_follow_the_equations_by_hand():
    matrix = np.array([[6, 2], [1, 1]])  # class 0: TP 6, FP 1, FN 2; class 1: TP 1, FP 2, FN 1
    assert metrics.uf1(matrix) == pytest.approx((12 / 15 + 2 / 5) / 2)
    assert metrics.uar(matrix) == pytest.approx((6 / 8 + 1 / 2) / 2)
    assert metrics.accuracy(matrix) == pytest.approx(7 / 10)


def test_a_stack_of_matrices_scores_like_each_alone():
    stack = np.stack([metrics.confusion(*CASES[case], 7) for case in CASES]).reshape(2, 3, 7, 7)
    for name in ("uf1", "uar"):
        score = metrics.SCORES[name]
        assert score(stack).tolist() == [[score(matrix) for matrix in row] for row in stack]
        assert type(score(stack[0, 0])) is float


def test_an_empty_matrix_has_no_score():
    for matrices in (np.zeros((3, 3), dtype=int), np.stack([np.eye(3), np.zeros((3, 3))])):
        with pytest.raises(InputError, match="no samples"):
            metrics.uf1(matrices)


def predictions(rows):
    return pd.DataFrame(rows, columns=["dataset", "label", "prediction", "seed"])


def test_summarise_pools_all_rows_before_the_mean_over_classes():
    rng = np.random.default_rng(3)
    rows = [("casme2", *rng.integers(3, size=2), 0) for _ in range(20)]
    rows += [("samm", *rng.integers(2, size=2), 0) for _ in range(11)]  # no surprise in this one
    frame = predictions(rows)
    found = metrics.summarise(frame, CLASSES)
    assert list(found["scores"]) == ["composite", "casme2", "samm"]
    for subset in found["scores"]:
        part = frame if subset == "composite" else frame[frame["dataset"] == subset]
        for name, expected in sklearn_scores(part["label"], part["prediction"]).items():
            assert found["scores"][subset][name]["mean"] == pytest.approx(expected, abs=1e-12)
        assert found["scores"][subset]["samples"] == len(part)
    mean_of_datasets = np.mean([found["scores"][d]["uf1"]["mean"] for d in ("casme2", "samm")])
    assert found["scores"]["composite"]["uf1"]["mean"] != pytest.approx(mean_of_datasets)


def test_summarise_gives_mean_and_sample_deviation_over_seeds():
    rows = [("smic", 0, 0, 0), ("smic", 1, 1, 0), ("smic", 0, 0, 4), ("smic", 1, 0, 4)]
    found = metrics.summarise(predictions(rows), CLASSES)
    uar = found["scores"]["composite"]["uar"]
    assert found["seeds"] == [0, 4]
    assert uar["per_seed"] == [1.0, 0.5]
    assert uar["mean"] == pytest.approx(0.75)
    assert uar["std"] == pytest.approx(0.5 / 2**0.5)
    assert found["scores"]["composite"]["samples"] == 2
    assert found["confusion"]["smic"] == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]


def test_one_seed_has_no_deviation():
    found = metrics.summarise(predictions([("smic", 0, 0, 0)]), CLASSES)
    assert found["scores"]["smic"]["uf1"] == {"mean": 1.0, "std": None, "per_seed": [1.0]}


def write_fold(folder, name, rows, *, seed=0, **changes):
    """A fold's CSV and JSON; `rows` are (dataset, subject, sequence, label, prediction)."""
    folder.mkdir(parents=True, exist_ok=True)
    records = [(*row, *np.eye(3)[row[4]]) for row in rows]
    columns = ["dataset", "subject", "sequence", "label", "prediction", "p0", "p1", "p2"]
    pd.DataFrame(records, columns=columns).to_csv(folder / f"{name}.csv", index=False)
    metadata = {"method": "m6", "protocol": "cde", "seed": seed, "fold": name}
    metadata |= {"selection": "last", "data_source": "twins", "seconds": 1.5, "device": "cpu", "precision": "fp32"}
    metadata |= {"commit": None, "versions": {"torch": "2.13"}}
    metadata |= {"data": {"predicted": len(rows), "flow": "d1", "all": {"u": {"mean": 0.5}}}, **changes}
    (folder / f"{name}.json").write_text(json.dumps(metadata))
    return folder / f"{name}.csv"


def run(paths, out, **data):
    return metrics.aggregate(paths, out, classes=CLASSES, protocol="cde", method="m6", **data)


SAMM = [("samm", "006", "006_1_2", 0, 0), ("samm", "006", "006_1_3", 1, 0)]
CASME2 = [("casme2", "sub01", "EP02_01f", 2, 2)]


def test_sequences_without_an_apex_are_counted_from_the_index(tmp_path):
    """On a twin some of whose apexes are emptied, in some of its folds twice for two seeds."""
    rows = {name: plan(name, TwinOptions(per_class=1)) for name in ("casme2", "smic")}
    emptied = rows["casme2"].index[[0, 3, 4]]
    rows["casme2"].loc[emptied, "apex"] = pd.NA
    indexes = []
    for name, table in rows.items():
        indexes.append(tmp_path / f"{name}.csv")
        files.write_csv(indexes[-1], table)
    paths = []
    for (name, subject), held_out in select(pd.concat(rows.values()), PROTOCOLS["cde"]).groupby(["dataset", "subject"]):
        keys = [(name, subject, row.sequence, row.label, 0) for row in held_out.itertuples()]
        paths += [write_fold(tmp_path / str(seed), f"{name}-{subject}", keys, seed=seed) for seed in (0, 1)]
    out = tmp_path / "m6.json"
    found = run(paths, out, indexes=indexes, left_out={"smic": 2})
    assert found["without_apex"] == {"casme2": 3, "smic": len(rows["smic"])}
    assert found["left_out"] == {"smic": 2}
    assert read_metrics(out) == found
    smic = [path for path in paths if path.stem.startswith("smic")]
    assert run(smic, out, indexes=indexes[1:])["without_apex"] == {"smic": len(rows["smic"])}
    assert "without_apex" not in run(paths, out)
    with pytest.raises(InputError, match=r"smic-s\d+\.csv: smic/s\d+/\w+ is not in the index"):
        run(paths, out, indexes=indexes[:1])


def test_folds_of_a_run_that_goes_on_are_no_result(tmp_path):
    """With an index, a subject whose fold is missing is noticed; one that the protocol leaves out is not."""
    rows = plan("casme2", TwinOptions(per_class=1))
    others = rows.head(1).assign(subject="sub99", sequence="EP01_01", emotion="others")
    index, out = tmp_path / "casme2.csv", tmp_path / "m6.json"
    files.write_csv(index, pd.concat([rows, others]))
    paths = [
        write_fold(
            tmp_path,
            f"casme2-{subject}",
            [("casme2", subject, row.sequence, row.label, 0) for row in held_out.itertuples()],
        )
        for subject, held_out in select(rows, PROTOCOLS["cde"]).groupby("subject")
    ]
    assert run(paths, out, indexes=[index])["folds"] == len(paths)
    missing = pd.read_csv(paths[-1])
    count, first = len(missing), "/".join(missing.loc[0, ["dataset", "subject", "sequence"]])
    with pytest.raises(InputError, match=rf"json: {count} of \d+ sequences of protocol cde have .* {first} first"):
        run(paths[:-1], out, indexes=[index])
    wrong = missing.assign(label=(missing["label"] + 1) % 3)
    wrong.to_csv(paths[-1], index=False)
    label = missing.loc[0, "label"]
    with pytest.raises(
        InputError, match=rf"\.csv: {first} has label {(label + 1) % 3}, in the index {label}; if a run wrote it"
    ):
        run(paths, out, indexes=[index])


def told(**changes):
    """What the record of a plain classifier holds that told of itself, of one epoch."""
    epoch = {"cls": 0.2, "accuracy": 0.9, "weight_norm": 1.0, "gradients": {"cls": 1.0}} | changes
    data = {"predicted": 2, "flow": "d1", "all": {"u": {"mean": 0.5}}, "classes": [5, 5, 5]}
    return {"curve": [epoch], "data": data, "options": {"loss": {"class_weights": "none"}}}


def test_warnings_are_counted_over_folds_and_left_out_without_diagnoses(tmp_path):
    older = write_fold(tmp_path, "samm-006", SAMM)
    assert "warnings" not in run([older], tmp_path / "older.json")
    healthy = write_fold(tmp_path, "samm-006", SAMM, **told())
    assert run([healthy], tmp_path / "healthy.json")["warnings"] == {}
    faults = (
        {"cls": 1, "accuracy": 0.4},
        {"accuracy": 1},
        {"gradients": {"cls": 1, "acl": 2}},
        {"cls": 2, "accuracy": 0},
    )
    spoiled = [
        write_fold(tmp_path / f"seed{seed}", "samm-006", SAMM, seed=seed, **told(**fault))
        for seed, fault in enumerate(faults)
    ]
    expected = {"underfit": 2, "overfit": 1, "outweighed_by_acl": 1}
    assert run(spoiled, tmp_path / "m6.json")["warnings"] == expected
    assert files.read_json(tmp_path / "m6.json")["warnings"] == expected


def test_the_options_of_the_folds_are_kept_by_candidate(tmp_path):
    def fold(name, rows, candidate, rate):
        return write_fold(tmp_path, name, rows, candidate=candidate, options={"training": {"learning_rate": rate}})

    folds = [fold("samm-006", SAMM, "slow", 0.1), fold("casme2-sub01", CASME2, "fast", 0.2)]
    options = run(folds, tmp_path / "m6.json")["options"]
    assert options == {name: {"training": {"learning_rate": rate}} for name, rate in (("slow", 0.1), ("fast", 0.2))}
    assert read_metrics(tmp_path / "m6.json")["options"] == options


def test_aggregate_pools_folds_and_seeds_and_writes_the_json(tmp_path):
    paths = [
        write_fold(tmp_path / f"seed{seed}", name, rows, seed=seed)
        for seed in (0, 1)
        for name, rows in (("samm-006", SAMM), ("casme2-sub01", CASME2))
    ]
    content = run(paths, tmp_path / "metrics" / "m6.json")
    assert files.read_json(tmp_path / "metrics" / "m6.json") == content
    assert (content["method"], content["protocol"]) == ("m6", "cde")
    assert content["data_source"] == "twins"
    assert content["selection"] == "last"
    assert "SYNTHETIC TWINS" in content["title"]
    assert content["folds"] == 2
    assert content["seeds"] == [0, 1]
    assert content["confusion"]["composite"] == [[2, 0, 0], [2, 0, 0], [0, 0, 2]]
    assert content["scores"]["composite"]["samples"] == 3


def test_aggregate_keeps_what_each_subject_was_predicted_in_the_order_of_the_seeds(tmp_path):
    later = [("samm", "006", "006_1_2", 0, 1), ("samm", "006", "006_1_3", 1, 2)]
    twice = [("smic", "006", "a", 1, 1)]  # another person of the same name
    folds = {10: (later, CASME2, twice), 2: (SAMM, CASME2, twice)}
    names = ("samm-006", "casme2-sub01", "smic-006")
    paths = [
        write_fold(tmp_path / f"seed{seed}", name, rows, seed=seed)
        for seed, found in folds.items()
        for name, rows in zip(names, found, strict=True)
    ]
    content = run(paths, tmp_path / "m6.json")
    assert content["seeds"] == [2, 10]
    found = {(one["dataset"], one["subject"]): one["confusion"] for one in content["subjects"]}
    assert list(found) == [("casme2", "sub01"), ("samm", "006"), ("smic", "006")]
    assert found["samm", "006"] == [[[1, 0, 0], [1, 0, 0], [0, 0, 0]], [[0, 1, 0], [0, 0, 1], [0, 0, 0]]]
    assert found["smic", "006"] == [[[0, 0, 0], [0, 1, 0], [0, 0, 0]]] * 2
    assert np.sum(list(found.values()), axis=(0, 1)).tolist() == content["confusion"]["composite"]
    assert [one["sequences"] for one in content["subjects"]] == [
        [{"sequence": "EP02_01f", "label": 2, "predictions": [2, 2]}],
        [
            {"sequence": "006_1_2", "label": 0, "predictions": [0, 1]},
            {"sequence": "006_1_3", "label": 1, "predictions": [0, 2]},
        ],
        [{"sequence": "a", "label": 1, "predictions": [1, 1]}],
    ]
    assert files.read_json(tmp_path / "m6.json")["subjects"] == content["subjects"]


def test_subject_ids_keep_their_zeros_and_may_repeat_across_datasets(tmp_path):
    twice = [("smic", "006", "006_1_2", 1, 1)]
    paths = [write_fold(tmp_path, "samm-006", SAMM), write_fold(tmp_path, "smic-006", twice)]
    rows, _ = read_fold(paths[0], 3)
    assert set(rows["subject"]) == {"006"}
    assert run(paths, tmp_path / "out.json")["scores"]["composite"]["samples"] == 3


def test_a_sequence_predicted_twice_in_a_seed_is_refused(tmp_path):
    paths = [write_fold(tmp_path, "samm-006", SAMM), write_fold(tmp_path, "samm-007", SAMM[:1])]
    with pytest.raises(InputError, match=r"samm-007\.csv: samm/006/006_1_2 was predicted before"):
        run(paths, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_a_sequence_that_one_seed_lacks_is_refused(tmp_path):
    paths = [write_fold(tmp_path / "0", "samm-006", SAMM, seed=0)]
    paths += [write_fold(tmp_path / "1", "samm-006", SAMM[:1], seed=1)]
    with pytest.raises(InputError, match=r"samm/006/006_1_3 is predicted here, but not in seed 1"):
        run(paths, tmp_path / "out.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "m1"}, "method is 'm1', not 'm6'"),
        ({"protocol": "casme3_3"}, "protocol is 'casme3_3', not 'cde'"),
        ({"selection": "best_on_held_out"}, "selection is 'best_on_held_out', not 'last'"),
        ({"data_source": "datasets"}, "data_source is 'datasets', not 'twins'"),
    ],
)
def test_folds_trained_under_other_rules_are_refused(tmp_path, changes, message):
    paths = [write_fold(tmp_path, "samm-006", SAMM)]
    paths += [write_fold(tmp_path, "casme2-sub01", CASME2, **changes)]
    with pytest.raises(InputError, match=rf"casme2-sub01\.csv: {message}"):
        run(paths, tmp_path / "out.json")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",p2", "", "columns are"),
        ("sequence", "clip", "columns are"),
        ("006_1_2,0,0", "006_1_2,3,0", r"column label is not within 0\.\.2"),
        ("006_1_2,0,0", "006_1_2,0,x", r"column prediction is not within 0\.\.2"),
        ("1.0", "nan", "not finite"),
        ("1.0", "inf", "not finite"),
        ("dataset,subject", "subject,dataset", "columns are"),
    ],
)
def test_a_faulty_fold_is_refused_by_name(tmp_path, old, new, message):
    path = write_fold(tmp_path, "samm-006", SAMM[:1])
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=message) as error:
        run([path], tmp_path / "out.json")
    assert "samm-006.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_one_wrong_label_among_right_ones_is_found(tmp_path):
    path = write_fold(tmp_path, "samm-006", SAMM)
    head, first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([head, first.replace(",0,", ",7,", 1), *rest, ""]))
    with pytest.raises(InputError, match=r"column label is not within 0\.\.2"):
        run([path], tmp_path / "out.json")


def test_missing_empty_and_keyless_fold_files_are_refused(tmp_path):
    path = write_fold(tmp_path, "samm-006", SAMM)
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(InputError, match="holds no predictions"):
        run([path], tmp_path / "out.json")
    path.write_text("")
    with pytest.raises(InputError, match=r"samm-006\.csv: cannot be read"):
        run([path], tmp_path / "out.json")
    path.unlink()
    with pytest.raises(InputError, match=r"samm-006\.csv: cannot be read"):
        run([path], tmp_path / "out.json")
    path.with_name("samm-006.json").write_text("{}")
    with pytest.raises(InputError, match=r"samm-006\.json: key method is missing"):
        run([path], tmp_path / "out.json")
    with pytest.raises(InputError, match="no folds given"):
        run([], tmp_path / "out.json")


def test_a_csv_cut_at_a_line_end_is_refused(tmp_path):
    path = write_fold(tmp_path, "samm-006", [("samm", "006", name, 0, 0) for name in ("a", "b", "c")])
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    with pytest.raises(InputError, match=r"samm-006.csv: holds 2 predictions, but 3 sequences were predicted"):
        run([path], tmp_path / "out.json")


def test_folds_that_read_different_flow_are_refused(tmp_path):
    first = write_fold(tmp_path, "samm-006", [("samm", "006", "a", 0, 0)])
    data = {"predicted": 1, "flow": "d2", "all": {}}
    second = write_fold(tmp_path, "samm-007", [("samm", "007", "a", 0, 0)], data=data)
    with pytest.raises(InputError, match=r"samm-007.csv: was trained on other flow than \S*samm-006.csv"):
        run([first, second], tmp_path / "out.json")


def test_folds_of_different_options_are_refused_unless_nested_selection_chose_them(tmp_path):
    def fold(name, epochs, **changes):
        options = {"training": {"epochs": epochs, "device": "cpu" if epochs > 5 else "cuda"}, "loss": {"regions": 0.5}}
        return write_fold(tmp_path, f"samm-{name}", [("samm", name, "a", 0, 0)], options=options, **changes)

    first, second = fold("006", 5), fold("007", 7)
    with pytest.raises(
        InputError, match=r"samm-007.csv: was trained with another training\.epochs than \S*samm-006.csv; if a run"
    ):
        run([first, second], tmp_path / "out.json")
    chosen = [fold("006", 5, candidate="short"), fold("007", 7, candidate="long"), fold("008", 7, candidate="long")]
    assert run(chosen, tmp_path / "out.json")["folds"] == 3
    old = write_fold(tmp_path, "samm-009", [("samm", "009", "a", 0, 0)], options={"training": {"epochs": 5}})
    assert run([first, old], tmp_path / "out.json")["folds"] == 2  # of a version without the other options


def test_metrics_record_what_the_folds_were_fed_and_made_by(tmp_path):
    data = {"flow": "d1", "all": {"u": {"mean": 0.5, "min": -2.0, "max": 3.0}}}
    made = [
        {"commit": "c2", "device": "H100", "versions": {"torch": "2.13", "numba": "0.63"}, "seconds": 1.5},
        {"commit": None, "device": "cpu", "versions": {"torch": "2.11"}, "seconds": 2.25},
    ]
    folds = zip(("samm-006", "casme2-sub01"), (SAMM, CASME2), made, strict=True)
    paths = [
        write_fold(tmp_path, name, rows, data=data | {"predicted": len(rows)}, **changes)
        for name, rows, changes in folds
    ]
    content = run(paths, tmp_path / "out.json")
    assert content["data"] == {"flow": "d1", "values": data["all"]}
    assert content["commit"] == ["c2", "unknown"]
    assert content["device"] == ["H100", "cpu"]
    assert content["precision"] == ["fp32"]
    assert content["versions"] == {"numba": ["0.63", "unknown"], "torch": ["2.11", "2.13"]}
    assert content["seconds"] == 3.8


def test_the_title_names_the_datasets_of_the_protocol_that_were_not_run(tmp_path):
    paths = [write_fold(tmp_path, "samm-006", SAMM), write_fold(tmp_path, "casme2-sub01", CASME2)]
    assert run(paths, tmp_path / "two.json")["title"].endswith("; CDE without SMIC-HS")
    assert run(paths[:1], tmp_path / "one.json")["title"].endswith("; CDE without CASME II and SMIC-HS")


@pytest.mark.parametrize("key", ["predicted", "flow", "all"])
def test_a_fold_that_does_not_say_what_it_was_fed_is_refused(tmp_path, key):
    data = {"predicted": 2, "flow": "d1", "all": {}}
    data.pop(key)
    path = write_fold(tmp_path, "samm-006", SAMM, data=data)
    with pytest.raises(
        InputError, match=rf"samm-006\.json: key data\.{key} is missing; if a run wrote it, delete it and run again"
    ):
        run([path], tmp_path / "out.json")


def test_a_csv_with_a_row_too_many_is_refused(tmp_path):
    path = write_fold(tmp_path, "samm-006", SAMM)
    path.write_text(path.read_text() + "samm,006,006_1_9,0,0,1.0,0.0,0.0\n")
    with pytest.raises(InputError, match=r"samm-006.csv: holds 3 predictions, but 2 sequences were predicted"):
        run([path], tmp_path / "out.json")


def test_metrics_are_read_back_and_an_old_file_is_refused_by_name(tmp_path):
    out = tmp_path / "m6.json"
    content = run([write_fold(tmp_path, "samm-006", SAMM)], out)
    assert read_metrics(out) == content
    files.write_json(out, {key: value for key, value in content.items() if key != "data"})
    with pytest.raises(InputError, match=r"m6\.json: key data is missing; if a run wrote it, delete it and run again"):
        read_metrics(out)


def caveats(source, selection="last", protocol="cde", datasets=("casme2", "samm", "smic")):
    scores = {name: {} for name in ("composite", *datasets)}
    content = {"data_source": source, "selection": selection, "protocol": protocol, "scores": scores}
    return module.caveats(content)


def test_caveats_name_the_data_the_selection_and_missing_datasets():
    assert caveats("datasets") == []
    assert caveats("datasets", protocol="own", datasets=("own",)) == []
    assert caveats("twins") == ["SYNTHETIC TWINS: not comparable with any published number"]
    assert caveats("public_flow", "best_on_held_out", datasets=("samm", "smic")) == [
        *("published flow maps", "CDE without CASME II", "best epoch chosen on the held-out subject: optimistic")
    ]
    assert caveats("datasets", protocol="groups5") == ["five folds by subject, not LOSO"]
    assert caveats("datasets", protocol="groups5", datasets=("casme2",))[0] == "CDE without SAMM and SMIC-HS"
    assert caveats("datasets", protocol="cross_casme2", datasets=("samm",)) == [
        *("without SMIC-HS", "across datasets, not LOSO")
    ]
    with pytest.raises(InputError, match="data_source 'photos'"):
        caveats("photos")
    with pytest.raises(InputError, match="selection 'best'"):
        caveats("twins", "best")
    with pytest.raises(InputError, match="protocol 'loso'"):
        caveats("twins", protocol="loso")


def test_every_protocol_that_is_not_loso_has_a_caveat():
    others = {name for name, one in PROTOCOLS.items() if one.groups or one.by_dataset or one.train}
    assert others == set(module.FOLDS_CAVEATS)


def test_importing_metrics_and_tables_stays_cheap():
    code = "import sys, ra_icl.evaluation.metrics, ra_icl.evaluation.tables; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "cv2", "matplotlib", "seaborn"} & set(modules.stdout.split())
