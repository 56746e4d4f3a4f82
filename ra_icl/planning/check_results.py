"""Damaged results: tensors whose checksum does not match."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from ra_icl.errors import FaultKind, Faults, InputError
from ra_icl.files import open_tensors

STAGES = ("twins", "crops", "depth", "flow", "folds", "models")  # the folders of results that hold tensors

_COMMAND = "snakemake --cores all --forcerun results/flow/middle-16/samm/006.safetensors"
_EXAMPLE = {"where": "results/flow/middle-16/samm/006.safetensors", "command": _COMMAND}
DAMAGED = FaultKind(
    "tensor-damaged",
    "{name} is damaged: its checksum does not match",
    "make it again: {command}",
    _EXAMPLE | {"name": "006_1_2"},
)
NOTHING = FaultKind(
    "results-none",
    "holds no file of tensors, so that nothing was verified",
    "run first, or correct pathvars.results",
    {"where": "results"},
    "note",
)
UNREADABLE = FaultKind(
    "tensors-unreadable", "cannot be read as a file of tensors", "make it again: {command}", _EXAMPLE
)


def damaged_results(results: Path, rerun: str) -> Faults:
    """Verify the checksum of every tensor below a results folder: a fault for each that is damaged, a note if none.

    Covers the truth of twins, crops, depth, flow, the networks of folds and models to use, but not checkpoints, which
    are verified when they are resumed. rerun: the command that makes a file again, up to the file's name.
    """
    paths = [path for stage in STAGES for path in sorted((results / stage).rglob("[!.]*.safetensors"))]
    faults = Faults() if paths else Faults([NOTHING.at(results)])
    for path in tqdm(paths, f"verifying {results}", unit="file", disable=None):
        command = f"{rerun} {shlex.quote(str(_made_by_a_rule(path, results)))}"
        try:
            faults += [DAMAGED.at(path, name=name, command=command) for name in _damaged(path)]
        except InputError:
            faults.append(UNREADABLE.at(path, command=command))
    return faults


def _made_by_a_rule(path: Path, results: Path) -> Path:
    """The output whose rule makes `path`: a twin's folder for its truth, a fold's CSV for its network."""
    stage, *below = path.relative_to(results).parts
    if stage == "twins":
        return results / stage / below[0]
    return path.with_suffix(".csv") if stage == "folds" else path


def _damaged(path: Path) -> Iterator[str]:
    with open_tensors(path) as file:
        yield from (name for name in file.names if not file.is_intact(name))
