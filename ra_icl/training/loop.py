"""Training of one LOSO fold: epochs, the schedule, checkpoints, predictions."""

import logging
import math
import time
from dataclasses import dataclass

import numpy as np
import torch

from ra_icl.errors import InputError
from ra_icl.model.siamese import Siamese
from ra_icl.training.checkpoint import Checkpoint, State
from ra_icl.training.instances import InstanceSets
from ra_icl.training.method import MethodOptions
from ra_icl.training.step import Stepper, autocast, fix_kernels

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A finished fold: the network, its per-epoch loss terms and the held-out probabilities (S, L)."""

    model: Siamese
    curve: list[dict]
    probabilities: np.ndarray
    epoch: int
    seconds: float


class Training:
    """A fold in training: on `training`, then a look at `held_out`, once, after the last epoch.

    checkpoint: keeps the state after epochs, and gives it back to go on from; the result is that of a training without
    a break (bit for bit on a CPU). stream: that of a fold that has ended, to go on with; else it gets one of its own.
    `run` is the whole of it.
    `start_epoch` puts the steps of an epoch on the device's queue, `end_epoch` waits for them: several folds of one
    process that are started before the first is waited for share a GPU, each on a stream of its own.
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
        stream: "torch.cuda.Stream | None" = None,
    ) -> None:
        self.clock, self.held_out, self.options, self.checkpoint = time.perf_counter(), held_out, options, checkpoint
        fix_kernels()
        self.stream = stream or stream_of(device)
        torch.manual_seed(seed)
        generator = torch.Generator(device=device).manual_seed(seed)
        model = Siamese(classes, options.model, discover=options.loss.regions > 0)
        with torch.cuda.stream(self.stream):  # None, on a CPU, does nothing
            self.model = model.to(device, memory_format=torch.channels_last).train()
            self.stepper = Stepper(self.model, training, classes, options, generator)
            self.state = State(self.model, self.stepper.optimiser, generator)
            self.state.record = {"curve": [], "best": [-1.0, 0], "seconds": 0.0}
            kept = checkpoint.load() if checkpoint else None
            if kept:
                self.state.restore(*kept)
                log.info("resumed after epoch %d", len(self.curve))
        self.before = self.state.record["seconds"]

    @property
    def curve(self) -> list[dict]:
        """The means of the loss terms in each epoch that has ended."""
        return self.state.record["curve"]

    @property
    def finished(self) -> bool:
        """Whether the last epoch has ended."""
        return len(self.curve) >= self.options.training.epochs

    @property
    def seconds(self) -> float:
        """Seconds since the start, those before a break included."""
        return self.before + time.perf_counter() - self.clock

    def run(self) -> Trained:
        """Train to the last epoch and predict.

        Raises InputError where the loss is no longer finite, Stopped where the checkpoint was asked to stop.
        """
        while not self.finished:
            self.start_epoch()
            self.end_epoch()
        return self.result()

    def start_epoch(self) -> None:
        """Queue one pass over the training sequences, in an order drawn on the device."""
        settings, count = self.options.training, len(self.stepper.data)
        with torch.cuda.stream(self.stream):
            self.stepper.set_rate(settings.learning_rate * settings.gamma ** len(self.curve))
            order = torch.randperm(count, generator=self.stepper.generator, device=self.stepper.device)
            for rows in order.tensor_split(math.ceil(count / settings.batch)):
                self.stepper(rows)

    def end_epoch(self) -> None:
        """Wait for the epoch, note its loss terms, keep the state where it is time to."""
        with torch.cuda.stream(self.stream):
            means = self.stepper.take_means()
            self.curve.append(means)
            log.info("epoch %d/%d %s", len(self.curve), self.options.training.epochs, _format(means))
            if not math.isfinite(means["loss"]):
                raise InputError(
                    f"training.learning_rate: the loss is {means['loss']} in epoch {len(self.curve)}; "
                    "lower the rate or use fp32"
                )
            if self.options.training.select == "best_on_held_out":
                self._keep_the_best()
            self.state.record["seconds"] = self.seconds
            if self.checkpoint:
                self.checkpoint.after_epoch(self.state, self.finished)

    def result(self) -> Trained:
        """Predict the held-out subject; to be called once, after the last epoch."""
        with torch.cuda.stream(self.stream):
            if self.state.best:
                self.model.load_state_dict(self.state.best)
            probabilities = self.predict()
        epoch = self.state.record["best"][1] or self.options.training.epochs
        return Trained(self.model, self.curve, probabilities, epoch, self.seconds)

    @torch.no_grad()
    def predict(self) -> np.ndarray:
        """Class probabilities (S, L) of the online network on the held-out subject's middle instances."""
        self.model.eval()
        with autocast(self.options.training.precision, self.stepper.device):
            logits = [self.model.online.classify(maps) for maps in self.held_out.middle().split(256)]
        self.model.train()
        return torch.cat(logits).float().softmax(dim=1).cpu().numpy()

    def _keep_the_best(self) -> None:
        """The network that is most accurate on the held-out subject: only for select "best_on_held_out", a leak."""
        hits = self.predict().argmax(axis=1) == self.held_out.table["label"].to_numpy()
        if hits.mean() > self.state.record["best"][0]:
            self.state.record["best"] = [float(hits.mean()), len(self.curve)]
            self.state.best = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}


def stream_of(device: str) -> "torch.cuda.Stream | None":
    """A stream of its own on CUDA, where a graph cannot be recorded on the default one; None on a CPU."""
    if not device.startswith("cuda"):
        return None
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))  # the data were copied on that one
    return stream


def _format(means: dict) -> str:
    shown = {name: np.round(value, 4).tolist() for name, value in means.items()}
    return " ".join(f"{name} {value}" for name, value in shown.items())
