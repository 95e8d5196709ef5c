"""A few bad cells among many good ones: their rows are set aside or held back, nobody is asked to give up a column or a key for
them, and a person's yes to the small answer that is ready mends the rest."""

from __future__ import annotations

from typing import Any

from tests.learning.bench.cases import Case, Change, both, rows
from tests.learning.bench.worlds import List, World, customers, orders

_BAD = (7, 222, 431)
_TYPES = r"rule type|rule primary_key"


class Mill(World):
    """Two lists by offset, one of five hundred orders."""

    def made(self) -> dict[str, List]:
        made = [{**row, "express": n % 3 == 0} for n, row in enumerate(orders(500))]
        return {"customer": List("/customers", customers(), size=100), "order": List("/orders", made, size=100)}


class Guild(Mill):
    """The same with keys of letters."""

    def made(self) -> dict[str, List]:
        lists = super().made()
        for name, key in (("customer", "id"), ("order", "customerId")):
            lists[name].rows = [{**row, key: f"cus_{1000 + row[key]}"} for row in lists[name].rows]
        return lists


def _cells(field: str, *values: Any, at: tuple[int, ...] = _BAD) -> Change:
    return rows("order", lambda n, row: {**row, field: values[at.index(n) % len(values)]} if n in at else row)


def _none(field: str, *texts: str) -> Any:
    return lambda row: {**row, field: None} if row.get(field) in texts else row


_KEYLESS = _cells("id", None, at=(7, 222))
_SHARED = rows("order", lambda n, row: {**row, "id": row["id"] - 1} if n in (7, 222) else row)
_FIRST = {orders(500)[n - 1]["reference"] for n in (7, 222)}
"""Those under whose key another one comes after them."""

_ASIDE = ("clean.order:rows_accepted",)


def _case(name: str, change: Change, fails: tuple[str, ...], **facts: Any) -> Case:
    return Case(name, "few bad cells", Mill, change, fails, **{"outcome": "asks", "never": _TYPES, **facts})


def _approved(name: str, change: Change, fails: tuple[str, ...], **facts: Any) -> Case:
    return _case(f"{name}, and a person says yes", change, fails, approved=True, **facts)


SLIPS: tuple[Case, ...] = (
    _approved(
        "words among numbers",
        _cells("units", "abc", "12 pcs"),
        _ASIDE,
        says="3 of 500 cells of units are no int64: 'abc' (2), '12 pcs' (1)",
        meant=_none("units", "abc", "12 pcs"),
        fast=True,
    ),
    _approved(
        "words among numbers, too many to be set aside",
        _cells("units", "abc", "xyz", at=tuple(range(3, 400, 50))),
        ("extract.orders:no_schema_drift",),
        says="8 of 500 cells of units are no int64",
        meant=_none("units", "abc", "xyz"),
    ),
    _approved(
        "days that are none",
        _cells("placed", "0000-00-00", "soon", at=(7, 222)),
        _ASIDE,
        says="2 of 500 cells of placed are no date",
        meant=_none("placed", "0000-00-00", "soon"),
    ),
    _approved(
        "moments that are none",
        _cells("modified", "yesterday"),
        _ASIDE,
        says="3 of 500 cells of modified are no timestamp: 'yesterday' (3)",
        meant=_none("modified", "yesterday"),
    ),
    _approved(
        "truths that are none",
        _cells("express", "maybe", at=(7, 222)),
        _ASIDE,
        says="2 of 500 cells of express are no bool: 'maybe' (2)",
        meant=_none("express", "maybe"),
    ),
    _case(
        "references to people that are none",
        _cells("customerId", "x7", at=(7, 222)),
        _ASIDE,
        says="2 of 500 rows of clean.order were set aside (types_hold:customerId 2)",
        never=f"{_TYPES}|x7",
    ),
    _case("records among numbers", _cells("units", {"value": 3}, at=(7, 222)), _ASIDE, says="2 of 500 rows of clean.order"),
    _case(
        "a different word in each of them",
        rows("order", lambda n, row: {**row, "units": f"{n} pcs"} if n % 20 == 0 else row),
        ("extract.orders:no_schema_drift",),
        says="25 values are text in place of int64",
    ),
    _case(
        "no key in two records",
        _KEYLESS,
        ("extract.orders:primary_key_present",),
        says="2 of 500 records have no id",
    ),
    _approved(
        "no key in two records",
        _KEYLESS,
        ("extract.orders:primary_key_present",),
        meant=lambda row: row if row.get("id") is not None else None,
    ),
    _case(
        "the key of another record in two",
        _SHARED,
        ("extract.orders:extract_complete",),
        says="2 of 500 records have another one's id (5006, 5221) and other values",
    ),
    _approved(
        "the key of another record in two",
        _SHARED,
        ("extract.orders:extract_complete",),
        meant=lambda row: row if row.get("reference") not in _FIRST else None,
    ),
    Case(
        "all words of a status in capitals, and a person says yes",
        "few bad cells",
        Mill,
        rows("order", lambda n, row: {**row, "status": row["status"].title()}),
        ("clean.order:values_stay",),
        outcome="asks",
        says="rule read_as for source mill, entity order, field status: values: {'Open': 'open', 'Paid': 'paid'",
        approved=True,
        healthy=True,
    ),
    Case(
        "all customers get other ids, and a person says yes",
        "few bad cells",
        Guild,
        both(
            rows("customer", lambda n, row: {**row, "id": f"{row['id']}AAX"}),
            rows("order", lambda n, row: {**row, "customerId": f"{row['customerId']}AAX"}),
        ),
        ("clean.customer:values_stay",),
        outcome="asks",
        says="value: clean.customer.customerId@0, clean.order.customerId@0",
        never="read_as",
        approved=True,
    ),
    Case(
        "a word of a status has another name, and a person says yes",
        "few bad cells",
        Mill,
        rows("order", lambda n, row: {**row, "status": "dispatched" if row["status"] == "sent" else row["status"]}),
        ("refine.factOrder:statuses_known",),
        outcome="asks",
        says="rule read_as for source mill, entity order, field status: values: {'dispatched': 'sent'}",
        approved=True,
        meant=lambda row: {**row, "status": "sent"} if row.get("status") == "dispatched" else row,
    ),
)
