"""`ra-icl status`: what the files of a run tell while it runs."""

import json
import os
import time
from hashlib import sha256
from itertools import chain
from pathlib import Path

import pytest
from run_files import START, write, write_fold, write_log

from ra_icl.files import write_csv
from ra_icl.planning import status as module
from ra_icl.planning.config import load_config
from ra_icl.planning.fold_files import FAILED, RUNNING, STOPPED
from ra_icl.planning.methods import merge
from ra_icl.planning.outdated import Current
from ra_icl.planning.plan import make_plan
from ra_icl.planning.status import status

CONFIGS = Path(__file__).parents[2] / "config"
RIGHT, WRONG = (0, 0), (0, 1)


def config_of(tmp_path, *lines, twins=True, seeds=(0, 1)):
    text = "\n".join(
        [f"pathvars: {{results: {tmp_path}/results}}", "protocols: [cde]", f"seeds: {list(seeds)}", *lines]
    )
    (tmp_path / "mine.yaml").write_text(text)
    return load_config([CONFIGS / "config.yaml", *([CONFIGS / "demo.yaml"] if twins else []), tmp_path / "mine.yaml"])


@pytest.fixture
def config(tmp_path):
    return config_of(tmp_path)


@pytest.fixture
def folds(config):
    """The names of the folds of cde, as many as the twins have subjects."""
    return make_plan(config).folds("cde")


def group_of(found, method, seed=0, protocol="cde"):
    (group,) = [one for one in found.groups if (one.protocol, one.method, one.seed) == (protocol, method, seed)]
    return group


def test_folds_are_counted_by_what_their_files_tell(config, folds, tmp_path):
    results, now = tmp_path / "results", START + 1000
    for fold in folds[:2]:
        write_fold(results, f"cde/m6/seed1/{fold}", [RIGHT], seconds=80, epochs=4)  # 20 s an epoch: patient for 200
        write_log(results, f"cde/m6/seed1/{fold}", 4, 4, START)
    write_log(results, f"cde/m6/seed1/{folds[2]}", 3, 4, now - 199)
    write_log(results, f"cde/m6/seed1/{folds[3]}", 3, 4, now - 201)
    ends = {
        "m1": (
            "ra-icl: error: training.learning_rate: the loss is nan in epoch 3; lower the rate or use fp32\n",
            FAILED,
        ),
        "m2": ("ra-icl: error: stopped by a signal; run the same command to resume after the last epoch\n", STOPPED),
        "m3": ("Traceback (most recent call last):\n  File x\nMemoryError: no\n\n", FAILED),
        "m4": ("", RUNNING),
    }
    for method, (end, _) in ends.items():
        write_log(results, f"cde/{method}/seed0/{folds[0]}", 2, 4, now - 30, end)
    found = status(config, now)
    group = group_of(found, "m6", 1)
    assert (len(group.finished), group.total) == (2, len(folds))
    assert [(one.path.stem, one.state, one.epoch, one.epochs) for one in group.started] == [
        *((folds[2], RUNNING, 3, 4), (folds[3], STOPPED, 3, 4)),
    ]
    for method, (_, state) in ends.items():
        assert [one.state for one in group_of(found, method).started] == [state], method
    assert group_of(found, "m1").started[0].reason.startswith("training.learning_rate: the loss is nan in epoch 3")
    assert group_of(found, "m3").started[0].reason == "MemoryError: no"
    assert group_of(found, "m5").started == group_of(found, "m6", 0).finished == []


def test_without_a_finished_fold_nobody_is_called_stopped_soon(config, folds, tmp_path):
    write_log(tmp_path / "results", f"cde/m6/seed0/{folds[0]}", 0, 4, START)
    for later, state in ((899, RUNNING), (901, STOPPED)):
        assert [one.state for one in status(config, START + later).started] == [state]


def test_a_fold_that_was_killed_after_its_last_epoch_is_stopped(config, folds, tmp_path):
    """While it predicted or wrote; what an earlier training of it has kept does not hide that."""
    results, fold = tmp_path / "results", f"cde/m6/seed0/{folds[0]}"
    write_log(results, fold, 4, 4, START)
    for earlier in (False, True):
        if earlier:
            write(results / f"checkpoints/{fold}.json", "{}", START - 1)
        for later, state in ((10, RUNNING), (10_000, STOPPED)):
            assert [one.state for one in status(config, START + later).started] == [state]


@pytest.mark.parametrize(
    ("end", "kept"), [("", 1), (": unchanged: same flow, options and code; nothing to train\n", -1)]
)
def test_a_fold_that_was_trained_and_whose_result_is_to_be_made_again_waits(config, folds, tmp_path, end, kept):
    """Its result was kept after its log's last line, or an earlier one was found there."""
    fold = f"cde/m6/seed0/{folds[0]}"
    write_log(tmp_path / "results", fold, 0 if end else 4, 4, START, end)
    write(tmp_path / f"results/checkpoints/{fold}.json", "{}", START + kept)
    assert status(config, START + 10_000).started == []


