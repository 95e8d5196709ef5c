"""Hypotheses from a description: which kinds of records there are, which endpoints list them, where the ids come from."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from spectra_assets.covenant.paths import split_path
from spectra_assets.intelligence.description.model import Description, RecordShape
from spectra_assets.intelligence.identifiers import Source, identifiers
from spectra_assets.intelligence.listings import Catalogue, Listing, listings
from spectra_assets.intelligence.model import EntityHint, FieldSpec, Identifier
from spectra_assets.intelligence.nouns import noun, noun_at, plain, same, singular_of
from spectra_assets.intelligence.purposes import ONE_OBJECT
from spectra_assets.names import camel, without_collisions, words

_ALIKE = 0.75
"""Share of keys that records of one name must have in common to be of one kind."""

_MOST_ROUTES = 12
_MOST_KINDS = 4_000
_MOST_COMPARED = 20
_NAME_LENGTH = 60
_UNNAMED = "record"
_SCHEMA_ENDINGS = frozenset(
    ("dto", "response", "model", "resource", "representation", "schema", "read", "out", "view", "vo", "object", "summary",
     "entity", "list", "collection", "item", "details", "detail", "full", "simple", "basic", "minimal", "json",
     "serializer", "public")
)  # fmt: skip
_SCHEMA_STARTS = frozenset(
    ("api", "paginated", "full", "simple", "basic", "minimal", "nullable", "base", "partial", "public", "short")
)
_KEYS = ("id", "_id", "uuid", "guid", "uid")
_AROUND_KEYS = ("metadata", "meta", "sys", "attributes", "properties")


@dataclass
class Kind:
    """One kind of record: the endpoints that list it, best first once it is settled."""

    name: str
    shape: RecordShape | None
    listings: list[Listing] = field(default_factory=list)

    @property
    def best(self) -> Listing:
        return self.listings[0]

    @property
    def known(self) -> bool:
        return self.shape is not None and bool(self.shape.fields)

    def order(self) -> None:
        """Best route first; of equal ones as the description has them."""
        self.listings.sort(key=lambda listing: listing.rank)


def entities_of(
    description: Description, searches: Collection[str] = ()
) -> tuple[list[EntityHint], list[Identifier], dict[str, str]]:
    """(entities with their candidate routes, where the ids of parameters may come from, path → why it lists no entity).

    `searches` are the paths of searches by POST that may be asked, where no GET is.
    Works with paths alone, and better with what is known of the answers (`Description.replies`, by schema or as they were seen).
    """
    catalogue = Catalogue(description, searches)
    found, excluded = listings(catalogue)
    kinds = _kinds([listing for listing in found if not listing.one])
    kinds += _single([listing for listing in found if listing.one], kinds, excluded)
    if not kinds:
        kinds = _only_objects(catalogue, excluded)
    for number, kind in enumerate(kinds):
        kind.order()
        for listing in kind.listings if number >= _MOST_KINDS else kind.listings[_MOST_ROUTES:]:
            beyond = f"beyond the {_MOST_KINDS:,} kinds of record that are kept"
            excluded[listing.path] = beyond if number >= _MOST_KINDS else f"lists what {kind.best.path} lists"
    del kinds[_MOST_KINDS:]
    names = _names(kinds)
    hints = [_hint(catalogue, kind, name) for kind, name in zip(kinds, names, strict=True)]
    sources = [
        Source(name, kind.name, [catalogue.ways[listing.path] for listing in kind.listings], hint.fields, hint.key)
        for kind, name, hint in zip(kinds, names, hints, strict=True)
    ]
    ordered = {endpoint.path: excluded[endpoint.path] for endpoint in catalogue.endpoints if endpoint.path in excluded}
    return hints, identifiers(catalogue, sources), ordered


def _kinds(lists: list[Listing]) -> list[Kind]:
    """Lists of one kind of record together: of one schema and name, of like fields and one name, or of one name alone."""
    kinds: list[Kind] = []
    by_shape: dict[int, list[Listing]] = defaultdict(list)
    for listing in lists:
        if _known(listing):
            by_shape[id(listing.reply.shape)].append(listing)
    for alike in by_shape.values():
        kinds += _of_one_shape(alike)
    kinds = _joined(kinds)
    named: dict[str, list[Kind]] = defaultdict(list)
    for kind in kinds:
        named[plain(kind.name)].append(kind)
    for listing in lists:
        if not _known(listing):
            name = listing.name or next(iter(listing.above), _UNNAMED)
            same_name = named[f"{plain(listing.owner)}/{plain(name)}" if listing.owner else plain(name)]
            if len(same_name) != 1:
                same_name[:] = [each for each in same_name if not each.known][:1] or [_added(kinds, Kind(name, None))]
            same_name[0].listings.append(listing)
    place = {listing.path: number for number, listing in enumerate(lists)}
    return sorted(kinds, key=lambda kind: min(place[listing.path] for listing in kind.listings))


def _known(listing: Listing) -> bool:
    return listing.reply.shape is not None and bool(listing.reply.shape.fields)


def _added(kinds: list[Kind], kind: Kind) -> Kind:
    kinds.append(kind)
    return kind


def _of_one_shape(alike: list[Listing]) -> list[Kind]:
    """Lists of one schema: those of one name are one kind; another name (the followers of a user) is a kind of its own."""
    shape = alike[0].reply.shape
    schema = schema_noun(shape.name if shape else None)
    named: dict[str, Kind] = {}
    for listing in alike:
        if listing.name:
            named.setdefault(plain(listing.name), Kind(listing.name, shape)).listings.append(listing)
    for listing in alike:
        if not listing.name:
            above = next((name for name in listing.above if plain(name) in named), None)
            name = above or next((kind.name for kind in named.values() if schema and same(kind.name, schema)), None)
            name = name or schema or next(iter(listing.above), _UNNAMED)
            named.setdefault(plain(name), Kind(name, shape)).listings.append(listing)
    return list(named.values())


def _joined(kinds: list[Kind]) -> list[Kind]:
    """Kinds of one name whose fields are much alike become one."""
    kept: list[Kind] = []
    named: dict[str, list[Kind]] = defaultdict(list)
    for kind in kinds:
        twin = next((each for each in named[plain(kind.name)][:_MOST_COMPARED] if alike(each.shape, kind.shape)), None)
        if twin is None:
            kept.append(kind)
            named[plain(kind.name)].append(kind)
        else:
            twin.listings += kind.listings
    return kept


def alike(one: RecordShape | None, other: RecordShape | None) -> bool:
    """Whether two records have most of their keys in common."""
    if one is None or other is None:
        return False
    a, b = set(one.keys), set(other.keys)
    return bool(a & b) and len(a & b) >= _ALIKE * len(a | b)


def schema_noun(name: str | None) -> str:
    """What a schema's name means: `io.k8s.api.core.v1.Pod` → pod, `UserResponseDto` → user."""
    parts = words((name or "").replace("-", "_").rpartition(".")[2][:_NAME_LENGTH])
    while len(parts) > 1 and parts[-1].lower() in _SCHEMA_ENDINGS:
        parts.pop()
    while len(parts) > 1 and parts[0].lower() in _SCHEMA_STARTS:
        parts.pop(0)
    name = camel("_".join(parts)) if parts else ""
    return noun(name) or singular_of(name)


