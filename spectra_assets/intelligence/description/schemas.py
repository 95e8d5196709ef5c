"""JSON schemas as one looks at them: references, allOf, oneOf and anyOf merged into one view, lazily and bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from spectra_assets.intelligence.description.findings import brief
from spectra_assets.intelligence.description.pointers import NOTHING, Document, Node, mapping, sequence

_MOST_PARTS = 200
"""Schemas merged into one view."""

_MOST_PROPERTIES = 1000
_MOST_MERGED = 10_000_000
"""Properties looked at while schemas are merged, in all."""

_MERGING = ("allOf", "oneOf", "anyOf")
_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


@dataclass
class View:
    """What a schema allows. `identity` tells schemas apart: the same for all references to one."""

    identity: int
    name: str | None = None
    types: set[str] = field(default_factory=set)
    """JSON types without null; empty if nothing is said."""
    properties: dict[str, Any] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    items: Any = None
    extra: Any = None
    """Schema of the values of open keys; True if they may be anything."""
    format: str | None = None
    description: str = ""
    values: list[Any] = field(default_factory=list)
    write_only: bool = False
    linked: bool = False
    """A vendor's word that this is another record, given only when asked for."""

    @property
    def is_record(self) -> bool:
        """Whether it is an object, or nothing contradicts that."""
        return bool(self.properties) or self.types == {"object"}

    @property
    def is_array(self) -> bool:
        return "array" in self.types


class Schemas:
    """The schemas of one document, each looked at once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._views: dict[int, View] = {}
        self._merged_so_far = 0

    def view(self, schema: Any) -> View:
        """What `schema` allows; of what is no schema, nothing."""
        if not isinstance(schema, dict):
            return View(identity=0)
        if id(schema) not in self._views:
            self._views[id(schema)] = self._viewed(schema)
        return self._views[id(schema)]

    def _viewed(self, schema: Node) -> View:
        node, name = self._unwrapped(schema)
        if node is schema:
            return self._merged(node)
        known = self.view(node)
        told = next((text for key in ("description", "title") if (text := brief(schema.get(key)))), known.description)
        linked = known.linked or schema.get("x-ms-navigationProperty") is True
        return replace(known, name=name or known.name, description=told, linked=linked)

    def _merged(self, node: Node) -> View:
        view = View(identity=id(node), name=brief(node.get("title"), 80) or None)
        for part in self._parts(node):
            _merge(view, part)
            self._merged_so_far += len(mapping(part.get("properties")))
            if self._merged_so_far > _MOST_MERGED:
                self._document.findings.add(
                    f"more than {_MOST_MERGED:,} properties merged: further schemas are read without what they merge"
                )
                break
        view.description = brief(node.get("description")) or brief(node.get("title"))
        view.types.discard("null")
        if not view.types:
            view.types = _implied(view)
        return view

    def _unwrapped(self, schema: Node) -> tuple[Node, str | None]:
        """The schema behind references and behind allOf, oneOf and anyOf of a single one, and the name it goes by."""
        name: str | None = None
        for _ in range(_MOST_PARTS):
            node, reference = self._document.resolve(schema)
            name = _name(reference) or name
            only = _only(node)
            if only is None:
                return node, name
            schema = only
        return NOTHING, name

    def _parts(self, node: Node) -> Iterator[Node]:
        """The schema and all it is merged from, each once."""
        seen: set[int] = set()
        waiting = [node]
        while waiting and len(seen) < _MOST_PARTS:
            part = self._document.node(waiting.pop(0))
            if id(part) in seen:
                continue
            seen.add(id(part))
            yield part
            waiting[:0] = [each for key in _MERGING for each in sequence(part.get(key))]


def _merge(view: View, part: Node) -> None:
    kinds = part.get("type")
    for kind in [kinds] if isinstance(kinds, str) else sequence(kinds):
        if isinstance(kind, str):
            view.types.add(kind)
    for name, below in mapping(part.get("properties")).items():
        if len(view.properties) < _MOST_PROPERTIES and not view.properties.get(name):
            view.properties[name] = below
    view.required |= {name for name in sequence(part.get("required")) if isinstance(name, str)}
    if view.items is None and isinstance(part.get("items"), dict):
        view.items = part["items"]
    for key in ("additionalProperties", "unevaluatedProperties"):
        if view.extra is None and part.get(key):
            view.extra = part[key]
    if view.extra is None and mapping(part.get("patternProperties")):
        view.extra = next(iter(part["patternProperties"].values()))
    if view.format is None and isinstance(part.get("format"), str):
        view.format = brief(part["format"], 40)
    constants = [part["const"]] if "const" in part else sequence(part.get("enum"))
    view.values += constants[: max(0, 200 - len(view.values))]
    view.write_only = view.write_only or part.get("writeOnly") is True
    view.linked = view.linked or part.get("x-ms-navigationProperty") is True


def _implied(view: View) -> set[str]:
    """Types of a schema that names none."""
    if view.properties or view.extra is not None:
        return {"object"}
    if view.items is not None:
        return {"array"}
    return {kind for value in view.values if (kind := _JSON_TYPES.get(type(value)))}


def _only(node: Node) -> Node | None:
    """The single schema that a wrapper without properties of its own stands for, null aside."""
    if node.get("properties") or node.get("items") or node.get("enum"):
        return None
    wrapped = [each for key in _MERGING for each in sequence(node.get(key)) if isinstance(each, dict)]
    real = [each for each in wrapped if each.get("type") != "null" and each.get("enum") != [None]]
    return real[0] if len(real) == 1 and real[0] and set(real[0]) - {"nullable", "description"} else None


def _name(reference: str | None) -> str | None:
    """Name of the schema that a reference points to: the last part, unless that is a place inside something."""
    if reference is None:
        return None
    before, slash, last = reference.rpartition("/")
    if slash and not before.endswith(("schemas", "definitions", "$defs", "responses", "models")):
        return None
    return brief(last.replace("~1", "/").replace("~0", "~"), 120) or None
