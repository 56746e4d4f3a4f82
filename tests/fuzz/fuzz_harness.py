"""What the fuzz tests share: how examples are drawn, counted and limited, and what may be said of a bad input.

Examples are the same on every run, unless FUZZ_RANDOM is in the environment. FUZZ_SCALE multiplies their number (`make
test-long`).
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ra_icl.datasets import damage
from ra_icl.datasets.index import COLUMNS
from ra_icl.datasets.reading import DEFAULTS
from ra_icl.errors import Fault, InputError, one_line
from ra_icl.planning.check import check_dataset
from ra_icl.planning.check_frames import Look

SCALE = int(os.environ.get("FUZZ_SCALE", "1"))
SECONDS = 2.0  # of processor time, for one example
STUCK = 60.0  # by the clock, for an example that waits; many processes may share this machine

declared: dict[str, int] = {}  # target -> examples that it asks for
run: Counter[str] = Counter()  # target -> examples that were run


class _TookTooLong(BaseException):
    """Not an Exception, so that no code under test takes it for a fault of its input."""


def fuzz(examples: int, **strategies: st.SearchStrategy) -> Callable:
    """A test that is run on `examples` times FUZZ_SCALE inputs, drawn from one strategy per argument."""

    def decorate(test: Callable) -> Callable:
        name, wanted = test.__name__.removeprefix("test_"), examples * SCALE
        declared[name] = wanted

        @wraps(test)
        def counted(*args: Any, **kwargs: Any) -> None:
            run[name] = min(run[name] + 1, wanted)  # what is run again to find a smaller example does not count
            with time_limit():
                test(*args, **kwargs)

        seeded = settings(
            max_examples=wanted,
            derandomize="FUZZ_RANDOM" not in os.environ,
            database=None,
            deadline=None,  # `time_limit` measures processor time, which other processes do not lengthen
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        return seeded(given(**strategies)(counted))

    return decorate


@contextmanager
def time_limit() -> Iterator[None]:
    """Fail if the block takes more than SECONDS of processor time, or waits for longer than STUCK."""

    def stop(*_: object) -> None:
        raise _TookTooLong

    before = [signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, STUCK)
    try:
        yield
    except _TookTooLong:
        raise AssertionError(f"took more than {SECONDS:g} s") from None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            # One that is still on its way to another thread would end the process by default.
            signal.signal(number, signal.SIG_IGN if handler is signal.SIG_DFL else handler)


def attempt(names: Sequence[object], function: Callable, *args: Any, **kwargs: Any) -> tuple[Any, list[str]]:
    """(result, []) of a call, or (None, lines) if it refuses its input.

    names: files and keys, of which each line must name one. Any other exception than InputError passes, except an
    OSError that names its file, of which the command line makes such a line.
    """
    try:
        return function(*args, **kwargs), []
    except InputError as error:
        lines = error.faults
    except OSError as error:
        if error.filename is None:
            raise
        lines = [f"{error.filename}: {error.strerror}; check the path"]
    for line in lines:
        check_line(line, names)
    return None, lines


def check_line(line: str, names: Sequence[object]) -> None:
    """One line that names one of `names` and says what to do."""
    assert len(line.splitlines()) == 1, f"not one line: {line!r}"
    assert any(one_line(str(name)) in line for name in names), f"names none of {', '.join(map(str, names))}: {line}"
    found = Fault.of(line)
    assert found.remedy or found.severity == "note", f"no remedy: {line}"


def look_at(dataset: str, options: dict[str, Any]) -> tuple[Any, list[str]]:
    """(index, findings) of a dataset as `ra-icl check --no-decode` makes them."""
    config = {"data": {"source": "datasets", "exclude": {}}, "datasets": {dataset: DEFAULTS[dataset] | options}}
    indexed, findings = check_dataset(config, dataset, Look(decode=False))
    return (indexed.rows if indexed else pd.DataFrame(columns=COLUMNS)), findings


def inspect(frames: Sequence[Any]) -> list[str]:
    """What `ra-icl check` finds in the frames of a sequence."""
    return damage.inspect(frames)


@contextmanager
def content(path: Path, data: bytes) -> Iterator[Path]:
    """The file with other bytes, for the block."""
    before = path.read_bytes()
    path.write_bytes(data)
    try:
        yield path
    finally:
        path.write_bytes(before)


KINDS = ("flip", "set", "zero", "cut", "drop", "repeat", "append", "empty")


@st.composite
def damages(draw: st.DrawFn, most: int = 2) -> list[tuple]:
    """Damage of a file: up to `most` operations (kind, place, length, bytes), for `damaged`.

    place: a share of the file in 1/10000; below 0 the distance from its start in bytes, for the sake of headers.
    """
    place = st.one_of(st.integers(0, 9999), st.integers(-600, -1))
    operation = st.tuples(st.sampled_from(KINDS), place, st.integers(1, 64), st.binary(min_size=1, max_size=8))
    return draw(st.lists(operation, min_size=1, max_size=most))


def damaged(data: bytes, operations: Sequence[tuple]) -> bytes:
    """`data` after the operations of `damages`."""
    for kind, place, length, more in operations:
        start = min(-place if place < 0 else len(data) * place // 10_000, max(len(data) - 1, 0))
        end = min(start + length, len(data))
        middle = {
            "flip": bytes(byte ^ 1 << length % 8 for byte in data[start : start + 1]) + data[start + 1 : end],
            "set": (more * length)[: end - start],
            "zero": bytes(end - start),
            "drop": b"",
            "repeat": 2 * data[start:end],
        }
        if kind in middle:
            data = data[:start] + middle[kind] + data[end:]
        else:
            data = {"cut": data[:start], "append": data + more, "empty": b""}[kind]
    return data
