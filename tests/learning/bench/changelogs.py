"""What changelogs of APIs that many use have told: pages, limits, forms of values and of bodies that came from one day to the next.

Thought of in one list before it was looked at how the product deals with any of them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.conformance.servers.api import Answer, Asked, RefusedError
from tests.learning.bench.cases import Case, Change, both, listed, new_list, rows
from tests.learning.bench.foreign import Entities, Graph, at_first
from tests.learning.bench.fresh import Shop
from tests.learning.bench.makes import Hospital, Keys, Opaque, Search, incomplete
from tests.learning.bench.shapes import Clinic, Depot
from tests.learning.bench.worlds import WORDS, Archive, List, Market, Row, World
from tests.learning.bench.writings import Purse

Said = Callable[[Answer, Asked], Answer]


def _case(name: str, world: type[World], change: Change | None, *fails: str, **more: Any) -> Case:
    lists = {Clinic: ("patient", "visit"), Depot: ("depot", "parcel")}.get(world, ("customer", "order"))
    unsure = ("labels", "lines") if world is Shop else ()
    return Case(name, "changelogs", world, change, fails, **{"lists": lists, "unsure": unsure, **more})


def _body(change: Callable[[Any], Any]) -> Said:
    return lambda answer, asked: replace(answer, body=change(answer.body))


def _set(name: str, change: Callable[[int, Any], Any]) -> Callable[[int, Row], Row]:
    return lambda n, row: {**row, name: change(n, row[name])}


def _without(row: Row, *names: str) -> Row:
    return {key: value for key, value in row.items() if key not in names}


# ---------------------------------------------------------------- pages


def _numbered(answer: Answer, asked: Asked) -> Answer:
    """Pages after the first are objects whose names are numbers."""
    start = int(asked.query.get("offset", 0))
    if not start:
        return answer
    return replace(answer, body={**answer.body, "items": {str(start + n): row for n, row in enumerate(answer.body["items"])}})


def _alone(answer: Answer, asked: Asked) -> Answer:
    """A page of one record is that record."""
    items = answer.body["items"]
    return replace(answer, body={**answer.body, "items": items[0]}) if len(items) == 1 else answer


def _one_more(world: World) -> None:
    order = world.lists["order"]
    order.rows = [*order.rows, {**order.rows[0], "id": 9001, "reference": "ORD-X"}]
    order.longest, order.said = 30, _alone


def _clamped(world: World) -> None:
    """Whatever number of a page is asked for behind the last one, the last one comes."""
    order = world.lists["order"]
    order.longest = 30

    def said(answer: Answer, asked: Asked) -> Answer:
        wanted = min(int(asked.query.get("per_page", 25)), 30)
        last = -(-len(order.rows) // wanted)
        return replace(answer, body=order.rows[(last - 1) * wanted :]) if int(asked.query.get("page", 1)) > last else answer

    order.said = said


def _deleted_meanwhile(world: World) -> None:
    """Three times, a record of the first page goes as the third page is asked for: what stood first there stands before it now."""
    order = world.lists["order"]
    order.longest = 25
    left = [1, 1, 1]

    def said(answer: Answer, asked: Asked) -> Answer:
        if asked.query.get("offset") == "25" and left:
            left.pop()
            order.rows = order.rows[1:]
        return answer

    order.said = said


def _unnumbered(answer: Answer, asked: Asked) -> Answer:
    if "page" in asked.query:
        raise RefusedError(400, "page cannot be passed any more: follow the Link header, which has a page_info")
    return answer


def _skip_token(answer: Answer, asked: Asked) -> Answer:
    def coded(match: re.Match[str]) -> str:
        return f"{match[1]}c{int(match[2]):x}"

    link = answer.body.get("@odata.nextLink")
    if link is None:
        return answer
    return replace(answer, body={**answer.body, "@odata.nextLink": re.sub(r"(skiptoken=)(\d+)", coded, link)})


def _called_otherwise(body: Row) -> Row:
    return {"hasMore" if key == "has_more" else key: value for key, value in body.items()}


# ---------------------------------------------------------------- answers


def _too_fast(answer: Answer, asked: Asked) -> Answer:
    return Answer({"message": "You have exceeded a secondary rate limit"}, 403, {"Retry-After": "1"})


def _none_left(answer: Answer, asked: Asked) -> Answer:
    told = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 1)}
    return Answer({"message": "API rate limit exceeded for this token"}, 403, told)


def _later(answer: Answer, asked: Asked) -> Answer:
    return Answer(None, 202, {"Retry-After": "1"})


def _in_work(answer: Answer, asked: Asked) -> Answer:
    return Answer({"status": "processing"}, 202)


def _not_modified(answer: Answer, asked: Asked) -> Answer:
    return Answer(None, 304)


def _prefixed(answer: Answer, asked: Asked) -> Answer:
    return replace(answer, body=b")]}',\n" + json.dumps(answer.body).encode(), type="application/json")


def _said_to_be_html(answer: Answer, asked: Asked) -> Answer:
    return replace(answer, body=json.dumps(answer.body).encode(), type="text/html")


def _too_much(answer: Answer, asked: Asked) -> Answer:
    if int(asked.query.get("limit", 10)) > 20:
        message = "Please reduce the amount of data you're asking for, then retry your request"
        return Answer({"error": {"code": 1, "message": message}}, 500)
    return answer


def _not_found(answer: Answer, asked: Asked) -> Answer:
    if asked.path == "/depots/44/parcels":
        raise RefusedError(404, "Not Found")
    return answer


def _with_included(body: Row) -> Row:
    """Other records stand beside, more than of the list itself."""
    beside = [{"id": 70_000 + n, "type": "agent", "name": WORDS[n % 12], "reference": f"A{n}"} for n in range(120)]
    return {"included": beside, **body}


def _ids_alone(answer: Answer, asked: Asked) -> Answer:
    return replace(answer, body={**answer.body, "items": [{"id": row["id"]} for row in answer.body["items"]]})


# ---------------------------------------------------------------- values


def _defaults_left_out(n: int, row: Row) -> Row:
    return {key: value for key, value in row.items() if value is not False and value != 0}


def _cut_lists(n: int, row: Row) -> Row:
    lines = row["lines"]
    return {
        **row,
        "lines": {"object": "list", "data": lines[:1], "has_more": len(lines) > 1, "url": f"/orders/{row['id']}/lines"},
    }


def _account(number: Any) -> str:
    return hashlib.sha256(f"account {number}".encode()).hexdigest()[:24]


def _with_account(n: int, row: Row) -> Row:
    return {"accountId": _account(row["id"]), **_without(row, "id")}


def _by_account(n: int, row: Row) -> Row:
    return {**_without(row, "customerId"), "customerAccountId": _account(row["customerId"])}


def _document(n: int, text: str) -> Row:
    return {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [{"type": "text", "text": text}]}]}


def _in_milliseconds(n: int, text: str) -> str:
    return f"/Date({int(datetime.fromisoformat(text.replace('Z', '+00:00')).timestamp() * 1000)})/"


def _from_net(row: Row) -> Row:
    found = re.fullmatch(r"/Date\((\d+)\)/", row.get("modified", ""))
    return {**row, "modified": datetime.fromtimestamp(int(found[1]) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")} if found else row


def _with_its_time(n: int, row: Row) -> Row:
    return {
        key: value if key == "id" else {"value": value, "timestamp": f"2026-01-{1 + n % 28:02}T10:00:00Z"}
        for key, value in row.items()
    }


def _global(kind: str, number: Any) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


def _suppliers(world: World) -> None:
    known = world.lists["customer"].rows
    more = [{"id": 1000 + n, "name": f"{WORDS[n % 12]} works", "city": WORDS[n % 7], "kind": "supplier"} for n in range(12)]
    world.lists["customer"].rows = [*({**row, "kind": "customer"} for row in known), *more]


def _archived(world: World) -> None:
    """The older half has a list of its own, which the root names."""
    known = world.lists["order"]
    world.lists["archived"] = List("/archived-orders", known.rows[:45])
    known.rows = known.rows[45:]


def _some_in_grams(n: int, row: Row) -> Row:
    grams = n % 2 == 0
    return {**row, "weight": row["weight"] * 1000 if grams else row["weight"], "weightUnit": "g" if grams else "kg"}


_DRIFT = "extract.orders:no_schema_drift"
_SEEN = "extract.orders:fields_seen"
_WHOLE = "extract.orders:extract_complete"
_GONE = ("source.portfolio:hierarchy_proven", "prepare.dependencies:dependencies_proven", _WHOLE, "extract.orders:table_made")
_TYPES = (_DRIFT, "clean.order:types_hold", "clean.order:quarantine_small")
_STAYS = "clean.order:values_stay"
_VALUES = ("reference", "customerId", "status", "placed", "units", "weight", "note", "modified")

CHANGELOGS: tuple[Case, ...] = (
    # pages
    _case(
        "an empty page with a token stands in the middle", Opaque, listed("order", tokens="empty", longest=25), outcome="copes"
    ),
    _case("a page in the middle has no key of records", Opaque, listed("order", tokens="absent", longest=25), outcome="copes"),
    _case("tokens hold all marks of base64", Opaque, listed("order", tokens="marks", longest=25), outcome="copes"),
    _case(
        "later pages are objects with numbers as names",
        Market,
        listed("order", said=_numbered, longest=25),
        *_GONE,
        outcome="asks",
    ),
    _case("a last page of one record is that record", Market, _one_more, *_GONE, outcome="asks"),
    _case("behind the last page comes the last one", Archive, _clamped, outcome="copes"),
    _case("records are deleted while the list is read", Market, _deleted_meanwhile, outcome="copes"),
    _case(
        "numbers of pages are refused, a header leads on",
        Archive,
        listed("order", style="link", names=("page_info", "per_page"), said=_unnumbered),
        *_GONE,
        "plan_holds",
    ),
    _case(
        "an offset gives way to a token in the next page's address",
        Entities,
        listed("order", style="cursor", names=("$skiptoken", "$top"), said=_skip_token),
        outcome="copes",  # the address is followed as it stands
    ),
    _case("what says that more follows has another name", Keys, listed("order", said=_body(_called_otherwise)), outcome="copes"),
    _case(
        "long pages end in an error of the server",
        Market,
        listed("order", said=_too_much),
        *_GONE,
        "prepare.constraints:page_limits_known",
    ),
    # answers
    _case("403 says that it was too fast", Market, listed("order", said=at_first(_too_fast, 3)), outcome="copes"),
    _case(
        "403 says by its headers that nothing is left", Archive, listed("order", said=at_first(_none_left, 3)), outcome="copes"
    ),
    _case("a list is made while one waits", Market, listed("order", said=at_first(_later, 3)), outcome="copes"),
    _case("a list is being made for ever", Market, listed("order", said=_in_work), *_GONE, outcome="asks"),
    _case("not modified, though nobody asked", Market, listed("order", said=at_first(_not_modified, 3)), outcome="copes"),
    _case(
        "the total becomes a record",
        Market,
        listed("order", said=_body(lambda body: {**body, "total": {"value": body["total"], "relation": "eq"}})),
        outcome="copes",
    ),
    _case("a longer list stands beside", Market, listed("order", said=_body(_with_included)), outcome="copes"),
    _case(
        "a search did not come to its end",
        Search,
        listed("order", repeat=lambda every: [row for n, row in enumerate(every) if n % 4], said=incomplete(True)),
        _WHOLE,
        outcome="asks",
        says="incomplete",
    ),
    _case(
        "the body is a text in a record",
        Market,
        listed("order", said=_body(lambda body: {"statusCode": 200, "headers": {}, "body": json.dumps(body)})),
        *_GONE,
        outcome="asks",
    ),
    _case("a mark against hijackers stands first", Archive, listed("order", said=_prefixed), *_GONE, outcome="asks"),
    _case("JSON is said to be a page", Market, listed("order", said=_said_to_be_html), outcome="copes"),
    _case(
        "one parent's list is not found",
        Depot,
        listed("parcel", said=_not_found),
        "extract.parcels:extract_complete",
        outcome="asks",
    ),
    _case("older records go to a list of their own", Market, _archived, "clean.order:records_stay", outcome="asks"),
    _case(
        "the list that took its place gives ids alone",
        Market,
        both(listed("order", status=410), new_list("search", "/orders-search", "order", said=_ids_alone)),
        *_GONE,
        outcome="asks",
        lists=("customer",),
    ),
    # values
    _case(
        "what is false or nought is left out",
        Purse,
        rows("order", _defaults_left_out),
        "clean.order:columns_filled",
        _STAYS,
        outcome="asks",
    ),
    _case(
        "an empty list in place of a record",
        Clinic,
        rows("patient", lambda n, row: {**row, "address": []} if n % 5 == 0 else row),
        outcome="copes",
        meant=lambda row: _without(row, "address") if row.get("address") == [] else row,
        lists=("patient",),
    ),
    _case("lists inside are cut, and say so", Shop, rows("order", _cut_lists), _DRIFT, outcome="asks"),
    _case(
        "a reference is expanded",
        Market,
        rows("order", _set("customerId", lambda n, v: {"id": v, "object": "customer", "balance": n % 7})),
        _DRIFT,
        unsure=("customerId",),
    ),
    _case(
        "account ids take the place of ids",
        Market,
        both(rows("customer", _with_account), rows("order", _by_account)),
        "extract.customers:primary_key_present",
        "extract.customers:no_schema_drift",
        outcome="asks",
        says="rule primary_key for source market, entity customer: path: accountId",  # the orders would lose their customers
    ),
    _case(
        "ids in capitals on one side",
        Hospital,
        both(
            rows("patient", _set("uuid", lambda n, v: v.upper())),
            listed("visit", owner=lambda row: row["patientUuid"].upper()),
        ),
        "clean.patient:values_stay",
        "clean.patient:records_stay",
        outcome="asks",  # old visits keep the patients of then, as the history has them
    ),
    _case(
        "a text becomes a document",
        Market,
        rows("order", _set("note", _document)),
        _DRIFT,
        outcome="asks",  # its column would hold JSON, which breaks who reads it as a text
    ),
    _case("instants are written as by .NET", Market, rows("order", _set("modified", _in_milliseconds)), *_TYPES, meant=_from_net),
    _case(
        "days become records of their parts",
        Purse,
        rows("order", _set("due", lambda n, v: dict(zip(("year", "month", "day"), map(int, v.split("-")), strict=True)))),
        *_TYPES,
        outcome="asks",
    ),
    _case("each value stands in a record with its time", Market, rows("order", _with_its_time), _DRIFT, _SEEN, unsure=_VALUES),
    _case(
        "a record becomes a text",
        Clinic,
        rows("patient", _set("address", lambda n, v: json.dumps(v))),
        "extract.patients:no_schema_drift",
        outcome="asks",
        lists=("patient",),
    ),
    _case(
        "a field has the name of the key's column",
        Market,
        rows("order", lambda n, row: {**row, "orderId": f"EXT-{n * 3}"}),
        _DRIFT,
    ),
    _case(
        "half of the records have another unit, which a field says",
        Purse,
        rows("order", _some_in_grams),
        _DRIFT,
        outcome="asks",
        says="What fails beside it is looked at next: clean.order:values_stay.",
    ),
    _case(
        "two hundred fields come at once",
        Market,
        rows("order", lambda n, row: {**row, **{f"cf_{k}": n * k % 97 for k in range(200)}}),
        _DRIFT,
        outcome="asks",  # that many rules nobody could look through
        says="too many for one rule each",
    ),
    _case(
        "global ids on both sides",
        Graph,
        both(
            rows("customer", _set("id", lambda n, v: _global("Customer", v))),
            rows(
                "order",
                lambda n, row: {**row, "id": _global("Order", row["id"]), "customerId": _global("Customer", row["customerId"])},
            ),
        ),
        "extract.customers:no_schema_drift",
        _DRIFT,
        outcome="asks",
    ),
    _case("other kinds of records come among them", Market, _suppliers, "extract.customers:no_schema_drift"),
)
