"""What a peer costs, measured on random maps: parameters, arithmetic, seconds of a clip and of a step."""

import math
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from ra_icl.peers.registry import Peer
from ra_icl.training.peers import ClassifierTraining, NetworkTraining

COUNTED = 4  # sequences of the step whose FLOPs are counted; they grow with the batch
TIMED = 7  # predictions of a clip, or steps; their median counts
MEASURED = 32  # sequences of a step that is measured on a CPU: from there on, time grows with the batch
STEPS = 3  # that are measured
FITTED = 60  # random sequences that a classifier is fitted to before its prediction is timed


class PeerCosts:
    """The costs of a peer fed maps of `size` pixels and `channels` channels, or `frames` frames of one channel."""

    def __init__(self, peer: Peer, classes: int, size: int, channels: int, frames: int) -> None:
        self.peer, self.classes = peer, classes
        self.shape = (frames, 1, size, size) if peer.module.FED == "frames" else (channels, size, size)

    def parameters(self) -> int | None:
        """Parameters of the network; None for a classifier of descriptors."""
        if not self.peer.trains_network:
            return None
        network = self.peer.module.network(self.classes, self.peer.settings)
        return sum(parameter.numel() for parameter in network.parameters())

    def flops_of_clip(self) -> int | None:
        """FLOPs of predicting one sequence; None for a classifier of descriptors."""
        return flops_of(self._training(COUNTED, 1, "cpu").predict) if self.peer.trains_network else None

    def flops_of_step(self) -> int | None:
        """FLOPs of one step of the optimiser; None for a classifier of descriptors."""
        if not self.peer.trains_network:
            return None
        training = self._training(COUNTED, 1, "cpu")
        return flops_of(lambda: training.step(torch.arange(COUNTED))) * self.peer.settings.batch // COUNTED

    def seconds_of_clip(self, device: str) -> float:
        """Seconds that predicting one sequence takes, with one CPU thread; the median."""
        torch.set_num_threads(1)
        clip = self._maps(1, device)
        if self.peer.trains_network:
            training = self._training(COUNTED, 1, device)
            prepare, settings = self.peer.module.prepare, self.peer.settings

            def predict() -> None:
                training.held_out = prepare(clip, settings)
                training.predict()  # returns an array of the CPU, so it waits for the device

        else:
            fitting = ClassifierTraining(
                self.peer, self._maps(FITTED, "cpu"), clip, self._labels(FITTED).numpy(), self.classes
            )
            fitting.fit()
            predict = fitting.predict
        return median_seconds(predict)

    def seconds_of_step(self, device: str) -> float:
        """Seconds of one optimiser step with the peer's batch; of a classifier, of one sequence of its training."""
        torch.set_num_threads(1)
        if not self.peer.trains_network:
            maps, labels = self._maps(FITTED, "cpu"), self._labels(FITTED).numpy()
            training = ClassifierTraining(self.peer, maps, maps[:1], labels, self.classes)
            return median_seconds(training.fit) / FITTED
        batch = self.peer.settings.batch
        measured = batch if device == "cuda" else min(batch, MEASURED)
        training, rows = self._training(measured, 1, device), torch.arange(measured, device=device)
        return median_seconds(lambda: training.step(rows).tolist(), times=STEPS) * batch / measured

    def _training(self, sequences: int, held_out: int, device: str) -> NetworkTraining:
        maps = (self._maps(number, device) for number in (sequences, held_out))
        return NetworkTraining(self.peer, *maps, self._labels(sequences).to(device), self.classes, 0, device)

    def _maps(self, sequences: int, device: str) -> torch.Tensor:
        values = np.random.default_rng(0).random((sequences, *self.shape), dtype=np.float32)
        return torch.from_numpy(values).to(device)

    def _labels(self, sequences: int) -> torch.Tensor:
        return torch.arange(sequences) % self.classes


def steps_of_training(peer: Peer, sequences: int) -> int:
    """Steps, as `PeerCosts.seconds_of_step` counts them, of a training on so many sequences."""
    return peer.settings.epochs * math.ceil(sequences / peer.settings.batch) if peer.trains_network else sequences


def flops_of(act: Callable[[], object]) -> int:
    """FLOPs of what `act` computes on the CPU."""
    mapping = {torch.ops.aten.convolution_backward: _flops_of_gradients}
    # Of attention the counter sees the products of matrices only, not the fused kernel.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        act()
    return counter.get_total_flops()


def _flops_of_gradients(out, inputs, weight, bias, stride, padding, dilation, transposed, *rest, **_) -> int:
    """FLOPs of a convolution's backward pass, from shapes: each gradient costs what the convolution does.

    PyTorch's own count takes grouped weights for whole ones.
    """
    output_mask = rest[-1]
    return sum(output_mask[:2]) * conv_flop_count(inputs, weight, out, transposed)


def median_seconds(act: Callable[[], object], times: int = TIMED) -> float:
    """Seconds that `act` takes, the median of `times`; it has to wait for the device."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - start)
    return median(seconds)
