"""What `ra-icl check` finds: faults of the data that a config names, changed frames, damaged results."""

import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from ra_icl.datasets import public_flow
from ra_icl.datasets.frames import (
    Frame,
    VideoFrame,
    file_stamps,
    read_frames,
    read_image,
    same_stamp,
    sequence_frames,
)
from ra_icl.datasets.protocols import check_counts, select
from ra_icl.datasets.reading import survey
from ra_icl.errors import Faults, InputError
from ra_icl.files import open_tensors
from ra_icl.planning.config import load_config
from ra_icl.planning.places import in_clone
from ra_icl.planning.plan import all_datasets_of, protocol_in, published_options, require_data, require_folds

CONFIG = Path("config/config.yaml")  # in the clone
RERUN = ("snakemake", "--cores", "all")
STAGES = ("twins", "crops", "flow", "folds")  # the folders of results that hold tensors

log = logging.getLogger(__name__)


def check_config(
    configfiles: Sequence[Path], only: Sequence[str] = (), decode: bool = True, results: bool = False
) -> Faults:
    """Check the data that the protocols of a config need; relative paths in it are below the current folder.

    configfiles: read on top of config/config.yaml. only: names of datasets; all if empty. decode: also read every
    frame. results: also verify every tensor of the results folder. Twins are rendered and need no other check.
    Datasets: annotation, frames and, if crops exist, whether the frames have changed since; a dataset without a root is
    left out. Published flow: whether the clones have the number of files and the checksum that the config states.
    Counts are compared with Tables 4 and 5 for each protocol whose datasets are all checked.
    Returns every fault, one line each. Raises InputError if the config is invalid.
    """
    config = load_config([in_clone(CONFIG), *configfiles])
    held = all_datasets_of(config)
    for name in only:
        if name not in held:
            raise InputError(
                f"--dataset {name}: no protocol of the config uses it, or datasets.{name}.root is empty; "
                f"choose from {', '.join(held) or 'none yet'}"
            )
    source, folder = config["data"]["source"], Path(config["pathvars"]["results"])
    options = ("--configfile", *map(str, configfiles)) if configfiles else ()
    rerun = shlex.join([*RERUN, *options, "--forcerun"])
    faults = Faults()
    if source == "datasets":
        faults.extend(_check_datasets(config, only or held, decode, folder / "crops", rerun))
    if source == "public_flow":
        faults.extend(_check_published(config, only or held))
    if results:
        faults.extend(damaged_results(folder, rerun))
    return faults


def _check_datasets(config: Mapping[str, Any], names: Sequence[str], decode: bool, crops: Path, rerun: str) -> Faults:
    faults, indexes = Faults(), {}
    with faults.catching():
        require_data(config)
    for name in names:
        most_missing = config["faces"]["missing_frames"]
        cropped = recorded_crops(crops / name)
        indexes[name], found = check_dataset(name, config["datasets"][name], most_missing, decode, cropped, rerun)
        log.info("%s: %d sequences read, %d fault(s)", name, len(indexes[name]), len(found))
        faults.extend(found)
    return Faults([*faults, *_count_faults(config, indexes)])


def _check_published(config: Mapping[str, Any], names: Sequence[str]) -> Faults:
    faults, indexes = Faults(), {}
    sources = published_options(config)
    for source, options in sources.items():
        with faults.catching():
            public_flow.check_clone(source, options)
    for name in names:
        with faults.catching():
            indexes[name] = public_flow.read_index(sources, name)
    log.info("%d sequences read", sum(map(len, indexes.values())))
    # A clone that is missing is found anew for every dataset.
    return Faults(dict.fromkeys([*faults, *_count_faults(config, indexes)]))


def _count_faults(config: Mapping[str, Any], indexes: Mapping[str, pd.DataFrame]) -> Faults:
    """Unknown emotions, and counts that differ from the paper's, in the protocols whose datasets were all read."""
    read = {name for name, rows in indexes.items() if "emotion" in rows}
    faults = Faults()
    for protocol in (protocol_in(config, name) for name in config["protocols"]):
        if protocol.datasets and set(protocol.datasets) <= read:
            with faults.catching():
                index = pd.concat([indexes[dataset] for dataset in protocol.datasets], ignore_index=True)
                rows = select(index, protocol)
                require_folds(protocol, rows)
                check_counts(rows, protocol, config["data"]["count_mismatch"])
    return Faults(dict.fromkeys(faults))


