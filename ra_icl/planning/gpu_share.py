"""How many folds train beside each other on one GPU, from its memory and from what a fold needs of it."""

import subprocess
from collections.abc import Mapping
from typing import Any

from ra_icl.planning.packs import pairs_of
from ra_icl.planning.plan import Plan, sampling_of

MIB = 2**20
# Beside the maps and the activations: CUDA's context and libraries, weights, moments, workspaces.
FIXED_MIB = 1536
# Activations that a step keeps for its backward pass, for a pixel of an input image: counted at 224 px in bf16 with
# the default network. Twice that is needed while steps of one batch size are a graph, with memory of its own, and those
# of the other are not yet; the rest is the allocator's slack.
BYTES_A_PIXEL = 320
SLACK = 2.2
# Start-up, loading and the pauses between epochs of some folds are filled by the others; more than these only wait.
MOST_FOLDS = 8


def gpu_mib() -> int:
    """Memory of this machine's smallest GPU in MiB; 0 where nvidia-smi finds none."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        return min((int(line) for line in shown.split()), default=0)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def folds_beside(plan: Plan, memory_mib: int, cores: int) -> int:
    """How many folds share a GPU of `memory_mib`: as many as fit, at most `cores` and MOST_FOLDS, at least 1."""
    needed = max(fold_mib(plan, protocol, method) for protocol in plan.selected for method in plan.methods)
    return max(1, min(cores, MOST_FOLDS, int(0.95 * memory_mib / needed)))


def fold_mib(plan: Plan, protocol: str, method: str) -> float:
    """GPU memory that a fold needs, in MiB: maps of all sequences, activations of a step, the rest."""
    options, pixels = plan.methods[method], plan.config["faces"]["size"] ** 2
    maps = 2 * 3 * pixels * _instances(plan, protocol, options["sampling"])
    return FIXED_MIB + (maps + SLACK * 2 * options["training"]["batch"] * pixels * _bytes_a_pixel(options)) / MIB


def _instances(plan: Plan, protocol: str, options: Mapping[str, Any]) -> int:
    """How many instances all sequences of a protocol have together."""
    rows = plan.selected[protocol]
    if options["mode"] == "published":
        return 2 * len(rows)
    return int(pairs_of(rows, sampling_of(options)).sum())


def _bytes_a_pixel(options: Mapping[str, Any]) -> float:
    backbone = options["model"]["backbone"]
    reduced = 1 if backbone["stem"] == "standard" else 16  # a small stem keeps every pixel, the standard one in 16
    halves = 2 if options["training"]["precision"] == "fp32" else 1
    return BYTES_A_PIXEL * reduced * halves * backbone["width"] / 64
