"""The form of an intelligence pack (`packs/<source>.yaml`): what is known of a source before it is called.

A pack is a starting point, not the truth: Source and Prepare prove by the data what it says, and what they find wins.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from spectra_assets.covenant.model import DataType, Model, OffsetPaging, Server
from spectra_assets.errors import DocumentError, RequestError, one_of
from spectra_assets.names import check_source

_PATH_PARAMETER = re.compile(r"\{([^}]+)\}")

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


class Endpoint(Model):
    """One operation of the API. `origin` tells whether its description documents it or other clients were seen using it."""

    method: Method
    path: str
    group: str
    query: list[str] = []
    probed_status: int | None = None
    origin: Literal["documented", "client"] = "documented"

    @property
    def path_parameters(self) -> list[str]:
        return _PATH_PARAMETER.findall(self.path)


class FieldSpec(Model):
    """A field as the description has it; `raw` is its JSON path below the record."""

    raw: str
    type: Literal["integer", "text", "boolean", "epoch", "date", "number", "record", "array", "unknown"]
    items: Literal["integer", "text", "record", "unknown"] | None = None


class EntityHint(Model):
    """One kind of record: the endpoints that may list it, best first, and its fields as far as they are known."""

    entity: str
    description: str
    routes: list[str]
    records: str | None = None
    """Where the records are in the answer, if evidence alone can't tell (see covenant Fetch.records)."""
    recursive: str | None = None
    """Field that holds records of the same kind, for as long as no record shows it (see covenant Fetch.recursive)."""
    fields: list[FieldSpec] = []


class Identifier(Model):
    """Where the ids come from that a parameter of this name (whatever its case) takes: candidates, to be proven."""

    parameter: str
    candidates: list[str]
    """`entity.path`, for example `cycle.cyclePhases[].id`."""


class Quirk(Model):
    """A behaviour somebody saw: kept as evidence, shown to people."""

    id: str
    fact: str


class Pack(Model):
    """Everything known of one source."""

    source: str
    title: str
    server: Server
    paging: list[OffsetPaging] = []
    """Paging styles to try, best first."""
    endpoints: list[Endpoint]
    entities: list[EntityHint]
    identifiers: list[Identifier] = []
    quirks: list[Quirk] = []

    def endpoint(self, path: str) -> Endpoint:
        """The GET endpoint at `path`. Raises KeyError."""
        for endpoint in self.endpoints:
            if endpoint.method == "GET" and endpoint.path == path:
                return endpoint
        raise KeyError(path)

    def entity(self, name: str) -> EntityHint:
        return next(entity for entity in self.entities if entity.entity == name)

    def candidates(self, parameter: str) -> list[tuple[str, str]]:
        """(entity, JSON path) whose ids may fill `parameter`, best first: as written, else by the parameter's name."""
        for identifier in self.identifiers:
            if identifier.parameter.lower() == parameter.lower():
                return [tuple(text.split(".", 1)) for text in identifier.candidates]  # type: ignore[misc]
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


def known_packs() -> list[str]:
    """Names of the packs that come with the package."""
    folder = resources.files("spectra_assets.intelligence") / "packs"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


@cache
def load_pack(name: str) -> Pack:
    """The pack called `name`. Raises RequestError naming the known packs, DocumentError if the file is malformed."""
    check_source(name)
    if name not in known_packs():
        raise RequestError(
            f"nothing is known about the source {name!r}: there are intelligence packs for {one_of(known_packs())}"
        )
    file = resources.files("spectra_assets.intelligence") / "packs" / f"{name}.yaml"
    content: Any = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (the safe loader's C form)
    try:
        return Pack.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DocumentError(f"{place}: {first['msg']}", f"intelligence/packs/{name}.yaml") from None
