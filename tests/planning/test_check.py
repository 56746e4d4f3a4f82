"""`ra-icl check`: every fault of a dataset in one pass, changed frames, published clones, damaged results."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from openpyxl import load_workbook

from ra_icl import cli
from ra_icl.cli import inspection
from ra_icl.datasets.frames import VideoFrame, file_stamps, frame_files
from ra_icl.datasets.public_flow import FOLDER, TABLE, clone_checksum
from ra_icl.datasets.reading import DEFAULTS, build_index
from ra_icl.errors import Fault, InputError
from ra_icl.faces.crop import crop_subject
from ra_icl.faces.options import FaceOptions
from ra_icl.files import save_tensors
from ra_icl.planning import indexes
from ra_icl.planning.check import check_dataset, find_faults
from ra_icl.planning.check_frames import Look, frames_changed, recorded_crops
from ra_icl.planning.check_results import damaged_results
from ra_icl.planning.config import load_config
from ra_icl.planning.methods import merge
from ra_icl.planning.plan import make_plan
from ra_icl.twins.plan import TwinOptions
from ra_icl.twins.render import render

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp("twin") / "casme2"
    render("casme2", root, TwinOptions(per_class=1, frames=(8, 9), scale=0.2))
    return root


@pytest.fixture
def twin(rendered, tmp_path):
    return Path(shutil.copytree(rendered, tmp_path / "casme2"))


def look_at(twin, exclude=(), **look):
    """What `check` says of the twin of CASME II, and its index."""
    options = DEFAULTS["casme2"] | {"root": str(twin)}
    data = {"source": "datasets", "exclude": {"casme2": exclude}}
    return check_dataset({"data": data, "datasets": {"casme2": options}}, "casme2", Look(**look))


def test_a_sound_dataset_has_no_fault(twin):
    indexed, faults = look_at(twin, faces=True, deep=True)
    assert faults == []
    assert len(indexed.rows) == len(build_index("casme2", {"root": str(twin)}))


def test_a_twin_in_the_place_of_a_dataset_is_still_said_to_be_one(twin):
    link = twin.with_name("link")
    link.symlink_to(twin)
    about = {"data": {"source": "datasets", "count_mismatch": "warning"}, "datasets": {"casme2": {"root": str(link)}}}
    config = merge(load_config([ROOT / "config/config.yaml"]), about | {"protocols": ["cde"]})
    assert make_plan(config).data_source == "twins"
    mixed = merge(config, {"datasets": {"smic": {"root": str(twin.parent)}}})
    with pytest.raises(
        InputError, match=r"datasets\.casme2\.root: is a rendered twin, and datasets\.smic\.root is not"
    ):
        make_plan(mixed)
    shutil.rmtree(twin / "truth")
    assert make_plan(config).data_source == "datasets"
    assert make_plan(merge(config, {"data": {"source": "twins"}})).data_source == "twins"


def test_every_fault_is_found_in_one_pass(twin):
    rows = build_index("casme2", {"root": str(twin)})
    book = load_workbook(twin / DEFAULTS["casme2"]["annotation"])
    sheet = book.active
    sheet.append([sheet.cell(2, 1).value, "../../other", None, 1, 2, 9, None, "4", "happiness"])
    sheet.append([1, "EP90_01", None, "x", "y", 9, None, "4", "happiness"])
    book.save(twin / DEFAULTS["casme2"]["annotation"])
    folders = [twin / folder for folder in rows["frames"]]
    shutil.rmtree(folders[0])
    for file in folders[1].iterdir():
        file.unlink()
    cut, small = list(frame_files(folders[2]).values())[4:6]
    cut.write_bytes(cut.read_bytes()[:300])
    cv2.imwrite(str(small), np.arange(600, dtype=np.uint8).reshape(20, 30))
    frame_files(folders[3])[rows["onset"][3]].unlink()
    _, faults = look_at(twin)
    wanted = [
        "'../../other' leaves the folder",
        "OnsetFrame is 'x'",
        "ApexFrame is 'y'",
        f"frame folder {folders[0]} is missing",
        f"{folders[1]} holds no frames",
        f"{cut}: is not a whole image",
        f"{small}: is 30x20, the onset frame",
        "the onset frame",
    ]
    assert len(faults) == len(wanted)
    for fault, words in zip(faults, wanted, strict=True):
        assert words in fault
        assert "\n" not in fault
    assert len(look_at(twin, decode=False)[1]) == len(wanted) - 2


def test_the_command_prints_all_and_exits_non_zero(twin, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    mine = tmp_path / "mine.yaml"
    roots = {"casme2": {"root": str(twin)}, "smic": {"root": "/nowhere"}}
    mine.write_text(yaml.safe_dump({"protocols": ["cde", "casme3_4"], "datasets": roots}))
    monkeypatch.setattr("sys.argv", ["ra-icl", "check", "--configfile", str(mine)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    no_data, no_folder, counts = capsys.readouterr().out.splitlines()
    assert no_data.startswith("config: datasets.casme3.root: is empty; ")
    assert no_folder.startswith("datasets.smic.root: folder /nowhere does not exist; ")
    assert counts.startswith("cde: the data differ from the paper's counts: casme2 ")
    mine.write_text(yaml.safe_dump({"protocols": ["cde"], "datasets": roots}))
    assert find_faults([mine], ["casme2"]) == [counts]
    with pytest.raises(InputError, match=r"--dataset samm: .*datasets\.samm\.root is empty; choose from casme2, smic"):
        find_faults([mine], ["samm"])


def test_the_bits_of_the_config_must_hold_every_level(twin, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    mine = tmp_path / "mine.yaml"
    row = build_index("casme2", {"root": str(twin)}).iloc[1]
    files = list(frame_files(twin / row["frames"]).values())
    for file in files:
        wide = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE).astype(np.uint16) << 4
        file.unlink()
        cv2.imwrite(str(file.with_suffix(".png")), wide)

    def too_bright(bits):
        own = {"datasets": {"casme2": {"root": str(twin)}}, "data": {"count_mismatch": "warning"}}
        mine.write_text(yaml.safe_dump({"protocols": ["cde"], "faces": {"bits": bits}} | own))
        return [fault for fault in find_faults([mine]).serious if "faces.bits is 10" in fault]

    assert too_bright(12) == too_bright(None) == []
    assert len(too_bright(10)) == row["offset"] - row["onset"] + 1


def test_sequences_that_lack_frames_are_one_warning(twin, caplog):
    rows = build_index("casme2", {"root": str(twin)})
    for row in rows.head(4).itertuples():
        frame_files(twin / row.frames)[row.offset - 1].unlink()
    _, (warning,) = look_at(twin, decode=False)
    assert (Fault.of(warning).kind, Fault.of(warning).severity) == ("frames-some-missing", "warning")
    first = rows.iloc[0]
    total = first["offset"] - first["onset"] + 1
    named = f"casme2 (4 sequences): some frames are missing and are passed over: sub01/{first.sequence} (1 of {total})"
    assert warning.startswith(named)
    assert " and 1 more; restore those that you have" in warning
    assert "missing" not in caplog.text


def test_counts_are_compared(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    root = tmp_path / "casme3"
    render("casme3", root, TwinOptions(per_class=2, frames=(8, 9), scale=0.2))
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"protocols": ["casme3_4"], "datasets": {"casme3": {"root": str(root)}}}))
    (fault,) = find_faults([mine], decode=False).serious
    assert "casme3_4: the data differ from the paper's counts" in fault


def crop_all(twin, crops):
    rows = build_index("casme2", {"root": str(twin)})
    for subject, of_subject in rows.groupby("subject"):
        crop_subject(of_subject, twin, crops / "casme2" / f"{subject}.safetensors", FaceOptions(size=16))
    return rows


@pytest.fixture
def run(twin, tmp_path, monkeypatch):
    """A config whose results folder holds the crops of the twin, its rows, and what faults `check` finds."""
    monkeypatch.chdir(ROOT)
    values = {"protocols": ["cde"], "datasets": {"casme2": {"root": str(twin)}}, "data": {"count_mismatch": "warning"}}
    config = tmp_path / "my config.yaml"
    config.write_text(yaml.safe_dump(values | {"pathvars": {"results": str(tmp_path / "results")}}))
    rows = crop_all(twin, tmp_path / "results" / "crops")
    return rows, lambda **options: find_faults([config], ["casme2"], decode=False, **options).serious


def test_sequences_whose_frames_changed_are_listed_with_the_command_that_crops_them_again(run, twin, tmp_path):
    rows, check = run
    assert check() == []
    files = [list(frame_files(twin / folder).values()) for folder in rows["frames"]]
    files[0][4].write_bytes(files[0][4].read_bytes() + b"\0")  # another size
    os.utime(files[1][5], ns=(10**18, 10**18 + 1))  # another time
    onset = rows["onset"][2]
    files[2][list(frame_files(twin / rows["frames"][2])).index(onset) + 2].unlink()  # a frame less
    os.utime(files[3][0], ns=(10**18, 10**18 + 1))  # before the onset: was not read
    faults = check()
    changed = [f"casme2 {row.subject}/{row.sequence}: its frames have changed" for row in rows.head(3).itertuples()]
    assert [fault.partition(" since")[0] for fault in faults] == changed
    path = tmp_path / "results" / "crops" / "casme2" / f"{rows['subject'][0]}.safetensors"
    command = f"snakemake --cores all --configfile '{tmp_path}/my config.yaml' --forcerun {path}"
    assert faults[0].endswith(f"since {path} was made; crop them again: {command}")
    crop_all(twin, tmp_path / "results" / "crops")
    assert check() == []


def test_links_to_frames_that_are_gone_are_faults_among_the_others(run, twin, tmp_path):
    rows, check = run
    files = [list(frame_files(twin / folder).values()) for folder in rows["frames"]]
    gone = files[0][4:6]
    for file in gone:
        file.unlink()
        file.symlink_to("/nowhere/frame.jpg")
    files[1][4].write_bytes(files[1][4].read_bytes() + b"\0")
    changed = f"casme2 {rows['subject'][1]}/{rows['sequence'][1]}: its frames have changed since "
    broken, other = check()
    assert broken == f"{gone[0]}: cannot be read (No such file or directory); restore the frame"
    assert other.startswith(changed)
    _, faults = look_at(twin, cropped=recorded_crops(tmp_path / "results/crops/casme2"))  # reads all frames
    assert [fault for fault in dict.fromkeys(faults) if "cannot be read" in fault] == [
        f"{file}: cannot be read (No such file or directory); restore the frame" for file in gone
    ]
    assert any(fault.startswith(changed) for fault in faults)


def test_data_that_moved_have_not_changed(twin, tmp_path):
    crop_all(twin, tmp_path / "crops")
    moved = Path(shutil.copytree(twin, tmp_path / "elsewhere"))  # keeps times
    shutil.rmtree(twin)
    cropped = recorded_crops(tmp_path / "crops" / "casme2")
    indexed, faults = look_at(moved, decode=False, cropped=cropped)
    assert len(cropped) == len(indexed.rows) > 0
    assert faults == []


def test_a_changed_video_is_noticed(tmp_path):
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"the film")
    frames = [(number, VideoFrame(video, number)) for number in (3, 4, 5)]
    info = {"frames": [3, 4, 5], "files": file_stamps([frame for _, frame in frames])}
    assert not frames_changed(frames, info)
    assert frames_changed(frames[:2], info)
    video.write_bytes(b"another film")
    assert frames_changed(frames, info)


def flip_a_bit(path, tensor):
    """Flip a bit in the middle of a tensor of a safetensors file."""
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[:8], "little")
    start, end = json.loads(data[8 : 8 + length])[tensor]["data_offsets"]
    data[8 + length + (start + end) // 2] ^= 4
    path.write_bytes(data)


def test_a_flipped_bit_in_the_results_is_one_line_that_names_file_and_sequence(run, tmp_path):
    rows, check = run
    results = tmp_path / "results"
    rng = np.random.default_rng(0)
    written = {
        "flow/middle-2/casme2/sub01.safetensors": "a",
        "folds/cde/m6/seed0/casme2-sub01.safetensors": "stem.weight",
        "models/cde/m6.safetensors": "classifier.weight",
        "depth/middle-2/casme3/spNO.1.safetensors": "a",
        "twins/casme2/truth/sub01/b.safetensors": "fields",
    }
    for path, name in written.items():
        tensors = {one: rng.normal(size=(3, 4, 5)).astype(np.float32) for one in (name, "other")}
        save_tensors(results / path, tensors, {})
    written[f"crops/casme2/{rows['subject'][0]}.safetensors"] = rows["sequence"][1]
    save_tensors(results / "checkpoints/x.safetensors", {"x": np.zeros(3)}, {})
    flip_a_bit(results / "checkpoints/x.safetensors", "x")  # checked when it is resumed
    assert check(results=True) == []
    for path, name in written.items():
        flip_a_bit(results / path, name)
    assert check() == []
    faults = sorted(check(results=True))
    assert len(faults) == len(written)
    for fault, (path, name) in zip(faults, sorted(written.items()), strict=True):
        assert fault.startswith(f"{results / path}: {name} is damaged: its checksum does not match; make it again: ")
        made = results / path.replace("casme2-sub01.safetensors", "casme2-sub01.csv")
        made = results / "twins" / "casme2" if "twins" in path else made
        assert fault.endswith(f"--forcerun {made}")
    cut = results / "flow/middle-2/casme2/sub01.safetensors"
    cut.write_bytes(cut.read_bytes()[:-7])
    assert any(fault.startswith(f"{cut}: cannot be read as a file of tensors") for fault in check(results=True))


def test_a_results_folder_without_results_is_a_note(tmp_path):
    for folder in (tmp_path / "gone", tmp_path):
        (note,) = damaged_results(folder, "make")
        what, remedy = (
            "holds no file of tensors, so that nothing was verified",
            "run first, or correct pathvars.results",
        )
        assert note == f"{folder}: {what}; {remedy}"
        assert Fault.of(note).severity == "note"


def test_a_protocol_that_needs_two_datasets_is_a_fault(twin, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"protocols": ["cross"], "datasets": {"casme2": {"root": str(twin)}}}))
    faults = find_faults([Path("config/config.yaml"), mine], ["casme2"])
    assert [fault for fault in faults if "protocols: cross needs two datasets, but only casme2 has a root" in fault]


def test_published_clones_are_compared_with_the_checksums_of_the_config(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    root = tmp_path / "clone"
    (root / FOLDER).mkdir(parents=True)
    (root / FOLDER / "006_006_1_2 .png").write_bytes(b"a map")
    (root / TABLE).write_text("dataset,sub,filename_o,label\nsamm,006,006_1_2,0\ncasme2,sub01,EP02_01f,7\n")
    files, checksum = clone_checksum(root)
    stated = {"root": str(root), "layout": "onset_apex", "commit": "abc", "files": files, "sha256": checksum}
    config = tmp_path / "flow.yaml"

    def faults_of(**changes):
        sources = dict.fromkeys(("htnet", "causalnet", "causalnet_apex"), stated | changes)
        config.write_text(yaml.safe_dump({"public_flow": sources}))
        return find_faults([Path("config/public-flow.yaml"), config], ["samm", "casme2"])

    fault, counts = faults_of()
    assert "row 3: label is '7', not one of 0, 1, 2; " in fault
    assert counts.startswith("cde: the data differ from the paper's counts: samm negative 1 instead of 92, ")
    found = faults_of(files=2)
    assert sum("holds 1 files, but public_flow." in fault for fault in found) == 3
    found = faults_of(sha256="0" * 64)
    assert sum("differ from those of commit abc" in fault for fault in found) == 3


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "lists no sequence with an emotion of datasets.own.labels"),
        (["p1,a,x,9,joy", "p2,b,1,9,fear"], "row 2: onset is 'x'"),
        (["p1,a,1,9,joy", "p1,b,1,9,fear"], "all sequences are of one subject, p1"),
    ],
)
def test_what_follows_from_a_fault_is_not_another_one(tmp_path, monkeypatch, rows, words):
    monkeypatch.chdir(ROOT)
    mine = tmp_path / "mine.yaml"
    own = {"root": str(tmp_path), "labels": {"negative": ["fear"], "positive": ["joy"]}}
    mine.write_text(yaml.safe_dump({"protocols": ["own"], "datasets": {"own": own}, "tables": {"table_own": ["m6"]}}))
    (tmp_path / "annotation.csv").write_text("\n".join(["subject,clip,onset,offset,emotion", *rows]))
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(1, 10):
            (tmp_path / name / f"{number}.png").write_bytes(bytes([number, ord(name)]))
    (fault,) = find_faults([mine], decode=False).serious
    assert words in fault


def test_counts_are_compared_of_the_datasets_that_have_a_root(twin, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(ROOT)
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"protocols": ["cde"], "datasets": {"casme2": {"root": str(twin)}}}))
    (fault,) = find_faults([mine], decode=False)
    assert "cde: the data differ from the paper's counts: casme2 negative" in fault
    assert "samm" not in fault
    assert "cde runs without samm: datasets.samm.root is empty" in caplog.messages


def test_the_command_reads_an_annotation_once_and_says_once_what_is_missing(
    twin, tmp_path, monkeypatch, capsys, caplog
):
    monkeypatch.chdir(ROOT)
    read, plain = [], indexes.survey_without
    monkeypatch.setattr(indexes, "survey_without", lambda name, *rest: read.append(name) or plain(name, *rest))
    mine = tmp_path / "mine.yaml"
    data = {"datasets": {"casme2": {"root": str(twin)}}, "data": {"count_mismatch": "warning"}}
    mine.write_text(yaml.safe_dump({"protocols": ["cde"], "tables": {"table3": ["m6"]}} | data))
    with pytest.raises(SystemExit) as ended:
        inspection.check([mine], decode=False, estimate=False)
    assert ended.value.code == 0
    assert read == ["casme2"]
    assert capsys.readouterr().out.count("the data differ from the paper's counts") == 1
    assert caplog.messages.count("cde runs without samm: datasets.samm.root is empty") == 1


def test_rows_that_cannot_be_read_are_said_and_not_that_one_subject_is_left(twin, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    mine, path = tmp_path / "mine.yaml", twin / DEFAULTS["casme2"]["annotation"]
    mine.write_text(yaml.safe_dump({"protocols": ["cde"], "datasets": {"casme2": {"root": str(twin)}}}))
    book = load_workbook(path)
    rows = [row for row in book.active.iter_rows(min_row=2) if row[0].value == 2]
    for row in rows:
        row[3].value = "x"
    book.save(path)
    found = find_faults([mine], decode=False).serious
    assert [f"row {row[3].row}: OnsetFrame is 'x'" in line for row, line in zip(rows, found, strict=False)] == [
        True
    ] * 4
    assert not any("is the only subject" in line for line in found)
    for row in reversed(rows):
        book.active.delete_rows(row[3].row)
    book.save(path)
    assert any("sub01 is the only subject of protocol cde" in line for line in find_faults([mine], decode=False))


def test_what_cannot_be_checked_is_said(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert find_faults([Path("config/demo.yaml")]) == []  # twins are rendered
    with pytest.raises(InputError, match=r"--dataset own: no protocol"):
        find_faults([], ["own"])
