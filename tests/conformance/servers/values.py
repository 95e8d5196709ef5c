"""Servers of the types of values, and of the ways in which a small sample misleads about them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from tests.conformance.servers.api import Answer, Api
from tests.conformance.servers.described import Operation, openapi
from tests.conformance.servers.pages import Page, Row, Size, counted
from tests.conformance.servers.shapes import BOOL, DATE, DECIMAL, FLOAT, INT, JSON, TEXT, TIME, word
from tests.conformance.servers.truth import Entity, Truth

_START = datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC)


def _moment(number: int) -> datetime:
    return _START + timedelta(days=number * 3, minutes=number * 17)


class Moments(Api):
    """Times in every writing; of the local dates one column has days above 12 in its first number, one in its second."""

    def setup(self) -> None:
        self.moments = [self._row(n) for n in range(300)]
        self.get("/openapi.json", lambda asked: openapi(self, [Operation("/moments", {"offset": "integer", "limit": "integer"})]))
        self.get("/moments", counted(self.moments, "offset", Size("limit", 100, cap=100)))

    def _row(self, number: int) -> Row:
        at = _moment(number)
        later, micros = at + timedelta(hours=3), (at + timedelta(hours=5)).replace(microsecond=number * 7)
        return {
            "id": number + 1,
            "created": int(at.timestamp()),
            "updatedAt": int(later.timestamp() * 1000) + number,
            "event_time": int(micros.timestamp()) * 1_000_000 + number * 7,
            "iso": at.isoformat().replace("+00:00", "Z"),
            "offset": (at + timedelta(hours=2)).replace(tzinfo=None).isoformat() + "+02:00",
            "mail": format_datetime(at),
            "day": at.date().isoformat(),
            "european": at.strftime("%d/%m/%Y"),
            "american": at.strftime("%m/%d/%Y"),
            "dotted": at.strftime("%d.%m.%Y"),
            "naive": at.strftime("%Y-%m-%d %H:%M:%S"),
            "duration": 1000 + number,
            "serial": 1_600_000_000 + number * 86_400,
            "zip": f"{8000 + number:05}",
            "version": f"1.{number}",
        }

    def truth(self) -> Truth:
        at = _moment(7)
        day = date(at.year, at.month, at.day)
        cells = dict.fromkeys(("created", "iso", "offset", "mail", "naive"), at)
        cells["updatedAt"] = at + timedelta(hours=3, milliseconds=7)
        cells["event_time"] = at + timedelta(hours=5, microseconds=49)
        days = dict.fromkeys(("day", "european", "american", "dotted"), day)
        return Truth(
            entities=(
                Entity(
                    "moment",
                    ("/moments",),
                    self.moments,
                    types=dict.fromkeys(cells, TIME)
                    | dict.fromkeys(days, DATE)
                    | {"duration": INT, "serial": INT, "zip": TEXT, "version": TEXT + DECIMAL},
                    values={(8, name): value for name, value in {**cells, **days}.items()} | {(8, "zip"): "08007"},
                ),
            )
        )


class Numbers(Api):
    """Integers beyond 2^53, money as decimals and as text, booleans as text, mixed types, enumerations, always null, rare fields."""

    def setup(self) -> None:
        self.records = [self._row(n) for n in range(400)]
        self.get("/", lambda asked: {"records": f"{self.origin}/records"})
        self.get("/records", counted(self.records, "offset", Size("limit", 50, cap=200), self._written))

    def _row(self, number: int) -> Row:
        row: Row = {
            "id": number + 1,
            "snowflake": 2**60 + number * 3,
            "unsigned": 2**63 + number,
            "price": f"{number}.{number % 100:02}",
            "ratio": number / 7,
            "betrag": f"{number * 37 // 1000}.{number * 37 % 1000:03},{number % 100:02}" if number > 30 else f"{number},5",
            "dose": f"{number / 8:.3f}" if number % 3 else str(number),
            "flag": ("true", "false")[number % 2],
            "answer": ("yes", "no")[number % 2],
            "truth": number % 3 == 0,
            "state": ("draft", "active", "closed", "archived")[number % 4],
            "mixed": number if number % 10 else f"n/a {number}",
            "whole_or_part": number if number % 40 else number + 0.5,
            "nothing": None,
            "nested": {"deep": {"deeper": number * 2, "list": [{"k": number % 5}]}, "kind": "x"},
            "codes": [number % 7, number % 11],
        }
        if number in (137, 299):
            row["rare"] = f"seen {number}"
            row["nested"]["seldom"] = number
        return row

    def _written(self, page: Page) -> Answer:
        return Answer(json.dumps({"records": page.rows, "total": page.total}).replace("NaN", "null").encode())

    def truth(self) -> Truth:
        whole = 2**60 + 137 * 3
        return Truth(
            entities=(
                Entity(
                    "record",
                    ("/records",),
                    self.records,
                    keys=("id", "snowflake", "unsigned"),
                    types={
                        "snowflake": INT,
                        "unsigned": TEXT + DECIMAL,
                        "price": TEXT + DECIMAL,
                        "betrag": DECIMAL,
                        "dose": DECIMAL,
                        "flag": BOOL,
                        "truth": BOOL,
                        "answer": BOOL + TEXT,
                        "state": TEXT,
                        "mixed": TEXT + JSON,
                        "whole_or_part": FLOAT,
                        "nothing": TEXT + JSON,
                        "nested.deep.deeper": INT,
                        "rare": TEXT,
                        "nested.seldom": INT,
                    },
                    values={
                        (138, "snowflake"): whole,
                        (138, "rare"): "seen 137",
                        (138, "flag"): False,
                        (41, "whole_or_part"): 40.5,
                        (138, "betrag"): 5069.37,
                        (6, "betrag"): 5.5,
                        (3, "dose"): 0.25,
                    },
                ),
            )
        )


class OpenMaps(Api):
    """Records with maps of open keys: thousands of them over the list, hundreds within one record; and a column of exact decimals."""

    def setup(self) -> None:
        self.reports = [
            {
                "id": n,
                "name": word(n),
                "counters": {f"host-{n * 31 + k:05}": k for k in range(25)},
                "labels": {f"L{(n * 7 + k) % 900}": WORD for k, WORD in enumerate(("a", "b", "c"))},
                "byDay": {(date(2020, 1, 1) + timedelta(days=n * 5 + k)).isoformat(): {"hits": k, "misses": n} for k in range(5)},
                "size": {"width": n, "height": n + 1},
            }
            for n in range(1, 181)
        ]
        self.get("/", lambda asked: {"reports": f"{self.origin}/reports"})
        self.get("/reports", counted(self.reports, "offset", Size("limit", 60, cap=60), self._exact))

    def _exact(self, page: Page) -> Answer:
        rows = [json.dumps(row)[:-1] + f', "exact": {row["id"]}.10000000000000000{row["id"] % 10}}}' for row in page.rows]
        return Answer(f'{{"total": {page.total}, "reports": [{", ".join(rows)}]}}'.encode())

    def truth(self) -> Truth:
        types: dict[str, Any] = {"counters": JSON, "labels": JSON, "byDay": JSON, "size.width": INT, "size.height": INT}
        return Truth(entities=(Entity("report", ("/reports",), self.reports, types=types | {"exact": FLOAT + TEXT}),))


SERVERS: tuple[type[Api], ...] = (Moments, Numbers, OpenMaps)
