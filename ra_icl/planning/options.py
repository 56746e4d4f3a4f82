"""Options read from a slice of the config or from a command line, by pydantic. One line says what does not fit.

Only this module and `settings` import pydantic.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints
from unicodedata import category

from pydantic import TypeAdapter, ValidationError

from ra_icl.errors import InputError

T = TypeVar("T")
LARGEST = 2**63  # what JSON's readers, NumPy and PyTorch take for an integer
ALIKE = 0.75  # of difflib's ratio, from which on one key is taken for another that was misspelt

_YAML_TRAP = "YAML reads yes, no, on and off as true and false, and 1 as a number"
# What to write instead, by pydantic's type of error; {..} are the error's own values.
_REMEDIES = {
    "literal_error": "choose {expected}",
    "int_type": "give an integer",
    "float_type": "give a number (YAML reads 1e-3 as text: write 0.001)",
    "bool_type": "give true or false",
    "string_type": f"give text, in quotes ({_YAML_TRAP})",
    "string_too_short": "give some text",
    "string_too_long": "give at most {max_length} letters",
    "string_pattern_mismatch": "give a name that matches {pattern}",
    "greater_than": "give more than {gt:g}",
    "greater_than_equal": "give at least {ge:g}",
    "less_than": "give less than {lt:g}",
    "less_than_equal": "give at most {le:g}",
    "too_short": "give a list of at least {min_length}",
    "too_long": "give a list of at most {max_length}",
    "dict_type": "give a mapping, such as {{key: value}}",
    "dataclass_type": "give a mapping, such as {{key: value}}",
}


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Build the option dataclass `cls` from a slice of the config; what it leaves out keeps its default.

    where: the config key that the values belong to, for the message; "" is the whole config.
    Raises InputError for the first key that is unknown or has a value that does not fit.
    """
    return _read(cls, values, "config", where)


def parse(cls: type[T], text: str, where: str) -> T:
    """Build `cls` from a JSON object in a string, as the workflow hands its config slices over.

    where: the command-line option that the text was given to. Raises InputError like `from_mapping`.
    """
    return _read(cls, json_object(text, where), f"--{where}")


def json_object(text: str, where: str) -> dict[str, Any]:
    """Read a JSON object given to the command-line option `where`. Raises InputError for anything else."""
    values = _from_json(text, where, "{}")
    if not isinstance(values, dict):
        raise InputError(f"--{where}: give a JSON object such as '{{}}', not {_shown(values)}")
    return values


def json_objects(text: str, where: str) -> dict[str, dict[str, Any]]:
    """Read a JSON object of objects given to the option `where`. Raises InputError for anything else."""
    values = json_object(text, where)
    for name, value in values.items():
        if not isinstance(value, dict):
            raise InputError(f"--{where}: {name} is {_shown(value)}; give an object such as {{}}")
    return values


def json_list(text: str, where: str) -> list[str | int | float]:
    """Read a JSON list of words and numbers given to the option `where`. Raises InputError for anything else."""
    values = _from_json(text, where, '["a", "b"]')
    if not isinstance(values, list) or not all(isinstance(value, str | int | float) for value in values):
        raise InputError(f'--{where}: give a JSON list such as ["a", "b"], not {_shown(values)}')
    return values


