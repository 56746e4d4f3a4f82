"""Paths that a shell or Snakemake could misread, other folders than the clone, other locales than UTF-8."""

import os
import re
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml
from workflow_runs import ROOT, environment

from ra_icl.files import load_tensors

ODD = "my {data} {dataset} %s ü'\" $$"  # $$ is a dollar sign
CLIPS = {"joy": "jo{subject}y, 1", "fear": "-f <logs>"}
SLOPE = np.arange(32 * 32).reshape(32, 32) // 8
SMALL = {
    "protocols": ["own"],
    "faces": {"size": 16, "fallback": "whole_frame"},
    "tables": {"table_own": ["m1"]},
    "confusion": "m1",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with odd names: two subjects' frames, each with grey levels of its own, and mine.yaml beside them."""
    folder = tmp_path_factory.mktemp("place")
    data = folder / "disk" / ODD.replace("$$", "$")
    rows = ["subject,clip,onset,offset,apex,emotion"]
    for person, subject in enumerate(("p1", "p2")):
        for number, (emotion, clip) in enumerate(CLIPS.items()):
            (data / subject / clip).mkdir(parents=True)
            for frame in range(1, 4):
                image = SLOPE + 50 * person + 20 * number + frame
                (data / subject / clip / f"img{frame}.png").write_bytes(
                    cv2.imencode(".png", image.astype(np.uint8))[1].tobytes()
                )
            rows.append(f'{subject},"{subject}/{clip}",1,3,2,{emotion}')
    (data / "annotation {subject}.csv").write_text("\n".join(rows), encoding="utf-8")
    values = SMALL | {
        "pathvars": {"results": "~/res ü %s'q"},
        "datasets": {"own": {"root": f"$DISK/{ODD}", "annotation": "annotation {subject}.csv"}},
    }
    values["datasets"]["own"]["labels"] = {"negative": ["fear"], "positive": ["joy"]}
    (folder / "mine.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    (folder / "scratch").mkdir()
    return folder


def run(place, *command, **variables):
    """Run a program in the folder of mine.yaml; the home folder and $DISK are below it."""
    home = {"HOME": str(place / "home"), "DISK": str(place / "disk"), "PYTHONPATH": str(ROOT)}
    environ = {key: value for key, value in environment().items() if key not in ("LC_ALL", "PYTHONUTF8")}
    return subprocess.run(command, cwd=place, env=environ | home | variables, capture_output=True, check=False)


def snakemake(place, *arguments, **variables):
    program = (sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow/Snakefile"), "--cores", "2")
    return run(place, *program, "--configfile", "mine.yaml", *arguments, **variables)


def planned(done):
    """{rule: jobs} of a dry run."""
    assert done.returncode == 0, done.stderr[-2000:]
    rows = re.findall(r"^([a-z]\w*) +([0-9]+)$", (done.stdout + done.stderr).decode(), re.M)
    return {name: int(number) for name, number in rows if name != "total"}


def test_odd_paths_are_cropped_from_another_folder_and_their_changes_noticed(place):
    results = place / "home" / "res ü %s'q"
    crops = [f"{results}/crops/own/{subject}.safetensors" for subject in ("p1", "p2")]
    done = snakemake(place, "--directory", "scratch", "--", *crops)
    assert done.returncode == 0, done.stderr[-2000:]
    assert os.listdir(place / "scratch") == [".snakemake"]
    index = pd.read_csv(results / "index/own.csv")
    assert index["frames"].tolist() == [f"{subject}/{clip}" for subject in ("p1", "p2") for clip in CLIPS.values()]
    names = index["sequence"].tolist()
    found = {name: clip for path in crops for name, clip in load_tensors(path)[0].items()}
    greys = [found[name].mean(axis=(1, 2)) for name in names]  # of every frame
    wanted = [np.arange(1, 4) + 50 * person + 20 * number for person in (0, 1) for number in (0, 1)]
    assert len(found) == 4
    np.testing.assert_allclose(np.array(greys) - greys[0][0], np.array(wanted) - 1, atol=1)
    assert planned(snakemake(place, "--directory", "scratch", "-n", "--", *crops)) == {}
    os.utime(next((place / "disk").glob("my*/p2/jo*")), (2e9, 2e9))  # a frame was added
    assert planned(snakemake(place, "--directory", "scratch", "-n", "--", *crops)) == {"crops": 1}


ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}  # an ASCII locale, UTF-8 mode off


def test_check_and_plan_find_the_clone_and_the_data_whatever_the_locale(place):
    check = [sys.executable, "-c", "from ra_icl.cli import main; main()", "check", "--configfile", "mine.yaml"]
    found = run(place, *check, "--no-estimate", **ASCII)
    assert found.returncode == 0, found.stderr[-2000:]
    assert b"own: 4 sequences read, 0 fault(s)" in found.stderr
    assert planned(snakemake(place, "-n", **ASCII))["fold"] == 2
