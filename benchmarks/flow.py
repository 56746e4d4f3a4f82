"""TV-L1 by Numba against OpenCV on a CPU, beside what the machine can do at most; or by torch on a GPU.

    python benchmarks/flow.py [--size 224] [--pairs 9] [--out results/benchmarks/flow.json]
    python benchmarks/flow.py --device cuda        # all 7,072 CDE pairs with strain at 224 px, on one GPU

On a CPU: seconds a pair, their ratio, where the time goes, two processes side by side, and the share of a core's
multiply-adds and of its copy bandwidth that the inner loop reaches. On a GPU: seconds, pairs a second, iterations,
bytes moved, and the share of the copy bandwidth. Pairs are a photograph's face under known motion of 0.3 to 2.5 px with
noise of 0 to 2 grey levels; the 7,072 are 442 different ones 16 times over.
OPERATIONS and BYTES are counted from the inner loop's source, for a pixel and an iteration.
"""

import argparse
import multiprocessing
import os
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2
import machine_limits
import numpy as np
from skimage import data

from ra_icl.files import write_json
from ra_icl.flow import numba_kernels, tvl1_numba, tvl1_opencv
from ra_icl.flow.options import FlowOptions

SEQUENCES, INSTANCES = 442, 16  # of the CDE protocol
CDE_PAIRS = SEQUENCES * INSTANCES
OPERATIONS = 55  # float32 operations: threshold 7, primal 2 x 9, dual 2 x 15 of which a root and a division each
BYTES = 64  # ten planes read, six written, were none of them in a cache


