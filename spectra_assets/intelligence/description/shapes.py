"""The fields of one record, from its schema: bounded in number and depth, cut where a schema comes back to itself."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

from spectra_assets.covenant.paths import join_path
from spectra_assets.intelligence.description.model import RecordShape
from spectra_assets.intelligence.description.schemas import Schemas, View
from spectra_assets.intelligence.model import FieldSpec

MOST_FIELDS = 400
MOST_DEPTH = 6
MOST_IN_ALL = 300_000
"""Fields of all records of one description; beyond them only the first ones of a record are kept."""

MOST_LOOKED_AT = 3_000
"""Properties looked at for one record; beyond them nothing is described that is nested in it."""

_MOST_VALUES = 50
_MOST_BEYOND = 20

Type = Literal["integer", "text", "boolean", "epoch", "date", "number", "record", "array", "unknown"]
Item = Literal["integer", "text", "boolean", "number", "record", "unknown"]

_TYPES: dict[str, Type] = {
    "integer": "integer", "number": "number", "string": "text", "boolean": "boolean", "object": "record", "array": "array",
    "long": "integer", "int": "integer", "float": "number", "double": "number", "date": "date", "date-time": "date",
    "datetime": "date", "bool": "boolean", "str": "text", "file": "text",
}  # fmt: skip
"""JSON types, and what documents of the wild write instead."""

_DATES = frozenset(("date", "date-time", "datetime", "iso8601", "iso-8601", "timestamp", "rfc3339", "google-datetime"))
_EPOCHS = frozenset(
    ("unix-time", "unixtime", "unix", "epoch", "timestamp", "unix-timestamp", "unix_timestamp", "utc-millisec", "epoch-millis",
     "timestamp-ms", "epoch_ms", "unix-ms", "millis")
)  # fmt: skip
_SAYS_KEY = re.compile(r"<pk\s*/>|^(?:note:?\s*)?(?:this is )?(?:a |the |part of the )?primary key\b", re.IGNORECASE)
"""As PostgREST marks the columns of a primary key, and as people say it."""

_SAYS_EPOCH = re.compile(r"\b(unix|epoch|posix)[ -]?(time|timestamp|seconds|milli)|(seconds|milliseconds|millis) since", re.I)
_NUMBER_TEXTS = frozenset(("decimal", "number", "numeric", "double", "float", "bignumber", "money"))
_INTEGER_TEXTS = frozenset(("int64", "uint64", "int32", "uint32", "integer", "long", "bigint"))


@dataclass
class _Level:
    """A record that is being described: where it is, and the schemas around it."""

    view: View
    prefix: str
    place: tuple[int, ...]
    around: frozenset[int]
    in_array: bool


class Shapes:
    """The record shapes of one document; records of one schema share theirs, and so do records with equal fields."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._known: dict[int, RecordShape] = {}
        self._total = 0
        self._alike: dict[tuple[str | None, tuple[tuple[str, str], ...]], RecordShape] = {}

    def shape(self, schema: Any) -> RecordShape:
        """The fields of a record with this schema, in its order."""
        view = self._schemas.view(schema)
        if view.identity not in self._known:
            self._known[view.identity] = self._shared(self._shape(view))
        return self._known[view.identity]

    def _shared(self, shape: RecordShape) -> RecordShape:
        return self._alike.setdefault((shape.name, tuple((each.raw, each.type) for each in shape.fields)), shape)

    def _shape(self, root: View) -> RecordShape:
        """Breadth first, so that a wide record keeps its own fields before those nested in it."""
        found: list[tuple[tuple[int, ...], FieldSpec]] = []
        recursive: str | None = None
        waiting = deque([_Level(root, "", (), frozenset((root.identity,)), in_array=False)])
        most = MOST_FIELDS if self._total < MOST_IN_ALL else _MOST_BEYOND
        looked = 0 if self._total < MOST_IN_ALL else MOST_LOOKED_AT
        while waiting and len(found) < most:
            level = waiting.popleft()
            for number, (key, schema) in enumerate(level.view.properties.items()):
                if len(found) >= most:
                    break
                view = self._schemas.view(schema)
                if view.write_only or not key or key.endswith("[]") or len(key) > 200:
                    continue
                raw, place = level.prefix + join_path([key]), (*level.place, number)
                items = self._schemas.view(view.items) if view.is_array else view
                if view.is_array and not level.prefix and items.identity == root.identity:
                    recursive = recursive or raw
                looked += 1
                below = self._below(level, view, items, raw, place) if looked < MOST_LOOKED_AT else None
                if below is not None:
                    waiting.append(below)
                if below is None or view.is_array:
                    found.append((place, _field(raw, view, items)))
        self._total += len(found)
        return RecordShape(
            name=root.name, fields=[spec for _, spec in sorted(found, key=lambda each: each[0])], recursive=recursive
        )

    def _below(self, level: _Level, view: View, items: View, raw: str, place: tuple[int, ...]) -> _Level | None:
        """The record or array of records at a property, if it is to be described: one array deep, never in itself again."""
        if not items.properties or items.identity in level.around or len(place) >= MOST_DEPTH or view.linked:
            return None
        if view.is_array and level.in_array:
            return None
        prefix = f"{raw}[]." if view.is_array else f"{raw}."
        return _Level(items, prefix, place, level.around | {items.identity}, level.in_array or view.is_array)


def _field(raw: str, view: View, items: View) -> FieldSpec:
    kind = _type(view)
    return FieldSpec(
        raw=raw,
        type=kind,
        items=_item(items) if kind == "array" else None,
        format="map" if kind == "record" and not view.properties else view.format,
        description=view.description,
        values=texts(view.values or (items.values if kind == "array" else [])),
        key=bool(_SAYS_KEY.search(view.description)),
    )


def _type(view: View) -> Type:
    kinds = {_TYPES.get(kind.lower(), "unknown") for kind in view.types}
    if kinds == {"integer", "number"}:
        return "number"
    if len(kinds) != 1:
        return "unknown"
    kind = kinds.pop()
    form = (view.format or "").lower()
    if kind == "text":
        if form in _NUMBER_TEXTS:
            return "number"
        return "date" if form in _DATES else "integer" if form in _INTEGER_TEXTS else "text"
    if kind in ("integer", "number") and (form in _EPOCHS or _SAYS_EPOCH.search(view.description)):
        return "epoch"
    return kind


def _item(items: View) -> Item:
    if items.is_record:
        return "record"
    kind = _type(items)
    plain: dict[Type, Item] = {"integer": "integer", "epoch": "integer", "text": "text", "date": "text", "boolean": "boolean",
                               "number": "number"}  # fmt: skip
    return plain.get(kind, "unknown")


def texts(values: list[Any]) -> list[str]:
    """Values of an enum as JSON would have them in text, bounded."""
    told = [str(value).lower() if isinstance(value, bool) else str(value)[:100] for value in values
            if isinstance(value, str | int | float)]  # fmt: skip
    return list(dict.fromkeys(told))[:_MOST_VALUES]
