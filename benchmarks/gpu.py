"""The parts of benchmarks/gpu.sh; each writes {part}.json into the folder --out as soon as it has a result.

tests: the GPU tests, and recorded steps against a CPU's. step: seconds per step against the plain loop. folds: folds
side by side as processes. flow: TV-L1 of four batches of pairs. profile: where the time of a step goes.
"""

import argparse
import importlib.util
import multiprocessing
import os
import queue
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flow import agreement, gpu_flow
from torch.profiler import ProfilerActivity, profile
from training import CLASSES, M6, TINY, compare, epoch_of, noise_sets, wait

from ra_icl.files import write_json
from ra_icl.model.siamese import Siamese
from ra_icl.training.device import device_name, fix_kernels, on_stream, stream_of
from ra_icl.training.loop import Training
from ra_icl.training.method import MethodOptions
from ra_icl.training.step import WARM_STEPS, Stepper

ROOT = Path(__file__).parents[1]
CDE_FOLDS, CDE_EPOCHS, CDE_SEQUENCES = 68, 100, 442
TOP_KERNELS = 20
PROFILED_STEPS = 8
PYTEST_SECONDS = 80
SHARED_MEMORY, WORKERS = 4 * 2**30, 16  # bytes that so many workers of the loader may need for their batches
GPU_TESTS = ("test_device.py", "test_step_cuda.py", "test_peers_cuda.py", "test_checkpoint.py")  # and all of flow's


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    seconds: per loop of part step, and the limit per K of part folds. fold_share: an epoch of part folds takes one in
    so many sequences, and counts as so many times as long.
    """

    method: MethodOptions = M6
    size: int = 224
    step_sequences: int = 128
    step_seconds: float = 8
    fold_sequences: int = CDE_SEQUENCES - CDE_SEQUENCES // CDE_FOLDS
    fold_share: int = 4
    folds: tuple[int, ...] = (1, 2, 4, 8)
    fold_epochs: int = 10
    fold_seconds: float = 40
    flow_size: int = 224
    flow_pairs: int = 4 * 512
    agreement_pairs: int = 48


SMOKE = Sizes(TINY, 16, 8, 0.1, 8, 2, (1, 2), 2, 40, 48, 2, 2)


def tests(device: str, sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Recorded steps against a CPU's, then the tests of the repository that need a GPU."""
    found = {"recorded_steps": attempt(recorded_steps, device, sizes)}
    yield found
    passed, told = run_gpu_tests()
    yield found | {"pytest": told}
    if not passed or not found["recorded_steps"].get("agree"):
        sys.exit(1)  # the results are written, but what they measure is not right


def run_gpu_tests() -> tuple[bool, Any]:
    """Whether no GPU test failed, and what is to be said of them."""
    if importlib.util.find_spec("pytest") is None:
        return True, "not run: pytest is not installed"
    options = ["-o", "addopts=", "-v", "-rs", "-k", "on_a_gpu or cuda", "--continue-on-collection-errors"]
    command = [sys.executable, "-m", "pytest", *options, *gpu_test_files()]
    try:
        done = subprocess.run(command, capture_output=True, cwd=ROOT, timeout=PYTEST_SECONDS)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as cut:
        status, output = f"cut after {PYTEST_SECONDS} s", cut.stdout or b""
    return status == 0, {"exit_status": status, "output": output.decode(errors="replace").splitlines()[-100:]}


def gpu_test_files() -> list[str]:
    """The files that hold tests for a GPU, below the root."""
    flow = (ROOT / "tests" / "flow").glob("*cuda*.py")
    return [*(f"tests/training/{name}" for name in GPU_TESTS), *(f"tests/flow/{path.name}" for path in flow)]


