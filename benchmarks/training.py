"""Sequences a second of the fold trainer against a plain eager fp32 loop, and how folds share a device.

    python benchmarks/training.py                                        # CPU, one thread, 112 px
    python benchmarks/training.py --size 224 --beside 1 2 4 8 16         # on a GPU: also folds beside each other

The whole method (M6) on noise, batch 32, the loops in turns: the ratio is the median of the rounds, as the speed of a
shared machine varies. Operations are counted by PyTorch over one step of the plain loop, whose convolutions are direct
ones, and stand beside the machine's peak, measured as a product of large matrices in the trainer's precision.
--beside K: K folds as processes of their own and K folds of one process, each on a CUDA stream of its own, with the
minutes that 68 folds of 100 epochs would take.
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from plain_loop import PlainLoop
from torch.utils.flop_counter import FlopCounterMode

from ra_icl.files import write_json
from ra_icl.training.device import free_gpu
from ra_icl.training.fold import resolve_device
from ra_icl.training.instances import InstanceSets
from ra_icl.training.loop import Training
from ra_icl.training.method import MethodOptions, OptimiserOptions
from ra_icl.training.step import WARM_STEPS, resolve_precision

CLASSES, INSTANCES = 3, 4
ROUNDS = 5
TARGETS = {"cpu": 1.8, "cuda": 5}
CDE_SEQUENCES = 68 * 100 * (442 - 442 / 68)  # that 68 folds train on in 100 epochs


def noise_sets(sequences: int, size: int, device: str) -> InstanceSets:
    """Instance sets of noise on the device."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(sequences * INSTANCES, 3, size, size, generator=generator).half()
    first = torch.arange(sequences) * INSTANCES
    labels = torch.randint(0, CLASSES, (sequences,), generator=generator)
    table = pd.DataFrame({"label": labels.numpy()})
    counts = torch.full((sequences,), INSTANCES)
    of_flow = np.zeros((len(table), 3, 3)), ("",) * len(table)
    return InstanceSets(maps.to(device), first.to(device), counts.to(device), labels.to(device), table, *of_flow)


def options_of(precision: str = "auto") -> MethodOptions:
    """The paper's method, without an end."""
    return MethodOptions(training=OptimiserOptions(epochs=10**6, precision=precision))


