"""Gates about what holds from one version of a table to the next."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from spectra_assets.covenant.access import Withheld
from spectra_assets.covenant.build import Flattening
from spectra_assets.covenant.model import DataType
from spectra_assets.gates import lasting
from spectra_assets.gates.lasting import making
from tests.gates.conftest import Bench, column, table, text

Row = dict[str, Any]
CYCLE = {"columns": [column("cycleId", required=True), text("cycleName")], "primary_key": ["cycleId"], "build": Flattening()}
ORDER = {
    "columns": [
        column("orderId", required=True),
        column("customerId", references="customer.id"),
        column("total", DataType.DECIMAL),
        column("weight", DataType.FLOAT64),
        column("lines"),
        column("at", DataType.TIMESTAMP),
    ],
    "primary_key": ["orderId"],
    "build": Flattening(),
}
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def rows(keys: range | tuple[int, ...], name: str = "a") -> list[Row]:
    return [{"cycleId": key, "cycleName": name} for key in keys]


@pytest.mark.parametrize(
    ("now", "gone"),
    [
        (range(30), 0),
        (range(100, 160), 30),  # other keys, as many as before and more
        (range(10, 60), 10),
        (range(9, 60), None),  # three in ten may go
        ((), 30),
    ],
)
def test_most_known_records_are_still_there(bench: Bench, now: range | tuple[int, ...], gone: int | None) -> None:
    promised = table("clean.cycle", "records_stay", **CYCLE)
    held = rows(range(30))
    assert bench.judge(promised, held).passed  # a new table
    bench.publish(promised, held)
    result = bench.judge(promised, rows(now, "b"))
    assert result.passed == (gone in (0, None))
    if gone:
        assert f"{gone} of 30 records" in result.message


@pytest.mark.parametrize(("count", "build"), [(19, Flattening()), (30, Flattening(array="steps"))])
def test_few_records_and_rows_of_nested_lists_may_all_go(bench: Bench, count: int, build: Flattening) -> None:
    promised = table("clean.cycle", "records_stay", **{**CYCLE, "build": build})
    bench.publish(promised, rows(range(count)))
    assert bench.judge(promised, []).passed


STATES = {
    "columns": [column("cycleId", required=True, source=["id"]), text("state", source=["state"]), column("live", DataType.BOOL, source=["live"]),
                text("city", source=["city"])],
    "primary_key": ["cycleId"], "build": Flattening(),
}  # fmt: skip


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (lambda row: row["state"] != "void", ", all of those whose state was void"),
        (lambda row: row["live"], ", all of those whose live was false"),
        (lambda row: row["city"] != "Ulm", None),  # somebody left a city
        (lambda row: row["state"] != "void" or row["cycleId"] < 9, None),  # one is left
        (lambda row: row["cycleId"] % 9, None),
    ],
)
@pytest.mark.parametrize("falls", ["0", "2"])
def test_a_filter_that_came_is_told(bench: Bench, left: Callable[[Row], bool], told: str | None, falls: str) -> None:
    """Twelve of a hundred and twenty records are gone. Where as much went twice before, it is the table's life."""
    promised = table("clean.cycle", "records_stay", **STATES)
    held = [
        {"cycleId": key, "state": "void" if key % 10 == 3 else ("open", "paid")[key % 2], "live": key % 10 != 4,
         "city": "Ulm" if key % 10 == 5 else "Bern"}
        for key in range(120)
    ]  # fmt: skip
    bench.publish(promised, held, falls=falls)
    result = bench.judge(promised, [row for row in held if left(row)])
    assert result.passed == (told is None or falls == "2"), result.message
    assert result.passed or str(told) in result.message


def order(key: int, **other: Any) -> Row:
    return {
        "orderId": key,
        "customerId": key,
        "total": Decimal(f"{key}.50"),
        "weight": key / 4,
        "lines": key % 7,
        "at": START + timedelta(minutes=key),
        **other,
    }


def changed(change: Callable[[Row], Row], share: float = 1.0, count: int = 40) -> list[Row]:
    found = [order(key) for key in range(count)]
    return [{**row, **(change(row) if place < share * count else {})} for place, row in enumerate(found)]


CENTS = lambda row: {"total": row["total"] * 100}  # noqa: E731
HOURS = lambda row: {"at": row["at"] + timedelta(hours=1 + row["orderId"] % 2)}  # noqa: E731  (summer and winter)


