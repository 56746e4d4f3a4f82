"""Crops to flow files: what stands in them, and what a killed process leaves."""

import json
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from skimage import data

from ra_icl import files
from ra_icl.datasets.index import index_frame
from ra_icl.errors import InputError
from ra_icl.flow.maps import flow_maps
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.flow.subjects import flow_subject

NUMBERS = [46, 47, 48, 50, 51, 52]  # frame 49 is missing


def write_crops(path, names=("a", "b"), shift=1):
    """Sequences of six frames of 32 px; every second runs backwards."""
    photograph = data.astronaut()[40:72, 160:192].mean(2).round().astype(np.uint8)
    clip = np.stack([np.roll(photograph, shift * step, axis=1) for step in range(6)])
    clips = {name: (clip, clip[::-1].copy())[number % 2] for number, name in enumerate(names)}
    files.save_tensors(path, clips, {"sequences": {name: {"frames": NUMBERS} for name in names}})


@pytest.fixture
def subject(tmp_path):
    """Crops of two sequences, and their index."""
    write_crops(tmp_path / "crops.safetensors")
    keys = {"dataset": "casme2", "subject": "sub01", "sequence": ["a", "b"]}
    index = pd.DataFrame(keys | {"apex": pd.array([51, pd.NA], "Int64")})
    return tmp_path / "crops.safetensors", index


def test_flow_subject_writes_maps_and_says_which_frames(subject, tmp_path):
    crops, index = subject
    clips, _ = files.load_tensors(crops)
    out = tmp_path / "flow" / "sub01.safetensors"
    flow_subject(crops, index, out, Sampling("middle", 3), FlowOptions())
    maps, metadata = files.load_tensors(out)
    assert set(maps) == {"a", "b"}
    assert maps["a"].shape == (3, 3, 32, 32)
    assert maps["a"].dtype == np.float16
    assert metadata["sequences"]["a"] == {"positions": [2, 3, 4], "frames": [48, 50, 51], "apex": 4}
    assert metadata["sequences"]["b"]["apex"] is None
    assert metadata["sampling"]["name"] == "middle-3"
    assert metadata["options"]["opencv"]["lambda_"] == 0.15
    assert metadata["backend"] == "numba"
    assert metadata["version"].startswith("numba ")
    expected = flow_maps(clips["b"][0], clips["b"][[2, 3, 4]], FlowOptions())
    np.testing.assert_allclose(maps["b"], expected, atol=0.005)


def test_sequences_go_to_a_backend_that_wants_many_pairs_in_one_call(tmp_path, monkeypatch):
    """Three sequences of three pairs, five pairs at once: two calls, an onset for each pair, the same maps."""
    names = ["a", "b", "c"]
    write_crops(tmp_path / "crops.safetensors", names)
    keys = {"dataset": "casme2", "subject": "sub01", "sequence": names}
    index = pd.DataFrame(keys | {"apex": pd.array([51, 51, 51], "Int64")})
    shapes = []

    def spy(onset, frames, options):
        shapes.append((onset.shape, frames.shape))
        return flow_maps(onset, frames, options)

    monkeypatch.setattr("ra_icl.flow.subjects.flow_maps", spy)
    for name, at_once in (("alone", 1), ("together", 5)):
        monkeypatch.setattr("ra_icl.flow.tvl1_numba.PAIRS_AT_ONCE", at_once)
        flow_subject(tmp_path / "crops.safetensors", index, tmp_path / name, Sampling("middle", 3), FlowOptions())
    assert shapes[:3] == [((32, 32), (3, 32, 32))] * 3
    assert shapes[3:] == [((6, 32, 32), (6, 32, 32)), ((32, 32), (3, 32, 32))]
    assert (tmp_path / "alone").read_bytes() == (tmp_path / "together").read_bytes()


def test_flow_subject_takes_the_annotated_apex_or_the_midpoint(subject, tmp_path):
    crops, index = subject
    flow_subject(crops, index, tmp_path / "out.safetensors", Sampling("apex"), FlowOptions())
    maps, metadata = files.load_tensors(tmp_path / "out.safetensors")
    assert [metadata["sequences"][name]["positions"] for name in "ab"] == [[4], [2]]
    assert maps["a"].shape == (1, 3, 32, 32)


