"""The form of an intelligence pack (`packs/<source>.yaml`): what is known of a source before it is called.

A pack is a starting point, not the truth: Source and Prepare prove by the data what it says, and what they find wins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from spectra_assets.covenant.access import Auth, Model, PagingStyle, Search, Server
from spectra_assets.covenant.model import DataType
from spectra_assets.errors import DocumentError, RequestError, one_of
from spectra_assets.intelligence.override import merged, without
from spectra_assets.names import check_source

_PATH_PARAMETER = re.compile(r"\{([^}]+)\}")

OVERRIDE = ".override.yaml"
"""Ending of the files that correct a discovered pack (`<source>.override.yaml`)."""

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


class Parameter(Model):
    """What the description says of a parameter beside its name."""

    name: str
    location: Literal["path", "query", "header", "cookie"] = "query"
    required: bool = False
    type: Literal["integer", "number", "text", "boolean", "array", "unknown"] = "unknown"
    values: list[str] = []
    """The only values it takes, where the description lists them."""
    default: str | None = None
    omitted: str | None = None
    """What the description says in words of the list that comes without it: `Default: last 30 days`."""
    minimum: float | None = None
    maximum: float | None = None


class Endpoint(Model):
    """One operation of the API. `origin` tells whether its description documents it, other clients were seen using it, or
    discovery found it by following answers."""

    method: Method
    path: str
    """Template; of a list that is always asked for with the same parameters with these: `/coins/markets?vs_currency=usd`."""
    group: str = ""
    query: list[str] = []
    """Names of its query parameters; of a search by POST the JSON paths of what may stand in its body (`limit`, `ids[]`)."""
    parameters: list[Parameter] = []
    """Those of which more than the name is known."""
    record: str | None = None
    """Name that the description gives to the kind of record in its answer."""
    summary: str = ""
    reads: bool = False
    """For POST: the description shows a search that changes nothing."""
    because: str = ""
    """What shows that, or speaks against it."""
    body: dict[str, Any] | None = None
    """Of such a search: what its body must hold, whatever is asked."""
    probed_status: int | None = None
    origin: Literal["documented", "client", "discovered"] = "documented"

    @property
    def path_parameters(self) -> list[str]:
        return _PATH_PARAMETER.findall(self.path)

    def parameter(self, name: str) -> Parameter:
        """What is known of the parameter; of an undescribed one the name alone."""
        where: Literal["path", "query"] = "path" if name in self.path_parameters else "query"
        return next((known for known in self.parameters if known.name == name), Parameter(name=name, location=where))


class FieldSpec(Model):
    """A field as the description has it; `raw` is its JSON path below the record."""

    raw: str
    type: Literal["integer", "text", "boolean", "epoch", "date", "number", "record", "array", "unknown"]
    items: Literal["integer", "text", "boolean", "number", "record", "unknown"] | None = None
    format: str | None = None
    """What the description says of its form: `date-time`, `email`, `uuid`, `int64`, …; of a map of open keys `map`."""
    description: str = ""
    values: list[str] = []
    """The only values it takes, where the description lists them."""
    key: bool = False
    """Whether the description says that it is the primary key, or a part of it."""


class EntityHint(Model):
    """One kind of record: the endpoints that may list it, best first, and its fields as far as they are known."""

    entity: str
    description: str = ""
    routes: list[str]
    records: str | None = None
    """Where the records are in the answer, if evidence alone can't tell (see covenant Fetch.records)."""
    recursive: str | None = None
    """Field that holds records of the same kind, for as long as no record shows it (see covenant Fetch.recursive)."""
    key: str | None = None
    """JSON path of the primary key, where it is known."""
    references: dict[str, str] = {}
    """Field → the `entity.path` whose values it holds, as a person says; "" for a field that refers to nothing."""
    described: dict[str, str] = {}
    """The same, as the API's description says: it counts as far as the values bear it out."""
    fields: list[FieldSpec] = []
    tries: int = 0
    """Runs that had too small a budget of requests to prove it."""


class Postponed(Model):
    """An entity that nothing speaks against: the budget of requests ended before a route to it was proven."""

    hint: EntityHint
    why: str
    budget: int
    """Requests that Source and Prepare could send then."""


class Identifier(Model):
    """Where the ids come from that a parameter of this name (whatever its case) takes: candidates, to be proven."""

    parameter: str
    candidates: list[str]
    """`entity.path`, for example `cycle.cyclePhases[].id`."""
    path: str | None = None
    """The only endpoint for which this holds (`/users/{id}/posts`, where other endpoints have another `id`); default: all."""


class Quirk(Model):
    """A behaviour somebody saw: kept as evidence, shown to people."""

    id: str
    fact: str


