"""Options of the network."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ra_icl.options import Help, Options, at_least, between, min_length

# Of a softmax over cosines: the smallest share, exp(-2 / T), is still a normal number in single precision.
COLDEST = 0.025


@dataclass(frozen=True)
class BackboneOptions(Options):
    """The residual backbone; the defaults are ResNet18."""

    stem: Annotated[
        Literal["standard", "small"],
        Help("standard: 7x7 convolution and max-pooling, input reduced by 4; small: 3x3, input not reduced"),
    ] = "standard"
    width: Annotated[int, at_least(1), Help("channels of the first stage; each further stage doubles them")] = 64
    blocks: Annotated[
        tuple[Annotated[int, at_least(1)], ...], min_length(1), Help("residual blocks per stage")
    ] = (2, 2, 2, 2)  # fmt: skip

    @property
    def channels(self) -> int:
        """C, the channels of the last feature map."""
        return self.width * 2 ** (len(self.blocks) - 1)


@dataclass(frozen=True)
class RegionOptions(Options):
    """The multi-region discovery (MRD) module.

    Raises ValueError for a decoder width that is not a multiple of its heads and of 4.
    """

    queries: Annotated[int, at_least(1), Help("facial queries")] = 8
    width: Annotated[int, at_least(4), Help("width of the Transformer decoder, a multiple of heads and of 4")] = 256
    layers: Annotated[int, at_least(1), Help("layers of the decoder")] = 2
    heads: Annotated[int, at_least(1), Help("attention heads of the decoder")] = 8
    feedforward: Annotated[int, at_least(1), Help("width of the decoder's feed-forward layers")] = 256
    hidden: Annotated[int, at_least(1), Help("hidden units of the projector H and the predictor G")] = 512
    embedding: Annotated[int, at_least(1), Help("D: size of the mask embeddings and of the output of H and G")] = 256
    decoder_input: Annotated[
        Literal["queries", "zeros"],
        Help("what the decoder starts from: the queries themselves, or zeros to which they are mere positions"),
    ] = "queries"
    dropout: Annotated[float, between(0, 0.9), Help("of the decoder; the paper has none")] = 0.0
    batch_masks: Annotated[
        bool,
        Help("average the mask embeddings over the batch, with a moving average for inference; the paper: per image"),
    ] = False
    projectors: Annotated[
        Literal["shared", "separate"], Help("one H for pixels and regions, as in the paper, or one for each")
    ] = "shared"
    temperature: Annotated[
        float, at_least(COLDEST), Help("of the online network's assignment, Eqs. 8-9; the paper has none, which is 1")
    ] = 1.0
    target_temperature: Annotated[
        float, at_least(COLDEST), Help("of the target's assignment; below `temperature` it sharpens")
    ] = 1.0
    pooling_temperature: Annotated[
        float, at_least(COLDEST), Help("of the heatmaps under which features are averaged, Eq. 11, in both networks")
    ] = 1.0
    sinkhorn: Annotated[
        int, at_least(0), Help("balancing iterations on the target's assignment; the paper has none")
    ] = 0

    def __post_init__(self) -> None:
        if self.width % self.heads or self.width % 4:
            raise ValueError(f"width is {self.width}; give a multiple of heads ({self.heads}) and of 4")


@dataclass(frozen=True)
class ModelOptions(Options):
    """The whole network."""

    backbone: Annotated[BackboneOptions, Help("residual backbone")] = field(default_factory=BackboneOptions)
    regions: Annotated[RegionOptions, Help("multi-region discovery (MRD)")] = field(default_factory=RegionOptions)
    target_decay: Annotated[float, between(0, 1), Help("tau of Eq. 3, the decay rate of the target's EMA")] = 0.99
    target_decay_end: Annotated[
        Annotated[float, between(0, 1)] | None,
        Help("tau after the last step, approached by a cosine as in BYOL; null: tau is constant, as in the paper"),
    ] = None
    detach_classifier: Annotated[
        bool, Help("no gradient of L_acl reaches the classifier's weights through the attention maps")
    ] = False