@pytest.mark.parametrize(
    ("now", "column"),
    [
        (changed(CENTS), "total"),
        (changed(CENTS, 0.95), "total"),
        (changed(CENTS, 0.5), "total"),  # half in cents: later nobody can tell the two apart
        (changed(CENTS, 0.2), None),
        (changed(CENTS, count=19), None),
        (changed(lambda row: {"weight": row["weight"] / 1000}), "weight"),
        (changed(lambda row: {"total": row["total"] * 2}), "total"),
        (changed(lambda row: {"total": round(row["total"] * Decimal("1.19"), 2)}), "total"),
        (changed(lambda row: {"total": round(row["total"] * Decimal("1.03"), 2)}), None),  # dearer
        (changed(lambda row: {"customerId": row["customerId"] * 10}), None),
        (changed(HOURS), "at"),
        (
            changed(lambda row: {"at": row["at"] + timedelta(hours=2, seconds=-row["orderId"] % 50 - 0.25)}),
            "at",
        ),  # and no seconds
        (changed(lambda row: {"at": row["at"] + timedelta(days=7)}), None),
        (changed(lambda row: {"at": row["at"] + timedelta(minutes=row["orderId"])}), None),
        (changed(lambda row: {}), None),
    ],
)
def test_units_and_zones_stay(bench: Bench, now: list[Row], column: str | None) -> None:
    promised = table("clean.order", "values_stay", **ORDER)
    assert bench.judge(promised, now).passed  # a new table
    bench.publish(promised, [order(key) for key in range(len(now))], made=json.dumps(making(promised)))
    result = bench.judge(promised, now)
    assert result.passed == (column is None), result.message
    if column is not None:
        assert column in result.message


def test_what_the_source_plans_from_run_to_run_tells_nothing_of_zones(bench: Bench) -> None:
    """`nextRunAt` moves by an hour in every record, and is no unit that changed."""
    promised = table("clean.order", "values_stay", **ORDER)
    soon = datetime.now(UTC) + timedelta(hours=3)
    held = [order(key, at=soon + timedelta(minutes=key)) for key in range(40)]
    bench.publish(promised, held, made=json.dumps(making(promised)))
    later = [{**row, "at": row["at"] + timedelta(hours=1)} for row in held]
    assert bench.judge(promised, later).passed
    assert not bench.judge(promised, [{**row, **CENTS(row)} for row in later]).passed


@pytest.mark.parametrize(
    ("now", "column"),
    [
        (lambda row: {**CENTS(row), **HOURS(row)}, ("total", "at")),
        (lambda row: CENTS(row) if row["orderId"] % 20 else {}, ("total",)),
        (lambda row: CENTS(row) if row["orderId"] % 5 else {}, ("total",)),  # more than half, less than nearly all
        (lambda row: {} if row["orderId"] % 5 else CENTS(row), ()),
        (lambda row: {"weight": None if row["orderId"] % 50 else row["weight"] / 1000}, ("weight",)),
    ],
)
def test_a_large_table_is_judged_as_a_small_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, now: Callable[[Row], Row], column: tuple[str, ...]
) -> None:
    monkeypatch.setattr(lasting, "_COMPARED", 1_000)
    monkeypatch.setattr(lasting, "_LARGE", 1_000)
    promised = table("clean.order", "values_stay", **ORDER)
    bench.publish(promised, [order(key) for key in range(5_000)], made=json.dumps(making(promised)))
    result = bench.judge(promised, changed(now, count=5_000))
    assert (result.failed, result.total) == (len(column), 6)
    assert not column or any(f"values of {name}" in result.message for name in column)


def test_values_may_change_as_they_like_where_rules_changed(bench: Bench) -> None:
    promised = table("clean.order", "values_stay", **ORDER)
    bench.publish(
        promised,
        [order(key) for key in range(40)],
        made=json.dumps(making(promised.model_copy(update={"steps": ["clean.other"]}))),
    )
    assert bench.judge(promised, changed(CENTS)).passed


def test_numbers_that_are_all_alike_say_nothing(bench: Bench) -> None:
    promised = table("clean.order", "values_stay", **ORDER)
    bench.publish(promised, [order(key, lines=1) for key in range(40)], made=json.dumps(making(promised)))
    assert bench.judge(promised, [order(key, lines=10) for key in range(40)]).passed


JOB = {
    "columns": [
        column("jobId", required=True),
        column("createdAt", DataType.TIMESTAMP),
        column("nextRunAt", DataType.TIMESTAMP),
        column("lastCheckedAt", DataType.TIMESTAMP),
    ],
    "primary_key": ["jobId"],
    "build": Flattening(),
}


def job(key: int, **moved: timedelta) -> Row:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    row = {
        "jobId": key,
        "createdAt": START + timedelta(minutes=key),
        "nextRunAt": now + timedelta(minutes=key),
        "lastCheckedAt": now - timedelta(minutes=key),
    }
    return row | {name: row[name] + by for name, by in moved.items()}


def test_instants_that_are_written_anew_at_each_run_tell_nothing_of_zones(bench: Bench) -> None:
    promised = table("clean.job", "values_stay", **JOB)
    bench.publish(promised, [job(key) for key in range(30)], made=json.dumps(making(promised)))
    on = timedelta(hours=2)
    assert bench.judge(promised, [job(key, nextRunAt=on, lastCheckedAt=on) for key in range(30)]).passed
    moved = bench.judge(promised, [job(key, nextRunAt=on, createdAt=-on) for key in range(30)])
    assert not moved.passed
    assert "30 of 30 values of createdAt moved by hours" in moved.message
    assert "nextRunAt" not in moved.message


