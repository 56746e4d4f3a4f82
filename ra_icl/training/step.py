"""One optimiser step of a fold on its device: eager on a CPU, replayed as a CUDA graph on a GPU."""

from collections.abc import Callable
from typing import Any

import torch

from ra_icl.model.siamese import Siamese
from ra_icl.training import losses
from ra_icl.training.adam import Adam
from ra_icl.training.augmentation import share
from ra_icl.training.device import autocast
from ra_icl.training.instances import InstanceSets
from ra_icl.training.method import MethodOptions
from ra_icl.training.objective import Terms, classifier_terms, siamese_terms

# Eager steps of a batch size before it is recorded as a graph; cuDNN, cuBLAS and Adam allocate their buffers in them.
WARM_STEPS = 3


class Stepper:
    """Everything that changes in a step: network, optimiser, random generator and sums of the loss terms.

    Calling it with the training sequences `rows` (B,) of a batch queues one step on the device; the host does not wait
    for the result. On CUDA a step is recorded as a CUDA graph once per batch size and replayed from then on.
    """

    def __init__(
        self, model: Siamese, data: InstanceSets, classes: int, options: MethodOptions, generator: torch.Generator
    ) -> None:
        self.model, self.data, self.options, self.generator = model, data, options, generator
        self.device = generator.device
        self.optimiser = Adam(model, options.training.learning_rate, options.training.weight_decay, self.device)
        balanced = options.loss.class_weights == "balanced"
        self.class_weights = balanced_weights(data.labels, classes) if balanced else None
        self.decay = torch.tensor(float(options.model.target_decay), device=self.device)  # tau of the next step
        self.sums: dict[str, torch.Tensor] = {}
        self.steps = 0
        self._eager_steps: dict[int, int] = {}
        self._recorded: dict[int, Callable[[torch.Tensor], None]] = {}
        self._pool = torch.cuda.graph_pool_handle() if self.device.type == "cuda" else None

    def __call__(self, rows: torch.Tensor) -> None:
        self.steps += 1
        if self.device.type == "cpu":
            self.step(rows)
            return
        size = len(rows)
        if size not in self._recorded and self._eager_steps.get(size, 0) < WARM_STEPS:
            self._eager_steps[size] = self._eager_steps.get(size, 0) + 1
            self.step(rows)
            return
        if size not in self._recorded:
            self._recorded[size] = record(self.step, rows, self.generator, self._pool)
        self._recorded[size](rows)

    def step(self, rows: torch.Tensor) -> None:
        """Queue one step on the sequences `rows` (B,), and add its loss terms to `sums`."""
        terms = self.terms(rows, self.generator)
        loss = losses.objective(terms.losses, self.options.loss)  # a scalar
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        if self.options.consistent:
            self.model.update_target(self.decay)
        self._add({"loss": loss, **terms.measures()})

    def terms(self, rows: torch.Tensor, generator: torch.Generator) -> Terms:
        """Draw a pair of each sequence in `rows` (B,), and the loss terms of both networks' views of them."""
        pair = self.data.draw_pair(rows, generator)  # I_p, I_q: (B, 3, H, W) each
        pair = share(pair, self.options.augmentation, generator)
        labels = self.data.labels[rows]  # (B,)
        terms_of = siamese_terms if self.options.consistent else classifier_terms
        with autocast(self.options.training.precision, self.device):
            return terms_of(self.model, pair, labels, self.options, generator, self.class_weights)

    def take_means(self) -> dict[str, Any]:
        """The mean of every loss term (and of `wins`) over the steps since the last call; waits for the device."""
        flat = torch.cat([total.flatten() for total in self.sums.values()]).tolist()
        means, start = {}, 0
        for name, total in self.sums.items():
            values = [value / self.steps for value in flat[start : start + total.numel()]]
            means[name] = values if total.ndim else values[0]
            start += total.numel()
        torch._foreach_zero_(list(self.sums.values()))
        self.steps = 0
        return means

    def _add(self, values: dict[str, torch.Tensor]) -> None:
        if not self.sums:
            self.sums = {name: torch.zeros_like(value, requires_grad=False) for name, value in values.items()}
        torch._foreach_add_(list(self.sums.values()), [value.detach() for value in values.values()])


def record(
    step: Callable[[torch.Tensor], None], rows: torch.Tensor, generator: torch.Generator, pool: Any
) -> Callable[[torch.Tensor], None]:
    """Record `step` on rows of this shape as a CUDA graph, without running it; returns a function that replays it.

    Must be called on the fold's stream, which is not the default one. pool: memory shared by the fold's graphs, which
    run one after another and pass nothing to each other.
    """
    static, graph = rows.clone(), torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph, pool=pool, stream=torch.cuda.current_stream()):
        step(static)

    def replay(chosen: torch.Tensor) -> None:
        static.copy_(chosen)
        graph.replay()

    return replay


def balanced_weights(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Weights (L,) inverse to the classes' frequency among the training sequences; 1 on average per sequence."""
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return len(labels) / (classes * counts.float())
