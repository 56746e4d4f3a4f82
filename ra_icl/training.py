"""Training of one LOSO fold: batches, the Siamese step, the schedule, predictions."""

import logging
import math
import time
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from ra_icl import losses
from ra_icl.augmentation import AugmentationOptions, mirror, share, transform
from ra_icl.checkpoint import Checkpoint, State
from ra_icl.errors import InputError
from ra_icl.instances import InputOptions, InstanceSets
from ra_icl.losses import LossOptions
from ra_icl.model.attention import flip
from ra_icl.model.options import ModelOptions
from ra_icl.model.regions import region_heatmaps, sinkhorn
from ra_icl.model.siamese import Siamese, View
from ra_icl.options import require_choice

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OptimiserOptions:
    """Adam with exponential decay of the learning rate each epoch.

    select: "last" (the last epoch's network) or "best_on_held_out" (the epoch that is best on the held-out subject:
    a leak, kept to show its size; every table then says so). precision: "fp32", "bf16" (autocast) or "auto": bf16
    where the device computes in it.
    """

    epochs: int = 100
    batch: int = 32
    learning_rate: float = 0.001
    weight_decay: float = 0.0001
    gamma: float = 0.9
    precision: str = "auto"
    select: str = "last"

    def __post_init__(self) -> None:
        require_choice("precision", self.precision, ("auto", "bf16", "fp32"))
        require_choice("select", self.select, ("last", "best_on_held_out"))
        if min(self.epochs, self.batch) < 1 or self.learning_rate <= 0 or not 0 < self.gamma <= 1:
            raise ValueError("epochs and batch must be at least 1, learning_rate positive, gamma in (0, 1]")


