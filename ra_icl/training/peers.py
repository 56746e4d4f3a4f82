"""Training of a peer, a network or a classifier of descriptors; both stand where `loop.Training` does."""

import logging
import math
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ra_icl.errors import InputError
from ra_icl.peers.registry import Peer, load_peer
from ra_icl.peers.settings import origins
from ra_icl.training.adam import Adam
from ra_icl.training.checkpoint import Checkpoint, Tensors, random_states, restore
from ra_icl.training.device import fix_kernels, keep_freed_memory
from ra_icl.training.instances import InstanceSets
from ra_icl.training.loop import Trained
from ra_icl.training.method import MethodOptions
from ra_icl.training.sgd import Sgd

log = logging.getLogger(__name__)

AT_ONCE = 256  # inputs that are predicted at once
LAYOUT = torch.channels_last  # half the time of the small networks on a CPU
FEWEST_LINES = 100  # epochs that are logged, about


def peer_training(
    training: InstanceSets,
    held_out: InstanceSets,
    classes: int,
    options: MethodOptions,
    seed: int,
    device: str,
    checkpoint: Checkpoint | None = None,
    keep_epochs: bool = False,
) -> "NetworkTraining | ClassifierTraining":
    """The training of the method's peer, with the arguments of `loop.Training`.

    Raises InputError if the peer is not fed what the flow files hold, or needs equal numbers of frames and has not.
    """
    peer = load_peer(options.peer)
    maps, unseen = fed(peer, training), fed(peer, held_out)
    if peer.trains_network:
        arguments = (training.labels, classes, seed, device, checkpoint, keep_epochs)
        return NetworkTraining(peer, maps, unseen, *arguments)
    return ClassifierTraining(peer, maps, unseen, training.labels.cpu().numpy(), classes)


def settings_of(options: MethodOptions) -> dict[str, Any]:
    """What a record says of a method's options: all of them or, of a peer, its settings and where each comes from.

    draws: whether the seed changes anything.
    """
    if not options.peer:
        return {"options": asdict(options)}
    peer = load_peer(options.peer)
    options_of_peer = {"peer": {"name": peer.name} | asdict(peer.settings)}
    return {"options": options_of_peer, "settings": origins(peer.settings), "draws": peer.trains_network}


def fed(peer: Peer, sets: InstanceSets) -> torch.Tensor:
    """What a peer reads of S sequences: the middle map (S, C, H, W), float32, or all frames (S, N, 1, H, W), float16.

    Frames stay as small as they are stored, because there are many.
    """
    frames = sets.maps.shape[1] == 1
    if frames != (peer.module.FED == "frames"):
        raise InputError(
            f"peer {peer.name}: is fed {peer.module.FED}, not {'frames' if frames else 'flow'}; see its sampling in "
            "config/config.yaml"
        )
    if not frames:
        return sets.maps[sets.middle_instances()[0]].float()
    if len(set(sets.count.tolist())) > 1:
        raise InputError(f"peer {peer.name}: sequences of different numbers of frames; delete their flow and run again")
    return sets.maps[sets.all_instances()[0]].unflatten(0, (len(sets), -1))


