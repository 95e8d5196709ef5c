"""The order of day and month where a field's own values leave it open: decided by other dates of the same source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from spectra_assets.covenant.canon import CanonEntity, CanonField
from spectra_assets.covenant.model import DataType
from spectra_assets.covenant.paths import split_path
from spectra_assets.stages.asking.answers import Record, values_at
from spectra_assets.stages.asking.sampling import spread
from spectra_assets.stages.prepare.fields.inference import confidence
from spectra_assets.stages.values.dates import as_date, day_first, reading, turned, utc_day

_SURE_BY_DAY, _SURE_BY_OTHERS = 0.95, 0.7
_ENOUGH_DAYS = 2
_COMPARED = 300
"""Records in which two fields are compared."""


def settled(
    canon: Mapping[str, CanonEntity], samples: Mapping[str, Sequence[Record]], twins: Mapping[str, Mapping[str, str]]
) -> dict[str, CanonEntity]:
    """The canon with the order of every ambiguous date decided, by the best evidence there is.

    1. Another field of the same records shows the same days in an order that is known. 2. The other dates of the entity,
    then of the source, whose order is known, agree in one. Else the field keeps the usual order, with low confidence.
    """
    open_: dict[str, set[str]] = {}
    votes: dict[str, Counter[str]] = {}
    done = dict(canon)
    for name, entity in canon.items():
        for field in entity.fields:
            first = day_first(field.date_format)
            if first is None or field.evidence == "spec":
                continue
            if field.raw not in twins.get(name, {}) and _ambiguous(samples.get(name, ()), field):
                shown = _shown(entity, field, samples.get(name, ()))
                if shown is None:
                    open_.setdefault(name, set()).add(field.raw)
                    continue
                done[name] = _with(done[name], field, *shown, _SURE_BY_DAY, samples[name])
                first = day_first(shown[0])
            votes.setdefault(name, Counter())[str(first)] += 1
    everywhere = Counter[str]()
    for counted in votes.values():
        everywhere.update(counted)
    for name, raws in open_.items():
        choice = _unanimous(votes.get(name, Counter())) or _unanimous(everywhere)
        for field in canon[name].fields if choice else ():
            if field.raw in raws and field.date_format:
                pattern = field.date_format if day_first(field.date_format) == choice else turned(field.date_format)
                where = "its other dates" if _unanimous(votes.get(name, Counter())) else "other entities' dates"
                why = f"order of day and month as {where} show"
                done[name] = _with(done[name], field, pattern, why, _SURE_BY_OTHERS, samples[name])
    return done


def _ambiguous(records: Sequence[Record], field: CanonField) -> bool:
    found = reading(_texts(records, field.raw), 0.5)
    return found is not None and found.ambiguous


def _shown(entity: CanonEntity, field: CanonField, records: Sequence[Record]) -> tuple[str, str] | None:
    """(pattern, how it is known) by a field beside this one that shows the same days."""
    pattern = field.date_format or ""
    around = field.raw.rpartition(".")[0]
    records = spread(records, _COMPARED)
    for other in entity.fields:
        beside = other.raw.rpartition(".")[0] == around and other.group == field.group and other is not field
        if not beside or other.type not in (DataType.TIMESTAMP, DataType.DATE) or day_first(other.date_format):
            continue
        fits = [each for each in (pattern, turned(pattern)) if _agree(records, field, each, other)]
        if len(fits) == 1:
            return fits[0], f"order of day and month as {other.raw} shows"
    return None


def _agree(records: Sequence[Record], field: CanonField, pattern: str, other: CanonField) -> bool:
    """Whether a pattern makes all texts the days that the other field shows, some of which could be read otherwise."""
    days: set[date] = set()
    telling = 0
    for text, value in _pairs(records, field.raw, other.raw):
        mine, theirs = as_date(text, pattern), _day(value, other)
        if mine is None or theirs is None:
            continue
        if mine != theirs:
            return False
        days.add(mine)
        telling += mine.day != mine.month
    return telling > 0 and len(days) >= _ENOUGH_DAYS


def _day(value: Any, field: CanonField) -> date | None:
    if isinstance(value, str):
        return as_date(value, field.date_format)
    return utc_day(value, field.date_format)


def _pairs(records: Sequence[Record], raw: str, other: str) -> list[tuple[Any, Any]]:
    """The values of two fields of the same (nested) record."""
    array, inside, leaf = raw.rpartition("[].")
    holders = [held for record in records for held in values_at(record, f"{array}[]")] if inside else records
    names = (leaf, other[len(array) + 3 :]) if inside else (raw, other)
    pairs = [tuple(next(values_at(holder, name), None) for name in names) for holder in holders if isinstance(holder, dict)]
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def _unanimous(votes: Counter[str]) -> str | None:
    return next(iter(votes)) if len(votes) == 1 else None


def _with(entity: CanonEntity, field: CanonField, pattern: str, why: str, sure: float, records: Sequence[Record]) -> CanonEntity:
    texts = _texts(records, field.raw)
    said = [part for part in field.note.split("; ") if part and "can't be told apart" not in part]
    note = "; ".join([*said, f"{why}: {pattern}"])
    changes = {"date_format": pattern, "note": note[:300], "confidence": confidence(sure, len(texts))}
    fields = [f.model_copy(update=changes) if (f.raw, f.group) == (field.raw, field.group) else f for f in entity.fields]
    return entity.model_copy(update={"fields": tuple(fields)})


def _texts(records: Sequence[Record], raw: str) -> list[str]:
    found = [value for record in records for value in values_at(record, raw)] if split_path(raw) else []
    return [value for value in found if isinstance(value, str) and value.strip()]