def _single(ones: list[Listing], kinds: list[Kind], excluded: dict[str, str]) -> list[Kind]:
    """Objects: those that a list gives as well are excluded; the others are kinds, one record for each of their parents."""
    shapes = {id(kind.shape): kind for kind in reversed(kinds) if kind.known}
    named = {plain(kind.name): kind for kind in reversed(kinds)}
    for kind in kinds:
        kind.order()
    fresh: dict[tuple[str, int], Kind] = {}
    for listing in ones:
        shape = listing.reply.shape
        name = listing.name or schema_noun(shape.name if shape else None) or next(iter(listing.above), _UNNAMED)
        listed = (shapes.get(id(shape)) if shape else None) or (named.get(plain(name)) if listing.way.ends_open else None)
        if listed is not None and (listing.way.ends_open or same(listing.name or listed.name, listed.name)):
            excluded[listing.path] = f"one record of {listed.best.path}"
        else:
            fresh.setdefault((plain(name), id(shape)), Kind(name, shape)).listings.append(listing)
    return list(fresh.values())


def _only_objects(catalogue: Catalogue, excluded: dict[str, str]) -> list[Kind]:
    """If nothing is listed at all, the single objects are what there is."""
    kinds = []
    for endpoint in catalogue.endpoints:
        reply = catalogue.reply(endpoint.path)
        if excluded.get(endpoint.path) == ONE_OBJECT and reply.kind == "object" and not endpoint.path_parameters:
            del excluded[endpoint.path]
            way = catalogue.ways[endpoint.path]
            name = (
                noun_at(way.segments, len(way.segments) - 1) or schema_noun(reply.shape.name if reply.shape else None) or _UNNAMED
            )
            kinds.append(Kind(name, reply.shape, [Listing(endpoint, reply, way, name, [], one=True)]))
    return kinds


