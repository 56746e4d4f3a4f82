"""What bad input raises: one line that names the file, row or key, the fault and the remedy."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """Input that does not fit: one line that names the file, row or key, the fault and the remedy."""

    @property
    def faults(self) -> list[str]:
        """Every fault, a line each."""
        return [str(self)]


class ManyFaultsError(InputError):
    """Several faults of one input: as text the first, and how many more there are."""

    def __init__(self, faults: Iterable[str]) -> None:
        self._faults = list(faults)
        first, *more = self._faults
        super().__init__(f"{first} (and {len(more)} more: `ra-icl check` lists all)" if more else first)

    @property
    def faults(self) -> list[str]:
        """Every fault, a line each."""
        return list(self._faults)


class Faults(list[str]):
    """A list of faults that fills itself, so that one pass over an input finds all of them."""

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Take the faults of an InputError raised inside, and go on after the block."""
        try:
            yield
        except InputError as error:
            self.extend(error.faults)

    def raise_any(self) -> None:
        """Raise ManyFaultsError if there is any fault."""
        if self:
            raise ManyFaultsError(self)
