"""What the settings of peers are declared with: every one says where it comes from."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, get_type_hints

from ra_icl.options import Help, Options

Origin = Literal["paper", "code", "choice"]


@dataclass(frozen=True)
class Setting(Help):
    """What a setting means, and its origin: the paper, public code, or a choice of ours."""

    origin: Origin


def paper(text: str) -> Setting:
    """A setting whose default is stated in the peer's paper."""
    return Setting(text, "paper")


def code(text: str) -> Setting:
    """A setting whose default is read in public code: the authors', unless the peer's file names others."""
    return Setting(text, "code")


def choice(text: str) -> Setting:
    """A setting that neither paper nor code gives, or that we had to change; the text says why it is what it is."""
    return Setting(text, "choice")


@dataclass(frozen=True)
class NetworkSettings(Options):
    """How every peer's network is trained: cross-entropy in fp32 at one learning rate, and the last epoch is taken.

    A peer's own class gives each of these a default and an origin, and adds what else it has.
    """

    size: int  # side of its input in pixels
    optimiser: Literal["adam", "sgd"]
    learning_rate: float
    momentum: float  # of sgd
    weight_decay: float
    batch: int
    shuffle: bool  # whether the sequences of an epoch are shuffled, else they come class by class
    epochs: int

    def __post_init__(self) -> None:
        if self.optimiser == "adam" and self.momentum not in (0, type(self).momentum):
            raise ValueError(f"momentum is {self.momentum}, but adam has none; take it out, or set optimiser to sgd")


def origins(settings: Options) -> dict[str, dict[str, Any]]:
    """{setting: {"value", "from"}}: from is an `Origin`, or "config" if the value is not the peer's default.

    Raises TypeError for a setting that was declared without an origin.
    """
    return {name: {"value": value, "from": origin} for name, value, origin in _each(settings)}


def _each(settings: Options) -> Iterator[tuple[str, Any, str]]:
    hints = get_type_hints(type(settings), include_extras=True)
    for field in fields(settings):
        value = getattr(settings, field.name)
        stated = [one.origin for one in getattr(hints[field.name], "__metadata__", ()) if isinstance(one, Setting)]
        if not stated:
            raise TypeError(f"{field.name} is declared without paper(..), code(..) or choice(..)")
        yield field.name, value, stated[0] if value == field.default else "config"
