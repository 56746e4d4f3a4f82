"""Options of a stage: frozen dataclasses filled from a slice of the config, unknown keys refused."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from ra_icl.errors import InputError

T = TypeVar("T")


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build the dataclass `cls` from `values`; a field that is itself a dataclass takes a mapping.

    `where` is the config key that the values came from, for the messages.
    Raises InputError for an unknown key or a value that the dataclass refuses.
    """
    known = {field.name: field for field in fields(cls)}
    for key in values:
        if key not in known:
            raise InputError(f"config: unknown key {where}.{key}; known: {', '.join(known)}")
    arguments = {
        key: from_mapping(known[key].type, value, f"{where}.{key}")
        if is_dataclass(known[key].type) and isinstance(value, Mapping)
        else _tuples(value)
        for key, value in values.items()
    }
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"config: {where}: {error}") from error


def parse(cls: type[T], text: str, where: str) -> T:
    """Build `cls` from a JSON object in a string, as the workflow hands its config slices over."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise InputError(f"--{where}: not JSON ({error}); give an object such as '{{}}'") from error
    if not isinstance(values, Mapping):
        raise InputError(f"--{where}: give a JSON object such as '{{}}', not {text}")
    return from_mapping(cls, values, where)


def require_choice(name: str, value: Any, choices: tuple) -> None:
    """Raise ValueError, naming the key and the choices, unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(map(str, choices))}")


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