@pytest.mark.parametrize(
    ("quarters", "passed"),
    [
        (lambda key: 8, False),
        (lambda key: -24 - 4 * (key % 3), False),  # of two zones whose summers do not fall together
        (lambda key: 1 + key % 8, True),  # each record by its own
        (lambda key: 4 * (1 + key % 6), True),
    ],
)
@pytest.mark.parametrize("start", [START, datetime(2999, 1, 1, tzinfo=UTC)])  # what was, and what is still to come
def test_another_zone_moves_all_instants_alike(
    bench: Bench, quarters: Callable[[int], int], passed: bool, start: datetime
) -> None:
    promised = table("clean.order", "values_stay", **ORDER)
    was = [order(key, at=start + timedelta(days=key)) for key in range(40)]
    bench.publish(promised, was, made=json.dumps(making(promised)))
    now = [{**row, "at": row["at"] + timedelta(minutes=15 * quarters(row["orderId"]))} for row in was]
    assert bench.judge(promised, now).passed == passed


def test_what_was_read_in_a_wrong_unit_is_another_value_when_it_is_read_right(bench: Bench) -> None:
    promised = table("clean.order", "values_stay", **ORDER)
    was = [order(key, at=datetime.fromtimestamp((START.timestamp() + 60 * key) / 1000, UTC)) for key in range(40)]
    bench.publish(promised, was, made=json.dumps(making(promised)))
    result = bench.judge(promised, [order(key) for key in range(40)])
    assert "40 of 40 values of at are 1000 times as far from 1970 as they were" in result.message


@pytest.mark.parametrize(("hours", "told"), [(-2, "40 of 40 values of day are a day earlier"), (9, None), (0, None)])
def test_days_that_became_moments_are_the_same_days(bench: Bench, hours: int, told: str | None) -> None:
    """A wider type says nothing of the values: midnight in Berlin, written in UTC, is the day before."""
    first = table(
        "clean.bill", "values_stay", primary_key=["billId"], build=Flattening(),
        columns=[column("billId", source=["id"]), column("day", DataType.DATE, source=["day"], date_format="yyyy-MM-dd")],
    )  # fmt: skip
    second = first.model_copy(
        update={
            "schema_": [
                first.schema_[0],
                column("day", DataType.TIMESTAMP, source=["day"], date_format="yyyy-MM-dd'T'HH:mm:ssXXX"),
            ]
        }
    )
    days = [date(2025, 1, 1) + timedelta(days=3 * key) for key in range(40)]
    bench.publish(first, [{"billId": key, "day": day} for key, day in enumerate(days)], made=json.dumps(making(first)))
    moments = [datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hours) for day in days]
    result = bench.judge(second, [{"billId": key, "day": at} for key, at in enumerate(moments)])
    assert result.passed == (told is None), result.message
    assert told is None or told in result.message


LINE = {
    "columns": [
        column("orderId", source=["id"], references="order.id"),
        column("lineIndex", source=["@index"]),
        column("lineId", source=["lines[].id"]),
        column("price", DataType.FLOAT64, source=["lines[].price"]),
        text("first", source=["lines[].first"]),
        text("last", source=["lines[].last"]),
        text("note", source=["lines[].note"]),
    ],
    "build": Flattening(array="lines"),
}


def lines(factor: float = 1.0, start: int = 0) -> list[Row]:
    return [
        {
            "orderId": key // 3,
            "lineIndex": key % 3,
            "lineId": start + key,
            "price": (key + 0.5) * factor,
            **{name: f"{name} {key}" for name in ("first", "last", "note")},
        }
        for key in range(60)
    ]


@pytest.mark.parametrize(
    ("key", "now", "passed"),
    [
        (["lineId"], lines(100.0), False),
        (["lineId"], lines(), True),
        (["lineId"], lines(start=500), True),  # written anew, with their order
        (["orderId", "lineIndex"], lines(100.0), False),  # by its place in a list as long as it was
        (["orderId", "lineIndex"], lines(1000.0)[1:], False),
        (
            ["orderId", "lineIndex"],
            [{**row, "note": f"other {row['price']}", "first": "x", "last": "y"} for row in lines()],
            True,
        ),
        (["orderId", "lineIndex"], [row for row in lines(100.0) if row["lineIndex"] or row["orderId"] < 5], True),  # shorter
    ],
)
def test_rows_of_nested_lists_with_ids_are_found_again(bench: Bench, key: list[str], now: list[Row], passed: bool) -> None:
    promised = table("clean.line", "values_stay", primary_key=key, **LINE)
    bench.publish(promised, lines(), made=json.dumps(making(promised)))
    result = bench.judge(promised, now[:-1])
    assert result.passed == passed
    assert passed or "00 times what they were" in result.message


def test_what_is_hashed_by_a_rule_changes_as_it_likes() -> None:
    columns = [
        column("orderId", required=True, source=["id"]),
        text("mail", source=["owners[].mail"]),
        text("note", source=["note"]),
    ]
    promised = table("clean.order", "values_stay", columns=columns, primary_key=["orderId"], build=Flattening())
    was, is_ = making(promised), making(promised, [Withheld(field="owners.MAIL", how="hash")])
    assert [name for name in was if was[name] != is_[name]] == ["mail"]
