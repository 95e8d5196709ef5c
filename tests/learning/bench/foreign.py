"""Gaps on APIs of other makes (HAL, JSON:API, OData, the shape of GraphQL), refusals with status 200, and what stands before APIs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from tests.conformance.servers.api import Answer, Asked, RefusedError
from tests.learning.bench.cases import Case, Change, both, listed, renamed, rows
from tests.learning.bench.fresh import Shop
from tests.learning.bench.shapes import Depot
from tests.learning.bench.worlds import Archive, Desk, List, Market, Row, Stream, World, customers, orders

Said = Callable[[Answer, Asked], Answer]


class Made(World):
    """A world whose answers `shown` writes."""

    style: dict[str, Any]

    def made(self) -> dict[str, List]:
        return {"customer": List("/customers", customers(), **self.style), "order": List("/orders", orders(), **self.style)}

    def shown(self, each: List, asked: Asked, page: list[Row], start: int, wanted: int, total: int) -> Any:
        raise NotImplementedError

    def address(self, asked: Asked, **query: Any) -> str:
        return f"{self.origin}{asked.path}?{urlencode({**asked.query, **query})}"

    def _listed(self, each: List, asked: Asked, values: dict[str, str]) -> Any:
        if each.status is not None or each.moved is not None:
            return super()._listed(each, asked, values)
        every = self._picked(each, asked, values)
        start, wanted, _ = self._cut(each, asked, every)
        total = len(every) if each.told is None else each.told
        return self.shown(each, asked, every[start : start + wanted], start, wanted, total)


class Hal(Made):
    """HAL: numbered pages from nought, records embedded, addresses in `_links`."""

    style = {"style": "page", "names": ("page", "size"), "first": 0}

    def shown(self, each: List, asked: Asked, page: list[Row], start: int, wanted: int, total: int) -> Any:
        number, size = each.names
        at = start // wanted
        links = {"self": {"href": self.address(asked)}}
        if start + wanted < total:
            links["next"] = {"href": self.address(asked, **{number: at + 1, size: wanted})}
        told = {"size": wanted, "totalElements": total, "totalPages": -(-total // wanted), "number": at}
        name = each.place[0] if each.place != ("items",) else each.path.strip("/")
        return {"_embedded": {name: page}, "_links": links, "page": told}


class Resources(Made):
    """JSON:API: attributes below, totals in `meta`, addresses in `links`."""

    style = {"style": "page", "names": ("page[number]", "page[size]")}

    def shown(self, each: List, asked: Asked, page: list[Row], start: int, wanted: int, total: int) -> Any:
        number, size = each.names
        more = start + wanted < total
        following = self.address(asked, **{number: start // wanted + 2, size: wanted}) if more else None
        return {
            "data": [resource(row, each.path.strip("/")) for row in page],
            "links": {"self": self.address(asked), "next": following},
            "meta": {"total": total},
        }


class Entities(Made):
    """OData: `$skip` and `$top`, an address of the next page."""

    style = {"style": "offset", "names": ("$skip", "$top")}

    def shown(self, each: List, asked: Asked, page: list[Row], start: int, wanted: int, total: int) -> Any:
        place, size = each.names
        made: dict[str, Any] = {"@odata.context": f"{self.origin}/$metadata#{each.path.strip('/')}", "@odata.count": total}
        made["value"] = page
        if start + wanted < total:
            made["@odata.nextLink"] = self.address(asked, **{place: start + wanted, size: wanted})
        return made


class Graph(Made):
    """The shape of GraphQL's connections, by GET."""

    style = {"style": "cursor", "names": ("after", "first")}

    def shown(self, each: List, asked: Asked, page: list[Row], start: int, wanted: int, total: int) -> Any:
        more = start + wanted < total
        told = {"hasNextPage": more, "endCursor": f"c{start + wanted:x}" if more else None}
        return {"data": {each.path.strip("/"): {"nodes": page, "pageInfo": told}}}


def resource(row: Row, kind: str) -> Row:
    """A row as a resource of JSON:API."""
    return {"type": kind, "id": str(row["id"]), "attributes": {key: value for key, value in row.items() if key != "id"}}


