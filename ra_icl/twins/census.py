"""How many clips each subject of a twin has: those of the full size, and those of the study.

A full-size twin has exactly the subjects and class counts of Tables 4 and 5. Clips per subject and class are not
published. It is known that subjects of the CDE protocol have from 1 to 39 clips with a median of 4, and that 8 of the
68 have a single one. The twins reproduce that; the rest is made up.
"""

import random
from collections.abc import Iterator
from itertools import cycle

from ra_icl.datasets.paper import EXPECTED, EXPECTED_SUBJECTS
from ra_icl.errors import InputError

# dataset -> clips of its most frequent subject, and subjects with a single clip
_EXTREMES = {"casme2": (28, 3), "samm": (26, 4), "smic": (39, 1), "casme3": (48, 0)}

STUDIES = ("study", "study_control")
_STUDY_DATASETS = ("casme2", "samm", "smic")
_STUDY_SUBJECTS = 24
_STUDY_SURPLUS = 4  # subjects with five clips; the others have four


def census(dataset: str, emotions: dict[str, tuple[str, ...]], rng: random.Random) -> list[list[str]]:
    """The emotions of every subject's clips, in the subject's order.

    emotions: {class of Table 4, or of Table 5's 7 classes: the emotions that its clips take in turn}. Some subjects of
    CAS(ME)³ have only clips of `others`; the 3-class protocol leaves them out.
    """
    counts = EXPECTED["casme3_7" if dataset == "casme3" else "cde"][dataset]
    deck = [emotion for name, count in counts.items() for emotion in _in_turn(emotions[name], count)]
    rng.shuffle(deck)
    subjects = EXPECTED_SUBJECTS["casme3_7" if dataset == "casme3" else "cde"][dataset]
    largest, singles = _EXTREMES[dataset]
    sizes = subject_sizes(subjects, len(deck), largest, singles)
    if dataset != "casme3":
        return [[deck.pop() for _ in range(size)] for size in sizes]
    return _with_subjects_of_others(deck, sizes, subjects - EXPECTED_SUBJECTS["casme3_3"]["casme3"])


def study_census(dataset: str, emotions: dict[str, tuple[str, ...]], rng: random.Random) -> list[list[str]]:
    """The emotions of every subject's clips in a study: 100 clips of 24 subjects, in the subject's order.

    Every subject has a clip of each class and one or two more, of different classes; the classes have 33 or 34 clips
    in each dataset and 100 over all three. emotions: as `census`. Raises InputError for a dataset that no study has.
    """
    if dataset not in _STUDY_DATASETS:
        raise InputError(f"twins.census: a study has no {dataset}; leave its protocols out of `protocols`")
    more = [2] * _STUDY_SURPLUS + [1] * (_STUDY_SUBJECTS - _STUDY_SURPLUS)
    rng.shuffle(more)
    names = list(emotions)
    first = _STUDY_DATASETS.index(dataset)
    extra = cycle(names[first:] + names[:first])
    turns = {name: cycle(shown) for name, shown in emotions.items()}
    subjects = []
    for count in more:
        clips = [next(turns[name]) for name in [*names, *(next(extra) for _ in range(count))]]
        rng.shuffle(clips)
        subjects.append(clips)
    return subjects


def subject_sizes(subjects: int, total: int, largest: int, singles: int) -> list[int]:
    """Clips of each subject, falling with a power of the rank: `largest` first, then finally `singles` ones."""
    many = subjects - singles
    low, high = 0.0, 5.0
    for _ in range(50):  # the smaller the power, the larger their sum: bisect
        power = (low + high) / 2
        low, high = (power, high) if sum(_falling(many, largest, power)) > total - singles else (low, power)
    sizes = _falling(many, largest, high)
    for rank in range(total - singles - sum(sizes)):  # what rounding left over
        sizes[1 + rank % (many - 1)] += 1
    return sizes + [1] * singles


def _falling(subjects: int, largest: int, power: float) -> list[int]:
    return [max(2, round(largest * (rank + 1) ** -power)) for rank in range(subjects)]


def _in_turn(emotions: tuple[str, ...], count: int) -> Iterator[str]:
    turn = cycle(emotions)
    return (next(turn) for _ in range(count))


def _with_subjects_of_others(deck: list[str], sizes: list[int], only_others: int) -> list[list[str]]:
    """Deal the deck so that the last `only_others` subjects show only `others`, and every other one something else."""
    others = [emotion for emotion in deck if emotion == "others"]
    rest = [emotion for emotion in deck if emotion != "others"]
    last = [[others.pop() for _ in range(size)] for size in sizes[len(sizes) - only_others :]]
    first = [[rest.pop()] for _ in sizes[: len(sizes) - only_others]]
    # Spread what is left of `others` evenly through the rest, which is shuffled.
    step = max(1, len(rest) // max(len(others), 1))
    for number, emotion in enumerate(others):
        rest.insert(number * (step + 1), emotion)
    for clips, size in zip(first, sizes, strict=False):
        clips += [rest.pop() for _ in range(size - 1)]
    return first + last
