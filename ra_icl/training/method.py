"""The options of a method: everything that the training of a fold depends on, besides its data."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from ra_icl.model.options import ModelOptions
from ra_icl.options import Help, Options, above, at_least, at_most, between

Probability = between(0, 1)


@dataclass(frozen=True)
class InputOptions(Options):
    """How flow maps become network inputs."""

    normalise: Annotated[
        Literal["instance", "set", "none"],
        Help(
            "instance: each channel of each instance to [0, 1], as public code does, which discards intensity; set: "
            "one scale for u and v and one for strain over a sequence's instances, zero motion at 0.5; none: as stored"
        ),
    ] = "instance"


@dataclass(frozen=True)
class LossOptions(Options):
    """The weights of Eq. 15, and terms that the paper does not have."""

    classification: Annotated[float, above(0), Help("lambda 1")] = 0.5
    attention: Annotated[float, at_least(0), Help("lambda 2; 0 turns the IRC module off")] = 0.5
    regions: Annotated[float, at_least(0), Help("lambda 3; 0 turns the MRD module off")] = 0.5
    attention_form: Annotated[
        Literal["printed", "squared"],
        Help("Eq. 6 as printed, norms divided by L h w; squared: the mean of squared differences, as the text has it"),
    ] = "printed"
    consistency_form: Annotated[
        Literal["printed", "byol"], Help("Eq. 14: minus one cosine per direction; byol: 2 - 2 cosines, twice the pull")
    ] = "printed"
    alignment: Annotated[float, at_least(0), Help("factor of L_align within the region term; the paper: 1")] = 1.0
    consistency: Annotated[float, at_least(0), Help("factor of L_c within the region term; the paper: 1")] = 1.0
    alignment_view: Annotated[
        Literal["cross", "same"],
        Help(
            "what the target's assignment is made from: the other instance, as in Eq. 9, or the online network's view"
        ),
    ] = "cross"
    class_weights: Annotated[
        Literal["none", "balanced"],
        Help("none: Eq. 4; balanced: inverse class frequency of the training subjects"),
    ] = "none"
    entropy: Annotated[
        float, at_least(0), Help("weight of a mean-entropy term that spreads the regions; the paper: 0")
    ] = 0.0
    decorrelation: Annotated[
        float, at_least(0), Help("weight of the squared cosines between the regions of an image; the paper: 0")
    ] = 0.0


@dataclass(frozen=True)
class AugmentationOptions(Options):
    """T_theta and T_xi (independent draws), and transforms that both instances of a sequence share.

    Colour jitter leaves hue alone, which means nothing for u, v and strain, and does not clamp values to [0, 1].
    Raises ValueError unless blur_sigma is in order.
    """

    brightness: Annotated[float, Probability, Help("colour jitter: factors are drawn from 1 - x to 1 + x")] = 0.4
    contrast: Annotated[float, Probability, Help("the same, about the sample's mean")] = 0.4
    saturation: Annotated[float, Probability, Help("the same, about the mean of the channels")] = 0.2
    blur: Annotated[float, Probability, Help("probability of a Gaussian blur")] = 0.5
    blur_sigma: Annotated[
        tuple[Annotated[float, above(0)], Annotated[float, above(0)]],
        Help("smallest and largest standard deviation of the blur, in pixels"),
    ] = (0.1, 2.0)
    flip: Annotated[float, Probability, Help("probability of flipping a whole sequence; the paper: 0")] = 0.0
    shift: Annotated[int, at_least(0), Help("largest translation of a whole sequence in pixels; the paper: 0")] = 0
    flip_negates_u: Annotated[
        bool,
        Help(
            "a flip also reverses horizontal motion (u becomes 1 - u, for inputs in [0, 1]), as a mirror does; the "
            "paper flips the image alone"
        ),
    ] = False
    flip_target: Annotated[
        bool, Help("T_xi flips the target's view, as in the paper; its maps are flipped back before any comparison")
    ] = True

    def __post_init__(self) -> None:
        if self.blur_sigma[0] > self.blur_sigma[1]:
            raise ValueError(f"blur_sigma is {list(self.blur_sigma)}; give the smaller standard deviation first")


@dataclass(frozen=True)
class OptimiserOptions(Options):
    """Adam, with a learning rate that decays exponentially per epoch."""

    epochs: Annotated[int, at_least(1), Help("epochs")] = 100
    batch: Annotated[int, at_least(1), Help("most pairs of instances per step; an epoch is split evenly")] = 32
    pairs: Annotated[
        Literal["sequences", "instances"] | Annotated[int, at_least(1)],
        Help(
            "pairs of a sequence per epoch; sequences: one; instances: one for each of its instances; a number: "
            "that many, but no more than it has frames after the onset"
        ),
    ] = "instances"
    classify: Annotated[
        Literal["one", "both"],
        Help("how many instances of a pair a classifier without IRC and MRD sees; with them both are classified"),
    ] = "one"
    learning_rate: Annotated[float, above(0), Help("learning rate of the first epoch")] = 0.001
    weight_decay: Annotated[float, at_least(0), Help("weight decay")] = 0.0001
    gamma: Annotated[float, above(0), at_most(1), Help("factor on the learning rate after each epoch")] = 0.9
    precision: Annotated[
        Literal["auto", "bf16", "fp32"],
        Help("bf16: autocast; auto: bf16 on devices that support it natively, else fp32"),
    ] = "auto"
    select: Annotated[
        Literal["last", "best_on_held_out"],
        Help(
            "last: the last epoch's network; best_on_held_out: the epoch that is best on the held-out subjects, a leak "
            "that is kept to show its size (every table then says so)"
        ),
    ] = "last"
    device: Annotated[Literal["auto", "cuda", "cpu"], Help("auto uses CUDA if PyTorch finds a GPU")] = "auto"


@dataclass(frozen=True)
class InferenceOptions(Options):
    """How a held-out sequence is predicted."""

    instances: Annotated[
        Literal["middle", "all"],
        Help("middle: the middle instance, as in the paper; all: the mean of the probabilities over the whole set"),
    ] = "middle"
    mirror: Annotated[bool, Help("also average over the mirror image of each instance")] = False
    network: Annotated[Literal["online", "target"], Help("which network predicts; the paper: online")] = "online"


@dataclass(frozen=True)
class MethodOptions(Options):
    """Everything of a method that training needs; a method of the config is a set of overrides of these.

    Raises ValueError if the target network is to predict where none is trained.
    """

    input: Annotated[InputOptions, Help("flow maps to network inputs")] = field(default_factory=InputOptions)
    model: Annotated[ModelOptions, Help("the network")] = field(default_factory=ModelOptions)
    loss: Annotated[LossOptions, Help("the loss, Eq. 15")] = field(default_factory=LossOptions)
    augmentation: Annotated[AugmentationOptions, Help("random transforms of the inputs")] = field(
        default_factory=AugmentationOptions
    )
    training: Annotated[OptimiserOptions, Help("optimiser and device")] = field(default_factory=OptimiserOptions)
    inference: Annotated[InferenceOptions, Help("prediction")] = field(default_factory=InferenceOptions)
    peer: Annotated[
        dict[str, Any],
        Help(
            "another method in place of Ra-ICL's: name, that of its file in ra_icl/peers, and those of its settings "
            "that differ from its defaults; of the options above only training.device counts then"
        ),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.inference.network == "target" and not self.consistent:
            raise ValueError("inference.network is target, but without IRC and MRD no target is trained; set online")

    @property
    def effective(self) -> "MethodOptions":
        """The options that have an effect: for a peer, which prepares its own input, its settings and the device."""
        if not self.peer:
            return self
        training = OptimiserOptions(device=self.training.device, precision="fp32")
        return MethodOptions(peer=self.peer, input=InputOptions(normalise="none"), training=training)

    @property
    def consistent(self) -> bool:
        """Whether a target network takes part: the IRC or the MRD module is on."""
        return self.loss.attention > 0 or self.loss.regions > 0

    @property
    def classified(self) -> int:
        """Instances classified per pair, 1 or 2."""
        return 2 if self.consistent or self.training.classify == "both" else 1