def _resource(row: Row) -> Row:
    return resource(row, "orders" if "reference" in row else "customers")


def _case(name: str, world: type[World], change: Change | None, *fails: str, **more: Any) -> Case:
    lists = {Depot: ("depot", "parcel")}.get(world, ("customer", "order"))
    unsure = {Shop: ("labels", "lines"), Resources: ()}.get(world, ())
    meant = _resource if world is Resources else dict
    return Case(name, "foreign shapes", world, change, fails, **{"lists": lists, "unsure": unsure, "meant": meant, **more})


# ---------------------------------------------------------------- answers


def once(said: Said, chosen: Callable[[Asked], bool] = lambda _: True) -> Said:
    """What becomes of the first answer to each request that is chosen; the same request is answered well a moment later."""
    seen: set[str] = set()

    def answered(answer: Answer, asked: Asked) -> Answer:
        key = f"{asked.path}?{urlencode(sorted(asked.query.items()))}"
        if not chosen(asked) or key in seen:
            return answer
        seen.add(key)
        return said(answer, asked)

    return answered


def at_first(said: Said, most: int, chosen: Callable[[Asked], bool] = lambda _: True) -> Said:
    """What becomes of the first so many answers to requests that are chosen."""
    left = [1] * most
    return lambda answer, asked: said(answer, asked) if left and chosen(asked) and left.pop() else answer


def _a_later_page(asked: Asked) -> bool:
    return bool(asked.query.get("after")) and int(asked.query.get("limit", 0)) > 100


def always(said: Said, chosen: Callable[[Asked], bool]) -> Said:
    """What becomes of every answer to the requests that are chosen."""
    return lambda answer, asked: said(answer, asked) if chosen(asked) else answer


def of_people(*numbers: int) -> Callable[[Asked], bool]:
    """The lists of these customers."""
    texts = {str(number) for number in numbers}
    return lambda asked: asked.query.get("customerId") in texts or asked.path.split("/")[2:3] in [[text] for text in texts]


def later(names: tuple[str, ...], least: int = 20) -> Callable[[Asked], bool]:
    """Pages that begin behind so many rows, or are no first ones."""
    return lambda asked: any(
        ((text := asked.query.get(name, "")).isdigit() and int(text) >= least) or text.startswith("c") for name in names
    )


def _slow_down(answer: Answer, asked: Asked) -> Answer:
    return Answer({"status": "RATE_LIMIT", "message": "slow down"})


def _busy(answer: Answer, asked: Asked) -> Answer:
    return Answer({"state": "BUSY", "text": "the export is being written"})


def _errors(answer: Answer, asked: Asked) -> Answer:
    return Answer({"data": {"orders": None}, "errors": [{"message": "shard 3 did not answer", "path": ["orders"]}]})


def _xml(answer: Answer, asked: Asked) -> Answer:
    return Answer(b"<?xml version='1.0'?><orders><order><id>1</id></order></orders>", type="application/xml")


def _maintenance(answer: Answer, asked: Asked) -> Answer:
    return Answer(b"<!doctype html><html><body>We are down for maintenance</body></html>", type="text/html")


def _challenge(answer: Answer, asked: Asked) -> Answer:
    return Answer(
        b"<html><title>Attention required!</title><script src='/cdn-cgi/challenge'></script></html>", 403, type="text/html"
    )