def _from_json(text: str, where: str, example: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--{where}: not JSON ({error}); write it like '{example}'") from error


def json_schema(cls: type) -> dict[str, Any]:
    """The JSON schema of the option dataclass `cls`: types, ranges, choices, defaults and help of every key."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | _adapter(cls).json_schema()


@cache
def _adapter(cls: type) -> TypeAdapter:
    return TypeAdapter(cls)


def _read(cls: type[T], values: Mapping[str, Any], *place: str) -> T:
    """place: where the values come from, down to the key that holds them; each message starts with it."""
    plain = _plain(values, place)
    try:
        # As JSON, because a list is then a tuple and a mapping a dataclass, while types stay strict.
        return _adapter(cls).validate_json(json.dumps(plain))
    except ValidationError as error:
        # Unknown keys first: a misspelt key is also a missing one.
        first, *others = sorted(error.errors(), key=lambda fault: fault["type"] != "unexpected_keyword_argument")
        path, text = first["loc"], _fault(cls, first)
        # Words or a number: pydantic tells both faults, below the key.
        if path and str(path[-1]).startswith("literal["):
            path = path[:-1]
            text += "".join(f", or {_remedy(cls, other)}" for other in others if other["loc"][:-1] == path)
        raise InputError(_line(place, path, text)) from None


def _plain(values: Any, place: Sequence[str], *path: str | int) -> Any:
    """A copy of what YAML or JSON gave. Raises InputError for keys that are not text and values that JSON lacks."""
    if isinstance(values, Mapping):
        for key in values:
            if isinstance(key, str) and _unusable(key):
                raise InputError(_line(place, path, f"a key {_unusable(key)}"))
            if not isinstance(key, str):
                raise InputError(_line(place, path, f"the key {key!r} is not text; put it in quotes ({_YAML_TRAP})"))
        return {key: _plain(value, place, *path, key) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_plain(value, place, *path, number) for number, value in enumerate(values)]
    fault = _unusable(values)
    if fault:
        raise InputError(_line(place, path, fault))
    return values


def _unusable(value: Any) -> str:
    """What is wrong with a single value whatever it is for, and what to do; "" if nothing is."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"is {value}; give a finite number"
    if isinstance(value, int) and abs(value) >= LARGEST:
        return f"is {_shown(value)}; give a number below 2^63"
    if isinstance(value, str) and any(category(letter) in ("Cc", "Cs") for letter in value):
        return f"is {_shown(value)}; leave out line breaks and other control characters"
    if value is None or isinstance(value, str | bool | int | float):
        return ""
    return f"is {_shown(value)}; put it in quotes (YAML reads 2026-01-31 as a date)"


def _shown(value: Any) -> str:
    """A value as the config has it, cut to a length that a line bears."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 120 else f"{text[:100]}..."


def _line(place: Sequence[str], path: Sequence[str | int], text: str) -> str:
    """One line: source, full path of the key, fault."""
    source, *above = place
    names = [*filter(None, above), *(str(name) for name in path if name != "[key]")]
    key = ".".join(name if name and name.isprintable() else repr(name) for name in names)
    return ": ".join(filter(None, (source, key, text)))


def _fault(cls: type, fault: Mapping[str, Any]) -> str:
    """What one of pydantic's errors says, and what to do."""
    if fault["type"] == "unexpected_keyword_argument":
        kind = _kind_at(cls, fault["loc"][:-1])
        known, meant = ", ".join(field.name for field in fields(kind)), _meant(kind, fault["loc"][-1])
        return f"unknown key; known: {known}" + (f"; did you mean {meant}?" if meant else "")
    if fault["type"].startswith("missing"):
        return "is missing; add it, see config/config.yaml"
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    return f"is {_shown(fault['input'])}; {_remedy(cls, fault)}"


def _remedy(cls: type, fault: Mapping[str, Any]) -> str:
    if fault["type"] == "tuple_type":
        of = get_args(_kind_at(cls, fault["loc"]))[0]
        return f"give a list, such as {'[a, b]' if of is str or get_origin(of) is Literal else '[1, 2]'}"
    return _REMEDIES[fault["type"]].format(**fault.get("ctx", {})) if fault["type"] in _REMEDIES else fault["msg"]


def _meant(kind: Any, key: str) -> str:
    """What an unknown key of the option class `kind` was meant to be: a key alike, else one further down; "" if none.

    A key further down counts only if no other has its name: of several, nobody can tell which was meant.
    """
    paths = list(_paths(kind))
    names = [path[-1] for path in paths]
    here = {path[0]: path for path in paths if len(path) == 1}
    below = {path[-1]: path for path in paths if names.count(path[-1]) == 1}
    near = get_close_matches(key, here, 1, ALIKE) or get_close_matches(key, below, 1, ALIKE)
    return ".".join((here | below)[near[0]]) if near else ""


def _paths(kind: Any, *above: str) -> Iterator[tuple[str, ...]]:
    """The path of every key of an option class, at any depth."""
    for field in fields(kind):
        yield (*above, field.name)
        if is_dataclass(below := _kind_at(kind, [field.name])):
            yield from _paths(below, *above, field.name)


def _kind_at(kind: Any, path: Sequence[str | int]) -> Any:
    """The type of the value that lies at `path` below the class `kind`."""
    for key in path:
        kind = get_type_hints(kind)[key] if is_dataclass(kind) else get_args(kind)[-1]
        if isinstance(kind, UnionType):  # "or null"
            kind = get_args(kind)[0]
    return kind
