"""What the canon knows of an entity's records, as a tree: the places at which drift is looked for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import escaped, split_path
from spectra_assets.stages.rulings import FORMATS
from spectra_assets.stages.values.dates import PER_SECOND
from spectra_assets.stages.values.numbers import ALL_FORMATS as NUMBER_FORMATS

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
"""What a text is that holds a number."""

TRUTHS = frozenset(("true", "false", "yes", "no", "y", "n", "t", "f", "on", "off", "1", "0"))

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
class Place:
    """What the canon knows at one place: a leaf's type, or what is below a record or an array."""

    path: str
    type: DataType | None = None
    date_format: str | None = None
    read: Collection[str] = ()
    """Texts that a rule has read as others, or as none: what they are read as is judged in Clean."""
    fields: dict[str, Place] = field(default_factory=dict)
    items: Place | None = None
    known: dict[tuple[Any, ...], list[tuple[str, Place]]] = field(default_factory=dict)
    """Shape of records (keys and types) → the fields that must be looked at in every record of that shape."""

    @property
    def expected(self) -> str:
        return "record" if self.fields else "array" if self.items else str(self.type)


def kinds_of(place: Place) -> frozenset[str]:
    """Kinds of JSON value that a leaf holds, whatever the value: of a date those of each of its formats."""
    if place.date_format is not None and FORMATS in place.date_format:
        each = (kinds_of(Place(place.path, place.type, text)) for text in place.date_format.split(FORMATS))
        return frozenset(kind for kinds in each for kind in kinds)
    if place.date_format in NUMBER_FORMATS:
        return frozenset(("text", "int", "float") if place.type == DataType.FLOAT64 else ("text", "int"))
    if place.date_format is None or place.date_format in PER_SECOND:
        numbers = place.type == DataType.TIMESTAMP and place.date_format is not None
        return frozenset(("int", "float")) if numbers else _FITS.get(place.type, frozenset()) if place.type else frozenset()
    return frozenset(("text", "int")) if place.date_format.isalpha() else frozenset(("text",))


def is_counted(place: Place) -> bool:
    """Whether a text that holds an integer fits too."""
    return place.type == DataType.INT64 or (place.type == DataType.TIMESTAMP and place.date_format in PER_SECOND)


def joined(place: Place, key: str) -> str:
    """The path of a key below a place."""
    return f"{place.path}.{escaped(key)}" if place.path else escaped(key)


def places_of(entity: CanonEntity, read: Mapping[str, Collection[str]] | None = None) -> Place:
    """The canon's fields as a tree. A field that others lie below is a container, whatever its own type. `read`: path → texts
    that a rule has read as others."""
    root = Place("")
    plain: Iterable[CanonField] = (known for known in entity.fields if not known.raw.startswith("@"))
    for known in plain:
        place = root
        for part in split_path(known.raw):
            name = part.removesuffix("[]")
            place = place.fields.setdefault(name, Place(joined(place, name)))
            if part.endswith("[]"):
                place.items = place.items or Place(f"{place.path}[]")
                place = place.items
        place.type = known.type
        place.date_format = known.date_format
        place.read = (read or {}).get(known.raw, ())
    return root
