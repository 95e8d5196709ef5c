"""What tells when a record changed, and what was found of it: Prepare chooses by it, Extract goes by it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.paths import HASH
from spectra_assets.draft import replace_text
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.stages.asking.answers import Record, values_at

REFUTED = "cursors"
"""Folder below Files with what a sweep found of cursors that do not tell every change."""

_DAYS, _MOST_DAYS = 30, 360
"""For so long a cursor is not gone by after a sweep refuted it, twice as long each further time: an API that was mended, or
did it once, is not read whole for ever."""


def mergeable(fetch: Fetch) -> bool:
    """Whether single rows of a list can be told apart and replaced: not those of trees, nor those without a key."""
    return fetch.recursive is None and fetch.primary_key != HASH


def unstamped(fetch: Fetch, before: Iterable[Record], now: Iterable[Record]) -> list[str]:
    """Keys of records that are others now than before, though what tells their changes says the same; none of a list that is not
    asked for by it."""
    if fetch.incremental is None or fetch.key_scope == "parent":
        return []
    earlier = {repr(key): record for record in before for key in values_at(record, fetch.primary_key)}
    found = []
    for record in now:
        old = next((earlier[key] for key in map(repr, values_at(record, fetch.primary_key)) if key in earlier), record)
        moments = [list(values_at(each, fetch.incremental.cursor)) for each in (old, record)]
        if old != record and moments[0] == moments[1] != []:
            found += [str(key) for key in values_at(record, fetch.primary_key)]
    return found


def refuted(lakehouse: Lakehouse, entity: str, now: datetime | None = None) -> dict[str, str]:
    """Cursor → what shows that it does not tell every change of the entity's records, and until when it is not gone by."""
    now = now or datetime.now(UTC)
    known = {cursor: each for cursor, each in _read(lakehouse, entity).items() if _until(each) > now}
    return {cursor: f"{each['why']}; tried again from {each['until'][:10]} on" for cursor, each in known.items()}


def refute(lakehouse: Lakehouse, entity: str, cursor: str, why: str, now: datetime) -> None:
    """Remember that a cursor does not tell every change: for a while it is not gone by again."""
    known = _read(lakehouse, entity)
    times = known.get(cursor, {}).get("times", 0) + 1
    until = now + timedelta(days=min(_MOST_DAYS, _DAYS * 2 ** min(times - 1, 10)))
    known[cursor] = {"why": why, "until": until.isoformat(timespec="seconds"), "times": times}
    file = lakehouse.files(REFUTED, f"{entity}.json")
    replace_text(file, json.dumps(known, ensure_ascii=False), "what was found of cursors")


def _read(lakehouse: Lakehouse, entity: str) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(lakehouse.files(REFUTED, f"{entity}.json").read_text(encoding="utf-8"))
        return {str(cursor): each for cursor, each in content.items() if isinstance(each["times"], int) and _until(each)}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):  # of before, or of nobody: the next sweep finds it again
        return {}


def _until(each: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(each["until"])
