"""Answers: their shape, where the records are, and the total they declare, by evidence."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from spectra_assets.client.mask import Mask
from spectra_assets.client.records import split
from spectra_assets.client.transport import Answer
from spectra_assets.stages.asking.answers import sight, sight_of
from spectra_assets.stages.asking.locations import location_of, noun_of, records_at
from spectra_assets.stages.asking.sampling import shown_together

TWO = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
NEXT = [{"id": 3, "name": "c"}]


def answer(body: bytes, content_type: str = "application/json", status: int = 200, **headers: str) -> Answer:
    return Answer(status, {"Content-Type": content_type, **headers}, body, 1.0, 1, "http://127.0.0.1/things")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'[{"fach": "x"}]', "text/html; charset=utf-8"),
        ('[{"fach": "Ökonomie"}]'.encode("latin-1"), "application/json; charset=iso-8859-1"),
    ],
)
def test_json_is_json_in_its_declared_characters_whatever_its_type_is_called(body: bytes, kind: str) -> None:
    found = sight(answer(body, kind), Mask())
    assert (found.category, found.rows, list(found.records[0])) == ("readable", 1, ["fach"])


def test_a_message_has_its_values_filled_in() -> None:
    body = b'{"message": "\\"%fieldName\\" is required. Enter and try again.", "parameters": {"fieldName": "searchCriteria"}}'
    assert sight(answer(body, status=400), Mask()).reason == '400: "searchCriteria" is required. Enter and try again.'


def test_a_page_is_no_json() -> None:
    pages = [(b"<p>[1]</p>", "text/html"), (b"404", "text/html"), (b"<a/>", "application/json")]
    assert {sight(answer(body, kind), Mask()).shape for body, kind in pages} == {"html"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", TWO),
        ("", ["a", "b"]),
        ("orders", {"orders": TWO}),
        ("data.items", {"data": {"items": TWO, "total": 2}}),
        ("_embedded.orders", {"_embedded": {"orders": TWO}, "_links": {"self": {"href": "x"}}, "page": {"size": 2, "number": 0}}),
        ("response.result.rows", {"response": {"result": {"rows": TWO}}}),
        ("data", {"data": TWO, "included": [{"id": 9, "type": "x"}], "links": {"next": "x"}, "meta": {}}),
        ("members", {"ok": True, "members": TWO, "cache_ts": 17, "response_metadata": {"next_cursor": ""}}),
        ("value", {"@odata.context": "x", "@odata.count": 2, "value": TWO}),
        ("d.results", {"d": {"results": TWO, "__count": "2"}}),
        (
            "hits.hits",
            {"took": 1, "_shards": {"total": 1}, "hits": {"total": {"value": 1}, "hits": [{"_id": "a", "_source": {}}]}},
        ),
        ("features", {"type": "FeatureCollection", "bbox": [1, 2], "features": [{"type": "Feature", "properties": {"a": 1}}]}),
        ("issues", {"expand": "x", "startAt": 0, "maxResults": 50, "total": 2, "issues": TWO}),
        ("items", {"kind": "List", "apiVersion": "v1", "metadata": {"version": "1"}, "items": [{"metadata": {"name": "x"}}]}),
        ("data.viewer.repos.nodes", {"data": {"viewer": {"repos": {"nodes": TWO, "pageInfo": {"endCursor": "x"}}}}}),
        ("items", {"items": TWO, "facets": [{"name": "x", "values": [{"v": 1}]}], "warnings": []}),
        ("results", {"count": 0, "next": None, "previous": None, "results": []}),
        ("data", {"data": [], "errors": [], "links": {}}),
        ("items", {"items": [], "total": 0}),
        (r"a\.b", {"a.b": TWO, "total": 2}),
        ("results", {"info": {"count": 826, "pages": 42, "next": "x", "prev": None}, "results": TWO}),
        (
            "entry",
            {"resourceType": "Bundle", "id": "b1", "type": "searchset", "total": 2, "link": [{"relation": "self"}], "entry": TWO},
        ),
        ("folk", {"total": 640, "p": 1, "ps": 2, "folk": TWO, "actives": {}, "effortTotal": 9, "towns": NEXT}),
        ("folk", {"pages": {"pageIndex": 1, "pageSize": 9, "total": 2}, "p": 1, "ps": 9, "total": 2, "folk": TWO, "towns": NEXT}),
        ("folk", {"zork": {"page": 1, "pages": 2, "total": 3}, "folk": TWO}),
    ],
)
def test_lists_of_records(path, value):
    found = sight_of(value)
    assert (found.category, found.location) == ("readable", path)
    assert len(found.records) == found.rows == len(records_at(value, path))


@pytest.mark.parametrize(
    "value",
    [
        {"id": 1, "name": "x", "tags": [{"id": 1}]},
        {"id": 1, "name": "x", "tags": ["a"]},
        {"id": 1, "items": [{"sku": "x"}], "total": 3},
        {"name": "x", "address": {"phones": [{"n": 1}]}},
        {"race": "x", "stats": {"count": 3, "total": 4}, "results": [{"id": 1}]},
        {"customer": "x", "price": 3, "lines": [{"a": 1}], "address": {"a": 1}},
        {"home": {"street": 1, "city": 2}, "work": {"street": 1, "city": 2}},
        {"ok": True, "channel": {"id": "C1", "members": [{"id": 1}]}},
        {"_links": {"self": {"href": "/"}, "orders": {"href": "/o"}}},
        {"status": "UP", "components": {"db": {"status": "UP"}, "disk": {"status": "UP"}}},
    ],
)
def test_single_records(value):
    found = sight_of(value)
    assert (found.shape, found.location, found.records) == ("object", "$", [value])


ONE = {"id": 1, "type": "x", "attributes": {"a": 1}, "lines": [{"n": 1}]}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("$.data", {"data": ONE}),
        ("$.data", {"jsonapi": {"version": "1.0"}, "data": ONE, "included": [{"id": 2}], "links": {"self": "/orders/1"}}),
        ("$.order", {"order": ONE}),
        ("$.response.order", {"status": "success", "response": {"order": ONE}}),
        ("$.whatever", {"whatever": ONE}),
        ("$.data", {"data": {"first": "x", "second": {"a": 1}}, "meta": {"took": 3}}),
        ("$", {"whatever": {"first": "x"}}),
        ("$", {"order": ONE, "customer": {"id": 7}}),
        ("$", {"order": ONE, "colour": "red"}),
        ("$", {"type": "created", "data": ONE}),
        ("$", {"id": 3, "data": ONE}),
        ("$", {"orderNo": 3, "total": 640, "count": 2, "lines": [ONE, ONE], "customer": {"id": 7}}),
    ],
)
def test_one_record_in_an_envelope(place: str, value: dict[str, Any]) -> None:
    found = sight_of(value, noun="orders")
    assert (found.shape, found.location) == ("object", place)
    assert found.records == records_at(value, place)
    records, _ = split(msgspec.json.encode(value), place, "GET /orders/1")
    assert [msgspec.json.decode(record) for record in records] == found.records


def test_what_one_answer_has_beside_its_record_is_of_all() -> None:
    answers = [{"data": ONE}, {"data": ONE, "owner": {"id": 4}}]
    assert shown_together(answers, "$.data", "orders", None) == "$"
    assert shown_together(answers[:1] * 2, "$.data", "orders", None) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("{}", {"1001": {"id": 1001, "n": "x"}, "1002": {"id": 1002, "n": "y"}}),
        ("{}", {"EUR": {"rate": 1, "name": "e"}, "USD": {"rate": 2, "name": "u"}, "GBP": {"rate": 3, "name": "g"}}),
        ("users{}", {"users": {"u1": {"n": "x", "m": 1}, "u2": {"n": "y", "m": 2}}, "count": 2}),
        ("query.pages{}", {"batchcomplete": "", "query": {"pages": {"12": {"title": "x"}, "13": {"title": "y"}}}}),
    ],
)
def test_maps_keyed_by_id(path, value):
    found = sight_of(value)
    assert (found.shape, found.location) == ("map", path)
    assert [record["_mapKey"] for record in found.records] == list(value if path == "{}" else records_keys(value, path))


def records_keys(value: Any, path: str) -> list[str]:
    for key in path.removesuffix("{}").split("."):
        value = value[key]
    return list(value)


# ---------------------------------------------------------------- several answers


def test_a_bundle_without_entries_is_an_empty_list():
    found = sight_of(
        {"resourceType": "Bundle", "id": "b1", "type": "searchset", "total": 0, "link": [{"relation": "self", "url": "x"}]}
    )
    assert (found.shape, found.rows, found.records) == ("empty", 0, [])


def test_the_records_change_from_page_to_page():
    pages = [{"data": [{"id": 1}], "batch": TWO, "total": 3}, {"data": [{"id": 1}], "batch": NEXT, "total": 3}]
    assert location_of(pages[:1]).path == "data"
    found = location_of(pages)
    assert (found.path, found.confidence) == ("batch", 1.0)
    assert "changes over 2 answers" in found.evidence


def test_answers_for_several_parents_tell_a_record_from_an_envelope():
    records = [{"id": 1, "data": [{"a": 1}]}, {"id": 2, "data": [{"a": 2}]}]
    lists = [{"id": "list", "data": TWO, "has_more": True}, {"id": "list", "data": NEXT, "has_more": False}]
    assert location_of(records).path == "$"
    assert location_of(lists).path == "data"


def test_an_empty_first_answer_is_settled_by_the_others():
    assert location_of([{"orders": [], "customers": []}, {"orders": TWO, "customers": []}]).path == "orders"
    assert location_of([{"orders": TWO, "customers": TWO}], noun_of("/shops/{id}/orders")).path == "orders"


def test_the_size_asked_for_is_evidence():
    pages = [{"alpha": TWO, "beta": TWO + NEXT, "page": 1}, {"alpha": NEXT, "beta": [], "page": 2}]
    assert location_of(pages, size=2).path == "alpha"


# ---------------------------------------------------------------- lines, totals, what is no list


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/json", "text/plain", "application/jsonl"])
def test_one_json_text_per_line(content_type):
    found = sight(answer(b"\n".join(map(msgspec.json.encode, TWO)) + b"\n", content_type), Mask())
    assert (found.shape, found.location, found.records) == ("lines", "@lines", TWO)


def test_lines_by_content_type_may_be_a_single_one():
    assert sight(answer(b'{"id": 1}', "application/x-ndjson"), Mask()).location == "@lines"
    assert sight(answer(b'{"id": 1}'), Mask()).location == "$"


@pytest.mark.parametrize("body", [b'{"id": 1}\n{"id": ', b"{", b"nothing", b'{"a": 1} {"b": 2'])
def test_what_is_no_json_is_told(body):
    assert sight(answer(body), Mask()).category == "notJson"


@pytest.mark.parametrize(
    ("value", "headers", "total", "place"),
    [
        ({"data": TWO, "meta": {"page": {"total": 9}}}, {}, 9, "meta.page.total"),
        ({"hits": {"total": {"value": 7}, "hits": TWO}}, {}, 7, "hits.total.value"),
        ({"total": 5, "data": {"items": TWO, "totalCount": 6}}, {}, 6, "data.totalCount"),
        ({"items": TWO, "page": {"size": 2, "totalElements": 5}}, {}, 5, "page.totalElements"),
        ({"items": TWO, "count": True}, {}, None, ""),
        (TWO, {"X-Total-Count": "7"}, 7, "header X-Total-Count"),
        (TWO, {"Content-Range": "items 0-9/100"}, 100, "header Content-Range"),
        (TWO, {"Content-Range": "items 0-9/*"}, None, ""),
    ],
)
def test_declared_totals(value, headers, total, place):
    found = sight(answer(msgspec.json.encode(value), **headers), Mask())
    assert (found.declared_total, found.total_at) == (total, place)


def test_long_names_of_a_stranger_cost_no_time():
    value = {"page" * 5000 + "!": 1, **{f"{'perpage' * 20}{n}": 1 for n in range(300)}, "x": TWO, "y": TWO}
    assert sight_of(value).category == "readable"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b'{"error": "gone", "successor": {"href": "/v2/orders"}}', ("/v2/orders",)),
        (b'{"error": "GET /orders is gone, use https:\\/\\/api.example.org\\/v2\\/orders?x=1 instead."}', ("/orders", "https://api.example.org/v2/orders")),
        (b'{"message": "1/2 of it and/or none, see a/b"}', ()),
        (b"<!doctype html><a href='/home'>home</a>", ()),
    ],
)  # fmt: skip
def test_addresses_that_a_refusal_names(body: bytes, named: tuple[str, ...]) -> None:
    assert sight(answer(body, status=410), Mask(())).named == named
