"""Names of the canon's fields: target names by rule, references named like the column they point to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from spectra_assets import names
from spectra_assets.covenant.access import ParentKey
from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import HASH, INDEX, PARENT, PARENTS, TREE_PARENT, asked_place, split_path

MAP_KEY = "_mapKey"
"""Raw path of the key that a record had in a map of records."""

_WRAPPERS = frozenset(("attributes", "attrs", "fields", "properties", "_source"))
_ENVELOPE = frozenset(
    ("id", "type", "links", "relationships", "meta", "metadata", "key", "self", "url", "href", "etag", "kind", "geometry",
     "expand", "index", "score", "mapkey", "version")
)  # fmt: skip
"""What stands beside the wrapper of a record's own fields."""

_AROUND_ADDRESSES = frozenset(("links", "link", "self", "attributes", "data"))
"""What a key lies in that says nothing of it."""

Renamed = Callable[[str, str], str | None]
"""(entity, raw path) → the name a rule gives it."""


def named(
    entities: Sequence[CanonEntity],
    twins: Mapping[str, dict[str, str]],
    renamed: Renamed,
    echoes: Mapping[str, Sequence[str]] | None = None,
) -> list[CanonEntity]:
    """All entities, parents first, with names; child tables get their parent's key and their position in front.

    `twins` are per entity the text dates that share the column of an epoch field, `echoes` the fields in arrays that always
    hold the key of the record around: they share its column where they want its name.
    """
    done: dict[str, CanonEntity] = {}
    for entity in entities:
        repeating = (echoes or {}).get(entity.entity, ())
        done[entity.entity] = _named(entity, twins.get(entity.entity, {}), repeating, renamed, done)
    return list(done.values())


def _named(
    entity: CanonEntity, twins: dict[str, str], echoes: Sequence[str], renamed: Renamed, parents: dict[str, CanonEntity]
) -> CanonEntity:
    own = [field for field in entity.fields if field.group == entity.entity]
    wrappers = _wrappers(entity)
    names_of_own = [_wanted(entity, field, renamed, parents, wrappers) for field in own]
    result = _with_names(own, _apart(entity, own, names_of_own, parents), twins)
    key = next((field for field in result if field.raw == entity.primary_key), None)
    called = _called(entity, own, twins)
    below = [f for f in result if f.key and f.raw not in called] if entity.fetch.key_scope == "parent" else []
    for group in dict.fromkeys(field.group for field in entity.fields):
        if group == entity.entity:
            continue
        inner = [f for f in entity.fields if f.group == group and f.raw not in (INDEX, *called)]
        paired = any(field.raw == PARENTS for field in inner)
        links = _links(entity, group, below, key, called, keyed=paired or not any(field.key for field in inner))
        wanted = [field.target for field in below]
        wanted += [key.target if key else f"{names.camel(_noun(entity))}Id"] * len(called) + [f"{names.camel(group)}Index"]
        if paired:  # a pair has no place in an array
            links, wanted = links[:-1], wanted[:-1]
        wanted += [_wanted(entity, field, renamed, parents, wrappers) for field in inner]
        wanted = _apart(entity, [*links, *inner], wanted, parents)
        mine = wanted[len(below)]
        same = [f.raw for f, name in zip(inner, wanted[len(links) :], strict=True) if f.raw in echoes and name == mine]
        result += _with_names([*links, *inner], wanted, twins | dict.fromkeys(same, called[0]))
    return entity.model_copy(update={"fields": tuple(result)})


def _apart(
    entity: CanonEntity, fields: Sequence[CanonField], wanted: Sequence[str], parents: Mapping[str, CanonEntity]
) -> list[str]:
    """The names, but what the requests named of a parent is called after it where the records have one of that name: of a task's
    project the `gid` is `projectGid`."""
    taken = Counter(name.lower() for name in wanted)
    result = []
    for field, name in zip(fields, wanted, strict=True):
        place = 0 if field.raw == PARENTS else asked_place(field.raw)
        if place is not None and entity.fetch.parent is not None and taken[name.lower()] > 1:
            owner = names.camel(_asked_of(entity.fetch.parent, max(0, place), parents))
            name = name if name.lower().startswith(owner.lower()) else f"{owner}{names.pascal(name)}"
        result.append(name)
    return result


def _asked_of(link: ParentKey, place: int, parents: Mapping[str, CanonEntity]) -> str:
    """The entity whose value the requests named in this place: of what a parent was itself asked for with, its own parent."""
    entity, path = link.sources[place]
    asked = asked_place(path)
    above = parents[entity].fetch.parent if asked is not None and entity in parents else None
    return entity if above is None or asked is None else _asked_of(above, max(0, asked), parents)


def _noun(entity: CanonEntity) -> str:
    """What the entity's records are: those of the entity that it completes, if it does."""
    return entity.fetch.completes or entity.entity


def _called(entity: CanonEntity, own: Sequence[CanonField], twins: Mapping[str, str]) -> list[str]:
    """The paths of the record's key: its first one, and where it was renamed the one that it has now."""
    first = twins.get(entity.primary_key)
    return [first, entity.primary_key] if any(field.raw == first for field in own) and first else [entity.primary_key]


def _links(
    entity: CanonEntity,
    group: str,
    below: Sequence[CanonField],
    key: CanonField | None,
    called: Sequence[str],
    keyed: bool,
) -> list[CanonField]:
    """What ties a child to its record: the record's key and the position, which are its own key if it has no other.

    `called` are the paths of the key; `below` are the fields that name the parent, where keys are unique below one parent only.
    """
    kind = key.type if key else DataType.TEXT
    record = None if below else f"{_noun(entity)}.{entity.primary_key}"
    places = [(field.raw, field.type, field.references) for field in below]
    places += [*((raw, kind, record) for raw in called), (INDEX, DataType.INT64, None)]
    bare = CanonField(raw="", structure="scalar", target="", type=kind, required=True, nullable=False, key=keyed, group=group)
    return [bare.model_copy(update={"raw": raw, "type": kind, "references": to}) for raw, kind, to in places]


