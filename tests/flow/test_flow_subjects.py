"""Crops to flow files: their content, what is refused, and what a killed process leaves."""

import json
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from ra_icl import files
from ra_icl.datasets.index import index_frame
from ra_icl.errors import InputError
from ra_icl.flow.maps import flow_maps
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling
from ra_icl.flow.subjects import flow_subject

NUMBERS = [46, 47, 48, 50, 51, 52]  # frame 49 is missing
SIDE = 48
PEAKS = (0, 0.3, 0.6, 1.0, 1.5, 2.0)  # pixels of motion in each frame


def known_clip(number):
    """Frames (6, SIDE, SIDE) uint8 and their motion against the first, (6, 2, SIDE, SIDE), of clip `number`.

    Each clip shows another texture and moves at another place in another direction.
    """
    picture = gaussian_filter(np.random.default_rng(number).normal(size=(SIDE, SIDE)), 1.5)
    picture = 128 + 100 * picture / np.abs(picture).max()
    y, x = np.indices((SIDE, SIDE))
    angle, column, row = 0.5 + 1.1 * number, 15 + 7 * (number % 3), 31 - 6 * (number % 4)
    bump = np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * 9**2))
    frames, motions = [], []
    for peak in PEAKS:
        u, v = peak * bump * np.cos(angle), peak * bump * np.sin(angle)  # of what is seen at x, y in the frame
        frames.append(map_coordinates(picture, [y - v, x - u], order=3, mode="nearest"))
        found = np.zeros((2, SIDE, SIDE))  # of what was seen at x, y in the onset
        for _ in range(10):
            found = np.stack([map_coordinates(one, [y + found[1], x + found[0]], order=1) for one in (u, v)])
        motions.append(found)
    return np.rint(frames).clip(0, 255).astype(np.uint8), np.stack(motions)


def write_crops(path, names=("a", "b"), first=0):
    """Crops of the clips first, first + 1, ... under these names."""
    clips = {name: known_clip(first + number)[0] for number, name in enumerate(names)}
    files.save_tensors(path, clips, {"sequences": {name: {"frames": NUMBERS} for name in names}})


@pytest.fixture
def subject(tmp_path):
    """Crops of two sequences, and their index."""
    write_crops(tmp_path / "crops.safetensors")
    keys = {"dataset": "casme2", "subject": "sub01", "sequence": ["a", "b"], "onset": 46, "offset": 52}
    index = pd.DataFrame(keys | {"apex": pd.array([51, pd.NA], "Int64")})
    return tmp_path / "crops.safetensors", index


def test_flow_subject_writes_maps_and_says_which_frames(subject, tmp_path):
    crops, index = subject
    clips, _ = files.load_tensors(crops)
    out = tmp_path / "flow" / "sub01.safetensors"
    flow_subject(crops, index, out, Sampling("middle", 3), FlowOptions())
    maps, metadata = files.load_tensors(out)
    assert set(maps) == {"a", "b"}
    assert maps["a"].shape == (3, 3, SIDE, SIDE)
    assert maps["a"].dtype == np.float16
    assert metadata["sequences"]["a"] == {"positions": [2, 3, 4], "frames": [48, 50, 51], "apex": 4}
    assert metadata["sequences"]["b"]["apex"] is None
    assert metadata["sampling"]["name"] == "middle-3"
    assert metadata["options"]["opencv"]["lambda_"] == 0.15
    assert metadata["backend"] == "numba"
    assert metadata["version"].startswith("numba ")
    for name in "ab":
        expected = flow_maps(clips[name][0], clips[name][[2, 3, 4]], FlowOptions())
        np.testing.assert_array_equal(maps[name], expected.astype(np.float16))


@pytest.fixture
def three_clips(tmp_path):
    """Crops of clips a, b and c, and their index."""
    write_crops(tmp_path / "crops.safetensors", "abc")
    keys = {"dataset": "casme2", "subject": "sub01", "sequence": [*"abc"], "onset": 46, "apex": 51, "offset": 52}
    return tmp_path / "crops.safetensors", pd.DataFrame(keys)


