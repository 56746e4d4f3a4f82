"""The JSON files that evaluation reads: each must hold certain keys, with values of certain types."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ra_icl import files
from ra_icl.errors import InputError
from ra_icl.files import RERUN

_NUMBER, _TEXT, _BYTES = int | float, str | None, int | None
_NAMES = {dict: "an object", list: "a list", str: "text", int: "an integer", _NUMBER: "a number"}
_NAMES |= {bool: "true or false", _TEXT: "text or null", _BYTES: "an integer or null"}
# {key: its kind}; a kind is a type of _NAMES, a mapping like this one, or [the kind of a list's items].
# A key that ends with ? may be left out, as older versions did; ... stands for every other key.
FOLD = {
    **{"method": str, "protocol": str, "seed": int, "fold": str, "selection": str, "data_source": str},
    "data": {"predicted": int, "flow": str, "all": {...: {...: _NUMBER}}, "classes?": [int]},
    **{"versions": {...: _TEXT}, "seconds": _NUMBER, "memory?": _BYTES},
    **{"commit?": _TEXT, "device?": _TEXT, "precision?": _TEXT},
    **{"curve?": [{}], "options?": {}, "draws?": bool},
}
METRICS = {
    **{"method": str, "protocol": str, "selection": str, "data_source": str, "data": {}},
    **{"classes": [str], "seeds": [int], "scores": {...: {}}, "confusion": {...: [[int]]}},
    "options?": {...: {}},
}


def read_record(path: Path, shape: Mapping = FOLD) -> dict[str, Any]:
    """Read a JSON file, by default that of a fold.

    Raises InputError, naming the file and the key, for a key that is missing or whose value has another type.
    """
    content = files.read_json(path)
    _require(path, content, shape, ())
    return content


def read_metrics(path: Path) -> dict[str, Any]:
    """Read a metrics JSON. Raises InputError if a key that a table or figure needs is missing or of another type."""
    return read_record(path, METRICS)


def differing_option(one: Any, other: Any, key: str = "") -> str | None:
    """The first key, as a.b.c, in which the options of two records differ; None if in none.

    A key that only one of them has is no difference: records of other versions have other options. Where a fold was
    trained (`training.device`) is none either.
    """
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return None if one == other or key == "training.device" else key
    places = {name: f"{key}.{name}".lstrip(".") for name in one if name in other}
    found = (differing_option(one[name], other[name], place) for name, place in places.items())
    return next(filter(None, found), None)


def _require(path: Path, value: Any, shape: Any, place: tuple[str, ...]) -> None:
    """Raise InputError unless a value has the shape of FOLD or METRICS; place: its keys."""
    wanted = type(shape) if isinstance(shape, dict | list) else shape
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        name = f"key {'.'.join(place)} is" if place else "holds"
        raise InputError(f"{path}: {name} {_shown(value)}, not {_NAMES[wanted]}; {RERUN}")
    if isinstance(shape, list):
        for number, item in enumerate(value):
            for kind in shape:
                _require(path, item, kind, (*place, str(number)))
    if not isinstance(shape, dict):
        return
    for key, kind in shape.items():
        name = key if key is ... else key.removesuffix("?")
        if name is not ... and name == key and name not in value:
            raise InputError(f"{path}: key {'.'.join((*place, name))} is missing; {RERUN}")
        for one in value if name is ... else {name} & value.keys():
            _require(path, value[one], kind, (*place, one))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}..."
