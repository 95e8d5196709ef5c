"""Renamed fields: known values under a name that nobody knew, compared record by record by their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.paths import escaped
from spectra_assets.learning.facts import Facts
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.rulings import names_of
from spectra_assets.stages.values.numbers import readings
from spectra_assets.stages.values.truths import truth

_ALIKE = 0.95
"""Share of records whose value under the new name must be that of the old one."""

_STAYED = 0.5
"""Less than this share of a field's values unchanged, and the field holds other things now."""

_LOOKED_AT = 1_000
"""Records among which fields are looked for that nobody knows."""

_ENOUGH, _FEW = 3, 8
"""Records that must show it, with at least two different values; so many if there are no more: truths are alike by chance."""

_MANY = 200
"""Renamed fields that are looked for together."""


def renamed(
    entity: CanonEntity, new: str, records: Sequence[Record], facts: Facts, among: Sequence[CanonField] | None = None
) -> tuple[str, int] | None:
    """(known path, records compared) whose plain values are those at `new` now, record by record, and which is gone there."""
    key_path = facts.promised_key(entity)
    before = _before(entity, facts)
    now = [record for record in records if _plain(record, new)]
    keyed = among is None or any(field.raw == key_path for field in among)
    if keyed and (compared := renamed_key(key_path, new, now, set(before))):
        return key_path, compared
    pairs, cursor = _paired(before, now, key_path), facts.cursor(entity)
    for field in among or facts.promised_fields(entity):
        if not _may_be(field, new) or any(_plain(record, field.raw) for record in now):
            continue
        if compared := _held(pairs, field.raw, new, moves=field.raw == cursor):
            return field.raw, compared
    return None


def renamed_list(entity: CanonEntity, new: str, records: Sequence[Record], facts: Facts) -> tuple[str, int] | None:
    """(path of a known list inside of records, records compared) that stands at `new` now, in nearly every record that had it
    before, and in its own place in none: records which are not read anew have it there still, and would lose it."""
    key_path = facts.promised_key(entity)
    before, now = _before(entity, facts), {_key(record, key_path): record for record in records}
    for old in dict.fromkeys(_array_of(field.raw) for field in facts.promised_fields(entity)):
        if not old or "[]" in old or any(True for record in records for _ in values_at(record, old)):
            continue
        held = {key: lists for key, record in before.items() if any(lists := [*values_at(record, old)])}
        same = sum(lists == [*values_at(now.get(key), new)] for key, lists in held.items())
        if same >= _ALIKE * len(held) and _shows([repr(lists) for lists in held.values()]):
            return old, same
    return None


def name_goes_on(entity: CanonEntity, new: str, records: Sequence[Record], facts: Facts) -> str | None:
    """The known path whose values of before stand at `new` now, while others stand in its own place: the name means another
    thing now, or will soon. So does the key's where the keys of before stand at `new`."""
    key_path = facts.promised_key(entity)
    now = [record for record in records if _plain(record, new)]
    keys = {_key(record, key_path) for record in facts.before(entity.entity)}  # samples may be of now
    if not any(_key(record, key_path) in keys for record in now) and _are_keys(new, now, keys):
        return key_path
    pairs = _paired(_before(entity, facts), now, key_path)
    for field in facts.promised_fields(entity):
        if field.raw == key_path or not _may_be(field, new) or not _held(pairs, field.raw, new):
            continue
        both = [
            (old, now) for earlier, record in pairs if (old := _plain(earlier, field.raw)) and (now := _plain(record, field.raw))
        ]
        if both and sum(is_same(old, now) for old, now in both) < _STAYED * len(both):
            return field.raw
    return None


def _before(entity: CanonEntity, facts: Facts) -> dict[str, Record]:
    """Key → the record as it was before the run that showed the gap."""
    key_path = facts.promised_key(entity)
    found = {_key(record, key_path): record for record in [*facts.sampled(entity.entity), *facts.before(entity.entity)]}
    found.pop("", None)
    return found


def _paired(before: Mapping[str, Record], now: Sequence[Record], key_path: str) -> list[tuple[Record, Record]]:
    """Records as they were, and as they are."""
    return [(before[key], record) for record in now if (key := _key(record, key_path)) in before]


def _may_be(field: CanonField, new: str) -> bool:
    return not field.raw.startswith("@") and field.raw != new and _array_of(field.raw) == _array_of(new)


def _held(pairs: Sequence[tuple[Record, Record]], old: str, new: str, moves: bool = False) -> int:
    """How many records show that `new` holds what `old` held before; 0 if they do not, or are too few. Where `old` is the time of
    change it `moves` on in records that changed."""
    both = [(held, _plain(record, new)) for earlier, record in pairs if (held := _plain(earlier, old))]
    same = sum(is_same(held, value) for held, value in both)
    later = sum(_is_later(held, value) for held, value in both) if moves and same >= _STAYED * len(both) else 0
    return len(both) if same + later >= _ALIKE * len(both) and _shows([repr(held) for held, _ in both]) else 0


def _is_later(held: Sequence[Any], value: Sequence[Any]) -> bool:
    """Whether a plain value comes after another one that is written alike."""
    if len(held) != 1 or len(value) != 1 or type(held[0]) is not type(value[0]):
        return False
    return bool(value[0] > held[0])


def renamed_key(key_path: str, new: str, now: Sequence[Record], keys: set[str]) -> int:
    """How many records hold at `new`, each once, what was a record's key before, though none has its key; 0 if too few."""
    return 0 if any(_plain(record, key_path) for record in now) else _are_keys(new, now, keys)


