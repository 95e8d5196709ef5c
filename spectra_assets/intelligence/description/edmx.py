"""OData's `$metadata` (CSDL in XML, V2 to V4): entity sets, their keys and properties, and what navigation properties tell of
references. A hypothesis, as every description: rows prove it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as Tree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

from spectra_assets.errors import DocumentError
from spectra_assets.intelligence.description.text import MOST_BYTES
from spectra_assets.intelligence.model import FieldSpec

Type = Literal["integer", "text", "boolean", "date", "number", "unknown"]

_TYPES: Mapping[str, Type] = {
    "Byte": "integer", "SByte": "integer", "Int16": "integer", "Int32": "integer", "Int64": "integer", "Decimal": "number",
    "Double": "number", "Single": "number", "Boolean": "boolean", "String": "text", "Guid": "text", "Date": "date",
    "DateTime": "date", "DateTimeOffset": "date",
}  # fmt: skip
_DEEPEST = 20
"""Types that one is made from at most."""

_MOST_SETS = 1_000


@dataclass(frozen=True)
class EntitySet:
    """One list. `references`: property → (set, property) that its values name a record of."""

    name: str
    key: tuple[str, ...] = ()
    fields: tuple[FieldSpec, ...] = ()
    references: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def entity_sets(document: bytes, place: str) -> list[EntitySet]:
    """What a `$metadata` document tells. Raises DocumentError if it is none; entities of XML are not expanded."""
    if len(document) > MOST_BYTES or re.search(rb"<!(DOCTYPE|ENTITY)", document):
        raise DocumentError("no $metadata: it is too large, or has a document type of its own", place)
    try:
        root = Tree.fromstring(document)  # noqa: S314 (without a document type nothing can be expanded)
    except (ParseError, ValueError) as error:
        raise DocumentError(f"no $metadata: {error}", place) from None
    types = dict(_named(root, "EntityType"))
    sets = [each for each in root.iter() if _tag(each) == "EntitySet" and each.get("Name")][:_MOST_SETS]
    homes: dict[str, str] = {}
    for each in sets:
        homes.setdefault(_last(each.get("EntityType", "")), each.get("Name", ""))
    told = list(_associations(root))
    return [_set(each, types, homes, told) for each in sets]


def _set(
    element: Element, types: Mapping[str, Element], homes: Mapping[str, str], told: list[tuple[str, str, str, str]]
) -> EntitySet:
    name = _last(element.get("EntityType", ""))
    line = list(_line(name, types))
    bound = {
        each.get("Path", ""): _last(each.get("Target", ""), "/") for each in element if _tag(each) == "NavigationPropertyBinding"
    }
    references: dict[str, tuple[str, str]] = {}
    for each in (part for kind in line for part in kind if _tag(part) == "NavigationProperty"):
        home = bound.get(each.get("Name", "")) or homes.get(_last(each.get("Type", "")))
        for pair in each:
            own, theirs = pair.get("Property"), pair.get("ReferencedProperty")
            if _tag(pair) == "ReferentialConstraint" and home and own and theirs:
                references[own] = home, theirs
    names = {kind.get("Name") for kind in line}
    references |= {own: (homes[to], theirs) for of, own, to, theirs in told if of in names and to in homes}
    keys = [part.get("Name", "") for kind in line for each in kind if _tag(each) == "Key" for part in each]
    fields = [
        FieldSpec(
            raw=each.get("Name", ""), type=_TYPES.get(_last(each.get("Type", "")), "unknown"), key=each.get("Name", "") in keys
        )
        for kind in line
        for each in kind
        if _tag(each) == "Property" and re.fullmatch(r"\w{1,120}", each.get("Name", ""))
    ]
    known = tuple(each for each in fields if each.type != "unknown")
    return EntitySet(element.get("Name", ""), tuple(filter(None, keys)), known, references)


def _line(name: str, types: Mapping[str, Element]) -> Iterator[Element]:
    """A type and those it is made from."""
    for _ in range(_DEEPEST):
        if name not in types:
            return
        yield types[name]
        name = _last(types[name].get("BaseType", ""))


def _associations(root: Element) -> Iterator[tuple[str, str, str, str]]:
    """(type, property, type, property) that an association of V2 and V3 lays upon each other, the dependent one first."""
    for _, each in _named(root, "Association"):
        ends = {end.get("Role"): _last(end.get("Type", "")) for end in each if _tag(end) == "End"}
        for constraint in (part for part in each if _tag(part) == "ReferentialConstraint"):
            sides = {_tag(side): side for side in constraint}
            if not {"Principal", "Dependent"} <= sides.keys():
                continue
            named = {tag: [part.get("Name", "") for part in sides[tag]] for tag in ("Principal", "Dependent")}
            of, to = ends.get(sides["Dependent"].get("Role")), ends.get(sides["Principal"].get("Role"))
            for own, theirs in zip(named["Dependent"], named["Principal"], strict=False):
                if of and to:
                    yield of, own, to, theirs


def _named(root: Element, tag: str) -> Iterator[tuple[str, Element]]:
    return ((each.get("Name", ""), each) for each in root.iter() if _tag(each) == tag)


def _tag(element: Element) -> str:
    return _last(element.tag, "}") if isinstance(element.tag, str) else ""


def _last(text: str, mark: str = ".") -> str:
    """`Order` of `NorthwindModel.Order`."""
    return text.removeprefix("Edm.").rpartition(mark)[2]
