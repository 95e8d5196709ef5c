"""The JSON body that an operation takes, by its schema: what may be told in it, and what must be in it whatever is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from spectra_assets.covenant.paths import ARRAY, join_path
from spectra_assets.intelligence.description.parameters import described
from spectra_assets.intelligence.description.pointers import Document, Node, mapping, sequence
from spectra_assets.intelligence.description.schemas import Schemas, View
from spectra_assets.intelligence.model import Parameter

_DEPTH = 2
"""Levels of objects whose members may be told one by one."""

_MOST = 150


@dataclass
class Body:
    """`parameters` are plain members, named by their JSON path (`page.limit`, `ids[]`); `always` the objects and arrays that are
    demanded, empty; `keys` the members of the body itself. `form`: it is no JSON."""

    parameters: list[Parameter] = field(default_factory=list)
    always: dict[str, Any] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    form: bool = False


class Bodies:
    """Reads the bodies of one document's operations."""

    def __init__(self, document: Document, schemas: Schemas) -> None:
        self._document = document
        self._schemas = schemas

    def body(self, operation: Node, item: Node) -> Body:
        """What the operation takes; an empty body if nothing is described."""
        schema, form = self._schema(operation, item)
        body = Body(form=form)
        if schema is not None:
            view = self._schemas.view(schema)
            body.keys = list(view.properties)
            body.always = self._members(view, (), body, required=True)
        return body

    def _schema(self, operation: Node, item: Node) -> tuple[Any, bool]:
        content = mapping(self._document.node(operation.get("requestBody")).get("content"))
        if content:
            kinds = {str(kind).partition(";")[0].strip().lower(): mapping(value) for kind, value in content.items()}
            best = next((kind for kind in kinds if "json" in kind or kind in ("*/*", "application/*")), None)
            return (kinds[best].get("schema") if best else None), best is None
        for value in [*sequence(operation.get("parameters")), *sequence(item.get("parameters"))]:
            node = self._document.node(value)
            if node.get("in") == "formData":
                return None, True
            if node.get("in") == "body":
                return node.get("schema"), False
        return None, False

    def _members(self, view: View, above: tuple[str, ...], body: Body, required: bool) -> dict[str, Any]:
        """What must be in an object; its plain members become parameters of the body."""
        always: dict[str, Any] = {}
        for name, schema in view.properties.items():
            demanded = required and name in view.required
            member, path = self._schemas.view(schema), (*above, name)
            if member.is_record:
                deeper = len(path) < _DEPTH
                inner = self._members(member, path, body, demanded) if deeper else {}
                if demanded:
                    always[name] = inner
                continue
            items = self._schemas.view(member.items) if member.is_array else member
            if items.is_record or not items.types or len(body.parameters) >= _MOST:
                if demanded and member.is_array:
                    always[name] = []
                continue
            ending = ARRAY if member.is_array else ""
            node = self._document.node(schema) if not member.is_array else self._document.node(member.items)
            body.parameters.append(described(join_path(list(path)) + ending, "query", demanded, items, node))
        return always
