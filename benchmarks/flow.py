"""TV-L1 by Numba against OpenCV on one CPU core, or by PyTorch on a GPU.

    python benchmarks/flow.py [--size 224] [--pairs 9] [--out results/benchmarks/flow.json]
    python benchmarks/flow.py --device cuda        # all 7,072 CDE pairs with strain

On a CPU: seconds per pair of both backends and their ratio, timed in turns because a shared machine's speed varies. On
a GPU: pairs per second, and agreement with Numba. Pairs are a texture under known motion of 0.3 to 2.5 px with noise of
0 to 2 grey levels. Only the CPU part needs OpenCV.
"""

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from ra_icl.files import write_json
from ra_icl.flow.options import Schedule
from ra_icl.flow.strain import optical_strain

CDE_PAIRS = 442 * 16  # sequences x instances
DIFFERENT = 48  # pairs; more are these over again
BORDER = 8  # pixels, where no flow is compared
PARAMETERS = asdict(Schedule())


def moving_pairs(size: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Onsets and frames, (count, size, size) uint8, and the motion between them, (count, 2, size, size) in pixels."""
    rng = np.random.default_rng(0)
    layers = [scale * gaussian_filter(rng.normal(size=(size, size)), scale * size / 128) for scale in (1, 2, 4, 8, 16)]
    frame = sum(layers)
    frame = 128 + 100 * frame / np.abs(frame).max()
    y, x = np.indices(frame.shape)
    found = []
    for number in range(count):
        centre, direction = rng.uniform(0.2 * size, 0.8 * size, 2), rng.normal(size=2)
        bump = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * (0.1 * size) ** 2))
        motion = bump * (direction * (0.3, 1.0, 2.5)[number % 3] / np.linalg.norm(direction))[:, None, None]
        onset = map_coordinates(frame, [y + motion[1], x + motion[0]], mode="nearest")
        noisy = [image + (number // 3 % 3) * rng.normal(size=image.shape) for image in (onset, frame)]
        found.append((*(np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in noisy), motion))
    return tuple(map(np.stack, zip(*found, strict=True)))


def cpu_ratio(size: int, count: int) -> dict:
    """Seconds per pair of OpenCV and Numba, in turns, and how many times faster Numba is."""
    from ra_icl.flow import tvl1_numba, tvl1_opencv

    onsets, frames, _ = moving_pairs(size, count)
    tvl1_numba.tvl1(onsets[:1], frames[:1], **PARAMETERS)  # compiled, or read from the cache
    seconds, repeats = np.zeros(2), 5
    for number in range(count):
        pair = onsets[number : number + 1], frames[number : number + 1]
        seconds[0] += _seconds(tvl1_opencv.tvl1, *pair, 1)
        seconds[1] += _seconds(tvl1_numba.tvl1, *pair, repeats) / repeats
    opencv, numba = (seconds / count).tolist()
    return {
        "size": size,
        "opencv": {"version": tvl1_opencv.VERSION, "seconds_per_pair": opencv},
        "numba": {"version": tvl1_numba.VERSION, "seconds_per_pair": numba},
        "ratio": opencv / numba,
    }


def _seconds(tvl1, onset: np.ndarray, frame: np.ndarray, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        tvl1(onset, frame, **PARAMETERS)
    return time.perf_counter() - start


def gpu_flow(device: str, pairs: int, size: int) -> dict:
    """Time flow with strain by PyTorch for so many pairs, from images in memory to maps in memory.

    device: cuda, or cpu for a handful of pairs. Pairs go to the backend in batches of bounded memory.
    """
    from ra_icl.flow import tvl1_torch

    onsets, frames, _ = moving_pairs(size, min(pairs, DIFFERENT))
    how = {"strain": True, "device": device, **PARAMETERS}
    start = time.perf_counter()
    tvl1_torch.tvl1(onsets[:2], frames[:2], **how)
    first = time.perf_counter() - start
    batch = tvl1_torch.PAIRS_AT_ONCE
    start = time.perf_counter()
    for done in range(0, pairs, batch):
        chosen = np.arange(done, min(done + batch, pairs)) % len(onsets)
        tvl1_torch.tvl1(onsets[chosen], frames[chosen], **how)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "pairs": pairs,
        "pairs_per_second": pairs / seconds,
        "device": tvl1_torch.VERSION if device == "cuda" else device,
        "size": size,
        "seconds_of_first_call": first,
    }


def agreement(device: str, pairs: int, size: int) -> dict:
    """Compare PyTorch on `device` with Numba: mean endpoint distance, strain correlation, and errors of both."""
    from ra_icl.flow import tvl1_numba, tvl1_torch

    onsets, frames, motion = moving_pairs(size, pairs)
    fields = {"torch": tvl1_torch.tvl1(onsets, frames, device=device, **PARAMETERS)}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        alone = threads.map(lambda onset, frame: tvl1_numba.tvl1(onset, frame[None], **PARAMETERS)[0], onsets, frames)
        fields["numba"] = np.stack(list(alone))
    strains = [_inside(optical_strain(field)).reshape(pairs, -1) for field in fields.values()]
    correlations = [np.corrcoef(one, other)[0, 1] for one, other in zip(*strains, strict=True)]
    return {
        "pairs": pairs,
        "size": size,
        "device": tvl1_torch.VERSION if device == "cuda" else device,
        "mean_distance_px": _distance(fields["torch"], fields["numba"]),
        "strain_correlation": float(np.mean(correlations)),
        "mean_error_px": {name: _distance(field, motion) for name, field in fields.items()},
    }


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(_inside(np.linalg.norm(first - second, axis=1)).mean())


def _inside(values: np.ndarray) -> np.ndarray:
    return values[..., BORDER:-BORDER, BORDER:-BORDER]


def main() -> None:
    """Measure, print and write as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--pairs", type=int, help=f"9 by default on a CPU, {CDE_PAIRS} on a GPU")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/flow.json"))
    arguments = parser.parse_args()
    if arguments.device == "cpu":
        found = cpu_ratio(arguments.size, arguments.pairs or 9)
        times = (f"{name} {1000 * found[name]['seconds_per_pair']:.1f} ms" for name in ("opencv", "numba"))
        print(f"{arguments.size} px, per pair: {', '.join(times)}; numba is {found['ratio']:.1f} times faster")
    else:
        import torch

        if not torch.cuda.is_available():
            parser.error("PyTorch finds no CUDA device here; run this on a machine with a GPU, or omit --device")
        pairs = arguments.pairs or CDE_PAIRS
        found = {"agreement": agreement("cuda", min(pairs, DIFFERENT), arguments.size)}
        print(found["agreement"])
        found["speed"] = gpu_flow("cuda", pairs, arguments.size)
        print(f"{pairs} pairs in {found['speed']['seconds']:.1f} s")
    write_json(arguments.out, found)


if __name__ == "__main__":
    main()
