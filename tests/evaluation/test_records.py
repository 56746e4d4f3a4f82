"""What a fold's JSON must hold: every key of every level, left out or with a value of another type."""

import pytest

from ra_icl.errors import InputError
from ra_icl.evaluation.records import read_metrics, read_record
from ra_icl.files import read_json, write_json

RANGE = {"mean": 0.5, "min": -2, "max": 3.0}
FOLD = {
    **{"method": "m6", "protocol": "cde", "seed": 0, "fold": "samm-006", "selection": "last", "data_source": "twins"},
    "data": {"predicted": 2, "flow": "d1", "all": {"u": RANGE, "v": RANGE}, "classes": [3, 0, 4]},
    **{"versions": {"torch": "2.13", "numba": None}, "seconds": 1.5, "memory": None},
    **{"commit": None, "device": "cpu", "precision": "fp32", "curve": [{"cls": 1.0}], "options": {}},
}
OLDER = ("memory", "commit", "device", "precision", "curve", "options", "data.classes")


def places(value, place=()):
    """All paths of keys, a list's items included."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*place, key)
        yield from places(inner, (*place, key))


def with_value(value, place, new):
    first, *more = place
    inner = with_value(value[first], more, new) if more else new
    if isinstance(value, list):
        return [*value[:first], inner, *value[first + 1 :]]
    return value | {first: inner}


def without(value, place):
    first, *more = place
    if more:
        return value | {first: without(value[first], more)}
    return {key: inner for key, inner in value.items() if key != first}


@pytest.mark.parametrize("place", [place for place in places(FOLD) if place != ("curve", 0, "cls")])
def test_a_value_of_another_type_is_named_by_its_key(tmp_path, place):
    path, key = tmp_path / "fold.json", r"\.".join(map(str, place))
    before = FOLD
    for part in place:
        before = before[part]
    for new in (True, {"x": 1} if not isinstance(before, dict) else [1], ["x" * 99]):
        write_json(path, with_value(FOLD, place, new))
        remedy = "if a run wrote it, delete it and run again"
        line = rf"key {key}(\.0|\.x)? is .{{1,50}}, not (an? \w+|text)( or null)?; {remedy}$"
        with pytest.raises(InputError, match=rf"^\S*fold\.json: {line}"):
            read_record(path)


@pytest.mark.parametrize("place", [place for place in places(FOLD) if not isinstance(place[-1], int)])
def test_only_what_older_versions_left_out_may_be_missing(tmp_path, place):
    path, key = tmp_path / "fold.json", ".".join(map(str, place))
    if "curve" in place[:-1]:
        return
    write_json(path, without(FOLD, place))
    if key in OLDER or (place[0] == "versions" and len(place) > 1) or "all" in place[:-1]:
        assert read_record(path) == read_json(path)
        return
    with pytest.raises(
        InputError, match=rf"^\S*fold\.json: key {key} is missing; if a run wrote it, delete it and run again$"
    ):
        read_record(path)


def test_a_whole_record_is_returned_and_what_is_no_object_is_named(tmp_path):
    path = tmp_path / "fold.json"
    write_json(path, FOLD)
    assert read_record(path) == FOLD
    for content in ([FOLD], 3, None):
        write_json(path, content)
        with pytest.raises(InputError, match=r"fold\.json: holds .{1,50}, not an object; if a run wrote it, delete it"):
            read_record(path)
    write_json(path, FOLD | {"classes": ["a"], "seeds": [0], "scores": {}, "confusion": {"composite": [[1, "2"]]}})
    with pytest.raises(InputError, match=r'key confusion\.composite\.0\.1 is "2", not an integer'):
        read_metrics(path)
