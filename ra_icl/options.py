"""What option classes are declared with.

An option is one annotated field of a frozen dataclass: type, range, help and default. The room `planning` reads the
annotations with pydantic; nothing here, or in the rooms that declare options, imports it, so that training and flow run
without it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar


class Options:
    """Base of the option dataclasses: unknown keys and values of another type are refused when they are read."""

    # The attribute from which pydantic takes the configuration of a standard dataclass.
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "strict": True}


@dataclass(frozen=True)
class Help:
    """What an option means, in one phrase: the option's description in the JSON schema of the config."""

    text: str

    def __get_pydantic_json_schema__(self, schema: Any, handler: Callable) -> dict[str, Any]:
        """Called by pydantic for an annotated field."""
        return handler(schema) | {"description": self.text}


@dataclass(frozen=True)
class Bounds:
    """Limits of a number or of a length, under pydantic's names: `at_least` and the functions below make them."""

    limits: tuple[tuple[str, float], ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable) -> dict[str, Any]:
        """Called by pydantic for an annotated field."""
        return handler(source) | dict(self.limits)


def at_least(low: float) -> Bounds:
    """A number of `low` or more."""
    return Bounds((("ge", low),))


def above(low: float) -> Bounds:
    """A number greater than `low`."""
    return Bounds((("gt", low),))


def at_most(high: float) -> Bounds:
    """A number of `high` or less."""
    return Bounds((("le", high),))


def below(high: float) -> Bounds:
    """A number less than `high`."""
    return Bounds((("lt", high),))


def between(low: float, high: float) -> Bounds:
    """A number from `low` to `high`, both included."""
    return Bounds((("ge", low), ("le", high)))


def min_length(number: int) -> Bounds:
    """A text, list or mapping of `number` or more entries."""
    return Bounds((("min_length", number),))
