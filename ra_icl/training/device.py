"""The device that a fold trains on: which one, whether PyTorch can use it, precision, kernels, stream."""

import ctypes
import platform
import resource
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from typing import Any

import torch

from ra_icl.errors import InputError


def resolve_device(device: str) -> str:
    """Return "cuda" or "cpu" for `training.device`; "auto" is CUDA if PyTorch can use a GPU.

    Raises InputError for "cuda" if PyTorch has none, and for any other device.
    """
    if device not in ("auto", "cuda", "cpu"):
        raise InputError(f"device: {device!r} is not known; choose auto, cuda or cpu")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"training.device: cuda: {_build()} finds no CUDA GPU here; install a CUDA build of PyTorch, "
            "or set training.device to auto or cpu"
        )
    return device


def require_usable(gpu: Any) -> None:
    """Compute something on the GPU that this process was given (`gpus.claim_gpu`: .index, .name, .driver).

    Raises InputError if PyTorch cannot.
    """
    try:
        with explaining_memory():
            torch.ones(1, device="cuda").sum().item()
    except (RuntimeError, AssertionError) as error:  # a CPU build of PyTorch raises AssertionError
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"GPU {gpu.index} ({gpu.name}, driver {gpu.driver}): {_build()} cannot use it ({reason}); install a CUDA "
            "build of PyTorch for this GPU and driver, or set training.device: cpu"
        ) from error


def _build() -> str:
    return f"PyTorch {torch.__version__} (CUDA {torch.version.cuda or 'not built in'})"


# cuBLAS and cuDNN raise theirs as plain RuntimeError, as NOT_INITIALIZED if not even their first buffers fit.
_OUT_OF_MEMORY = ("CUDA out of memory", "error: out of memory", "ALLOC_FAILED", "ALLOCATION_FAILED", "NOT_INITIALIZED")


@contextmanager
def explaining_memory() -> Iterator[None]:
    """Turn CUDA's out-of-memory errors into an InputError."""
    try:
        yield
    except RuntimeError as error:
        # An error during graph capture may be masked by the one that ending the capture raises.
        told = f"{error} {error.__context__ or ''}"
        if any(words in told for words in _OUT_OF_MEMORY):
            raise InputError(
                f"the GPU's memory is full beside the other jobs ({str(error).partition(chr(10))[0]}); lower "
                "folds_per_gpu, or for a fold training.batch, of a peer peer.batch"
            ) from error
        raise


def resolve_precision(precision: str, device: str) -> str:
    """Return "bf16" or "fp32". "auto" is bf16 on GPUs and CPUs with bf16 instructions; others emulate it slowly."""
    if precision != "auto":
        return precision
    native = _gpu_has_bf16() if device.startswith("cuda") else torch.cpu._is_avx512_bf16_supported()
    return "bf16" if native else "fp32"


@cache
def _gpu_has_bf16() -> bool:
    """Asked once, in the first step, because later ones may be recorded as a graph, which forbids many calls."""
    return torch.cuda.is_bf16_supported(including_emulation=False)


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The autocast context in which the networks run."""
    return torch.autocast(device.type, torch.bfloat16, enabled=resolve_precision(precision, device.type) == "bf16")


def fix_kernels() -> None:
    """Make cuDNN choose the same kernels in every run, and keep fp32 at full precision.

    TF32, which is cuDNN's default and in some containers that of matrix products, keeps only 10 bits of each factor's
    mantissa.
    """
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # as glibc numbers them


def keep_freed_memory() -> None:
    """Have glibc keep freed memory for the next step; other C libraries are left as they are.

    Every step allocates the same sizes again. Giving them back to the system and having them cleared anew takes half of
    a small network's time on a CPU.
    """
    with suppress(AttributeError, OSError, TypeError):
        for limit in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            ctypes.CDLL(None).mallopt(limit, 2**30)


def stream_of(device: str) -> "torch.cuda.Stream | None":
    """A new CUDA stream, because a graph cannot be recorded on the default one; None on a CPU."""
    if not device.startswith("cuda"):
        return None
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))  # which copied the data
    return stream


def on_stream(stream: "torch.cuda.Stream | None") -> AbstractContextManager:
    """The context in which work is queued on the stream; of None, nothing.

    `torch.cuda.stream` of None looks for a GPU, and fails on a Mac.
    """
    return torch.cuda.stream(stream) if stream else nullcontext()


def device_name(device: str) -> str:
    """The name of the GPU, or "cpu (machine)"."""
    return torch.cuda.get_device_name() if device.startswith("cuda") else f"cpu ({platform.machine()})"


def peak_memory(device: str) -> int:
    """The most memory that this process has held so far, in bytes: of the GPU, or on a CPU its resident memory."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_reserved()
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
