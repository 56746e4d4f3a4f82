"""The options of a method: everything that the training of a fold depends on, beside its data."""

from dataclasses import dataclass, field

from ra_icl.model.options import ModelOptions
from ra_icl.options import require_choice
from ra_icl.training.augmentation import AugmentationOptions
from ra_icl.training.instances import InputOptions
from ra_icl.training.losses import LossOptions


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
