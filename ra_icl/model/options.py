"""Options of the network."""

from dataclasses import dataclass, field

from ra_icl.options import require_choice


@dataclass(frozen=True)
class BackboneOptions:
    """The residual backbone; the defaults are ResNet18.

    stem: "standard" (7x7 convolution and max-pooling, input reduced by 4) or "small" (3x3, input not reduced).
    width: channels of the first stage; every further stage doubles them. blocks: residual blocks a stage.
    """

    stem: str = "standard"
    width: int = 64
    blocks: tuple = (2, 2, 2, 2)

    def __post_init__(self) -> None:
        require_choice("stem", self.stem, ("standard", "small"))
        if self.width < 1 or not self.blocks or min(self.blocks) < 1:
            raise ValueError("width and every entry of blocks must be at least 1")

    @property
    def channels(self) -> int:
        """C, the channels of the last feature map."""
        return self.width * 2 ** (len(self.blocks) - 1)


@dataclass(frozen=True)
class RegionOptions:
    """The multi-region discovery (MRD) module.

    queries: facial queries. width, layers, heads, feedforward: the Transformer decoder. hidden: hidden units of the
    projector H and the predictor G. embedding: D, the size of mask embeddings and of H's and G's output.
    temperature, target_temperature: divide the similarities before the softmax of Eq. 8 (1: the paper).
    sinkhorn: balancing iterations on the target's assignment (0: the paper).
    """

    queries: int = 8
    width: int = 256
    layers: int = 2
    heads: int = 8
    feedforward: int = 256
    hidden: int = 512
    embedding: int = 256
    temperature: float = 1.0
    target_temperature: float = 1.0
    sinkhorn: int = 0

    def __post_init__(self) -> None:
        if self.queries < 1 or self.width % self.heads or self.width % 4:
            raise ValueError("queries must be at least 1, and width a multiple of heads and of 4")
        if min(self.temperature, self.target_temperature) <= 0 or self.sinkhorn < 0:
            raise ValueError("temperatures must be positive, and sinkhorn 0 or more")


@dataclass(frozen=True)
class ModelOptions:
    """The whole network: `backbone`, `regions`, and the EMA's target decay rate tau (Eq. 3)."""

    backbone: BackboneOptions = field(default_factory=BackboneOptions)
    regions: RegionOptions = field(default_factory=RegionOptions)
    target_decay: float = 0.99

    def __post_init__(self) -> None:
        if not 0 <= self.target_decay <= 1:
            raise ValueError("target_decay must lie in [0, 1]")