def test_sequences_go_to_a_backend_that_wants_many_pairs_in_one_call(three_clips, tmp_path, monkeypatch):
    """Three sequences of three pairs, five pairs at once: two calls, an onset for each pair, the same maps."""
    shapes = []

    def spy(onset, frames, options):
        shapes.append((onset.shape, frames.shape))
        return flow_maps(onset, frames, options)

    monkeypatch.setattr("ra_icl.flow.subjects.flow_maps", spy)
    for name, at_once in (("alone", 1), ("together", 5)):
        monkeypatch.setattr("ra_icl.flow.tvl1_numba.PAIRS_AT_ONCE", at_once)
        flow_subject(*three_clips, tmp_path / name, Sampling("middle", 3), FlowOptions())
    assert shapes[:3] == [((SIDE, SIDE), (3, SIDE, SIDE))] * 3
    assert shapes[3:] == [((6, SIDE, SIDE), (6, SIDE, SIDE)), ((SIDE, SIDE), (3, SIDE, SIDE))]
    assert (tmp_path / "alone").read_bytes() == (tmp_path / "together").read_bytes()


def test_flow_subject_takes_the_annotated_apex_or_the_midpoint(subject, tmp_path):
    crops, index = subject
    flow_subject(crops, index, tmp_path / "out.safetensors", Sampling("apex"), FlowOptions())
    maps, metadata = files.load_tensors(tmp_path / "out.safetensors")
    assert [metadata["sequences"][name]["positions"] for name in "ab"] == [[4], [2]]
    assert maps["a"].shape == (1, 3, SIDE, SIDE)


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


@pytest.mark.parametrize(
    ("recorded", "onset", "offset"),
    [(53, 45, 53), (53, 47, 53), (53, 46, 52), (53, 46, 61), (None, 45, 53), (None, 47, 53), (None, 46, 51)],
)
def test_crops_of_another_part_than_the_row_s_are_refused(subject, tmp_path, recorded, onset, offset):
    """Crops of older versions do not record their offset; of these, the last frame tells what it can."""
    crops, index = subject
    clips, metadata = files.load_tensors(crops)
    for info in metadata["sequences"].values():
        info |= {"offset": recorded} if recorded else {}
    files.save_tensors(crops, clips, metadata)
    index["offset"] = 53  # a frame that is missing, as 49 is
    flow_subject(crops, index, tmp_path / "flow", Sampling("apex"), FlowOptions())
    index.loc[1, ["onset", "offset"]] = onset, offset
    parts = f"b holds frames 46 to {recorded or max(52, offset)}, the index says {onset} to {offset}"
    with pytest.raises(InputError, match=rf"crops\.safetensors: {parts}; crop again$"):
        flow_subject(crops, index, tmp_path / "out", Sampling("apex"), FlowOptions())
    assert not (tmp_path / "out").exists()


@pytest.fixture
def three(tmp_path):
    """Crops of three subjects with two sequences each below crops/, and their index as a CSV."""
    rows = []
    for number, name in enumerate(("sub01", "sub02", "sub03")):
        write_crops(tmp_path / "crops" / f"{name}.safetensors", first=2 * number)
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


def flow_command(folder, start="", out="flow"):
    """Run `ra-icl flow` for the first subject, after the Python in `start`."""
    options = ["--sampling", json.dumps({"mode": "middle", "instances": 2}), "--subject", "sub01"]
    files_of = ["--crops", folder / "crops" / "sub01.safetensors", "--out", folder / out / "sub01.safetensors"]
    command = ["flow", "--index", folder / "casme2.csv", *options, *files_of]
    program = start + "\nfrom ra_icl.cli import main; main()"
    return subprocess.run([sys.executable, "-c", program, *map(str, command)], capture_output=True, check=False)


@pytest.mark.parametrize(("moment", "finished"), list(zip(MOMENTS, (0, 0, 0, 1), strict=True)))
def test_a_killed_process_leaves_a_whole_file_or_none(three, tmp_path, moment, finished):
    assert flow_command(tmp_path, KILL + MOMENTS[moment]).returncode == -signal.SIGKILL
    # In a separate process too: in this one, other tests have compiled the kernels for other types, and Numba may use
    # those, which round differently.
    assert flow_command(tmp_path, out="undisturbed").returncode == 0
    expected = tmp_path / "undisturbed" / "sub01.safetensors"
    assert [path.read_bytes() for path in (tmp_path / "flow").glob("[!.]*")] == [expected.read_bytes()] * finished
    assert flow_command(tmp_path).returncode == 0
    assert [path.read_bytes() for path in (tmp_path / "flow").iterdir()] == [expected.read_bytes()]
