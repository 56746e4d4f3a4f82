"""What a run costs beside flow and training: making the plan, and the start of a fold.

    python benchmarks/overhead.py [--size 224] [--runs 5] [--out results/benchmarks/overhead.json]

The plan is that of the full census of synthetic twins: `snakemake -n` of Table 3 (68 folds of ten methods), and of
everything (CAS(ME)³ too). A fold is the real command on noise of the real size, 16 instances per sequence, with one
epoch of a tiny network; what is reported is the time of its process less that of its training, which is how long it
takes to reach its first step and, within a few hundredths of a second, to write its result. Medians of several runs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from ra_icl.files import save_tensors, write_csv, write_json
from ra_icl.flow.checksums import write_flow_set
from ra_icl.planning.config import load_config
from ra_icl.planning.plan import Plan, make_plan

ROOT = Path(__file__).parents[1]
CENSUS = ROOT / "tests/workflow/full_census.yaml"
TINY = {
    "model": {"backbone": {"width": 8, "blocks": [1, 1]}},
    "loss": {"attention": 0, "regions": 0},
    "augmentation": {"brightness": 0, "contrast": 0, "saturation": 0, "blur": 0},
    "training": {"epochs": 1},
}


def median_seconds(command: list[str], runs: int) -> float:
    """Seconds that a command takes, of several runs the median."""
    return statistics.median(_seconds(command) for _ in range(runs))


def _seconds(command: list[str]) -> float:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def planning(folder: Path, runs: int) -> dict[str, float]:
    """Seconds of `snakemake -n`: of Table 3, and of everything."""
    found = {}
    for name, protocols in {"table3": ["cde"], "everything": ["cde", "casme3_3", "casme3_4", "casme3_7"]}.items():
        config = folder / f"{name}.yaml"
        config.write_text(yaml.safe_dump({"protocols": protocols, "pathvars": {"results": str(folder / name)}}))
        command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "all", "--cores", "16"]
        target = ["table3"] if name == "table3" else []
        found[name] = median_seconds([*command, *target, "--configfile", str(CENSUS), str(config)], runs)
    return found


def write_noise(folder: Path, plan: Plan, size: int) -> None:
    """Index, flow (16 instances of noise per sequence) and flow set of every CDE sequence."""
    noise = np.random.default_rng(0).normal(size=(16, 3, size, size)).astype(np.float16)
    files = []
    for dataset, rows in plan.index.groupby("dataset"):
        write_csv(folder / f"{dataset}.csv", rows)
        for subject, sequences in rows.groupby("subject"):
            files.append(folder / "flow" / dataset / f"{subject}.safetensors")
            save_tensors(files[-1], dict.fromkeys(sequences["sequence"], noise), {})
    write_flow_set(files, folder / "flow" / "cde.sha256")


def fold(folder: Path, plan: Plan, size: int, runs: int) -> float:
    """Seconds of a fold's process beside those of its training."""
    write_noise(folder, plan, size)
    name = plan.folds("cde")[0]
    command = [sys.executable, "-c", "from ra_icl.cli import main; main()", "fold", f"--options={json.dumps(TINY)}"]
    command += [f"--index={folder / dataset}.csv" for dataset in plan.datasets("cde")]
    command += [f"--flow={folder / 'flow'}", "--data-source=twins", "--protocol=cde"]
    found = []
    for number in range(runs):
        out = folder / f"run{number}" / f"{name}.csv"  # a result that is there would not be trained again
        wall = _seconds([*command, f"--out={out}", f"--checkpoints={out.parent / 'checkpoints'}"])
        found.append(wall - json.loads(out.with_suffix(".json").read_text())["seconds"])
    return statistics.median(found)


def main() -> None:
    """Measure, print, keep it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/overhead.json"))
    asked = parser.parse_args()
    plan = make_plan(load_config([ROOT / "config/config.yaml", CENSUS]))
    with tempfile.TemporaryDirectory() as temporary:
        found = {"planning": planning(Path(temporary), asked.runs)}
        found["fold"] = fold(Path(temporary), plan, asked.size, asked.runs)
    for name, seconds in found["planning"].items():
        print(f"snakemake -n, {name}: {seconds:.1f} s")
    print(f"a fold beside its training, {asked.size} px: {found['fold']:.1f} s")
    write_json(asked.out, found)


if __name__ == "__main__":
    main()
