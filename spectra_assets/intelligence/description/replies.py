"""What an operation answers, by its schema: where the records are, and which fields they have. A hypothesis."""

from __future__ import annotations

import re
from typing import Any

from spectra_assets.covenant.paths import ITSELF, join_path
from spectra_assets.intelligence.description.model import Reply
from spectra_assets.intelligence.description.pointers import Document, Node, mapping, sequence
from spectra_assets.intelligence.description.schemas import Schemas, View
from spectra_assets.intelligence.description.shapes import Shapes
from spectra_assets.names import singular

_MOST_DEPTH = 4

_LINES = ("ndjson", "jsonl", "jsonlines", "json-seq", "stream+json")
_FILES = re.compile(r"octet-stream|pdf|zip|tar|image/|audio/|video/|font/|csv|excel|spreadsheet|msword|officedocument|calendar")

_GENERIC = frozenset(
    ("data", "items", "item", "results", "result", "records", "rows", "values", "value", "content", "contents", "entries", "list",
     "elements", "objects", "collection", "resources", "members", "hits", "docs", "documents", "nodes", "edges", "entities",
     "response", "payload", "body", "embedded", "d", "page", "resultlist", "datalist", "entry", "member", "hydramember")
)  # fmt: skip
_PAGING = frozenset(
    ("total", "totalcount", "totalresults", "totalelements", "totalrecords", "totalitems", "totalpages", "totalsize",
     "totalentries", "totalrows",
     "totalhits", "totalobjects", "count",
     "page", "pages", "pagesize", "perpage", "pagenumber", "pagecount", "limit", "offset", "next", "nextlink", "nextpage",
     "nextpagetoken", "nextpageurl", "nextcursor", "nexttoken", "cursor", "cursors", "hasmore", "hasnext", "hasnextpage",
     "previous", "prev", "previouspage", "startindex",
     "links", "meta", "metadata", "paging", "pagination", "size", "start", "startat",
     "maxresults", "islast", "last", "first", "self", "odatanextlink", "odatacount", "resultsize", "firstresult", "moreresults",
     "marker", "nextmarker", "continuationtoken", "pageinfo", "recordcount", "itemcount", "resultcount", "incompleteresults",
     "numresults", "hydratotalitems")
)  # fmt: skip
_COMMON = frozenset(
    ("ok", "success", "status", "code", "message", "kind", "apiversion", "version", "type", "object", "responsemetadata",
     "timestamp", "requestid", "etag")
)  # fmt: skip
"""Keys of envelopes that tell nothing of a list."""

_ENVELOPE = frozenset(
    ("ok", "success", "status", "code", "message", "error", "errors", "warnings", "messages", "meta", "metadata", "links",
     "jsonapi", "included", "timestamp", "requestid", "responsemetadata", "apiversion")
)  # fmt: skip
"""Keys around one record that tell nothing of it."""

_BESIDE = frozenset(("errors", "error", "warnings", "links", "messages", "included", "notices", "facets", "aggregations"))
_OWN_KEYS = frozenset(("id", "uid", "uuid", "guid"))


