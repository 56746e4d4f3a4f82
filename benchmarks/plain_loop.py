"""The training loop as it is ordinarily written, to compare with: eager, fp32, a data loader.

Same network, losses and augmentation, which the loader computes sample by sample. Each direction is a separate pass;
Adam is PyTorch's class with its defaults, and the EMA goes parameter by parameter.
"""

from collections.abc import Iterable, Iterator

import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler

from ra_icl.model.regions import region_heatmaps
from ra_icl.model.siamese import Siamese, View
from ra_icl.training import losses
from ra_icl.training.augmentation import flip, transform
from ra_icl.training.instances import InstanceSets
from ra_icl.training.method import MethodOptions


class Pairs(Dataset):
    """Two random instances of a sequence, each as the online and as the target network sees it, and the label."""

    def __init__(self, sets: InstanceSets, options: MethodOptions) -> None:
        self.sets, self.options = sets, options.augmentation

    def __len__(self) -> int:
        return len(self.sets)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, ...]:
        first, count = int(self.sets.first[row]), int(self.sets.count[row])
        p, q = (self.sets.maps[first + place].float() for place in torch.randperm(count)[:2].tolist())
        views = (p, q, flip(q), flip(p))
        seen = (transform(maps[None], self.options, torch.default_generator)[0] for maps in views)
        return *seen, self.sets.labels[row]


class PlainLoop:
    """The network, its optimiser and its loader; `epoch` trains."""

    def __init__(self, sets: InstanceSets, classes: int, options: MethodOptions, device: str, workers: int) -> None:
        torch.manual_seed(0)
        self.options, self.device = options, device
        self.model = Siamese(classes, options.model).to(device).train()
        learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        settings = options.training
        self.optimiser = torch.optim.Adam(learned, settings.learning_rate, weight_decay=settings.weight_decay)
        pairs = Pairs(sets, options)
        # Four batches a worker: a loader fetches nothing ahead of the next epoch, and a short one leaves workers idle.
        count = settings.batch * 4 * max(1, workers)
        self.loader = DataLoader(
            pairs,
            settings.batch,
            sampler=RandomSampler(pairs, replacement=True, num_samples=count),
            num_workers=workers,
            persistent_workers=workers > 0,
        )

    def batches(self) -> Iterator[list[torch.Tensor]]:
        """One epoch's batches, on the device."""
        for batch in self.loader:
            yield [tensor.to(self.device) for tensor in batch]

    def epoch(self, batches: Iterable[list[torch.Tensor]] | None = None) -> int:
        """One pass over the loader, or over the given batches; returns the number of pairs."""
        count = 0
        # PyTorch's defaults, which the fold trainer changes for its process.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=False, allow_tf32=True):
            for batch in self.batches() if batches is None else batches:
                self.step(*batch)
                count += len(batch[0])
        return count

    def step(self, p: torch.Tensor, q: torch.Tensor, q_target: torch.Tensor, p_target: torch.Tensor, labels) -> float:
        """Both directions of the Siamese loss, Adam, EMA; returns the loss."""
        total = 0
        for seen, followed in ((p, q_target), (q, p_target)):
            online = self.model.online(seen)
            with torch.no_grad():
                target = self.model.target(followed)
            total = total + self.direction(online, target, labels)
        self.optimiser.zero_grad()
        total.backward()
        self.optimiser.step()
        self.update_target()
        return total.item()

    def direction(self, online: View, target: View, labels: torch.Tensor) -> torch.Tensor:
        """One direction of Eq. 15."""
        loss, regions = self.options.loss, self.options.model.regions
        weights = losses.weights_of(loss)
        cls = losses.classification_loss(online.logits, labels)
        acl = losses.attention_consistency(online.attention, flip(target.attention), loss.attention_form)
        heatmaps = flip(region_heatmaps(target.similarity, regions.target_temperature))
        align = losses.alignment(online.similarity, heatmaps, regions.temperature)
        predicted = self.model.predict(online.embeddings)
        c = losses.region_consistency(predicted, target.embeddings, loss.consistency_form)
        return (weights["cls"] * cls + weights["acl"] * acl) / 2 + weights["align"] * align + weights["c"] * c

    @torch.no_grad()
    def update_target(self) -> None:
        """Eq. 3, parameter by parameter."""
        decay = self.options.model.target_decay
        for ours, theirs in zip(self.model.target.parameters(), self.model.online.parameters(), strict=True):
            ours.copy_(decay * ours + (1 - decay) * theirs)
