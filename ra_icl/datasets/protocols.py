"""Evaluation protocols: which sequences, which classes, which folds (Tables 4 and 5)."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ra_icl.datasets.index import NAMES
from ra_icl.errors import Faults, InputError

_CLASSES_3 = ("negative", "positive", "surprise")
_CLASSES_7 = ("happiness", "surprise", "sadness", "disgust", "fear", "anger", "others")


@dataclass(frozen=True)
class Protocol:
    """A protocol whose folds hold out subjects.

    classes: in label order. labels: {dataset: {emotion as the dataset names it: class}}. groups: number of folds among
    which the subjects are dealt; 0 leaves one subject out at a time (LOSO).
    """

    name: str
    datasets: tuple[str, ...]
    classes: tuple[str, ...]
    labels: dict[str, dict[str, str]]
    groups: int = 0


def _labels(**emotions: str) -> dict[str, str]:
    """{emotion: class} from a class's emotions in one string."""
    return {emotion: name for name, words in emotions.items() for emotion in words.split()}


# Part A's annotation says "happy" and "sad"; papers write "happiness" and "sadness".
_CASME3_3 = _labels(negative="disgust fear anger sad sadness", positive="happy happiness", surprise="surprise")
_CASME3_7 = _labels(
    happiness="happy happiness",
    surprise="surprise",
    sadness="sad sadness",
    disgust="disgust",
    fear="fear",
    anger="anger",
    others="others other",
)
_CASME3_4 = _CASME3_3 | _labels(others="others other")
_CDE = {
    # The paper's text also counts sadness and fear as negative; Table 4's 88 leave them out.
    "casme2": _labels(negative="disgust repression", positive="happiness", surprise="surprise"),
    "samm": _labels(negative="anger contempt disgust fear sadness", positive="happiness", surprise="surprise"),
    "smic": _labels(negative="negative", positive="positive", surprise="surprise"),
}

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("cde", ("casme2", "samm", "smic"), _CLASSES_3, _CDE),
        # CDE with 5 trainings a seed instead of 68. Its scores are not comparable with those of LOSO.
        Protocol("groups5", ("casme2", "samm", "smic"), _CLASSES_3, _CDE, groups=5),
        Protocol("casme3_3", ("casme3",), _CLASSES_3, {"casme3": _CASME3_3}),
        Protocol("casme3_4", ("casme3",), (*_CLASSES_3, "others"), {"casme3": _CASME3_4}),
        Protocol("casme3_7", ("casme3",), _CLASSES_7, {"casme3": _CASME3_7}),
        # The classes are in the config (see `protocol_of`); the index holds them instead of emotions.
        Protocol("own", ("own",), (), {"own": {}}),
    )
}


# The protocols of Table 3, its controls and ablations, Figures 4 and 6-10; a run has one of them at most.
CDE = ("cde", "groups5")


def protocol_of(name: str, classes: Sequence[str] = ()) -> Protocol:
    """A protocol by its name; classes: those of own data, in label order.

    Raises InputError if the name is unknown or own data have no classes.
    """
    if name not in PROTOCOLS:
        raise InputError(f"protocol {name!r} is not known; choose one of {', '.join(PROTOCOLS)}")
    protocol = PROTOCOLS[name]
    if protocol.classes:
        return protocol
    if len(classes) < 2:
        raise InputError(f"protocol {name}: no classes; set datasets.own.labels in the config")
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

# Tables 4 and 5: {protocol: {dataset: {class: sequences}}}.
EXPECTED = {
    "cde": {
        "casme2": {"negative": 88, "positive": 32, "surprise": 25},
        "samm": {"negative": 92, "positive": 26, "surprise": 15},
        "smic": {"negative": 70, "positive": 51, "surprise": 43},
    },
    "casme3_3": {"casme3": {"negative": 438, "positive": 49, "surprise": 183}},
    "casme3_4": {"casme3": {"negative": 438, "positive": 49, "surprise": 183, "others": 131}},
    "casme3_7": {
        "casme3": {
            "happiness": 49,
            "surprise": 183,
            "sadness": 56,
            "disgust": 245,
            "fear": 82,
            "anger": 55,
            "others": 131,
        }
    },
}
# {protocol: {dataset: subjects}}.
EXPECTED_SUBJECTS = {
    "cde": {"casme2": 24, "samm": 28, "smic": 16},
    "casme3_3": {"casme3": 87},
    "casme3_4": {"casme3": 93},
    "casme3_7": {"casme3": 93},
}
EXPECTED["groups5"], EXPECTED_SUBJECTS["groups5"] = EXPECTED["cde"], EXPECTED_SUBJECTS["cde"]


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


