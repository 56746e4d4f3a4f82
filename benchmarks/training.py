"""Seconds per training step: the fold trainer against a plain eager fp32 loop.

    python benchmarks/training.py                # CPU, one thread, 112 px
    python benchmarks/training.py --size 224     # on a GPU

The whole method (M6) on noise, batch 32, 16 instances per sequence. The loops take turns, and the ratio is the median
over the rounds, because the speed of a shared machine varies. PyTorch counts the operations of one step of the plain
loop; the rate is given beside the machine's peak, measured on a product of large matrices in the trainer's precision.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ra_icl.files import write_json
from ra_icl.model.options import BackboneOptions, ModelOptions, RegionOptions
from ra_icl.training.device import device_name, on_stream, resolve_device, resolve_precision
from ra_icl.training.instances import InstanceSets
from ra_icl.training.loop import Training
from ra_icl.training.method import MethodOptions, OptimiserOptions

CLASSES, INSTANCES = 3, 16
ROUNDS = 5
M6 = MethodOptions(training=OptimiserOptions(epochs=10**6))
TINY = MethodOptions(  # for a test of the benchmark
    model=ModelOptions(BackboneOptions("small", 8, (1, 1)), RegionOptions(queries=3, width=16, heads=2, embedding=8)),
    training=OptimiserOptions(epochs=10**6, batch=4),
)


def noise_sets(sequences: int, size: int, device: str, instances: int = INSTANCES) -> InstanceSets:
    """Instance sets of noise on the device."""
    generator = torch.Generator(device).manual_seed(0)
    maps = torch.empty(sequences * instances, 3, size, size, dtype=torch.float16, device=device)
    for part in maps.split(256):
        part.copy_(torch.rand(part.shape, generator=generator, device=device))
    labels = torch.arange(sequences) % CLASSES
    first, counts = torch.arange(sequences) * instances, torch.full((sequences,), instances)
    tensors = (maps, *(tensor.to(device) for tensor in (first, counts, labels)))
    return InstanceSets(*tensors, pd.DataFrame({"label": labels.numpy()}), np.zeros((sequences, 3, 3)))


def on_host(sets: InstanceSets) -> InstanceSets:
    """The same sets in the host's memory, where a data loader needs them."""
    tensors = (tensor.cpu() for tensor in (sets.maps, sets.first, sets.count, sets.labels))
    return InstanceSets(*tensors, sets.table, sets.statistics)


def wait(device: str) -> None:
    """Wait for the device's queue."""
    if device == "cuda":
        torch.cuda.synchronize()


def epoch_of(training: Training) -> int:
    """Take the steps of an epoch, without the diagnosis of a batch that follows them; returns the number of pairs."""
    with on_stream(training.stream):
        order = torch.randperm(len(training.rows), device=training.rows.device)
        for rows in training.rows[order].tensor_split(training.steps_per_epoch):
            training.stepper(rows)
        training.stepper.take_means()  # waits for the device
    return len(training.rows)


def rate_of(epoch: Callable[[], int], seconds: float, device: str) -> float:
    """Pairs per second of repeated calls of `epoch`."""
    wait(device)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        count += epoch()
    wait(device)
    return count / (time.perf_counter() - start)


def in_turns(epochs: dict[str, Callable[[], int]], seconds: float, device: str) -> Iterator[dict[str, list[float]]]:
    """`rate_of` each in ROUNDS rounds that take `seconds` or an epoch together; yields all so far after every round."""
    for epoch in epochs.values():  # after which everything is set up, and on CUDA every step recorded
        epoch()
    rates: dict[str, list[float]] = {name: [] for name in epochs}
    for _ in range(ROUNDS):
        for name, epoch in epochs.items():
            rates[name].append(rate_of(epoch, seconds / ROUNDS, device))
        yield rates