def _are_keys(new: str, now: Sequence[Record], keys: set[str]) -> int:
    """How many records hold at `new`, each once, what was a record's key before; 0 if too few."""
    values = [str(_plain(record, new)[0]) for record in now]
    known = sum(value in keys for value in values)
    return known if len(set(values)) == len(values) >= _ENOUGH and known >= _ALIKE * min(len(values), len(keys)) else 0


def together(entity: CanonEntity, records: Sequence[Record], facts: Facts) -> dict[str, str]:
    """Known path → its new one, of all fields outside of lists that were renamed at once; also where the key itself was.

    Each is shown by its values, record by record. A field with one value throughout shows nothing: it is believed where its name
    is written alike and others were renamed.
    """
    key_path = facts.promised_key(entity)
    before = _before(entity, facts)
    looked = records[:_LOOKED_AT]
    new = unknown_paths(facts, entity, looked, _MANY)
    here = [path for path in new if renamed_key(key_path, path, [r for r in looked if _plain(r, path)], set(before))]
    key_now = here[0] if here else key_path
    pairs = _paired(before, looked, key_now)
    fields = [field.raw for field in facts.promised_fields(entity) if not field.raw.startswith("@") and "[]" not in field.raw]
    gone = [raw for raw in fields[: 5 * _MANY] if raw != key_path and not any(_plain(record, raw) for record in looked)]
    olds = {raw: [_plain(old, raw) for old, _ in pairs] for raw in gone}
    news = {path: [_plain(record, path) for _, record in pairs] for path in new if path != key_now}
    found = {key_path: key_now} if here else {}
    likely: dict[str, str] = {}
    for raw, held in olds.items():
        free = [path for path in news if path not in (*found.values(), *likely.values()) and _alike(held, news[path])]
        best = next((path for path in free if _written(path) & _written(raw)), free[0] if free else None)
        if best is not None and _shows([repr(value) for value in held if value]):
            found[raw] = best
        elif best is not None and _written(best) & _written(raw):
            likely[raw] = best
    return found | likely if len(found) > 1 else found


def _shows(values: Sequence[str]) -> bool:
    """Whether fields with just these values can't well be alike by chance."""
    different = len(set(values))
    return different > 1 and len(values) >= (_ENOUGH if different > 2 else _FEW)


def _alike(old: Sequence[list[Any]], new: Sequence[list[Any]]) -> bool:
    """Whether the new values are those of before, wherever there were any."""
    both = [(one, other) for one, other in zip(old, new, strict=True) if one]
    allowed = len(both) * (1 - _ALIKE)
    for one, other in both:
        allowed -= not is_same(one, other)
        if allowed < 0:
            return False
    return len(both) >= _ENOUGH


def is_same(old: Sequence[Any], new: Sequence[Any]) -> bool:
    """Whether these plain values are those, also where a number or a truth is written as a text now, or was before."""
    return old == new or (len(old) == len(new) and all(map(_reads_alike, old, new)))


def _reads_alike(old: Any, new: Any) -> bool:
    if isinstance(old, str) == isinstance(new, str):
        return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)
    text, value = (old, new) if isinstance(old, str) else (new, old)
    if isinstance(value, bool):
        return truth(text) is value
    return isinstance(value, int | float) and Decimal(str(value)) in readings(text)


def _written(path: str) -> set[str]:
    """The letters and digits of the path, and of its last name, whatever way they are written."""
    plain = ["".join(char for char in text.lower() if char.isalnum()) for text in (path, path.rpartition(".")[2])]
    return {text for text in plain if text}


def is_followed(entity: CanonEntity, path: str, facts: Facts) -> bool:
    """Whether rules say already that a path, or what lies below it, is another name of a field."""
    others = [other for names in names_of(facts.playbooks, facts.source, entity.entity) for other in names.also]
    return any(other == path or other.startswith(f"{path}.") for other in others)


def goes_on(entity: CanonEntity, path: str, records: Sequence[Record], facts: Facts) -> bool:
    """Whether the records have a known field under another name that rules tell already."""
    names = names_of(facts.playbooks, facts.source, entity.entity)
    others = [other for each in names if each.path == path for other in each.also]
    return any(_plain(record, other) for record in records[:_LOOKED_AT] for other in others)


def unknown_paths(facts: Facts, entity: CanonEntity, records: Sequence[Record], most: int = 20) -> list[str]:
    """Plain fields of the records, at any depth outside of arrays, that the covenant does not promise; and those that it promises
    because a description names them, though no record had a value there until now."""
    known = {field.raw for field in facts.promised_fields(entity)} - _unpromised(facts, entity)
    found = dict.fromkeys(path for record in records[:_LOOKED_AT] for path in plain_paths(record))
    woken = [path for path in found if path in known]
    if woken:
        before = dict.fromkeys(path for record in facts.before(entity.entity) for path in plain_paths(record))
        known -= {path for path in woken if before and path not in before}
    return [path for path in found if path not in known][:most]


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
        elif has_value(value) and not isinstance(value, list):
            yield path


def _key(record: Record, path: str) -> str:
    return str(next(values_at(record, path), ""))


def _plain(record: Record, path: str) -> list[Any]:
    """The values at a path that are neither empty nor containers."""
    return [value for value in values_at(record, path) if has_value(value) and not isinstance(value, dict | list)]


def _array_of(path: str) -> str:
    """Path of the innermost array that the path lies in; empty outside of any."""
    return path[: path.rindex("[]")] if "[]" in path else ""


def has_value(value: Any) -> bool:
    return value is not None and value != "" and value != [] and value != {}
