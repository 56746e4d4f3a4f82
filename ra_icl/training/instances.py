"""Instance sets: the flow maps of every sequence, scaled to network inputs, on the training device."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ra_icl.errors import InputError
from ra_icl.files import RERUN, TensorFile, checksum, open_tensors
from ra_icl.flow.checksums import flow_digest, tensor_names
from ra_icl.flow.sampling import middle_instance
from ra_icl.training.method import InputOptions, OptimiserOptions

CHANNELS = {1: ("grey",), 3: ("u", "v", "strain"), 4: ("u", "v", "strain", "depth")}  # by their number


@dataclass(frozen=True)
class StoredFlow:
    """Flow maps of S sequences as they lie in their files, memory-mapped.

    folder: flow/{sampling}, which holds the files. table: the S rows dataset, subject, sequence, label and frames, the
    number of frames after the onset. tensors: (N, C, H, W) float16 each, read when they are used. checksums: of the
    tensors, as the files state them.
    """

    folder: Path
    table: pd.DataFrame
    tensors: tuple[torch.Tensor, ...]
    checksums: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What `flow_digest` gives for these tensors."""
        return flow_digest(zip(tensor_names(self.table), self.checksums, strict=True))


@dataclass(frozen=True)
class InstanceSets:
    """The instance sets of S sequences, M instances in total.

    maps: (M, C, H, W) in half precision, u, v and strain; peers alone read depth as a fourth channel, or grey frames in
    place of flow. first: (S,) index of each sequence's first instance. count: (S,) number of its instances. labels:
    (S,). table: the S rows of `StoredFlow`. statistics: (S, 3, C), mean, minimum and maximum of each channel as stored.
    """

    maps: torch.Tensor
    first: torch.Tensor
    count: torch.Tensor
    labels: torch.Tensor
    table: pd.DataFrame
    statistics: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, rows: np.ndarray) -> "InstanceSets":
        """The sets of the sequences numbered `rows`, sharing the maps."""
        index = torch.as_tensor(rows, device=self.labels.device)
        chosen = (self.first[index], self.count[index], self.labels[index])
        return InstanceSets(self.maps, *chosen, self.table.iloc[rows].reset_index(drop=True), self.statistics[rows])

    def summary(self) -> dict[str, dict[str, float]]:
        """Mean over instances, minimum and maximum of each channel as stored: {"u": {"mean", "min", "max"}, ...}."""
        mean = np.average(self.statistics[:, 0], axis=0, weights=self.count.cpu().numpy())
        low, high = self.statistics[:, 1].min(axis=0), self.statistics[:, 2].max(axis=0)
        return {
            channel: {"mean": float(mean[number]), "min": float(low[number]), "max": float(high[number])}
            for number, channel in enumerate(CHANNELS[self.maps.shape[1]])
        }

    def middle_instances(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Index of the middle instance of every sequence (S,), which inference uses, and its sequence (S,)."""
        offsets = [middle_instance(count) for count in self.count.tolist()]
        instances = self.first + torch.tensor(offsets, device=self.first.device)
        return instances, torch.arange(len(self), device=self.first.device)

    def all_instances(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Index of every instance of these sequences, and the sequence of each, in order."""
        owners = torch.arange(len(self), device=self.first.device).repeat_interleave(self.count)
        before = (self.count.cumsum(0) - self.count)[owners]
        return self.first[owners] + torch.arange(len(owners), device=owners.device) - before, owners

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


def pairs_of(sets: InstanceSets, options: OptimiserOptions) -> torch.Tensor:
    """Pairs drawn from each sequence per epoch, (S,): see `OptimiserOptions.pairs`."""
    if options.pairs == "sequences":
        return torch.ones_like(sets.count)
    if options.pairs == "instances":
        return sets.count
    frames = torch.tensor(sets.table["frames"].to_numpy(), device=sets.count.device)
    return frames.clamp(1, options.pairs)


def load_instances(table: pd.DataFrame, folder: str | Path, options: InputOptions, device: str) -> InstanceSets:
    """`instance_sets` of `stored_flow`."""
    return instance_sets(stored_flow(table, Path(folder)), options, device)


def stored_flow(table: pd.DataFrame, folder: Path) -> StoredFlow:
    """Open `folder`/{dataset}/{subject}.safetensors for the rows of `table`; no map is read yet.

    Raises InputError if a file, a sequence or a checksum is missing, or if map sizes differ.
    """
    rows = table[["dataset", "subject", "sequence", "label"]].assign(frames=table["offset"] - table["onset"])
    rows = rows.reset_index(drop=True)
    found: dict[int, tuple[torch.Tensor, str]] = {}
    for (dataset, subject), of_subject in rows.groupby(["dataset", "subject"], sort=False):
        path = folder / dataset / f"{subject}.safetensors"
        if not path.is_file():
            raise InputError(f"{path}: flow is missing; run snakemake again")
        with open_tensors(path, "pt") as file:
            for row in of_subject.itertuples():
                found[row.Index] = file.get(row.sequence), _checksum(file, row.sequence)
    tensors, checksums = zip(*(found[row] for row in rows.index), strict=True)
    sizes = {tuple(tensor.shape[1:]) for tensor in tensors}
    if len(sizes) > 1:
        shown = ", ".join(sorted("x".join(map(str, size)) for size in sizes))
        raise InputError(f"{folder}: flow maps of different sizes ({shown}); crop all datasets alike")
    return StoredFlow(folder, rows, tensors, checksums)


def _checksum(file: TensorFile, name: str) -> str:
    if name not in file.checksums:
        raise InputError(f"{file.path}: {name} has no checksum; {RERUN}")
    return file.checksums[name]


def instance_sets(flow: StoredFlow, options: InputOptions, device: str) -> InstanceSets:
    """Copy all maps to `device`, where each sequence is scaled and kept in half precision.

    Raises InputError for a map whose bytes are not those of its checksum.
    """
    counts = torch.tensor([len(tensor) for tensor in flow.tensors])
    first = counts.cumsum(0) - counts
    maps = torch.empty(int(counts.sum()), *flow.tensors[0].shape[1:], dtype=torch.float16, device=device)
    statistics = np.empty((len(counts), 3, maps.shape[1]))
    for row, (tensor, stated) in enumerate(zip(flow.tensors, flow.checksums, strict=True)):
        # Whoever lists the flow verifies it too, but days may lie between.
        if checksum(tensor.numpy()) != stated:
            dataset, subject, sequence = flow.table.loc[row, ["dataset", "subject", "sequence"]]
            place = f"{flow.folder / dataset / subject}.safetensors: {sequence}"
            raise InputError(f"{place}: its checksum does not match, so the file is damaged; {RERUN}")
        # Scaled after the copy: writing to a mapped tensor would copy its pages on the host.
        instances = maps[first[row] : first[row] + counts[row]].copy_(tensor)  # (N, C, H, W)
        statistics[row] = statistics_of(instances)
        normalise(instances, options)
    labels = torch.tensor(flow.table["label"].to_numpy())
    return InstanceSets(maps, first.to(device), counts.to(device), labels.to(device), flow.table, statistics)


def statistics_of(maps: torch.Tensor) -> np.ndarray:
    """Mean, minimum and maximum of each channel of maps (N, C, H, W): (3, C), a row per statistic."""
    values = maps.float()
    found = [values.mean(dim=(0, 2, 3)), values.amin(dim=(0, 2, 3)), values.amax(dim=(0, 2, 3))]
    return torch.stack(found).cpu().numpy()


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