class Replies:
    """Reads the answers of one document's operations."""

    def __init__(self, document: Document, schemas: Schemas, shapes: Shapes) -> None:
        self._document = document
        self._schemas = schemas
        self._shapes = shapes

    def reply(self, operation: Node, path: str) -> Reply:
        """What the operation at `path` answers if all goes well."""
        response = self._response(operation)
        deprecated = operation.get("deprecated") is True
        if response is None:
            return Reply(kind="nothing", deprecated=deprecated)
        media, schema = self._content(response, operation)
        if any(word in media for word in _LINES):
            shape = self._shapes.shape(self._record_of(schema))
            return Reply(kind="list", records="@lines", shape=shape if shape.fields else None, deprecated=deprecated)
        if self._is_file(media, schema):
            return Reply(kind="file", deprecated=deprecated)
        if schema is None:
            return Reply(kind="unknown", deprecated=deprecated)
        return self._by_schema(schema, path).model_copy(update={"deprecated": deprecated})

    def _response(self, operation: Node) -> Node | None:
        """The good answer: 200, else the first 2xx, else the default; None if there is none with a body."""
        responses = mapping(operation.get("responses"))
        codes = {str(code).upper(): value for code, value in responses.items()}
        good = sorted(code for code in codes if code.startswith("2"))
        for code in ("200", *good):
            if code in codes and code not in ("204", "205"):
                return self._document.node(codes[code])
        if good or (codes and all(code.startswith("3") for code in codes if not code.startswith(("4", "5", "D")))
                    and any(code.startswith("3") for code in codes)):  # fmt: skip
            return None
        return self._document.node(codes.get("DEFAULT"))

    def _content(self, response: Node, operation: Node) -> tuple[str, Any]:
        """(media type in lower case, schema) of the JSON form, or of the first one there is."""
        content = mapping(response.get("content"))
        if content:
            kinds = {str(kind).partition(";")[0].strip().lower(): mapping(value) for kind, value in content.items()}
            best = min(kinds, key=_likeness_to_json)
            schema = kinds[best].get("schema") or kinds[best].get("itemSchema")
            return best, schema if isinstance(schema, dict) else None
        produced = sequence(operation.get("produces", self._document.root.get("produces")))
        kinds_ = [str(kind).partition(";")[0].strip().lower() for kind in produced]
        schema = response.get("schema")
        return min(kinds_, key=_likeness_to_json, default=""), schema if isinstance(schema, dict) else None

    def _is_file(self, media: str, schema: Any) -> bool:
        view = self._schemas.view(schema)
        if view.types == {"file"} or (view.format == "binary" and view.types == {"string"}):
            return True
        return bool(_FILES.search(media)) and not view.properties and not view.is_array

    def _record_of(self, schema: Any) -> Any:
        view = self._schemas.view(schema)
        return view.items if view.is_array else schema

    def _by_schema(self, schema: Any, path: str) -> Reply:
        view = self._schemas.view(schema)
        if view.is_array:
            items = self._schemas.view(view.items)
            if items.is_record or not items.types:
                return self._listed("", view.items)
            return Reply(kind="values", records="")
        if not view.is_record:
            return Reply(kind="values" if view.types and "object" not in view.types else "unknown")
        found = self._place(view, _Asked(path), 0)
        if found is not None:
            return self._listed(*found)
        if view.properties:
            return self._one(schema, view, _Asked(path), ITSELF)
        return self._map("", view) or Reply(kind="unknown")

    def _one(self, schema: Any, view: View, place: _Asked, records: str) -> Reply:
        """One record: the object, or the one in it where nothing but an envelope is around that."""
        below = {key: self._schemas.view(each) for key, each in view.properties.items()}
        if not _OWN_KEYS & {_plain(key) for key in below}:
            for key, inner in below.items():
                around = {_plain(name) for name in below if name != key} <= _ENVELOPE
                if inner.properties and around and (_plain(key) in _GENERIC or singular(_plain(key)) in place.nouns):
                    return self._one(view.properties[key], inner, place, f"{records}.{join_path([key])}")
        return Reply(kind="object", records=records, shape=self._shapes.shape(schema))

    def _listed(self, records: str, item: Any) -> Reply:
        shape = self._shapes.shape(item)
        return Reply(kind="list", records=records, shape=shape if shape.fields else None)

    def _map(self, before: str, view: View) -> Reply | None:
        """A map by open keys, if its values are records."""
        values = self._schemas.view(view.extra)
        return self._listed(before + "{}", view.extra) if values.properties and not view.properties else None

    def _place(self, view: View, place: _Asked, depth: int) -> tuple[str, Any] | None:
        """(place, schema of a record) of the list inside an object; None if the object is a record itself."""
        below = {key: self._schemas.view(schema) for key, schema in view.properties.items()}
        arrays = {key: each for key, each in below.items() if each.is_array and self._lists(each)}
        key = place.chosen(list(arrays), list(below))
        if key is not None:
            return join_path([key]), arrays[key].items
        if any(_plain(key) not in _BESIDE for key in arrays) or depth >= _MOST_DEPTH:
            return None
        if (depth or place.is_item) and _OWN_KEYS & {_plain(key) for key in below}:
            return None
        inner = {key: each for key, each in below.items() if each.is_record and (_plain(key) in _GENERIC or len(below) == 1)}
        for key, each in inner.items():
            found = self._place(each, place, depth + 1)
            if found is not None:
                return f"{join_path([key])}.{found[0]}", found[1]
            values = self._schemas.view(each.extra)
            if not each.properties and values.properties and not place.is_item:
                return join_path([key]) + "{}", each.extra
        return None

    def _lists(self, array: View) -> bool:
        items = self._schemas.view(array.items)
        return items.is_record or not items.types


class _Asked:
    """What the path says about a list in its answer."""

    def __init__(self, path: str) -> None:
        segments = [segment for segment in path.split("/") if segment]
        self.is_item = bool(segments) and segments[-1].startswith("{")
        fixed = [segment for segment in segments if "{" not in segment]
        self.nouns = {singular(_plain(word)) for word in [fixed[-1], *fixed[-1].split(".")]} if fixed else set()

    def chosen(self, arrays: list[str], keys: list[str]) -> str | None:
        """The array that holds the records, if the object is an envelope around one."""
        plain = {_plain(key) for key in keys}
        is_record = bool(plain & _OWN_KEYS)
        asked_for = [key for key in arrays if singular(_plain(key)) in self.nouns]
        arrays = [key for key in arrays if _plain(key) not in _BESIDE] or asked_for or (arrays if plain & _PAGING else [])
        named = [key for key in arrays if _plain(key) in _GENERIC] or asked_for
        if named and (not is_record or (plain & _PAGING and not self.is_item)):
            return named[0]
        if len(arrays) != 1 or is_record or self.is_item:
            return None
        beside = plain - {_plain(arrays[0])}
        return arrays[0] if beside & _PAGING or beside <= _COMMON else None


def _plain(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


def _likeness_to_json(media: str) -> tuple[int, str]:
    """Rank of a media type, JSON first."""
    if media in ("application/json", "text/json"):
        return 0, media
    if media.endswith("+json") or "json" in media:
        return (2 if any(word in media for word in _LINES) else 1), media
    return (3 if media in ("*/*", "application/*", "") else 4), media
