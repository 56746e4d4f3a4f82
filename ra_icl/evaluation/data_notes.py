"""What a table's notes say of its sequences: midpoints taken for apexes, those left out, numbers unlike the paper's."""

from collections.abc import Mapping, Sequence
from typing import Any

from ra_icl.datasets.index import TITLES
from ra_icl.datasets.paper import EXPECTED

UNCOUNTED_NOTE = "If a method needs an apex and a sequence has none annotated, the midpoint of the sequence is used"


def data_notes(metrics: Sequence[Mapping[str, Any]], methods: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The notes of a table of scores from the contents of its metrics JSONs.

    methods: {method: its mark "mir", which says whether it needs an apex}.
    """
    # Published flow maps come with the apex that their authors chose.
    need = [
        content
        for content in metrics
        if "Apex" in str(methods.get(content["method"], {}).get("mir")) and content["data_source"] != "public_flow"
    ]
    left_out = left_out_notes([content.get("left_out", {}) for content in metrics])
    return [*midpoint_notes(need), *left_out, *count_notes(metrics)]


def midpoint_notes(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many sequences of each dataset the midpoint stood for the apex in; metrics: of methods that need an apex."""
    if any("without_apex" not in content for content in metrics):  # written by an older version
        return [UNCOUNTED_NOTE]
    counted = _listed([content["without_apex"] for content in metrics])
    if not counted:
        return []
    return [f"Without an annotated apex: {counted}; methods that need an apex take the midpoint of these sequences"]


def left_out_notes(counts: Sequence[Mapping[str, int]]) -> list[str]:
    """How many sequences of each dataset `data.exclude` left out."""
    counted = _listed(counts)
    return [f"Left out by data.exclude: {counted}"] if counted else []


def count_notes(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which of the official datasets have other numbers of sequences than the paper, as `count_mismatch` may allow."""
    found = []
    for content in (content for content in metrics if content["data_source"] == "datasets"):
        for name, classes in EXPECTED.get(content["protocol"], {}).items():
            expected, used = sum(classes.values()), content["scores"].get(name, {}).get("samples")
            if used not in (None, expected):
                found.append(f"{used} of {TITLES[name]} (the paper: {expected})")
    return [f"Numbers of sequences unlike the paper's: {', '.join(dict.fromkeys(found))}"] if found else []


def _listed(counts: Sequence[Mapping[str, int]]) -> str:
    """Counts per dataset in words; of several protocols the one that has most, because the others are part of it."""
    most = {name: max((one.get(name, 0) for one in counts), default=0) for name in TITLES}
    named = [(title, most[name]) for name, title in TITLES.items() if most[name]]
    return ", ".join(f"{count} sequence{'s' * (count > 1)} of {title}" for title, count in named)
