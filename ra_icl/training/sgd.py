"""Gradient descent with momentum, without the second that importing PyTorch's optimisers takes."""

import torch


class Sgd:
    """SGD with momentum and L2 weight decay over all parameters of a model, as `torch.optim.SGD` computes it.

    `tensors` are its state by name.
    """

    def __init__(self, model: torch.nn.Module, rate: float, momentum: float, weight_decay: float) -> None:
        self.parameters = dict(model.named_parameters())
        self.rate, self.momentum, self.weight_decay = rate, momentum, weight_decay
        self.velocity = {name: torch.zeros_like(value) for name, value in self.parameters.items()}

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """The velocity of every parameter, by name."""
        return {f"velocity.{name}": velocity for name, velocity in self.velocity.items()}

    def zero_grad(self) -> None:
        """Discard the gradients."""
        for parameter in self.parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter by its gradient."""
        for name, parameter in self.parameters.items():
            velocity = self.velocity[name].mul_(self.momentum).add_(parameter.grad)
            velocity.add_(parameter, alpha=self.weight_decay)
            parameter.sub_(velocity, alpha=self.rate)
