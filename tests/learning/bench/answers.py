"""Gaps of how an API answers: other bodies, pages that lie, limits, refusals for some, addresses that move, what is left out by default."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from tests.conformance.servers.api import Answer, Asked, RefusedError
from tests.learning.bench.cases import Case, Change, both, listed, new_list, renamed, rows
from tests.learning.bench.foreign import Entities, Graph, Hal, Resources, always, of_people, once, resource
from tests.learning.bench.shapes import Clinic, Depot, parcels
from tests.learning.bench.worlds import Archive, Desk, Market, Row, Stream, World

Said = Callable[[Answer, Asked], Answer]


def _case(name: str, world: type[World], change: Change | None, *fails: str, **more: Any) -> Case:
    lists = {Clinic: ("patient", "visit"), Depot: ("depot", "parcel")}.get(world, ("customer", "order"))
    return Case(name, "answers", world, change, fails, **{"lists": lists, **more})


# ---------------------------------------------------------------- bodies


def _body(change: Callable[[Any], Any]) -> Said:
    return lambda answer, asked: replace(answer, body=change(answer.body))


def _columns(body: Row) -> Row:
    """Names once, and rows without them."""
    names = list(body["items"][0]) if body["items"] else []
    return {**body, "columns": names, "items": [[row[name] for name in names] for row in body["items"]]}


def _columns_beside(body: Row) -> Row:
    names = list(body["items"][0]) if body["items"] else []
    return {"total": body["total"], "columns": names, "rows": [[row[name] for name in names] for row in body["items"]]}


def _lines(answer: Answer, asked: Asked) -> Answer:
    text = "".join(json.dumps(row) + "\n" for row in answer.body)
    return replace(answer, body=text.encode(), type="application/x-ndjson")


def _csv(answer: Answer, asked: Asked) -> Answer:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(answer.body[0]) if answer.body else ["id"])
    writer.writeheader()
    writer.writerows(answer.body)
    return replace(answer, body=out.getvalue().encode(), type="text/csv")


def _by_status(body: Row) -> Row:
    groups: dict[str, list[Row]] = {}
    for row in body["items"]:
        groups.setdefault(row["status"], []).append({key: value for key, value in row.items() if key != "status"})
    return {**body, "items": groups}


def _by_id_alone(body: Row) -> Row:
    """The key of a record stands in front of it only."""
    return {**body, "items": {str(row["id"]): {k: v for k, v in row.items() if k != "id"} for row in body["items"]}}


def _edges(body: Row) -> Row:
    name, told = next(iter(body["data"].items()))
    return {
        "data": {
            name: {"edges": [{"node": row, "cursor": f"k{row['id']}"} for row in told["nodes"]], "pageInfo": told["pageInfo"]}
        }
    }


def _related(row: Row) -> Row:
    """An order as a resource that names its customer among its relationships."""
    told = dict(row["attributes"])
    customer = {"data": {"type": "customers", "id": str(told.pop("customerId"))}}
    return {**row, "attributes": told, "relationships": {"customer": customer}}


def _relations(body: Row) -> Row:
    return {**body, "data": [_related(row) for row in body["data"]]}


def _meant_related(row: Row) -> Row:
    """The reference stands in the column that it had."""
    if "reference" not in row:
        return resource(row, "customers")
    made = _related(resource(row, "orders"))
    return {**made, "attributes": {**made["attributes"], "customerId": row["customerId"]}}


def _packed(answer: Answer, asked: Asked) -> Answer:
    return replace(
        answer, body=gzip.compress(json.dumps(answer.body).encode()), headers={**answer.headers, "Content-Encoding": "gzip"}
    )


def _with_null(body: Row) -> Row:
    return {**body, "items": [*body["items"][:1], None, *body["items"][1:]]}


# ---------------------------------------------------------------- pages


def _shuffled(every: list[Row]) -> list[Row]:
    """The rows in another order each time: pages of it fit together by chance only."""
    return random.sample(every, len(every))


def _forgets(world: World) -> None:
    """From the third page on the offset has no effect."""
    first: list[Answer] = []

    def said(answer: Answer, asked: Asked) -> Answer:
        if not first and asked.query.get("offset", "0") == "0":
            first.append(answer)
        return first[0] if int(asked.query.get("offset", 0)) >= 50 and first else answer

    world.lists["order"].said = said
    world.lists["order"].longest = 25


def _window(answer: Answer, asked: Asked) -> Answer:
    if int(asked.query.get("offset", 0)) >= 50:
        raise RefusedError(400, "result window is too large: offset must be less than 50")
    return answer


def _never_ends(answer: Answer, asked: Asked) -> Answer:
    """There is a token on the last page too; what it leads to is empty."""
    body = answer.body
    if body.get("next") is None:
        body = {**body, "next": f"c{1 << 20:x}"}
    return replace(answer, body=body)


def _circle(answer: Answer, asked: Asked) -> Answer:
    """The last page's token leads to the first page."""
    body = answer.body
    return replace(answer, body={**body, "next": "c0"} if body.get("next") is None else body)


