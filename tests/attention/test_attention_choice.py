"""Which sequences are shown."""

import pandas as pd
import pytest

from ra_icl.attention.choice import choose
from ra_icl.errors import InputError

COLUMNS = ["dataset", "subject", "sequence", "label", "prediction", "p0", "p1"]
ROWS = [
    ("casme2", "b", "1", 0, 0, 0.7, 0.3),
    ("casme2", "a", "2", 0, 0, 0.9, 0.1),  # right and surest, with the next
    ("casme2", "c", "3", 0, 0, 0.9, 0.1),
    ("casme2", "a", "4", 0, 1, 0.4, 0.6),
    ("casme2", "a", "5", 0, 1, 0.2, 0.8),  # wrong and surest
    ("samm", "a", "6", 0, 0, 1.0, 0.0),
    ("casme2", "a", "7", 1, 0, 0.95, 0.05),
]
PREDICTIONS = pd.DataFrame(ROWS, columns=COLUMNS)


def test_the_surest_right_and_the_surest_wrong_one_of_a_class_and_dataset():
    assert choose(PREDICTIONS, "casme2", 0) == [("a", "2", "surest right"), ("a", "5", "surest wrong")]
    assert choose(PREDICTIONS[::-1], "casme2", 0) == choose(PREDICTIONS, "casme2", 0)


def test_a_class_without_a_right_or_a_wrong_one_shows_the_other():
    assert choose(PREDICTIONS, "casme2", 1) == [("a", "7", "surest wrong")]
    assert choose(PREDICTIONS, "samm", 0) == [("a", "6", "surest right")]


def test_those_that_are_named_come_in_their_order():
    named = ["a/4", "a/7", "b/1"]
    assert choose(PREDICTIONS, "casme2", 0, named) == [("a", "4", "chosen"), ("b", "1", "chosen")]


@pytest.mark.parametrize(
    ("named", "words"),
    [(["a/4", "a/44"], "attention: a/44 is no held-out sequence of casme2"), (["a/7"], "none of a/7 has label 0")],
)
def test_a_name_that_fits_nothing_is_one_line(named, words):
    with pytest.raises(InputError, match=words):
        choose(PREDICTIONS, "casme2", 0, named)


def test_a_class_that_nobody_shows_is_one_line():
    with pytest.raises(InputError, match="no held-out sequence of samm has label 1; give its subjects' folds"):
        choose(PREDICTIONS, "samm", 1)