def test_a_fold_without_a_checkpoint_starts_over(config, folds, tmp_path):
    results, total = tmp_path / "results", len(folds)
    write_fold(results, f"cde/m6/seed0/{folds[0]}", [RIGHT], seconds=100)
    for number in (1, 2):
        write_log(results, f"cde/m6/seed0/{folds[number]}", 2, 4, START)
    write(results / f"checkpoints/cde/m6/seed0/{folds[1]}.safetensors", "", START)
    assert group_of(status(config, START + 10_000), "m6").seconds == pytest.approx(100 * (total - 1 - 0.5))


def test_scores_are_those_of_the_pooled_predictions_of_the_folds_that_are_done(config, folds, tmp_path):
    pairs = [[(0, 0), (0, 0), (0, 1)], [(1, 1), (2, 0)], [(2, 2), (1, 1), (0, 0)]]
    for fold, of_fold in zip(folds, pairs, strict=False):
        write_fold(tmp_path / "results", f"cde/m6/seed0/{fold}", of_fold)
    write_fold(tmp_path / "results", f"cde/m6/seed1/{folds[0]}", [(0, 0), (1, 0)])
    found = status(config, START)
    pooled = list(chain(*pairs))
    recalls, f1s = [], []
    for label in range(3):
        hits = sum(pair == (label, label) for pair in pooled)
        true, told = sum(pair[0] == label for pair in pooled), sum(pair[1] == label for pair in pooled)
        recalls.append(hits / true)
        f1s.append(2 * hits / (true + told))
    expected = {"uf1": sum(f1s) / 3, "uar": sum(recalls) / 3}
    assert group_of(found, "m6").scores() == pytest.approx(expected)
    assert group_of(found, "m6", 1).scores() == pytest.approx({"uf1": (2 / 3 + 0) / 2, "uar": 0.5})  # of two classes
    assert group_of(found, "m5").scores() == {}
    assert found.notes == ["SYNTHETIC TWINS: not comparable with any published number"]


def test_a_result_of_other_options_is_to_be_trained_again(config, folds, tmp_path):
    plan, results = make_plan(config), tmp_path / "results"
    options = json.loads(plan.training_slice("m6")) | {"an option of another version": 1}
    changed = merge(options, {"training": {"epochs": 7}})
    peer = {"peer": {"name": "svm"}, "training": {"device": "cpu"}}
    other_device = merge(options, {"training": {"device": "cuda"}})
    for fold, recorded in zip(folds, (options, changed, other_device, peer), strict=False):
        write_fold(results, f"cde/m6/seed0/{fold}", [RIGHT], options=recorded)
        write_log(results, f"cde/m6/seed0/{fold}", 4, 4, START)
        write(results / f"checkpoints/cde/m6/seed0/{fold}.json", "{}", START)
    write_fold(results, f"cde/m6/seed1/{folds[0]}", [RIGHT], options=changed, candidate="gone")
    write_fold(results, f"cde/peer_svm/seed0/{folds[0]}", [RIGHT], options={"peer": {"name": "svm", "c": 10.0}})
    write_fold(results, f"cde/peer_svm/seed0/{folds[1]}", [WRONG], options={"peer": {"name": "svm", "c": 2.0}})
    found = status(config, START + 1)
    groups = [group_of(found, "m6"), group_of(found, "m6", 1), group_of(found, "peer_svm")]
    assert [(len(group.finished), group.outdated, group.started) for group in groups] == [
        (2, 2, []),
        (0, 1, []),
        (1, 1, []),
    ]
    assert groups[2].scores() == {"uf1": 1.0, "uar": 1.0}


def test_a_result_of_other_flow_is_to_be_trained_again(config, folds, tmp_path):
    """The flow's checksums are sorted by name, a fold's digest of them has the order of the index."""
    plan, results = make_plan(config), tmp_path / "results"
    rows = plan.selected["cde"][["dataset", "subject", "sequence"]]
    names = ["/".join(row) for row in rows.itertuples(index=False)]
    assert names != sorted(names)
    lines = [f"{name} {number:064x}\n" for number, name in enumerate(names)]
    flow = sha256("".join(lines).encode()).hexdigest()
    for number, data in enumerate(({"flow": flow}, {"flow": "0" * 64}, {})):
        write_fold(results, f"cde/m6/seed0/{folds[number]}", [RIGHT], data=data)
    before = group_of(status(config, START + 1), "m6")
    assert (len(before.finished), before.outdated) == (3, 0)  # the flow is not there, so that nobody knows
    write(results / f"flow/{plan.sampling('m6')}/cde.sha256", "".join(sorted(lines)), START)
    after = group_of(status(config, START + 1), "m6")
    assert (len(after.finished), after.outdated) == (2, 1)


