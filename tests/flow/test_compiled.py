"""The flow of a process that compiles it is that of every later one, which loads the compiled code."""

import os
import subprocess
import sys

CODE = """
import numpy as np
from ra_icl.flow.maps import flow_maps
from ra_icl.flow.options import FlowOptions
y, x = np.mgrid[0:48, 0:48]
frame = lambda shift: (127 + 60 * np.sin((x + shift) / 3) + 60 * np.cos((y - shift) / 5)).astype(np.uint8)
maps = flow_maps(frame(0), np.stack([frame(0.7), frame(-1.3)]), FlowOptions(backend="numba"))
print(np.ascontiguousarray(maps).tobytes().hex())
"""


def test_compiled_and_loaded_code_give_the_same_bytes(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", CODE]
    found = [subprocess.run(command, env=environment, capture_output=True, check=True).stdout for _ in range(2)]
    assert list(tmp_path.rglob("*.nbc"))
    assert len(found[0]) > 48 * 48
    assert found[0] == found[1]
