"""Evaluation protocols: which sequences, which classes, which folds (Tables 4 and 5)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ra_icl.datasets.index import NAMES
from ra_icl.datasets.paper import (
    CASME3_3,
    CASME3_4,
    CASME3_7,
    CDE_LABELS,
    CLASSES_3,
    CLASSES_7,
)
from ra_icl.errors import FaultKind, Faults

_EMOTION = {"where": "samm 006/006_1_2", "emotion": "joy", "known": "anger, contempt, disgust, fear, sadness"}
UNKNOWN_PROTOCOL = FaultKind(
    "protocol-unknown",
    "{name!r} is not known",
    "choose one of {names}",
    {"where": "protocol", "name": "cde5", "names": "cde, groups5, cross, casme3_3, casme3_4, casme3_7, own"},
)
NO_CLASSES = FaultKind(
    "protocol-without-classes", "no classes", "set datasets.own.labels in the config", {"where": "protocol own"}
)
UNKNOWN_EMOTION = FaultKind(
    "emotion-of-no-protocol", "emotion '{emotion}' is not known (known: {known})", "correct the annotation", _EMOTION
)


@dataclass(frozen=True)
class Protocol:
    """A protocol whose folds hold out subjects.

    classes: in label order. labels: {dataset: {emotion as the dataset names it: class}}. groups: number of folds among
    which the subjects are dealt; 0 leaves one subject out at a time (LOSO). by_dataset: a fold holds out a whole
    dataset. train: the one fold holds out all datasets but this one.
    """

    name: str
    datasets: tuple[str, ...]
    classes: tuple[str, ...]
    labels: dict[str, dict[str, str]]
    groups: int = 0
    by_dataset: bool = False
    train: str = ""

    @property
    def tested(self) -> tuple[str, ...]:
        """The datasets whose sequences some fold holds out."""
        return tuple(name for name in self.datasets if name != self.train)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("cde", ("casme2", "samm", "smic"), CLASSES_3, CDE_LABELS),
        # CDE with 5 trainings a seed instead of 68. Its scores are not comparable with those of LOSO.
        Protocol("groups5", ("casme2", "samm", "smic"), CLASSES_3, CDE_LABELS, groups=5),
        # Across datasets: train on two and test on the third, or train on one and test on the others.
        Protocol("cross", ("casme2", "samm", "smic"), CLASSES_3, CDE_LABELS, by_dataset=True),
        Protocol("cross_casme2", ("casme2", "samm", "smic"), CLASSES_3, CDE_LABELS, train="casme2"),
        Protocol("cross_samm", ("casme2", "samm", "smic"), CLASSES_3, CDE_LABELS, train="samm"),
        Protocol("cross_smic", ("casme2", "samm", "smic"), CLASSES_3, CDE_LABELS, train="smic"),
        Protocol("casme3_3", ("casme3",), CLASSES_3, {"casme3": CASME3_3}),
        Protocol("casme3_4", ("casme3",), (*CLASSES_3, "others"), {"casme3": CASME3_4}),
        Protocol("casme3_7", ("casme3",), CLASSES_7, {"casme3": CASME3_7}),
        # The classes are in the config (see `protocol_of`); the index holds them instead of emotions.
        Protocol("own", ("own",), (), {"own": {}}),
    )
}


# The protocols of Table 3, its controls and ablations, Figures 4 and 6-10; a run has one of them at most.
CDE = ("cde", "groups5")
CASME3 = ("casme3_3", "casme3_4", "casme3_7")
# What a config calls `cross`.
CROSS = ("cross", "cross_casme2", "cross_samm", "cross_smic")


def protocol_of(name: str, classes: Sequence[str] = ()) -> Protocol:
    """A protocol by its name; classes: those of own data, in label order.

    Raises InputError if the name is unknown or own data have no classes.
    """
    if name not in PROTOCOLS:
        raise UNKNOWN_PROTOCOL.error("protocol", name=name, names=", ".join(PROTOCOLS))
    protocol = PROTOCOLS[name]
    if protocol.classes:
        return protocol
    if len(classes) < 2:
        raise NO_CLASSES.error(f"protocol {name}")
    return replace(protocol, classes=tuple(classes))


# Emotions of a dataset that no protocol uses.
UNUSED_EMOTIONS = {"casme2": {"others", "sadness", "fear"}, "samm": {"other", "others"}}


def known_emotions(dataset: str) -> set[str]:
    """Emotions of a dataset that a protocol maps to a class or leaves out on purpose; the empty set for own data."""
    maps = (protocol.labels.get(dataset, {}) for protocol in PROTOCOLS.values())
    return set(UNUSED_EMOTIONS.get(dataset, ())).union(*maps)


# CASME II sequences that the CDE protocol leaves out although it may include their emotion.
UNUSED_CASME2 = {
    ("sub04", "EP12_01f"): "no apex is annotated",
    ("sub05", "EP09_05f"): "the apex is the onset",
    ("sub24", "EP07_01"): "not among the 145 of Table 4; sadness in some editions",
    ("sub24", "EP07_04f"): "not among the 145 of Table 4; sadness in some editions",
    ("sub24", "EP10_03"): "not among the 145 of Table 4; sadness in some editions",
}


def exclude(index: pd.DataFrame) -> pd.DataFrame:
    """Drop the rows of an index that no protocol uses; the others keep their order and row labels.

    Dropped: UNUSED_EMOTIONS, UNUSED_CASME2, and CAS(ME)³ rows whose annotation violates onset < apex <= offset (the
    paper: "some samples with annotation errors are excluded"). Unknown emotions are kept, for `select` to refuse.
    """
    unused = [
        row.emotion in UNUSED_EMOTIONS.get(row.dataset, ())
        or (row.dataset == "casme2" and (row.subject, row.sequence) in UNUSED_CASME2)
        or (row.dataset == "casme3" and not _in_order(row))
        for row in index.itertuples()
    ]
    return index[~pd.Series(unused, index=index.index, dtype=bool).to_numpy()]


def select(indexes: pd.DataFrame, protocol: Protocol) -> pd.DataFrame:
    """Take the rows of a protocol from the index of one or more datasets.

    Returns them numbered from 0, with an int64 column `label`, the position in `protocol.classes`.
    Raises ManyFaultsError naming each sequence whose emotion is neither mapped nor left out on purpose.
    """
    rows = exclude(indexes[indexes["dataset"].isin(protocol.datasets)])
    classes, faults = [], Faults()
    for row in rows.itertuples():
        with faults.catching():
            classes.append(_class_of(row, protocol))
    faults.raise_any()
    labels = [-1 if name is None else protocol.classes.index(name) for name in classes]
    labelled = rows.assign(label=pd.Series(labels, index=rows.index, dtype="int64"))
    return labelled[labelled["label"] >= 0].reset_index(drop=True)


def folds(selected: pd.DataFrame, protocol: Protocol) -> list[str]:
    """Name the folds of a protocol's sequences.

    One per subject, such as "casme2-sub01", in order of dataset and subject number; or "group1", "group2" and so on,
    without those that no subject is left for; or those of whole datasets, "casme2", or "others".
    """
    found = _subject_folds(selected, protocol)
    if protocol.groups or protocol.by_dataset or protocol.train:
        return sorted(set(found.values()))
    return [found[pair] for pair in sorted(found, key=_fold_order)]


def fold_of(selected: pd.DataFrame, protocol: Protocol) -> pd.Series:
    """Name the fold that holds out each row; None for the rows that are only trained on.

    selected: all sequences of the protocol, as `select` returns them; a subject's group depends on the other subjects.
    """
    found = _subject_folds(selected, protocol)
    pairs = zip(selected["dataset"], selected["subject"], strict=True)
    return pd.Series([found.get(pair) for pair in pairs], index=selected.index, dtype=object)


def _subject_folds(selected: pd.DataFrame, protocol: Protocol) -> dict[tuple[str, str], str]:
    """{(dataset, subject): the fold that holds the subject out}.

    Groups are dealt dataset by dataset, the subjects with most sequences first: each to the group with fewest subjects
    of its dataset and, of those, fewest sequences so far. So the groups depend on the sequences alone, not on their
    order, and no group has two subjects of a dataset more than another.
    """
    sizes = selected.groupby(["dataset", "subject"]).size()
    if protocol.by_dataset or protocol.train:
        names = {name: "others" if protocol.train else name for name in protocol.tested}
        return {(dataset, subject): names[dataset] for dataset, subject in sizes.index if dataset in names}
    if not protocol.groups:
        return {(dataset, subject): f"{dataset}-{subject}" for dataset, subject in sizes.index}
    found, sequences = {}, [0] * protocol.groups
    for dataset in protocol.datasets:
        subjects = [0] * protocol.groups
        for pair in sorted((p for p in sizes.index if p[0] == dataset), key=lambda p: (-sizes[p], _fold_order(p))):
            group = min(range(protocol.groups), key=lambda number: (subjects[number], sequences[number]))
            subjects[group] += 1
            sequences[group] += sizes[pair]
            found[pair] = f"group{group + 1}"
    return found


def _in_order(row) -> bool:
    return not pd.isna(row.apex) and row.onset < row.apex <= row.offset


def _class_of(row, protocol: Protocol) -> str | None:
    labels = protocol.labels[row.dataset]
    if row.emotion in labels:
        return labels[row.emotion]
    if row.emotion in protocol.classes:  # published tables give the class instead of the emotion
        return row.emotion
    if any(row.emotion in other.labels.get(row.dataset, ()) for other in PROTOCOLS.values()):
        return None  # a class of another protocol, as `others` in the 3-class one
    place = f"{row.dataset} {row.subject}/{row.sequence}"
    raise UNKNOWN_EMOTION.error(place, emotion=row.emotion, known=", ".join(labels))


def _fold_order(pair: tuple[str, str]) -> tuple[int, int, str]:
    dataset, subject = pair
    number = re.search(r"[0-9]+", subject)
    return NAMES.index(dataset), int(number[0]) if number else 0, subject