def _empty(answer: Answer, asked: Asked) -> Answer:
    return replace(answer, body=[])


def _relative(answer: Answer, asked: Asked) -> Answer:
    told = answer.body.get("next")
    return replace(answer, body={**answer.body, "next": "/" + told.split("/", 3)[3]}) if told else answer


def _other_host(answer: Answer, asked: Asked) -> Answer:
    told = answer.body.get("next")
    return replace(answer, body={**answer.body, "next": told.replace("127.0.0.1", "localhost")}) if told else answer


def _without_size(answer: Answer, asked: Asked) -> Answer:
    told = answer.body.get("next")
    return replace(answer, body={**answer.body, "next": told.partition("&top=")[0]}) if told else answer


# ---------------------------------------------------------------- limits and refusals


def _forbidden(answer: Answer, asked: Asked) -> Answer:
    raise RefusedError(403, "this customer's orders are under legal hold")


def _no_children(answer: Answer, asked: Asked) -> Answer:
    if not answer.body["value"] and asked.query.get("skip", "0") == "0":
        raise RefusedError(404, "no parcels")
    return answer


def _quota(most: int) -> Change:
    """So many requests of the list a day."""

    def applied(world: World) -> None:
        counted: list[str] = []

        def said(answer: Answer, asked: Asked) -> Answer:
            counted.append(asked.path)
            if len(counted) > most:
                return Answer({"message": "daily quota is used up"}, 429, {"Retry-After": "86400"})
            return answer

        world.lists["order"].said = said
        world.lists["order"].longest = 10

    return applied


def _come_at(answer: Answer, asked: Asked) -> Answer:
    """Come again at a date."""
    when = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    return Answer({"message": "busy"}, 429, {"Retry-After": format_datetime(when, usegmt=True)})


