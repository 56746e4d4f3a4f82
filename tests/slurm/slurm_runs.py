"""A clone whose folds are ready to train, and runs of them through Slurm."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from slurm_cluster import wait_until

ROOT = Path(__file__).parents[2]
TINY = {
    "protocols": ["casme3_3"],
    "twins": {"subjects": 3, "per_class": 1, "scale": 0.3, "frames": [10, 12]},
    "faces": {"size": 48},
    "base": {"training": {"epochs": 5}},
}
FOLDS = tuple(f"casme3-spNO.{number}" for number in range(1, 4))
SNAKEMAKE = (sys.executable, "-m", "snakemake")
CONFIGS = ("--configfile", "config/demo.yaml", "tiny.yaml")


@dataclass(frozen=True)
class Clone:
    """The files of a clone that a run needs, with a config of its own and the flow of its folds."""

    root: Path

    def fill_in(self, *lines: str, sacct: bool = False) -> None:
        """Write the profile anew, with some of its comments turned into keys: "# key: value" or "# key: old -> new".

        A key that several rules have is filled in for all of them.
        """
        text = (ROOT / "slurm/config.v8+.yaml").read_text()
        for line in lines:
            old, _, new = line.partition(" -> ")
            assert f"# {old}" in text, f"the profile has no comment {old!r}"
            text = text.replace(f"# {old}", f"{old.split(':')[0]}: {new}" if new else old)
        if sacct:
            text = text.replace("slurm-status-command: squeue", "slurm-status-command: sacct")
        (self.root / "slurm/config.v8+.yaml").write_text(text)

    def folds(self, seed: int, *folds: str) -> list[str]:
        """The file of each fold. Each test has a seed, and with it folds, of its own."""
        return [f"results/demo/folds/casme3_3/m1/seed{seed}/{fold}.csv" for fold in folds]

    def log(self, seed: int, fold: str) -> str:
        """What a fold has logged so far."""
        path = self.root / f"results/demo/logs/folds/casme3_3/m1/seed{seed}/{fold}.log"
        return path.read_text() if path.exists() else ""

    @contextmanager
    def run(self, *targets: str, config: str = "{}") -> Iterator["Run"]:
        """`snakemake --profile slurm` for the targets; should the test fail, interrupted, which cancels its jobs."""
        (self.root / "more.yaml").write_text(config)
        quick = ("--slurm-init-seconds-before-status-checks", "8")  # then 18, 28, .. until a job has ended
        dies_too = ("setpriv", "--pdeathsig", "INT")  # should this process be killed
        command = [*dies_too, *SNAKEMAKE, "--profile", "slurm", *quick, *targets, *CONFIGS, "more.yaml"]
        with open(self.root / "run.log", "w") as log:
            process = subprocess.Popen(command, cwd=self.root, env=_environment(), stdout=log, stderr=log)
        try:
            yield Run(process, self.root / "run.log")
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(timeout=60)


@dataclass(frozen=True)
class Run:
    """A run of the workflow and what it prints."""

    process: subprocess.Popen
    log: Path

    def wait_until(self, true: Callable[[], object], what: str) -> None:
        """Go on once `true()` is, while the run lasts."""
        wait_until(lambda: true() or self.process.poll() is not None, what, seconds=150)
        assert self.process.poll() is None, f"the run ended before this: {what}\n{self.log.read_text()[-3000:]}"

    def finish(self) -> None:
        """Wait for the end, which has to be a success."""
        assert self.process.wait(timeout=240) == 0, self.log.read_text()[-3000:]


def prepared_clone(root: Path) -> Clone:
    """Copy what a run needs to `root` and make the flow of the folds there, without Slurm."""
    for name in ("workflow", "config", "slurm", "ra_icl"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    command = [*SNAKEMAKE, "--cores", "2", "results/demo/flow/apex/casme3_3.sha256", *CONFIGS]
    done = subprocess.run(command, cwd=root, env=_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return Clone(root)


def _environment() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