class Evidence(Model):
    """One thing that discovery found out, and how. `about` is an endpoint, an entity, `auth`, `paging` or `limits`."""

    about: str
    finding: str
    evidence: str
    confidence: float = Field(default=1.0, ge=0, le=1)


BY_HAND = "a person named it"
"""Summary of the endpoint of a list that a person named."""

EMPTY = "it is empty, and nothing describes its records"
NAMED_EMPTY = "a person named it, and it answers without records: it may want a parameter, --list /name?parameter=value"
"""Why a list is left out (`Pack.excluded`) that held nothing when the API was discovered; one that a person named is a gap."""


class Pack(Model):
    """Everything known of one source."""

    source: str
    title: str
    server: Server
    paging: list[PagingStyle] = []
    """Paging styles to try, best first."""
    endpoints: list[Endpoint]
    entities: list[EntityHint]
    identifiers: list[Identifier] = []
    quirks: list[Quirk] = []
    origin: Literal["curated", "discovered"] = "curated"
    excluded: dict[str, str] = {}
    """GET endpoint → why it lists no entity (one record of a list that is read already, a file, …); or field as
    `entity.path` → why its ids name no entity here. A `*` stands for any text."""
    evidence: list[Evidence] = []
    postponed: list[Postponed] = []
    """Entities that a later run takes up again, see `resumed`."""
    paths: list[str] = []
    """Lists that a person named (`--list`, or here in an override): `/students`, `/faculties/{code}/programmes`,
    `/coins/markets?vs_currency=usd`, `crimes=/resource/ijzp-q8t2.json`."""

    @property
    def reading(self) -> list[Endpoint]:
        """The endpoints that may be asked: those by GET, and where there is none the searches by POST that a person allowed."""
        known = {endpoint.path for endpoint in self.endpoints if endpoint.method == "GET"}
        allowed = {search.path for search in self.server.searches} - known
        return [each for each in self.endpoints if each.method == "GET" or (each.method == "POST" and each.path in allowed)]

    def endpoint(self, path: str) -> Endpoint:
        """The endpoint at `path` that may be asked. Raises KeyError."""
        for endpoint in self.endpoints:
            if endpoint.method == "GET" and endpoint.path == path:
                return endpoint
        search = self.search(path)
        if search is None:
            raise KeyError(path)
        return search

    def search(self, path: str) -> Endpoint | None:
        """The search by POST at `path`, if a person allowed it and no GET is there."""
        if all(search.path != path for search in self.server.searches):
            return None
        here = {endpoint.method: endpoint for endpoint in self.endpoints if endpoint.path == path}
        return None if "GET" in here else here.get("POST")

    def entity_at(self, path: str) -> str | None:
        """The entity whose records the endpoint at `path` may list."""
        return next((entity.entity for entity in self.entities if path in entity.routes), None)

    def entity(self, name: str) -> EntityHint:
        return next(entity for entity in self.entities if entity.entity == name)

    def why_excluded(self, name: str) -> str:
        """Why an endpoint or a reference is left out; empty if it is not."""
        return next((why for pattern, why in self.excluded.items() if pattern == name or fnmatchcase(name, pattern)), "")

    def candidates(self, parameter: str, path: str | None = None) -> list[tuple[str, str]]:
        """(entity, JSON path) whose ids may fill `parameter` (of GET `path`), best first: as written, else by its name."""
        later = {waiting.hint.entity for waiting in self.postponed}
        for identifier in sorted(self.identifiers, key=lambda known: known.path is None):
            if identifier.parameter.lower() == parameter.lower() and identifier.path in (None, path):
                sources = [(entity, at) for entity, _, at in (text.partition(".") for text in identifier.candidates)]
                return [source for source in sources if source[0] not in later]
        stem = re.sub(r"_?id$", "", parameter, flags=re.IGNORECASE).lower()
        return [(entity.entity, "id") for entity in self.entities if entity.entity.lower() == stem]


TYPES: dict[str, DataType] = {
    "integer": DataType.INT64,
    "text": DataType.TEXT,
    "boolean": DataType.BOOL,
    "epoch": DataType.TIMESTAMP,
    "date": DataType.TIMESTAMP,
    "number": DataType.FLOAT64,
    "record": DataType.JSON,
    "array": DataType.JSON,
    "unknown": DataType.TEXT,
}
"""Type of a column whose field is known from the description alone."""


def known_packs(folder: Path | None = None) -> list[str]:
    """Names of the packs that come with the package, and of those in `folder`."""
    here = resources.files("spectra_assets.intelligence") / "packs"
    names = {entry.name.removesuffix(".yaml") for entry in here.iterdir() if entry.name.endswith(".yaml")}
    found = folder.glob("*.yaml") if folder is not None else ()
    return sorted(names | {file.stem for file in found if not file.name.endswith(OVERRIDE)})


