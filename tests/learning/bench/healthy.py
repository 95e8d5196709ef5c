"""What a healthy pipeline may meet. None of it is a gap."""

from __future__ import annotations

from datetime import date, timedelta

from tests.learning.bench.cases import Change, both, listed, new_list, rows
from tests.learning.bench.fresh import Shop
from tests.learning.bench.shapes import Clinic, Depot
from tests.learning.bench.worlds import WORDS, Archive, Desk, List, Market, Row, Stream, World

NOW = "2026-11-25T0{}:{:02}:{:02}Z"


class Bureau(Market):
    """Orders with a column and a status that nothing used yet, days at the ends of months, and an instant of the last touch."""

    def made(self) -> dict[str, List]:
        lists = super().made()
        ends = [date(2023, month, 1) - timedelta(days=1) for month in range(2, 13)]
        lists["order"].rows = [
            {
                **row,
                "placed": ends[n % 11].isoformat(),
                "closedAt": f"{row['placed']}T10:00:00Z" if n % 9 == 0 else None,
                "coupon": None,
                "total": (n * 37 % 800) / 4,
            }
            for n, row in enumerate(lists["order"].rows)
        ]
        return lists


def _burst(world: World) -> None:
    """Three times the rows, after a good day."""
    known = world.lists["order"].rows
    world.lists["order"].rows = [
        *known,
        *({**row, "id": 6000 + n, "reference": f"ORD-B{n:05}"} for n, row in enumerate([*known, *known])),
    ]


def _touched(n: int, row: Row) -> Row:
    return {**row, "modified": NOW.format(n % 9, n % 60, n * 7 % 60)}


def _month(n: int, row: Row) -> Row:
    """A month's end: what was open is sent, and everything was touched."""
    return _touched(n, {**row, "status": "sent"})


def _purged(world: World) -> None:
    """The oldest quarter is kept no longer."""
    world.lists["order"].rows = world.lists["order"].rows[len(world.lists["order"].rows) // 4 :]


def _leap(n: int, row: Row) -> Row:
    return {**row, "placed": "2024-02-29" if n % 5 == 0 else row["placed"]}


def _summer(n: int, row: Row) -> Row:
    """What was planned for days after the change of clocks is an hour earlier in UTC; the rest stays."""
    return {**row, "modified": row["modified"].replace("T05:", "T04:")}


def _emptied(world: World) -> None:
    """One depot gave all its parcels away."""
    world.lists["parcel"].rows = [row for row in world.lists["parcel"].rows if row["depotId"] != 44]


def _raised(n: int, row: Row) -> Row:
    return {**row, "total": round(row["total"] * 1.03, 2)}


def _counted(n: int, row: Row) -> Row:
    """A figure that is counted anew each night."""
    return {**row, "units": 1 + (n * 7 + 3) % 9}


HEALTHY: tuple[tuple[str, type[World], Change | None], ...] = (
    *((f"nothing changed, {world.__name__}", world, None) for world in (Market, Archive, Stream, Desk)),
    (
        "more records",
        Market,
        lambda world: world.lists["order"].rows.append({**world.lists["order"].rows[0], "id": 9001, "reference": "ORD-X"}),
    ),
    ("fewer records", Archive, lambda world: world.lists["order"].rows.pop()),
    ("values changed", Stream, rows("order", lambda n, row: {**row, "status": "sent"})),
    (
        "a value that was never there",
        Market,
        rows("order", lambda n, row: {**row, "status": "returned" if n % 9 == 0 else row["status"]}),
    ),
    ("values are missing", Archive, rows("order", lambda n, row: {**row, "note": None if n % 5 == 0 else row["note"]})),
    ("keys in another order", Stream, rows("order", lambda n, row: dict(reversed(row.items())))),
    ("records in another order", Market, lambda world: world.lists["order"].rows.reverse()),
    ("another size of pages by default", Archive, listed("order", size=10)),
    (
        "a list that was moved, and says so",
        Market,
        both(new_list("moved", "/orders2", "order", hidden=True), listed("order", moved="/orders2")),
    ),
    ("an empty text", Market, rows("order", lambda n, row: {**row, "note": "" if n % 7 == 0 else row["note"]})),
    (
        "texts of other peoples",
        Stream,
        rows("order", lambda n, row: {**row, "note": ("žluťoučký kůň", "日本語", "مرحبا", row["note"])[n % 4]}),
    ),
    ("greater numbers", Archive, rows("order", lambda n, row: {**row, "units": row["units"] + 5_000_000_000})),
    (
        "whole numbers among fractions",
        Market,
        rows("order", lambda n, row: {**row, "weight": int(row["weight"]) if n % 3 else row["weight"]}),
    ),
    (
        "a status in capitals",
        Stream,
        rows("order", lambda n, row: {**row, "status": row["status"].upper() if n % 3 else row["status"]}),
    ),
    ("one record of five is gone", Archive, lambda world: world.lists["order"].rows.__delitem__(slice(72, None))),
    (
        "orders of the past changed hands",
        Market,
        rows("order", lambda n, row: {**row, "customerId": 1 + n % 3} if n < 45 else row),
    ),
    ("a month ends", Bureau, rows("order", _month)),
    ("what is old is kept no longer", Bureau, _purged),
    (
        "somebody has another name everywhere",
        Market,
        rows("customer", lambda n, row: {**row, "name": "Amber & Sons", "city": "fjord"} if n < 3 else row),
    ),
    (
        "a city is renamed everywhere",
        Market,
        rows("customer", lambda n, row: {**row, "city": row["city"].replace("amber", "Port Amber")}),
    ),
    ("an import touches all rows", Bureau, rows("order", _touched)),
    ("three times the rows", Bureau, _burst),
    (
        "a column is filled for the first time",
        Bureau,
        rows("order", lambda n, row: {**row, "coupon": f"C{n % 6}" if n % 4 == 0 else None}),
    ),
    ("many rows are closed at once", Bureau, rows("order", lambda n, row: {**row, "closedAt": NOW.format(n % 9, n % 60, 0)})),
    ("a parent has no children any more", Depot, _emptied),
    ("the clocks change", Market, rows("order", _summer)),
    ("a leap day", Bureau, rows("order", _leap)),
    ("prices are raised", Bureau, rows("order", _raised)),
    ("a figure is counted anew", Bureau, rows("order", _counted)),
    (
        "instants lose their fractions of seconds",
        Bureau,
        rows("order", lambda n, row: {**row, "modified": row["modified"].replace("Z", ".000Z")}),
    ),
    (
        "lists inside are longer",
        Shop,
        rows("order", lambda n, row: {**row, "lines": [*row["lines"], {"id": 9000 + n, "sku": f"S9-{n % 5}", "pieces": 2}]}),
    ),
    ("all lists inside are empty", Shop, rows("order", lambda n, row: {**row, "lines": []} if n % 3 == 1 else row)),
    (
        "somebody moved",
        Clinic,
        rows(
            "patient",
            lambda n, row: (
                {**row, "address": {"street": f"{WORDS[n % 9]} road {n}", "town": WORDS[n % 5], "zip": f"{20_000 + n}"}}
                if n % 4 == 0
                else row
            ),
        ),
    ),
)
