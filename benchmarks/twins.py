"""Synthetic twins: frames rendered and written per second on one core, true motion included.

python benchmarks/twins.py [--out results/benchmarks/twins.json]
"""

import argparse
import tempfile
import time
from pathlib import Path

import cv2

from ra_icl.files import write_json
from ra_icl.twins.plan import LAYOUTS, TwinOptions, clips
from ra_icl.twins.render import render

SIZE = (640, 480)


def main() -> None:
    """Render each twin at its official size or the nearest to 640x480; print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/twins.json"))
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    found = []
    for dataset, layout in LAYOUTS.items():
        scale = min(1.0, max(0.2, SIZE[1] / layout.size[1]))
        options = TwinOptions(per_class=2, frames=(40, 60), scale=scale)
        frames = sum(clip.offset - clip.onset + 1 for clip in clips(dataset, options))
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            render(dataset, Path(folder, dataset), options)
            rate = frames / (time.perf_counter() - start)
        width, height = (round(side * scale) for side in layout.size)
        found.append({"dataset": dataset, "width": width, "height": height, "frames": frames, "per_second": rate})
    print(f"{'dataset':>9} {'size':>10} {'frames':>7} {'per second':>10}")
    for one in found:
        size = f"{one['width']}x{one['height']}"
        print(f"{one['dataset']:>9} {size:>10} {one['frames']:7d} {one['per_second']:10.1f}")
    write_json(arguments.out, found)


if __name__ == "__main__":
    main()