def load_pack(name: str, folder: Path | None = None) -> Pack:
    """The pack called `name`: that of `folder` (the project's) before the one of the package, corrected by `folder`'s
    `<name>.override.yaml`.

    Raises RequestError naming the known packs, DocumentError if a file is malformed.
    """
    check_source(name)
    override = folder / f"{name}{OVERRIDE}" if folder is not None else None
    if override is None or not override.is_file():
        return pack_as_written(name, folder)
    file, stamp = _project_file(name, folder)
    return _corrected(name, file, stamp, override, override.stat().st_mtime_ns)


def pack_as_written(name: str, folder: Path | None = None) -> Pack:
    """The same without a person's corrections."""
    file, stamp = _project_file(name, folder)
    return _packaged(name) if file is None else _written(file, stamp)


def _project_file(name: str, folder: Path | None) -> tuple[Path | None, int]:
    """The file of `folder` with this pack and when it changed, if there is one."""
    file = folder / f"{name}.yaml" if folder is not None else None
    return (file, file.stat().st_mtime_ns) if file is not None and file.is_file() else (None, 0)


@cache
def _packaged(name: str) -> Pack:
    return _validated(_content(_packaged_text(name), f"intelligence/packs/{name}.yaml"), f"intelligence/packs/{name}.yaml")


@lru_cache(maxsize=8)
def _written(file: Path, stamp: int) -> Pack:
    return _validated(_content(file.read_text(encoding="utf-8"), str(file)), str(file))


@lru_cache(maxsize=8)
def _corrected(name: str, file: Path | None, stamp: int, override: Path, changed: int) -> Pack:
    if file is not None:
        _written(file, stamp)  # what it is laid over must be right by itself
    text = file.read_text(encoding="utf-8") if file is not None else _packaged_text(name)
    content, removed = merged(_content(text, str(file or name)), override, list(Pack.model_fields))
    pack = _validated(content, str(override))
    return _validated(without(content, removed, override), str(override)) if removed else pack


def _packaged_text(name: str) -> str:
    if name not in known_packs():
        raise RequestError(
            f"nothing is known about the source {name!r}: there are intelligence packs for {one_of(known_packs())}"
        )
    return (resources.files("spectra_assets.intelligence") / "packs" / f"{name}.yaml").read_text(encoding="utf-8")


def _content(text: str, file: str) -> dict[str, Any]:
    try:
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (the safe loader's C form)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DocumentError(
            f"not valid YAML: {getattr(error, 'problem', error)}", file, mark.line + 1 if mark else None
        ) from None
    if not isinstance(content, dict):
        raise DocumentError("a mapping is expected: the keys of a pack (source, title, server, …)", file)
    return content


def _validated(content: Any, file: str) -> Pack:
    try:
        return Pack.model_validate(content)
    except ValidationError as error:
        # a misspelt key is told before the one that is missing for it
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        around = first["loc"][:-1]
        place = _place(content, first["loc"])
        if first["type"] == "extra_forbidden":
            valid = _keys_at([str(part) for part in around if isinstance(part, str)])
            raise DocumentError(f"unknown key {place[:200]!r}{f'; valid keys: {one_of(valid)}' if valid else ''}", file) from None
        raise DocumentError(f"{place}: {first['msg']}", file) from None


def _place(content: Any, path: Sequence[int | str]) -> str:
    """Where in a pack something is, for people: an entry of a list by its name rather than by its place, `entities[loan].routes`.

    A pack that an override was laid over has entries that stand in no file at this place.
    """
    told = ""
    for part in path:
        content = content.get(part) if isinstance(content, dict) else content[part] if isinstance(part, int) else None
        keys = ("entity", "path", "name", "about", "raw") if isinstance(part, int) and isinstance(content, dict) else ()
        name = next((str(content[key]) for key in keys if key in content), None)
        if name is not None:
            told += f"[{name[:80]}]"
        else:
            told += f".{part}" if told else str(part)
    return told


def _keys_at(place: list[str]) -> list[str]:
    """The keys that a pack may have at a place, as far as the models tell."""
    inside: dict[str, type[Model]] = {
        "endpoints": Endpoint, "parameters": Parameter, "entities": EntityHint, "fields": FieldSpec, "identifiers": Identifier,
        "quirks": Quirk, "evidence": Evidence, "postponed": Postponed, "searches": Search, "server": Server, "auth": Auth,
    }  # fmt: skip
    known = inside.get(place[-1]) if place else Pack
    return list(known.model_fields) if known else []
