"""Checkpoints of a fold in training, without pickle: training resumes from one as if it had not been interrupted."""

import json
import logging
import signal
import threading
import time
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from ra_icl import files
from ra_icl.errors import InputError

log = logging.getLogger(__name__)

Tensors = dict[str, torch.Tensor]
ASKING = (signal.SIGTERM, signal.SIGINT)


class Stopped(InputError):  # noqa: N818 (what happened, not a mistake)
    """The fold was asked to stop and has saved its state."""


class Checkpoint:
    """The file that keeps a fold's state while it trains.

    path: the file, outside of what a workflow deletes when a job fails. key: of `key_of`; a file with another key is
    not resumed. seconds: minimum time between two writes. Inside `with`, SIGTERM (a time limit, pre-emption) and the
    first SIGINT (Ctrl-C) only set `asked_to_stop`; the fold then saves its state after the current epoch and stops.
    """

    def __init__(self, path: Path, key: str, seconds: float = 60.0) -> None:
        self.path, self.key, self.seconds = Path(path), key, seconds
        self.asked_to_stop = False
        self.written = time.monotonic()

    def __enter__(self) -> "Checkpoint":
        # Python lets only the main thread set a handler.
        main = threading.current_thread() is threading.main_thread()
        self._before = {number: signal.getsignal(number) for number in ASKING} if main else {}
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:  # as in a background job of a script
                signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked_to_stop = True
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)  # a second Ctrl-C stops at once

    def load(self) -> tuple[Tensors, dict[str, Any]] | None:
        """The tensors and the record of `save`, or None if there is no file, a damaged one, or one with another key."""
        self.written = time.monotonic()
        if not self.path.exists():
            return None
        try:
            with files.open_tensors(self.path, "pt") as file:
                if file.metadata.get("key") != self.key:
                    log.warning("%s: is of other data, options, code or keep_epochs; training starts over", self.path)
                    return None
                tensors = {name: file.get(name, verify=True) for name in file.names}
            return tensors, json.loads(tensors.pop("record").numpy().tobytes())
        except (ValueError, KeyError) as error:  # ValueError includes InputError
            log.warning("%s: is damaged; training starts over (%s)", self.path, error)
            return None

    def due(self) -> bool:
        """Whether to save the state now."""
        return self.asked_to_stop or time.monotonic() - self.written >= self.seconds

    def save(self, tensors: Tensors, record: dict[str, Any]) -> None:
        """Write the state atomically. Raises InputError if the disk is full, and Stopped if asked to stop."""
        # As a tensor the record has a checksum too.
        text = np.frombuffer(json.dumps(record).encode(), np.uint8)
        files.save_tensors(self.path, tensors | {"record": text}, {"key": self.key})
        self.written = time.monotonic()
        if self.asked_to_stop:
            raise Stopped("stopped by a signal; run the same command to resume after the last epoch")

    def remove(self) -> None:
        """Delete the file: the fold is finished."""
        self.path.unlink(missing_ok=True)


def random_states(generator: torch.Generator) -> Tensors:
    """The states of a training's generator and of PyTorch's own on its device, from which dropout draws."""
    dropout = torch.cuda.get_rng_state() if generator.device.type == "cuda" else torch.get_rng_state()
    return {"generator": generator.get_state(), "dropout": dropout}


def restore(kept: Tensors, state: Tensors, generator: torch.Generator) -> None:
    """Give the tensors of `state`, by name, and both generators the values that a checkpoint has kept."""
    for name, tensor in state.items():
        tensor.copy_(kept[name])  # in place: every tensor keeps its memory layout
    generator.set_state(kept["generator"])
    set_state = torch.cuda.set_rng_state if generator.device.type == "cuda" else torch.set_rng_state
    set_state(kept["dropout"])


def key_of(identity: dict[str, Any]) -> str:
    """SHA-256 of everything that a fold's result depends on."""
    return sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