def _names(kinds: list[Kind]) -> list[str]:
    """A name for each kind: the bare one, or where two would share it with its parent's in front."""
    wanted = [_identifier(kind.name) for kind in kinds]
    for qualify in (_with_parent, _with_schema):
        counts: dict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(wanted):
            counts[name.lower()].append(number)
        for numbers in counts.values():
            free = [number for number in numbers if not kinds[number].best.way.parameters]
            for number in numbers if len(numbers) > 1 else []:
                if number not in free[:1]:
                    wanted[number] = qualify(kinds[number], wanted[number])
    return without_collisions(wanted)


def _with_parent(kind: Kind, name: str) -> str:
    above = next((found for found in kind.best.above if plain(found) != plain(name)), "")
    return _identifier(f"{above}_{_capital(name)}") if above else name


def _with_schema(kind: Kind, name: str) -> str:
    schema = schema_noun(kind.shape.name if kind.shape else None)
    return _identifier(schema) if schema and plain(schema) != plain(kind.name) else name


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _identifier(text: str) -> str:
    """A name for tables and columns: camelCase, letters and digits."""
    name = camel(text) if words(text) else _UNNAMED
    return re.sub(r"[^A-Za-z0-9]", "", name)[:_NAME_LENGTH]


def _hint(catalogue: Catalogue, kind: Kind, name: str) -> EntityHint:
    routes = kind.listings[:_MOST_ROUTES]
    places = {listing.reply.records for listing in routes if listing.reply.records is not None}
    shape = kind.best.reply.shape if _known(kind.best) else kind.shape
    fields = list(shape.fields) if shape else []
    return EntityHint(
        entity=name,
        description=kind.best.endpoint.summary,
        routes=[listing.path for listing in routes],
        records=places.pop() if len(places) == 1 else None,
        recursive=shape.recursive if shape else None,
        key=key_of(fields, kind.name) or _asked_by(fields, [catalogue.member_of(listing.path) for listing in routes]),
        fields=fields,
    )


def _asked_by(fields: Iterable[FieldSpec], parameters: Iterable[str | None]) -> str | None:
    """The field that one record is asked for by: the one that the parameter of its address is called as."""
    asked = {plain(parameter) for parameter in parameters if parameter}
    return next((field.raw for field in fields if field.type not in ("record", "array") and plain(field.raw) in asked), None)


def key_of(fields: Iterable[FieldSpec], name: str) -> str | None:
    """JSON path of the field that is the primary key, as the description says or by its name; None if neither says so, or if the
    description says that several are."""
    plain_fields = [field for field in fields if field.type not in ("record", "array") and "[]" not in field.raw]
    told = [field.raw for field in plain_fields if field.key]
    if told:
        return told[0] if len(told) == 1 else None
    scalars = {field.raw: split_path(field.raw) for field in plain_fields}
    own = {path[0].lower(): raw for raw, path in scalars.items() if len(path) == 1}
    for wanted in (*_KEYS, f"{plain(name)}id", f"{plain(name)}_id", f"{plain(name)}uuid", "key"):
        if wanted in own:
            return own[wanted]
    glued = next((raw for key, raw in own.items() if plain(key) in (f"{plain(name)}id", f"id{plain(name)}")), None)
    inside = [raw for raw, path in scalars.items() if len(path) == 2 and path[0] in _AROUND_KEYS and path[1].lower() in _KEYS]
    return glued or (inside[0] if len(inside) == 1 else None)
