"""Adam, as PyTorch's fused kernel computes it."""

import torch
from torch.optim.adam import adam


class Adam:
    """Adam with L2 weight decay over all parameters of a model that learn, in one kernel.

    It calls the function behind `torch.optim.Adam`. The class imports PyTorch's compiler when it is constructed, which
    adds about a second to the start of every fold. `tensors` are its state by name. On CUDA the learning rate is a
    tensor on the device, where a recorded step reads it.
    """

    def __init__(self, model: torch.nn.Module, rate: float, weight_decay: float, device: torch.device) -> None:
        self.parameters = {name: value for name, value in model.named_parameters() if value.requires_grad}
        self.weight_decay = weight_decay
        self.on_gpu = device.type == "cuda"
        self.rate = torch.tensor(rate, device=device) if self.on_gpu else rate
        self.steps = torch.zeros(len(self.parameters), device=device)
        # In the memory layout of their parameters, because the kernel walks all three in the order of memory.
        self.first = {name: torch.zeros_like(value) for name, value in self.parameters.items()}
        self.second = {name: torch.zeros_like(value) for name, value in self.parameters.items()}

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """The steps done and both moments of every parameter, by name."""
        first = {f"first.{name}": moment for name, moment in self.first.items()}
        second = {f"second.{name}": moment for name, moment in self.second.items()}
        return {"steps": self.steps} | first | second

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of all following steps, recorded ones included."""
        if self.on_gpu:
            self.rate.fill_(rate)
        else:
            self.rate = rate

    def zero_grad(self) -> None:
        """Discard the gradients."""
        for parameter in self.parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter by its gradient."""
        parameters = list(self.parameters.values())
        adam(
            parameters,
            [parameter.grad for parameter in parameters],
            list(self.first.values()),
            list(self.second.values()),
            [],
            list(self.steps.unbind()),
            fused=True,
            capturable=self.on_gpu,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.rate,
            weight_decay=self.weight_decay,
            eps=1e-8,
            maximize=False,
        )