def test_flow_subject_names_what_the_crops_lack(subject, tmp_path):
    crops, index = subject
    out = tmp_path / "out.safetensors"
    index.loc[1, "sequence"] = "c"
    with pytest.raises(InputError, match=r"crops\.safetensors: does not hold casme2/sub01/c"):
        flow_subject(crops, index, out, Sampling(), FlowOptions())
    with pytest.raises(InputError, match="no sequence of this subject"):
        flow_subject(crops, index.iloc[:0], out, Sampling(), FlowOptions())
    with pytest.raises(InputError, match=r"none\.safetensors"):
        flow_subject(tmp_path / "none.safetensors", index, out, Sampling(), FlowOptions())
    assert not out.exists()


@pytest.fixture
def three(tmp_path):
    """Crops of three subjects with two sequences each below crops/, and their index as a CSV."""
    rows = []
    for number, name in enumerate(("sub01", "sub02", "sub03")):
        write_crops(tmp_path / "crops" / f"{name}.safetensors", shift=number + 1)
        row = {"dataset": "casme2", "subject": name, "frames": "", "onset": 46, "apex": 50, "offset": 52, "fps": 200}
        rows += [row | {"sequence": sequence, "emotion": "disgust"} for sequence in "ab"]
    index = index_frame(rows)
    files.write_csv(tmp_path / "casme2.csv", index)
    return index


# Python that makes the process end itself as `kill -9` does, at a given moment.
KILL = "import os, signal, itertools\nkill = lambda: os.kill(os.getpid(), signal.SIGKILL)\ncalls = itertools.count(1)\n"
MOMENTS = {
    "before a file is begun": """
import ra_icl.flow.subjects as module
maps = module.flow_maps
module.flow_maps = lambda *arguments: kill() if next(calls) == 2 else maps(*arguments)
""",
    "half a file": """
import safetensors.numpy as module
save = module.save_file
def save_file(tensors, path, metadata):
    save(tensors, path, metadata)
    if next(calls) == 1:
        os.truncate(path, os.path.getsize(path) // 2)
        kill()
module.save_file = save_file
""",
    "a file, not renamed": """
rename = os.replace
os.replace = lambda *paths: kill() if next(calls) == 1 else rename(*paths)
""",
    "a file, just renamed": """
rename = os.replace
os.replace = lambda *paths: (rename(*paths), next(calls) == 1 and kill())
""",
}


def flow_command(folder, start=""):
    """Run `ra-icl flow` for the first subject, after the Python in `start`."""
    options = ["--sampling", json.dumps({"mode": "middle", "instances": 2}), "--subject", "sub01"]
    files_of = ["--crops", folder / "crops" / "sub01.safetensors", "--out", folder / "flow" / "sub01.safetensors"]
    command = ["flow", "--index", folder / "casme2.csv", *options, *files_of]
    program = start + "\nfrom ra_icl.cli import main; main()"
    return subprocess.run([sys.executable, "-c", program, *map(str, command)], capture_output=True, check=False)


@pytest.mark.parametrize(("moment", "finished"), list(zip(MOMENTS, (0, 0, 0, 1), strict=True)))
def test_a_killed_process_leaves_a_whole_file_or_none(three, tmp_path, moment, finished):
    assert flow_command(tmp_path, KILL + MOMENTS[moment]).returncode == -signal.SIGKILL
    expected = tmp_path / "expected.safetensors"
    rows = three[three["subject"] == "sub01"]
    flow_subject(tmp_path / "crops" / "sub01.safetensors", rows, expected, Sampling("middle", 2), FlowOptions())
    assert [path.read_bytes() for path in (tmp_path / "flow").glob("[!.]*")] == [expected.read_bytes()] * finished
    assert flow_command(tmp_path).returncode == 0
    assert [path.read_bytes() for path in (tmp_path / "flow").iterdir()] == [expected.read_bytes()]
