"""Fields: one that nobody knew, one that has another name now, one that came without a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import PARENT, escaped
from spectra_assets.learning.facts import Facts
from spectra_assets.learning.gap import Cause, Gap
from spectra_assets.learning.remedy.model import Remedy, RemedyKind
from spectra_assets.learning.remedy.plans import promised_plan_of
from spectra_assets.learning.remedy.registry import PREPARE, carried, paths_of, remedies_for, rule, scope
from spectra_assets.learning.remedy.renames import (
    goes_on,
    has_value,
    is_followed,
    name_goes_on,
    plain_paths,
    renamed,
    renamed_list,
    together,
    unknown_paths,
)
from spectra_assets.playbook.rules import RequiredRule
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.prepare.fields.inference import typed
from spectra_assets.stages.values.shapes import Shape, shape_at

_LOOKED_AT = 1_000
"""Records among which fields are looked for that nobody knows."""

_CAME = 3
"""New fields that a person is told of, where a known one went."""


@remedies_for(Cause.NEW_FIELD, Cause.RENAMED_FIELD)
def new_field(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """The name that a known field has now; else one more field of the canon."""
    entity = facts.entity(facts.entity_of(gap.full_table))
    path = gap.subject
    if entity is None or not carried(path):
        return
    if is_followed(entity, path, facts):
        return  # another gap of the same change brought it
    fetched = facts.fetched(entity.entity)
    records = fetched or facts.sampled(entity.entity)
    yield from renamed_together(gap, facts, entity, records, path)
    old = renamed(entity, path, facts.current(entity.entity, fetched), facts)
    if old is not None and carried(old[0]):
        name, compared = old
        why = f"{name} is gone, and in all {compared} records compared {path} holds what {name} held before: it was renamed"
        yield rule(RemedyKind.FOLLOW_RENAME, PREPARE, "alias", scope(gap, facts, name), {"also": [path]}, why)
    if old is None and (moved := renamed_list(entity, path, records, facts)) is not None and carried(moved[0]):
        why = f"{moved[0]} is gone, and in {moved[1]} records {path} is the list that {moved[0]} was before: it was renamed"
        yield rule(RemedyKind.FOLLOW_RENAME, PREPARE, "alias", scope(gap, facts, moved[0]), {"also": [path]}, why)
    key = facts.promised_key(entity)
    strangers = not key.startswith("@") and not any(has_value(value) for record in records for value in values_at(record, key))
    values = _field_of(path, records)
    if values is not None and not strangers:  # what has not one key is another thing, or has another key first
        why = f"{path} came with values and no sample showed it: the canon knows it from now on"
        other = name_goes_on(entity, path, records, facts) if old is None else None
        needs = (
            other
            and f"{path} holds what {other} held before, and {other} holds other values now: its column would mix two things"
        )
        yield rule(RemedyKind.ADD_FIELD, PREPARE, "field", scope(gap, facts, path), values, why, needs)


@remedies_for(Cause.CHANGED_TYPE)
def moved_field(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """A plain value went into a record of this name, or came out of one: it is followed there."""
    entity = facts.entity(facts.entity_of(gap.full_table))
    path = gap.subject
    if entity is None or not carried(path):
        return
    records = facts.fetched(entity.entity) or facts.sampled(entity.entity)
    yield from renamed_together(gap, facts, entity, records, path)
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


@remedies_for(Cause.MISSING_FIELD, Cause.EMPTIED_FIELD, Cause.NULL_IN_REQUIRED)
def without_value(gap: Gap, facts: Facts) -> Iterator[Remedy]:
    """A renamed field is followed; else the field may be empty, if only a sample said that it never is."""
    entity = facts.entity(facts.entity_of(gap.full_table))
    if entity is None:
        return
    for path in paths_of(gap, facts):
        known = facts.promised(entity, path)
        if known is None or not carried(path):
            continue
        fetched = facts.fetched(entity.entity)
        records = fetched or facts.published(entity.entity)
        if goes_on(entity, path, records, facts):
            continue
        yield from renamed_together(gap, facts, entity, records, path)
        yield from _asked_with(gap, facts, path, records)
        others, current = unknown_paths(facts, entity, records), facts.current(entity.entity, fetched)
        for new in others:
            held = renamed(entity, new, current, facts, [known])
            if held is not None and carried(new):
                why = f"no record that has {new} has {path}, and it holds what {path} held before, as {held[1]} records show"
                yield rule(
                    RemedyKind.FOLLOW_RENAME, PREPARE, "alias", scope(gap, facts, path), {"also": [new]}, f"{why}: it was renamed"
                )
        if (known.required and (not known.key or "[]" in path)) or gap.cause == Cause.EMPTIED_FIELD:
            yield _nullable(gap, facts, path, records, others)


def _asked_with(gap: Gap, facts: Facts, path: str, records: Sequence[Record]) -> Iterator[Remedy]:
    """What a record said of its parent and says no more, though its list is asked for with it: the request knows it."""
    entity = str(facts.entity_of(gap.full_table))
    plan = promised_plan_of(entity, facts)
    if (
        plan is None
        or plan.parent is None
        or plan.parent.composite
        or any(has_value(v) for r in records for v in values_at(r, path))
    ):
        return
    told = [
        (parent, str(value))
        for parent, known in facts.before_by_parent(entity).items()
        for record in known
        for value in values_at(record, path)
    ]
    if len({parent for parent, _ in told}) > 1 and all(parent == value for parent, value in told):
        why = f"no record has {path} any more; in all {len(told)} records before it was what their list was asked for with"
        yield rule(RemedyKind.FOLLOW_RENAME, PREPARE, "alias", scope(gap, facts, path), {"also": [PARENT]}, why)


def renamed_together(gap: Gap, facts: Facts, entity: CanonEntity, records: Sequence[Record], path: str) -> Iterator[Remedy]:
    """All the fields that were renamed with the one at `path`, by one rule."""
    found = {old: new for old, new in together(entity, records, facts).items() if carried(old, new)}
    about = path in found or any(new == path or new.startswith(f"{path}.") for new in found.values())
    if len(found) > 1 and about:
        some = ", ".join(f"{old} in {new}" for old, new in list(found.items())[:3])
        why = f"{len(found)} fields of {entity.entity} were renamed together, as their values show record by record: {some}, …"
        yield rule(RemedyKind.FOLLOW_RENAME, PREPARE, "aliases", scope(gap, facts), {"paths": found}, why)


def _nullable(gap: Gap, facts: Facts, path: str, records: Sequence[Record], others: Sequence[str]) -> Remedy:
    """`others` are fields that came as the values at the path went: what a person should know first."""
    empty = sum(not any(has_value(value) for value in values_at(record, path)) for record in records)
    emptied = gap.cause == Cause.EMPTIED_FIELD
    known = "nearly all had it before" if emptied else "that it is required was only inferred from a sample"
    why = f"{empty} of {len(records)} records have no {path}; {known}"
    entity = str(facts.entity_of(gap.full_table))
    person = [each for each in facts.playbooks.rules(RequiredRule, gap.source, entity, path) if each.lesson is None]
    needs = None
    if emptied:
        needs = f"nearly every record had {path} before: a person knows whether the source is so, or loses it on the way"
    elif person:
        needs = f"the rule {person[-1].id} requires {path}: only a person may take that back"
    elif records and empty == len(records):
        needs = f"no record has {path} any more: to accept that loses a column, so a person decides"
    if needs is not None and (came := [each for each in others if carried(each)][:_CAME]):
        needs += f". New at the same time: {', '.join(came)}; if one of them is its new name, a rule of kind alias says so"
    return rule(RemedyKind.MARK_NULLABLE, PREPARE, "required", scope(gap, facts, path), {"required": False}, why, needs)


def _field_of(path: str, records: Sequence[Record]) -> dict[str, Any] | None:
    """What a rule of kind field says of the field at `path`, by all its values."""
    values = [value for record in records for value in values_at(record, path) if has_value(value)]
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
    return [value for record in records for value in values_at(record, path) if has_value(value)]
