"""Fields: one that nobody knew, one that has another name now, one that came without a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import escaped
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.registry import PREPARE, carried, paths_of, remedies_for, rule, scope
from spectra_assets.playbook.rules import AliasRule, RequiredRule
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.prepare.fields.inference import typed
from spectra_assets.stages.prepare.fields.shapes import Shape, shape_at

_ALIKE = 0.95
"""Share of records whose value under the new name must be that of the old one."""

_LOOKED_AT = 1_000
"""Records among which fields are looked for that nobody knows."""

_ENOUGH = 3
"""Records that must show it, with at least two different values."""


@remedies_for(Cause.NEW_FIELD, Cause.RENAMED_FIELD)
def new_field(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """The name that a known field has now; else one more field of the canon."""
    entity = facts.entity(facts.entity_of(gap.full_table))
    path = gap.subject
    if entity is None or not carried(path):
        return
    if any(path in known.also for known in facts.playbooks.rules(AliasRule, gap.source, entity.entity)):
        return  # another gap of the same change brought it
    records = facts.fetched(entity.entity) or facts.sampled(entity.entity)
    old = renamed(entity, path, records, facts)
    if old is not None and carried(old[0]):
        name, compared = old
        why = f"{name} is gone, and in all {compared} records compared {path} holds what {name} held before: it was renamed"
        yield rule(RemedyKind.FOLLOW_RENAME, PREPARE, "alias", scope(gap, facts, name), {"also": [path]}, why)
    values = _field_of(path, records)
    if values is not None:
        why = f"{path} came with values and no sample showed it: the canon knows it from now on"
        yield rule(RemedyKind.ADD_FIELD, PREPARE, "field", scope(gap, facts, path), values, why)


@remedies_for(Cause.CHANGED_TYPE)
def moved_field(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """A plain value went into a record of this name, or came out of one: it is followed there."""
    entity = facts.entity(facts.entity_of(gap.full_table))
    path = gap.subject
    if entity is None or not carried(path):
        return
    records = facts.fetched(entity.entity) or facts.sampled(entity.entity)
    inside = dict.fromkeys(
        f"{path}.{below}"
        for record in records[:_LOOKED_AT]
        for value in values_at(record, path)
        if isinstance(value, dict)
        for below in plain_paths(value)
    )
    out = [field for field in facts.promised_fields(entity) if field.raw.startswith(f"{path}.")]
    promised = facts.promised(entity, path)
    tries = [(new, [promised]) for new in list(inside)[:20] if promised is not None]
    for new, among in [*tries, *([(path, out)] if out and not inside else [])]:
        found = renamed(entity, new, records, facts, among)
        if found is not None and carried(found[0], new):
            why = f"in all {found[1]} records compared {new} holds what {found[0]} held before: it moved there"
            yield rule(RemedyKind.FOLLOW_RENAME, PREPARE, "alias", scope(gap, facts, found[0]), {"also": [new]}, why)
            return


@remedies_for(Cause.MISSING_FIELD, Cause.NULL_IN_REQUIRED)
def without_value(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """A renamed field is followed; else the field may be empty, if only a sample said that it never is."""
    entity = facts.entity(facts.entity_of(gap.full_table))
    if entity is None:
        return
    for path in paths_of(gap, facts):
        known = facts.promised(entity, path)
        if known is None or not carried(path):
            continue
        records = facts.fetched(entity.entity) or facts.published(entity.entity)
        for new in unknown_paths(facts, entity, records):
            held = renamed(entity, new, records, facts, [known])
            if held is not None and carried(new):
                why = f"no record has {path} any more, and {new} holds what it held: it was renamed"
                yield rule(RemedyKind.FOLLOW_RENAME, PREPARE, "alias", scope(gap, facts, path), {"also": [new]}, why)
        if known.required and (not known.key or "[]" in path):
            yield _nullable(gap, facts, path, records)


def _nullable(gap: Gap, facts: Facts, path: str, records: Sequence[Record]) -> Remedy:
    empty = sum(not any(_has_value(value) for value in values_at(record, path)) for record in records)
    why = f"{empty} of {len(records)} records have no {path}; that it is required was only inferred from a sample"
    entity = str(facts.entity_of(gap.full_table))
    person = [each for each in facts.playbooks.rules(RequiredRule, gap.source, entity, path) if each.lesson is None]
    needs = None
    if person:
        needs = f"the rule {person[-1].id} requires {path}: only a person may take that back"
    elif records and empty == len(records):
        needs = f"no record has {path} any more: to accept that loses a column, so a person decides"
    return rule(RemedyKind.MARK_NULLABLE, PREPARE, "required", scope(gap, facts, path), {"required": False}, why, needs)


def renamed(
    entity: CanonEntity, new: str, records: Sequence[Record], facts: Facts, among: Sequence[CanonField] | None = None
) -> tuple[str, int] | None:
    """(known path, records compared) whose plain values are those at `new` now, record by record, and which is gone there."""
    key_path = facts.promised_key(entity)
    before = {_key(record, key_path): record for record in [*facts.sampled(entity.entity), *facts.published(entity.entity)]}
    before.pop("", None)
    now = [record for record in records if _plain(record, new)]
    if among is None and (compared := _renamed_key(key_path, new, now, set(before))):
        return key_path, compared
    pairs = [(before[key], record) for record in now if (key := _key(record, key_path)) in before]
    for field in among or facts.promised_fields(entity):
        usable = not field.raw.startswith("@") and field.raw != new and _array_of(field.raw) == _array_of(new)
        if not usable or any(_plain(record, field.raw) for record in now):
            continue
        both = [(old, _plain(record, new)) for earlier, record in pairs if (old := _plain(earlier, field.raw))]
        same = sum(old == value for old, value in both)
        if len(both) >= _ENOUGH and same >= _ALIKE * len(both) and len({repr(old) for old, _ in both}) > 1:
            return field.raw, len(both)
    return None


def _renamed_key(key_path: str, new: str, now: Sequence[Record], keys: set[str]) -> int:
    """How many records hold at `new`, each once, what was a record's key before, though none has its key; 0 if too few."""
    values = [str(_plain(record, new)[0]) for record in now]
    gone = not any(_key(record, key_path) for record in now)
    known = sum(value in keys for value in values)
    alike = len(set(values)) == len(values) >= _ENOUGH and known >= _ALIKE * min(len(values), len(keys))
    return known if gone and alike else 0


