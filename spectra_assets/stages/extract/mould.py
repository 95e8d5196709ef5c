"""Records read as structs compiled from the canon: reading one proves that it is as the canon knows it, writing it again gives
its canonical form. No dict is made, and no value is looked at in Python.

A mould takes less than the canon does, never more: the places that were seen before, and values which the canon lets pass.
What it refuses is looked at field by field (drift.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import reduce
from operator import itemgetter, or_
from types import GenericAlias
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import split_path
from spectra_assets.stages.extract.places import NUMBER, TRUTHS, Place, is_counted, kinds_of
from spectra_assets.stages.values.numbers import INTEGER

_KINDS: dict[str, Any] = {"text": str, "int": int, "float": float, "bool": bool}
_NOTHING: Any = Annotated[list[Any], Meta(max_length=0)]
"""As some servers write that there is no record."""


class Mould:
    """Reads records of one entity as its canon has them below `root`, at the paths `seen`."""

    def __init__(self, root: Place, seen: Collection[str], primary_key: str | None) -> None:
        """Raises ValueError if records of this form, or their key, can't be read by a struct."""
        self._seen = seen
        self._key: list[str] = []
        self._lists = [(place.path, way) for place, way in self._ways(root)]
        names = _names(root, primary_key) if primary_key is not None else []
        self.read = msgspec.json.Decoder(self._struct(root, names)).decode
        """JSON text → struct. Raises msgspec.ValidationError for what is not as it was seen before."""
        if len(self._key) < len(names):
            raise ValueError(f"{primary_key} was never seen")

    def keys(self, records: Sequence[Any]) -> list[Any] | None:
        """The primary key of each; None if one of them has none that is a plain value."""
        found: Sequence[Any] = records
        try:
            for name in self._key:
                found = [getattr(record, name) for record in found]
        except AttributeError:  # of null, or of a record that is not there
            return None
        return None if None in found or "" in found or UNSET in found else list(found)

    def elements(self, records: Sequence[Any]) -> Iterator[tuple[str, int]]:
        """Path of each list of records' own, one in another's elements left out, and how many elements all of them hold."""
        for path, way in self._lists:
            found: Sequence[Any] = records
            for name in way:
                found = [getattr(record, name, None) for record in found]
            yield path, sum([len(each) for each in found if type(each) is list])

    def _ways(self, place: Place, before: tuple[str, ...] = ()) -> Iterator[tuple[Place, tuple[str, ...]]]:
        """The lists below a place that are in no other list, and the fields of structs on the way to each."""
        for number, (_, below) in enumerate(self._there(place)):
            way = (*before, f"f{number}")
            if below.items is not None and not below.fields:
                yield below, way
            elif below.type != DataType.JSON:
                yield from self._ways(below, way)

    def _there(self, place: Place) -> list[tuple[str, Place]]:
        """The fields of a struct, in the order of their names, as the canonical form has them."""
        return sorted(((name, below) for name, below in place.fields.items() if below.path in self._seen), key=itemgetter(0))

    def _struct(self, place: Place, key: Sequence[str] = ()) -> Any:
        """A struct of the fields that are there. `key` is the way to the key."""
        fields, names = [], {}
        for number, (name, below) in enumerate(self._there(place)):
            mine = key[1:] if key[:1] == [name] else ()
            if key[:1] == [name]:
                self._key.append(f"f{number}")
            fields.append((f"f{number}", self._type(below, mine) | UnsetType, UNSET))
            names[f"f{number}"] = name
        return msgspec.defstruct("Record", fields, rename=names, forbid_unknown_fields=True, gc=False)

    def _type(self, place: Place, key: Sequence[str] = ()) -> Any:
        if place.type == DataType.JSON:
            return Any
        if place.fields:
            return self._struct(place, key) | _NOTHING | None
        if place.items is not None:
            return GenericAlias(list, (self._type(place.items),)) | None
        kinds = kinds_of(place)
        types = [_KINDS[kind] for kind in sorted(kinds) if kind in _KINDS]
        if "text" not in kinds:
            types.append(Annotated[str, Meta(pattern=rf"\A{_text(place)}\Z")])
        return reduce(or_, types) | None


def _text(place: Place) -> str:
    """Texts that stand for a value of another type, or for none. The API writes them: no two runs of blanks may meet, since
    of a long one every division between them would be tried."""
    if place.type == DataType.BOOL:
        return rf"\s*(?:(?ai:{'|'.join(sorted(TRUTHS))})\s*)?"
    if place.type == DataType.FLOAT64:
        return rf"\s*(?:{NUMBER.pattern}\s*)?"
    return rf"(?:\s*|{INTEGER.pattern})" if is_counted(place) else r"\s*"


def _names(root: Place, path: str) -> list[str]:
    """The keys on the way to the primary key. Raises ValueError if there is no plain value in a record."""
    names, place = split_path(path), root
    for name in names:
        if name not in place.fields or place.type == DataType.JSON:
            raise ValueError(f"{path} is no plain field")
        place = place.fields[name]
    if place.fields or place.items or place.type == DataType.JSON:
        raise ValueError(f"{path} is no plain value")
    return [str(name) for name in names]
