"""Packs: the subjects whose flow one process computes, the folds that one trains: start-up is a small part then."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pandas as pd

from ra_icl.flow.sampling import Sampling

# The least work of a pack, in pairs of frames times pixels of a crop. Starting a flow process (Python, pandas, the
# compiled code) takes as long as 45 to 59 pairs of 224 px with backend numba (`python benchmarks/flow_step.py`);
# 19 times 68 keeps it below 5 % of a pack's time: 1,300 pairs, which is 52 s at 40 ms a pair.
LEAST_WORK = 1300 * 224**2


def packs_of(index: pd.DataFrame, subjects: Iterable[str], sampling: Sampling, size: int) -> list[list[str]]:
    """Cut the subjects of one dataset, in their order, into packs of at least LEAST_WORK each.

    index: the dataset's rows, with `subject`, `onset` and `offset`. size: side of a crop in pixels. A pack ends with
    the subject that fills it; what is left at the end joins the last. Less work than one pack's: one pack.
    """
    pairs = pairs_of(index, sampling).groupby(index["subject"]).sum()
    packs, work = [[]], 0
    for subject in subjects:
        if work >= LEAST_WORK:
            packs, work = [*packs, []], 0
        packs[-1].append(subject)
        work += pairs[subject] * size**2
    if work < LEAST_WORK and len(packs) > 1:
        packs[-2:] = [packs[-2] + packs[-1]]
    return packs


def packs_of_folds(names: Sequence[str], most: int) -> list[list[str]]:
    """Cut folds, in their order, into as few packs as hold at most `most` each, of sizes that differ by one at most."""
    count = -(-len(names) // most)
    ends = [len(names) * number // count for number in range(count + 1)]
    return [list(names[start:end]) for start, end in pairwise(ends)]


def pairs_of(index: pd.DataFrame, sampling: Sampling) -> pd.Series:
    """How many pairs of frames `sampling` takes from each sequence of `index`, which has `onset` and `offset`."""
    return (index["offset"] - index["onset"]).map(sampling.pairs)
