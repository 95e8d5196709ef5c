"""Records compared with the canon while they stream by: new fields, other types, fields that never came. In flat memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from spectra_assets.client.jsontext import decoded
from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import HASH
from spectra_assets.stages.evidence import Drift
from spectra_assets.stages.extract.mould import Mould
from spectra_assets.stages.extract.places import NUMBER, TRUTHS, Place, is_counted, joined, kinds_of, places_of
from spectra_assets.stages.values.numbers import is_integer
from spectra_assets.stages.values.shapes import kind_of

MOST_PATHS = 200
"""Paths reported at most: an API that sends a map of data as keys must not fill the memory."""

_MOST_SHAPES = 10_000

_MANY = 20
"""Records of which one at least has a list that is still given: an empty one may be left out."""

_KEPT = 3
"""Records kept of each path that differs."""


class DriftWatch:
    """Compares records of one entity with its canon. `keep` is called with the first records that differ at each path; `read`
    are, by path, texts that a rule has read as others."""

    def __init__(
        self,
        entity: CanonEntity,
        keep: Callable[[dict[str, Any]], None] = lambda _: None,
        read: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.found: dict[str, Drift] = {}
        self.records = 0
        self.elements: Counter[str] = Counter()
        """Path of a list in the records, of those that are in no other one → its elements in all that `read` gave."""
        self._entity = entity
        self._recursive = entity.fetch.recursive
        self._root = places_of(entity, read)
        self._seen: set[str] = set()
        self._keep = keep
        self._new = False
        self._mould: Mould | None = None
        self._moulded = 0

    def read(self, records: Sequence[bytes]) -> list[Any]:
        """The records, read and looked at: structs where the mould fits, else what their JSON text says.

        Both are written alike by an encoder with a deterministic order. Raises msgspec.DecodeError.
        """
        mould = self._fitted()
        if mould is None:
            return [self._read(record) for record in records]
        read: list[Any] = []
        left = iter(records)
        while len(read) < len(records):
            before = len(read)
            try:
                read.extend(map(mould.read, left))
            except msgspec.ValidationError:  # the record after those that were read; `left` goes on behind it
                self.records += len(read) - before
                read.append(self._read(records[len(read)]))
            else:
                self.records += len(read) - before
        for path, count in mould.elements(read):
            self.elements[path] += count
        return read

    def keys(self, read: Sequence[Any]) -> list[Any] | None:
        """The primary keys of what `read` gave; None if that takes a look at each."""
        return self._mould.keys(read) if self._mould is not None else None

    def _read(self, record: bytes) -> Any:
        value = decoded(record)
        if isinstance(value, dict):
            self.watch(value)
            self._count(value, self._root)
        return value

    def _count(self, record: dict[str, Any], place: Place) -> None:
        """The elements of lists in a record that is no struct."""
        for name, below in place.fields.items():
            value = record.get(name)
            if below.items is not None and not below.fields:
                self.elements[below.path] += len(value) if isinstance(value, list) else 0
            elif isinstance(value, dict) and below.type != DataType.JSON:
                self._count(value, below)

    def _fitted(self) -> Mould | None:
        """The mould of what was seen so far; None for a tree, and for records that no mould can have."""
        if self._moulded != len(self._seen) and not self._recursive:
            self._moulded = len(self._seen)
            try:
                key = self._entity.primary_key
                self._mould = Mould(self._root, self._seen, None if key == HASH else key)
            except ValueError:
                self._mould = None
        return self._mould

    def watch(self, record: dict[str, Any]) -> None:
        """Look at one record; of a tree, those nested in it are looked at by themselves."""
        self.records += 1
        self._new = False
        self._record(record, self._root, top=True)
        if self._new:
            self._keep(record)

    def finish(self) -> dict[str, Drift]:
        """All differences, with the sampled fields, and lists inside of records, that no record had."""
        if self.records:
            for known in self._entity.fields:
                if self._is_missing(known):
                    self._note(known.raw, "missingField", str(known.type), None, "", self.records)
            for array in dict.fromkeys(array for known in self._entity.fields if (array := self._lost_list(known))):
                self._note(array, "missingField", "array", None, "", self.records)
        return self.found

    def _lost_list(self, known: CanonField) -> str | None:
        """The list inside of records that a sampled field lies in, if of many records none has it, not even an empty one."""
        array, inside, _ = known.raw.partition("[]")
        sampled = bool(inside) and known.evidence == "sample" and not array.startswith("@")
        return array if sampled and self.records >= _MANY and array not in self._seen else None

    def _is_missing(self, known: CanonField) -> bool:
        plain = known.group == self._entity.entity and not known.raw.startswith("@") and "[]" not in known.raw
        return plain and known.evidence == "sample" and known.raw not in self._seen

    def _record(self, record: dict[str, Any], place: Place, top: bool = False) -> None:
        shape = (*record, *map(type, record.values()))
        look = place.known.get(shape)
        if look is None:
            look = self._first_look(record, place, self._recursive if top else None)
            if look is not None and len(place.known) < _MOST_SHAPES:
                place.known[shape] = look
            return
        for key, below in look:
            self._value(record[key], below)

    def _first_look(self, record: dict[str, Any], place: Place, recursive: str | None) -> list[tuple[str, Place]] | None:
        """Compare every field. What must be looked at in each record of this shape; None if the shape itself differs."""
        look: list[tuple[str, Place]] = []
        as_known = True
        for key, value in record.items():
            below = place.fields.get(key)
            if below is not None:
                self._seen.add(below.path)
            if value is None or key == recursive:
                continue
            kind = kind_of(value)
            if below is None:
                self._note(joined(place, key), "newField", None, kind, value)
                as_known = False
                continue
            self._value(value, below)
            if below.type != DataType.JSON and (below.fields or below.items or kind not in kinds_of(below)):
                look.append((key, below))
        return look if as_known else None

    def _value(self, value: Any, place: Place) -> None:
        kind = kind_of(value)
        if place.type == DataType.JSON:
            return
        if place.fields and kind == "record":
            self._record(value, place)
        elif place.items and kind == "array":
            for each in value:
                if each is not None:
                    self._value(each, place.items)
        elif not _is_empty(value) and (place.type is None or not fits(kind, value, place)):
            self._note(place.path, "changedType", place.expected, kind, value)

    def _note(self, path: str, kind: Any, expected: str | None, seen: str | None, example: Any, count: int = 1) -> None:
        entry = self.found.get(path)
        self._new = self._new or (kind != "missingField" and (entry["count"] if entry else 0) < _KEPT)
        if entry is not None:
            entry["count"] += count
        elif len(self.found) < MOST_PATHS:
            self.found[path] = Drift(
                kind=kind, expected=expected, seen=seen, count=count, example="" if kind == "missingField" else masked(example)
            )


def masked(value: Any) -> str:
    """A value as people may see it: numbers as they are, of texts the length, of containers the size."""
    match value:
        case str():
            return f"text({len(value)})"
        case dict():
            return f"record({len(value)} keys)"
        case list():
            return f"array({len(value)})"
    return str(value)[:40]


def plain_text(value: Any) -> str | None:
    """A plain value as the text that rules and Clean see; None of a list or record."""
    if isinstance(value, dict | list):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _is_empty(value: Any) -> bool:
    """Whether a value says that there is none, as some servers do: `""` for a number, `[]` for a record."""
    return value in ([], {}) or (isinstance(value, str) and not value.strip())


def fits(kind: str, value: Any, place: Place) -> bool:
    """Whether a value has the type, be it by its kind, as a text that says it, or because a rule has it read otherwise."""
    if kind in kinds_of(place) or (place.read and plain_text(value) in place.read):
        return True
    if place.type == DataType.BOOL:
        return str(value).strip().lower() in TRUTHS
    if kind != "text":
        return False
    if place.type == DataType.FLOAT64:
        return NUMBER.fullmatch(value.strip()) is not None
    return is_counted(place) and is_integer(value)
