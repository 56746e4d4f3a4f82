"""Face crops to flow files, subject by subject: the instance sets of MIR (Eqs. 1-2), or frames in place of flow."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.flow.depth import depth_change
from ra_icl.flow.maps import backend_of, flow_maps, grey
from ra_icl.flow.options import FlowOptions
from ra_icl.flow.sampling import Sampling, used_frames
from ra_icl.flow.tim import interpolate


@dataclass(frozen=True)
class _Sampled:
    """A sequence's name, its onset (H, W[, 3]), its sampled frames (N, H, W[, 3]), and which those are.

    depth: (1 + N, H, W), the onset's first, if the sampling takes it.
    """

    name: str
    onset: np.ndarray
    frames: np.ndarray
    used: dict
    depth: np.ndarray | None = None


def flow_subject(
    crops: Path,
    index: pd.DataFrame,
    out: Path,
    sampling: Sampling,
    options: FlowOptions,
    progress: Callable[[int], object] = lambda sequences: None,
    depth: Path | None = None,
) -> None:
    """Write the flow maps of one subject's sequences to `out`.

    crops: file of `faces.crop_subject`. index: the subject's rows; each needs its crops.
    out: a float16 tensor (N, 3, H, W) per sequence, channels u, v (pixels) and strain; with `sampling.depth`
    (N, 4, H, W), the fourth being `depth_change` (mm). Metadata: sampling, options, backend and version, and per
    sequence `positions`, `frames` (their numbers) and `apex` (position, or null). Of sampling mode frames instead: a
    float16 tensor (N, 1, H, W) of whole grey levels 0..255, interpolated from all frames, the onset among them; the
    flow's options are not used and not noted. progress: called with the number of sequences just done. depth: file of
    `faces.depth.crop_depth`, which a sampling with depth needs.
    Raises InputError if the crops or the depth lack a sequence of the index, hold another part of it or are damaged.
    """
    if index.empty:
        raise InputError(f"{out}: the index has no sequence of this subject; check the name")
    if sampling.depth and depth is None:
        raise InputError(f"{out}: sampling.depth needs the subject's depth; give the file that `ra-icl depth` writes")
    tensors, sequences = {}, {}
    frames = sampling.mode == "frames"
    pairs_at_once = 1 if frames else backend_of(options.backend).PAIRS_AT_ONCE
    sampled = _sampled(crops, index, sampling, depth if sampling.depth else None)
    for batch in _batches(sampled, pairs_at_once):
        tensors |= _frames_of(batch, sampling.instances) if frames else _maps_of(batch, options)
        sequences |= {one.name: one.used for one in batch}
        progress(len(batch))
    files.save_tensors(out, tensors, _metadata(sampling, options) | {"sequences": sequences})


def sequence_maps(
    clip: np.ndarray, numbers: list[int], apex: int | None, sampling: Sampling, options: FlowOptions, key: str
) -> tuple[np.ndarray, dict]:
    """The flow maps (N, 3, H, W) float16 of one sequence, as `flow_subject` computes them, and which frames they show.

    clip: crops (T, H, W[, 3]) uint8 of the frames numbered `numbers`, the onset first. apex: number of the apex frame,
    or None. key: names the sequence, see `sampling.sample`. Returns the maps with `positions`, `frames` and `apex`.
    Raises InputError if no frame follows the onset.
    """
    used = used_frames(numbers, apex, sampling, key)
    one = _Sampled(key, clip[0], clip[used["positions"]], used)
    return _maps_of([one], options)[key], used


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
    """The flow maps (N, 3 or 4, H, W) float16 of each sequence, all by one call of the backend."""
    if len(batch) == 1:  # its pairs share their onset, whose pyramid is then made once
        return {batch[0].name: _with_depth(batch[0], flow_maps(batch[0].onset, batch[0].frames, options).astype("f2"))}
    onsets = np.concatenate([np.broadcast_to(one.onset, one.frames.shape) for one in batch])
    maps = flow_maps(onsets, np.concatenate([one.frames for one in batch]), options).astype("f2")
    ends = np.cumsum([len(one.frames) for one in batch])
    parts = np.split(maps, ends[:-1])
    return {one.name: _with_depth(one, part) for one, part in zip(batch, parts, strict=True)}


def _with_depth(one: _Sampled, maps: np.ndarray) -> np.ndarray:
    """Maps (N, 3, H, W) and, if the sequence has depth, its change as a fourth channel."""
    if one.depth is None:
        return maps
    change = depth_change(one.depth, maps[:, :2].astype(np.float32))
    return np.concatenate([maps, change[:, None].astype(maps.dtype)], axis=1)


def _frames_of(batch: list[_Sampled], count: int) -> dict[str, np.ndarray]:
    """`count` grey frames (N, 1, H, W) float16 of each sequence, from its onset to its last frame."""
    found = {}
    for one in batch:
        clip = grey(np.concatenate([one.onset[None], one.frames]), colour=one.frames.ndim == 4)
        levels = np.rint(interpolate(clip, count)).clip(0, 255)  # the curve may leave the range between two frames
        found[one.name] = levels[:, None].astype("f2")
    return found


def _sampled(crops: Path, index: pd.DataFrame, sampling: Sampling, depth: Path | None) -> Iterator[_Sampled]:
    """The subject's sequences in the index's order, read one by one."""
    with files.open_tensors(crops) as source, files.open_tensors(depth) if depth else nullcontext() as measured:
        for row in index.itertuples():
            key = f"{row.dataset}/{row.subject}/{row.sequence}"
            info = source.metadata.get("sequences", {}).get(row.sequence, {})
            numbers = info.get("frames", [])
            if not numbers or row.sequence not in source.names or source.shape(row.sequence)[0] != len(numbers):
                raise InputError(f"{crops}: does not hold {key} whole; {files.RERUN}")
            _require_range(crops, row, info)
            clip = source.get(row.sequence, verify=True)
            used = used_frames(numbers, row.apex, sampling, key)
            found = _depth_of(measured, row.sequence, [numbers[0], *used["frames"]], clip.shape[1:3])
            yield _Sampled(row.sequence, clip[0], clip[used["positions"]], used, found)


def _require_range(crops: Path, row, info: dict) -> None:
    """Raise InputError if the crops of a sequence were made for another onset or offset than the index row's."""
    first, last = info["frames"][0], info["frames"][-1]
    # The last frames may be missing. Crops of older versions do not record the offset.
    end = info.get("offset", max(last, row.offset))
    if (first, end) != (row.onset, row.offset):
        raise InputError(
            f"{crops}: {row.sequence} holds frames {first} to {end}, the index says {row.onset} to {row.offset}; "
            "crop again"
        )


def _depth_of(
    source: files.TensorFile | None, name: str, numbers: list[int], size: tuple[int, int]
) -> np.ndarray | None:
    """The depth (1 + N, H, W) of the frames `numbers` of a sequence; None without a file of it."""
    if source is None:
        return None
    held = source.metadata.get("sequences", {}).get(name, {}).get("frames")
    if name not in source.names or held != numbers or source.shape(name) != (len(numbers), *size):
        raise InputError(f"{source.path}: does not hold the depth of {name} as it was sampled; {files.RERUN}")
    return source.get(name, verify=True)


def _metadata(sampling: Sampling, options: FlowOptions) -> dict:
    chosen = {"sampling": asdict(sampling) | {"name": sampling.name}}
    if sampling.mode == "frames":
        return chosen | {"units": "grey levels 0..255"}
    return chosen | {
        "options": asdict(options),
        "backend": options.backend,
        "version": backend_of(options.backend).VERSION,
    }
