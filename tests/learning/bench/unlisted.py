"""Gaps that stand in no list of kinds: what else happens to APIs in use, also to one of several sources of a project."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.conformance.servers.api import Answer, Asked, RefusedError
from tests.learning.bench.cases import Case, Change, both, listed, new_list, renamed, rows, without_gate
from tests.learning.bench.shapes import Clinic, Depot, Yard
from tests.learning.bench.worlds import Archive, Desk, List, Market, Row, Stream, World

_CODES = {n: f"K{n * 37 % 101:03}" for n in range(1, 13)}


class Ledger(Desk):
    """Customers have a code as well."""

    def made(self) -> dict[str, List]:
        lists = super().made()
        lists["customer"].rows = [{**row, "code": _CODES[row["id"]]} for row in lists["customer"].rows]
        return lists


class Branch(Market):
    """A source beside another one."""


def _case(name: str, world: type[World], change: Change | None, *fails: str, **more: Any) -> Case:
    lists = {Clinic: ("patient",), Depot: ("depot", "parcel"), Yard: ("depot", "parcel", "carrier")}.get(
        world, ("customer", "order")
    )
    return Case(name, "in no list", world, change, fails, **{"lists": lists, **more})


# ---------------------------------------------------------------- answers


def _page_total(answer: Answer, asked: Asked) -> Answer:
    return replace(answer, body={**answer.body, "total": len(answer.body["items"])})


def _token_elsewhere(answer: Answer, asked: Asked) -> Answer:
    return replace(answer, body={"nextCursor" if key == "next" else key: value for key, value in answer.body.items()})


def _html(answer: Answer, asked: Asked) -> Answer:
    return Answer(b"<!doctype html><html><body><h1>Down for maintenance</h1></body></html>", type="text/html")


def _error(answer: Answer, asked: Asked) -> Answer:
    return Answer({"error": {"code": "E17", "message": "backend not available"}})


def _no_content(answer: Answer, asked: Asked) -> Answer:
    return answer if answer.body.get("value") else Answer(b"", 204)


def _written(encoding: str) -> Callable[[Answer, Asked], Answer]:
    return lambda answer, asked: replace(answer, body=json.dumps(answer.body, ensure_ascii=False).encode(encoding))


def _needs(name: str) -> Callable[[Answer, Asked], Answer]:
    def said(answer: Answer, asked: Asked) -> Answer:
        if name not in asked.query:
            raise RefusedError(400, f"query parameter '{name}' is required")
        return answer

    return said


def _unauthorized(answer: Answer, asked: Asked) -> Answer:
    raise RefusedError(401, "token required")


def _successor(answer: Answer, asked: Asked) -> Answer:
    raise RefusedError(410, "moved", {"Link": '</purchases>; rel="successor-version"'})


def _unknown_refused(answer: Answer, asked: Asked) -> Answer:
    """Who asks for the children of nobody is told so."""
    given = asked.query.get("customerId") or asked.path.split("/")[2]
    if given not in _CODES.values():
        raise RefusedError(404, "no such customer")
    return answer


# ---------------------------------------------------------------- changes


def _versioned(world: World) -> None:
    for each in world.lists.values():
        each.path = f"/v2{each.path}"


def _by_code(world: World) -> None:
    """Orders are asked for by the customer's code."""
    for name in ("order", "ordersOf"):
        world.lists[name].owner = lambda row: _CODES[row["customerId"]]
        world.lists[name].needed = True


def _only_by_code(world: World) -> None:
    _by_code(world)
    for name in ("order", "ordersOf"):
        world.lists[name].said = _unknown_refused


def _one_more_depot(world: World) -> None:
    world.lists["depot"].rows.append({**world.lists["depot"].rows[0], "depotId": 99, "title": "new"})


def _without(row: Row, *names: str) -> Row:
    return {key: value for key, value in row.items() if key not in names}


def _pascal(name: str) -> str:
    return name[0].upper() + name[1:]


def _flat_address(_: int, row: Row) -> Row:
    return {**_without(row, "address"), **{f"address{_pascal(key)}": value for key, value in row["address"].items()}}


def _deep_address(row: Row) -> Row:
    flat = "addressStreet" in row
    return {**row, "address": {key: row[f"address{_pascal(key)}"] for key in ("street", "town", "zip")}} if flat else row


def _split_name(_: int, row: Row) -> Row:
    first, last = row["name"].split()
    return {**_without(row, "name"), "firstName": first, "lastName": last}


_DRIFT = "extract.orders:no_schema_drift"
_GONE = ("source.portfolio:hierarchy_proven", "prepare.dependencies:dependencies_proven")

