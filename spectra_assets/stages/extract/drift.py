"""Records compared with the canon while they stream by: new fields, other types, fields that never came. In flat memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import split_path
from spectra_assets.stages.evidence import Drift
from spectra_assets.stages.prepare.fields.dates import PER_SECOND
from spectra_assets.stages.prepare.fields.inference import is_integer
from spectra_assets.stages.prepare.fields.shapes import escaped, kind_of
from spectra_assets.stages.rulings import FORMATS

MOST_PATHS = 200
"""Paths reported at most: an API that sends a map of data as keys must not fill the memory."""

_MOST_SHAPES = 10_000

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_TRUTHS = frozenset(("true", "false", "yes", "no", "y", "n", "t", "f", "on", "off", "1", "0"))
_KEPT = 3
"""Records kept of each path that differs."""

_FITS: dict[DataType, frozenset[str]] = {
    DataType.TEXT: frozenset(("text", "int", "float", "bool")),
    DataType.INT64: frozenset(("int",)),
    DataType.FLOAT64: frozenset(("int", "float")),
    DataType.DECIMAL: frozenset(("int", "float", "text")),
    DataType.BOOL: frozenset(("bool",)),
    DataType.DATE: frozenset(("text", "int")),
    DataType.TIMESTAMP: frozenset(("int",)),
    DataType.JSON: frozenset(("text", "int", "float", "bool", "record", "array")),
}
"""Kinds of JSON value which a column of a type holds without loss. A text that holds an integer fits int64 too."""


@dataclass
class _Place:
    """What the canon knows at one place: a leaf's type, or what is below a record or an array."""

    path: str
    type: DataType | None = None
    date_format: str | None = None
    fields: dict[str, _Place] = field(default_factory=dict)
    items: _Place | None = None
    known: dict[tuple[Any, ...], list[tuple[str, _Place]]] = field(default_factory=dict)
    """Shape of records (keys and types) → the fields that must be looked at in every record of that shape."""

    @property
    def expected(self) -> str:
        return "record" if self.fields else "array" if self.items else str(self.type)


class DriftWatch:
    """Compares records of one entity with its canon. `keep` is called with the first records that differ at each path."""

    def __init__(self, entity: CanonEntity, keep: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        self.found: dict[str, Drift] = {}
        self.records = 0
        self._entity = entity
        self._recursive = entity.fetch.recursive
        self._root = _places(entity)
        self._seen: set[str] = set()
        self._keep = keep
        self._new = False

    def watch(self, record: dict[str, Any]) -> None:
        """Look at one record; of a tree, those nested in it are looked at by themselves."""
        self.records += 1
        self._new = False
        self._record(record, self._root, top=True)
        if self._new:
            self._keep(record)

    def finish(self) -> dict[str, Drift]:
        """All differences, with the sampled fields that no record had."""
        if self.records:
            for known in self._entity.fields:
                if self._is_missing(known):
                    self._note(known.raw, "missingField", str(known.type), None, "", self.records)
        return self.found

    def _is_missing(self, known: CanonField) -> bool:
        plain = known.group == self._entity.entity and not known.raw.startswith("@") and "[]" not in known.raw
        return plain and known.evidence == "sample" and known.raw not in self._seen

    def _record(self, record: dict[str, Any], place: _Place, top: bool = False) -> None:
        shape = (*record, *map(type, record.values()))
        look = place.known.get(shape)
        if look is None:
            look = self._first_look(record, place, self._recursive if top else None)
            if look is not None and len(place.known) < _MOST_SHAPES:
                place.known[shape] = look
            return
        for key, below in look:
            self._value(record[key], below)

    def _first_look(self, record: dict[str, Any], place: _Place, recursive: str | None) -> list[tuple[str, _Place]] | None:
        """Compare every field. What must be looked at in each record of this shape; None if the shape itself differs."""
        look: list[tuple[str, _Place]] = []
        as_known = True
        for key, value in record.items():
            below = place.fields.get(key)
            if below is not None:
                self._seen.add(below.path)
            if value is None or key == recursive:
                continue
            kind = kind_of(value)
            if below is None:
                self._note(_joined(place, key), "newField", None, kind, value)
                as_known = False
                continue
            self._value(value, below)
            if below.type != DataType.JSON and (below.fields or below.items or kind not in _kinds(below)):
                look.append((key, below))
        return look if as_known else None

    def _value(self, value: Any, place: _Place) -> None:
        kind = kind_of(value)
        if place.type == DataType.JSON:
            return
        if place.fields and kind == "record":
            self._record(value, place)
        elif place.items and kind == "array":
            for each in value:
                if each is not None:
                    self._value(each, place.items)
        elif not _is_empty(value) and (place.type is None or not _fits(kind, value, place)):
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


def _is_empty(value: Any) -> bool:
    """Whether a value says that there is none, as some servers do: `""` for a number, `[]` for a record."""
    return value in ([], {}) or (isinstance(value, str) and not value.strip())


def _fits(kind: str, value: Any, place: _Place) -> bool:
    """Whether a value has the type, be it by its kind or because it is a text that says it."""
    if kind in _kinds(place):
        return True
    if place.type == DataType.BOOL:
        return str(value).strip().lower() in _TRUTHS
    if kind != "text":
        return False
    if place.type == DataType.FLOAT64:
        return _NUMBER.fullmatch(value.strip()) is not None
    number = place.type == DataType.INT64 or (place.type == DataType.TIMESTAMP and place.date_format in PER_SECOND)
    return number and is_integer(value)


def _kinds(place: _Place) -> frozenset[str]:
    """Kinds of value that the place may hold: of a date those of each of its formats."""
    if place.date_format is not None and FORMATS in place.date_format:
        each = (_kinds(_Place(place.path, place.type, text)) for text in place.date_format.split(FORMATS))
        return frozenset(kind for kinds in each for kind in kinds)
    if place.date_format is None or place.date_format in PER_SECOND:
        numbers = place.type == DataType.TIMESTAMP and place.date_format is not None
        return frozenset(("int", "float")) if numbers else _FITS.get(place.type, frozenset()) if place.type else frozenset()
    return frozenset(("text", "int")) if place.date_format.isalpha() else frozenset(("text",))


def _joined(place: _Place, key: str) -> str:
    return f"{place.path}.{escaped(key)}" if place.path else escaped(key)


def _places(entity: CanonEntity) -> _Place:
    """The canon's fields as a tree. A field that others lie below is a container, whatever its own type."""
    root = _Place("")
    plain: Iterable[CanonField] = (known for known in entity.fields if not known.raw.startswith("@"))
    for known in plain:
        place = root
        for part in split_path(known.raw):
            name = part.removesuffix("[]")
            place = place.fields.setdefault(name, _Place(_joined(place, name)))
            if part.endswith("[]"):
                place.items = place.items or _Place(f"{place.path}[]")
                place = place.items
        place.type = known.type
        place.date_format = known.date_format
    return root
