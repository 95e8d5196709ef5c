"""Entities that tell more of another one's records: the address of single records beside their list, a search beside a list.

Told by the records: the same key, each of its values one of the other's, most of the other's fields there with the same values,
and a few more. In the star both are one table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.paths import HASH, one_record
from spectra_assets.names import child_entity
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.prepare.fields.keys import Keys

_REPEATED = 0.6
"""Share of the other's fields that must be there, and of the values that must be the same: some change between two requests."""

_COVERED = 0.8
"""Share of the other's records that must be there, where not each of them is asked for."""

_ENOUGH = 3


def completions(
    canon: Mapping[str, CanonEntity], samples: Mapping[str, Sequence[Record]], keys: Mapping[str, Keys]
) -> dict[str, CanonEntity]:
    """The canon with what is completed: such an entity names the other in its plan, and its nested tables are called as if they
    lay in the other. Each entity is completed by one at most, and by none that is completed itself."""
    found: dict[str, str] = {}
    for name, entity in canon.items():
        for other in canon.values():
            free = other.entity not in found and other.entity not in found.values() and name not in found.values()
            if free and name != other.entity and _completes(entity, other, samples, keys):
                found[name] = other.entity
                break
    tables = {field.group.lower() for entity in canon.values() for field in entity.fields} | {name.lower() for name in canon}
    completed = {other: name for name, other in found.items()}
    made = {name: _told(entity, canon[found[name]], tables) if name in found else entity for name, entity in canon.items()}
    return {name: _alone(each, {**found, **completed}.get(name)) for name, each in made.items()}


def _alone(entity: CanonEntity, twin: str | None) -> CanonEntity:
    """The entity without fields that refer to themselves where their record is told again, save what it was asked for with."""
    link = entity.fetch.parent
    asked = f"{twin}.{entity.primary_key}" if link is not None and link.entity == twin else None
    fields = (
        field.model_copy(update={"references": None}) if asked != field.references == f"{twin}.{field.raw}" else field
        for field in entity.fields
    )
    return entity.model_copy(update={"fields": tuple(fields)}) if twin else entity


def _completes(
    entity: CanonEntity, other: CanonEntity, samples: Mapping[str, Sequence[Record]], keys: Mapping[str, Keys]
) -> bool:
    key = entity.primary_key
    scoped = "parent" in (entity.fetch.key_scope, other.fetch.key_scope)
    if key != other.primary_key or key == HASH or key.startswith("@") or "[]" in key or scoped:
        return False
    own, theirs = _plain(entity), _plain(other)
    if not own - theirs and _groups(entity) <= 1:
        return False
    if len(own & theirs) < max(_REPEATED * len(theirs), 2) or not _same_records(entity, other, keys):
        return False
    return _alike(samples.get(entity.entity, ()), samples.get(other.entity, ()), key, sorted(own & theirs - {key}))


def _plain(entity: CanonEntity) -> set[str]:
    """The paths of the fields that records have themselves, as they were seen."""
    return {f.raw for f in entity.fields if f.group == entity.entity and not f.raw.startswith("@") and f.evidence != "spec"}


def _groups(entity: CanonEntity) -> int:
    return len({field.group for field in entity.fields})


def _same_records(entity: CanonEntity, other: CanonEntity, keys: Mapping[str, Keys]) -> bool:
    """Whether the records are the other's: each of them asked for by its key, or most of them listed once more."""
    known, listed = keys.get(entity.entity), keys.get(other.entity)
    if known is None or listed is None:
        return False
    mine, theirs = (set(map(str, each.values.get(entity.primary_key, ()))) for each in (known, listed))
    if len(mine) < _ENOUGH or not mine <= theirs:
        return False
    parent = entity.fetch.parent
    one_each = parent is not None and not parent.composite and (parent.entity, parent.path) == (other.entity, other.primary_key)
    return (one_each and one_record(entity.fetch.records)) or (
        listed.whole and known.whole and len(mine) >= _COVERED * len(theirs)
    )


def _alike(mine: Sequence[Record], theirs: Sequence[Record], key: str, shared: Sequence[str]) -> bool:
    """Whether records of one key say the same in the fields that both have, unless the list leaves them empty."""
    listed = {str(value): record for record in theirs for value in values_at(record, key)}
    pairs = [(record, listed[str(value)]) for record in mine for value in values_at(record, key) if str(value) in listed]
    both = ((list(values_at(one, raw)), list(values_at(other, raw))) for one, other in pairs for raw in shared)
    told = [more == values for more, values in both if values]
    return bool(told) and sum(told) >= _REPEATED * len(told)


def _told(entity: CanonEntity, other: CanonEntity, tables: set[str]) -> CanonEntity:
    """The entity as what completes the other: its nested tables by the other's name where that is free, and what it never
    showed of a type that the other's records show."""
    groups = {entity.entity: entity.entity}
    for group in dict.fromkeys(field.group for field in entity.fields):
        if group not in groups:
            wanted = child_entity(other.entity, group.removeprefix(entity.entity) or group, scalar=False)
            groups[group] = wanted if wanted.lower() not in tables else group
            tables.add(groups[group].lower())
    shown = {field.raw: field for field in other.fields if field.filled}
    fields: list[CanonField] = []
    for field in entity.fields:
        twin = shown.get(field.raw) if not field.filled and "[]" not in field.raw else None
        as_shown = {"type": twin.type, "structure": twin.structure, "date_format": twin.date_format} if twin else {}
        fields.append(field.model_copy(update={"group": groups[field.group], **as_shown}))
    fetch = entity.fetch.model_copy(update={"completes": other.entity})
    return entity.model_copy(update={"fields": tuple(fields), "fetch": fetch})