def _little_left(answer: Answer, asked: Asked) -> Answer:
    return replace(
        answer, headers={**answer.headers, "X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "9", "X-RateLimit-Reset": "1"}
    )


def _post_only(answer: Answer, asked: Asked) -> Answer:
    raise RefusedError(405, "use POST /orders/search", {"Allow": "POST"})


def _login(answer: Answer, asked: Asked) -> Answer:
    return Answer(None, 302, {"Location": "/login"})


def _moved_in_body(answer: Answer, asked: Asked) -> Answer:
    return Answer({"error": "gone", "message": "version 1 was shut down", "successor": {"href": "/v2/orders"}}, 410)


def _moved_in_words(answer: Answer, asked: Asked) -> Answer:
    return Answer({"error": f"GET {asked.path} is gone, use /v2/orders instead"}, 410)


# ---------------------------------------------------------------- what is left out


def _hides(status: str) -> Said:
    """Rows of one status come only when they are asked for."""

    def said(answer: Answer, asked: Asked) -> Answer:
        if asked.query.get("status") == status or asked.query.get("archived") == "true":
            return answer
        kept = [row for row in answer.body["items"] if row["status"] != status]
        return replace(answer, body={**answer.body, "items": kept, "total": 60})

    return said


def _sparse(body: Row) -> Row:
    """Only a few fields come unless others are asked for."""
    return {**body, "items": [{key: row[key] for key in ("id", "reference")} for row in body["items"]]}


def _unexpanded(n: int, row: Row) -> Row:
    return {**row, "address": {"href": f"/patients/{row['uuid']}/address"}}


def _capped(world: World) -> None:
    """No more than the first 40 rows, which the total does not know."""
    world.lists["order"].repeat = lambda every: every[:40]
    world.lists["order"].told = 90


def _capped_in_silence(world: World) -> None:
    world.lists["order"].repeat = lambda every: every[:40]


def _withheld(world: World) -> None:
    """Each tenth row is withheld, and counted all the same."""
    world.lists["order"].repeat = lambda every: [row for place, row in enumerate(every) if place % 10]
    world.lists["order"].told = 90


def _inlined(world: World) -> None:
    """Parcels stand in their depot, and have no list of their own any more."""
    parcels = world.lists["parcel"].rows
    world.lists["depot"].rows = [
        {**row, "parcels": [each for each in parcels if each["depotId"] == row["depotId"]]} for row in world.lists["depot"].rows
    ]
    world.lists["parcel"].status = 404


def _from_path_only(world: World) -> None:
    """The depot of a parcel is known by the path alone."""
    world.lists["parcel"].owner = lambda row: _DEPOTS[row["parcelCode"]]
    world.lists["parcel"].rows = [{k: v for k, v in row.items() if k != "depotId"} for row in world.lists["parcel"].rows]


def _newer_pages(answer: Answer, asked: Asked) -> Answer:
    """Late pages come from a server of the next version."""
    if int(asked.query.get("offset", 0)) < 50:
        return answer
    items = [renamed("note", "remark")(n, row) for n, row in enumerate(answer.body["items"])]
    return replace(answer, body={**answer.body, "items": items})


_DEPOTS = {row["parcelCode"]: row["depotId"] for row in parcels()}
_DRIFT = "extract.orders:no_schema_drift"
_WHOLE = "extract.orders:extract_complete"
_STAY = "clean.order:records_stay"
_GONE = ("source.portfolio:hierarchy_proven", "prepare.dependencies:dependencies_proven", _WHOLE, "extract.orders:table_made")

ANSWERS: tuple[Case, ...] = (
    _case("rows without names, the names once", Market, listed("order", said=_body(_columns_beside)), *_GONE, outcome="asks"),
    _case("rows without names in the same place", Market, listed("order", said=_body(_columns)), *_GONE, _DRIFT, outcome="asks"),
    _case("a list comes as lines", Archive, listed("order", said=_lines), *_GONE, outcome="copes"),
    _case("a list comes as a sheet", Archive, listed("order", said=_csv), *_GONE, outcome="asks"),
    _case("records stand in groups", Market, listed("order", said=_body(_by_status)), *_GONE, outcome="asks"),
    _case("the key stands before the record only", Market, listed("order", said=_body(_by_id_alone)), *_GONE, outcome="asks"),
    _case("nodes become edges", Graph, listed("order", said=_body(_edges)), *_GONE, outcome="asks"),
    _case(
        "a reference goes among the relationships",
        Resources,
        listed("order", said=_body(_relations)),
        _DRIFT,
        "extract.orders:fields_seen",
        meant=_meant_related,
        rounds=2,  # what stands beside it is new once it is followed
    ),
    _case("answers are packed", Market, listed("order", said=_packed), outcome="copes"),
    _case("null among the records", Market, listed("order", said=_body(_with_null)), *_GONE, outcome="asks", never="style: none"),
    _case(
        "the total is a text",
        Market,
        listed("order", said=_body(lambda body: {**body, "total": str(body["total"])})),
        outcome="copes",
    ),
    _case(
        "the total is not told any more",
        Market,
        listed("order", said=_body(lambda body: {**body, "total": None})),
        outcome="copes",
    ),
    _case("an empty object in place of a list", Market, listed("order", said=_body(lambda body: {})), *_GONE, outcome="asks"),
    _case(
        "null in place of a list",
        Market,
        listed("order", said=_body(lambda body: {"items": None, "total": 0})),
        *_GONE,
        _STAY,
        outcome="asks",
    ),
    _case("a list is empty all of a sudden", Market, listed("order", repeat=lambda every: []), *_GONE, _STAY, outcome="asks"),
    _case("rows come in another order each time", Market, listed("order", repeat=_shuffled, longest=20), _WHOLE, outcome="asks"),
    _case("late offsets lead to the first page", Market, _forgets, *_GONE, outcome="asks"),
    _case(
        "late offsets are refused",
        Market,
        both(listed("order", said=_window, longest=25)),
        *_GONE,
        outcome="asks",
        says="result window is too large",
    ),
    _case(
        "an offset counts pages",
        Market,
        listed("order", style="page", names=("offset", "limit"), first=0),
        *_GONE,
        "plan_holds",
        outcome="asks",  # its name says otherwise
        never="style: none",
    ),
    _case("the size of a page has another name", Market, listed("order", names=("offset", "pageSize"), size=10), outcome="copes"),
    _case(
        "the size of a page has another name, where nothing is counted",
        Archive,
        listed("order", names=("page", "size"), size=10),
        outcome="copes",
    ),
    _case("the last page has a token too", Stream, listed("order", said=_never_ends), outcome="copes"),
    _case("the last token leads to the first page", Stream, listed("order", said=_circle, longest=25), *_GONE, outcome="asks"),
    _case(
        "the last page is empty once",
        Archive,
        listed("order", said=once(_empty, lambda asked: asked.query.get("page") == "4"), longest=25),
        outcome="copes",
    ),
    _case("the next page's address is relative", Depot, listed("parcel", said=_relative), outcome="copes"),
    _case(
        "the next page's address names another host",
        Depot,
        listed("parcel", said=_other_host),
        outcome="copes",  # the same path and query are asked for here
    ),
    _case("the next page's address forgets the size", Depot, listed("parcel", said=_without_size), outcome="copes"),
    _case(
        "one parent is forbidden",
        Desk,
        both(listed("order", said=always(_forbidden, of_people(3))), listed("ordersOf", said=always(_forbidden, of_people(3)))),
        *_GONE,
        outcome="asks",
        says="legal hold",
    ),
    _case(
        "no list where there are no children",
        Depot,
        both(
            listed("parcel", said=_no_children),
            lambda world: world.lists["depot"].rows.append({**world.lists["depot"].rows[0], "depotId": 99, "title": "new"}),
        ),
        *_GONE,
        "extract.parcels:extract_complete",
        outcome="asks",  # what is not found may as well be what the credential may not see
        says="no parcels",
    ),
    _case("the quota of the day is used up", Market, _quota(6), *_GONE, "requests_calm", outcome="asks"),
    _case("come again at a date", Market, listed("order", said=once(_come_at)), outcome="copes"),
    _case("little is left, as the headers say", Market, listed("order", said=_little_left), outcome="copes"),
    _case("a list wants POST", Market, listed("order", said=_post_only), *_GONE, outcome="asks", says="POST /orders/search"),
    _case("a list leads to a page for signing in", Market, listed("order", said=_login), *_GONE, outcome="asks"),
    _case(
        "a gone list names its successor in the body",
        Market,
        both(new_list("purchase", "/v2/orders", "order", hidden=True), listed("order", said=_moved_in_body)),
        *_GONE,
        lists=("customer",),
    ),
    _case(
        "a gone list names its successor in words",
        Market,
        both(new_list("purchase", "/v2/orders", "order", hidden=True), listed("order", said=_moved_in_words)),
        *_GONE,
        lists=("customer",),
    ),
    _case(
        "one status is hidden unless it is asked for", Market, listed("order", said=_hides("sent")), _WHOLE, _STAY, outcome="asks"
    ),
    _case(
        "few fields come unless they are asked for",
        Market,
        listed("order", said=_body(_sparse)),
        _DRIFT,
        "extract.orders:fields_seen",
        "clean.order:values_stay",
        outcome="asks",
    ),
    _case(
        "a nested record becomes an address",
        Clinic,
        rows("patient", _unexpanded),
        "extract.patients:no_schema_drift",
        outcome="asks",
        partly=True,
        says="field address.street: required: False",
        lists=("patient",),
    ),
    _case("a list ends at 40 rows and says that there are 90", Market, _capped, _WHOLE, outcome="asks"),
    _case(
        "every tenth record is withheld and still counted",
        Market,
        _withheld,
        _WHOLE,
        outcome="asks",
        says="the API declares 90 rows and gave 81",
    ),
    _case("a list ends at 40 rows in silence", Market, _capped_in_silence, _STAY, outcome="asks"),
    _case(
        "children go into their parents",
        Depot,
        _inlined,
        "extract.depots:no_schema_drift",
        "source.portfolio:hierarchy_proven",
        outcome="asks",
    ),
    _case(
        "the parent is known by the path alone",
        Depot,
        _from_path_only,
        "extract.parcels:no_schema_drift",
        "extract.parcels:fields_seen",
        "clean.parcel:required_present",
        meant=lambda row: {**row, "depotId": _DEPOTS[row["parcelCode"]]} if "parcelCode" in row else row,
    ),
    _case(
        "late pages come from the next version",
        Market,
        listed("order", said=_newer_pages, longest=25),
        _DRIFT,
        meant=lambda row: {**row, "remark": row["note"]} if "note" in row else row,
    ),
    _case(
        "what is embedded is called records, and pages begin with one",
        Hal,
        listed("order", place=("records",), first=1),
        *_GONE,
    ),
    _case("the address of the next page is relative, and a page is short", Entities, listed("order", longest=7), outcome="copes"),
)
