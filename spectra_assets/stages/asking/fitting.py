"""Whether an answer is like the one that came before: same kind, same place of the records, same forms of their values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spectra_assets.client.pager import Got, first, following
from spectra_assets.covenant.access import NoPaging, Paging
from spectra_assets.stages.asking.answers import Sight
from spectra_assets.stages.asking.locations import Record
from spectra_assets.stages.asking.sampling import is_full
from spectra_assets.stages.values.dates import EPOCH_MILLIS, unit_of
from spectra_assets.stages.values.numbers import is_integer
from spectra_assets.stages.values.shapes import kind_of

_MOST_PATHS = 2_000
"""Places of a record that are looked at: a map whose keys are data has no end."""

_NUMBER = re.compile(r"[-+]?[\d.,'\u00a0 ]*\d")
_MOMENT = re.compile(r"\d[\dTZ:./+ -]{5,40}")
_ADDRESS = re.compile(r"(?:https?:/)?/\S*")


def misfit(before: Sight, now: Sight, paging: Paging) -> str:
    """What tells the first page of a list from what it was before; empty if nothing does.

    Other values are none, nor are other records: as many as before where more may follow, or where all come at once.
    """
    if now.category != before.category:
        return f"it answers {now.reason or now.category}, and was {before.category}"
    if (now.shape, now.location, now.total_at) != (before.shape, before.location, before.total_at):
        return f"its records are at {now.location or 'no place'} ({now.shape}), and were at {before.location or 'none'}"
    around = [set(sight.value) if isinstance(sight.value, dict) else set() for sight in (before, now)]
    if around[0] != around[1]:
        return f"beside the records are other keys: {', '.join(sorted(map(str, around[0] ^ around[1])))[:120]}"
    goes_on = [_goes_on(sight, paging) for sight in (before, now)]
    if goes_on[0] != goes_on[1]:
        return "it goes on where it ended before" if goes_on[1] else "it ends where it went on before"
    counts = goes_on[0] or isinstance(paging, NoPaging) or not (before.rows and now.rows)
    if counts and before.rows != now.rows:
        return f"its first page has {now.rows} rows, and had {before.rows}"
    return _changed(forms_of(before.records), forms_of(now.records)) or _rescaled(before.records, now.records)


def forms_of(records: Sequence[Record]) -> dict[str, set[str]]:
    """Place in the records → the forms that values there have: not what they say, but how they are written."""
    found: dict[str, set[str]] = {}
    for record in records:
        for place, value in _values(record, ""):
            if place in found or len(found) < _MOST_PATHS:
                found.setdefault(place, set()).add(_form(value))
    return found


def _goes_on(sight: Sight, paging: Paging) -> bool:
    last = sight.records[-1] if sight.records else None
    got = Got(sight.rows, sight.rows, 1, last, sight.value, sight.headers)
    return is_full(paging, sight.rows) and following(paging, first(paging), got) is not None


def _changed(before: Mapping[str, set[str]], now: Mapping[str, set[str]]) -> str:
    for place, forms in now.items():
        if place not in before:
            return f"{place[:100]} is new"
        fresh = forms - before[place] - ({"int"} if "float" in before[place] else set())
        if fresh:
            return f"{place[:100]} is written {_words(fresh)}, and was {_words(before[place])}"
    gone = next((place for place in before if place not in now), None)
    return f"{gone[:100]} does not come any more" if gone is not None else ""


def _rescaled(before: Sequence[Record], now: Sequence[Record]) -> str:
    """Which numbers may be moments since 1970 both times, in another unit each time; empty if none are."""
    was = _units(before)
    for place, unit in _units(now).items():
        if unit != was.get(place, unit):
            return f"{place[:100]} may be {_named(unit)} since 1970, and {_named(was[place])} before"
    return ""


def _units(records: Sequence[Record]) -> dict[str, str | None]:
    """Place in the records → the unit in which all numbers there but nought may be moments since 1970."""
    found: dict[str, list[float]] = {}
    for record in records:
        for place, value in _values(record, ""):
            number = float(value) if isinstance(value, int | float) or (isinstance(value, str) and is_integer(value)) else 0.0
            if number and (place in found or len(found) < _MOST_PATHS):
                found.setdefault(place, []).append(number)
    return {place: unit[0] for place, numbers in found.items() if (unit := unit_of(numbers)) is not None}


def _named(unit: str | None) -> str:
    return (unit or EPOCH_MILLIS).removeprefix("epoch_")


def _words(forms: set[str]) -> str:
    return " or ".join(sorted(forms))[:80]


def _values(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """(place, value) of everything in a value; of a null nothing, of a list itself `[]`."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _values(below, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        yield f"{place}[]", []
        for below in value:
            yield from _values(below, f"{place}[]")
    elif value is not None:
        yield place, value


def _form(value: Any) -> str:
    if not isinstance(value, str):
        return kind_of(value)
    bare = value.strip()
    if not bare:
        return "blank"
    if _NUMBER.fullmatch(bare):
        return "number " + re.sub(r"\d+", "9", bare)
    if _MOMENT.fullmatch(bare):
        return "time " + re.sub(r"\d+", lambda digits: "9" * min(4, len(digits[0])), bare)
    return "address" if _ADDRESS.fullmatch(bare) else "text"