def operations(plain: Any) -> float:
    """Floating-point operations of one step per pair, in convolutions and matrix products."""
    from torch.utils.flop_counter import FlopCounterMode

    batch = next(plain.batches())
    with FlopCounterMode(display=False) as counter:
        plain.step(*batch)
    return counter.get_total_flops() / len(batch[0])


def matrix_peak(device: str, precision: str) -> float:
    """Floating-point operations per second of a product of large matrices: the best of several."""
    side = 8192 if device == "cuda" else 1024
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


def trainer(sets: InstanceSets, device: str, method: MethodOptions, precision: str) -> Callable[[], int]:
    """A function that trains one epoch of a fold."""
    method = replace(method, training=replace(method.training, precision=precision))
    return partial(epoch_of, Training(sets, sets, CLASSES, method, 0, device))


def compare(
    sets: InstanceSets, device: str, workers: int, seconds: float, method: MethodOptions = M6
) -> Iterator[dict[str, Any]]:
    """Rates of the two loops and their ratio, seconds per step, and the share of the machine's peak, round by round."""
    from plain_loop import PlainLoop

    precision, batch = resolve_precision("auto", device), method.training.batch
    plain = PlainLoop(on_host(sets), CLASSES, method, device, workers)
    epochs = {"plain": plain.epoch, "trainer": trainer(sets, device, method, precision)}
    if precision != "fp32":
        epochs["trainer, fp32"] = trainer(sets, device, method, "fp32")
    if device == "cuda":  # what is left of the difference if the loader costs nothing
        epochs["plain, batches ready"] = partial(plain.epoch, list(islice(plain.batches(), 4)))
    counted, peak = operations(plain), matrix_peak(device, precision)
    for rounds in in_turns(epochs, seconds, device):
        ratios = np.divide(rounds["trainer"], rounds["plain"]).tolist()
        rates = {name: float(np.median(values)) for name, values in rounds.items()}
        yield {
            "size": sets.maps.shape[-1],
            "batch": batch,
            "precision": precision,
            "device": device_name(device),
            "threads": torch.get_num_threads(),
            "workers": workers,
            "pairs_per_second": rates,
            "seconds_per_step": {name: batch / rate for name, rate in rates.items()},
            "ratio": float(np.median(ratios)),
            "ratios": ratios,
            "gflop_per_pair": counted / 1e9,
            "tflops": rates["trainer"] * counted / 1e12,
            "peak_tflops": peak / 1e12,
        }


def show(found: dict[str, Any]) -> None:
    """Print the result."""
    print(f"{found['device']}, {found['threads']} thread(s), {found['size']} px, batch {found['batch']}")
    for name, seconds in found["seconds_per_step"].items():
        print(f"  {name:>20} {1000 * seconds:9.1f} ms per step")
    low, high = min(found["ratios"]), max(found["ratios"])
    print(f"the trainer is {found['ratio']:.2f} times as fast as the plain loop ({low:.2f} to {high:.2f})")
    share = 100 * found["tflops"] / found["peak_tflops"]
    rates = f"{found['tflops']:.3f} of {found['peak_tflops']:.3f} TFLOP/s in {found['precision']}"
    print(f"{found['gflop_per_pair']:.1f} GFLOP per pair: {rates}, {share:.0f} % of the matrix peak")


def main() -> None:
    """Measure, print the result, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--sequences", type=int, help="default: 8, on a GPU 128")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument(
        "--workers", type=int, help="processes of the plain loop's loader (default: all cores on a GPU)"
    )
    parser.add_argument("--seconds", type=float, default=20, help="for each loop")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/training.json"))
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    device = resolve_device(asked.device)
    workers = asked.workers if asked.workers is not None else (device == "cuda") * os.cpu_count()
    sets = noise_sets(asked.sequences or (128 if device == "cuda" else 8), asked.size, device)
    for found in compare(sets, device, workers, asked.seconds):
        write_json(asked.out, found)
    show(found)


if __name__ == "__main__":
    main()
