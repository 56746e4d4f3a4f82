"""Training of one fold: epochs, learning rate schedule, checkpoints, predictions."""

import logging
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ra_icl.errors import InputError
from ra_icl.model.siamese import Branch, Siamese
from ra_icl.training.checkpoint import Checkpoint, Tensors, random_states, restore
from ra_icl.training.device import fix_kernels, on_stream, stream_of
from ra_icl.training.diagnostics import diagnose
from ra_icl.training.instances import InstanceSets, pairs_of
from ra_icl.training.method import MethodOptions
from ra_icl.training.prediction import predict
from ra_icl.training.step import Stepper

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A finished fold.

    network: the one that predicts; a classifier of descriptors has none. curve: for each epoch the mean loss terms and
    what `diagnose` tells. probabilities: of the held-out sequences, (S, L). epoch: after which the network predicts.
    steps, images: steps of the optimiser, and instances that were classified in them. epochs: the held-out
    probabilities after each epoch (E, S, L), if they were asked for.
    """

    network: Branch
    curve: list[dict]
    probabilities: np.ndarray
    epoch: int
    seconds: float
    steps: int
    images: int
    epochs: np.ndarray | None = None


class Training:
    """A fold in training; `run` does all of it.

    training: the sets to train on. held_out: the sets to predict, read once, after the last epoch; with
    `training.select: best_on_held_out`, the leak, after each. checkpoint: where the state is saved, and from which
    training resumes; the result is that of an uninterrupted training (bit for bit on a CPU). keep_epochs: also predict
    the held-out sets after each epoch, which changes nothing else.
    """

    def __init__(
        self,
        training: InstanceSets,
        held_out: InstanceSets,
        classes: int,
        options: MethodOptions,
        seed: int,
        device: str,
        checkpoint: Checkpoint | None = None,
        keep_epochs: bool = False,
    ) -> None:
        self.start, self.held_out, self.options, self.checkpoint = time.perf_counter(), held_out, options, checkpoint
        self.keep_epochs = keep_epochs
        if training.maps.shape[1] != 3:
            raise InputError(
                f"the flow has {training.maps.shape[1]} channels, and Ra-ICL reads u, v and strain; give other flow"
            )
        fix_kernels()
        self.stream = stream_of(device)
        torch.manual_seed(seed)
        self.generator = torch.Generator(device=device).manual_seed(seed)
        model = Siamese(classes, options.model, discover=options.loss.regions > 0)
        with on_stream(self.stream):
            self.model = model.to(device, memory_format=torch.channels_last).train()
            self.stepper = Stepper(self.model, training, classes, options, self.generator)
            # The sequences of an epoch, each as often as pairs are drawn from it.
            self.rows = torch.arange(len(training), device=device).repeat_interleave(
                pairs_of(training, options.training)
            )
            self.steps_per_epoch = math.ceil(len(self.rows) / options.training.batch)
        # What a checkpoint keeps beside the state of the step.
        self.record: dict[str, Any] = {"curve": [], "best": None, "seconds": 0.0, "epochs": []}
        self.best: Tensors = {}

    def run(self) -> Trained:
        """Train to the last epoch, then predict the held-out subject.

        Raises InputError if the loss is no longer finite, and Stopped if the checkpoint was asked to stop.
        """
        epochs = self.options.training.epochs
        with on_stream(self.stream):
            self._resume()
            done = len(self.record["curve"])
            bar = tqdm(range(done + 1, epochs + 1), "training", epochs, initial=done, unit="epoch", disable=None)
            for number in bar:
                self.epoch()
                bar.set_postfix({name: self.record["curve"][-1][name] for name in ("loss", "accuracy")})
                if self.checkpoint and number < epochs and self.checkpoint.due():
                    self._save()
            if self.best:
                self.model.load_state_dict(self.best)
            probabilities = self.predict()
        epoch = self.record["best"]["epoch"] if self.record["best"] else epochs
        steps = len(self.record["curve"]) * self.steps_per_epoch
        images = len(self.record["curve"]) * len(self.rows) * self.options.classified
        kept = np.array(self.record["epochs"], dtype=probabilities.dtype) if self.keep_epochs else None
        return Trained(self.network, self.record["curve"], probabilities, epoch, self._seconds(), steps, images, kept)

    def epoch(self) -> None:
        """One pass over the training pairs, in an order drawn on the device; notes the mean loss terms."""
        settings, curve = self.options.training, self.record["curve"]
        self.stepper.optimiser.set_rate(settings.learning_rate * settings.gamma ** len(curve))
        order = torch.randperm(len(self.rows), generator=self.generator, device=self.stepper.device)
        for number, rows in enumerate(self.rows[order].tensor_split(self.steps_per_epoch)):
            self.stepper.decay.fill_(self.decay(len(curve) * self.steps_per_epoch + number))
            self.stepper(rows)
        curve.append(self.stepper.take_means() | diagnose(self.stepper, len(curve)))
        log.info("epoch %d/%d %s", len(curve), settings.epochs, _format(curve[-1]))
        loss = curve[-1]["loss"]
        if not math.isfinite(loss):
            raise InputError(
                f"training.learning_rate: the loss is {loss} in epoch {len(curve)}; lower the rate or use fp32"
            )
        if self.keep_epochs:
            self.record["epochs"].append(self.predict().tolist())
        if settings.select == "best_on_held_out":
            self._keep_the_best()

    def decay(self, step: int) -> float:
        """tau of Eq. 3 in a step of the whole training, counted from 0; it may rise along a cosine, as in BYOL."""
        start, end = self.options.model.target_decay, self.options.model.target_decay_end
        if end is None:
            return start
        progress = step / (self.options.training.epochs * self.steps_per_epoch)
        return end - (end - start) * (math.cos(math.pi * progress) + 1) / 2

    def predict(self) -> np.ndarray:
        """Class probabilities (S, L) of the held-out sequences."""
        return predict(self.network, self.held_out, self.options)

    @property
    def network(self) -> Branch:
        """The branch that predicts."""
        return self.model.target if self.options.inference.network == "target" else self.model.online

    def _keep_the_best(self) -> None:
        """Keep the latest network that is best on the held-out subject: a leak, which `select` turns on."""
        hits = self.predict().argmax(axis=1) == self.held_out.table["label"].to_numpy()
        if self.record["best"] is None or hits.mean() >= self.record["best"]["accuracy"]:
            self.record["best"] = {"accuracy": float(hits.mean()), "epoch": len(self.record["curve"])}
            self.best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}

    def _state(self) -> Tensors:
        """All tensors that change from step to step, by name; the learning rate follows from the epoch."""
        model = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        return model | {f"adam.{name}": tensor for name, tensor in self.stepper.optimiser.tensors.items()}

    def _save(self) -> None:
        best = {f"best.{name}": tensor for name, tensor in self.best.items()}
        tensors = self._state() | best | random_states(self.generator)
        self.checkpoint.save(tensors, self.record | {"seconds": self._seconds()})

    def _resume(self) -> None:
        kept = self.checkpoint.load() if self.checkpoint else None
        if not kept:
            return
        tensors, self.record = kept
        restore(tensors, self._state(), self.generator)
        self.best = {name[5:]: tensor for name, tensor in tensors.items() if name.startswith("best.")}
        self.start -= self.record["seconds"]
        log.info("resumed after epoch %d", len(self.record["curve"]))

    def _seconds(self) -> float:
        """Seconds of training so far, those before an interruption included."""
        return time.perf_counter() - self.start


def _format(means: dict) -> str:
    pulls = {f"pull_{name}": value for name, value in means["gradients"].items()}
    plain = {name: value for name, value in means.items() if name != "gradients"} | pulls
    shown = {name: np.round(value, 4).tolist() for name, value in plain.items()}
    return " ".join(f"{name} {value}" for name, value in shown.items())
