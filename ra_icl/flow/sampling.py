"""Which frames of a sequence make its instance set (Multiple Instances Representation, MIR)."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Literal, get_args

import pandas as pd

from ra_icl.errors import InputError
from ra_icl.options import Help, Options, at_least

Mode = Literal[
    "middle",
    "apex",
    "apex_neighbourhood",
    "full",
    "random",
    "uniform",
    "onset_to_apex",
    "apex_to_offset",
    "frames",
]
MODES = get_args(Mode)


@dataclass(frozen=True)
class Sampling(Options):
    """How the frames of an instance set are chosen."""

    mode: Annotated[
        Mode,
        Help(
            "middle: consecutive frames from the middle, the paper's choice; apex: the one onset/apex instance; "
            "apex_neighbourhood: consecutive frames around the apex; full: every frame; random: distinct frames; "
            "uniform: evenly spaced frames; onset_to_apex, apex_to_offset: evenly spaced frames of that part; frames, "
            "of peers alone: the whole sequence as N grey frames, interpolated in time, in place of flow"
        ),
    ] = "middle"
    instances: Annotated[
        int,
        at_least(1),
        Help("N; a sequence with fewer frames gives them all, of mode frames always N; unused by apex and full"),
    ] = 16
    seed: Annotated[int, at_least(0), Help("of mode random")] = 0
    depth: Annotated[
        bool, Help("of CAS(ME)³, with the change of depth since the onset as a fourth channel; for peers that take it")
    ] = False

    @property
    def name(self) -> str:
        """The sampling as one component of a path: "middle-16", "apex", "random-16-seed0", "apex-depth"."""
        number = "" if self.mode in ("apex", "full") else f"-{self.instances}"
        suffix = f"-seed{self.seed}" if self.mode == "random" else ""
        return f"{self.mode}{number}{suffix}{'-depth' if self.depth else ''}"

    def pairs(self, frames: int) -> int:
        """How many pairs of frames it takes from a sequence of `frames` frames after the onset; of mode frames, frames.

        At most, for the two modes that take frames before or after the apex alone.
        """
        special = {"apex": min(1, frames), "full": frames, "frames": self.instances}
        return special.get(self.mode, min(self.instances, frames))


def sample(length: int, apex: int | None, sampling: Sampling, key: str) -> list[int]:
    """Return the positions of the sampled frames, ascending, each in 1..length-1.

    length: number of frames T, the onset (position 0) included. The onset itself is never sampled:
        its flow against itself is no motion. Fewer than N frames after it, or in the part that the mode takes: all
        of them, as for the modes full and frames.
    apex: position of the apex, in 1..length-1; None stands for the midpoint (SMIC has no apex annotation).
    key: names the sequence, in messages and as part of the random mode's seed.
    Raises InputError if no frame follows the onset.
    """
    after = length - 1
    if after < 1:
        raise InputError(f"{key}: {length} frame(s), no motion to sample; check its frame folder")
    if apex is None:
        apex = max(1, after // 2)
    if sampling.mode == "apex":
        return [apex]
    first, last = {"onset_to_apex": (1, apex), "apex_to_offset": (apex, after)}.get(sampling.mode, (1, after))
    count = last - first + 1
    if sampling.mode in ("full", "frames") or count <= sampling.instances:
        return list(range(first, last + 1))
    if sampling.mode in ("uniform", "onset_to_apex", "apex_to_offset"):
        return [first - 1 + position for position in _uniform(count, sampling.instances)]
    return _choose(after, apex, sampling, key)


def apex_position(numbers: Sequence[int], apex: int | None) -> int | None:
    """Return the position of the frame numbered `apex` in `numbers`, or of the nearest if it is missing.

    numbers: frame numbers of a sequence, ascending, the onset first. Never 0, the onset's position.
    None if the sequence has no apex annotation, or no frame after the onset.
    """
    if apex is None or len(numbers) < 2:
        return None
    return min(range(1, len(numbers)), key=lambda position: abs(numbers[position] - apex))


def used_frames(numbers: Sequence[int], apex: int | None, sampling: Sampling, key: str) -> dict:
    """Positions and numbers of the sampled frames, `positions` and `frames`, and the position of the `apex`, or None.

    numbers: frame numbers of a sequence, ascending, the onset first. apex: the number of the apex, which may be NA.
    Raises InputError as `sample`, whose `key` is meant.
    """
    position = apex_position(numbers, None if pd.isna(apex) else int(apex))
    positions = sample(len(numbers), position, sampling, key)
    return {"positions": positions, "frames": [numbers[position] for position in positions], "apex": position}


def middle_instance(instances: int) -> int:
    """Return the index of the instance that inference uses, in a set of `instances`."""
    if instances < 1:
        raise InputError(f"an instance set of {instances} has no middle; it needs one instance or more")
    return (instances - 1) // 2


def _choose(after: int, apex: int, sampling: Sampling, key: str) -> list[int]:
    """N of the positions 1..after, where N < after."""
    count = sampling.instances
    if sampling.mode == "middle":
        return _window(1 + (after - count) // 2, count)
    if sampling.mode == "apex_neighbourhood":
        # The apex is the window's middle instance, unless the window has to move to stay inside.
        start = apex - middle_instance(count)
        return _window(min(max(start, 1), after - count + 1), count)
    return _random(after, count, f"{sampling.seed}/{key}")


def _window(start: int, count: int) -> list[int]:
    return list(range(start, start + count))


def _uniform(after: int, count: int) -> list[int]:
    """N of the positions 1..after, evenly spaced, both ends included; rounded half up, which keeps them distinct."""
    if count == 1:
        return [max(1, after // 2)]
    steps = count - 1
    return [1 + (2 * i * (after - 1) + steps) // (2 * steps) for i in range(count)]


def _random(after: int, count: int, seed: str) -> list[int]:
    """The positions with the smallest hashes: the same in every process and Python version."""
    positions = range(1, after + 1)
    ranked = sorted(positions, key=lambda p: sha256(f"{seed}/{p}".encode()).digest())
    return sorted(ranked[:count])
