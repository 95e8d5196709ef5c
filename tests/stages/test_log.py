"""What the log collects, each once; the chart of lessons: every day of its time, also those on which nothing happened."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef
from spectra_assets.stages.log import _by_day, _clear, _joined, _once

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


REQUESTS, MANIFEST = TableRef("log", "requests"), TableRef("log", "manifest")
SCHEMA = pa.schema([("runId", pa.string()), ("table", pa.string()), ("note", pa.string())])


def entries(*keys: str) -> pa.Table:
    """`run/table/note`."""
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, key.split("/"), strict=True)) for key in keys], schema=SCHEMA)


@pytest.fixture
def lakehouse(tmp_path: Path) -> Lakehouse:
    return Lakehouse(str(tmp_path), "small")


def held(lakehouse: Lakehouse, ref: TableRef, table: pa.Table) -> None:
    Path(lakehouse.path(ref)).mkdir(parents=True)
    write_deltalake(lakehouse.path(ref), table)


def test_what_comes_twice_is_collected_once(lakehouse: Lakehouse) -> None:
    """By all of its key, in this collection or from the one before, whose rows come first."""
    new = _once(entries("b/x/1", "a/y/2", "b/x/3"), ["runId", "table"])
    assert new == entries("b/x/1", "a/y/2")
    assert pa.concat_tables(_joined(lakehouse, REQUESTS, new, ["runId", "table"])) == new
    held(lakehouse, REQUESTS, entries("a/x/0", "b/x/0", "c/y/0").drop_columns(["note"]))
    found = pa.concat_tables(_joined(lakehouse, REQUESTS, new, ["runId", "table"]))
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("a", "x", None), ("b", "x", None), ("c", "y", None), ("a", "y", "2"),
    ]  # fmt: skip


def test_a_file_goes_only_once_all_it_tells_is_held(lakehouse: Lakehouse) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    attempts = [{"runId": "a", "table": name, "startedAt": start} for name in ("x", "y")]
    held(lakehouse, MANIFEST, pa.Table.from_pylist(attempts))
    held(lakehouse, REQUESTS, pa.table({"requestId": ["1", "2", "3"]}))
    folder = lakehouse.files("log", "waiting")
    folder.mkdir(parents=True)
    for name, table, ids in (("1", "x", "12"), ("2", "x", "24"), ("3", "y", ""), ("4", "z", "3")):
        row = {"runId": "a", "table": table, "startedAt": start.isoformat()}
        (folder / f"{name}.json").write_text(
            json.dumps({"manifest": row, "requests": [{"requestId": each, "requestedAt": start.isoformat()} for each in ids]})
        )
    _clear(lakehouse, start + timedelta(days=1))
    assert sorted(file.stem for file in folder.iterdir()) == ["2", "4"]


def test_a_file_goes_although_what_it_tells_is_too_old_to_be_held(lakehouse: Lakehouse) -> None:
    """A page of the tape was asked for long ago; so was all of an attempt that nobody collected in time."""
    now = datetime(2026, 6, 1, tzinfo=UTC)
    old = (now - timedelta(days=91)).isoformat()
    held(lakehouse, MANIFEST, pa.Table.from_pylist([{"runId": "a", "table": "x", "startedAt": now}]))
    held(lakehouse, REQUESTS, pa.table({"requestId": ["1"]}))
    folder = lakehouse.files("log", "waiting")
    folder.mkdir(parents=True)
    for name, begun, ids in (("1", now.isoformat(), {"1": now.isoformat(), "0": old}), ("2", old, {"9": old})):
        row = {"runId": "a", "table": "x", "startedAt": begun}
        asked = [{"requestId": each, "requestedAt": at} for each, at in ids.items()]
        (folder / f"{name}.json").write_text(json.dumps({"manifest": row, "requests": asked}))
    _clear(lakehouse, now)
    assert list(folder.iterdir()) == []