def test_time_to_go_is_of_folds_of_the_method_on_the_device_of_the_latest(config, folds, tmp_path):
    results, total = tmp_path / "results", len(folds)
    write_fold(results, f"cde/m6/seed0/{folds[0]}", [RIGHT], START - 9000, seconds=7, device="NVIDIA H100")
    write_fold(results, f"cde/m6/seed0/{folds[1]}", [RIGHT], START - 200, seconds=100, job=110)
    write_fold(results, f"cde/m6/seed0/{folds[2]}", [RIGHT], START, seconds=130, job=5)  # not trained again: 5 s
    write_fold(results, f"cde/m5/seed0/{folds[0]}", [RIGHT], START - 9000, seconds=7, device="NVIDIA H100")
    for number in (3, 4):
        write_log(results, f"cde/m6/seed0/{folds[number]}", number - 2, 4, START + 10)
    found = status(config, START + 11)
    assert found.device == "cpu (x86_64)"
    # 120 s a fold; one and two of four epochs are done
    assert group_of(found, "m6").seconds == pytest.approx(120 * (total - 3 - 0.25 - 0.5))
    assert group_of(found, "m6", 1).seconds == pytest.approx(120 * total)
    assert group_of(found, "m5").seconds is None
    assert set(found.unknown) == {f"m{number}" for number in (1, 2, 3, 4, 5, 7, 8, 9, 10)}
    assert found.side_by_side == 2
    assert found.seconds == pytest.approx(120 * (2 * total - 3.75) / 2)


