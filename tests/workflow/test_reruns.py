"""What a change reruns: a deleted file, edited options or code, frames that were replaced or moved."""

import os
import shutil

import pytest
from workflow_runs import config_file, planned, run

pytestmark = pytest.mark.workflow

AFTER_M1 = {"metrics": 1, "scores": 1, "compare": 1, "all": 1}
FOLD = "folds/cde/m1/seed0/casme2-sub01.csv"


@pytest.fixture
def moved(results):
    """A function that takes a file of the results away until the test ends."""
    places = []

    def move(path):
        places.append((results / path, results / "taken" / path))
        places[-1][1].parent.mkdir(parents=True, exist_ok=True)
        shutil.move(*places[-1])

    yield move
    for place, taken in places:
        shutil.move(taken, place)


def test_a_second_run_does_nothing(clone, results):
    assert planned(clone) == {}


def test_a_deleted_fold_reruns_with_what_depends_on_it(clone, results, moved):
    moved(FOLD)
    assert planned(clone) == {"fold": 1} | AFTER_M1


def test_an_edited_method_reruns_its_own_folds(clone, results):
    configs = config_file(clone, "edit.yaml", methods={"m1": {"training": {"epochs": 2}}})
    assert planned(clone, configs=configs) == {"fold": 6} | AFTER_M1


def test_networks_to_keep_rerun_the_folds_of_their_methods(clone, results):
    configs = config_file(clone, "networks.yaml", keep_networks=["m1"])
    assert planned(clone, configs=configs) == {"fold": 6} | AFTER_M1


def test_a_flow_option_reruns_flow_and_folds(clone, results):
    jobs = planned(clone, configs=config_file(clone, "scales.yaml", flow={"opencv": {"scales": 4}}))
    assert (jobs["flow"], jobs["flow_set"], jobs["fold"]) == (14, 3, 14)
    assert not {"twins", "index", "crops"} & set(jobs)


@pytest.mark.parametrize(("package", "crops"), [("opencv-contrib-python", 8), ("numba", 0)])
def test_another_version_of_what_computes_a_step_reruns_it(clone, results, package, crops):
    metadata = clone / f"{package.replace('-', '_')}-0.1.dist-info"  # found before the one that is installed
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
    try:
        jobs = planned(clone)
        assert (jobs.get("crops", 0), jobs["flow"]) == (crops, 14)
    finally:
        shutil.rmtree(metadata)


def test_a_title_may_hold_braces(clone, results):
    configs = config_file(clone, "title.yaml", methods={"m6": {"title": "M6 {x}"}})
    assert planned(clone, configs=configs)["confusion_figure"] == 2


def test_the_number_of_folds_per_gpu_reruns_nothing(clone, results):
    assert planned(clone, configs=config_file(clone, "share.yaml", folds_per_gpu=7)) == {}


def test_an_edit_of_the_code_reruns_its_step_unless_it_is_touched(clone, results):
    """How to keep results across an upgrade on purpose: `snakemake --touch`."""
    path = clone / "ra_icl/training/losses.py"
    text = path.read_text()
    path.write_text(f"{text}\nEDITED = 1\n")
    assert planned(clone)["fold"] == 14
    assert not {"crops", "flow", "index"} & set(planned(clone))
    run(clone, "--touch")
    assert planned(clone) == {}
    path.write_text(text)
    assert planned(clone)["fold"] == 14
    run(clone, "--touch")


def test_a_flow_file_that_was_lost_is_computed_again_to_the_same_bytes(clone, results):
    flow = results / "flow/middle-2/casme2/sub01.safetensors"
    before = flow.read_bytes()
    flow.unlink()
    target = str(flow.relative_to(clone))
    assert planned(clone, target) == {"flow": 1}
    run(clone, target)
    assert flow.read_bytes() == before
    run(clone, "--touch")  # the folds are those of this flow


@pytest.fixture
def on_disk(clone, results):
    """A dataset on disk, with the results of one protocol of it: (its folder, its results, a run's configs)."""
    data = clone / "data" / "casme3"
    shutil.copytree(results / "twins" / "casme3", data)
    values = {
        "pathvars": {"results": "results/disk"},
        "data": {"source": "datasets", "count_mismatch": "warning"},
        "datasets": {"casme3": {"root": str(data)}},
        "protocols": ["casme3_3"],
        "confusion": "m1",
        "tables": {"table2": []},
    }
    configs = config_file(clone, "disk.yaml", **values)
    run(clone, configs=configs)
    return data, clone / "results/disk", configs


def trained(results):
    """{fold: whether its last run trained it}."""
    return {log.stem: "epoch 1/1" in log.read_text() for log in (results / "logs/folds").rglob("*.log")}


def test_only_frames_that_have_changed_rerun_folds(clone, on_disk):
    data, results, configs = on_disk
    assert planned(clone, configs=configs) == {}
    assert trained(results) == {"casme3-spNO.1": True, "casme3-spNO.2": True}
    folder = next(path for path in sorted((data / "part_A").glob("*.1/*/color")))
    before = (results / "folds/casme3_3/m1/seed0/casme3-spNO.1.csv").read_bytes()

    os.utime(folder, (1e9, 1e9))  # as if an archive with an old date had replaced a frame by the same
    jobs = planned(clone, configs=configs)
    assert (jobs["crops"], jobs["flow"], jobs["fold"]) == (1, 1, 2)
    run(clone, configs=configs)
    assert not any(trained(results).values())

    moved = data.with_name("moved")
    data.rename(moved)
    again = config_file(clone, "moved.yaml", datasets={"casme3": {"root": str(moved)}})[-1]
    index = (results / "index/casme3.csv").read_bytes()
    run(clone, configs=(*configs, again))
    assert (results / "index/casme3.csv").read_bytes() == index
    assert not any(trained(results).values())
    assert (results / "folds/casme3_3/m1/seed0/casme3-spNO.1.csv").read_bytes() == before

    onset, *others = sorted((moved / folder.relative_to(data)).iterdir(), key=lambda frame: int(frame.stem))
    for frame in others:
        shutil.copyfile(onset, frame)  # a face that does not move
    onset.parent.touch()  # as replacing a file by renaming does
    run(clone, configs=(*configs, again))
    assert all(trained(results).values())
    assert planned(clone, configs=(*configs, again)) == {}
