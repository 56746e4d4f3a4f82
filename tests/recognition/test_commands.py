"""The commands `final-model` and `predict`, run in this process."""

import io
import json
import os
import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recognition_world import METHOD
from typer.testing import CliRunner

from ra_icl.cli import app
from ra_icl.cli.predict import _recognise_all, most_chosen
from ra_icl.errors import InputError
from ra_icl.files import load_tensors
from ra_icl.recognition.typed import TypedClip

ROOT = Path(__file__).parents[2]


def run(*arguments):
    """Run `ra-icl ARGUMENTS`; an InputError is raised, as `main` would turn it into a line."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def predict(world, *arguments):
    return run("predict", *arguments, "--model", world.model_file)


@pytest.fixture
def rows(world):
    merged = world.fitted.drop(columns="frames").merge(world.index, on=["dataset", "subject", "sequence"])
    return list(merged.itertuples())[:2]


def test_final_model_writes_the_model_and_model_card_its_card(world, tmp_path):
    out, parts = tmp_path / "m6.safetensors", ["--flow", world.folder / "flow/middle-4"]
    parts += ["--crops", world.folder / "crops", "--metrics", world.folder / "metrics/cde/m6.json"]
    parts += ["--index", world.folder / "index/casme2.csv", "--data-source", "twins", "--title", "M6 (ours)"]
    done = run("final-model", "--out", out, *parts)  # with the options of the folds
    assert done.exit_code == 0
    (found, made), (wanted, before) = load_tensors(out), load_tensors(world.model_file)
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    assert made["model"]["score"] == before["model"]["score"]
    assert run("model-card", out, "--out", tmp_path / "m6").exit_code == 0
    for suffix in (".md", ".html"):
        assert "TRAINED ON SYNTHETIC FACES" in out.with_suffix(suffix).read_text()
    other = asdict(METHOD) | {"training": asdict(METHOD.training) | {"learning_rate": 0.5}}
    with pytest.raises(InputError, match=r"m6\.json: its folds had another training\.learning_rate than the model"):
        run("final-model", "--out", tmp_path / "other.safetensors", *parts, "--options", json.dumps(other))
    with pytest.raises(InputError, match=r"a model is a \.safetensors file"):
        run("final-model", "--out", tmp_path / "m6.pt", *parts)


def test_a_clip_that_cannot_be_used_stops_no_other(world, rows, tmp_path):
    clips = [world.frames(rows[0]), tmp_path / "gone.mp4", world.frames(rows[1])]
    done = predict(world, *clips)
    assert done.exit_code == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("ra-icl: error: ")]
    assert "gone.mp4: there is no such video" in line
    shown = [line.split()[0] for line in done.stdout.splitlines() if line.startswith(str(world.folder))]
    assert shown == [str(clips[0]), str(clips[2])]
    assert "TRAINED ON SYNTHETIC FACES" in done.stdout
    assert "no lie detector" in done.stdout


def test_rows_of_a_list_are_told_apart_whatever_becomes_of_them(world, rows, tmp_path):
    clip = world.frames(rows[0])
    odd = os.fsdecode(b"caf\xe9")
    os.symlink(clip, tmp_path / odd)
    path = tmp_path / "clips.csv"
    path.write_text(f"clip,onset\n{clip},{rows[0].onset}\n{clip},1\n{'x' * 300},\n{clip},\n")
    done = predict(world, path, tmp_path / odd, "--csv")
    assert done.exit_code == 2
    found = pd.read_csv(io.StringIO(done.stdout))
    assert found["row"].tolist()[:2] == [2, 5]
    assert found["clip"].tolist() == [str(clip), str(clip), f"{tmp_path}/caf\\udce9"]
    lines = [line for line in done.stderr.splitlines() if line.startswith("ra-icl: error: ")]
    assert lines[0].startswith(f"ra-icl: error: {path}, row 3: {clip}: has no onset frame 1")
    assert lines[1].startswith(f"ra-icl: error: {path}, row 4: ")
    assert lines[1].endswith("File name too long; check the path, its permissions and the disk")
    listed = json.loads(predict(world, path, "--json").stdout)["clips"]
    assert [one["row"] for one in listed] == [2, 5]


def test_what_is_kept_of_many_clips_is_small(world, rows):
    (one,), _ = _recognise_all([TypedClip(world.frames(rows[0]))], world.model(), None)
    assert one.crops.base is None
    assert one.maps.base is None
    assert one.inputs.untyped_storage().nbytes() == 0


def test_csv_and_json_hold_nothing_else_on_standard_output(world, rows):
    """With the annotated onset and offset, they are the workflow's probabilities."""
    row = rows[0]
    times = ["--onset", row.onset, "--offset", row.offset]
    table = predict(world, world.frames(row), *times, "--csv")
    assert table.exit_code == 0
    found = pd.read_csv(io.StringIO(table.stdout))
    assert (found["onset"][0], found["offset"][0]) == (row.onset, row.offset)
    np.testing.assert_allclose(found.filter(like="p_").iloc[0], [row.p0, row.p1, row.p2], atol=5e-3)
    assert "no lie detector" in table.stderr
    listed = json.loads(predict(world, world.frames(row), *times, "--json").stdout)
    assert list(listed["clips"][0]["probabilities"].values()) == found.filter(like="p_").iloc[0].tolist()


def test_the_python_example_of_the_docs_runs(world, rows, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/model.md").read_text(), re.DOTALL)
    assert len(example.strip().splitlines()) == 6  # five and a blank one
    monkeypatch.chdir(world.folder.parents[1])
    exec(compile(example.replace("smile.mp4", str(world.frames(rows[0]))), "docs/model.md", "exec"), {})
    assert re.match(r"(negative|positive|surprise) \{'negative': 0\.\d+, 'positive': ", capsys.readouterr().out)


def test_pictures_of_several_clips_are_numbered(world, rows, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("ra_icl.recognition.picture.draw", lambda found, model, out: drawn.append(out.name))
    predict(world, world.frames(rows[0]), "--picture", tmp_path / "out.png")
    predict(world, *map(world.frames, rows), "--picture", tmp_path / "out.png")
    assert drawn == ["out.png", "out-1.png", "out-2.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--json", "--csv"], "give one of the two"),
        (["--onset", "3"], "belong to one clip"),
        (["--picture", "out.txt"], "is no kind of picture"),
    ],
)
def test_options_that_do_not_go_together_are_refused(world, rows, arguments, words):
    with pytest.raises(InputError, match=words):
        predict(world, *map(world.frames, rows), *arguments)


def test_of_nested_selection_the_candidate_that_most_groups_chose_is_taken(tmp_path):
    keys = {"protocol": "cde", "method": "m6", "inner_folds": 3, "seed": 0, "candidates": {}}
    rates, paths = {"slow": 0.001, "fast": 0.01}, []
    for number, name in enumerate(["slow", "fast", "fast", "slow", "fast"]):
        overrides = {"training": {"learning_rate": rates[name]}}
        paths.append(tmp_path / f"group{number}.json")
        paths[-1].write_text(json.dumps(keys | {"group": "g", "candidate": name, "overrides": overrides}))
    words, options = most_chosen(paths, '{"training": {"epochs": 7}}')
    assert words == "candidate fast, which 3 of 5 groups of subjects chose"
    assert json.loads(options) == {"training": {"epochs": 7, "learning_rate": 0.01}}
