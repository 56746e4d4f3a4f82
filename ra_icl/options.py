"""What option classes are declared with.

An option is one annotated field of a frozen dataclass: type, range (`annotated_types`), help and default. The room
`planning` reads the annotations with pydantic; nothing here, or in the rooms that declare options, imports it.
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
