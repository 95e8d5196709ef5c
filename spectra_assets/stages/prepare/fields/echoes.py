"""Fields of nested records that repeat the key of the record around them: `cyclePhases[].cycleId` of a cycle."""

from __future__ import annotations

from collections.abc import Sequence

from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.stages.asking.answers import Record, values_at


def echoes(entity: CanonEntity, records: Sequence[Record]) -> list[str]:
    """Raw paths whose value was the record's primary key, of the same type, in every element seen, one at least."""
    kinds = {field.raw: field.type for field in entity.fields if field.group == entity.entity}
    found = []
    for field in entity.fields:
        array, inside, below = field.raw.partition("[].")
        nested = inside and field.group != entity.entity and field.type == kinds.get(entity.primary_key)
        if nested and _repeats(records, entity.primary_key, f"{array}[]", below):
            found.append(field.raw)
    return found


def _repeats(records: Sequence[Record], key: str, array: str, below: str) -> bool:
    seen = False
    for record in records:
        own = list(values_at(record, key))
        for element in values_at(record, array):
            seen = True
            if not own or list(values_at(element, below)) != own:
                return False
    return seen
