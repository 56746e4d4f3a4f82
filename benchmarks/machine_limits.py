"""What a machine can do at most: float32 multiply-adds of one core, and bytes copied a second."""

import time

import numba
import numpy as np

CHAINS = 4  # of multiply-adds that do not wait for each other; the compiler makes vectors of each
LENGTH = 16  # of a chain


@numba.njit(fastmath={"contract"})
def multiply_add(first, second, third, fourth, factor, addend, rounds):
    """LENGTH multiply-adds on every element of CHAINS rows of float32, `rounds` times."""
    for _ in range(rounds):
        for i in range(len(first)):
            a, b, c, d = first[i], second[i], third[i], fourth[i]
            for _ in range(LENGTH):
                a, b, c, d = a * factor + addend, b * factor + addend, c * factor + addend, d * factor + addend
            first[i], second[i], third[i], fourth[i] = a, b, c, d


def core_gflops(repeats: int = 20) -> float:
    """10⁹ float32 operations a second of one core, a multiply-add counted as two; the best of several."""
    rows, rounds = np.ones((CHAINS, 1024), np.float32), 300
    constants = np.float32(0.999), np.float32(0.001), rounds
    multiply_add(*rows, *constants)
    return 2 * rows.size * LENGTH * rounds / best(lambda: multiply_add(*rows, *constants), repeats) / 1e9


def copy_gb_s(megabytes: int = 256, repeats: int = 5) -> float:
    """10⁹ bytes a second read and written by one core that copies what no cache holds; the best of several."""
    source = np.ones(megabytes << 18, np.float32)
    target = np.zeros_like(source)
    return 2 * source.nbytes / best(lambda: np.copyto(target, source), repeats) / 1e9


def best(work, repeats: int) -> float:
    """Least seconds of several runs."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
