"""What a full run costs beside training and flow: planning, Snakemake's jobs, a fold's start, loading and writing.

    python benchmarks/overhead.py [--beside 8] [--size 224] [--out results/benchmarks/overhead.json]

The plan is the paper's Table 3 on the full census of synthetic twins: 68 folds of ten methods. Planning is `snakemake
-n` of it and of everything (CAS(ME)³ too). Snakemake's part is a whole run in which every step only makes its files:
`ra-icl` is a shell script there. A fold's part is the real command for a pack of folds, on noise of the real size with
one epoch of a tiny network, less the seconds of their training, and the writing of the real network's state and
weights. Packs that run side by side share their part; the scheduling of jobs is counted in full. Medians of several
runs. The sum stands beside 5 % of TARGET_SECONDS.
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
import torch
import yaml
from safetensors.torch import save_file

from ra_icl.files import save_tensors, write_csv, write_json
from ra_icl.model.options import ModelOptions
from ra_icl.model.siamese import Siamese
from ra_icl.planning.config import load_config
from ra_icl.planning.gpu_share import MOST_FOLDS
from ra_icl.planning.plan import Plan, make_plan
from ra_icl.training.checkpoint import Checkpoint, State, StopRequest
from ra_icl.training.step import adam

ROOT = Path(__file__).parents[1]
TARGET_SECONDS = 8 * 60 / 68  # of a fold: CDE at 224 px in 8 minutes on one H200-class GPU
SCRIPT = """#!/bin/sh
# Stands in for ra-icl: makes what the step is asked to write.
step=$1; subjects=; out=; folds=
while [ $# -gt 0 ]; do
  case "$1" in
    --out) out=$2; shift;;
    --subject=*) subjects="$subjects ${1#--subject=}";;
    /*/folds/*.csv) folds="$folds ${1%.csv}";;
  esac; shift
done
[ "$out" ] && mkdir -p "$(dirname "$out")"
case $step in
  twins) mkdir -p "$out";;
  flow) mkdir -p "$out"; for subject in $subjects; do : > "$out/$subject.safetensors"; done;;
  fold) for fold in $folds; do for suffix in csv json safetensors; do : > "$fold.$suffix"; done; done;;
  table|counts) for suffix in csv md tex; do : > "$out.$suffix"; done;;
  confusion) for suffix in pdf png; do : > "$out.$suffix"; done;;
  *) : > "$out";;
esac
"""


def config_of(folder: Path, **changes) -> Path:
    """A config of the full census with results below `folder`."""
    config = yaml.safe_load((ROOT / "tests/workflow/full_census.yaml").read_text()) | changes
    folder.mkdir(exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config | {"pathvars": {"results": str(folder / "results")}}))
    return path


def snakemake(config: Path, *arguments: str, path: str = "") -> float:
    """Seconds that Snakemake takes; `path` comes first in PATH."""
    environment = os.environ | {"PATH": f"{path}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "snakemake", "--quiet", "all", *arguments, "--configfile", str(config)]
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def planning(folder: Path, runs: int = 5) -> dict[str, float]:
    """Seconds of `snakemake -n`, of several runs the median: of Table 3, and of everything."""
    protocols = ["cde", "casme3_3", "casme3_4", "casme3_7"]
    plans = {
        "table3": (config_of(folder / "table3"), "table3"),
        "everything": (config_of(folder / "all", protocols=protocols),),
    }
    return {
        name: statistics.median(snakemake(config, "--cores", "16", "-n", *target) for _ in range(runs))
        for name, (config, *target) in plans.items()
    }


def scheduling(folder: Path, folds: int, cores: int) -> float:
    """Snakemake's own seconds for a fold: a run of Table 3 whose steps are the script, over its folds."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "ra-icl"
    program.write_text(SCRIPT)
    program.chmod(0o755)
    return snakemake(config_of(folder), "--cores", str(cores), "table3", path=str(folder / "bin")) / folds


def write_noise(folder: Path, plan: Plan, size: int) -> None:
    """Index and flow of every CDE sequence, 16 instances of noise each."""
    noise = np.random.default_rng(0).normal(size=(16, 3, size, size)).astype(np.float16)
    for dataset, rows in plan.index.groupby("dataset"):
        write_csv(folder / f"{dataset}.csv", rows)
        for subject, sequences in rows.groupby("subject"):
            tensors = dict.fromkeys(sequences["sequence"], noise)
            save_tensors(folder / "flow" / dataset / f"{subject}.safetensors", tensors, {})


def command_of_a_pack(folder: Path, plan: Plan, names: list[str]) -> list[str]:
    """The workflow's command for a pack of folds, with one epoch of a tiny network."""
    tiny = {"backbone": {"width": 8, "blocks": [1, 1]}}
    options = {"model": tiny, "training": {"epochs": 1}, "loss": {"attention": 0, "regions": 0}}
    options["augmentation"] = {"brightness": 0, "contrast": 0, "saturation": 0, "blur": 0}
    digest = folder / "cde.sha256"  # that of an index stands for the flow's, which the workflow has made before
    digest.write_bytes((folder / "casme2.csv").read_bytes())
    command = [sys.executable, "-c", "from ra_icl.cli import main; main()", "fold"]
    command += [str(folder / "folds" / f"{name}.csv") for name in names]
    command += [f"--index={folder / dataset}.csv" for dataset in plan.datasets("cde")]
    command += [f"--flow={folder / 'flow'}", f"--flow-digest={digest}", f"--options={json.dumps(options)}"]
    return [*command, f"--checkpoints={folder / 'checkpoints'}"]


def a_pack(folder: Path, plan: Plan, size: int, runs: int = 5) -> dict[str, float]:
    """Seconds of the process of a pack of folds: wall time, of which training, and what is left for a fold."""
    write_noise(folder, plan, size)
    names, found = plan.fold_packs("cde")[0], []
    command = command_of_a_pack(folder, plan, names)
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        wall = time.perf_counter() - start
        training = sum(json.loads((folder / "folds" / f"{name}.json").read_text())["seconds"] for name in names)
        found.append({"wall": wall, "training": training, "beside_training": (wall - training) / len(names)})
    found.sort(key=lambda one: one["beside_training"])
    return {"folds": len(names)} | found[runs // 2]


def writing(folder: Path, runs: int = 5) -> float:
    """Seconds to write the state and the weights of a fold that has ended, with the default network."""
    model = Siamese(3, ModelOptions())
    state = State(model, adam(model, 1e-3, 0, torch.device("cpu")), torch.Generator())
    checkpoint, seconds = Checkpoint(folder / "kept.safetensors", {}, StopRequest()), []
    for _ in range(runs):
        start = time.perf_counter()
        checkpoint.save(*state(finished=True))
        save_file(model.online.state_dict(), folder / "network.safetensors")
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main() -> None:
    """Measure, print a table, keep it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=int, default=MOST_FOLDS, help="packs of folds side by side on one GPU")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/overhead.json"))
    asked = parser.parse_args()
    plan = make_plan(load_config([ROOT / "config/config.yaml", ROOT / "tests/workflow/full_census.yaml"]))
    folds = len(plan.folds("cde")) * len(plan.config["tables"]["table3"])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found = {"planning": planning(folder), "pack": a_pack(folder, plan, asked.size)}
        found |= {"scheduling": scheduling(folder, folds, asked.beside), "writing": writing(folder)}
    found["a_fold"] = found["scheduling"] + (found["pack"]["beside_training"] + found["writing"]) / asked.beside
    found["share"] = found["a_fold"] / TARGET_SECONDS
    for name, seconds in found["planning"].items():
        print(f"snakemake -n, {name}: {seconds:.1f} s")
    print(f"Snakemake's part of a fold: {1000 * found['scheduling']:.0f} ms ({folds} folds, {asked.beside} cores)")
    parts = found["pack"]
    print(f"beside training: {parts['beside_training']:.1f} s a fold ({parts['folds']} in {parts['wall']:.1f} s)")
    print(f"writing the default network: {found['writing']:.1f} s a fold")
    print(
        f"{asked.beside} packs side by side: {found['a_fold']:.2f} s a fold, {100 * found['share']:.1f} % of "
        f"{TARGET_SECONDS:.1f} s"
    )
    write_json(asked.out, found)


if __name__ == "__main__":
    main()
