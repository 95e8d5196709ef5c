"""The chart of lessons: every day of the time that it is about, also those on which nothing happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from spectra_assets.stages.log import _by_day

BEGUN = datetime(2026, 1, 1, 10, tzinfo=UTC)


def row(last: timedelta, **more: Any) -> dict[str, Any]:
    return {"firstSeen": BEGUN, "lastSeen": BEGUN + last, "appliedAt": None, "status": "observed", "closed": None, **more}


def test_days_on_which_nothing_happened_are_days_too() -> None:
    healed = row(timedelta(days=1), appliedAt=BEGUN + timedelta(days=3), status="verified")
    gone = row(timedelta(days=4), closed="it went away")
    found = _by_day([row(timedelta(0)), healed, gone])
    assert [(each["day"][-2:], each["seen"], each["healed"], each["open"]) for each in found] == [
        ("01", 3, 0, 3), ("02", 3, 0, 3), ("03", 3, 0, 3), ("04", 3, 1, 2), ("05", 3, 1, 1),
    ]  # fmt: skip


def test_one_day_is_told_by_its_hours_and_a_long_time_by_its_last_days() -> None:
    assert [each["day"] for each in _by_day([row(timedelta(hours=3))])] == ["10:00", "11:00", "12:00", "13:00"]
    minutes = _by_day([row(timedelta(minutes=2), closed="it went away"), row(timedelta(0))])
    assert [(each["day"], each["open"]) for each in minutes] == [("10:00", 2), ("10:01", 2), ("10:02", 1)]
    long = _by_day([row(timedelta(days=400), closed="it went away")])
    assert (len(long), long[0]["seen"], long[-1]["open"]) == (90, 1, 0)
