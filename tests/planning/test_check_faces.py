"""`ra-icl check --faces`: every sequence without a face or with several, and that the crops take the same face."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from skimage import data

from ra_icl import cli
from ra_icl.datasets.frames import sequence_frames
from ra_icl.errors import InputError
from ra_icl.faces.crop import crop_sequence
from ra_icl.faces.options import FaceOptions
from ra_icl.planning.check import find_faults
from ra_icl.planning.config import load_config
from ra_icl.planning.indexes import read_index

CONFIG = Path(__file__).parents[2] / "config" / "config.yaml"
PORTRAIT = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)[:280, 100:350]


def scene(*faces):
    """A grey wall of 300 x 540 with portraits (left, top, scale) before it, the larger ones last."""
    wall = np.full((300, 540), 90, np.uint8)
    for left, top, scale in sorted(faces, key=lambda face: face[2]):
        portrait = cv2.resize(PORTRAIT, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        wall[top : top + portrait.shape[0], left : left + portrait.shape[1]] = portrait
    return wall


ALONE, EMPTY = scene((180, 60, 0.7)), scene()
LARGE, SMALL = (10, 10, 0.96), (280, 70, 0.6)  # the small one is nearer to the middle
BESIDE = scene(LARGE, SMALL)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A config of own data: four sequences of three subjects, two of them without a face, one with two faces."""
    scenes = {"p1/alone": ALONE, "p1/empty": EMPTY, "p2/beside": BESIDE, "p3/other": 255 - EMPTY}
    lines = ["subject,clip,onset,offset,emotion"]
    for number, (name, first) in enumerate(scenes.items()):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for frame in range(4):
            moved = np.roll(first, frame, axis=0)
            moved[:20, :20] = 40 * number + frame  # all files differ
            assert cv2.imwrite(str(folder / f"{frame + 7}.png"), moved)
        lines.append(f"{name.split('/')[0]},{name},7,10,{'joy' if number in (1, 2) else 'fear'}")
    (tmp_path / "data" / "annotation.csv").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "mine.yaml"


def write(path, **changes):
    own = {"root": str(path.parent / "data"), "labels": {"negative": ["fear"], "positive": ["joy"]}}
    path.write_text(yaml.safe_dump({"protocols": ["own"], "datasets": {"own": own}} | changes))
    return path


@pytest.fixture
def check(own, monkeypatch):
    """What `check --faces` finds with changes of the config; by default of the kinds about faces."""
    monkeypatch.setattr("ra_icl.planning.config.CONFIG", CONFIG)

    def found(kinds=("face", "faces", "exclude"), **changes):
        faults = find_faults([write(own, **changes)], decode=False, faces=True)
        return [fault for fault in faults if fault.kind.split("-")[0] in kinds]

    return found


def test_all_sequences_without_a_face_and_with_several_are_listed_in_one_pass(check, capsys):
    empty, other, beside = check()
    assert empty.startswith("own p1/p1/empty_7: no face is found on the onset frame; ")
    assert other.startswith("own p3/p3/other_7: no face is found")
    assert (empty.severity, beside.severity) == ("fault", "warning")
    sizes = re.fullmatch(
        r"own p2/p2/beside_7: 2 faces are found on the onset frame, of which the largest is taken, (\d+) px wide "
        r"\(not: (\d+) px\); look at the frame; if another one is the subject, set faces.choose to most_central; .*",
        beside,
    )
    large, small = map(int, sizes.groups())
    assert 1.2 < large / small < 2  # boxes are not exact
    assert capsys.readouterr().err.count("sequence/s") == 0  # no bar without a terminal


def test_a_face_that_no_pair_of_eyes_confirms_is_a_warning(check, own):
    """The face that was alone wears a patch over one eye."""
    patched = ALONE.copy()
    patched[124:140, 242:260] = 60
    for frame in range(4):
        assert cv2.imwrite(str(own.parent / f"data/p1/alone/{frame + 7}.png"), np.roll(patched, frame, axis=0))
    warning = next(fault for fault in check() if "p1/p1/alone_7" in fault)
    assert (warning.kind, warning.severity) == ("face-without-eyes", "warning")
    assert re.match(r"own p1/p1/alone_7: no pair of eyes confirms the face .*, 7\d px wide, which", warning)
    assert "`snakemake --cores all qc`" in warning.remedy
    assert warning.remedy.endswith("add p1/p1/alone_7 to data.exclude.own")


