"""What is done to nearly all records of a list at once: consumers keep what stood, and a person has one question with its answer."""

from __future__ import annotations

import hashlib
from typing import Any

from tests.learning.bench.cases import Case, rows
from tests.learning.bench.shapes import Clinic
from tests.learning.bench.worlds import WORDS, List, Market, Row, World, customers, orders

_STAYS = "clean.order:values_stay"


class Ward(Clinic):
    """The same with up to seven readings of a visit."""

    def made(self) -> dict[str, List]:
        lists = super().made()
        for n, visit in enumerate(lists["visit"].rows):
            visit["readings"] = [{"id": n * 10 + m, "label": WORDS[m], "value": n % 7 + m / 2} for m in range(1 + n % 7)]
        return lists


class Depository(World):
    """Two lists by offset, one of six hundred and more."""

    def made(self) -> dict[str, List]:
        return {"customer": List("/customers", customers(), size=100), "order": List("/orders", orders(620), size=100)}


_WORDS = {"open": 1, "paid": 2, "sent": 3}


def _case(title: str, says: str, entity: str = "order", **changes: Any) -> Case:
    """Values that every record gets: a value, or what is made of the one that stood there."""

    def altered(_: int, row: Row) -> Row:
        return {**row, **{key: change(row[key]) if callable(change) else change for key, change in changes.items()}}

    fails = (f"clean.{entity}:values_stay",)
    return Case(title, "altered", Market, rows(entity, altered), fails, outcome="asks", says=says)


ALTERED: tuple[Case, ...] = (
    _case("names and addresses are masked", "setting for source market: name: changes_accepted, value: clean.customer.",
          entity="customer", name="***", email="***"),
    _case("words become numbers", "rule read_as for source market, entity order, field status: values: {'1': 'open', '2': 'paid'",
          status=_WORDS.__getitem__),
    _case("words in capitals", "values: {'OPEN': 'open'", status=str.upper),
    _case("all amounts with a tax", "clean.order.weight@", weight=lambda value: round(value * 1.19 + 0.001, 4)),
    _case("addresses are hashed", "clean.customer.email@", entity="customer",
          email=lambda value: hashlib.sha256(value.encode()).hexdigest()),
    _case("no record refers to anything", "field customerId: required: False", customerId=None),
    Case("a number stands for none", "altered", Market,
         rows("order", lambda n, row: {**row, "units": -999999 if n % 4 == 0 else row["units"]}), (_STAYS,), outcome="asks",
         says="field units: values: {'-999999': None}"),
    Case("a day stands for none", "altered", Market,
         rows("order", lambda n, row: {**row, "placed": "9999-12-31" if n % 5 == 0 else row["placed"]}), (_STAYS,), outcome="asks",
         says="field placed: values: {'9999-12-31': None}"),
    Case("amounts of a nested list in cents", "altered", Clinic,
         rows("visit", lambda n, row: {**row, "readings": [{**each, "value": each["value"] * 100} for each in row["readings"]]}),
         ("clean.visitReading:values_stay",), outcome="asks", says="clean.visitReading.value@"),
    Case("names stand under other ids", "altered", Market,
         rows("customer", lambda n, row: {**customers()[n - 1], "id": row["id"]}), ("clean.customer:values_stay",), outcome="asks",
         says="under other keys now"),
    _case("names lose their second word", "lost a part of their words", entity="customer", name=lambda name: name.split()[0]),
    Case("times of change go back, as in a former copy", "altered", Market,
         rows("order", lambda n, row: {**row, "modified": f"2023{row['modified'][4:]}"} if n % 4 == 0 else row), (_STAYS,),
         outcome="asks", says="went back"),
    Case("lists inside end after five", "altered", Ward,
         rows("visit", lambda n, row: {**row, "readings": row["readings"][:5]}), ("clean.visitReading:source_stays",),
         outcome="asks", says="no record has more than 5 rows"),
    Case("a list ends after five hundred", "altered", Depository,
         lambda world: world.lists["order"].rows.__delitem__(slice(500, None)), ("clean.order:source_stays",), outcome="asks",
         says="clean.order 620 to 500"),
    Case("all records get other keys", "altered", Market,
         rows("order", lambda n, row: {**row, "id": row["id"] + 40_000}), (_STAYS,), outcome="asks",
         says="clean.order.orderId@"),
)  # fmt: skip
