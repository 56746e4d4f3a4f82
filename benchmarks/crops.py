"""Face crops: sequences per minute on one core, and how peak memory grows with the number of sequences.

    python benchmarks/crops.py [--out results/benchmarks/crops.json]

Clips of 70 frames of 640x480 from the synthetic twin of CASME II, crops of 224 px. Each number of sequences is measured
in a separate process, so that one peak does not hide the other.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FRAMES = 70
NUMBERS = (2, 20)


def measure(root: str, sequences: int, stabilise: str) -> dict:
    """Crop one clip under several names; seconds and peak memory of this process."""
    import cv2
    import pandas as pd

    from ra_icl.datasets.reading import build_index
    from ra_icl.faces.crop import crop_subject
    from ra_icl.faces.options import FaceOptions

    cv2.setNumThreads(1)
    row = build_index("casme2", {"root": root}).iloc[[0]]
    index = pd.concat([row.assign(sequence=f"clip{number}") for number in range(sequences)], ignore_index=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        crop_subject(index, root, Path(folder, "subject.safetensors"), FaceOptions(stabilise=stabilise))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"sequences": sequences, "stabilise": stabilise, "seconds": seconds, "peak_mib": peak}


def main() -> None:
    """Render the clip, measure each case in a separate process, print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/crops.json"))
    parser.add_argument("--case", nargs=3, metavar=("ROOT", "SEQUENCES", "STABILISE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        root, sequences, stabilise = arguments.case
        print(json.dumps(measure(root, int(sequences), stabilise)))
        return
    from ra_icl.files import write_json
    from ra_icl.twins.plan import TwinOptions
    from ra_icl.twins.render import render

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "casme2")
        render("casme2", root, TwinOptions(per_class=1, frames=(FRAMES, FRAMES), scale=1.0))
        cases = [(number, "none") for number in NUMBERS] + [(2, "rigid")]
        found = [_apart(root, *case) for case in cases]
    print(f"{'sequences':>9} {'stabilise':>9} {'per minute':>10} {'peak MiB':>9}")
    for one in found:
        rate = 60 * one["sequences"] / one["seconds"]
        print(f"{one['sequences']:9d} {one['stabilise']:>9} {rate:10.1f} {one['peak_mib']:9.0f}")
    print(f"memory of {NUMBERS[1]} sequences over {NUMBERS[0]}: {found[1]['peak_mib'] / found[0]['peak_mib']:.2f}")
    write_json(arguments.out, found)


def _apart(root: Path, sequences: int, stabilise: str) -> dict:
    command = [sys.executable, __file__, "--case", str(root), str(sequences), stabilise]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