def recorded_steps(device: str, sizes: Sizes) -> dict[str, Any]:
    """The losses of the same fp32 steps on a CPU and on the device, where the later ones are replayed graphs.

    Of M6. One instance per sequence and no augmentation, because random draws differ between devices.
    """
    off = replace(sizes.method.augmentation, brightness=0, contrast=0, saturation=0, blur=0)
    method = replace(TINY, augmentation=off, training=replace(TINY.training, precision="fp32"))
    losses: dict[str, list[float]] = {"cpu": [], device: []}
    fix_kernels()
    data = noise_sets(10, 16, "cpu", instances=1)
    for name in ("cpu", device):
        torch.manual_seed(0)
        losses[name] = []
        model = Siamese(CLASSES, method.model).to(name).train()
        moved = replace(data, **{part: getattr(data, part).to(name) for part in ("maps", "first", "count", "labels")})
        stepper = Stepper(model, moved, CLASSES, method, torch.Generator(name).manual_seed(0))
        with on_stream(stream_of(name)):
            for step in range(2 * WARM_STEPS):
                stepper(torch.arange(10, device=name).roll(3 * step)[:6])
                losses[name].append(stepper.take_means()["loss"])
    worst = max(abs(one / other - 1) for one, other in zip(*(losses[name] for name in ("cpu", device)), strict=True))
    return {"losses": losses, "largest_relative_difference": worst, "agree": worst < 2e-3}


