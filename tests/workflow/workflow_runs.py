"""A clone of the repository for tests, and runs of the workflow in it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SNAKEMAKE = (sys.executable, "-m", "snakemake", "--cores", "2")
CONFIGS = ("config/demo.yaml", "tiny.yaml")
TINY = {
    "protocols": ["cde", "casme3_4"],
    "twins": {"per_class": 1, "casme3_subjects": None, "scale": 0.3, "frames": [10, 12]},
    "faces": {"size": 48},
    "base": {"sampling": {"instances": 2}, "training": {"epochs": 1}},
    "tables": {"table3": ["m1", "m6"]},
    "keep_networks": [],
}
BEFORE_FOLDS = ("twins", "index", "crops", "flow")


def new_clone(root: Path) -> Path:
    """Copy the files of a clone that a run needs, with a config `tiny.yaml` on top of the demo's."""
    for name in ("workflow", "config", "slurm", "ra_icl"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return root


def environment(path: str | Path = "/nowhere") -> dict[str, str]:
    """The environment of a run; path: a folder of programs that come before all others."""
    return os.environ | {"PATH": f"{path}:{Path(sys.executable).parent}:{os.environ['PATH']}"}


def snakemake(clone: Path, *arguments: str, configs=CONFIGS, path: str | Path = "/nowhere"):
    """Run Snakemake in the clone on two cores, unless the arguments say another number."""
    command = [*SNAKEMAKE, *arguments, *(["--configfile", *configs] if configs else [])]
    return subprocess.run(command, cwd=clone, env=environment(path), capture_output=True, text=True, check=False)


def run(clone: Path, *arguments: str, **options) -> None:
    """Run Snakemake, which has to succeed."""
    done = snakemake(clone, *arguments, **options)
    assert done.returncode == 0, done.stderr[-3000:]


def planned(clone: Path, *targets: str, **options) -> dict[str, int]:
    """{rule: jobs} that a dry run would run: the rows of its table of job statistics."""
    shown = snakemake(clone, *targets, "--dry-run", **options)
    assert shown.returncode == 0, shown.stderr[-2000:]
    rows = re.findall(r"^([a-z]\w*) +([0-9]+)$", shown.stdout + shown.stderr, flags=re.MULTILINE)
    return {name: int(number) for name, number in rows if name != "total"}


def config_file(clone: Path, name: str, **values) -> tuple[str, ...]:
    """Write a config of the clone; returns it on top of the demo's and tiny.yaml."""
    (clone / name).write_text(yaml.safe_dump(values))
    return (*CONFIGS, name)


def branch(clone: Path, results: Path, name: str, **values) -> tuple[Path, tuple[str, ...]]:
    """Results of another name with all that comes before the folds, and the configs that use it."""
    folder = clone / "results" / name
    for part in BEFORE_FOLDS:
        shutil.copytree(results / part, folder / part)
    return folder, config_file(clone, f"{name}.yaml", pathvars={"results": f"results/{name}"}, **values)