@dataclass(frozen=True)
class MethodOptions:
    """Everything of a method that training needs; a method of the config is a set of overrides of these."""

    input: InputOptions = field(default_factory=InputOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    augmentation: AugmentationOptions = field(default_factory=AugmentationOptions)
    training: OptimiserOptions = field(default_factory=OptimiserOptions)

    @property
    def consistent(self) -> bool:
        """Whether a target network takes part: the IRC or the MRD module is on."""
        return self.loss.attention > 0 or self.loss.regions > 0


@dataclass(frozen=True)
class Trained:
    """A finished fold: the network, its per-epoch loss terms and the held-out probabilities (S, L)."""

    model: Siamese
    curve: list[dict]
    probabilities: np.ndarray
    epoch: int
    seconds: float


class Terms(NamedTuple):
    """Loss terms by name and, with region discovery, the share of pixels that each query wins (N,)."""

    losses: dict[str, torch.Tensor]
    wins: torch.Tensor | None = None


def siamese_terms(
    model: Siamese,
    pair: tuple[torch.Tensor, torch.Tensor],
    labels: torch.Tensor,
    options: MethodOptions,
    generator: torch.Generator,
    class_weights: torch.Tensor | None = None,
) -> Terms:
    """All loss terms of a batch of instance pairs, both directions (Eqs. 4, 6, 10, 14).

    The online network sees T_theta(I_p), T_theta(I_q); the target sees the flipped T_xi(I_q), T_xi(I_p). Eqs. 4 and 6
    are averaged over the two directions, Eqs. 10 and 14 summed as printed.
    """
    augmentation = options.augmentation
    seen = torch.cat(pair)
    followed = torch.cat(pair[::-1])
    if augmentation.flip_target:
        followed = mirror(followed, augmentation.mirror_negates_u)
    online = model.online(transform(seen, augmentation, generator))
    with torch.no_grad():
        target = model.target(transform(followed, augmentation, generator))
    terms = {"cls": losses.classification_loss(online.logits, labels.repeat(2), class_weights)}
    undo = flip if augmentation.flip_target else torch.Tensor.contiguous
    if options.loss.attention:
        terms["acl"] = losses.attention_consistency(online.attention, undo(target.attention))
    if not options.loss.regions:
        return Terms(terms)
    terms |= _region_terms(model, online, target, undo, options)
    return Terms(terms, _wins(online.similarity.detach()))


def _region_terms(model: Siamese, online: View, target: View, undo, options: MethodOptions) -> dict[str, torch.Tensor]:
    regions = options.model.regions
    heatmaps = undo(region_heatmaps(target.similarity, regions.target_temperature))
    if regions.sinkhorn:
        heatmaps = sinkhorn(heatmaps, regions.sinkhorn)
    directions = 2  # the batch holds both: the mean over it times two is the sum of Eqs. 10 and 14
    align = losses.alignment(online.similarity, heatmaps, regions.temperature)
    consistency = losses.region_consistency(model.predict(online.embeddings), target.embeddings)
    terms = {"align": directions * align, "c": directions * consistency}
    if options.loss.entropy:
        terms["entropy"] = losses.mean_entropy(online.similarity, regions.temperature)
    return terms


def classifier_terms(
    model: Siamese,
    pair: tuple[torch.Tensor, torch.Tensor],
    labels: torch.Tensor,
    options: MethodOptions,
    generator: torch.Generator,
    class_weights: torch.Tensor | None = None,
) -> Terms:
    """The plain classifier of M1 and M2: one instance a sequence, Eq. 4 alone."""
    logits = model.online.classify(transform(pair[0], options.augmentation, generator))
    return Terms({"cls": losses.classification_loss(logits, labels, class_weights)})


def _wins(similarity: torch.Tensor) -> torch.Tensor:
    """Share of pixels (N,) that each query wins: a collapse onto one region shows here."""
    winners = functional.one_hot(similarity.argmax(dim=1), similarity.shape[1])
    return winners.float().mean(dim=(0, 1, 2))


def train(
    training: InstanceSets,
    held_out: InstanceSets,
    classes: int,
    options: MethodOptions,
    seed: int,
    device: str,
    checkpoint: Checkpoint | None = None,
) -> Trained:
    """Train on `training` and predict `held_out`, which is looked at once, after the last epoch.

    checkpoint: keeps the state after epochs, and gives it back to go on from; the result is that of a training without
    a break (bit for bit on a CPU). Raises InputError where the loss is no longer finite, Stopped where it was asked to.
    """
    start = time.perf_counter()
    torch.manual_seed(seed)
    generator = torch.Generator(device=device).manual_seed(seed)
    model = Siamese(classes, options.model, discover=options.loss.regions > 0)
    model = model.to(device, memory_format=torch.channels_last).train()
    trainer = _Trainer(model, training, classes, options, generator, device)
    state = State(model, trainer.optimiser, trainer.schedule, generator)
    state.record = {"curve": [], "best": [-1.0, 0], "seconds": 0.0}
    kept = checkpoint.load() if checkpoint else None
    if kept:
        state.restore(*kept)
        log.info("resumed after epoch %d", len(state.record["curve"]))
    record, before = state.record, state.record["seconds"]
    for epoch in range(len(record["curve"]) + 1, options.training.epochs + 1):
        record["curve"].append(trainer.epoch(epoch))
        if options.training.select == "best_on_held_out":
            score, network = _leaky_score(trainer, held_out)
            if score > record["best"][0]:
                record["best"], state.best = [score, epoch], network
        record["seconds"] = before + time.perf_counter() - start
        if checkpoint:
            checkpoint.after_epoch(state)
    if state.best:
        model.load_state_dict(state.best)
    probabilities = trainer.predict(held_out)
    seconds = before + time.perf_counter() - start
    return Trained(model, record["curve"], probabilities, record["best"][1] or options.training.epochs, seconds)


class _Trainer:
    """The state of a fold in training: network, optimiser, schedule and random generator."""

    def __init__(
        self, model: Siamese, data: InstanceSets, classes: int, options: MethodOptions, generator, device: str
    ) -> None:
        settings = options.training
        learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.model, self.data, self.options, self.generator = model, data, options, generator
        self.device, self.terms = device, siamese_terms if options.consistent else classifier_terms
        self.optimiser = torch.optim.Adam(learned, lr=settings.learning_rate, weight_decay=settings.weight_decay)
        self.schedule = torch.optim.lr_scheduler.ExponentialLR(self.optimiser, settings.gamma)
        self.class_weights = None
        if options.loss.class_weights == "balanced":
            self.class_weights = balanced_weights(data.labels, classes)

    def epoch(self, number: int) -> dict:
        """One pass over the training sequences; returns the mean of every loss term (and of `wins`)."""
        order = torch.randperm(len(self.data), generator=self.generator, device=self.device)
        batches = order.tensor_split(math.ceil(len(order) / self.options.training.batch))
        steps = [self.step(rows) for rows in batches]
        self.schedule.step()
        means = {name: torch.stack([step[name] for step in steps]).mean(dim=0).tolist() for name in steps[0]}
        log.info("epoch %d/%d %s", number, self.options.training.epochs, _format(means))
        if not math.isfinite(means["loss"]):
            raise InputError(
                f"training.learning_rate: the loss is {means['loss']} in epoch {number}; lower the rate or use fp32"
            )
        return means

    def step(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        """One optimiser step on the sequences `rows`; returns the detached loss terms."""
        pair = self.data.draw_pair(rows, self.generator)
        pair = share(pair, self.options.augmentation, self.generator)
        with self._autocast():
            labels = self.data.labels[rows]
            terms, wins = self.terms(self.model, pair, labels, self.options, self.generator, self.class_weights)
        loss = losses.objective(terms, self.options.loss)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        if self.options.consistent:
            self.model.update_target()
        values = {"loss": loss, **terms} if wins is None else {"loss": loss, **terms, "wins": wins}
        return {name: value.detach() for name, value in values.items()}

    @torch.no_grad()
    def predict(self, held_out: InstanceSets) -> np.ndarray:
        """Class probabilities (S, L) of the online network on the middle instances."""
        self.model.eval()
        with self._autocast():
            logits = [self.model.online.classify(maps) for maps in held_out.middle().split(256)]
        self.model.train()
        return torch.cat(logits).float().softmax(dim=1).cpu().numpy()

    def _autocast(self) -> torch.autocast:
        enabled = resolve_precision(self.options.training.precision, self.device) == "bf16"
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=enabled)


def resolve_precision(precision: str, device: str) -> str:
    """What "auto" means: bf16 on a GPU or a CPU with bf16 instructions (elsewhere it is emulated, and far slower)."""
    if precision != "auto":
        return precision
    native = device.startswith("cuda") or torch.cpu._is_avx512_bf16_supported()
    return "bf16" if native else "fp32"


def balanced_weights(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Weights (L,) inverse to the classes' frequency among the training sequences; 1 on average per sequence."""
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return len(labels) / (classes * counts.float())


def _leaky_score(trainer: _Trainer, held_out: InstanceSets) -> tuple[float, dict]:
    """Accuracy on the held-out subject and the network that reached it: only for select "best_on_held_out"."""
    hits = trainer.predict(held_out).argmax(axis=1) == held_out.table["label"].to_numpy()
    state = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    return float(hits.mean()), state


def _format(means: dict) -> str:
    shown = {name: np.round(value, 4).tolist() for name, value in means.items()}
    return " ".join(f"{name} {value}" for name, value in shown.items())
