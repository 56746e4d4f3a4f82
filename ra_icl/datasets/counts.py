"""How many sequences and subjects a protocol has, compared with Tables 4 and 5.

Kept apart from `protocols`, which folds import, so that a change here does not train them again.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import pandas as pd

from ra_icl.datasets.paper import EXPECTED, EXPECTED_SUBJECTS
from ra_icl.datasets.protocols import CDE, CROSS, Protocol
from ra_icl.errors import Fault, FaultKind, Faults

COUNTS = FaultKind(
    "counts",
    "the data differ from the paper's counts: {differences}",
    "check the dataset's edition, or set data.count_mismatch: warning",
    {"where": "cde", "differences": "smic surprise 42 instead of 43"},
)
IF_MEANT = "check the dataset's edition, unless this is meant"  # where data.count_mismatch is warning already
SMIC_CROPS = FaultKind(
    "counts-of-smic-crops",
    "the data differ from the paper's counts: {differences}",
    "the distributor's crops lack s18_sur_03: set data.count_mismatch: warning, or use SMIC_all_raw/HS",
    {"where": "cde", "differences": "smic surprise 42 instead of 43"},
)


def check_counts(
    selected: pd.DataFrame,
    protocol: Protocol,
    on_mismatch: Literal["error", "warning"] = "error",
    expected: Mapping = EXPECTED,
    subjects: Mapping = EXPECTED_SUBJECTS,
    *,
    datasets: Collection[str] | None = None,
) -> Faults:
    """Compare sequences per dataset and class, and subjects per dataset, with Tables 4 and 5.

    selected: what `select` returned for `protocol`. on_mismatch: "error" raises ManyFaultsError with a fault for each
    dataset that differs, "warning" logs them. datasets: those of the protocol to compare; None: those that occur in
    `selected`. Compared is only what `expected` and `subjects` hold.
    Returns a warning for each dataset that differs.
    """
    found = set(selected["dataset"]) if datasets is None else set(datasets)
    faults = Faults()
    for dataset in (name for name in protocol.datasets if name in found):
        rows = selected[selected["dataset"] == dataset]
        counts = expected.get(protocol.name, {}).get(dataset, {})
        labels = {name: int((rows["label"] == protocol.classes.index(name)).sum()) for name in counts}
        differences = [
            f"{dataset} {name} {labels[name]} instead of {n}" for name, n in counts.items() if labels[name] != n
        ]
        number, wanted = rows["subject"].nunique(), subjects.get(protocol.name, {}).get(dataset)
        if wanted not in (None, number):
            differences.append(f"{dataset} subjects {number} instead of {wanted}")
        if differences:
            cropped = dataset == "smic" and rows["frames"].str.contains("SMIC_all_cropped", case=False, na=False).any()
            kind = SMIC_CROPS if cropped else COUNTS
            faults.append(kind.at(protocol.name, differences=", ".join(differences)))
    if on_mismatch == "error":
        faults.raise_any()
    warnings = Faults(Fault(fault.where, fault.what, IF_MEANT, fault.kind, "warning") for fault in faults)
    for warning in warnings:
        logging.getLogger(__name__).warning("%s", warning)
    return warnings


def counted(names: Sequence[str]) -> list[str]:
    """Of protocols over the same sequences the first alone, so that a difference of counts is told once."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault("cde" if name in (*CDE, *CROSS) else name, name)
    return list(first.values())
