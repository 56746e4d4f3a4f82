"""Multi-region discovery (MRD): facial queries, region heatmaps and region embeddings (Eqs. 7-8, 11-12)."""

import math

import torch
from torch import nn
from torch.nn import functional

from ra_icl.model.options import RegionOptions

MASK_DECAY = 0.9  # of the moving average of mask embeddings, with `batch_masks`


class RegionDiscovery(nn.Module):
    """Facial queries that attend to the feature map; each finds a region, as a heatmap and an embedding.

    forward takes F (B, C, h, w) and returns the similarities S (B, N, h, w) of Eq. 7 and the mask embeddings Q
    (B, N, D) of unit length; `embed` takes F and the heatmaps P (B, N, h, w) of Eq. 8 and returns the facial embeddings
    z (B, N, D) of Eqs. 11-12.
    """

    def __init__(self, channels: int, options: RegionOptions) -> None:
        super().__init__()
        width = options.width
        self.options = options
        self.queries = nn.Embedding(options.queries, width)
        self.reduce = nn.Conv2d(channels, width, 1)
        self.decoder = nn.ModuleList(DecoderLayer(options) for _ in range(options.layers))
        self.mask_embedding = nn.Sequential(
            *(nn.Linear(width, width), nn.ReLU(inplace=True)),
            *(nn.Linear(width, width), nn.ReLU(inplace=True)),
            nn.Linear(width, options.embedding),
        )
        self.projector = mlp(channels, options.hidden, options.embedding)
        separate = options.projectors == "separate"
        self.pixel_projector = mlp(channels, options.hidden, options.embedding) if separate else None
        if options.batch_masks:
            self.register_buffer("masks", torch.zeros(options.queries, options.embedding))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        masks = self._mask_embeddings(features)  # (B, N, D)
        if self.options.batch_masks:
            masks = self._batch_average(masks)
        masks = functional.normalize(masks, dim=-1)
        return torch.einsum("bnd,bdhw->bnhw", masks, functional.normalize(self._dense(features), dim=1)), masks

    def embed(self, features: torch.Tensor, heatmaps: torch.Tensor) -> torch.Tensor:
        pooled = weighted_average_pooling(features, heatmaps)  # h (B, N, C)
        return self.projector(pooled.flatten(0, 1)).unflatten(0, pooled.shape[:2])

    def _mask_embeddings(self, features: torch.Tensor) -> torch.Tensor:
        keys = self.reduce(features)
        memory = keys.flatten(2).transpose(1, 2)  # (B, hw, width)
        position = sine_positions(*keys.shape[1:], device=keys.device).to(memory.dtype)
        query = self.queries.weight.expand(len(memory), -1, -1)
        # Zeros, MaskFormer's choice, leave all queries so alike that they divide nothing: see docs/method.md.
        decoded = query if self.options.decoder_input == "queries" else torch.zeros_like(query)
        for layer in self.decoder:
            decoded = layer(decoded, query, memory, memory + position)
        return self.mask_embedding(decoded)

    def _batch_average(self, masks: torch.Tensor) -> torch.Tensor:
        """The mean over the batch for every image; in evaluation mode the moving average of such means."""
        if not self.training:
            return self.masks.expand_as(masks)
        mean = masks.mean(dim=0)
        with torch.no_grad():
            self.masks.lerp_(mean.to(self.masks.dtype), 1 - MASK_DECAY)
        return mean.expand_as(masks)

    def _dense(self, features: torch.Tensor) -> torch.Tensor:
        batch, _, height, width = features.shape
        pixels = features.flatten(2).transpose(1, 2).flatten(0, 1)  # (B hw, C)
        projector = self.projector if self.pixel_projector is None else self.pixel_projector
        return projector(pixels).view(batch, height, width, -1).permute(0, 3, 1, 2)


class DecoderLayer(nn.Module):
    """A post-norm Transformer decoder layer to whose queries and keys positions are added (MaskFormer)."""

    def __init__(self, options: RegionOptions) -> None:
        super().__init__()
        width = options.width
        self.self_attention = nn.MultiheadAttention(width, options.heads, batch_first=True)
        self.cross_attention = nn.MultiheadAttention(width, options.heads, batch_first=True)
        self.feedforward = nn.Sequential(
            nn.Linear(width, options.feedforward),
            nn.ReLU(inplace=True),
            nn.Linear(options.feedforward, width),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(options.dropout)

    def forward(
        self, decoded: torch.Tensor, query: torch.Tensor, value: torch.Tensor, key: torch.Tensor
    ) -> torch.Tensor:
        """decoded, query: (B, N, width); value, key: (B, hw, width). Returns (B, N, width)."""
        placed = decoded + query
        attended, _ = self.self_attention(placed, placed, decoded, need_weights=False)
        decoded = self.norms[0](decoded + self.dropout(attended))
        attended, _ = self.cross_attention(decoded + query, key, value, need_weights=False)
        decoded = self.norms[1](decoded + self.dropout(attended))
        return self.norms[2](decoded + self.dropout(self.feedforward(decoded)))


def mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """The shape of the projector H and of the predictor G: linear, BatchNorm, ReLU, linear."""
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, outputs)
    )


def region_heatmaps(similarity: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Probabilistic heatmaps P (Eq. 8): softmax over the N regions of S (B, N, h, w)."""
    return (similarity.float() / temperature).softmax(dim=1)


def weighted_average_pooling(features: torch.Tensor, heatmaps: torch.Tensor) -> torch.Tensor:
    """Region representations h (Eq. 11): F (B, C, h, w) averaged under P (B, N, h, w). Returns (B, N, C)."""
    weights = heatmaps / heatmaps.sum(dim=(2, 3), keepdim=True)
    return torch.einsum("bnhw,bchw->bnc", weights, features)


@torch.no_grad()
def sinkhorn(heatmaps: torch.Tensor, iterations: int) -> torch.Tensor:
    """Balance P (B, N, h, w) so that every region wins an equal share of the batch's pixels; off in the paper."""
    assignment = heatmaps.transpose(0, 1).flatten(1).double()  # (N, B h w)
    for _ in range(iterations):
        assignment = assignment / assignment.sum(dim=1, keepdim=True)
        assignment = assignment / assignment.sum(dim=0, keepdim=True)
    batch, regions, height, width = heatmaps.shape
    return assignment.view(regions, batch, height, width).transpose(0, 1).to(heatmaps.dtype)


def sine_positions(width: int, rows: int, columns: int, device: torch.device | None = None) -> torch.Tensor:
    """Sine position codes of a feature map: (rows * columns, width), half of the width for each axis."""
    frequency = torch.exp(-math.log(10_000) * torch.arange(0, width // 2, 2, device=device) / (width // 2))
    axes = []
    for length in (rows, columns):
        place = (torch.arange(length, device=device) + 1) / length * 2 * math.pi
        angle = place[:, None] * frequency
        axes.append(torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1))  # (length, width / 2)
    vertical = axes[0][:, None].expand(rows, columns, -1)
    horizontal = axes[1][None].expand(rows, columns, -1)
    return torch.cat([vertical, horizontal], dim=-1).flatten(0, 1)