def _cut_body(answer: Answer, asked: Asked) -> Answer:
    text = json.dumps(answer.body).encode()
    return replace(answer, body=text[: len(text) // 2])


def _gzip_said(answer: Answer, asked: Asked) -> Answer:
    return replace(answer, headers={**answer.headers, "Content-Encoding": "gzip"})


def _expired(answer: Answer, asked: Asked) -> Answer:
    return Answer({"message": "this cursor has expired"}, 410)


def _versioned(answer: Answer, asked: Asked) -> Answer:
    if "X-Api-Version" not in asked.headers:
        raise RefusedError(400, "header X-Api-Version is required")
    return answer


def _deprecated(answer: Answer, asked: Asked) -> Answer:
    told = {"Deprecation": "true", "Sunset": "Wed, 31 Dec 2036 23:59:59 GMT", "Warning": '299 - "this list will be removed"'}
    return replace(answer, headers={**answer.headers, **told})


def _elsewhere(answer: Answer, asked: Asked) -> Answer:
    return Answer(None, 301, {"Location": f"http://127.0.0.2:9{asked.path}/"})


def _twice_named(answer: Answer, asked: Asked) -> Answer:
    text = json.dumps(answer.body).replace('"note": ', '"note": "old", "note": ')
    return replace(answer, body=text.encode())


def _second_version(answer: Answer, asked: Asked) -> Answer:
    body = answer.body
    return replace(answer, body={"d": {"results": body["value"], "__count": str(body["@odata.count"])}})


def _relative(answer: Answer, asked: Asked) -> Answer:
    links = answer.body["_links"]
    cut = {name: {"href": "/" + link["href"].split("/", 3)[3]} for name, link in links.items()}
    return replace(answer, body={**answer.body, "_links": cut})


def _one_for_a_list(row: Row) -> Row:
    return {**row, "lines": row["lines"][0] if len(row["lines"]) == 1 else row["lines"]}


def _german_number(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def _dotted(row: Row) -> Row:
    """The row with its amount as a number."""
    value = row.get("amount")
    return {**row, "amount": float(value.replace(".", "").replace(",", "."))} if isinstance(value, str) else row


def _halved(*names: str) -> Change:
    def applied(world: World) -> None:
        for name in names:
            del world.lists[name].rows[len(world.lists[name].rows) // 2 :]

    return applied


_DRIFT = "extract.orders:no_schema_drift"
_WHOLE = "extract.orders:extract_complete"
_GONE = ("source.portfolio:hierarchy_proven", "prepare.dependencies:dependencies_proven", _WHOLE, "extract.orders:table_made")

FOREIGN: tuple[Case, ...] = (
    _case(
        "some lists say to slow down, with status 200, and answer a moment later",
        Desk,
        both(listed("order", said=once(_slow_down, of_people(3, 7))), listed("ordersOf", said=once(_slow_down, of_people(3, 7)))),
        outcome="copes",
    ),
    _case(
        "some lists say to slow down, with status 200, for ever",
        Desk,
        both(
            listed("order", said=always(_slow_down, of_people(3))),
            listed("ordersOf", said=always(_slow_down, of_people(3))),
        ),
        *_GONE,
        outcome="asks",
        says="slow down",
        never="answers no more|does not answer",
    ),
    _case("a list is busy at first, with status 200", Market, listed("order", said=once(_busy)), outcome="copes"),
    _case(
        "errors in place of a page, once",
        Graph,
        listed("order", said=once(_errors, later(("after",))), longest=25),
        "requests_steady",
        outcome="asks",
    ),
    _case(
        "errors in place of a page",
        Graph,
        listed("order", said=always(_errors, later(("after",))), longest=25),
        *_GONE,
        outcome="asks",
        says="page 2, nothing after it can be reached, status 200",
    ),
    _case("a page is XML", Market, listed("order", said=always(_xml, later(("offset",))), longest=25), *_GONE, outcome="asks"),
    _case(
        "a page for people in place of a page, once",
        Market,
        listed("order", said=once(_maintenance, later(("offset",))), longest=25),
        outcome="copes",
    ),
    _case(
        "a challenge in place of a page",
        Market,
        listed("order", said=always(_challenge, later(("offset",))), longest=25),
        *_GONE,
        outcome="asks",
    ),
    _case(
        "a page is cut in the middle",
        Market,
        listed("order", said=always(_cut_body, later(("offset",))), longest=25),
        *_GONE,
        outcome="asks",
    ),
    _case("a page says that it is packed and is not", Market, listed("order", said=_gzip_said), *_GONE, outcome="asks"),
    _case(
        "a cursor expires once", Stream, listed("order", said=at_first(_expired, 1, _a_later_page), longest=25), outcome="copes"
    ),
    _case("a list wants a header", Market, listed("order", said=_versioned), *_GONE, outcome="asks", says="X-Api-Version"),
    _case("a list will be gone", Market, listed("order", said=_deprecated), outcome="copes"),
    _case("a list moves to another server", Market, listed("order", said=_elsewhere), *_GONE, outcome="asks"),
    _case("a key stands twice in a record", Market, listed("order", said=_twice_named), outcome="copes"),
    _case(
        "the number of rows is not true",
        Market,
        listed("order", told=500),
        _WHOLE,
        "prepare.constraints:page_limits_known",
        outcome="asks",  # a list of 500 that gives 90 looks no other way
    ),
    _case("what is embedded has another name", Hal, listed("order", place=("orderList",)), *_GONE),
    _case("links become relative", Hal, listed("order", said=_relative), outcome="copes"),
    _case(
        "the number of a page has another name", Hal, listed("order", names=("p", "size")), outcome="copes"
    ),  # the links are followed
    _case(
        "what is embedded has another name, and a field",
        Hal,
        both(listed("order", place=("orderList",)), rows("order", renamed("note", "remark"))),
        *_GONE,
        _DRIFT,
        outcome="asks",  # what the field is called now shows once the list is read again, and until then its column would be empty
    ),
    _case(
        "an attribute has another name",
        Resources,
        rows("order", renamed("note", "remark")),
        _DRIFT,
        meant=lambda row: _resource({**row, "note": row["remark"]} if "remark" in row else row),
    ),
    _case(
        "the parameters of pages have other names",
        Resources,
        listed("order", names=("page[offset]", "page[limit]"), style="offset"),
        *_GONE,
        "plan_holds",
    ),
    _case("the second version's envelope", Entities, listed("order", said=_second_version), *_GONE),
    _case("pages are cut without a word", Entities, listed("order", longest=10), outcome="copes"),
    _case(
        "days get a time, and a field has another name",
        Entities,
        both(
            rows("order", lambda n, row: {**row, "placed": f"{row['placed']}T{n % 24:02}:15:00Z"}),
            rows("order", renamed("note", "remark")),
        ),
        _DRIFT,
        "times_kept",
        rounds=2,
        meant=lambda row: {**row, "note": row["remark"]} if "remark" in row else row,
    ),
    _case(
        "a number becomes a record with its unit",
        Entities,
        rows("order", lambda n, row: {**row, "weight": {"value": row["weight"], "unit": "kg"}}),
        _DRIFT,
        meant=lambda row: row,
        unsure=("weight",),
    ),
    _case(
        "numbers are written as in Germany",
        Shop,
        rows("order", lambda n, row: {**row, "amount": _german_number(row["amount"])}),
        _DRIFT,
        meant=_dotted,
    ),
    _case("a list of one becomes the one", Shop, rows("order", lambda n, row: _one_for_a_list(row)), _DRIFT, outcome="asks"),
    _case(
        "empty texts in place of no value",
        Market,
        rows(
            "order",
            lambda n, row: {**row, "placed": "" if n % 6 == 0 else row["placed"], "units": "" if n % 7 == 0 else row["units"]},
        ),
        outcome="copes",
        meant=lambda row: {key: None if value == "" else value for key, value in row.items()},
    ),
    _case(
        "a status in other letters in late rows",
        Stream,
        rows("order", lambda n, row: {**row, "status": row["status"].title() if n >= 70 else row["status"]}),
        outcome="copes",
    ),
    _case("pages are cut without a word, of a list without totals", Stream, listed("order", longest=7), outcome="copes"),
    _case(
        "keys are unique below each parent only",
        Depot,
        rows("parcel", lambda n, row: {**row, "parcelCode": f"P{n // 9}"}),
        "extract.parcels:extract_complete",
        "clean.parcel:primary_key_unique",
        "clean.parcel:rows_conserved",
        outcome="asks",  # with the parent in it the key is another one, and so is the table
    ),
    _case(
        "a new field in one list, another name in the other",  # designed anew with the one, the other's column would be lost
        Market,
        both(rows("customer", lambda n, row: {**row, "vip": n % 5 == 0}), rows("order", renamed("note", "remark"))),
        "extract.customers:no_schema_drift",
        meant=lambda row: {**row, "note": row["remark"]} if "remark" in row else row,
    ),
    _case(
        "half of all rows are gone at once",
        Archive,
        _halved("order", "customer"),
        "clean.order:records_stay",
        outcome="asks",
    ),
)
