"""Face crops to flow files, subject by subject: the instance sets of MIR (Eqs. 1-2)."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.flow.maps import backend_of, flow_maps
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling, apex_position, sample


@dataclass(frozen=True)
class _Sampled:
    """A sequence's name, its onset (H, W[, 3]), its sampled frames (N, H, W[, 3]), and which those are."""

    name: str
    onset: np.ndarray
    frames: np.ndarray
    used: dict


def flow_subject(
    crops: Path,
    index: pd.DataFrame,
    out: Path,
    sampling: Sampling,
    options: FlowOptions,
    progress: Callable[[int], object] = lambda sequences: None,
) -> None:
    """Write the flow maps of one subject's sequences to `out`.

    crops: file of `faces.crop_subject`. index: the subject's rows; each needs its crops.
    out: a float16 tensor (N, 3, H, W) per sequence, channels u, v (pixels) and strain. Metadata:
    sampling, options, backend and version, and per sequence `positions`, `frames` (their numbers)
    and `apex` (position, or null). progress: called with the number of sequences just done.
    Raises InputError if the crops lack a sequence of the index or are damaged.
    """
    if index.empty:
        raise InputError(f"{out}: the index has no sequence of this subject; check the name")
    tensors, sequences = {}, {}
    for batch in _batches(_sampled(crops, index, sampling), backend_of(options.backend).PAIRS_AT_ONCE):
        tensors |= _maps_of(batch, options)
        sequences |= {one.name: one.used for one in batch}
        progress(len(batch))
    files.save_tensors(out, tensors, _metadata(sampling, options) | {"sequences": sequences})


def _batches(sequences: Iterator[_Sampled], pairs: int) -> Iterator[list[_Sampled]]:
    """Sequences of one size of frame, together, until they have so many pairs."""
    batch: list[_Sampled] = []
    for one in sequences:
        if batch and one.onset.shape != batch[0].onset.shape:
            yield batch
            batch = []
        batch.append(one)
        if sum(len(other.frames) for other in batch) >= pairs:
            yield batch
            batch = []
    if batch:
        yield batch


def _maps_of(batch: list[_Sampled], options: FlowOptions) -> dict[str, np.ndarray]:
    """The flow maps (N, 3, H, W) float16 of each sequence, all by one call of the backend."""
    if len(batch) == 1:  # its pairs share their onset, whose pyramid is then made once
        return {batch[0].name: flow_maps(batch[0].onset, batch[0].frames, options).astype("f2")}
    onsets = np.concatenate([np.broadcast_to(one.onset, one.frames.shape) for one in batch])
    maps = flow_maps(onsets, np.concatenate([one.frames for one in batch]), options).astype("f2")
    ends = np.cumsum([len(one.frames) for one in batch])
    parts = np.split(maps, ends[:-1])
    return {one.name: part for one, part in zip(batch, parts, strict=True)}


def _sampled(crops: Path, index: pd.DataFrame, sampling: Sampling) -> Iterator[_Sampled]:
    """The subject's sequences in the index's order, read one by one."""
    with files.open_tensors(crops) as source:
        for row in index.itertuples():
            key = f"{row.dataset}/{row.subject}/{row.sequence}"
            numbers = source.metadata.get("sequences", {}).get(row.sequence, {}).get("frames", [])
            if row.sequence not in source.names or source.shape(row.sequence)[0] != len(numbers):
                raise InputError(f"{crops}: does not hold {key} whole; delete it and run again")
            clip = source.get(row.sequence, verify=True)
            used = _used_frames(numbers, row.apex, sampling, key)
            yield _Sampled(row.sequence, clip[0], clip[used["positions"]], used)


def _used_frames(numbers: list[int], apex, sampling: Sampling, key: str) -> dict:
    """Positions and numbers of the sampled frames, as the metadata keeps them."""
    position = apex_position(numbers, None if pd.isna(apex) else int(apex))
    positions = sample(len(numbers), position, sampling, key)
    return {
        "positions": positions,
        "frames": [numbers[position] for position in positions],
        "apex": position,
    }


def _metadata(sampling: Sampling, options: FlowOptions) -> dict:
    return {
        "sampling": asdict(sampling) | {"name": sampling.name},
        "options": asdict(options),
        "backend": options.backend,
        "version": backend_of(options.backend).VERSION,
    }