def wait(device: str) -> None:
    """Wait for the device's queue."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def rate_of(epoch: Callable[[], int], seconds: float, device: str) -> float:
    """Sequences a second of repeated calls of `epoch`."""
    wait(device)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        count += epoch()
    wait(device)
    return count / (time.perf_counter() - start)


def warm_up(epoch: Callable[[], int], device: str) -> None:
    """Epochs until all is set up: on CUDA every batch size of an epoch, of which one occurs once, has its graph."""
    for _ in range(WARM_STEPS + 1 if device.startswith("cuda") else 1):
        epoch()


def in_turns(epochs: dict[str, Callable[[], int]], seconds: float, device: str) -> dict[str, list[float]]:
    """`rate_of` each in ROUNDS rounds, `seconds` in all of them."""
    for epoch in epochs.values():
        warm_up(epoch, device)
    rounds = [{name: rate_of(epoch, seconds / ROUNDS, device) for name, epoch in epochs.items()} for _ in range(ROUNDS)]
    return {name: [one[name] for one in rounds] for name in epochs}


def epoch_of(folds: list[Training]) -> int:
    """An epoch of every fold, all queued before the first is waited for; returns how many sequences that were."""
    for fold in folds:
        fold.start_epoch()
    for fold in folds:
        fold.end_epoch()
    return sum(len(fold.stepper.data) for fold in folds)


def trainings(sets: InstanceSets, device: str, count: int, precision: str = "auto") -> list[Training]:
    """Several folds over the same maps."""
    return [Training(sets, sets, CLASSES, options_of(precision), seed, device) for seed in range(count)]


def operations(plain: PlainLoop) -> float:
    """Floating-point operations of one step a sequence: of its convolutions and matrix products."""
    batch = next(plain.batches())
    with FlopCounterMode(display=False) as counter:
        plain.step(*batch)
    return counter.get_total_flops() / len(batch[0])


def matrix_peak(device: str, precision: str) -> float:
    """Floating-point operations a second of a product of large matrices: the best of several."""
    side = 8192 if device.startswith("cuda") else 1024
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    best = float("inf")
    for _ in range(12):
        wait(device)
        start = time.perf_counter()
        a @ b
        wait(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def in_a_process(size: int, sequences: int, device: str, seconds: float, barrier) -> float:
    """The rate of one fold in a process of its own; all start to measure at once."""
    torch.set_num_threads(1)
    epoch = partial(epoch_of, trainings(noise_sets(sequences, size, device), device, 1))
    warm_up(epoch, device)
    barrier.wait()
    return rate_of(epoch, seconds, device)


def processes_beside(count: int, size: int, sequences: int, device: str, seconds: float) -> float:
    """Sequences a second of several processes together."""
    with multiprocessing.get_context("spawn").Manager() as manager:
        barrier = manager.Barrier(count, timeout=600)  # one that has failed is not waited for
        arguments = [(size, sequences, device, seconds, barrier)] * count
        with multiprocessing.get_context("spawn").Pool(count) as pool:
            return sum(pool.starmap(in_a_process, arguments, chunksize=1))


def streams_beside(count: int, size: int, sequences: int, device: str, seconds: float) -> float:
    """Sequences a second of several folds of this process together, each on a stream of its own."""
    epoch = partial(epoch_of, trainings(noise_sets(sequences, size, device), device, count))
    warm_up(epoch, device)
    return rate_of(epoch, seconds, device)


def beside(counts: list[int], size: int, sequences: int, device: str, seconds: float) -> list[dict]:
    """For each number of folds: the rate of processes, of streams in one process, and the minutes CDE would take."""
    found = []
    for count in counts:
        free_gpu(device)  # of the folds before: the processes need it
        processes = processes_beside(count, size, sequences, device, seconds)
        streams = streams_beside(count, size, sequences, device, seconds)
        minutes = [CDE_SEQUENCES / rate / 60 for rate in (processes, streams)]
        found.append({"folds": count, "processes": processes, "streams": streams, "cde_minutes": minutes})
        print(
            f"{count:3d} folds: as processes {processes:7.1f} sequences/s (CDE {minutes[0]:.1f} min), "
            f"as streams of one process {streams:7.1f} ({minutes[1]:.1f} min)"
        )
    return found


def compare(size: int, sequences: int, device: str, workers: int, seconds: float) -> dict:
    """Rates of the two loops, and what they are of the machine's peak."""
    precision = resolve_precision("auto", device)
    host, sets = noise_sets(sequences, size, "cpu"), noise_sets(sequences, size, device)
    plain = PlainLoop(host, CLASSES, options_of("fp32"), device, workers)
    epochs = {"plain": plain.epoch}
    if device.startswith("cuda"):  # what is left of the difference where the loader costs nothing
        epochs["plain, batches ready"] = partial(plain.epoch, list(plain.batches()))
    for kind in dict.fromkeys(("fp32", precision)):
        epochs[kind] = partial(epoch_of, trainings(sets, device, 1, kind))
    rounds = in_turns(epochs, seconds, device)
    ratios = {name: np.divide(rates, rounds["plain"]).tolist() for name, rates in rounds.items()}
    found = {name: float(np.median(rates)) for name, rates in rounds.items()}
    counted, peak = operations(plain), matrix_peak(device, precision)
    return {
        "size": size,
        "device": torch.cuda.get_device_name()
        if device.startswith("cuda")
        else f"CPU, {torch.get_num_threads()} thread",
        "precision": precision,
        "sequences_a_second": found,
        "ratios": ratios,
        "ratio": float(np.median(ratios[precision])),
        "gflop_a_sequence": counted / 1e9,
        "tflop_a_second": found[precision] * counted / 1e12,
        "peak_tflop_a_second": peak / 1e12,
    }


def show(found: dict) -> None:
    """Print the table."""
    print(f"{found['device']}, {found['size']} px, batch 32")
    for name, rate in found["sequences_a_second"].items():
        ratios = found["ratios"][name]
        title, spread = "plain eager fp32" if name == "plain" else name, f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"  {title:>20} {rate:8.2f} sequences/s {np.median(ratios):6.2f} times ({spread})")
    achieved, peak = found["tflop_a_second"], found["peak_tflop_a_second"]
    print(
        f"{found['gflop_a_sequence']:.1f} GFLOP a sequence; {found['precision']}: {achieved:.3f} TFLOP/s of "
        f"{peak:.3f} at the matrix peak ({100 * achieved / peak:.0f} %)"
    )
    target = TARGETS["cpu" if found["device"].startswith("CPU") else "cuda"]
    wanted = target * found["sequences_a_second"]["plain"] * found["gflop_a_sequence"] / 1000 / peak
    print(f"{target} times the plain loop would be {100 * wanted:.0f} % of the peak")


def main() -> None:
    """Measure, print a table, keep it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--sequences", type=int, default=0, help="of the noise; default 64 on a CPU, 435 on a GPU")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument(
        "--workers", type=int, help="processes of the plain loop's loader; default: a core each on a GPU"
    )
    parser.add_argument("--seconds", type=float, default=20, help="at least so long for each figure")
    parser.add_argument("--beside", type=int, nargs="*", default=[], help="numbers of folds to train beside each other")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/training.json"))
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")  # queues of the GPU, so that streams have one each
    device = resolve_device(asked.device)
    on_gpu = device.startswith("cuda")
    workers = asked.workers if asked.workers is not None else on_gpu * os.cpu_count()
    sequences = asked.sequences or (435 if on_gpu else 64)
    found = compare(asked.size, sequences, device, workers, asked.seconds)
    show(found)
    found["beside"] = beside(asked.beside, asked.size, sequences, device, asked.seconds)
    write_json(asked.out, found)


if __name__ == "__main__":
    main()
