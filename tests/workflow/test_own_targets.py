"""The targets of own data, in dry runs over small frames."""

import re

import cv2
import numpy as np
import pytest
import yaml
from workflow_runs import config_file, planned, snakemake

SUBJECTS = [f"p{number}" for number in range(1, 6)]


@pytest.fixture(scope="module")
def mine(clone):
    """A function that writes a config with own data of five subjects, and changes on top; returns its name."""
    rows = ["subject,clip,onset,offset,apex,emotion"]
    for subject in SUBJECTS:
        for level, emotion in enumerate(("joy", "fear")):
            folder = clone / "targets" / subject / emotion
            folder.mkdir(parents=True)
            for frame in range(1, 4):
                shift = 40 * SUBJECTS.index(subject) + 20 * level + frame
                grey = np.roll(np.arange(256, dtype=np.uint8), shift).reshape(16, 16)
                cv2.imwrite(str(folder / f"{frame}.png"), grey)
            rows.append(f"{subject},{subject}/{emotion},1,3,2,{emotion}")
    (clone / "targets/annotation.csv").write_text("\n".join(rows))
    own = {"root": "targets", "labels": {"negative": ["fear"], "positive": ["joy"]}}
    values = {"protocols": ["own"], "datasets": {"own": own}, "pathvars": {"results": "results/targets"}}

    def write(**changes):
        (clone / "targets.yaml").write_text(yaml.safe_dump(values | changes))
        return ["targets.yaml"]

    return write


def test_options_are_selected_for_own_data(clone, mine):
    changes = {"candidates": {"base": {}, "fast": {"training": {"learning_rate": 0.01}}}, "methods": {"m6": []}}
    jobs = planned(clone, "select", configs=mine(selection=changes))
    assert (jobs["choose"], jobs["fold"]) == (5, 5 * 2 * 3)  # groups; candidates, inner folds
    done = snakemake(clone, "select", "--dry-run", configs=mine())
    assert done.returncode == 1
    assert (
        "ra-icl: error: target select: nothing in this config makes it; it needs protocol cde, groups5 or own, "
        in (done.stderr.splitlines()[-1])
    )


def test_a_method_has_a_table_of_its_own_and_is_compared_with_the_reference(clone, mine):
    extra = {"methods": {"m6_q4": {"title": "Four", "model": {"regions": {"queries": 4}}}}}
    configs = mine(**extra, tables={"table_own": ["m1", "m6", "m6_q4"]})
    assert planned(clone, "ablation_m5", configs=configs)["fold"] == 5  # no table lists it
    jobs = planned(clone, "differences_own", configs=configs)
    assert (jobs["fold"], jobs["metrics"], jobs["compare"]) == (15, 3, 1)
    shown = snakemake(clone, "ablation_m6_q4", "--dry-run", "--printshellcmds", configs=configs)
    assert re.search(r"ra-icl table own \S*/metrics/own/m6_q4\.json ", shown.stdout + shown.stderr)
    assert planned(clone, configs=configs)["compare"] == 1  # `all`
    # The mean over all seeds and what chose its epoch are rows of the table, but are not compared with the others.
    other = {"ensembles": {"mean": {"title": "Mean", "members": ["m1"], "seeds": "all"}}, "seeds": [0, 1]}
    best = {"title": "Best", "training": {"select": "best_on_held_out"}}
    other |= {"methods": {"m6_best": best, "table_own": {"title": "A method with the name of a table"}}}
    configs = mine(**other, tables={"table_own": ["m1", "m6", "mean", "m6_best"]})
    shown = snakemake(clone, "--dry-run", "--printshellcmds", configs=configs)
    commands = re.findall(r"ra-icl (?:table own|differences) .*", shown.stdout + shown.stderr)
    compared = {command.split()[1]: re.findall(r"/metrics/own/(\w+)\.json", command) for command in commands}
    assert compared == {"table": ["m1", "m6", "mean", "m6_best"], "differences": ["m1", "m6"]}
    done = snakemake(clone, "differences_own", "--dry-run", configs=mine(tables={"table_own": ["m1", "m5"]}))
    assert "it needs protocol own, and two methods in `tables.table_own`, the `reference` or" in done.stderr
    done = snakemake(clone, "ablation_m5", "--dry-run", configs=config_file(clone, "far.yaml", protocols=["casme3_4"]))
    assert "target ablation_m5: nothing in this config makes it; it needs protocol cde, groups5 or own" in done.stderr


def test_a_model_whose_epoch_is_chosen_on_held_out_people_is_refused_before_its_folds(clone, mine):
    best = {"training": {"select": "best_on_held_out"}}
    done = snakemake(clone, "final_model", "--dry-run", configs=mine(methods={"m6": best}))
    assert "target final_model: nothing in this config makes it; it needs a protocol other than cross, and" in (
        done.stderr
    )


def test_a_run_ends_with_what_there_is_to_look_at(clone, mine):
    found = {
        "Tables": ["tables/table_own.md"],
        "Figures": ["figures/curves/own/m6.png", "figures/figure_own.png"],
        "Quality control": ["qc/own.html"],
        "Choices": ["selection/own/m6/group1.json"],
        "Models": ["models/own/m6.safetensors"],
    }
    further = ["tables/table_own.csv", "tables/table_own.notes.md", "figures/figure_own.pdf", "qc/.own.html"]
    for path in (*(path for paths in found.values() for path in paths), *further):
        (clone / "results/targets" / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / "results/targets" / path).touch()
    done = snakemake(clone, "results/targets/index/own.csv", configs=mine())
    assert done.returncode == 0, done.stderr[-2000:]
    wanted = [
        f"{title} so far: " + "  ".join(f"results/targets/{path}" for path in paths) for title, paths in found.items()
    ]
    assert [line for line in done.stdout.splitlines() if " so far: " in line] == wanted
