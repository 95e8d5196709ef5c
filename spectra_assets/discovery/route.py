"""What discovery knows of one GET endpoint, and how the parameters of its path are filled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from spectra_assets.client.address import fixed
from spectra_assets.covenant.paths import join_path, one_record
from spectra_assets.discovery.scout import Look, segments
from spectra_assets.intelligence.nouns import singular_of
from spectra_assets.names import camel, pascal, words
from spectra_assets.stages.asking.answers import Record

Kind = Literal["list", "object", "detail", "directory", "closed", "unknown"]
"""`list`: records, perhaps none; `object`: one record; `detail`: one record of a list; `directory`: addresses of others;
`closed`: it answers no data; `unknown`: not asked."""

_PARAMETER = re.compile(r"\{([^{}]*)\}")
GENERIC = {
    "list", "all", "search", "query", "find", "index", "data", "results", "result", "details", "items", "records",
    "entries", "get", "json", "api", "rest", "latest",
}  # fmt: skip
"""Parts of a path that say nothing of what is listed there, in lower case."""

_ASKING = frozenset(("search", "query"))
_VERSION = re.compile(r"v?\d+(\.\d+)*", re.IGNORECASE)


@dataclass(frozen=True)
class Fill:
    """Where the values of a parameter come from: `path` in the records of the list at `of`."""

    parameter: str
    of: str
    path: str


@dataclass
class Route:
    """One endpoint. `examples` are values of its `fills`, in their order; `looks` what it answered to some of them."""

    path: str
    why: str
    name: str = ""
    fills: tuple[Fill, ...] = ()
    examples: tuple[tuple[str, ...], ...] = ()
    query: dict[str, None] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    kind: Kind = "unknown"
    reason: str = ""
    """Why it has no data, or is no list of its own."""
    alike: tuple[Fill, ...] = ()
    """Further places of values like those of its only parameter."""
    method: str = "GET"
    one_of: str = ""
    """The list of whose records it gives one, where its path does not tell."""
    detail_of: str = ""
    """The list that gives the same records, with less of each."""

    @property
    def records(self) -> list[Record]:
        """All records seen; the object itself where it is one."""
        if self.kind in ("object", "detail"):
            return [record for look in self.looks for record in look.sight.records if one_record(look.sight.location)]
        return [record for look in self.looks for record in look.records]

    @property
    def location(self) -> str | None:
        """Where the records are (covenant Fetch.records), as most answers with rows have it."""
        found = [look.sight.location for look in self.looks if look.sight.location is not None]
        return max(found, key=found.count, default=None)

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.path)


def shape(path: str) -> str:
    """A path whatever its parameters are called, and whether a slash ends it."""
    return _PARAMETER.sub("{}", path).rstrip("/") or "/"


def filled(path: str, fills: Iterable[Fill], values: Iterable[str]) -> tuple[str, dict[str, str]]:
    """(path, query) with the values in the place of the parameters."""
    query: dict[str, str] = {}
    for fill, value in zip(fills, values, strict=True):
        if f"{{{fill.parameter}}}" in path:
            path = path.replace(f"{{{fill.parameter}}}", value)
        else:
            query[fill.parameter] = value
    return path, query


def entity_name(path: str, fallback: str = "record") -> str:
    """The singular of the last part of a path that names something: `/api/v2/order-items/{id}` is orderItem."""
    named = [part for part in segments(path) if "{" not in part and not _VERSION.fullmatch(part)]
    telling = [part for part in named if part.lower().lstrip("_") not in GENERIC] or named
    text = re.sub(r"\.\w{1,5}$|\(.*\)$", "", telling[-1]) if telling else ""
    said = words(text)
    text = "_".join(said[:-1]) if len(said) > 1 and said[-1].lower() in _ASKING else text  # `package_search` lists packages
    name = singular_of(camel(text)) if telling else camel(fallback)
    return name[:1].lower() + name[1:80]


def qualified(path: str, fallback: str = "record") -> str:
    """The name with that of what it hangs on: `/posts/{id}/comments` is postComment; or with what it is always asked for with:
    `/datastore?resource=parks` is datastoreParks."""
    always = fixed(path)[1]
    if always:
        return f"{entity_name(path, fallback)}{pascal(always[-1][1])}"[:80]
    parts = segments(path)
    place = max((number for number, part in enumerate(parts) if "{" in part), default=0)
    above = entity_name("/" + "/".join(parts[:place]), "") if place else ""
    name = entity_name(path, fallback)
    return f"{above}{name[:1].upper()}{name[1:]}" if above and above != name else name


def plain_values(record: Mapping[str, object], depth: int = 3, prefix: str = "") -> dict[str, str]:
    """JSON path → value as text, of the scalars of a record that may name something."""
    found: dict[str, str] = {}
    for key, value in record.items():
        path = prefix + join_path([key])
        if isinstance(value, dict) and depth > 1:
            found |= plain_values(value, depth - 1, f"{path}.")
        elif isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            found[path] = str(value)
    return found


_RANK = ("id", "_id", "key", "uuid", "guid", "slug", "code", "login", "username", "number", "sku", "iid", "name")


def likely_key(path: str) -> tuple[int, int, int]:
    """Sorts paths: what looks most like the name of a record first."""
    leaf = path.rpartition(".")[2].lower()
    rank = _RANK.index(leaf) if leaf in _RANK else len(_RANK) - 3 if leaf.endswith("id") else len(_RANK)
    return rank, path.count("."), len(path)
