"""Every error of the package, grouped by what the caller can do about it.

SpectraError                    base; `exit_code` is what `solution-engine` ends with
├── FatalError                  nothing to retry: a person must change something (exit 2)
│   ├── RequestError            a sentence or a name that is not understood
│   ├── ConfigurationError      a setting is missing or has an invalid value
│   ├── DocumentError           a playbook, covenant, lesson or pack is malformed: carries file, line and path
│   ├── CredentialError         the API refuses the credential (exit 3)
│   └── StorageError            the lakehouse can't be read or written (exit 4)
├── MissingInputError           a table is needed that no run has delivered yet (exit 5)
├── SourceError                 the API did not answer as it must (exit 6)
│   ├── RetriableError          may pass if tried again: 429, 5xx, cut or slow connection
│   └── SkippableError          final for this endpoint only: gone, forbidden, not found, not JSON
├── GateError                   blocking gates failed; nothing was published (exit 7)
└── BreakingError               what would change breaks those who read the tables (exit 8)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
T = TypeVar("T")


class SpectraError(Exception):
    """Base of all errors of the package."""

    exit_code = 1


class FatalError(SpectraError):
    """A person must change something before this can work."""

    exit_code = 2


class RequestError(FatalError):
    """A sentence or a name which is not understood."""


class ConfigurationError(FatalError):
    """A setting is missing or invalid."""


class DocumentError(FatalError):
    """A playbook, covenant, lesson or intelligence pack is malformed.

    The message starts with `file:line: ` where the line is known. `others` are further mistakes, told after it, one a line.
    """

    def __init__(self, message: str, file: Path | str, line: int | None = None) -> None:
        self.file = str(file)
        self.line = line
        self.others: tuple[DocumentError, ...] = ()
        super().__init__(f"{file}:{line}: {message}" if line else f"{file}: {message}")

    def __str__(self) -> str:
        return "\n".join([self.args[0], *(str(other) for other in self.others)])

    @property
    def each(self) -> tuple[DocumentError, ...]:
        """This mistake and the others, one by one."""
        alone = DocumentError("", self.file, self.line)
        alone.args = self.args
        return (alone, *self.others)


class Mistakes:
    """Collects the DocumentErrors of what is read, so that a person hears of all of them at once."""

    def __init__(self) -> None:
        self.found: list[DocumentError] = []

    def tried(self, read: Callable[[], T], otherwise: T) -> T:
        """What `read` makes; `otherwise` where it found a mistake."""
        try:
            return read()
        except DocumentError as error:
            self.found.extend(error.each)
            return otherwise

    def each(self, read: Callable[[Item], T], items: Iterable[Item]) -> list[T]:
        """What `read` makes of each item in which there is no mistake."""
        made: list[T] = []
        for item in items:
            try:
                made.append(read(item))
            except DocumentError as error:
                self.found.extend(error.each)
        return made

    def end(self) -> None:
        """Raise one DocumentError that tells all mistakes, in the order in which they were found, if there are any."""
        if self.found:
            raise self.together()

    def together(self) -> DocumentError:
        """The mistakes, at least one, as one error."""
        first, *others = self.found
        first.others = tuple(others)
        return first


class CredentialError(FatalError):
    """The API refuses the credential, or there is none."""

    exit_code = 3


class StorageError(FatalError):
    """The lakehouse can't be read or written."""

    exit_code = 4


class MissingInputError(SpectraError):
    """A table is needed that no run has delivered yet."""

    exit_code = 5


class SourceError(SpectraError):
    """The API did not answer as it must."""

    exit_code = 6


class RetriableError(SourceError):
    """May pass if tried again: 429, 5xx, a cut or slow connection. `retry_after` is in seconds. `alone`: others were answered
    between its refusals, so that it is this request that will most likely be refused again."""

    def __init__(self, message: str, retry_after: float | None = None, status: int | None = None, alone: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status
        self.alone = alone


class SkippableError(SourceError):
    """Final for this request only: gone, forbidden, not found, refused, not JSON."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class GateError(SpectraError):
    """Blocking gates failed, those of `gates`; nothing was published and the last good version stays."""

    exit_code = 7

    def __init__(self, message: str, gates: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.gates = frozenset(gates)


class BreakingError(SpectraError):
    """What would change breaks those who read the tables."""

    exit_code = 8


def one_of(valid: Iterable[str]) -> str:
    """The valid values as a person reads them: `a, b or c`."""
    words = sorted(valid)
    if len(words) < 2:
        return "".join(words) or "(none)"
    return f"{', '.join(words[:-1])} or {words[-1]}"
