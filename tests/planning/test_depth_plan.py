"""Methods that take depth: where a config may have them, and what `ra-icl check` says of the images they need."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from deep_peer import METHOD, deep_peer

from ra_icl.datasets.reading import build_index
from ra_icl.errors import Fault, InputError
from ra_icl.planning.check import find_faults
from ra_icl.planning.config import load_config
from ra_icl.planning.instances import channels
from ra_icl.planning.methods import merge
from ra_icl.planning.plan import make_plan
from ra_icl.twins.plan import TwinOptions
from ra_icl.twins.render import render

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _peer(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    with deep_peer(tmp_path):
        yield


def plan_of(tmp_path, text, demo="config/demo.yaml"):
    (tmp_path / "mine.yaml").write_text(text)
    return make_plan(load_config([ROOT / "config/config.yaml", ROOT / demo, tmp_path / "mine.yaml"]))


def test_a_method_with_depth_has_a_sampling_of_its_own(tmp_path):
    plan = plan_of(tmp_path, METHOD + "tables: {table2: [m6, peer_deep], peers_casme3: [peer_deep]}")
    assert plan.sampling("peer_deep") == "apex-depth"
    assert plan.samplings["apex-depth"]["depth"] is True
    assert channels(plan.methods["peer_deep"]) == 4
    assert {protocol for protocol, method in plan.runs() if method == "peer_deep"} == {
        "casme3_3",
        "casme3_4",
        "casme3_7",
    }
    assert all(
        path.startswith("apex-depth/casme3/") for path in plan.flow_files("casme3_4", plan.sampling("peer_deep"))
    )
    assert plan.sampling("m1") == "apex"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        *(
            (
                f"tables: {{{table}: [m6, peer_deep]}}",
                rf"tables\.{table}: peer_deep takes depth, which CAS\(ME\)³ alone has; ",
            )
            for table in ("table1", "table3", "peers", "cross", "table_own")
        ),
        ("confusion: peer_deep", "confusion: peer_deep takes depth"),
        (
            "sweeps: {bits: {figure: 12, method: peer_deep, key: sampling.seed, values: [0, 1]}}",
            r"sweeps\.bits\.method: peer_deep",
        ),
        (
            "methods: {peer_deep: {peer: {depth: false}}}",
            r"peer_deep\.sampling\.depth: is true, but nearest's is false; set both",
        ),
        (
            "methods: {peer_deep: {sampling: {depth: false}}}",
            r"peer_deep\.sampling\.depth: is false, but nearest's is true",
        ),
        ("methods: {peer_deep: {peer: null}}", r"peer_deep\.peer"),
        ("methods: {m1: {sampling: {depth: true}}}", r"m1\.sampling\.depth: true: is for peers alone"),
        ("methods: {peer_ststnet: {sampling: {depth: true}}}", r"depth: is true, but ststnet's is false"),
    ],
)
def test_depth_is_refused_where_there_is_none(tmp_path, text, fault):
    changed = merge(yaml.safe_load(METHOD), yaml.safe_load(text))
    with pytest.raises(InputError, match=f"config: .*{fault}"):
        plan_of(tmp_path, yaml.safe_dump(changed))


def test_matrices_of_a_method_with_depth_are_drawn_of_casme3_alone(tmp_path):
    text = METHOD + "confusion: peer_deep\nprotocols: [casme3_4]\n"
    assert ("casme3_4", "peer_deep") in plan_of(tmp_path, text).runs()


def test_published_maps_have_no_depth(tmp_path):
    text = METHOD.replace("mode: apex", "mode: published, source: htnet")
    with pytest.raises(InputError, match=r"methods\.peer_deep\.sampling\.depth: published maps have no depth"):
        plan_of(tmp_path, text, "config/public-flow.yaml")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A twin of CAS(ME)³, with plain depth beside the onset and apex frames alone, which are what is needed."""
    root = tmp_path_factory.mktemp("twin") / "casme3"
    render("casme3", root, TwinOptions(per_class=1, frames=(8, 9), scale=0.2, excluded=False))
    for row in build_index("casme3", {"root": str(root)}).itertuples():
        folder = root / row.frames.replace("color", "depth")
        folder.mkdir(exist_ok=True)
        for number in (row.onset, row.apex):
            cv2.imwrite(str(folder / f"{number}.png"), np.full((144, 256), 600 + number, np.uint16))
    return root


def check(tmp_path, twin, **changes):
    own = {
        "protocols": ["casme3_4"],
        "datasets": {"casme3": {"root": str(twin)}},
        "data": {"count_mismatch": "warning"},
    }
    (tmp_path / "mine.yaml").write_text(METHOD + yaml.safe_dump(own | changes))
    return [fault for fault in map(Fault.of, find_faults([tmp_path / "mine.yaml"])) if fault.kind.startswith("depth")]


def test_depth_that_is_not_there_is_a_fault_of_methods_that_run_and_else_a_note(rendered, tmp_path):
    twin = Path(shutil.copytree(rendered, tmp_path / "casme3"))
    run = {"tables": {"table2": ["peer_deep"]}}
    assert check(tmp_path, twin, **run) == []
    rows = build_index("casme3", {"root": str(twin)})
    first, second, third = rows.iloc[0], rows.iloc[-1], rows.iloc[-3]
    of = {
        name: twin / row.frames.replace("color", "depth")
        for name, row in zip("abc", (first, second, third), strict=True)
    }
    (of["a"] / f"{first.apex}.png").unlink()
    cv2.imwrite(str(of["b"] / f"{second.onset}.png"), np.full((144, 256), 90, np.uint8))
    cv2.imwrite(str(of["c"] / f"{third.apex}.png"), np.full((90, 256), 600, np.uint16))
    faults = check(tmp_path, twin, **run)
    assert {fault.kind for fault in faults} == {"depth-image-missing", "depth-format", "depth-size"}
    assert f"{first.subject}/{first.sequence}: the depth of frame {first.apex} is missing" in str(faults)
    (note,) = check(tmp_path, twin)
    assert note.severity == "note"
    assert note.startswith("casme3: 3 of 14 sequences have no depth that can be used, the first casme3 spNO.")
    assert note.remedy.startswith("nothing to do unless you run ")
    assert note.endswith("peer_deep")
    for folder in twin.rglob("depth"):
        shutil.rmtree(folder)
    assert [fault.kind for fault in check(tmp_path, twin, **run)] == ["depth-folder-missing"] * 14
    assert check(tmp_path, twin)[0].startswith("casme3: 14 of 14 ")
