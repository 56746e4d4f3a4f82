"""Instance sets on the training device: every sequence's flow maps, scaled to network inputs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ra_icl.errors import InputError
from ra_icl.files import TensorFile, open_tensors
from ra_icl.flow.sampling import middle_instance
from ra_icl.training.method import InputOptions

CHANNELS = ("u", "v", "strain")


@dataclass(frozen=True)
class InstanceSets:
    """The instance sets of S sequences, M instances in all.

    maps: (M, 3, H, W) in half precision; first: (S,) where a sequence's instances begin; count: (S,) how many it has;
    labels: (S,).
    table: the S rows dataset, subject, sequence, label. statistics: (S, 3, 3), mean, minimum and maximum of u, v and
    strain as stored; checksums: of the S tensors as stored.
    """

    maps: torch.Tensor
    first: torch.Tensor
    count: torch.Tensor
    labels: torch.Tensor
    table: pd.DataFrame
    statistics: np.ndarray
    checksums: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, rows: np.ndarray) -> "InstanceSets":
        """The sets of some sequences, sharing the maps."""
        index = torch.as_tensor(np.asarray(rows), device=self.labels.device)
        chosen = (self.first[index], self.count[index], self.labels[index])
        table = self.table.iloc[rows].reset_index(drop=True)
        checksums = tuple(self.checksums[row] for row in index.tolist())
        return InstanceSets(self.maps, *chosen, table, self.statistics[index.cpu().numpy()], checksums)

    @property
    def digest(self) -> str:
        """SHA-256 over dataset, subject, sequence and checksum of every flow tensor, in the table's order."""
        names = self.table[["dataset", "subject", "sequence"]].agg("/".join, axis=1)
        lines = [f"{name} {checksum}\n" for name, checksum in zip(names, self.checksums, strict=True)]
        return sha256("".join(lines).encode()).hexdigest()

    def summary(self) -> dict[str, dict[str, float]]:
        """Mean over instances, minimum and maximum of u, v and strain as stored: {"u": {"mean", "min", "max"}, ...}."""
        mean = np.average(self.statistics[:, 0], axis=0, weights=self.count.cpu().numpy())
        low, high = self.statistics[:, 1].min(axis=0), self.statistics[:, 2].max(axis=0)
        return {
            channel: {"mean": float(mean[number]), "min": float(low[number]), "max": float(high[number])}
            for number, channel in enumerate(CHANNELS)
        }

    def middle(self) -> torch.Tensor:
        """The middle instance of every sequence, which inference uses: (S, 3, H, W) float32."""
        offsets = [middle_instance(count) for count in self.count.tolist()]
        return self.maps[self.first + torch.tensor(offsets, device=self.first.device)].float()

    def draw_pair(self, rows: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Two distinct random instances I_p, I_q of each sequence in `rows` (B,): each (B, 3, H, W) float32.

        A set of one instance gives that instance twice.
        """
        count = self.count[rows]
        draws = torch.rand(2, len(rows), generator=generator, device=count.device)
        p = (draws[0] * count).long()
        step = 1 + (draws[1] * (count - 1)).long()
        q = torch.where(count > 1, (p + step) % count, p)
        return self.maps[self.first[rows] + p].float(), self.maps[self.first[rows] + q].float()


def load_instances(table: pd.DataFrame, flow_folder: str | Path, options: InputOptions, device: str) -> InstanceSets:
    """Read `flow_folder`/{dataset}/{subject}.safetensors for the rows of `table` onto `device`.

    Each sequence is scaled there and kept in half precision; the host holds one at a time.
    Raises InputError where a file or a sequence is missing, or where map sizes differ.
    """
    stored = [found for _, found in _sequences(table, Path(flow_folder), _shape_and_checksum)]
    shapes = [shape for shape, _ in stored]
    if len({shape[1:] for shape in shapes}) > 1:
        sizes = sorted({"x".join(map(str, shape[1:])) for shape in shapes})
        raise InputError(f"{flow_folder}: flow maps of different sizes ({', '.join(sizes)}); crop all datasets alike")
    counts = torch.tensor([shape[0] for shape in shapes])
    first = counts.cumsum(0) - counts
    maps = torch.empty(int(counts.sum()), *shapes[0][1:], dtype=torch.float16, device=device)
    statistics = np.empty((len(table), 3, len(CHANNELS)))
    for row, tensor in _sequences(table, Path(flow_folder), TensorFile.get):
        # Copied before it is scaled: `tensor` is a view of the file, of which a page that is written to is copied too.
        instances = maps[first[row] : first[row] + counts[row]].copy_(tensor)
        statistics[row] = statistics_of(instances)
        normalise(instances, options)
    labels = torch.tensor(table["label"].to_numpy())
    columns = ["dataset", "subject", "sequence", "label"]
    table = table[columns].reset_index(drop=True)
    checksums = tuple(checksum for _, checksum in stored)
    return InstanceSets(maps, first.to(device), counts.to(device), labels.to(device), table, statistics, checksums)


def statistics_of(maps: torch.Tensor) -> np.ndarray:
    """Mean, minimum and maximum of each channel of maps (N, 3, H, W): (3, 3), a row per statistic."""
    values = maps.float()
    found = [values.mean(dim=(0, 2, 3)), values.amin(dim=(0, 2, 3)), values.amax(dim=(0, 2, 3))]
    return torch.stack(found).cpu().numpy()


def _shape_and_checksum(file: TensorFile, name: str) -> tuple[tuple[int, ...], str]:
    return file.shape(name), file.checksums.get(name, "")


def _sequences(table: pd.DataFrame, folder: Path, read: Callable) -> Iterator[tuple[int, Any]]:
    """(position of the row, read(file, sequence)) for the rows of `table`, each file opened once."""
    rows = table.reset_index(drop=True)
    for (dataset, subject), of_subject in rows.groupby(["dataset", "subject"], sort=False):
        path = folder / dataset / f"{subject}.safetensors"
        if not path.is_file():
            raise InputError(f"{path}: flow is missing; delete {folder}/*.sha256 and run again")
        with open_tensors(path, "pt") as file:
            for row in of_subject.itertuples():
                yield row.Index, read(file, row.sequence)


def normalise(maps: torch.Tensor, options: InputOptions) -> torch.Tensor:
    """Scale one sequence's maps (N, 3, H, W) to network inputs in [0, 1], in place; returns them."""
    if options.normalise == "instance":
        low = maps.amin(dim=(2, 3), keepdim=True)
        span = maps.amax(dim=(2, 3), keepdim=True) - low
        maps.sub_(low).div_(span.clamp(min=1e-6))
    if options.normalise == "set":
        motion, strain = maps[:, :2].abs().max(), maps[:, 2:].abs().max()
        maps[:, :2].div_(2 * motion.clamp(min=1e-6)).add_(0.5)
        maps[:, 2:].div_(strain.clamp(min=1e-6))
    return maps
