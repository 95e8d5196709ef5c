"""What records look like: the kinds of value seen at each place, with the values themselves. For samples, not for streams."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from spectra_assets.covenant.paths import split_path

Kind = Literal["null", "bool", "int", "float", "text", "record", "array"]

_OPEN_KEYS = 8
"""Records with at least so many different keys, none of them in half of the records, are maps: their keys are data."""

_DATA_KEYS = 3
"""Different keys that look like data before the values, all of one kind, belong to a map."""

_MOST_KEYS = 200
"""With more keys than this, whose values are all of one kind, an object is a map even if it was seen only once."""

_LIKE_DATA = re.compile(
    r"-?[0-9]+"
    r"|[0-9]{4}-[0-9]{2}(-[0-9]{2}([T ].*)?)?"
    r"|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|(?=[^0-9]*[0-9])[0-9a-fA-F]{16,64}"
    r"|[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+"
    r"|https?://.*"
    r"|[A-Za-z]{1,10}[-_:][0-9]{2,}"
    r"|[a-z]{2}[-_][A-Z]{2}"
)
"""Keys that are no names of fields: numbers, dates, UUIDs, hashes, mail and web addresses, ids with a prefix, locales."""


_KINDS: dict[type, Kind] = {
    type(None): "null", bool: "bool", int: "int", float: "float", str: "text", dict: "record", list: "array",
}  # fmt: skip


def kind_of(value: object) -> Kind:
    """Kind of a decoded JSON value."""
    return _KINDS.get(type(value), "array")


@dataclass
class Shape:
    """Everything seen at one place: `present` counts the values, nulls included; fields keep the order of appearance."""

    present: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)
    scalars: list[Any] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    fields: dict[str, Shape] = field(default_factory=dict)
    items: Shape | None = None

    @property
    def seen(self) -> set[Kind]:
        """Kinds of the values, null apart; beside others, a kind of which all are empty (`""`, `[]`, `{}`) stands for null."""
        found: set[Kind] = {kind for kind in self.kinds if kind != "null"}
        solid: set[Kind] = {kind for kind in found if not self._hollow(kind)} if len(found) > 1 else found
        return solid or found

    def _hollow(self, kind: Kind) -> bool:
        if kind == "array":
            return self.items is None or not self.items.present
        if kind == "record":
            return not self.fields
        return kind == "text" and not any(isinstance(value, str) and value.strip() for value in self.scalars)

    @property
    def values(self) -> int:
        """Values that are not null."""
        return self.present - self.kinds["null"]

    @property
    def solid(self) -> int:
        """Values that are neither null nor blank texts."""
        return self.values - sum(1 for value in self.scalars if isinstance(value, str) and not value.strip())

    @property
    def is_map(self) -> bool:
        """Whether the keys are data: they look like it, or they are many and all rare, or too many for fields."""
        if not self.fields:
            return False
        if all(key.lstrip("-").isdigit() for key in self.fields):
            return True
        filled = sum(1 for record in self.records if record)
        if len(self.fields) >= _OPEN_KEYS and all(shape.present * 2 < filled for shape in self.fields.values()):
            return True
        if len(self.fields) < _DATA_KEYS or len(set().union(*(shape.seen for shape in self.fields.values()))) > 1:
            return False
        return len(self.fields) > _MOST_KEYS or all(_LIKE_DATA.fullmatch(key) for key in self.fields)

    def add(self, value: Any) -> None:
        """Look at one value, and at everything below it."""
        kind = _KINDS.get(type(value), "array")
        self.present += 1
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind == "record":
            self.records.append(value)
            fields = self.fields
            for key, below in value.items():
                if key not in fields:
                    fields[key] = Shape()
                fields[key].add(below)
        elif kind == "array":
            self.items = self.items or Shape()
            for below in value:
                self.items.add(below)
        elif kind != "null":
            self.scalars.append(value)


def shape_at(path: str, values: Iterable[Any]) -> tuple[str, Shape]:
    """The last name of a path, and the shape of the values that stand there."""
    leaf = split_path(path)[-1].removesuffix("[]")
    return leaf, shape_of({leaf: value} for value in values).fields.get(leaf, Shape())


def shape_of(records: Iterable[Mapping[str, Any]]) -> Shape:
    """The shape of all `records` together."""
    shape = Shape()
    for record in records:
        shape.add(record)
    return shape


def digest(record: Mapping[str, Any]) -> str:
    """Hash of a record, the same whatever the order of its keys."""
    return blake2b(msgspec.json.encode(record, order="deterministic"), digest_size=12).hexdigest()