@pytest.mark.parametrize("choose", ["largest", "most_central"])
def test_the_crops_take_the_face_that_check_names(check, own, choose):
    (beside,) = check(kinds=("faces",), faces={"choose": choose})
    config = load_config([CONFIG, own])
    rows = read_index(config, "own").rows
    row = rows[rows["sequence"] == "p2/beside_7"].iloc[0]
    frames = [frame for _, frame in sequence_frames(row, own.parent / "data")]
    _, info = crop_sequence(frames, FaceOptions(size=32, choose=choose), "own p2/p2/beside_7")
    assert f"is taken, {round(info['box'][2])} px wide (not: {round(info['others'][0][2])} px)" in beside
    left, _, scale = LARGE if choose == "largest" else SMALL
    (first, _), (second, _) = info["eyes"]
    assert left < first < second < left + 250 * scale


def test_both_remedies_for_a_sequence_without_a_face_work(check):
    faults = check()[:2]
    listed = [yaml.safe_load(re.search(r"add (.*) to data\.exclude\.own", fault)[1]) for fault in faults]
    assert [fault.kind for fault in check(data={"exclude": {"own": listed}})] == ["faces-several"]
    assert listed == ["p1/p1/empty_7", "p3/p3/other_7"]
    whole = check(faces={"fallback": "whole_frame"})
    assert sorted(fault.kind for fault in whole) == [*["face-missing-whole-frame"] * 2, "faces-several"]
    assert {fault.severity for fault in whole} == {"warning"}


def test_what_is_excluded_is_not_looked_at_and_must_be_there(check):
    (missing,) = check(kinds=("exclude",), data={"exclude": {"own": ["p1/p1/emty_7"]}})
    assert missing.startswith("data.exclude.own: 'p1/p1/emty_7' is no sequence that a protocol uses; ")
    assert "(near: p1/p1/empty_7" in missing


def run(monkeypatch, capsys, *arguments):
    """Exit status and what is printed by `ra-icl check`."""
    monkeypatch.setattr("sys.argv", ["ra-icl", "check", "--no-estimate", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, capsys.readouterr().out


def test_the_same_is_printed_for_people_and_for_programs(check, own, monkeypatch, capsys):
    faults = check(kinds=("face", "faces"))
    status, text = run(monkeypatch, capsys, "--configfile", own, "--faces", "--no-decode")
    assert status == 1
    lines = text.splitlines()
    assert lines[:2] == list(faults[:2])
    assert f"warning: {faults[2]}" in lines[2:]
    assert all(line.startswith(("warning: ", "note: ")) for line in lines[2:])
    status, text = run(monkeypatch, capsys, "--configfile", own, "--faces", "--no-decode", "--json")
    found = json.loads(text)
    assert status == 1
    assert len(found) == len(lines)
    assert found[0] == {
        "severity": "fault",
        "kind": "face-missing",
        "where": "own p1/p1/empty_7",
        "what": "no face is found on the onset frame",
        "remedy": faults[0].remedy,
    }
    write(own, data={"exclude": {"own": ["p1/p1/empty_7", "p3/p3/other_7"]}})
    status, text = run(monkeypatch, capsys, "--configfile", own, "--faces", "--no-decode", "--json")
    assert status == 0  # warnings stop nothing
    assert {one["severity"] for one in json.loads(text)} <= {"warning", "note"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": {"source": "twins"}, "protocols": ["own"]}, "own is of your own data, which have no synthetic twin"),
        ({"data": {"source": "twins", "exclude": {"samm": ["zz"]}}, "protocols": ["cde"]}, "is no sequence"),
        ({"selection": {"candidates": {"a": {}, "b": {}}, "methods": {"m6": []}}}, "selection.inner_folds: is 3"),
    ],
)
def test_what_only_the_plan_shows_is_found_without_the_estimate(own, tmp_path, monkeypatch, capsys, changes, words):
    write(own, **changes)
    status, text = run(monkeypatch, capsys, "--configfile", own, "--json", "--no-decode")
    assert status == 2
    (one,) = json.loads(text)
    assert words in f"{one['where']}: {one['what']}"


def test_an_invalid_config_is_json_too(check, own, monkeypatch, capsys):
    write(own, data={"exclude": {"casme4": ["x"]}})
    status, text = run(monkeypatch, capsys, "--configfile", own, "--json")
    assert status == 2
    (one,) = json.loads(text)
    assert "casme4" in f"{one['where']} {one['what']}"
    with pytest.raises(InputError, match=r"--faces: data\.source is twins, which has no frames of people"):
        check(data={"source": "twins"})