def test_how_many_are_in_training_does_not_change_while_one_takes_the_place_of_another(config, folds, tmp_path):
    """Four slots that have trained 8 folds of 100 s each; nobody is running at the moment of the question."""
    results = tmp_path / "results"
    for number in range(32):
        seed, fold = divmod(number, len(folds))
        path = f"cde/{('m6', 'm5', 'm4', 'm3', 'm2', 'm1')[seed]}/seed0/{folds[fold]}"
        write_fold(results, path, [RIGHT], START + 100 * (number // 4) + number % 4, seconds=99)
    assert status(config, START + 703).side_by_side == 4


def test_a_last_fold_takes_its_whole_time_however_many_ran_side_by_side(config, folds, tmp_path):
    """Two slots that have trained all but the last fold of M6."""
    paths = [f"cde/m6/seed{seed}/{fold}" for seed in (0, 1) for fold in folds]
    for number, path in enumerate(paths[:-1]):
        write_fold(tmp_path / "results", path, [RIGHT], START + 100 * (number // 2), seconds=100)
        if number == len(paths) - 3:
            assert status(config, START + 600).side_by_side == 2
    found = status(config, START + 600)
    assert (found.side_by_side, found.seconds) == (1, pytest.approx(100))


def test_nothing_is_written_and_half_a_run_is_no_fault(config, folds, tmp_path):
    results = tmp_path / "results"
    write_fold(results, f"cde/m6/seed0/{folds[0]}", [RIGHT])
    write(results / f"folds/cde/m6/seed0/.{folds[1]}.csv.123", "dataset,sub", START)  # being written
    write(results / f"folds/cde/m6/seed0/{folds[2]}.json", "{}", START)  # its CSV was just taken away
    write(results / f"folds/cde/m6/seed0/{folds[3]}.csv", "", START)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*")}
    assert len(group_of(status(config), "m6").finished) == 1
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*")} == before


def test_before_the_folds_it_tells_of_crops_and_flow(config, tmp_path):
    results = tmp_path / "results"
    assert status(config).stages["crops"] == (0, 6)
    subjects = make_plan(config).subjects("samm")
    for folder in ("crops/samm", "flow/middle-4/samm"):
        write(results / folder / f"{subjects[0]}.safetensors", "", START)
        write(results / folder / f".{subjects[1]}.safetensors.1", "", START)
    stages = status(config).stages
    assert (stages["crops"], stages["flow/middle-4"]) == ((1, 6), (1, 6))
    for dataset in ("casme2", "samm", "smic"):
        for subject in make_plan(config).subjects(dataset):
            write(results / f"crops/{dataset}/{subject}.safetensors", "", START)
    assert "crops" not in status(config).stages


def test_flow_is_expected_of_the_protocols_that_need_it_alone(tmp_path):
    """M1's flow is for cde; CAS(ME)³ has M6 alone."""
    text = "protocols: [cde, casme3_3]\ntables: {table2: [m6], table3: [m1, m6]}"
    (tmp_path / "both.yaml").write_text(f"pathvars: {{results: {tmp_path}/results}}\n{text}\n")
    both = load_config([CONFIGS / "config.yaml", CONFIGS / "demo.yaml", tmp_path / "both.yaml"])
    assert status(both).stages == {"crops": (0, 10), "flow/apex": (0, 6), "flow/middle-4": (0, 10)}


def test_a_run_is_read_where_its_data_are_not(tmp_path, config, folds):
    """The index that it wrote has all that there is to know, and counts that differ from the paper's are no matter."""
    plan = make_plan(config)
    for dataset in plan.all_datasets():
        write_csv(tmp_path / f"results/index/{dataset}.csv", plan.index[plan.index["dataset"] == dataset])
    roots = "\n".join(f"  {name}: {{root: /nowhere/{name}}}" for name in ("casme2", "samm", "smic"))
    away = config_of(tmp_path, f"datasets:\n{roots}", twins=False)
    write_fold(tmp_path / "results", f"cde/m6/seed0/{folds[0]}", [RIGHT])
    found = status(away)
    assert (len(group_of(found, "m6").finished), group_of(found, "m6").total) == (1, len(folds))


def test_a_fold_of_a_choice_that_its_method_no_longer_takes_is_outdated(tmp_path):
    text = "selection: {groups: 3, inner_folds: 2, methods: {m6: []}, candidates: {a: {}, b: {training: {batch: 4}}}}"
    current = Current(make_plan(config_of(tmp_path, text)), tmp_path)
    assert [current.has(method, "b", None) for method in ("m6", "m5")] == [True, False]
    assert not Current(make_plan(config_of(tmp_path, text.replace("{m6: []}", "{}"))), tmp_path).has("m6", "b", None)


def test_inner_folds_are_one_group_and_others_appear_once_they_are_begun(tmp_path):
    config = config_of(
        tmp_path,
        "selection: {groups: 3, inner_folds: 2, methods: {m6: [m5]}, candidates: {a: {}, b: {training: {batch: 4}}}}",
        "sweeps: {queries: {values: [2, 8]}}",
    )
    results, folds = tmp_path / "results", make_plan(config).folds("cde")
    write_fold(results, "cde/m6.a/seed0/group1of3-inner2of2", [RIGHT], seconds=11)
    write_fold(results, "cde/m6.b/seed0/group3of3-inner1of2", [WRONG], seconds=13)
    write_log(results, f"cde/m6_queries_2/seed1/{folds[0]}", 1, 4, START)
    found = status(config, START + 5)
    inner = group_of(found, "m6", None)
    assert (len(inner.finished), inner.total, inner.scores()) == (2, 12, {})
    assert inner.seconds == pytest.approx(10 * 12)
    assert group_of(found, "m6").seconds is None  # inner folds have fewer sequences
    assert [len(group_of(found, "m6_queries_2", seed).started) for seed in (0, 1)] == [0, 1]
    assert not [group for group in found.groups if group.method in ("m6_queries_8", "m6_lambda1_0.1", "m6.a")]


def test_a_thousand_folds_take_less_than_three_seconds(tmp_path):
    config = config_of(tmp_path, seeds=range(17))
    results, plan = tmp_path / "results", make_plan(config)
    paths = [path.removesuffix(".csv") for _, method in plan.runs() for path in plan.fold_files("cde", method)][:1000]
    assert len(paths) == 1000
    write_fold(results, paths[0], [(0, 0), (1, 1)], epochs=0)
    kinds = {"csv": "folds", "json": "folds"}
    first = {suffix: results / folder / f"{paths[0]}.{suffix}" for suffix, folder in kinds.items()}
    line = {"loss": 1.5, "gradients": {"cls": 0.123456789}, "wins": [0.123456789012345] * 8}
    text = first["json"].read_text().replace('"curve": []', f'"curve": {json.dumps([line] * 100)}')
    for path in paths:
        (results / "folds" / path).parent.mkdir(parents=True, exist_ok=True)
        (results / "folds" / f"{path}.json").write_text(text)
        if path != paths[0]:
            os.link(first["csv"], results / "folds" / f"{path}.csv")
    begin = time.process_time()
    found = status(config)
    assert sum(len(group.finished) for group in found.groups) == 1000
    assert time.process_time() - begin < 3 - 1  # less what Python takes to start


def test_silence_is_judged_by_the_longest_epoch():
    class Fold:
        def __init__(self, seconds, epochs):
            self.seconds, self.epochs = seconds, epochs

    assert module._patience([]) == module._patience([Fold(5, 0)]) == 900
    assert module._patience([Fold(1000, 10), Fold(4000, 10)]) == 4000
    assert module._patience([Fold(10, 100)]) == 120
