"""Keys of several columns: the fewest references that tell records apart, or a name or code and what it is unique within."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import combinations
from typing import Any

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import HASH
from spectra_assets.names import words
from spectra_assets.stages.asking.answers import values_at
from spectra_assets.stages.asking.locations import Record
from spectra_assets.stages.prepare.routes.identity import COUNTERS, rank
from spectra_assets.stages.values.shapes import digest

MOST_COLUMNS = 3
_MOST_REFERENCES = 8

_ENOUGH = 8
"""Different records from which it may be believed that references are different in all of them."""

_COLLISIONS = 2.0
"""Records with equal references that chance alone would give: so many, and none seen, is no chance."""

_MANY_COLLISIONS = 8.0
"""The same of columns whose names promise nothing: of many sets of columns that are tried one may be different by chance."""

_MOST_PLAIN = 10
"""Columns without a promising name that are tried."""

_PERIODS = frozenset(
    ("year", "month", "week", "quarter", "period", "semester", "term", "season", "version", "revision", "edition", "level")
)
"""What whole numbers are called that may tell records of one thing apart."""


def composed(entity: CanonEntity, records: Sequence[Record], told: Collection[str] = ()) -> CanonEntity:
    """The entity, if its records are told apart by their hash alone, with the references as key that are different in all of
    the sampled ones. Clean's gate primary_key_unique proves it for every row.

    Rows that are nothing but their references are believed at once; others only if chance would have shown two alike. The columns
    that a description says to be the key together (`told`, their paths) come first, if no two records are alike in them.
    """
    if entity.primary_key != HASH or any(field.group != entity.entity for field in entity.fields):
        return entity
    different = list({digest(record): record for record in records}.values())
    found = _told(entity, different, told) or (_key(entity, different) if len(different) >= _ENOUGH else ())
    if not found:
        return entity
    note = f"with {' and '.join(field.raw for field in found)} different in {len(different)} sampled records: the key"
    return entity.model_copy(update={"fields": tuple(_marked(field, found, note) for field in entity.fields)})


def _told(entity: CanonEntity, records: Sequence[Record], told: Collection[str]) -> tuple[CanonField, ...]:
    found = tuple(field for field in entity.fields if field.raw in told)
    rows = {tuple(_value(record, field.raw) for field in found) for record in records}
    whole = len(rows) == len(records) and not any(None in row for row in rows)
    return found if len(found) == len(told) > 1 and records and whole else ()


def _key(entity: CanonEntity, records: Sequence[Record]) -> tuple[CanonField, ...]:
    scalars = [field for field in entity.fields if "[]" not in field.raw and field.raw[0] != "@"]
    references = [field for field in scalars if _refers(field)]
    named = [field for field in scalars if field not in references and _names(field)]
    columns = {field.raw: [_value(record, field.raw) for record in records] for field in references}
    whole = [field for field in references if None not in columns[field.raw]][:_MOST_REFERENCES]
    others = [field for field in entity.fields if field not in references and field.raw[0] != "@"]
    for count in range(2, MOST_COLUMNS + 1):
        for chosen in combinations(whole, count):
            rows = set(zip(*(columns[field.raw] for field in chosen), strict=True))
            only = len(others) <= 1 and len(chosen) == len(references)
            if len(rows) == len(records) and (only or _by_chance([columns[f.raw] for f in chosen]) >= _COLLISIONS):
                return chosen
    for chosen in ((reference, name) for name in named for reference in references):  # a name is unique within something
        pair = [[_value(record, field.raw) for record in records] for field in chosen]
        full = all(None not in column for column in pair)
        if full and len(set(zip(*pair, strict=True))) == len(records) and _by_chance(pair) >= _COLLISIONS:
            return chosen
    return _within(records, [*whole, *named], [field for field in others if field not in named])


def _within(records: Sequence[Record], anchors: Sequence[CanonField], plain: Sequence[CanonField]) -> tuple[CanonField, ...]:
    """A code, name or reference, and the one or two texts, dates or periods it is unique with: a tariff and from when it holds.

    A column that nearly tells the records apart by itself, such as a time or a remark, would do so with any other: it is no part.
    """
    tried = [*anchors, *[field for field in plain if _tells(field)][:_MOST_PLAIN]]
    columns = {field.raw: [_value(record, field.raw) for record in records] for field in tried}
    usable = [f for f in tried if None not in columns[f.raw] and 1 < len(set(columns[f.raw])) <= len(records) / 2]
    for count in range(2, MOST_COLUMNS + 1):
        for chosen in combinations(usable, count):
            held = [columns[field.raw] for field in chosen]
            if (
                chosen[0] in anchors
                and len(set(zip(*held, strict=True))) == len(records)
                and _by_chance(held) >= _MANY_COLLISIONS
            ):
                return chosen
    return ()


def _tells(field: CanonField) -> bool:
    """Whether the field may be a part of a key by what it holds: no amount, no truth value, no moment."""
    if field.type in (DataType.TEXT, DataType.DATE):
        return True
    said = words(field.raw.rpartition(".")[2])
    return field.type == DataType.INT64 and bool(said) and said[-1].lower() in _PERIODS | COUNTERS


def _names(field: CanonField) -> bool:
    """Whether the field is called like the name of a record."""
    promised = rank(field.raw, "")
    return promised is not None and promised[0] == 2


def _refers(field: CanonField) -> bool:
    """Whether the field holds the key of something else, as the data showed or as its name says."""
    promised = rank(field.raw, "")
    return bool(field.references or field.unresolved) or (promised is not None and promised[0] < 2)


def _by_chance(columns: Sequence[Sequence[Any]]) -> float:
    """How many pairs of records would be alike if the columns had nothing to do with each other."""
    count = len(columns[0])
    alike = count * (count - 1) / 2
    for column in columns:
        alike *= sum((times / count) ** 2 for times in Counter(column).values())
    return alike


def _value(record: Record, raw: str) -> str | None:
    found = next(values_at(record, raw), None)
    return None if found in (None, "") or isinstance(found, dict | list) else str(found)


def _marked(field: CanonField, key: Sequence[CanonField], note: str) -> CanonField:
    if field.raw == HASH:
        return field.model_copy(update={"key": False})
    if field not in key:
        return field
    changes = {"key": True, "required": True, "nullable": False, "note": "; ".join(filter(None, [field.note, note]))[:300]}
    return field.model_copy(update=changes)
