"""The Triton kernels without a GPU: compiled ahead of time for two generations, and interpreted against plain torch."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

triton = pytest.importorskip("triton")
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from ra_icl.flow import triton_kernels as kernels  # noqa: E402
from ra_icl.flow.torch_kernels import median_network  # noqa: E402

# Each kernel's arguments that are known when it is compiled, at 224 px (25 strips) and with the larger median filter.
KNOWN = {
    "_warp": {"BLOCK": kernels.BLOCK},
    "_median": {"SIDE": 5, "NETWORK": median_network(25), "BLOCK": kernels.BLOCK},
    "_iterate": {"STRIPS": 32, "STRIP": kernels.STRIP, "BLOCK": kernels.BLOCK},
    "_copy": {"BLOCK": kernels.BLOCK},
}
INTEGERS = {"order", "count", "done"}
NUMBERS = {"height", "width", "blocks", "strips", "size", "length", "number"}
FLOATS = {"limit", "theta", "taut", "stop"}


def compiled(name, architecture):
    """The kernel as the GPU of that architecture gets it; addresses, and what is copied, divisible by 16."""
    kernel = getattr(kernels, name)
    signature, divisible = {}, {}
    for place, argument in enumerate(kernel.arg_names):
        kinds = ((KNOWN[name], "constexpr"), (INTEGERS, "*i32"), (NUMBERS, "i32"), (FLOATS, "fp32"))
        signature[argument] = next((kind for names, kind in kinds if argument in names), "*fp32")
        if signature[argument].startswith("*") or argument == "length":
            divisible[(place,)] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, KNOWN[name], divisible)
    options = {"num_warps": kernels.WARPS} | ({"num_stages": 1} if name == "_iterate" else {})
    return triton.compile(source, target=GPUTarget("cuda", architecture, 32), options=options)


@pytest.mark.skipif(bool(os.environ.get("TRITON_INTERPRET")), reason="kernels are interpreted in this process")
@pytest.mark.parametrize("architecture", [80, 90])
@pytest.mark.parametrize("name", KNOWN)
def test_every_kernel_compiles_and_keeps_its_values_in_registers(name, architecture, tmp_path):
    program = compiled(name, architecture)
    (tmp_path / "kernel").write_bytes(program.asm["cubin"])
    command = [triton.knobs.nvidia.cuobjdump.path, "--dump-resource-usage", tmp_path / "kernel"]
    usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {part: int(number) for part, number in re.findall(r"(REG|STACK|LOCAL):(\d+)", usage)}
    print(f"{name} sm_{architecture}: {found['REG']} registers, {program.metadata.shared} bytes of shared memory")
    assert found["STACK"] == found["LOCAL"] == 0  # nothing is spilled
    assert 32 * kernels.WARPS * found["REG"] <= 65536 // 2  # at least two programs at once on a multiprocessor
    assert program.metadata.shared <= 4096


def test_the_interpreted_kernels_are_the_plain_ones():
    """In a process of its own: Triton has to know that it interprets before it is imported."""
    script = Path(__file__).with_name("triton_interpreted.py")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(script)]
    run = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
