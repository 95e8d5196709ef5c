"""Names of the canon's fields: target names by rule, references named like the column they point to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from spectra_assets import names
from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import split_path
from spectra_assets.stages.canonise import INDEX, PARENT, TREE_PARENT

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
    result = _with_names(own, [_wanted(entity, field, renamed, parents) for field in own], twins)
    key = next((field for field in result if field.raw == entity.primary_key), None)
    for group in dict.fromkeys(field.group for field in entity.fields):
        if group == entity.entity:
            continue
        inner = [f for f in entity.fields if f.group == group and f.raw not in (INDEX, entity.primary_key)]
        links = _links(entity, group, key, keyed=not any(field.key for field in inner))
        wanted = [key.target if key else f"{names.camel(entity.entity)}Id", f"{names.camel(group)}Index"]
        wanted += [_wanted(entity, field, renamed, parents) for field in inner]
        same = [f.raw for f, name in zip(inner, wanted[2:], strict=True) if f.raw in echoes and name == wanted[0]]
        result += _with_names([*links, *inner], wanted, twins | dict.fromkeys(same, entity.primary_key))
    return entity.model_copy(update={"fields": tuple(result)})


def _links(entity: CanonEntity, group: str, key: CanonField | None, keyed: bool) -> list[CanonField]:
    """What ties a child to its record: the record's key and the position, which are its own key if it has no other."""
    kind = key.type if key else DataType.TEXT
    return [
        CanonField(raw=raw, structure="scalar", target="", type=kind, required=True, nullable=False, key=keyed, group=group)
        for raw, kind in ((entity.primary_key, kind), (INDEX, DataType.INT64))
    ]


def _with_names(fields: Sequence[CanonField], wanted: Sequence[str], twins: dict[str, str]) -> list[CanonField]:
    """The fields with names unique in their table, but for those that share another's: text → epoch, echo → key."""
    single = [(field, name) for field, name in zip(fields, wanted, strict=True) if field.raw not in twins]
    unique = names.without_collisions(name for _, name in single)
    by_raw = {field.raw: name for (field, _), name in zip(single, unique, strict=True)}
    placed = [field.model_copy(update={"target": name}) for (field, _), name in zip(single, unique, strict=True)]
    for text, epoch in twins.items():
        twin = next((field for field in fields if field.raw == text), None)
        if twin is not None:
            place = next(number for number, field in enumerate(placed) if field.raw == epoch)
            placed.insert(place + 1, twin.model_copy(update={"target": by_raw[epoch]}))
    return placed


def _wanted(entity: CanonEntity, field: CanonField, renamed: Renamed, parents: dict[str, CanonEntity]) -> str:
    rule = renamed(entity.entity, field.raw)
    if rule:
        return rule
    if field.raw == TREE_PARENT:
        return f"parent{names.pascal(entity.entity)}Id"
    if field.raw == PARENT:
        return _parent_name(entity, parents)
    parts = split_path(field.raw)
    starts = [number for number, part in enumerate(parts) if part.endswith("[]")]
    if not starts:
        return names.target_field(entity.entity, parts)
    if starts[-1] == len(parts) - 1:
        return names.singular(names.camel(parts[-1].removesuffix("[]")))
    return names.target_field(field.group, parts[starts[0] + 1 :])


def _parent_name(entity: CanonEntity, parents: dict[str, CanonEntity]) -> str:
    """Name of the column of the parent that holds the ids the requests named."""
    link = entity.fetch.parent
    if link is None:
        return "parentId"
    parent = parents.get(link.entity)
    held = next((f.target for f in parent.fields if f.raw == link.path and f.target), None) if parent else None
    parts = [part.removesuffix("[]") for part in split_path(link.path)]
    return held or names.target_field(link.entity, parts)
