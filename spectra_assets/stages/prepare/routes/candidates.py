"""Which parents a route may hang on: first what the pack names, then what paths and names tell, at last what any record holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product

from spectra_assets.covenant.access import Across, Fill
from spectra_assets.covenant.paths import asked_path, split_path
from spectra_assets.intelligence.model import Endpoint, EntityHint, Pack
from spectra_assets.names import singular, words
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.prepare.routes.identity import KEY_WORDS, plain_paths, rank
from spectra_assets.stages.prepare.routes.known import Known
from spectra_assets.stages.prepare.routes.routes import Candidate
from spectra_assets.stages.source.probing import constants

_PARAMETER = re.compile(r"\{[^}]*\}")
_LOOKED_AT = 50
"""Records whose fields are looked at."""

_FIELDS = 6
"""Fields of one entity that are tried for one parameter."""

_COMBINATIONS = 12
"""Ways tried to fill several parameters from one entity."""

_ANYWHERE = 24
"""Fields of any entity that are tried where names say nothing."""

_ID_ENDINGS = ("id", "key", "ref", "code", "slug", "uuid")
"""What query parameters that may take ids end with."""

Source = tuple[str, str]
"""(entity, JSON path)."""


@dataclass
class Ways:
    """Candidates for the entities of one pack. `known` grows while entities are proven."""

    pack: Pack
    known: Mapping[str, Known]

    def parents(self, hint: EntityHint) -> set[str]:
        """Entities that some route of this one may hang on."""
        return {entity for path in hint.routes for entity in self._entities(self.endpoint(path))}

    def named(self, hint: EntityHint) -> Iterator[Candidate]:
        """Every way that pack and paths name, with the fields they name."""
        for path in hint.routes:
            endpoint = self.endpoint(path)
            inside = endpoint.path_parameters
            if not inside:
                yield Candidate(hint.entity, path)
            if len(inside) > 1:
                leading = dict.fromkeys(entity for entity, _ in self._sources(endpoint, inside[-1]))
                yield from self._several(hint, endpoint, leading)
                continue
            for name in inside or endpoint.query:
                for parent in self._sources(endpoint, name):
                    yield Candidate(hint.entity, path, name, "path" if inside else "query", parent)

    def by_fields(self, hint: EntityHint) -> Iterator[Candidate]:
        """The same parents, by other fields of theirs."""
        for path in hint.routes:
            endpoint = self.endpoint(path)
            inside = endpoint.path_parameters
            if len(inside) > 1 or (inside and self._settled(endpoint, inside[0])):
                continue
            for name in inside or self._idlike(endpoint):
                entities = dict.fromkeys(entity for entity, _ in self._sources(endpoint, name))
                for entity in entities:
                    for field in self.fields(entity, name):
                        yield Candidate(hint.entity, path, name, "path" if inside else "query", (entity, field))

    def anywhere(self, hint: EntityHint) -> Iterator[Candidate]:
        """Fields of every entity known, the likeliest first, for parameters whose name misleads or says nothing."""
        for path in hint.routes:
            endpoint = self.endpoint(path)
            inside = endpoint.path_parameters
            if len(inside) > 1:
                yield from self._several(hint, endpoint, list(self.known))
                continue
            for name in inside or self._idlike(endpoint):
                if not self._settled(endpoint, name):
                    yield from islice(self._anything(hint, endpoint, name), _ANYWHERE)

    def across(self, hint: EntityHint) -> Iterator[Candidate]:
        """Two parameters in the path that take ids of two entities which have nothing to do with each other."""
        for path in hint.routes:
            endpoint = self.endpoint(path)
            names = endpoint.path_parameters
            if len(names) != 2:
                continue
            first, last = ([source for source in self._sources(endpoint, name) if source[0] in self.known] for name in names)
            for one, other in islice(product(first, last), _COMBINATIONS):
                if one[0] != other[0] and hint.entity not in (one[0], other[0]):
                    second = Across(entity=other[0], path=other[1], parameter=names[1])
                    yield Candidate(hint.entity, path, names[0], "path", one, across=second)

    def by_inclusion(self, hint: EntityHint, candidate: Candidate, field: str) -> Iterator[Candidate]:
        """The entity that a field is called after, if rows name their parent by it: `author_id` filtered by `user_id`."""
        entity = self._called(split_path(field)[-1])
        if entity and candidate.parent and entity != candidate.parent[0] and candidate.parameter and not candidate.composite:
            for path in self.fields(entity, candidate.parameter)[:1]:
                yield Candidate(hint.entity, candidate.path, candidate.parameter, candidate.location, (entity, path))

    def endpoint(self, path: str) -> Endpoint:
        """The endpoint at `path`; of one that the pack only names as a route, what the path says."""
        try:
            return self.pack.endpoint(path)
        except KeyError:
            return Endpoint(method="GET", path=path, group="")

    def fields(self, entity: str, parameter: str, unique: bool = True) -> list[str]:
        """Fields of an entity's records which may fill a parameter, the likeliest first: as it is called, its key, others.

        Only those that tell its records apart, unless other parameters help to (`unique` false).
        """
        known = self.known.get(entity)
        if known is None:
            return []
        records = known.records[:_LOOKED_AT]
        wanted = _said(parameter)
        scored = []
        for path in _distinct(records, unique):
            said = _said(split_path(path)[-1])
            place = rank(path, entity)
            alike = 0 if said == wanted else 1 if wanted and said[-1:] == wanted[-1:] and place else 2
            if place is not None and (place[0] != 1 or alike == 0):
                scored.append(((alike, path != known.fetch.primary_key, place), path))
        return [path for _, path in sorted(scored)][:_FIELDS]

    def _several(self, hint: EntityHint, endpoint: Endpoint, entities: Iterable[str]) -> Iterator[Candidate]:
        """Several parameters in the path, all filled from the record of one of these entities."""
        names = endpoint.path_parameters
        first, last = names[0], names[-1]
        leading = {entity for entity, _ in self._sources(endpoint, last)}
        for entity in entities:
            if entity not in self.known or entity == hint.entity:
                continue
            strict = entity not in leading
            ways = [self._beside(entity, endpoint, name, strict) for name in names]
            if not strict:
                mine = [path for owner, path in self._sources(endpoint, last) if owner == entity]
                ways[-1] = list(dict.fromkeys([*mine, *self.fields(entity, last, unique=False)]))
            for place in islice(nearest([min(len(way), _FIELDS) for way in ways]), _COMBINATIONS):
                paths = [way[number] for way, number in zip(ways, place, strict=True)]
                if len(set(paths)) == len(paths) and not all(path.startswith("@") for path in paths):
                    also = tuple(Fill(parameter=name, path=path) for name, path in zip(names[1:], paths[1:], strict=True))
                    yield Candidate(hint.entity, endpoint.path, first, "path", (entity, paths[0]), also=also)

    def _beside(self, entity: str, endpoint: Endpoint, name: str, strict: bool) -> list[str]:
        """What fills a further parameter from the same record: what it was asked for with itself, or a field called so."""
        known = self.known[entity]
        found = [path for owner, path in self.pack.candidates(name, endpoint.path) if owner == entity]
        link = known.fetch.parent
        asked = [link.parameter, *(fill.parameter for fill in link.also)] if link else []
        places = [asked_path(place, len(asked) > 1) for place in range(len(asked))]
        above = _above(endpoint.path, name)
        for parameter, place in zip(asked, places, strict=True):
            if parameter.lower() == name.lower() or _above(known.fetch.path, parameter) == above:
                found.append(place)
        fields = []
        for path in _distinct(known.records[:_LOOKED_AT], unique=False):
            close = _closeness(path, name)
            if close is not None:
                fields.append((close, path))
        found += [path for _, path in sorted(fields)]
        return list(dict.fromkeys(found if strict else [*found, *places]))[:_FIELDS]

    def _anything(self, hint: EntityHint, endpoint: Endpoint, name: str) -> Iterator[Candidate]:
        where = "path" if name in endpoint.path_parameters else "query"
        kind = endpoint.parameter(name).type
        choices = []
        for order, entity in enumerate(self.known):
            for place, path in enumerate(self.fields(entity, name)):
                value = next((each for row in self.known[entity].records for each in values_at(row, path)), None)
                unfit = (kind in ("integer", "number")) != isinstance(value, int) and kind != "unknown"
                choices.append((unfit, place, order, entity, path))
        for *_, entity, path in sorted(choices):
            if entity != hint.entity:
                yield Candidate(hint.entity, endpoint.path, name, where, (entity, path), guess=True)  # type: ignore[arg-type]

    def _entities(self, endpoint: Endpoint) -> Iterator[str]:
        for name in endpoint.path_parameters or endpoint.query:
            yield from (entity for entity, _ in self._sources(endpoint, name))

    def _sources(self, endpoint: Endpoint, name: str) -> list[Source]:
        """What fills a parameter by the pack's word; else by the path in front of it, or by its own name."""
        found = self.pack.candidates(name, endpoint.path)
        if found or (name not in endpoint.path_parameters and name not in self._idlike(endpoint)):
            return found
        entities = [self._in_front(endpoint.path, name), self._called(name)]
        return [(entity, self._key(entity)) for entity in dict.fromkeys(entities) if entity]

    def _key(self, entity: str) -> str:
        known = self.known.get(entity)
        return known.fetch.primary_key if known and known.key.path[:1] != "@" else self.pack.entity(entity).key or "id"

    def _in_front(self, path: str, name: str) -> str | None:
        """The entity which the path lists up to this parameter, or which the segment before is called after."""
        if f"/{{{name}}}" not in path:
            return None
        above = path.partition(f"/{{{name}}}")[0]
        template = _PARAMETER.sub("{}", above).rstrip("/").lower()
        for entity in self.pack.entities:
            if any(_PARAMETER.sub("{}", route).rstrip("/").lower() == template for route in entity.routes):
                return entity.entity
        segment = next((part for part in reversed(above.split("/")) if part and not part.startswith("{")), "")
        return self._called(segment)

    def _called(self, name: str) -> str | None:
        """The entity that a parameter or segment is called after: `userId`, `user_id`, `users`, `owner_user`."""
        said = _said(name)
        while len(said) > 1 and {said[-1], said[-1].removesuffix("s")} & set(KEY_WORDS):
            said.pop()
        entities = {"".join(_said(entity.entity)): entity.entity for entity in self.pack.entities}
        for start in range(len(said)):
            joined = "".join(said[start:])
            for each in (joined, singular(joined)):
                if each in entities:
                    return entities[each]
        return None

    def _idlike(self, endpoint: Endpoint) -> list[str]:
        """Query parameters that are named like ids, or which the endpoint demands."""
        demanded = constants(endpoint)
        found = []
        for name in endpoint.query:
            known = endpoint.parameter(name)
            bare = name.lower().removesuffix("s[]")  # an array of ids in the body of a search
            if name not in demanded and not known.values and (known.required or bare.endswith(_ID_ENDINGS)):
                found.append(name)
        return found

    def _settled(self, endpoint: Endpoint, name: str) -> bool:
        """Whether a person wrote down what fills the parameter."""
        return self.pack.origin == "curated" and any(
            known.parameter.lower() == name.lower() and known.path in (None, endpoint.path) for known in self.pack.identifiers
        )


