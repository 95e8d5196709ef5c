"""Parameters of an operation, those of its path included, in the forms of Swagger 2.0 and OpenAPI 3."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, Literal, cast

from spectra_assets.intelligence.description.findings import brief
from spectra_assets.intelligence.description.pointers import Document, Node, mapping
from spectra_assets.intelligence.description.schemas import Schemas, View
from spectra_assets.intelligence.description.shapes import texts
from spectra_assets.intelligence.model import Parameter

_MOST = 150
"""Parameters of one operation."""

_DEFAULT = re.compile(
    r"\bdefault|\bomitted|\bunless\b|\b(?:if|when) (?:it is |they are )?(?:not|none|nothing|absent|missing|empty)\b|\bleft out\b",
    re.IGNORECASE,
)
"""Words by which a description says what comes without a parameter."""

_NAME_LENGTH = 120
_CALLERS_OWN = frozenset(("accept", "authorization", "content-type"))
_PLACES = ("path", "query", "header", "cookie")
Type = Literal["integer", "number", "text", "boolean", "array", "unknown"]
_TYPES: dict[str, Type] = {
    "integer": "integer", "number": "number", "string": "text", "boolean": "boolean", "array": "array", "long": "integer",
    "int": "integer", "float": "number", "double": "number",
}  # fmt: skip


class Parameters:
    """Reads the parameters of one document; those that several operations refer to are read once."""

    def __init__(self, document: Document, schemas: Schemas) -> None:
        self._document = document
        self._schemas = schemas
        self._known: dict[int, Parameter | None] = {}

    def of(self, lists: Iterable[Any], path_names: list[str]) -> list[Parameter]:
        """The parameters of `lists` (the path's, then the operation's, which win), without those of bodies and forms.

        What the path names but no list does is added; a path parameter that the path does not name is left out.
        """
        found: dict[tuple[str, str], Parameter] = {}
        for each in lists:
            read = self._read(each)
            if read is not None and (read.location != "path" or read.name in path_names):
                found[read.location, read.name] = read
            if len(found) >= _MOST:
                break
        for name in path_names:
            found.setdefault(("path", name), Parameter(name=name, location="path", required=True))
        return list(found.values())

    def _read(self, value: Any) -> Parameter | None:
        node = self._document.node(value)
        if node and id(node) not in self._known:
            self._known[id(node)] = _parameter(self._document, self._schemas, node)
        return self._known.get(id(node))


def _parameter(document: Document, schemas: Schemas, node: Node) -> Parameter | None:
    name, place = brief(node.get("name"), _NAME_LENGTH), node.get("in")
    if not name or place not in _PLACES or (place == "header" and name.lower() in _CALLERS_OWN):
        if node and place not in ("body", "formData", "header", "querystring"):
            document.findings.add("parameter without a name or a known place", f"{name} in {brief(place)}")
        return None
    location = cast(Literal["path", "query", "header", "cookie"], place)
    if location == "path":
        name = name.strip("{}+*")
    schema = node.get("schema") or _of_content(node) or node
    view = schemas.view(schema)
    items = schemas.view(view.items if view.items is not None else node.get("items"))
    name = name.removesuffix("[]") if location == "path" else name
    said = {**node, **document.node(schema)}
    return described(name, location, node.get("required") is True or location == "path", view, said, items.values)


def described(
    name: str,
    location: Literal["path", "query", "header", "cookie"],
    required: bool,
    view: View,
    said: Node,
    inner: list[Any] | None = None,
) -> Parameter:
    """The parameter with this schema (`view`); `said` holds its default and bounds, `inner` the values of an array's items."""
    known = {_TYPES.get(kind.lower(), "unknown") for kind in view.types}
    return Parameter(
        name=name,
        location=location,
        required=required,
        type="number" if known == {"integer", "number"} else known.pop() if len(known) == 1 else "unknown",
        values=texts(view.values or ((inner or []) if "array" in view.types else [])),
        default=_text(said.get("default")),
        omitted=_omitted(said.get("description")),
        minimum=_number(said.get("minimum")),
        maximum=_number(said.get("maximum")),
    )


def _omitted(text: Any) -> str | None:
    """The sentence of a parameter's description that says what comes without it."""
    said = re.split(r"(?<=[.;])\s+|\n|(?=\()", text[:2_000]) if isinstance(text, str) else []
    return next((brief(sentence, 200) for sentence in said if _DEFAULT.search(sentence)), None)


def _of_content(node: Node) -> Any:
    return next((mapping(media).get("schema") for media in mapping(node.get("content")).values()), None)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:200] if isinstance(value, str | int | float) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
