"""Gaps that stand in no list of kinds: what else happens to APIs in use."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.conformance.servers.api import Answer, Asked, RefusedError
from tests.learning.bench.cases import Case, Change, both, listed, new_list, rows
from tests.learning.bench.shapes import Clinic, Depot, visits
from tests.learning.bench.worlds import Archive, Desk, List, Market, Row, Stream, World

_OWNERS = {row["visitNo"]: row["patientUuid"] for row in visits()}
_CLINIC, _DEPOT = ("patient", "visit"), ("depot", "parcel")

ANY = "any"


def _body(change: Callable[[Any], Any]) -> Callable[[Answer, Asked], Answer]:
    return lambda answer, asked: replace(answer, body=change(answer.body))


def _case(name: str, world: type[World], change: Change, *fails: str, **more: Any) -> Case:
    lists = {Clinic: _CLINIC, Depot: _DEPOT}.get(world, ("customer", "order"))
    return Case(name, "not listed", world, change, fails or (ANY,), **{"lists": lists, **more})


def _total_in_header(answer: Answer, asked: Asked) -> Answer:
    body = dict(answer.body)
    return replace(answer, body=body, headers={**answer.headers, "X-Total-Count": str(body.pop("total"))})


def _page_total(answer: Answer, asked: Asked) -> Answer:
    return replace(answer, body={**answer.body, "total": len(answer.body["items"])})


def _called(old: str, new: str) -> Callable[[Answer, Asked], Answer]:
    return _body(lambda body: {new if key == old else key: value for key, value in body.items()})


def _html(answer: Answer, asked: Asked) -> Answer:
    return Answer(b"<!doctype html><html><body><h1>Down for maintenance</h1></body></html>", type="text/html")


def _error(answer: Answer, asked: Asked) -> Answer:
    return Answer({"error": {"code": "E17", "message": "backend not available"}})


def _empty_204(answer: Answer, asked: Asked) -> Answer:
    return answer if answer.body.get("value") else Answer(b"", 204)


def _text(answer: Answer, change: Callable[[str], str] = str, encoding: str = "utf-8", kind: str = "application/json") -> Answer:
    return replace(answer, body=change(json.dumps(answer.body, ensure_ascii=False)).encode(encoding), type=kind)


def _needs(name: str) -> Callable[[Answer, Asked], Answer]:
    def said(answer: Answer, asked: Asked) -> Answer:
        if name not in asked.query:
            raise RefusedError(400, f"query parameter '{name}' is required")
        return answer

    return said


def _refused(status: int, message: str) -> Callable[[Answer, Asked], Answer]:
    def said(answer: Answer, asked: Asked) -> Answer:
        raise RefusedError(status, message)

    return said


def _successor(answer: Answer, asked: Asked) -> Answer:
    raise RefusedError(410, "moved", {"Link": '</purchases>; rel="successor-version"'})


def _versioned(world: World) -> None:
    for each in world.lists.values():
        each.path = f"/v2{each.path}"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _pascal(name: str) -> str:
    return name[0].upper() + name[1:]


def _flat_address(n: int, row: Row) -> Row:
    rest = {key: value for key, value in row.items() if key != "address"}
    return {**rest, **{f"address{_pascal(key)}": value for key, value in row["address"].items()}}


def _deep_address(row: Row) -> Row:
    if "addressStreet" not in row:
        return row
    return {**row, "address": {key: row[f"address{_pascal(key)}"] for key in ("street", "town", "zip")}}


def _without(row: Row, *names: str) -> Row:
    return {key: value for key, value in row.items() if key not in names}


_CODES = {n: f"K{n * 37 % 101:03}" for n in range(1, 13)}


def _by_code(world: World) -> None:
    """Customers have a code, and their orders are asked for by it."""
    for row in world.lists["customer"].rows:
        row["code"] = _CODES[row["id"]]
    for name in ("order", "ordersOf"):
        world.lists[name].owner = lambda row: _CODES[row["customerId"]]
        world.lists[name].needed = True


class Ledger(Desk):
    """Customers have a code as well."""

    def made(self) -> dict[str, List]:
        lists = super().made()
        lists["customer"].rows = [{**row, "code": _CODES[row["id"]]} for row in lists["customer"].rows]
        return lists


def _only_by_code(world: World) -> None:
    _by_code(world)
    for name in ("order", "ordersOf"):
        world.lists[name].said = _unknown_refused


def _unknown_refused(answer: Answer, asked: Asked) -> Answer:
    """Who asks for the children of nobody is told so."""
    given = asked.query.get("customerId") or asked.path.split("/")[2]
    if given not in _CODES.values():
        raise RefusedError(404, "no such customer")
    return answer


UNLISTED: tuple[Case, ...] = (
    _case("the total moves to a header", Market, listed("order", said=_total_in_header), outcome="copes"),
    _case("the total counts the page alone", Market, listed("order", said=_page_total)),
    _case("pages begin with nought", Archive, listed("order", first=0)),
    _case("the name of the token changes", Stream, listed("order", names=("cursor", "limit"))),
    _case(
        "the names of token and its field change",
        Stream,
        both(listed("order", names=("cursor", "limit")), listed("order", said=_called("next", "nextCursor"))),
    ),
    _case("the field of the token changes", Stream, listed("order", said=_called("next", "nextCursor"))),
    _case("pages are cut in silence, without totals", Archive, listed("order", longest=7), outcome="copes"),
    _case(
        "a page beyond the last repeats the last", Archive, listed("order", said=None, repeat=None, longest=30), outcome="copes"
    ),
    _case(
        "each record has a wrapper",
        Market,
        rows("order", lambda n, row: {"node": row, "cursor": f"k{n}"}),
        meant=lambda row: {**row, **row.get("node", {})},
    ),
    _case(
        "all but the key goes into attributes",
        Market,
        rows("order", lambda n, row: {"id": row["id"], "type": "order", "attributes": _without(row, "id")}),
        meant=lambda row: {**row, **row.get("attributes", {})},
    ),
    _case(
        "instants lose their zone",
        Market,
        rows("order", lambda n, row: {**row, "modified": row["modified"].removesuffix("Z")}),
        outcome="copes",
    ),
    _case(
        "instants are told in another zone",
        Market,
        rows("order", lambda n, row: {**row, "modified": re.sub(r"Z$", "+02:00", row["modified"])}),
        outcome="copes",
        unsure=("modified",),
    ),
    _case(
        "ids get a prefix on one side", Market, rows("customer", lambda n, row: {**row, "id": f"C-{row['id']}"}), outcome="asks"
    ),
    _case(
        "a field is split in two",
        Market,
        rows(
            "customer",
            lambda n, row: {**_without(row, "name"), "firstName": row["name"].split()[0], "lastName": row["name"].split()[1]},
        ),
    ),
    _case("a nested record becomes flat", Clinic, rows("patient", _flat_address), meant=_deep_address, lists=("patient",)),
    _case(
        "a list becomes its number",
        Clinic,
        both(
            listed("visit", owner=lambda row: row["patientUuid"]),
            rows("visit", lambda n, row: {**row, "readings": len(row["readings"])}),
        ),
        outcome="asks",
    ),
    _case(
        "records are marked as deleted",
        Market,
        rows("order", lambda n, row: {**row, "isDeleted": n % 10 == 0}),
        "extract.orders:no_schema_drift",
    ),
    _case(
        "a trailing slash is demanded, with a redirection",
        Market,
        both(new_list("moved", "/orders/", "order", hidden=True), listed("order", moved="/orders/")),
        outcome="copes",
    ),
    _case("a trailing slash is demanded, without", Market, listed("order", path="/orders/")),
    _case(
        "a gone list names its successor in the headers",
        Market,
        both(new_list("purchase", "/purchases", "order", hidden=True), listed("order", said=_successor)),
        lists=("customer",),
    ),
    _case("all lists get a new version", Market, _versioned, "source.credentials:auth_valid", rounds=2),
    _case("all lists get a new version, with children", Depot, _versioned, "source.credentials:auth_valid", rounds=2),
    _case("a filter becomes mandatory", Market, listed("order", said=_needs("status")), outcome="asks", lists=("customer",)),
    _case(
        "a list wants a credential now",
        Market,
        listed("order", said=_refused(401, "token required")),
        outcome="asks",
        lists=("customer",),
    ),
    _case(
        "amounts become cents",
        Market,
        rows("order", lambda n, row: {**row, "weight": row["weight"] * 100}),
        outcome="asks",
    ),
    _case(
        "latin-1, and it says so",
        Market,
        both(
            rows("order", lambda n, row: {**row, "note": f"Käse {n}"}),
            listed(
                "order", said=lambda answer, asked: _text(answer, encoding="latin-1", kind="application/json; charset=iso-8859-1")
            ),
        ),
        outcome="copes",
    ),
    _case(
        "latin-1, and it does not say so",
        Market,
        both(
            rows("order", lambda n, row: {**row, "note": f"Käse {n}"}),
            listed("order", said=lambda answer, asked: _text(answer, encoding="latin-1")),
        ),
        outcome="asks",
    ),
    _case(
        "a byte order mark",
        Market,
        listed("order", said=lambda answer, asked: _text(answer, encoding="utf-8-sig")),
        outcome="copes",
    ),
    _case(
        "numbers that are none",
        Market,
        both(
            rows("order", lambda n, row: {**row, "weight": float("nan") if n % 8 == 0 else row["weight"]}),
            listed("order", said=lambda answer, asked: _text(answer)),
        ),
        outcome="asks",
    ),
    _case(
        "keys come twice in one record",
        Market,
        listed("order", said=lambda answer, asked: _text(answer, lambda text: text.replace('"units"', '"units": -1, "units"'))),
        outcome="copes",
    ),
    _case("a page for people in place of a list", Market, listed("order", said=_html), outcome="asks", lists=("customer",)),
    _case("an error with status 200", Market, listed("order", said=_error), outcome="asks", lists=("customer",)),
    _case(
        "no content where there are no children",
        Depot,
        both(
            listed("parcel", said=_empty_204),
            lambda world: world.lists["depot"].rows.append({**world.lists["depot"].rows[0], "depotId": 99, "title": "new"}),
        ),
        outcome="copes",
    ),
    _case(
        "numbers are texts in late pages",
        Market,
        rows("order", lambda n, row: {**row, "units": str(row["units"]) if n >= 70 else row["units"]}),
        outcome="copes",
    ),
    _case(
        "truth becomes numbers",
        Clinic,
        rows("patient", lambda n, row: {**row, "insured": int(row["insured"])}),
        outcome="copes",
        meant=lambda row: {**row, "insured": bool(row["insured"])} if "insured" in row else row,
        lists=("patient",),
    ),
    _case(
        "words in place of missing numbers",
        Market,
        rows("order", lambda n, row: {**row, "units": "N/A" if n % 5 == 0 else row["units"]}),
        meant=lambda row: {**row, "units": None} if row.get("units") == "N/A" else row,
        outcome="asks",
    ),
    _case(
        "every field is written another way",
        Market,
        rows("order", lambda n, row: {_snake(key): value for key, value in row.items()}),
        meant=lambda row: {**row, "customerId": row["customer_id"]} if "customer_id" in row else row,
    ),
    _case(
        "every field gets a capital letter",
        Market,
        rows("order", lambda n, row: {_pascal(key): value for key, value in row.items()}),
        meant=lambda row: {**row, **{key[0].lower() + key[1:]: value for key, value in row.items()}},
    ),
    _case(
        "the instant of change becomes a number",
        Market,
        rows("order", lambda n, row: {**row, "modified": 1_700_000_000_000 + n * 61_000}),
        unsure=("modified",),
    ),
    _case("children want another id of their parent, a new one", Desk, _by_code),
    _case("children want another id of their parent, and say nothing of others", Ledger, _by_code),
    _case("children want another id of their parent, and refuse others", Ledger, _only_by_code),
    _case(
        "a field is emptied in most records",
        Market,
        rows("order", lambda n, row: {**row, "note": None if n % 10 else row["note"]}),
        outcome="asks",
    ),
)