def _wrappers(entity: CanonEntity) -> frozenset[str]:
    """The one key below which nearly all fields of the records lie, if it is a usual name for that; their names go without it."""
    tops = Counter(split_path(field.raw)[0].removesuffix("[]") for field in entity.fields if field.raw and field.raw[0] != "@")
    plain = {split_path(field.raw)[0] for field in entity.fields if len(split_path(field.raw)) == 1}
    others = sum(count for key, count in tops.items() if key not in _WRAPPERS and key.lstrip("@_$").lower() not in _ENVELOPE)
    found = [key for key, count in tops.items() if key in _WRAPPERS and key not in plain and count >= max(1, 2 * others)]
    return frozenset(found[:1])


def _unwrapped(parts: list[str], wrappers: frozenset[str]) -> list[str]:
    """A path as names see it: without a wrapper of the record, and JSON:API's `relationships.author.data.id` as `author.id`."""
    if len(parts) > 1 and parts[0] in wrappers:
        return parts[1:]
    if len(parts) > 2 and parts[0] == "relationships":
        inner = [parts[1] + "[]" * (part == "data[]") if part in ("data", "data[]") else part for part in parts[2:]]
        return parts[1:] if inner == parts[2:] else inner[:1] + parts[3:] if inner[0].endswith("[]") else [parts[1], *parts[3:]]
    return parts


def _with_names(fields: Sequence[CanonField], wanted: Sequence[str], twins: dict[str, str]) -> list[CanonField]:
    """The fields with names unique in their table, but for those that share another's: text → epoch, echo → key, name → name."""
    twins = {raw: other for raw, other in twins.items() if any(field.raw == other for field in fields)}
    single = [(field, name) for field, name in zip(fields, wanted, strict=True) if field.raw not in twins]
    unique = _unique(single)
    by_raw = {field.raw: name for (field, _), name in zip(single, unique, strict=True)}
    placed = [field.model_copy(update={"target": name}) for (field, _), name in zip(single, unique, strict=True)]
    for text, epoch in twins.items():
        twin = next((field for field in fields if field.raw == text), None)
        if twin is not None:
            place = next(number for number, field in enumerate(placed) if field.raw == epoch)
            placed.insert(place + 1, twin.model_copy(update={"target": by_raw[epoch]}))
    return placed


def _unique(single: Sequence[tuple[CanonField, str]]) -> list[str]:
    """The names without collisions, in order: the key has its own, whatever else is called so; of fields that differ in capitals
    alone, the one that is written so comes first."""
    place: dict[str, int] = {}
    for number, (field, _) in enumerate(single):
        place.setdefault(field.raw.lower(), number)
    order = sorted(
        range(len(single)),
        key=lambda n: (not single[n][0].key, place[single[n][0].raw.lower()], not single[n][0].raw.endswith(single[n][1])),
    )
    unique = names.without_collisions(single[number][1] for number in order)
    return [name for _, name in sorted(zip(order, unique, strict=True))]


def _wanted(
    entity: CanonEntity, field: CanonField, renamed: Renamed, parents: dict[str, CanonEntity], wrappers: frozenset[str]
) -> str:
    rule = renamed(entity.entity, field.raw)
    if rule:
        return rule
    if field.raw == TREE_PARENT:
        return f"parent{names.pascal(_noun(entity))}Id"
    if field.raw == HASH:
        return f"{names.camel(entity.entity)}Hash"
    if field.raw.startswith(PARENT):
        link, place = entity.fetch.parent, 0 if field.raw == PARENTS else asked_place(field.raw) or 0
        return _parent_name(link, max(0, place), parents) if link else "parentId"
    if entity.fetch.pairs is not None:
        return _member_name(entity.fetch.pairs, split_path(field.raw))
    parts = _unwrapped(split_path(field.raw), wrappers)
    if parts == [MAP_KEY]:
        return f"{names.camel(_noun(entity))}Key"
    starts = [number for number, part in enumerate(parts) if part.endswith("[]")]
    if not starts:
        return names.target_field(_noun(entity), parts)
    if starts[-1] == len(parts) - 1:
        return names.singular(names.camel(parts[-1].removesuffix("[]")))
    return names.target_field(field.group, parts[starts[0] + 1 :])


def _member_name(of: str, parts: list[str]) -> str:
    """Name of the column with the key of what belongs to a parent: `profileId`, `customerHref` of its `_links.self.href`."""
    own = [part for part in parts if part.lower().strip("_@$") not in _AROUND_ADDRESSES] or parts[-1:]
    name = names.target_field(of, own)
    return name if name.lower().startswith(of.lower()) else f"{names.camel(of)}{names.pascal(name)}"


def _parent_name(link: ParentKey, place: int, parents: dict[str, CanonEntity]) -> str:
    """Name of the parent's column with what the requests named; of what the parent was itself asked for with, that of its own."""
    entity, path = link.sources[place]
    parent = parents.get(entity)
    asked = asked_place(path)
    above = parent.fetch.parent if parent else None
    if asked is not None and above is not None:
        return _parent_name(above, max(0, asked), parents)
    held = next((f.target for f in parent.fields if f.raw == path and f.target), None) if parent else None
    parts = [part.removesuffix("[]") for part in split_path(path)]
    return held or names.target_field(link.entity, parts)
