"""Fields that by their names may mark deleted records: candidates, to be proven (see `prepare/deletions.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spectra_assets.covenant.paths import split_path
from spectra_assets.names import words
from spectra_assets.stages.asking.answers import Record, values_at

DELETED = frozenset(
    ("deleted", "delete", "deletion", "removed", "removal", "trashed", "trash", "discarded", "destroyed", "erased", "purged",
     "tombstone", "tombstoned", "geloescht", "supprime", "eliminado")
)  # fmt: skip
"""What records are called that were deleted."""

_ASIDE = frozenset(("archived", "archive", "inactive", "disabled", "retired", "obsolete", "void", "voided"))
"""What records are called that may be deleted, and as well only put aside."""

_STATES = frozenset(("status", "state", "lifecycle", "stage", "phase", "condition"))
_OTHERWISE = frozenset(
    ("not", "can", "may", "allow", "allowed", "pending", "scheduled", "auto", "keep", "by", "count", "reason", "before", "after",
     "id", "number", "days", "user", "policy", "cascade", "deletable")
)  # fmt: skip


UNMARKED = ("", "0", "false", "no", "n", "null", "none")
"""Texts, in lower case, by which a field says that a record was not deleted."""


@dataclass(frozen=True)
class Mark:
    """A field that by its name may mark deleted records: true, with any time, or with one of `values`. `surely`: its name says
    deleted, and not just put aside."""

    path: str
    values: tuple[str, ...] = ()
    surely: bool = True

    def on(self, record: Record) -> bool:
        """Whether a record has the mark."""
        return any(self._says(value) for value in values_at(record, self.path))

    def _says(self, value: Any) -> bool:
        if self.values:
            return text_of(value) in self.values
        if isinstance(value, bool):
            return value
        return text_of(value).strip().lower() not in UNMARKED


def marks(paths: Mapping[str, Sequence[Any]]) -> Iterator[Mark]:
    """The fields that by their names may mark deleted records; `paths`: JSON path → the values that were seen."""
    for path, seen in paths.items():
        said = {word.lower() for word in words(split_path(path)[-1])}
        kinds = {type(value) for value in seen if value is not None}
        if said & _OTHERWISE or not kinds <= {bool, int, str}:
            continue
        if said & (DELETED | _ASIDE):
            if kinds == {int} and {value for value in seen if value is not None} <= {0, 1}:
                yield Mark(path, ("1",), bool(said & DELETED))
            elif kinds != {int} or all(value is None or value > 10**8 for value in seen):  # a time as a number
                yield Mark(path, (), bool(said & DELETED))
        elif said & _STATES and kinds == {str}:
            for known in (DELETED, _ASIDE):
                told = sorted({value for value in seen if value and known & {word.lower() for word in words(value)}})
                if told and not any(_OTHERWISE & {word.lower() for word in words(value)} for value in told):
                    yield Mark(path, tuple(told), known is DELETED)


def looks_deleted(record: Record) -> bool:
    """Whether a record says of itself that it was deleted."""
    return any(mark.surely and mark.on(record) for mark in marks({key: [value] for key, value in record.items()}))


def text_of(value: Any) -> str:
    """A plain value as text, truth values in lower case."""
    return str(value).lower() if isinstance(value, bool) else str(value)
