"""The example of docs/data.md, run word for word on frames and videos made from twins."""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pandas as pd
import pytest
import yaml
from workflow_runs import ROOT, planned, run, snakemake

from ra_icl.datasets.frames import sequence_frames
from ra_icl.datasets.reading import build_index
from ra_icl.files import load_tensors
from ra_icl.twins.plan import TwinOptions
from ra_icl.twins.render import render

CODECS = {".mp4": "mp4v", ".avi": "MJPG"}


def example(language):
    """The first block of a language in docs/data.md about own data."""
    return re.search(rf"## Your own data.*?```{language}\n(.*?)```", (ROOT / "docs/data.md").read_text(), re.S)[1]


@pytest.fixture
def data(clone, tmp_path):
    """The example's files below the root that the example names: twins' frames, some of them as videos."""
    table = pd.read_csv(io.StringIO(example("csv")))
    root = clone / yaml.safe_load(example("yaml"))["datasets"]["own"]["root"]
    render("smic", tmp_path, TwinOptions(subjects=3, per_class=1, frames=(22, 24), scale=0.5))
    sequences = build_index("smic", {"root": str(tmp_path)})
    subjects = dict(zip(table["subject"].unique(), sequences["subject"].unique(), strict=True))
    for row in table.itertuples():
        mine = sequences[sequences["subject"] == subjects[row.subject]]
        twin = mine[(mine["emotion"] == "positive") == (row.emotion == "joy")].iloc[0]
        write_clip(root / row.clip, [path for _, path in sequence_frames(twin, tmp_path)])
    (root / "annotation.csv").write_text(example("csv"))
    return root


def write_clip(path, frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix not in CODECS:
        path.mkdir()
        for number, frame in enumerate(frames, 1):
            shutil.copy(frame, path / f"img{number}{frame.suffix}")
        return
    images = [cv2.imread(str(frame)) for frame in frames]
    codec = cv2.VideoWriter_fourcc(*CODECS[path.suffix])
    video = cv2.VideoWriter(str(path), codec, 30, images[0].shape[1::-1])
    for image in images:
        video.write(image)
    video.release()


@pytest.mark.workflow
def test_the_example_of_own_data_runs(clone, data):
    (clone / "mine.yaml").write_text(example("yaml"))
    small = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    (clone / "own-small.yaml").write_text(yaml.safe_dump({key: small[key] for key in ("faces", "base")}))
    (clone / "own-tiny.yaml").write_text("base: {sampling: {instances: 2}, training: {epochs: 1}}")
    check = [Path(sys.executable).parent / "ra-icl", "check", "--no-estimate", "--configfile", "mine.yaml"]
    found = subprocess.run(check, cwd=clone, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    configs = ("mine.yaml", "own-small.yaml", "own-tiny.yaml")
    done = snakemake(clone, configs=configs)
    assert done.returncode == 0, done.stderr[-3000:]
    table = pd.read_csv(clone / "results/mine/tables/table_own.csv")
    assert table["title"].tolist() == ["M1", "Ra-ICL (M6)"]
    folds = sorted(path.stem for path in (clone / "results/mine/folds/own/m6/seed0").glob("*.csv"))
    assert folds == ["own-p1", "own-p2", "own-p3"]
    assert (clone / "results/mine/figures/figure_own.png").exists()
    assert planned(clone, "peer_svm", configs=configs)["fold"] == 3  # a peer has its own table of own data, too
    (data / "p1/smile.mp4").write_bytes(b"no video")
    found = subprocess.run(check, cwd=clone, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "p1/smile.mp4: cannot be read as a video" in found.stdout


STRANGE = """subject,clip,onset_s,offset_s,fps,emotion
Zoë 1,a b/高兴.mp4,0.07,0.33,,joy
Zoë 1,a b/take.1,0,0.3,30,disgust
p2,take.2,0,0.3,30,joy
"""


@pytest.mark.workflow
def test_names_of_any_script_go_through_to_a_fold(clone, tmp_path):
    """Subjects and clips with blanks, dots and letters beyond ASCII, and times in seconds: crops, flow and a fold."""
    root = clone / "strange"
    render("smic", tmp_path, TwinOptions(subjects=2, per_class=1, frames=(16, 17), scale=0.5))
    sequences = build_index("smic", {"root": str(tmp_path)})
    table = pd.read_csv(io.StringIO(STRANGE))
    for row, twin in zip(table.itertuples(), sequences.itertuples(), strict=False):
        write_clip(root / row.clip, [path for _, path in sequence_frames(twin, tmp_path)])
    (root / "annotation.csv").write_text(STRANGE, encoding="utf-8")
    mine = yaml.safe_load(example("yaml")) | {
        "pathvars": {"results": "results/strange"},
        "tables": {"table_own": ["m1"]},
    }
    mine["datasets"]["own"]["root"] = "strange"
    small = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    mine |= {"faces": {"size": 32, "fallback": "whole_frame"}, "confusion": "m1", "base": small["base"]}
    (clone / "strange.yaml").write_text(yaml.safe_dump(mine))
    (clone / "tiny-base.yaml").write_text("base: {training: {epochs: 1}}")
    configs = ("strange.yaml", "tiny-base.yaml")
    assert planned(clone, configs=configs)["fold"] == 2
    fold = "results/strange/folds/own/m1/seed0/own-Zo=C3=AB=201.csv"
    run(clone, fold, configs=configs)
    predicted = pd.read_csv(clone / fold)
    assert predicted["subject"].tolist() == ["Zo=C3=AB=201"] * 2
    assert predicted["sequence"].tolist() == ["a b/高兴.mp4_3", "a b/take.1_1"]
    crops, made = load_tensors(clone / "results/strange/crops/own/Zo=C3=AB=201.safetensors")
    assert {name: len(crop) for name, crop in crops.items()} == {"a b/高兴.mp4_3": 8, "a b/take.1_1": 10}
    assert made["sequences"]["a b/take.1_1"]["frames"] == list(range(1, 11))