UNLISTED: tuple[Case, ...] = (
    _case("the total counts the page alone", Market, listed("order", said=_page_total), outcome="copes"),
    _case("pages begin with nought", Archive, listed("order", first=0), "extract.orders:extract_complete"),
    _case(
        "the names of a token and of its field change",
        Stream,
        both(listed("order", names=("cursor", "limit")), listed("order", said=_token_elsewhere)),
        "plan_holds",
        "extract.orders:table_made",
    ),
    _case(
        "each record has a wrapper",
        Market,
        rows("order", lambda n, row: {"node": row, "cursor": f"k{n}"}),
        _DRIFT,
        "extract.orders:primary_key_present",
        meant=lambda row: {**row, **row.get("node", {})},
    ),
    _case(
        "all but the key goes into attributes",
        Market,
        rows("order", lambda n, row: {"id": row["id"], "type": "order", "attributes": _without(row, "id")}),
        _DRIFT,
        meant=lambda row: {**row, **row.get("attributes", {})},
    ),
    _case(
        "every field gets a capital letter",
        Market,
        rows("order", lambda n, row: {_pascal(key): value for key, value in row.items()}),
        _DRIFT,
        "extract.orders:primary_key_present",
        meant=lambda row: {**row, **{key[0].lower() + key[1:]: value for key, value in row.items()}},
    ),
    _case(
        "a nested record becomes flat",
        Clinic,
        rows("patient", _flat_address),
        "extract.patients:no_schema_drift",
        meant=_deep_address,
    ),
    _case(
        "the instant of change becomes a number",
        Market,
        rows("order", lambda n, row: {**row, "modified": 1_700_000_000_000 + n * 61_000}),
        _DRIFT,
        unsure=("modified",),
    ),
    _case("a slash is demanded at the end", Market, listed("order", path="/orders/"), *_GONE, fast=True),
    _case(
        "a gone list names its successor in the headers",
        Market,
        both(new_list("purchase", "/purchases", "order", hidden=True), listed("order", said=_successor)),
        *_GONE,
        lists=("customer",),
    ),
    _case("all lists get a new version", Market, _versioned, "source.credentials:auth_valid", rounds=2),
    _case("all lists get a new version, with children", Depot, _versioned, "source.credentials:auth_valid", rounds=2),
    _case(
        "a list moves with its children, another one stays",
        Yard,
        both(listed("depot", path="/stores"), listed("parcel", path="/stores/{depotId}/parcels")),
        *_GONE,
        "source.portfolio:hierarchy_proven",
        rounds=2,
    ),
    _case("children want another id of their parent", Ledger, _by_code, "extract.orders:extract_complete"),
    _case(
        "children want another id of their parent and refuse others",
        Ledger,
        _only_by_code,
        *_GONE,
        "extract.orders:extract_complete",
    ),
    _case(
        "a field is emptied in most records",
        Market,
        rows("order", lambda n, row: {**row, "note": None if n % 10 else row["note"]}),
        "clean.order:columns_filled",
        outcome="asks",
    ),
    _case(
        "amounts become cents",
        Market,
        rows("order", lambda n, row: {**row, "weight": row["weight"] * 100}),
        "clean.order:values_stay",
        outcome="asks",
    ),
    _case("a field is split in two", Market, rows("customer", _split_name), "extract.customers:no_schema_drift", outcome="asks"),
    _case(
        "ids get a prefix on one side",
        Market,
        rows("customer", lambda n, row: {**row, "id": f"C-{row['id']}"}),
        "extract.customers:no_schema_drift",
        outcome="asks",
    ),
    _case(
        "words in place of missing numbers",
        Market,
        rows("order", lambda n, row: {**row, "units": "N/A" if n % 5 == 0 else row["units"]}),
        _DRIFT,
        meant=lambda row: row | {"units": None} if row.get("units") == "N/A" else row,
    ),
    _case(
        "a filter becomes mandatory",
        Market,
        listed("order", said=_needs("status")),
        *_GONE,
        outcome="asks",
        says="query parameter 'status' is required",
    ),
    _case("a list wants a credential now", Market, listed("order", said=_unauthorized), *_GONE, outcome="asks"),
    _case("a page for people in place of a list", Market, listed("order", said=_html), *_GONE, outcome="asks"),
    _case("an error with status 200", Market, listed("order", said=_error), *_GONE, outcome="asks"),
    _case(
        "numbers that are none",
        Market,
        both(
            rows("order", lambda n, row: {**row, "weight": float("nan") if n % 8 == 0 else row["weight"]}),
            listed("order", said=_written("utf-8")),
        ),
        outcome="copes",
        meant=lambda row: {name: None if value != value else value for name, value in row.items()},  # a number that is none
    ),
    _case(
        "latin-1",
        Market,
        both(rows("order", lambda n, row: {**row, "note": f"Käse {n}"}), listed("order", said=_written("latin-1"))),
        *_GONE,
        outcome="asks",
    ),
    _case("a byte order mark", Market, listed("order", said=_written("utf-8-sig")), outcome="copes"),
    _case(
        "no content where there are no children",
        Depot,
        both(listed("parcel", said=_no_content), _one_more_depot),
        outcome="copes",
    ),
    _case(
        "numbers are texts in late pages, and instants lose their zone",
        Market,
        both(
            rows("order", lambda n, row: {**row, "units": str(row["units"]) if n >= 70 else row["units"]}),
            rows("order", lambda n, row: {**row, "modified": re.sub("Z$", "", row["modified"])}),
        ),
        outcome="copes",
    ),
    _case(
        "a field has another name, beside another source",
        Archive,
        rows("order", renamed("note", "remark")),
        _DRIFT,
        beside=Branch,
        meant=lambda row: {**row, "note": row["remark"]} if "remark" in row else row,
    ),
    _case(
        "a gate was taken out that another source would break",
        Archive,
        None,
        "outputs_gated",
        "log.manifest:all_gates_ran",
        outcome="asks",
        documents=without_gate("primary_key_present"),
        beside=Branch,
        change_beside=rows("order", lambda n, row: {**row, "id": None if n == 5 else row["id"]}),
        refused=True,
    ),
)