def nearest(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """One place in each of some lists of these sizes, every way to choose them: those with the least sum first, then in order."""
    if all(sizes):
        for total in range(sum(sizes) - len(sizes) + 1):
            yield from _summing(sizes, total)


def _summing(sizes: Sequence[int], total: int) -> Iterator[tuple[int, ...]]:
    if not sizes:
        yield ()
        return
    rest = sizes[1:]
    most = sum(rest) - len(rest)
    for place in range(max(0, total - most), min(sizes[0] - 1, total) + 1):
        yield from ((place, *others) for others in _summing(rest, total - place))


def _said(name: str) -> list[str]:
    return [word.lower() for word in words(name)]


def _above(path: str, name: str) -> str:
    """The template up to a parameter, whatever the parameters are called."""
    return _PARAMETER.sub("{}", path.partition(f"{{{name}}}")[0]).lower()


def _closeness(path: str, parameter: str) -> tuple[int, int, str] | None:
    """How well a field's path says what a parameter is called (`owner.login`, `owner`): the least the best, None not at all."""
    wanted = _said(parameter)
    said = [word for part in split_path(path) for word in _said(part)]
    stem = [word for word in wanted if word not in KEY_WORDS] or wanted
    if said[: len(stem)] != stem:
        return None
    rest = said[len(stem) :]
    if rest == wanted[len(stem) :]:
        return (0, 0, path)
    if len(rest) == 1 and rest[0] in KEY_WORDS:
        handy = ("login", "slug", "key", "name", "username", "code", "id")
        return (1, handy.index(rest[0]) if rest[0] in handy else len(handy), path)
    return None


def _distinct(records: Iterable[Record], unique: bool = True) -> list[str]:
    """Paths of plain values which all these records have; `unique`: different ones, but for some."""
    records = list(records)
    found = []
    for path in plain_paths(records[0]) if records else ():
        values = [str(value) for record in records for value in values_at(record, path)]
        if len(values) >= 0.9 * len(records) and (not unique or len(set(values)) >= 0.9 * len(values)):
            found.append(path)
    return found