def unknown_paths(facts: Facts, entity: CanonEntity, records: Sequence[Record]) -> list[str]:
    """Plain fields of the records, at any depth outside of arrays, that the covenant does not promise."""
    known = {field.raw for field in facts.promised_fields(entity)} - _unpromised(facts, entity)
    found = dict.fromkeys(path for record in records[:_LOOKED_AT] for path in plain_paths(record))
    return [path for path in found if path not in known][:20]


def _unpromised(facts: Facts, entity: CanonEntity) -> set[str]:
    """Fields that only the canon has: Prepare found them since."""
    tables = [table for table in facts.covenant.tables() if table.entity == entity.entity]
    held = {path for table in tables for column in table.schema_ for path in column.source}
    return {field.raw for field in entity.fields} - held


def plain_paths(record: Any, above: str = "") -> Iterator[str]:
    """The paths of a record's plain values outside of arrays."""
    for name, value in record.items():
        path = f"{above}{escaped(name)}"
        if isinstance(value, dict):
            yield from plain_paths(value, f"{path}.")
        elif _has_value(value) and not isinstance(value, list):
            yield path


def _key(record: Record, path: str) -> str:
    return str(next(values_at(record, path), ""))


def _plain(record: Record, path: str) -> list[Any]:
    """The values at a path that are neither empty nor containers."""
    return [value for value in values_at(record, path) if _has_value(value) and not isinstance(value, dict | list)]


def _array_of(path: str) -> str:
    """Path of the innermost array that the path lies in; empty outside of any."""
    return path[: path.rindex("[]")] if "[]" in path else ""


def _has_value(value: Any) -> bool:
    return value is not None and value != "" and value != [] and value != {}


def _field_of(path: str, records: Sequence[Record]) -> dict[str, Any] | None:
    """What a rule of kind field says of the field at `path`, by all its values."""
    values = [value for record in records for value in values_at(record, path) if _has_value(value)]
    leaf, shape = shape_at(path, values)
    if shape.seen == {"record"} and shape.fields and not shape.is_map:
        return {"data_type": "json", "fields": dict(_leaves(shape, ""))} if _small(shape) else {"data_type": "json"}
    items = shape.items
    if shape.seen == {"array"} and items is not None and items.seen:
        if items.seen == {"record"} and items.fields and not items.is_map and _small(items):
            return {"data_type": "json", "list": True, "fields": dict(_leaves(items, ""))}
        if not items.seen & {"record", "array"}:
            return {"data_type": _kind(typed(leaf, items, None).type), "list": True}
    found = typed(leaf, shape, None)
    values_of: dict[str, Any] = {"data_type": _kind(found.type)}
    if found.date_format:
        values_of["date_format"] = found.date_format
    return values_of


def _leaves(shape: Shape, prefix: str) -> Iterator[tuple[str, str]]:
    """Paths below a record → types, records within it opened; what is a list there stays JSON."""
    for name, below in shape.fields.items():
        path = prefix + escaped(name)
        if not carried(path):
            continue
        if below.seen == {"record"} and below.fields and not below.is_map:
            yield from _leaves(below, f"{path}.")
        else:
            yield path, _kind(typed(name, below, None).type)


def _small(shape: Shape) -> bool:
    return len(dict(_leaves(shape, ""))) <= 100


def _kind(kind: DataType) -> str:
    return str(kind)


def scalar_values(records: Sequence[Record], path: str) -> list[Any]:
    """The values at a path that say something."""
    return [value for record in records for value in values_at(record, path) if _has_value(value)]
