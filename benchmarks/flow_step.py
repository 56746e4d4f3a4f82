"""The flow step's start-up as a share of a pack's time: the workflow's command, on crops made here.

    python benchmarks/flow_step.py [--pairs 1300] [--out results/benchmarks/flow_step.json]

Clips of 17 frames of a photograph's face of 224 px under a growing motion of at most 1 px, 16 pairs each. Start-up is
all but the pairs: Python, imports, the compiled code from its cache. The command runs for a few pairs, first so that
the code is compiled, and for the pack. Seconds are those of the processor, of which a process of one thread takes one
a second where it has a core to itself.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from ra_icl import files
from ra_icl.datasets.index import index_frame

SIZE, INSTANCES = 224, 16


def clip(seed: int) -> np.ndarray:
    """(1 + INSTANCES, SIZE, SIZE) uint8."""
    grey = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)[60:190, 160:290]
    face = cv2.resize(grey, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    x, y = np.indices(face.shape, np.float32)[::-1]
    rng = np.random.default_rng(seed)
    centre, direction = rng.uniform(0.2 * SIZE, 0.8 * SIZE, 2), rng.normal(size=2)
    bump = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * (0.1 * SIZE) ** 2))
    motion = bump * (direction / np.linalg.norm(direction))[:, None, None]
    frames = []
    for step in np.linspace(0, 1, 1 + INSTANCES):
        moved = ((x + step * motion[0]).astype("f4"), (y + step * motion[1]).astype("f4"))
        noisy = cv2.remap(face, *moved, cv2.INTER_CUBIC) + rng.normal(size=face.shape)
        frames.append(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    return np.stack(frames)


def write_pack(folder: Path, sequences: int) -> Path:
    """Write crops of subjects with six sequences each; returns the index."""
    numbers = list(range(1, 2 + INSTANCES))
    rows = []
    for number in range(0, sequences, 6):
        names = [f"clip{one}" for one in range(number, min(number + 6, sequences))]
        clips = {name: clip(number + one) for one, name in enumerate(names)}
        record = {"sequences": {name: {"frames": numbers} for name in names}}
        files.save_tensors(folder / "crops" / f"sub{number:04}.safetensors", clips, record)
        row = {"dataset": "casme2", "subject": f"sub{number:04}", "frames": "", "onset": 1, "offset": 1 + INSTANCES}
        rows += [row | {"sequence": name, "fps": 200, "emotion": "disgust"} for name in names]
    files.write_csv(folder / "index.csv", index_frame(rows))
    return folder / "index.csv"


def seconds(folder: Path, subjects: list[str], mode: str) -> float:
    """Processor seconds of `ra-icl flow`."""
    program = [sys.executable, "-c", "from ra_icl.cli import main; main()", "flow", "--index", folder / "index.csv"]
    places = ["--crops", folder / "crops", "--out", folder / "flow"]
    sampling = ["--sampling", json.dumps({"mode": mode, "instances": INSTANCES})]
    command = [*program, *(f"--subject={name}" for name in subjects), *places, *sampling]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(list(map(str, command)), check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, print and keep as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1300)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/flow_step.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sequences = -(-arguments.pairs // INSTANCES)
        write_pack(folder, sequences)
        subjects = sorted(path.stem for path in (folder / "crops").iterdir())
        for _ in range(2):
            seconds(folder, subjects[-1:], "apex")
        few = sequences % 6 or 6  # pairs of the last subject, one a sequence
        short = min(seconds(folder, subjects[-1:], "apex") for _ in range(3))
        pack = seconds(folder, subjects, "middle")
    pairs = sequences * INSTANCES
    a_pair = (pack - short) / (pairs - few)
    start_up = short - few * a_pair
    found = {"pairs": pairs, "seconds": pack, "start_up_seconds": start_up, "seconds_a_pair": a_pair}
    found |= {"start_up_share": start_up / pack, "start_up_in_pairs": start_up / a_pair}
    files.write_json(arguments.out, found)
    print(f"{pairs} pairs of {SIZE} px: {pack:.1f} s, {1000 * a_pair:.1f} ms a pair")
    share = f"{100 * start_up / pack:.1f} % of the pack"
    print(f"start-up {start_up:.2f} s: {share}, as long as {start_up / a_pair:.0f} pairs")


if __name__ == "__main__":
    main()
