"""What bad input raises: one line that says where, what is wrong and what to do, and the kinds of such lines."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

Severity = Literal["fault", "warning", "note"]


def one_line(text: str) -> str:
    """`text` with line breaks and other characters that do not print as escapes: names and cells may hold any."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class Fault(str):
    """One finding about the input, the line "{where}: {what}; {remedy}" with its parts.

    kind: the name of its FaultKind, or "other". severity: a fault stops a run; a warning or a note is only reported.
    """

    where: str
    what: str
    remedy: str
    kind: str
    severity: Severity

    def __new__(
        cls, where: str, what: str, remedy: str = "", kind: str = "other", severity: Severity = "fault"
    ) -> Self:
        """Join the parts to a line, see `one_line`."""
        where, what, remedy = map(one_line, (where, what, remedy))
        fault = super().__new__(cls, f"{where}: {what}" + (f"; {remedy}" if remedy else ""))
        fault.where, fault.what, fault.remedy, fault.kind, fault.severity = where, what, remedy, kind, severity
        return fault

    @classmethod
    def of(cls, line: str) -> "Fault":
        """The parts of a text, as one line; a Fault is returned as it is. A config's key is a part of where."""
        if isinstance(line, Fault):
            return line
        line = one_line(line)
        where, what, remedy = re.fullmatch(r"(?s)(?:(config: \S+|.*?): )?(.*?)(?:; (.*))?", line).groups("")
        fault = str.__new__(cls, line)
        fault.where, fault.what, fault.remedy, fault.kind, fault.severity = where, what, remedy, "other", "fault"
        return fault

    def __getnewargs__(self) -> tuple[str, str, str, str, str]:
        """For pickle and copy."""
        return self.where, self.what, self.remedy, self.kind, self.severity


@dataclass(frozen=True)
class FaultKind:
    """A kind of finding: templates of what is wrong and what to do, and an example for the documentation.

    name: such as "frames-missing". what, remedy: with {fields} that `at` fills in. example: the values of those fields
    and `where`. Every kind is in FaultKind.all, in the order of declaration.
    """

    name: str
    what: str
    remedy: str
    example: Mapping[str, object]
    severity: Severity = "fault"

    all: ClassVar[dict[str, "FaultKind"]] = {}

    def __post_init__(self) -> None:
        if self.name in FaultKind.all:
            raise ValueError(f"there is a kind of fault {self.name!r} already")
        FaultKind.all[self.name] = self

    def at(self, where: object, **values: object) -> Fault:
        """The finding at a file, row, sequence or key; values: of the templates' fields."""
        return Fault(str(where), self.what.format(**values), self.remedy.format(**values), self.name, self.severity)

    def error(self, where: object, **values: object) -> "InputError":
        """The finding as an exception."""
        return InputError(self.at(where, **values))

    def shown(self) -> Fault:
        """The example's finding."""
        return self.at(**self.example)


class InputError(ValueError):
    """Input that does not fit: one line that names the file, row or key, the fault and the remedy."""

    def __init__(self, line: str) -> None:
        """line: a Fault, or the text of one."""
        super().__init__(Fault.of(line))

    @property
    def faults(self) -> list[Fault]:
        """Every fault, a line each."""
        return [Fault.of(self.args[0])]


LISTED = "`ra-icl check` lists all"


class ManyFaultsError(InputError):
    """Several faults of one input: as text the first, and how many more there are."""

    def __init__(self, faults: Iterable[str], listed: str = LISTED) -> None:
        """listed: words that say where all of them are listed, "" if nowhere."""
        self._faults = [Fault.of(fault) for fault in faults]
        first, *more = self._faults
        rest = ": ".join(filter(None, [f"and {len(more)} more", listed]))
        super().__init__(f"{first} ({rest})" if more else first)

    @property
    def faults(self) -> list[Fault]:
        """Every fault, a line each."""
        return list(self._faults)


class Faults(list[str]):
    """A list of findings that fills itself, so that one pass over an input finds all of them."""

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Take the faults of an InputError raised inside, and go on after the block."""
        try:
            yield
        except InputError as error:
            self.extend(error.faults)

    @property
    def serious(self) -> list[Fault]:
        """Those that stop a run, without warnings and notes."""
        return [fault for fault in map(Fault.of, self) if fault.severity == "fault"]

    def raise_any(self, listed: str = LISTED) -> None:
        """Raise ManyFaultsError, with these words, of those that are serious, if there are any."""
        if self.serious:
            raise ManyFaultsError(self.serious, listed)
