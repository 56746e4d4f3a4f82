"""Every fault of the datasets that a config names, found in one pass before anything is computed."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from ra_icl.datasets.frames import Frame, VideoFrame, read_frames, read_image, sequence_frames
from ra_icl.datasets.protocols import check_counts, select
from ra_icl.datasets.reading import survey
from ra_icl.errors import Faults, InputError
from ra_icl.planning.config import load_config
from ra_icl.planning.plan import all_datasets_of, protocol_in, require_data

CONFIG = Path("config/config.yaml")

log = logging.getLogger(__name__)


def check_config_datasets(configfiles: Sequence[Path], only: Sequence[str], decode: bool) -> Faults:
    """Check the datasets that the protocols of a config need; run from the root of a clone.

    configfiles: read on top of config/config.yaml. only: names of datasets, all where empty. Counts
    are compared with Tables 4 and 5 for each protocol whose datasets are all checked; a dataset without
    a root is left out.
    Returns every fault, a line each. Raises InputError for a config that does not fit.
    """
    config = load_config([CONFIG, *configfiles])
    if config["data"]["source"] != "datasets":
        raise InputError(f"config: data.source is {config['data']['source']}; only datasets can be checked")
    held = all_datasets_of(config)
    for name in only:
        if name not in held:
            raise InputError(
                f"--dataset {name}: no protocol of the config uses it, or datasets.{name}.root is empty; "
                f"choose from {', '.join(held) or 'none yet'}"
            )
    faults, indexes = Faults(), {}
    with faults.catching():
        require_data(config)
    for name in only or held:
        most_missing = config["faces"]["missing_frames"]
        indexes[name], found = check_dataset(name, config["datasets"][name], most_missing, decode)
        log.info("%s: %d sequences read, %d fault(s)", name, len(indexes[name]), len(found))
        faults.extend(found)
    return Faults([*faults, *_count_faults(config, indexes)])


def _count_faults(config: Mapping[str, Any], indexes: Mapping[str, pd.DataFrame]) -> Faults:
    """Unknown emotions, and counts that are not the paper's, in the protocols whose datasets were all read."""
    read = {name for name, rows in indexes.items() if len(rows)}
    faults = Faults()
    for protocol in (protocol_in(config, name) for name in config["protocols"]):
        if protocol.datasets and set(protocol.datasets) <= read:
            with faults.catching():
                index = pd.concat([indexes[dataset] for dataset in protocol.datasets], ignore_index=True)
                check_counts(select(index, protocol), protocol, config["data"]["count_mismatch"])
    return Faults(dict.fromkeys(faults))


def check_dataset(
    dataset: str, options: Mapping[str, Any], most_missing: float = 0.25, decode: bool = True
) -> tuple[pd.DataFrame, Faults]:
    """Check annotation and frames of a dataset: every row, every file.

    options: as `build_index` takes them. most_missing: see `sequence_frames`. decode: also read every
    frame, which finds damaged files and frames of another size.
    Returns the rows that can be read and all faults, a line each.
    """
    faults = Faults()
    with faults.catching():
        rows, found = survey(dataset, options)
        faults.extend(found)
        sound = rows[rows["offset"] > rows["onset"]]
        for row in tqdm(sound.itertuples(), f"checking {dataset}", len(sound), unit="sequence"):
            with faults.catching():
                frames = [frame for _, frame in sequence_frames(row, most_missing)]
                faults.extend(damaged(frames) if decode else ())
        return rows, faults
    return pd.DataFrame(), faults


def damaged(frames: Sequence[Frame]) -> list[str]:
    """Read all frames of a sequence: a line for each that is no whole image or of another size than the onset."""
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
