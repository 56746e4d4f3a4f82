"""Whether the depth that methods take is there, as the step that cuts it will look for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from ra_icl.datasets.depth import DATASETS, depth_files, read_depth
from ra_icl.datasets.frames import read_image, sequence_frames
from ra_icl.errors import Fault, FaultKind, Faults, InputError
from ra_icl.flow.sampling import Sampling, used_frames
from ra_icl.planning.check_frames import Look
from ra_icl.planning.methods import resolve_methods
from ra_icl.planning.peers import takes_depth
from ra_icl.planning.plan import sampling_of

NOT_WHOLE = FaultKind(
    "depth-not-whole",
    "{number} of {total} sequences have no depth that can be used, the first {first}",
    "nothing to do unless you run {methods}",
    {
        **{"where": "casme3", "number": 801, "total": 801, "methods": "peer_alexnet_depth"},
        "first": "casme3 spNO.1/a_355: depth folder /data/part_A/spNO.1/a/depth is missing",
    },
    "note",
)


def check_depth(config: Mapping[str, Any], dataset: str, rows: pd.DataFrame, look: Look) -> Faults:
    """Check the depth of every sequence of a dataset's index, of the frames that the config's methods with depth take.

    Every fault, if a method of Table 2 or of the confusion matrices takes it; else one note, as such methods run on
    request alone. Sequences whose colour frames are at fault are passed over.
    """
    methods = {name: method for name, method in resolve_methods(config)[0].items() if takes_depth(method)}
    if dataset not in DATASETS or not methods:
        return Faults()
    samplings = [sampling_of(method["sampling"]) for method in methods.values()]
    root, faults = config["datasets"][dataset]["root"], Faults()
    for row in tqdm(rows.itertuples(), f"checking depth of {dataset}", len(rows), unit="sequence", disable=None):
        with faults.catching():
            _check_sequence(row, root, samplings, look)
    if methods.keys() & {*config["tables"]["table2"], config["confusion"]} or not faults:
        return faults
    first = Fault.of(faults[0])
    values = {"number": len(faults), "total": len(rows), "methods": ", ".join(methods)}
    return Faults([NOT_WHOLE.at(dataset, first=f"{first.where}: {first.what}", **values)])


def _check_sequence(row, root: str | Path, samplings: Sequence[Sampling], look: Look) -> None:
    """Raise InputError for the first fault of a sequence's depth."""
    try:
        numbered = sequence_frames(row, root, look.options.missing_frames)
        size = read_image(numbered[0][1], grey=True).shape if look.decode else None
        numbers, key = [number for number, _ in numbered], f"{row.dataset}/{row.subject}/{row.sequence}"
        wanted = {number for one in samplings for number in used_frames(numbers, row.apex, one, key)["frames"]}
    except InputError:  # of the colour frames or the annotation, which is said elsewhere
        return
    files = depth_files(row, root, [numbers[0], *sorted(wanted)])
    for path in files if look.decode else ():
        read_depth(path, size)