class NetworkTraining:
    """A peer's network in training; `run` does all of it, from a checkpoint if there is one.

    maps: (S, C, H, W). held_out: likewise, predicted after the last epoch, with `keep_epochs` after each. An epoch goes
    once through the sequences in steps of `settings.batch`, the last of which may be smaller, as PyTorch's DataLoader
    makes them. Without `settings.shuffle` it goes class by class, because code that does not shuffle reads a folder for
    each class.
    """

    def __init__(
        self,
        peer: Peer,
        maps: torch.Tensor,
        held_out: torch.Tensor,
        labels: torch.Tensor,
        classes: int,
        seed: int,
        device: str,
        checkpoint: Checkpoint | None = None,
        keep_epochs: bool = False,
    ) -> None:
        self.start, self.device = time.perf_counter(), torch.device(device)
        self.settings, self.checkpoint, self.keep_epochs = peer.settings, checkpoint, keep_epochs
        fix_kernels()
        keep_freed_memory()
        torch.manual_seed(seed)
        self.generator = torch.Generator(device=device).manual_seed(seed)
        self.network = peer.module.network(classes, self.settings).to(device, memory_format=LAYOUT).train()
        prepared = (peer.module.prepare(part, self.settings) for part in (maps, held_out))
        self.inputs, self.held_out = (part.contiguous(memory_format=LAYOUT) for part in prepared)
        self.labels = labels
        self.optimiser = self._optimiser()
        self.record: dict[str, Any] = {"curve": [], "seconds": 0.0, "epochs": []}

    def run(self) -> Trained:
        """Train to the last epoch, then predict the held-out sequences.

        Raises InputError if the loss is no longer finite, and Stopped if the checkpoint was asked to stop.
        """
        curve, epochs = self._resume(), self.settings.epochs
        while len(curve) < epochs:
            self.epoch()
            if self.checkpoint and len(curve) < epochs and self.checkpoint.due():
                self._save()
        found = self.predict()
        kept = np.array(self.record["epochs"], dtype=found.dtype) if self.keep_epochs else None
        steps = epochs * math.ceil(len(self.labels) / self.settings.batch)
        seconds, images = time.perf_counter() - self.start, epochs * len(self.labels)
        return Trained(self.network, curve, found, epochs, seconds, steps, images, kept)

    def epoch(self) -> None:
        """One pass over the training sequences; notes the mean loss and the share that was classified rightly."""
        count, curve = len(self.labels), self.record["curve"]
        if self.settings.shuffle:
            order = torch.randperm(count, generator=self.generator, device=self.device)
        else:
            order = torch.argsort(self.labels, stable=True)
        sums = torch.zeros(2, device=self.device)
        for rows in order.split(self.settings.batch):
            sums += self.step(rows)
        loss, hits = (sums / count).tolist()
        curve.append({"loss": float(f"{loss:.5g}"), "accuracy": float(f"{hits:.5g}")})
        if len(curve) % math.ceil(self.settings.epochs / FEWEST_LINES) == 0 or len(curve) == self.settings.epochs:
            log.info("epoch %d/%d loss %.4f accuracy %.4f", len(curve), self.settings.epochs, loss, hits)
        if not math.isfinite(loss):
            raise InputError(f"peer.learning_rate: the loss is {loss} in epoch {len(curve)}; lower the rate")
        if self.keep_epochs:
            self.record["epochs"].append(self.predict().tolist())

    def step(self, rows: torch.Tensor) -> torch.Tensor:
        """One step on the sequences `rows` (B,): the sum of their losses and how many were classified rightly, (2,)."""
        logits, labels = self.network(self.inputs[rows]), self.labels[rows]
        loss = functional.cross_entropy(logits, labels)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return torch.stack([loss.detach() * len(rows), (logits.argmax(dim=1) == labels).sum()])

    @torch.no_grad()
    def predict(self) -> np.ndarray:
        """Class probabilities (S, L) of the held-out sequences."""
        self.network.eval()
        found = torch.cat([self.network(part).softmax(dim=1) for part in self.held_out.split(AT_ONCE)])
        self.network.train()
        return found.cpu().numpy()

    def _tensors(self) -> Tensors:
        """All tensors that change from step to step, by name."""
        moments = {f"optimiser.{name}": tensor for name, tensor in self.optimiser.tensors.items()}
        return moments | {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}

    def _optimiser(self) -> Adam | Sgd:
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        if self.settings.optimiser == "sgd":
            return Sgd(self.network, rate, self.settings.momentum, decay)
        return Adam(self.network, rate, decay, self.device)

    def _save(self) -> None:
        tensors = self._tensors() | random_states(self.generator)
        self.checkpoint.save(tensors, self.record | {"seconds": time.perf_counter() - self.start})

    def _resume(self) -> list[dict]:
        """The curve so far, after taking the state from the checkpoint if there is one."""
        kept = self.checkpoint.load() if self.checkpoint else None
        if kept:
            tensors, self.record = kept
            restore(tensors, self._tensors(), self.generator)
            self.start -= self.record["seconds"]
            log.info("resumed after epoch %d", len(self.record["curve"]))
        return self.record["curve"]


class ClassifierTraining:
    """A classifier fitted to descriptors; the probabilities are the softmax of its decision values.

    Their order is the classifier's; their size is not calibrated. A class that no training sequence has gets 0.
    """

    def __init__(
        self, peer: Peer, maps: torch.Tensor, held_out: torch.Tensor, labels: np.ndarray, classes: int
    ) -> None:
        self.start, self.peer, self.labels, self.classes = time.perf_counter(), peer, labels, classes
        self.maps, self.held_out = maps, held_out

    def run(self) -> Trained:
        """Describe all sequences, fit, predict. Raises InputError if all training sequences have one class."""
        self.fit()
        found = self.predict()
        return Trained(None, [], found, 0, time.perf_counter() - self.start, 1, len(self.labels))

    def fit(self) -> None:
        """Fit the classifier to the training sequences."""
        if len(set(self.labels.tolist())) < 2:
            raise InputError(f"peer {self.peer.name}: all training sequences have one class; it needs two or more")
        self.classifier = self.peer.module.classifier(self.peer.settings)
        self.classifier.fit(self._describe(self.maps), self.labels)

    def predict(self) -> np.ndarray:
        """Class probabilities (S, L) of the held-out sequences."""
        values = self.classifier.decision_function(self._describe(self.held_out))
        if values.ndim == 1:  # of two classes: how much the second is preferred
            values = np.stack([-values, values], axis=1)
        found = np.full((len(values), self.classes), -np.inf)
        found[:, self.classifier.classes_] = values
        found = np.exp(found - found.max(axis=1, keepdims=True))
        return (found / found.sum(axis=1, keepdims=True)).astype(np.float32)

    def _describe(self, maps: torch.Tensor) -> np.ndarray:
        return self.peer.module.describe(maps.cpu(), self.peer.settings)
