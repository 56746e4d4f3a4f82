"""What a title must say about results: that data are synthetic, datasets missing, folds not LOSO, epochs a leak."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ra_icl.datasets.index import TITLES
from ra_icl.datasets.protocols import CROSS, PROTOCOLS
from ra_icl.errors import InputError

# How tables call data: published maps are real data too, only the rows of published.csv are "published".
DATA = {"datasets": "real", "twins": "synthetic", "public_flow": "real"}
DATA_SOURCE_CAVEATS = {
    "datasets": None,
    "twins": "SYNTHETIC TWINS: not comparable with any published number",
    "public_flow": "published flow maps",
}
FOLDS_CAVEATS = {"groups5": "five folds by subject, not LOSO", **dict.fromkeys(CROSS, "across datasets, not LOSO")}
SELECTION_CAVEATS = {
    "last": None,
    "best_on_held_out": "best epoch chosen on the held-out subject: optimistic",
}


def caveats(metrics: Mapping[str, Any]) -> list[str]:
    """What a title must say about results: data source, missing datasets, folds, how the epoch was chosen.

    metrics: the content of a metrics JSON. Empty for real data, all of a protocol's datasets, LOSO and the last epoch.
    Raises InputError for an unknown data source, selection or protocol.
    """
    if metrics["selection"] not in SELECTION_CAVEATS:
        raise InputError(f"selection {metrics['selection']!r} is none of {', '.join(SELECTION_CAVEATS)}")
    missing = missing_datasets(metrics["protocol"], metrics["scores"])
    rules = [FOLDS_CAVEATS.get(metrics["protocol"]), SELECTION_CAVEATS[metrics["selection"]]]
    return [*data_caveats(metrics["data_source"]), *missing, *filter(None, rules)]


def all_caveats(metrics: Iterable[Mapping[str, Any]]) -> list[str]:
    """The caveats of several metrics JSONs, each once."""
    return list(dict.fromkeys(caveat for content in metrics for caveat in caveats(content)))


def data_caveats(data_source: str) -> list[str]:
    """What a title must say about a data source; empty for the datasets. Raises InputError for an unknown one."""
    if data_source not in DATA_SOURCE_CAVEATS:
        raise InputError(f"data_source {data_source!r} is none of {', '.join(DATA_SOURCE_CAVEATS)}")
    return list(filter(None, [DATA_SOURCE_CAVEATS[data_source]]))


def missing_datasets(protocol: str, found: Collection[str]) -> list[str]:
    """["CDE without SMIC-HS"] if a dataset that the protocol tests on is not in `found`, else [].

    Five folds are of CDE too; what is across datasets, another caveat says.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol {protocol!r} is none of {', '.join(PROTOCOLS)}")
    names = [TITLES[name] for name in PROTOCOLS[protocol].tested if name not in found]
    setting = {"groups5": "CDE", **dict.fromkeys(CROSS, "")}.get(protocol, protocol.upper())
    return [f"{setting} without {' and '.join(names)}".lstrip()] if names else []
