"""Checkpoints of a fold in training: what it takes to go on as if nothing had happened, without pickle."""

import json
import logging
import signal
import threading
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from ra_icl import files
from ra_icl.errors import InputError

log = logging.getLogger(__name__)

Tensors = dict[str, torch.Tensor]


class Stopped(InputError):  # noqa: N818 (what happened, not a mistake)
    """The fold was asked to stop and has kept its state."""


class StopRequest:
    """Whether this process was asked to stop. Inside `with`, SIGTERM (a time limit, pre-emption) only asks."""

    def __init__(self) -> None:
        self.made = False

    def __enter__(self) -> "StopRequest":
        # Only the main thread may set a handler; another one is asked nothing.
        self._main = threading.current_thread() is threading.main_thread()
        self._before = signal.signal(signal.SIGTERM, self._ask) if self._main else None
        return self

    def __exit__(self, *_: object) -> None:
        if self._main:
            signal.signal(signal.SIGTERM, self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.made = True

    def honour(self) -> None:
        """Raise Stopped where the request was made."""
        if self.made:
            raise Stopped("stopped by a signal; run the same command to go on from the last epoch")


class Checkpoint:
    """Where a fold keeps its state while it trains.

    path: the file, outside of what a workflow deletes when a job fails. identity: everything that the training
    depends on; a file of another identity is not resumed. stop: a request to end, which the fold honours after an
    epoch. seconds: at least so long between two writes. keep_end: the state after the last epoch is kept in any case.
    """

    def __init__(
        self,
        path: Path,
        identity: dict[str, Any],
        stop: StopRequest,
        seconds: float = 60.0,
        keep_end: bool = False,
    ) -> None:
        self.path, self.stop, self.seconds, self.keep_end = Path(path), stop, seconds, keep_end
        self.key = sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()
        self.written = time.monotonic()

    def load(self) -> tuple[Tensors, dict[str, Any]] | None:
        """The state that was kept, or None: no file, one that is not whole, or one of another identity.

        The time to the next write starts here.
        """
        self.written = time.monotonic()
        if not self.path.exists():
            return None
        try:
            with files.open_tensors(self.path, "pt") as file:
                if file.metadata.get("key") != self.key:
                    log.warning("%s: is of other data, options or code; training starts over", self.path)
                    return None
                return {name: file.get(name, verify=True) for name in file.names}, file.metadata
        except InputError as error:
            log.warning("%s; training starts over", error)
            return None

    def after_epoch(self, state: "State", last: bool) -> None:
        """Keep the state where it is time to, or where the fold was asked to stop, which raises Stopped."""
        if self.stop.made or (last and self.keep_end) or time.monotonic() - self.written >= self.seconds:
            self.save(*state(finished=last))
        self.stop.honour()

    def save(self, tensors: Tensors, record: dict[str, Any]) -> None:
        """Write the state, all or nothing. Raises InputError where the disk takes no more."""
        files.save_tensors(self.path, tensors, record | {"key": self.key})
        self.written = time.monotonic()

    def remove(self) -> None:
        """Take the file away: the fold is finished."""
        self.path.unlink(missing_ok=True)


class State:
    """The state of a training as named tensors and a JSON record: model, optimiser's moments, random streams.

    The learning rate is no part of it: it follows from the epoch.
    """

    def __init__(self, model: torch.nn.Module, optimiser: torch.optim.Optimizer, generator: torch.Generator) -> None:
        self.model, self.optimiser, self.generator = model, optimiser, generator
        self.record: dict[str, Any] = {}
        self.best: Tensors = {}

    def __call__(self, finished: bool = False) -> tuple[Tensors, dict[str, Any]]:
        """Everything as it is now, once finished without the moments; `record` and `best` are the caller's own."""
        kept = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        kept |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        moments = {} if finished else self.optimiser.state_dict()["state"]
        for number, values in moments.items():
            kept |= {f"optimiser.{number}.{name}": torch.as_tensor(value) for name, value in values.items()}
        kept |= {f"random.{name}": stream for name, stream in self._streams().items()}
        return kept, self.record

    def restore(self, tensors: Tensors, record: dict[str, Any]) -> None:
        """Take over what `__call__` returned."""
        self.model.load_state_dict(_below("model.", tensors))
        self.best = _below("best.", tensors)
        parameters = [parameter for group in self.optimiser.param_groups for parameter in group["params"]]
        moments: dict[int, Tensors] = {}
        for name, tensor in _below("optimiser.", tensors).items():
            number, _, what = name.partition(".")
            like = parameters[int(number)]
            # In the parameter's order of memory, which a fused optimiser relies on and a file does not keep.
            moments.setdefault(int(number), {})[what] = (
                torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
            )
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        streams = _below("random.", tensors)
        torch.set_rng_state(streams["cpu"])
        self.generator.set_state(streams["fold"])
        if "cuda" in streams:
            torch.cuda.set_rng_state(streams["cuda"])
        self.record = {key: value for key, value in record.items() if key != "key"}

    def _streams(self) -> Tensors:
        streams = {"cpu": torch.get_rng_state(), "fold": self.generator.get_state()}
        if self.generator.device.type == "cuda":
            streams["cuda"] = torch.cuda.get_rng_state()
        return streams


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 over files in the order given."""
    digest = sha256()
    for path in paths:
        with open(path, "rb") as file:
            digest.update(sha256(file.read()).digest())
    return digest.hexdigest()


def _below(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
