"""One optimiser step of a fold on its device: as it comes on a CPU, as a CUDA graph on a GPU."""

from collections.abc import Callable
from typing import Any

import torch

from ra_icl.model.siamese import Siamese
from ra_icl.training import losses
from ra_icl.training.augmentation import share
from ra_icl.training.instances import InstanceSets
from ra_icl.training.method import MethodOptions
from ra_icl.training.objective import classifier_terms, siamese_terms

# Steps of a batch size that run as they come before one is recorded: cuDNN, cuBLAS and Adam set themselves up in them.
WARM_STEPS = 3


class Stepper:
    """Everything that changes in a step: network, optimiser, random stream, sums of the loss terms.

    A call takes the training sequences `rows` (B,) of a batch and puts one step on the device's queue: pairs drawn,
    augmented, both networks, Eq. 15, Adam, EMA. The host waits for nothing. On CUDA a step is recorded as a CUDA graph
    once for each batch size and replayed from then on; the steps before that count as any other.
    """

    def __init__(
        self, model: Siamese, data: InstanceSets, classes: int, options: MethodOptions, generator: torch.Generator
    ) -> None:
        self.model, self.data, self.options, self.generator = model, data, options, generator
        self.device = generator.device
        self.optimiser = adam(model, options.training.learning_rate, options.training.weight_decay, self.device)
        self.class_weights = None
        if options.loss.class_weights == "balanced":
            self.class_weights = balanced_weights(data.labels, classes)
        self.sums: dict[str, torch.Tensor] = {}
        self.steps = 0
        self._seen: dict[int, int] = {}
        self._recorded: dict[int, Callable[[torch.Tensor], None]] = {}
        self._pool = torch.cuda.graph_pool_handle() if self.device.type == "cuda" else None

    def __call__(self, rows: torch.Tensor) -> None:
        self.steps += 1
        size = len(rows)
        if size in self._recorded:
            self._recorded[size](rows)
            return
        self._seen[size] = self._seen.get(size, 0) + 1
        if self.device.type == "cuda" and self._seen[size] > WARM_STEPS:
            self._recorded[size] = record(self.step, rows, self.generator, self._pool)
            self._recorded[size](rows)
        else:
            self.step(rows)

    def set_rate(self, rate: float) -> None:
        """The learning rate of the steps to come, of recorded ones too."""
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

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

    def step(self, rows: torch.Tensor) -> None:
        """Queue one step on the sequences `rows`, and add its loss terms to `sums`."""
        pair = share(self.data.draw_pair(rows, self.generator), self.options.augmentation, self.generator)
        terms_of = siamese_terms if self.options.consistent else classifier_terms
        with autocast(self.options.training.precision, self.device):
            labels = self.data.labels[rows]
            terms, wins = terms_of(self.model, pair, labels, self.options, self.generator, self.class_weights)
        loss = losses.objective(terms, self.options.loss)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        if self.options.consistent:
            self.model.update_target()
        self._add({"loss": loss, **terms} | ({} if wins is None else {"wins": wins}))

    def _add(self, values: dict[str, torch.Tensor]) -> None:
        if not self.sums:
            self.sums = {name: torch.zeros_like(value, requires_grad=False) for name, value in values.items()}
        torch._foreach_add_(list(self.sums.values()), [value.detach() for value in values.values()])


def record(
    step: Callable[[torch.Tensor], None], rows: torch.Tensor, generator: torch.Generator, pool: Any
) -> Callable[[torch.Tensor], None]:
    """Record `step` on rows of this shape as a CUDA graph, without running it; returns what replays it on other rows.

    Has to be called on the stream that the fold runs on, which is not the device's default one. pool: memory that the
    graphs of a fold have in common, as they run one after the other and leave nothing in it for each other.
    """
    static, graph = rows.clone(), torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    stream = torch.cuda.current_stream()
    # thread_local: what another fold of this process does meanwhile on its own stream is not refused.
    with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
        step(static)

    def replay(chosen: torch.Tensor) -> None:
        static.copy_(chosen)
        graph.replay()

    return replay


def fix_kernels() -> None:
    """Let cuDNN take the same kernels in every run, and fp32 be fp32.

    A fold does not depend then on what is trained beside it; TF32, cuDNN's default, keeps 10 bits of a product's terms.
    """
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    torch.backends.cudnn.allow_tf32 = False


def adam(model: Siamese, rate: float, decay: float, device: torch.device) -> torch.optim.Adam:
    """Adam in one kernel over all parameters that learn; on CUDA its rate lies on the device, for graphs to read."""
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if device.type == "cuda":
        first = torch.tensor(rate, device=device)
        return torch.optim.Adam(learned, lr=first, weight_decay=decay, fused=True, capturable=True)
    return torch.optim.Adam(learned, lr=rate, weight_decay=decay, fused=True)


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which the networks run."""
    return torch.autocast(device.type, torch.bfloat16, enabled=resolve_precision(precision, device.type) == "bf16")


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