def check_counts(
    selected: pd.DataFrame,
    protocol: Protocol,
    on_mismatch: str = "error",
    expected: Mapping = EXPECTED,
    subjects: Mapping = EXPECTED_SUBJECTS,
) -> list[str]:
    """Compare sequences per dataset and class, and subjects per dataset, with Tables 4 and 5.

    selected: what `select` returned for `protocol`. on_mismatch: "error" raises InputError listing every difference,
    "warning" logs the same line. Only datasets in `protocol.datasets` are compared, and only with what `expected` and
    `subjects` hold.
    Returns the differences.
    """
    if on_mismatch not in ("error", "warning"):
        raise InputError(f"config: data.count_mismatch is {on_mismatch!r}; set error or warning")
    differences = _count_differences(selected, protocol, expected.get(protocol.name, {}))
    for dataset, wanted in subjects.get(protocol.name, {}).items():
        if dataset not in protocol.datasets:
            continue
        found = selected.loc[selected["dataset"] == dataset, "subject"].nunique()
        if found != wanted:
            differences.append(f"{dataset} subjects {found} instead of {wanted}")
    if differences:
        message = (
            f"{protocol.name}: the data differ from the paper's counts: {'; '.join(differences)}; "
            "check the datasets' editions, or set data.count_mismatch: warning"
        )
        if on_mismatch == "error":
            raise InputError(message)
        logging.getLogger(__name__).warning("%s", message)
    return differences


def folds(selected: pd.DataFrame, protocol: Protocol) -> list[str]:
    """Name the folds of a protocol's sequences.

    One per subject, such as "casme2-sub01", in order of dataset and subject number; or "group1", "group2" and so on,
    without those that no subject is left for.
    """
    found = _subject_folds(selected, protocol)
    if protocol.groups:
        return sorted(set(found.values()))
    return [found[pair] for pair in sorted(found, key=_fold_order)]


def fold_of(selected: pd.DataFrame, protocol: Protocol) -> pd.Series:
    """Name the fold that holds out each row.

    selected: all sequences of the protocol, as `select` returns them; a subject's group depends on the other subjects.
    """
    found = _subject_folds(selected, protocol)
    pairs = zip(selected["dataset"], selected["subject"], strict=True)
    return pd.Series([found[pair] for pair in pairs], index=selected.index, dtype=object)


def _subject_folds(selected: pd.DataFrame, protocol: Protocol) -> dict[tuple[str, str], str]:
    """{(dataset, subject): the fold that holds the subject out}.

    Groups are dealt dataset by dataset, the subjects with most sequences first: each to the group with fewest subjects
    of its dataset and, of those, fewest sequences so far. So the groups depend on the sequences alone, not on their
    order, and no group has two subjects of a dataset more than another.
    """
    sizes = selected.groupby(["dataset", "subject"]).size()
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
    raise InputError(
        f"{row.dataset} {row.subject}/{row.sequence}: emotion '{row.emotion}' is not known "
        f"(known: {', '.join(labels)}); correct the annotation"
    )


def _count_differences(selected: pd.DataFrame, protocol: Protocol, expected: Mapping) -> list[str]:
    differences = []
    for dataset, counts in expected.items():
        if dataset not in protocol.datasets:
            continue
        labels = selected.loc[selected["dataset"] == dataset, "label"]
        for name, wanted in counts.items():
            found = int((labels == protocol.classes.index(name)).sum())
            if found != wanted:
                differences.append(f"{dataset} {name} {found} instead of {wanted}")
    return differences


def _fold_order(pair: tuple[str, str]) -> tuple[int, int, str]:
    dataset, subject = pair
    number = re.search(r"[0-9]+", subject)
    return NAMES.index(dataset), int(number[0]) if number else 0, subject
