"""`data.exclude`: what is left out is in no fold and in no index, and the paper's counts are those with it."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ra_icl.datasets.index import read_index_csv
from ra_icl.errors import InputError
from ra_icl.planning.config import merge
from ra_icl.planning.plan import make_plan
from ra_icl.twins import plan as twin_plan
from ra_icl.twins.plan import TwinOptions
from ra_icl.twins.render import render

ROOT = Path(__file__).parents[2]
FULL = TwinOptions(census="full", frames=(8, 9))


@pytest.fixture(scope="module")
def census():
    """The full index of CASME II and CAS(ME)³."""
    return {name: twin_plan.plan(name, FULL) for name in ("casme2", "casme3")}


def plan_of(exclude, protocols=("cde", "casme3_3", "casme3_7")):
    """The plan of twins with the paper's counts, which are compared as for real data."""
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    changes = {"data": {"source": "twins", "exclude": exclude}, "protocols": list(protocols)}
    return make_plan(merge(values, changes | {"twins": {"census": "full", "frames": [8, 9]}}))


def names(rows):
    return [f"{row.subject}/{row.sequence}" for row in rows.itertuples()]


def test_what_is_left_out_is_counted_by_protocol_and_is_no_mismatch(census):
    casme3 = census["casme3"]
    others, fear = (
        casme3[casme3["emotion"] == emotion].iloc[:number] for emotion, number in (("others", 2), ("fear", 1))
    )
    gone = {"casme2": names(census["casme2"].iloc[[3, 5]]), "casme3": names(pd.concat([others, fear]))}
    plan = plan_of(gone)  # raises if counts differ from the paper's
    assert len(plan.selected["cde"]) == 442 - 2
    assert len(plan.selected["casme3_3"]) == 670 - 1
    assert len(plan.selected["casme3_7"]) == 801 - 3
    for rows in (plan.index, *plan.selected.values()):
        for dataset, listed in gone.items():
            assert not set(names(rows[rows["dataset"] == dataset])) & set(listed)
    assert json.loads(plan.left_out_counts("cde")) == {"casme2": 2}
    assert json.loads(plan.left_out_counts("casme3_3")) == {"casme3": 1}
    assert json.loads(plan.left_out_counts("casme3_3", "casme3_7")) == {"casme3": 3}
    assert json.loads(plan.exclusions("casme3")) == gone["casme3"]
    assert plan.exclusions("samm") == "[]"


def test_a_subject_with_nothing_left_has_no_fold(census):
    casme2 = census["casme2"]
    subject = casme2["subject"].iloc[0]
    plan = plan_of({"casme2": names(casme2[casme2["subject"] == subject])}, ["cde"])
    assert f"casme2-{subject}" not in plan.folds("cde")
    assert len(plan.folds("cde")) == 67
    assert subject not in plan.subjects("casme2")


def test_a_name_that_is_none_and_a_dataset_with_nothing_left_stop_the_plan(census):
    with pytest.raises(InputError, match=r"data\.exclude\.casme2: 'sub01/EP99' is no sequence that a protocol uses; "):
        plan_of({"casme2": ["sub01/EP99"]}, ["cde"])
    with pytest.raises(InputError, match=r"data\.exclude\.casme2: leaves none of 145 sequences"):
        plan_of({"casme2": names(census["casme2"])}, ["cde"])
    with pytest.raises(InputError, match=r"config: data\.exclude\.casme4"):
        plan_of({"casme4": ["sub01/EP99"]})


def test_the_index_that_the_steps_read_lacks_it(tmp_path):
    render("casme2", tmp_path / "twin", TwinOptions(per_class=1, frames=(8, 9), scale=0.1))
    options = json.dumps({"root": str(tmp_path / "twin")})

    def written(exclude):
        command = ["index", "--dataset", "casme2", "--options", options, "--out", str(tmp_path / "casme2.csv")]
        program = [
            sys.executable,
            "-c",
            "from ra_icl.cli import main; main()",
            *command,
            "--exclude",
            json.dumps(exclude),
        ]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        return done, read_index_csv(tmp_path / "casme2.csv")

    _, whole = written([])
    done, index = written(names(whole)[1:2])
    assert done.returncode == 0
    pd.testing.assert_frame_equal(index, whole.drop(index=1).reset_index(drop=True))
    done, unchanged = written(["sub01/EP99"])
    assert done.returncode == 2
    assert "ra-icl: error: data.exclude.casme2: 'sub01/EP99' is no sequence" in done.stderr
    assert len(unchanged) == len(index)
