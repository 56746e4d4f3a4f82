"""The device: which one, and what is said if it cannot be used."""

import ctypes
import platform
import resource
from types import SimpleNamespace

import pytest
import torch

from ra_icl.errors import InputError
from ra_icl.training import device as device_module
from ra_icl.training.device import (
    explaining_memory,
    fix_kernels,
    keep_freed_memory,
    on_stream,
    require_usable,
    resolve_device,
    resolve_precision,
    stream_of,
)

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
GPU = SimpleNamespace(index=2, name="NVIDIA H100", driver="550.54")


def test_auto_is_cuda_if_there_is_a_gpu(monkeypatch):
    for found, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr("torch.cuda.is_available", lambda found=found: found)
        assert resolve_device("auto") == device
        assert resolve_device("cpu") == "cpu"


def test_cuda_without_a_gpu_is_one_line(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match=r"^training\.device: cuda: PyTorch .* finds no CUDA GPU.*auto or cpu$"):
        resolve_device("cuda")


@pytest.mark.parametrize(
    "error", [RuntimeError("no kernel image is available\nmore"), AssertionError("Torch not compiled")]
)
def test_a_gpu_that_pytorch_cannot_use_is_one_line(monkeypatch, error):
    def ones(*_, **__):
        raise error

    monkeypatch.setattr(torch, "ones", ones)
    monkeypatch.setattr(torch, "__version__", "2.11.0+cu130")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(InputError) as raised:
        require_usable(GPU)
    (line,) = str(raised.value).splitlines()
    for words in ("GPU 2", "NVIDIA H100", "driver 550.54", "PyTorch 2.11.0+cu130 (CUDA 13.0)", "training.device: cpu"):
        assert words in line


@pytest.mark.parametrize(
    "words",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has",
        "CUDA error: out of memory\nCUDA kernel errors",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA driver error: out of memory",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    ],
)
def test_out_of_memory_is_one_line_that_names_the_key(words):
    with pytest.raises(InputError, match=r"^[^\n]*lower folds_per_gpu[^\n]*$"), explaining_memory():
        raise RuntimeError(words)


def test_memory_that_ran_out_while_a_graph_was_recorded_is_named_too():
    """Ending the capture raises another error, which masks the original one."""

    def recording():
        try:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")

    with pytest.raises(InputError, match="lower folds_per_gpu"), explaining_memory():
        recording()


def test_on_a_cpu_nobody_looks_for_a_gpu(monkeypatch):
    """torch.cuda.stream(None) does, and fails on a Mac."""
    monkeypatch.delattr(torch.cuda, "stream")
    with on_stream(stream_of("cpu")):
        pass


def test_fp32_is_of_full_precision_in_matrix_products_too(monkeypatch):
    torch.backends.cuda.matmul.allow_tf32 = True  # as TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1 does
    fix_kernels()
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes differ"), explaining_memory():
        raise RuntimeError("shapes differ")


@CUDA
def test_running_out_of_memory_on_a_gpu_is_one_line():
    require_usable(GPU)
    with pytest.raises(InputError, match="folds_per_gpu"), explaining_memory():
        torch.empty(1 << 50, dtype=torch.uint8, device="cuda")


def test_auto_precision_is_bf16_only_if_it_is_native(monkeypatch):
    monkeypatch.setattr(device_module, "_gpu_has_bf16", device_module._gpu_has_bf16.__wrapped__)  # not cached
    for native, precision in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda native=native: native)
        # A GPU from before Ampere only emulates bf16.
        monkeypatch.setattr(
            "torch.cuda.is_bf16_supported",
            lambda including_emulation=True, native=native: native or including_emulation,
        )
        for device in ("cpu", "cuda"):
            assert resolve_precision("auto", device) == precision
            assert resolve_precision("fp32", device) == "fp32"


@pytest.mark.skipif(torch.cuda.is_available(), reason="PyTorch can use the GPU here")
def test_a_fold_that_was_given_a_gpu_does_not_train_on_the_cpu(tmp_path, monkeypatch):
    from ra_icl.cli.training import fold

    monkeypatch.setattr("ra_icl.training.gpus.claim_gpu", lambda device: GPU)
    with pytest.raises(InputError, match=r"^GPU 2 \(NVIDIA H100, driver 550\.54\): PyTorch [^\n]* cannot use it"):
        fold(tmp_path / "casme2-sub01.csv", [tmp_path / "none.csv"], tmp_path, "twins")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone can be told")
def test_freed_memory_is_kept_for_the_next_step():
    keep_freed_memory()
    for _ in range(20):  # until the heap is as large as it has to be
        torch.ones(2**21)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(2**21)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 2000  # 20,480 pages


def test_another_c_library_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    keep_freed_memory()