def check_dataset(
    dataset: str,
    options: Mapping[str, Any],
    most_missing: float = 0.25,
    decode: bool = True,
    cropped: Mapping[tuple[str, str], tuple[Path, dict]] | None = None,
    rerun: str = "",
) -> tuple[pd.DataFrame, Faults]:
    """Check annotation and frames of a dataset: every row, every file.

    options: as for `build_index`. most_missing: see `sequence_frames`. decode: also read every frame, which finds
    damaged files and frames of another size. cropped: of `recorded_crops`; rerun: the command that makes a file again.
    Returns the rows that can be read and all faults, one line each.
    """
    faults = Faults()
    with faults.catching():
        rows, found = survey(dataset, options)
        faults.extend(found)
        sound = rows[rows["offset"] > rows["onset"]]
        for row in tqdm(sound.itertuples(), f"checking {dataset}", len(sound), unit="sequence"):
            with faults.catching():
                frames = sequence_frames(row, options["root"], most_missing)
                faults.extend(damaged_frames([frame for _, frame in frames]) if decode else ())
                crops, info = (cropped or {}).get((row.subject, row.sequence), (None, {}))
                if crops and frames_changed(frames, info):
                    faults.append(
                        f"{dataset} {row.subject}/{row.sequence}: its frames have changed since {crops} was made; "
                        f"crop them again: {rerun} {shlex.quote(str(crops))}"
                    )
        return rows, faults
    return pd.DataFrame(), faults


def recorded_crops(folder: Path) -> dict[tuple[str, str], tuple[Path, dict]]:
    """{(subject, sequence): (file, how it was cropped)} for all crops of a dataset that can be read."""
    found: dict[tuple[str, str], tuple[Path, dict]] = {}
    for path in sorted(folder.glob("[!.]*.safetensors")):
        with Faults().catching(), open_tensors(path) as file:  # damaged files are found by `damaged_results`
            sequences = file.metadata.get("sequences", {})
            known = {sequence: info for sequence, info in sequences.items() if "files" in info}
            found |= {(path.stem, sequence): (path, info) for sequence, info in known.items()}
    return found


def frames_changed(frames: Sequence[tuple[int, Frame]], info: Mapping[str, Any]) -> bool:
    """Whether numbers, sizes or times of frames (number, file) differ from those that crops with `info` record."""
    numbers, files = zip(*frames, strict=True)
    stamps = file_stamps(files)
    if list(numbers) != info["frames"] or len(stamps) != len(info["files"]):
        return True
    return not all(map(same_stamp, stamps, info["files"]))


def damaged_frames(frames: Sequence[Frame]) -> list[str]:
    """Read all frames of a sequence: a line for each that is not a whole image or differs in size from the onset."""
    faults = Faults()
    if isinstance(frames[0], VideoFrame):
        with faults.catching():
            for _ in read_frames(frames, grey=True):
                pass
        return faults
    shapes: dict[Path, tuple[int, ...]] = {}
    for frame in frames:
        with faults.catching():
            shapes[frame] = read_image(frame, grey=True).shape
    first = next(iter(shapes.values()), None)
    for frame, (height, width) in shapes.items():
        if (height, width) != first:
            faults.append(
                f"{frame}: is {width}x{height}, the onset frame {first[1]}x{first[0]}; "
                "a sequence needs frames of one size"
            )
    return faults


def damaged_results(results: Path, rerun: str) -> list[str]:
    """Verify the checksum of every tensor below a results folder: a line for each that is damaged.

    Covers the truth of twins, crops, flow and the networks of folds, but not checkpoints, which are verified when they
    are resumed. rerun: the command that makes a file again, up to the file's name.
    """
    paths = [path for stage in STAGES for path in sorted((results / stage).rglob("[!.]*.safetensors"))]
    faults = []
    for path in tqdm(paths, f"verifying {results}", unit="file"):
        made = _made_by_a_rule(path, results)
        faults += [f"{path}: {damage}; make it again: {rerun} {shlex.quote(str(made))}" for damage in _damage(path)]
    return faults


def _made_by_a_rule(path: Path, results: Path) -> Path:
    """The output whose rule makes `path`: a twin's folder for its truth, a fold's CSV for its network."""
    stage, *below = path.relative_to(results).parts
    if stage == "twins":
        return results / stage / below[0]
    return path.with_suffix(".csv") if stage == "folds" else path


def _damage(path: Path) -> Iterator[str]:
    try:
        with open_tensors(path) as file:
            for name in file.names:
                if not file.is_intact(name):
                    yield f"{name} is damaged: its checksum does not match"
    except InputError:
        yield "cannot be read as a file of tensors"
