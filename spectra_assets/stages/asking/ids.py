"""Ids seen in answers, and how they fill the parameters of other endpoints: several of one path from the same record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spectra_assets.client.target import segment, stands
from spectra_assets.intelligence.model import Endpoint, Pack
from spectra_assets.stages.asking.answers import flattened, recursive_field, values_at
from spectra_assets.stages.asking.locations import Record
from spectra_assets.stages.asking.pagenames import opening

Id = str | int

_KEPT_IDS = 60

_ADDRESSES = ("url", "href", "self", "link", "uri", "\\@id", "resource_uri", "_links.self.href", "links.self", "links.self.href")
"""Where records that have no id hold their own address."""


@dataclass(frozen=True)
class Pick:
    """What fills a parameter: the value at `path` of a record of `entity`; by the description if it is of no entity."""

    entity: str
    path: str
    value: Id


@dataclass(frozen=True)
class _Origin:
    """A record that showed ids: what else it holds at wanted paths, and what it was itself asked for with."""

    entity: str
    values: Mapping[str, Id]
    asked: Mapping[str, Pick]


@dataclass
class _Held:
    """Different ids of one (entity, path), each with the record that showed it first."""

    values: dict[Id, _Origin] = field(default_factory=dict)

    def add(self, value: Id, origin: _Origin) -> None:
        if len(self.values) < _KEPT_IDS:
            self.values.setdefault(value, origin)


class Ids:
    """Ids seen in answers, by (entity, JSON path), in order of appearance."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._wanted: dict[str, set[str]] = {entity.entity: {"id", entity.key or "id"} for entity in pack.entities}
        for identifier in pack.identifiers:
            for candidate in identifier.candidates:
                entity, _, path = candidate.partition(".")
                self._wanted.setdefault(entity, set()).add(path)
        self._named = {identifier.parameter.lower() for identifier in pack.identifiers}
        self._held: dict[tuple[str, str], _Held] = {}
        self._lists: dict[str, list[Id]] = {}

    def harvest(self, entity: str | None, path: str, records: Sequence[Record], asked: Mapping[str, Pick] | None = None) -> None:
        """Keep the ids in the records that GET `path`, asked with the given picks, gave."""
        flat = flattened(records, recursive_field(records))
        if "{" not in path:
            self._lists.setdefault(path.rstrip("/"), ids_in(flat, "id"))
        wanted = [*sorted(self._wanted.get(entity or "", ())), *(_ADDRESSES if entity else ())]
        for record in flat:
            found = {place: ids_in([record], place) for place in wanted}
            origin = _Origin(entity or "", {place: ids[0] for place, ids in found.items() if ids}, dict(asked or {}))
            for place, ids in found.items():
                held = self._held.setdefault((entity or "", place), _Held())
                for value in ids:
                    held.add(value, origin)

    def picks(self, endpoint: Endpoint, parameter: str) -> Iterator[Pick]:
        """What may fill the parameter alone: ids of the likeliest source and those of the others in turn."""
        yield from (pick for pick, _ in self._picks(endpoint, parameter))

    def fills(self, endpoint: Endpoint) -> Iterator[dict[str, Pick]]:
        """What may fill all parameters of the path: those of one record, or of that record's own parents, belong together.

        The last parameter that ids are known for leads; one that no record tells is filled on its own.
        """
        names = endpoint.path_parameters
        if not names:
            yield {}
            return
        if not all(next(self._picks(endpoint, name), None) for name in names):
            return
        lead = names[-1]
        seen: set[tuple[tuple[str, Id], ...]] = set()
        for place, (pick, origin) in enumerate(self._picks(endpoint, lead)):
            picks = {name: pick if name == lead else self._beside(endpoint, name, origin, place) for name in names}
            mark = tuple((name, each.value) for name, each in picks.items())
            if mark not in seen:
                seen.add(mark)
                yield picks

    def sources(self, endpoint: Endpoint, parameter: str) -> list[tuple[str, str]]:
        """(entity, path) whose ids may fill the parameter: by the pack, else by the name in front of it in the path."""
        known = self._pack.candidates(parameter, endpoint.path)
        if f"{{{parameter}}}" not in endpoint.path and opening(parameter) is not None and parameter.lower() not in self._named:
            return []  # the number of a page, though an entity has that name
        if known or f"{{{parameter}}}" not in endpoint.path:
            return known
        names = {entity.entity.lower(): entity.entity for entity in self._pack.entities}
        before = endpoint.path.partition(f"{{{parameter}}}")[0].strip("/").lower().split("/")
        return [(names[segment], "id") for segment in before[::-1] if segment in names][:1] if parameter.lower() == "id" else []

    def _picks(self, endpoint: Endpoint, parameter: str) -> Iterator[tuple[Pick, _Origin | None]]:
        nothing = _Held()
        sources = [
            (*source, list(self._held.get(source, nothing).values.items())) for source in self.sources(endpoint, parameter)
        ]
        if any(values for *_, values in sources):
            for place in range(max(len(values) for *_, values in sources)):
                for entity, path, values in sources:
                    if place < len(values):
                        value, origin = values[_spread(place, len(values))]
                        yield Pick(entity, path, value), origin
            return
        in_path = f"{{{parameter}}}" in endpoint.path
        addresses = list(self._addresses(endpoint, parameter)) if in_path else []
        if addresses:
            yield from (addresses[_spread(place, len(addresses))] for place in range(len(addresses)))
            return
        described = described_value(endpoint, parameter) if in_path or endpoint.parameter(parameter).required else None
        if described is not None:
            yield described, None
        if in_path:
            above = endpoint.path.partition(f"/{{{parameter}}}")[0]
            ids = self._lists.get(above, [])
            yield from ((Pick(f"GET {above}", "id", ids[_spread(place, len(ids))]), None) for place in range(len(ids)))

    def _addresses(self, endpoint: Endpoint, parameter: str) -> Iterator[tuple[Pick, _Origin]]:
        """Addresses of records that are listed at the path up to this parameter."""
        for (entity, path), held in self._held.items():
            if path in _ADDRESSES:
                for value, origin in held.values.items():
                    if isinstance(value, str) and segment(endpoint.path, parameter, value) != value:
                        yield Pick(entity, path, value), origin

    def _beside(self, endpoint: Endpoint, name: str, origin: _Origin | None, place: int) -> Pick:
        """What fills a further parameter next to the value that `origin` gave."""
        sources = self.sources(endpoint, name)
        if origin is not None:
            for entity, path in sources:
                if entity == origin.entity and path in origin.values:
                    return Pick(entity, path, origin.values[path])
            for asked in origin.asked.values():
                if (asked.entity, asked.path) in sources:
                    return asked
            if name in origin.asked:
                return origin.asked[name]
        alone = [pick for pick, _ in zip(self.picks(endpoint, name), range(place + 1), strict=False)]
        return alone[-1]


def described_value(endpoint: Endpoint, name: str) -> Pick | None:
    """A value for a parameter by its description: its default, one of its only values, that of a first page, its least number."""
    known = endpoint.parameter(name)
    every = [value for value in known.values if value.lower() in ("all", "any", "both", "*")]
    value: Any = known.default if known.default is not None else next(iter([*every, *known.values]), None)
    if value is None and known.required and known.location == "query" and known.type in ("integer", "number", "unknown"):
        value = opening(name)
    if value is None and known.required and known.location == "query" and known.type == "integer" and known.minimum is not None:
        value = str(int(known.minimum))
    return Pick("", "", value) if value is not None else None


def ids_in(records: Iterable[Record], path: str) -> list[Id]:
    """The different ids at `path` of the records, in order of appearance."""
    found = (value for record in records for value in values_at(record, path))
    return list(dict.fromkeys(value for value in found if is_id(value)))


def is_id(value: object) -> bool:
    """Whether a value can name a record in a request."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and stands(value))


def _spread(place: int, count: int) -> int:
    """First, last, middle and then the others: neighbours are often alike."""
    special = list(dict.fromkeys((0, count - 1, count // 2)))
    return special[place] if place < len(special) else [n for n in range(count) if n not in special][place - len(special)]
