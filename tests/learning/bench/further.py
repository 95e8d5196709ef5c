"""Gaps of other worlds, that no remedy was made for: what is nested, below parents, of other styles, and several at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.learning.bench.cases import Case, Change, both, listed, renamed, rows
from tests.learning.bench.shapes import Clinic, Depot, Laboratory, Surgery, visits
from tests.learning.bench.worlds import Market, Row, World

_OWNERS = {row["visitNo"]: row["patientUuid"] for row in visits()}
_CLINIC, _DEPOT = ("patient", "visit"), ("depot", "parcel")


def _inside(key: str, change: Any) -> Any:
    """A change of the record that lies at a key."""
    return lambda n, row: {**row, key: change(n, row[key])}


def _each(key: str, change: Any) -> Any:
    """A change of each record in the list that lies at a key."""
    return lambda n, row: {**row, key: [change(n, item) for item in row[key]]}


def _comma(value: float) -> str:
    return f"{value:.2f}".replace(".", ",")


_AMOUNTS = ("patientBalance", "visitBalance", "allowance", "fee")


def _commas(_: int, row: Row) -> Row:
    return {**row, **{name: _comma(row[name]) for name in _AMOUNTS if name in row}}


def _points(row: Row) -> Row:
    """The row with its amounts as numbers."""
    return {**row, **{name: float(row[name].replace(",", ".")) for name in _AMOUNTS if isinstance(row.get(name), str)}}


def _point(row: Row) -> Row:
    """The row with its fee as a number."""
    return {**row, "fee": float(row["fee"].replace(",", "."))} if isinstance(row.get("fee"), str) else row


def _instants(row: Row) -> Row:
    """The row with its instant as ISO 8601 writes it."""
    value = row.get("begunAt")
    if not isinstance(value, int):
        return row
    seconds = value / 1000 if value > 10**11 else value
    return {**row, "begunAt": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def _clinic(row: Row) -> Row:
    return _point(_instants(row))


def _visit(change: Callable[[Row], Row]) -> Callable[[Row], Row]:
    """What a visit means; patients mean what they say."""
    return lambda row: _clinic(change(row)) if "visitNo" in row else row


def _whose(row: Row) -> str:
    """The patient of a visit, by its number."""
    return _OWNERS[row["visitNo"]]


def _asked(world: World) -> None:
    """Customers were listed: from now on there may be new ones that no reader knows."""
    world.stale = True


def _late(world: World) -> None:
    """As orders are listed after customers, there is one more, of somebody who is new."""
    if not world.stale:
        return
    world.stale = False
    people, goods = world.lists["customer"].rows, world.lists["order"].rows
    number = 1000 + len(people)
    people.append({**people[0], "id": number, "name": f"new {number}", "email": f"new{number}@example.org"})
    goods.append({**goods[0], "id": 9000 + len(goods), "reference": f"ORD-N{number}", "customerId": number})


def _case(name: str, kind: str, world: type[World], change: Change, *fails: str, **more: Any) -> Case:
    lists = {Clinic: _CLINIC, Laboratory: _CLINIC, Surgery: _CLINIC, Depot: _DEPOT}.get(world, ("customer", "order"))
    meant = {Clinic: _clinic, Laboratory: _clinic}.get(world, dict)
    return Case(name, kind, world, change, fails, **{"lists": lists, "meant": meant, **more})


_DRIFT, _WHOLE, _MADE = "extract.{}:no_schema_drift", "extract.{}:extract_complete", "extract.{}:table_made"
_VISITS = (_DRIFT.format("visits"), "clean.visit:types_hold", "clean.visit:quarantine_small")

FURTHER: tuple[Case, ...] = (
    _case(
        "a decimal comma comes",
        "widen a type: another writing of numbers",
        Clinic,
        rows("visit", lambda n, row: {**row, "fee": _comma(row["fee"])}),
        *_VISITS,
    ),
    _case(
        "a decimal comma comes everywhere at once",
        "widen a type: another writing of numbers",
        Surgery,
        both(rows("patient", _commas), rows("visit", _commas)),
        _DRIFT.format("patients"),
        _DRIFT.format("visits"),
        meant=lambda row: _instants(_points(row)),
        rounds=2,  # visits are asked for once the patients are there, and what heals these brings nothing for those
    ),
    _case(
        "seconds become milliseconds",
        "accept a second date format",
        Clinic,
        rows("visit", lambda n, row: {**row, "begunAt": row["begunAt"] * 1000}),
        *_VISITS,
    ),
    _case(
        "milliseconds become seconds",
        "accept a second date format",
        Laboratory,
        rows("visit", lambda n, row: {**row, "begunAt": row["begunAt"] // 1000}),
        "clean.visit:values_stay",
    ),
    _case(
        "instants become texts",
        "accept a second date format",
        Clinic,
        rows("visit", lambda n, row: {**row, "begunAt": _instants(row)["begunAt"]}),
        *_VISITS,
    ),
    _case(
        "truth becomes Y and N",
        "other words for truth",
        Clinic,
        rows("visit", lambda n, row: {**row, "urgent": "Y" if row["urgent"] else "N"}),
        *_VISITS,
        outcome="copes",
        meant=_visit(lambda row: {**row, "urgent": row["urgent"] in (True, "Y")}),
    ),
    _case(
        "a field of a nested record has another name",
        "follow a renamed field",
        Clinic,
        rows("visit", _inside("doctor", renamed("name", "displayName"))),
        _DRIFT.format("visits"),
        meant=_visit(
            lambda row: {**row, "doctor": {**row["doctor"], "name": row["doctor"].get("displayName", row["doctor"].get("name"))}}
        ),
    ),
    _case(
        "a field of records in a list has another name",
        "follow a renamed field",
        Clinic,
        rows("visit", _each("readings", renamed("label", "caption"))),
        _DRIFT.format("visits"),
        meant=_visit(
            lambda row: {
                **row,
                "readings": [{**each, "label": each.get("caption", each.get("label"))} for each in row["readings"]],
            }
        ),
    ),
    _case(
        "records in a list have a new field",
        "add a field to the canon",
        Clinic,
        rows("visit", _each("readings", lambda n, item: {**item, "device": f"dv-{n % 2}"})),
        _DRIFT.format("visits"),
    ),
    _case(
        "keys in a list are missing in some records",
        "choose another primary key",
        Clinic,
        rows("visit", _each("readings", lambda n, item: {**item, "id": None if n % 3 == 0 else item["id"]})),
        "clean.visitReading:required_present",
        "clean.visitReading:quarantine_small",
    ),
    _case(
        "the parent is not named in some records",
        "mark nullable",
        Clinic,
        both(
            listed("visit", owner=_whose),
            rows("visit", lambda n, row: {**row, "patientUuid": None if n % 4 == 0 else row["patientUuid"]}),
        ),
        "clean.visit:required_present",
        "clean.visit:quarantine_small",
    ),
    _case(
        "a parameter has no effect, another one has",
        "reject an ignored parameter and use the one that works",
        Clinic,
        listed("visit", ignores=True, needed=False),
        _WHOLE.format("visits"),
        "prepare.dependencies:dependencies_proven",
        "plan_holds",
    ),
    _case(
        "pages begin with one",
        "another paging style or page size",
        Clinic,
        listed("visit", first=1),
        _WHOLE.format("visits"),
        _MADE.format("visits"),
    ),
    _case(
        "the key of the parent has another name",
        "follow a renamed field",
        Depot,
        rows("depot", renamed("depotId", "number")),
        "extract.depots:primary_key_present",
        "extract.depots:no_schema_drift",
        meant=lambda row: {**row, "depotId": row.get("depotId", row.get("number"))},
    ),
    _case(
        "children have another path",
        "skip or replace a gone endpoint",
        Depot,
        both(
            listed("parcel", path="/depots/{depotId}/shipments"),
        ),
        _MADE.format("parcels"),
        _WHOLE.format("parcels"),
        "source.portfolio:hierarchy_proven",
    ),
    _case(
        "long pages of children are refused",
        "another paging style or page size",
        Depot,
        listed("parcel", most=4, longest=4),
        _WHOLE.format("parcels"),
        _MADE.format("parcels"),
    ),
    _case(
        "the next page stands in the headers",
        "another paging style or page size",
        Depot,
        listed("parcel", style="link"),
        _WHOLE.format("parcels"),
        _MADE.format("parcels"),
        "plan_holds",
    ),
    _case(
        "children stand deeper in their answer",
        "unwrap a changed envelope",
        Depot,
        listed("parcel", place=("result", "rows")),
        _WHOLE.format("parcels"),
        _MADE.format("parcels"),
    ),
    _case(
        "keys become texts",
        "widen a type",
        Depot,
        both(
            rows("depot", lambda n, row: {**row, "depotId": f"D-{row['depotId']}"}),
            rows("parcel", lambda n, row: {**row, "depotId": f"D-{row['depotId']}"}),
        ),
        "extract.depots:no_schema_drift",
        "extract.parcels:no_schema_drift",
        outcome="asks",  # what reads a number can't read a text
    ),
    _case(
        "a code of numbers gets letters",
        "widen a type",
        Depot,
        rows("depot", lambda n, row: {**row, "zipCode": row["zipCode"] if n % 2 else f"SW-{row['zipCode']}"}),
        "extract.depots:no_schema_drift",
        outcome="asks",
    ),
    _case(
        "pages are gone, and the rows after the first with them",
        "another paging style or page size",
        Market,
        listed("order", style="none", total=None, repeat=lambda rows: rows[:25]),
        _WHOLE.format("orders"),
        _MADE.format("orders"),
        outcome="asks",
    ),
    _case(
        "pages are gone: all rows come at once",
        "another paging style or page size",
        Market,
        listed("order", style="none"),
        _WHOLE.format("orders"),
        _MADE.format("orders"),
    ),
    _case(
        "a value becomes a list of values",
        "widen a type",
        Depot,
        rows("parcel", lambda n, row: {**row, "label": [row["label"], "x"]}),
        _DRIFT.format("parcels"),
        outcome="asks",
        unsure=("label",),
    ),
    _case(
        "a value comes out of its record",
        "follow a renamed field",
        Clinic,
        rows("visit", lambda n, row: {**row, "doctor": row["doctor"]["name"]}),
        _DRIFT.format("visits"),
        outcome="asks",  # the doctor's code is gone, and a column that empties is a person's to give up
        says="doctor.code",
        partly=True,  # the name is followed
    ),
    _case(
        "a date in another form and a field with another name",
        "two gaps at once",
        Depot,
        both(
            rows("parcel", lambda n, row: {**row, "dueOn": "/".join(row["dueOn"].split("-"))}),
            rows("parcel", renamed("grams", "weightGrams")),
        ),
        _DRIFT.format("parcels"),
        meant=lambda row: (
            {**row, "grams": row["weightGrams"], "dueOn": row["dueOn"].replace("/", "-")} if "weightGrams" in row else row
        ),
    ),
    _case(
        "days get a time",
        "widen a type",
        Depot,
        rows("parcel", lambda n, row: {**row, "dueOn": f"{row['dueOn']}T{n % 24:02}:15:00Z"}),
        "times_kept",
    ),
    _case(
        "somebody comes while orders are listed",
        "order a late parent",
        Market,
        both(listed("customer", given=_asked), listed("order", given=_late)),
        "transform.factOrder:references_matched",
    ),
)
