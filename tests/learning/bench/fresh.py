"""Gaps thought of last, when every case above was right: two at once, what descriptions knew before, and what else lies."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.conformance.servers.api import Answer, Asked
from tests.conformance.servers.described import Operation
from tests.learning.bench.cases import Case, Change, both, listed, renamed, rows
from tests.learning.bench.shapes import Clinic, Depot
from tests.learning.bench.worlds import WORDS, Archive, List, Market, Register, Row, World

_CLINIC, _DEPOT = ("patient", "visit"), ("depot", "parcel")


class Ward(Clinic):
    """Its description knows a field of visits that no record has."""

    def _operation(self, name: str) -> Operation:
        each = self.lists[name]
        if name != "visit":
            return super()._operation(name)
        known = each.rows
        each.rows = [{**known[0], "station": "x"}, *known[1:]]
        try:
            return super()._operation(name)
        finally:
            each.rows = known


class Shop(Market):
    """Orders with labels, lines inside, and great amounts."""

    def made(self) -> dict[str, List]:
        lists = super().made()
        lists["order"].rows = [
            {
                **row,
                "labels": [WORDS[n % 5], WORDS[5 + n % 4]][: 1 + n % 2],
                "amount": 900 + n * 411 + n % 4 / 4,
                "express": n % 3 == 0,
                "lines": [{"id": n * 10 + m, "sku": f"S{m}-{n % 7}", "pieces": 1 + m} for m in range(n % 3)],
            }
            for n, row in enumerate(lists["order"].rows)
        ]
        return lists


def _weighed(row: Row) -> Row:
    """What either name is read as, since one column has both."""
    if "kilograms" not in row:
        return row
    return row | dict.fromkeys(("weight", "kilograms"), float(str(row["kilograms"]).replace(",", ".")))


def _case(name: str, world: type[World], change: Change | None, *fails: str, **more: Any) -> Case:
    lists = {Clinic: _CLINIC, Ward: _CLINIC, Depot: _DEPOT}.get(world, ("customer", "order"))
    unsure = ("labels", "lines") if world is Shop else ()  # tables of their own
    return Case(name, "thought of last", world, change, fails, **{"lists": lists, "unsure": unsure, **more})


# ---------------------------------------------------------------- answers


def _partial(answer: Answer, asked: Asked) -> Answer:
    return replace(answer, status=206, headers={**answer.headers, "Content-Range": "items 0-24/90"})


def _multi(answer: Answer, asked: Asked) -> Answer:
    return replace(answer, status=207)


def _last_elsewhere(answer: Answer, asked: Asked) -> Answer:
    """The last page has its records under another key."""
    body = answer.body
    last = int(asked.query.get("offset", 0)) + len(body["items"]) >= body["total"]
    return (
        replace(answer, body={("results" if key == "items" else key): value for key, value in body.items()}) if last else answer
    )


def _null_for_none(answer: Answer, asked: Asked) -> Answer:
    body = answer.body
    return replace(answer, body={**body, "value": body["value"] or None})


def _by_id(answer: Answer, asked: Asked) -> Answer:
    body = answer.body
    return replace(answer, body={**body, "items": {str(row["id"]): row for row in body["items"]}})


# ---------------------------------------------------------------- changes


def _without(row: Row, *names: str) -> Row:
    return {key: value for key, value in row.items() if key not in names}


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def _snaked(value: Any) -> Any:
    if isinstance(value, dict):
        return {_snake(key): _snaked(each) for key, each in value.items()}
    return [_snaked(each) for each in value] if isinstance(value, list) else value


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {"".join(p if n == 0 else p.title() for n, p in enumerate(key.split("_"))): _camel(v) for key, v in value.items()}
    return [_camel(each) for each in value] if isinstance(value, list) else value


def _either(row: Row) -> Row:
    """The row by both writings of its names, with its instant as ISO 8601 writes it."""
    plain = _camel(row)
    if isinstance(plain.get("begunAt"), int):
        plain["begunAt"] = datetime.fromtimestamp(plain["begunAt"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**{_snake(key): plain[key] for key in plain if _snake(key) in row}, **plain}


def _later(row: Row) -> Row:
    """The row after somebody changed it."""
    return {**row, "units": row["units"] + 1, "modified": "2026-11-20T08:00:00Z"}


def _uuid(number: int) -> str:
    return f"{number * 7919:08x}-{number:04x}-4000-8000-{number * 104729:012x}"


def _with_uuid(n: int, row: Row) -> Row:
    return {**row, "id": _uuid(row["id"]), "legacyId": row["id"]}


def _whose(row: Row) -> str:
    return str(row.get("patientUuid") or row["patient_uuid"])


def _tenant(world: World) -> None:
    for each in world.lists.values():
        each.path = f"/tenants/t1{each.path}"


def _hidden_tenant(world: World) -> None:
    _tenant(world)
    for each in world.lists.values():
        each.hidden = True


def _overlap(every: list[Row]) -> list[Row]:
    """The last row of each page of 25 stands on the next one as well."""
    return [each for n, row in enumerate(every) for each in ([row, row] if n % 24 == 23 else [row])]


_DRIFT = "extract.orders:no_schema_drift"
_VISITS = "extract.visits:no_schema_drift"
_GONE = ("source.portfolio:hierarchy_proven", "prepare.dependencies:dependencies_proven", "extract.orders:extract_complete")

FRESH: tuple[Case, ...] = (
    _case(
        "a field is renamed to one that the description knew",
        Ward,
        rows("visit", renamed("ward", "station")),
        "clean.visit:columns_filled",
        "clean.visit:values_stay",
        meant=lambda row: {**_either(row), "ward": row["station"]} if row.get("station") else _either(row),
    ),
    _case(
        "the time of change has another name, and only what changed is read",
        Register,
        rows("order", lambda n, row: renamed("modified", "changedAt")(n, _later(row) if n % 6 == 0 else row)),
        "extract.orders:no_schema_drift",
        meant=lambda row: {**row, "modified": row["changedAt"]} if "changedAt" in row else row,
    ),
    _case(
        "truth becomes Y and N under another name",
        Shop,
        rows("order", lambda n, row: {**_without(row, "express"), "isExpress": "Y" if row["express"] else "N"}),
        _DRIFT,
        meant=lambda row: row | dict.fromkeys(("express", "isExpress"), row["isExpress"] == "Y") if "isExpress" in row else row,
    ),
    _case(
        "a decimal comma comes under another name",
        Shop,
        rows("order", lambda n, row: {**_without(row, "weight"), "kilograms": f"{row['weight']:.2f}".replace(".", ",")}),
        _DRIFT,
        meant=_weighed,
    ),
    _case(
        "a list becomes a text with commas",
        Shop,
        rows("order", lambda n, row: {**row, "labels": ",".join(row["labels"])}),
        _DRIFT,
        outcome="asks",
    ),
    _case(
        "thousands get a separator",
        Shop,
        rows("order", lambda n, row: {**row, "amount": f"{row['amount']:,.2f}"}),
        _DRIFT,
        meant=lambda row: {**row, "amount": float(str(row["amount"]).replace(",", ""))} if "amount" in row else row,
    ),
    _case(
        "ids become uuids, the old one stands beside",
        Market,
        rows("customer", _with_uuid),
        "extract.customers:no_schema_drift",
        outcome="asks",
    ),
    _case(
        "the last page has another envelope", Market, listed("order", said=_last_elsewhere, longest=25), *_GONE, outcome="asks"
    ),
    _case(
        "a list inside moves one level down",
        Shop,
        rows("order", lambda n, row: {**_without(row, "lines"), "content": {"lines": row["lines"]}}),
        _DRIFT,
        "extract.orders:fields_seen",
        unsure=("labels", "lines", "content", "content.lines"),
    ),
    _case(
        "a list inside has another name",
        Shop,
        rows("order", lambda n, row: {**_without(row, "lines"), "lineItems": row["lines"]}),
        _DRIFT,
        "extract.orders:fields_seen",
        unsure=("labels", "lines", "lineItems"),
    ),
    _case(
        "all pages begin with one",
        Clinic,
        both(listed("visit", first=1), listed("patient", first=1)),
        "extract.visits:extract_complete",
        "extract.patients:extract_complete",
        lists=("patient",),
    ),
    _case("every page is partial content", Market, listed("order", said=_partial), outcome="copes"),
    _case("every page is a multi-status", Market, listed("order", said=_multi), *_GONE, outcome="asks"),
    _case(
        "null in place of an empty list",
        Depot,
        both(
            listed("parcel", said=_null_for_none),
            lambda world: world.lists["depot"].rows.append({**world.lists["depot"].rows[0], "depotId": 99, "title": "new"}),
        ),
        outcome="copes",
    ),
    _case(
        "null in place of an empty list inside",
        Shop,
        rows("order", lambda n, row: {**row, "lines": row["lines"] or None}),
        outcome="copes",
    ),
    _case(
        "instants become local times without a zone",
        Market,
        rows(
            "order",
            lambda n, row: {
                **row,
                "modified": f"{row['modified'][:11]}{(int(row['modified'][11:13]) + 2) % 24:02}{row['modified'][13:-1]}",
            },
        ),
        "clean.order:values_stay",
        outcome="asks",
    ),
    _case(
        "all keys of a list are written with underscores",
        Clinic,
        both(listed("visit", owner=_whose), rows("visit", lambda n, row: _snaked(row))),
        _VISITS,
        meant=_either,
        rounds=2,
    ),
    _case("rows stand at both edges of pages", Market, listed("order", repeat=_overlap), "extract.orders:extract_complete"),
    _case("all lists go below a tenant", Market, _tenant, "source.credentials:auth_valid", rounds=2),
    _case(
        "all lists go below a tenant that nothing names", Market, _hidden_tenant, "source.credentials:auth_valid", outcome="asks"
    ),
    _case("records stand by their ids", Market, listed("order", said=_by_id), *_GONE, unsure=("_mapKey",)),
    _case(
        "percent signs come",
        Market,
        rows("order", lambda n, row: {**row, "weight": f"{row['weight']} %"}),
        _DRIFT,
        outcome="asks",
    ),
    _case(
        "all records but one are gone",
        Archive,
        lambda world: world.lists["order"].rows.__delitem__(slice(1, None)),
        "clean.order:source_stays",
        outcome="asks",
    ),
    _case(
        "a list is to be had per customer only",
        Market,
        listed("order", pick=("customerId", "customerId"), needed=True),
        *_GONE,
        outcome="asks",
        says="rule route for source market, entity order: path: /orders, parameter: customerId, parent: customer.id",
    ),
    # two at once: the second is asked about as soon as the first, which hid it, is healed
    _case(
        "thousands get a separator, and weights another unit",
        Shop,
        rows("order", lambda n, row: {**row, "amount": f"{row['amount']:,.2f}", "weight": round(row["weight"] * 2.20462, 2)}),
        _DRIFT,
        outcome="asks",
        partly=True,
        says="clean.order.weight@",
    ),
    _case(
        "a field has another name, and weights another unit",
        Archive,
        rows("order", lambda n, row: {**renamed("note", "remark")(n, row), "weight": round(row["weight"] * 2.20462, 2)}),
        _DRIFT,
        outcome="asks",
        partly=True,
        says="clean.order.weight@",
    ),
    _case(
        "what holds the rows has another name, and units are nought",
        Market,
        both(listed("order", place=("results",)), rows("order", lambda n, row: {**row, "units": 0})),
        *_GONE,
        outcome="asks",
        partly=True,
        says="clean.order.units@",
    ),
    _case(
        "pages are counted, and weights are grams",
        Market,
        both(
            listed("order", style="page", names=("page", "limit")),
            rows("order", lambda n, row: {**row, "weight": row["weight"] * 1000}),
        ),
        "extract.orders:extract_complete",
        "extract.orders:table_made",
        outcome="asks",
        partly=True,
        says="clean.order.weight@",
    ),
    _case(
        "a name is written otherwise, and Prepare saw it first",
        Depot,
        rows("depot", renamed("zipCode", "zip_code")),
        "clean.depot:columns_filled",
        meant=lambda row: {**row, "zipCode": row["zip_code"]} if "zip_code" in row else row,
        adopted=True,
    ),
    _case(
        "a field has another name, and Prepare saw it first",
        Depot,
        rows("depot", renamed("gates", "doors")),
        "clean.depot:columns_filled",
        meant=lambda row: {**row, "gates": row["doors"]} if "doors" in row else row,
        adopted=True,
    ),
    _case(
        "a new status",
        Market,
        rows("order", lambda n, row: {**row, "status": "returned" if n % 9 == 0 else row["status"]}),
        outcome="copes",
    ),
)