def pairs_of(size: int, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Onset and frame, (size, size) uint8 each."""
    grey = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2GRAY)[60:190, 160:290]
    frame = cv2.resize(grey, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    x, y = np.indices(frame.shape, np.float32)[::-1]
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        centre, direction = rng.uniform(0.2 * size, 0.8 * size, 2), rng.normal(size=2)
        bump = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * (0.1 * size) ** 2))
        moved = bump * (direction * (0.3, 1.0, 2.5)[number % 3] / np.linalg.norm(direction))[:, None, None]
        onset = cv2.remap(frame, (x + moved[0]).astype("f4"), (y + moved[1]).astype("f4"), cv2.INTER_CUBIC)
        noisy = [image + (number // 3 % 3) * rng.normal(size=image.shape) for image in (onset, frame)]
        found.append(tuple(np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in noisy))
    return found


def alternately(pairs, repeats: int = 5) -> tuple[float, float]:
    """Seconds a pair of OpenCV and of Numba, in turns: a machine whose speed varies slows both down."""
    seconds = np.zeros(2)
    for first in range(0, len(pairs), 3):
        part = pairs[first : first + 3]
        seconds += run(tvl1_opencv, part), run(tvl1_numba, part * repeats) / repeats
    return tuple((seconds / len(pairs)).tolist())


def run(backend, pairs) -> float:
    """Seconds that all pairs take."""
    options = asdict(FlowOptions().parameters)
    start = time.perf_counter()
    for onset, frame in pairs:
        backend.tvl1(onset, frame[None], **options)
    return time.perf_counter() - start


def parts_of(pairs) -> dict[str, float]:
    """Milliseconds a pair in each part of the compiled flow."""
    spent: dict[str, float] = {}

    def timed(function, name, *arguments):
        start = time.perf_counter()
        result = function(*arguments)
        spent[name] = spent.get(name, 0) + 1000 * (time.perf_counter() - start) / len(pairs)
        return result

    names = ("inner_loop", "warp", "resize", "with_slopes", "median")
    kept = {name: getattr(tvl1_numba, name) for name in names}
    try:
        for name, function in kept.items():
            setattr(tvl1_numba, name, partial(timed, function, name))
        total = 1000 * run(tvl1_numba, pairs) / len(pairs)
    finally:
        for name, function in kept.items():
            setattr(tvl1_numba, name, function)
    return spent | {"rest": total - sum(spent.values())}


def inner_loop_speed(size: int, iterations: int = 50) -> float:
    """Nanoseconds a pixel and iteration of the inner loop; the best of several runs."""
    planes = tvl1_numba.flat_planes(size, size)
    inside = planes[0].reshape(4, size + 2, -1)[:, 1:-1, :size]
    inside[:] = 0.01 * np.random.default_rng(0).normal(size=inside.shape)
    step = [np.float32(value) for value in (0.045, 0.3, 0.83, -1)]
    numba_kernels.inner_loop(*planes, size, size, *step, 1)
    seconds = machine_limits.best(lambda: numba_kernels.inner_loop(*planes, size, size, *step, iterations), repeats=10)
    return 1e9 * seconds / iterations / size**2


def side_by_side(pairs, processes: int = 2, rounds: int = 7) -> float:
    """How many times the pairs a second of one process that several reach, each on a core of its own.

    The cores of a virtual machine differ from each other and from minute to minute: each is timed alone and beside the
    others in turns, and the median of the rounds is taken.
    """
    cores = sorted(os.sched_getaffinity(0))[:processes] if hasattr(os, "sched_getaffinity") else [None] * processes
    found = []
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(warm, range(processes))
        for _ in range(rounds):
            alone = [pool.apply(pairs_a_second, (pairs, core)) for core in cores]
            together = pool.starmap(pairs_a_second, [(pairs, core) for core in cores], chunksize=1)
            found.append(sum(together) / np.mean(alone))
    return float(np.median(found))


def on_cpu(size: int, count: int) -> dict:
    """Measure OpenCV and Numba."""
    pairs = pairs_of(size, count)
    run(tvl1_numba, pairs[:1])  # compiled, or read from the cache
    opencv, numba = alternately(pairs)
    speed = inner_loop_speed(size)
    core, copy = machine_limits.core_gflops(), machine_limits.copy_gb_s()
    together = side_by_side(pairs * 2)
    return {
        "size": size,
        "opencv": {"version": tvl1_opencv.VERSION, "seconds_a_pair": opencv},
        "numba": {"version": tvl1_numba.VERSION, "seconds_a_pair": numba},
        "ratio": opencv / numba,
        "milliseconds": parts_of(pairs),
        "inner_loop": {
            "ns": speed,
            "operations": OPERATIONS,
            "bytes": BYTES,
            "gflops": OPERATIONS / speed,
            "gb_s": BYTES / speed,
            "share_of_core_gflops": OPERATIONS / speed / core,
            "share_of_copy_gb_s": BYTES / speed / copy,
        },
        "core_gflops": core,
        "copy_gb_s": copy,
        "two_processes": together,
        "cde_minutes_on_two_cores": CDE_PAIRS * numba / together / 60,
    }


def report(found: dict) -> None:
    """Print what was measured on a CPU."""
    opencv, numba, loop = found["opencv"], found["numba"], found["inner_loop"]
    times = f"OpenCV {1000 * opencv['seconds_a_pair']:.1f} ms, Numba {1000 * numba['seconds_a_pair']:.1f} ms"
    print(f"{found['size']} px, a pair: {times}: {found['ratio']:.1f} times")
    for name, milliseconds in found["milliseconds"].items():
        print(f"  {name:>16} {milliseconds:6.2f} ms")
    print(f"inner loop, a pixel and iteration: {loop['ns']:.2f} ns, {OPERATIONS} operations, {BYTES} bytes")
    share = f"{100 * loop['share_of_core_gflops']:.0f} % of a core's {found['core_gflops']:.0f}"
    print(f"  {loop['gflops']:.0f} GFLOP/s: {share} in multiply-adds (two operations each)")
    share = f"{100 * loop['share_of_copy_gb_s']:.0f} % of the {found['copy_gb_s']:.0f}"
    print(f"  {loop['gb_s']:.0f} GB/s: {share} of a copy from memory (the planes lie in a cache)")
    print(f"two processes: {found['two_processes']:.2f} times one; CDE: {found['cde_minutes_on_two_cores']:.1f} min")


def main() -> None:
    """Measure, print a table, keep it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--pairs", type=int, help="different ones: 9 on a CPU, 442 on a GPU, each 16 times")
    parser.add_argument("--out", type=Path, help="results/benchmarks/flow.json, or flow_cuda.json")
    arguments = parser.parse_args()
    if arguments.device == "cuda":
        import flow_gpu  # and torch

        if not flow_gpu.tvl1_torch.CUDA:
            parser.error("no CUDA device here: run it where there is one, or leave --device out")
        pairs = pairs_of(arguments.size, arguments.pairs or SEQUENCES)
        found = {"size": arguments.size} | flow_gpu.measure(pairs, INSTANCES, BYTES)
        flow_gpu.report(found)
    else:
        found = on_cpu(arguments.size, arguments.pairs or 9)
        report(found)
    name = "flow_cuda.json" if arguments.device == "cuda" else "flow.json"
    write_json(arguments.out or Path("results/benchmarks", name), found)


def warm(_: int) -> None:
    """Compile, or read the cache, in a process of the pool."""
    run(tvl1_numba, pairs_of(32, 1))


def pairs_a_second(pairs, core: int | None) -> float:
    """The rate of this process on one core, on any for None."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    return len(pairs) / run(tvl1_numba, pairs)


if __name__ == "__main__":
    main()