def step(device: str, sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Seconds per step of M6, the trainer against the plain loop, and TFLOP/s against the matrix peak."""
    sets = noise_sets(sizes.step_sequences, sizes.size, device)
    room = device == "cuda" and os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > SHARED_MEMORY
    workers = min(len(os.sched_getaffinity(0)), WORKERS) if room else 0
    yield from compare(sets, device, workers, sizes.step_seconds, sizes.method)


def folds(device: str, sizes: Sizes) -> Iterator[dict[str, Any]]:
    """K folds side by side, each in its own process, and the minutes that all of CDE would take."""
    found: dict[str, Any] = {}
    for count in sizes.folds:
        found[str(count)] = attempt(side_by_side, count, device, sizes)
        yield found


def side_by_side(count: int, device: str, sizes: Sizes) -> dict[str, Any]:
    """Train `count` folds at once; steady epochs are those after the first, in which the graphs are recorded."""
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    start = time.monotonic()
    running = [context.Process(target=one_fold, args=(n, device, sizes, reports), daemon=True) for n in range(count)]
    for process in running:
        process.start()
    times, errors = collect(reports, count, sizes, start)
    for process in running:
        process.terminate()
        process.join(timeout=5)
    ends = [ends for ends in times.values() if len(ends) > 1]
    if not ends:
        return {"error": errors or f"no epoch ended within {sizes.fold_seconds:.0f} s"}
    steady = [one[min(1, len(one) - 2) :] for one in ends]
    epoch = sizes.fold_share * sum((last[-1] - last[0]) / (len(last) - 1) for last in steady) / len(steady)
    start_up = sum(one[0] for one in ends) / len(ends) - start
    found = {
        "seconds": max(one[-1] for one in ends) - start,
        "epochs": {number: max(0, len(one) - 1) for number, one in times.items()},
        "start_up_seconds": start_up,
        "epoch_seconds": epoch,
        "errors": errors,
    }
    if len(ends) == count:  # those that did train would have had a larger share of the GPU
        found["cde_minutes"] = CDE_FOLDS / count * (start_up + CDE_EPOCHS * epoch) / 60
    return found


def collect(reports: Any, count: int, sizes: Sizes, start: float) -> tuple[dict[int, list[float]], list[str]]:
    """What the processes report until all are done or the time is over: when epochs ended, and what failed."""
    times: dict[int, list[float]] = {number: [] for number in range(count)}
    errors: list[str] = []
    while sum(len(ends) > sizes.fold_epochs for ends in times.values()) + len(errors) < count:
        try:
            number, report = reports.get(timeout=max(0.01, start + sizes.fold_seconds - time.monotonic()))
        except queue.Empty:
            break
        if isinstance(report, str):
            errors.append(f"fold {number}: {report}")
        else:
            times[number].append(report)
    return times, errors


def one_fold(number: int, device: str, sizes: Sizes, reports: Any) -> None:
    """Train a fold; report the time when it is ready, and after every epoch, or the error that stopped it."""
    try:
        torch.set_num_threads(1)
        sets = noise_sets(sizes.fold_sequences, sizes.size, device)
        some = sets.subset(np.arange(len(sets) // sizes.fold_share))  # all maps stay on the device
        training = Training(some, sets, CLASSES, sizes.method, number, device)
        wait(device)
        reports.put((number, time.monotonic()))
        for _ in range(sizes.fold_epochs):
            epoch_of(training)
            reports.put((number, time.monotonic()))
    except Exception as error:  # any error is a result
        reports.put((number, describe(error)))


def flow(device: str, sizes: Sizes) -> Iterator[dict[str, Any]]:
    """TV-L1 with strain, and its agreement with Numba."""
    found = {"agreement": attempt(agreement, device, sizes.agreement_pairs, sizes.flow_size)}
    yield found
    found["speed"] = attempt(gpu_flow, device, sizes.flow_pairs, sizes.flow_size)
    yield found


def profile_step(device: str, sizes: Sizes) -> Iterator[dict[str, Any]]:
    """The kernels of some steps by their time, and the host's share: the part of the time in which none runs."""
    sets = noise_sets(sizes.step_sequences, sizes.size, device)
    training = Training(sets, sets, CLASSES, sizes.method, 0, device)
    epoch_of(training)
    batch, on_gpu = sizes.method.training.batch, device == "cuda"

    def steps() -> float:
        """Seconds of the steps."""
        wait(device)
        start = time.perf_counter()
        with on_stream(training.stream):
            for rows in training.rows[: PROFILED_STEPS * batch].split(batch):
                training.stepper(rows)
        wait(device)
        return time.perf_counter() - start

    steps()
    seconds = steps()  # without the profiler
    found = {"steps": PROFILED_STEPS, "seconds_per_step": seconds / PROFILED_STEPS}
    yield found
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiled:
        steps()
    kernels = {}
    for event in profiled.key_averages():
        if on_gpu == (event.device_type != torch.autograd.DeviceType.CPU):
            kernels[event.key] = (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e6
    busy = sum(kernels.values())
    if not busy:
        yield found | {"error": "the profiler saw no kernel"}
        return
    top = sorted(kernels.items(), key=lambda kernel: -kernel[1])[:TOP_KERNELS]
    yield found | {
        "kernel_seconds_per_step": busy / PROFILED_STEPS,
        "host_share": max(0.0, 1 - busy / seconds),
        "top": [{"name": name, "share": one / busy} for name, one in top],
    }


def attempt(function: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """The result of a call, or {"error": what happened}: one failure does not cost the rest of a part."""
    try:
        return function(*arguments)
    except Exception as error:  # any error is a result
        traceback.print_exc()
        return {"error": describe(error)}


def describe(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]


PARTS = {"tests": tests, "step": step, "folds": folds, "flow": flow, "profile": profile_step}


def main() -> None:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--smoke", action="store_true", help="sizes that take seconds on a CPU")
    asked = parser.parse_args()
    torch.set_num_threads(1)  # as a fold
    start, path = time.monotonic(), asked.out / f"{asked.part}.json"
    machine = {"torch": torch.__version__, "cuda": torch.version.cuda}
    try:
        machine["device"] = device_name(asked.device)
        for found in PARTS[asked.part](asked.device, SMOKE if asked.smoke else Sizes()):
            write_json(path, machine | {"part_seconds": round(time.monotonic() - start, 1)} | found)
            print(asked.part, found, flush=True)
    except Exception as error:  # any error is a result
        write_json(path, machine | {"error": describe(error)})
        raise


if __name__ == "__main__":
    main()
