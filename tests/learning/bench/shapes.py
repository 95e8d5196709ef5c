"""Worlds of other shapes: children only below their parents, nested lists, texts as keys, addresses of the next page."""

from __future__ import annotations

from typing import Any

from tests.conformance.servers.described import Operation, envelope_of, openapi
from tests.learning.bench.worlds import WORDS, List, Row, World, day


class Described(World):
    """A world with an OpenAPI description. `asks` are the parameters of each list beside those for pages."""

    asks: dict[str, dict[str, str]] = {}

    def setup(self) -> None:
        super().setup()
        self.get("/openapi.json", lambda asked: openapi(self, [self._operation(name) for name in self.lists]))

    def _operation(self, name: str) -> Operation:
        each = self.lists[name]
        types = ("integer" if each.style in ("offset", "page", "next", "link") else "string", "integer")
        paging = dict(zip(each.names, types, strict=True)) if each.style != "none" else {}
        told = {each.total: 1} if each.total is not None else {}
        return Operation(each.path, {**self.asks.get(name, {}), **paging}, envelope_of(each.rows[0], *each.place, **told))


def patients(count: int = 14) -> list[Row]:
    """People with a nested record, and texts as their keys."""
    return [
        {
            "uuid": f"{n * 7919:08x}-{n:04x}-4000-8000-{n * 104729:012x}",
            "fullName": f"{WORDS[n % 12].title()} {WORDS[(n * 5) % 12].title()}",
            "born": f"19{40 + n % 50}-{1 + n % 12:02}-{1 + n * 3 % 28:02}",
            "insured": n % 3 == 0,
            "address": {"street": f"{WORDS[n % 11]} lane {n}", "town": WORDS[n % 5], "zip": f"{10_000 + n}"},
        }
        for n in range(1, count + 1)
    ]


def visits(count: int = 70, people: int = 14) -> list[Row]:
    """What they come for: with a list of readings inside, and an instant in seconds."""
    known = patients(people)
    return [
        {
            "visitNo": 800 + n,
            "patientUuid": known[n * 5 % people]["uuid"],
            "state": ("booked", "seen", "billed")[n % 3],
            "begunAt": 1_700_000_000 + n * 86_400 + n * 61,
            "fee": n % 90 / 4 + 20,
            "urgent": n % 4 == 0,
            "ward": WORDS[n % 6],
            "doctor": {"code": f"D{n % 5}", "name": f"Dr {WORDS[n % 5].title()}"},
            "readings": [{"id": n * 10 + m, "label": WORDS[m], "value": n % 7 + m / 2} for m in range(1 + n % 3)],
        }
        for n in range(count)
    ]


class Clinic(Described):
    """Visits only by patient, by a parameter; two parameters choose. Pages with numbers from nought."""

    asks = {"visit": {"patient": "string!", "patientUuid": "string"}}

    def made(self) -> dict[str, List]:
        pages: dict[str, Any] = {"style": "page", "names": ("pageNumber", "pageSize"), "first": 0, "place": ("data",)}
        return {
            "patient": List("/patients", patients(), total="count", **pages),
            "visit": List(
                "/visits", visits(), pick=("patient", "patientUuid"), also="patientUuid", needed=True, total="count", **pages
            ),
        }


class Laboratory(Clinic):
    """The same with instants in milliseconds."""

    def made(self) -> dict[str, List]:
        lists = super().made()
        for visit in lists["visit"].rows:
            visit["begunAt"] *= 1000
        return lists


class Surgery(Clinic):
    """The same with amounts on both lists."""

    def made(self) -> dict[str, List]:
        lists = super().made()
        for name, each in lists.items():
            each.rows = [{**row, f"{name}Balance": n * 7 % 40 / 4, "allowance": n % 9 / 4} for n, row in enumerate(each.rows)]
        return lists


def depots(count: int = 9) -> list[Row]:
    """Places."""
    return [
        {"depotId": 40 + n, "title": f"{WORDS[n]} depot", "opened": day(n), "gates": 1 + n % 4, "zipCode": 10_400 + n * 17}
        for n in range(count)
    ]


def parcels(count: int = 100, places: int = 9) -> list[Row]:
    """What lies there."""
    return [
        {
            "parcelCode": f"P{70_000 + n * 13}",
            "depotId": 40 + n * 4 % places,
            "grams": 100 + n * 37 % 900,
            "dueOn": day(n),
            "label": WORDS[n * 5 % 12],
            "phase": ("in", "out", "lost")[n % 3],
        }
        for n in range(count)
    ]


class Depot(Described):
    """Parcels only below their depot, by a path; the next page by an address in the body."""

    def made(self) -> dict[str, List]:
        pages: dict[str, Any] = {"style": "next", "names": ("skip", "top"), "longest": 5, "place": ("value",), "total": None}
        return {
            "depot": List("/depots", depots(), **pages),
            "parcel": List("/depots/{depotId}/parcels", parcels(), pick=("depotId", "depotId"), **pages),
        }


class Yard(Depot):
    """The same beside a list of its own, by which the credential is proven."""

    def made(self) -> dict[str, List]:
        return {"carrier": List("/carriers", [{"carrierId": n, "label": f"carrier {n}"} for n in range(1, 9)]), **super().made()}
