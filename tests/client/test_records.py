"""Where records are in an answer, what they become, and the totals that answers declare."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.client.pager import text_at
from spectra_assets.client.pair import opened, opened_text
from spectra_assets.client.records import header_total, sparse, split
from spectra_assets.covenant.access import Fetch
from spectra_assets.errors import RetriableError, SkippableError
from tests.client.conftest import Api, Reply

Connect = Callable[..., ApiClient]


@pytest.mark.parametrize(
    ("location", "body", "expected"),
    [
        ("a\\.b.c", b'{"a.b": {"c": [{"n":1.0}]}}', [b'{"n":1.0}']),
        ("@odata\\.value", b'{"@odata.value": [{}]}', [b"{}"]),
        ("@lines", b'{"a":1}\n{"a": 2}', [b'{"a":1}', b'{"a": 2}']),
        ("@lines", b'\r\n {"a":1} \r\n\r\n{"a":2}\r\n', [b'{"a":1}', b'{"a":2}']),
        ("@lines", b'\x1e{"a":1}\n\x1e{"a":2}\n', [b'{"a":1}', b'{"a":2}']),
        ("@lines", b"1\n[2]\n", [b'{"value": 1}', b'{"value": [2]}']),
        ("@lines", b"", []),
        ("@lines", b" \n\n", []),
        ("{}", b'{"x": {"n": 1.50}, "y": { }, "z": {}}', [b'{"_mapKey":"x","n": 1.50}', b'{"_mapKey":"y"}', b'{"_mapKey":"z"}']),
        ("{}", b'{"q\\"\\u00e9": {"n":1}}', ['{"_mapKey":"q\\"é","n":1}'.encode()]),
        ("a.b{}", b'{"a": {"b": {"k": 7, "l": "t", "m": null}}}', [
            b'{"_mapKey":"k","value":7}', b'{"_mapKey":"l","value":"t"}', b'{"_mapKey":"m","value":null}']),
        ("a{}", b'{"a": {}}', []),
        ("a{}", b'{"a": null}', []),
        ("a", b'{"big": 1e400, "a": [ {"n": 1.0e2 } , {"s": "\\u00e9" } ], "b": [9]}', [b'{"n": 1.0e2 }', b'{"s": "\\u00e9" }']),
        ("a", b'{"a": 1, "b": {"a": [7]}, "a": [{"n": 12345678901234567890123}]}', [b'{"n": 12345678901234567890123}']),
        ("a", b'{"a": [{}, [2], 3]}', [b"{}", b'{"value": [2]}', b'{"value": 3}']),
        ("$.a", b'{"a": {"n": 1.50 }, "b": 7}', [b'{"n": 1.50 }']),
        ("$.a.b\\.c", b'{"a": {"b.c": {}}}', [b"{}"]),
        ("$.a", b'{"a": null}', []),
        ("$.a[]", b'{"a": [ {"n": 1.50 } ], "b": 7}', [b'{"n": 1.50 }']),
        ("$.a[]", b'{"a": []}', []),
        ("$.a[]", b'{"a": null}', []),
        ("$[]", b' [{"n": 1}]', [b'{"n": 1}']),
        ("", b'[1, null, "x"]', [b'{"value": 1}', b'{"value": null}', b'{"value": "x"}']),
    ],
)  # fmt: skip
def test_records(location: str, body: bytes, expected: list[bytes]) -> None:
    records, _ = split(body, location, "/x")
    assert records == expected
    assert all(isinstance(json.loads(record), dict) for record in records)


@pytest.mark.parametrize(
    ("location", "body", "text"),
    [
        ("{}", b"[1]", "expected a map, found an array"),
        ("a{}", b'{"a": [1]}', "expected a map at 'a', found an array"),
        ("a\\.b", b'{"a": {"b": []}}', "expected records at 'a.*b', found an object with only: a"),
        ("$.a", b'{"a": [1]}', "expected one object, found an array"),
        ("$.a[]", b'{"a": [{}, {}]}', "expected an array of one record, found one of 2"),
        ("$[]", b'{"a": 1}', "expected an array of one record, found an object"),
        ("$.a", b'{"b": {}}', "expected records at 'a', found an object with only: b"),
        ("@lines", b'[{"a": 1}]', "expected one JSON object per line, found an array"),
    ],
)
def test_another_shape_is_named(location: str, body: bytes, text: str) -> None:
    with pytest.raises(SkippableError, match=text):
        split(body, location, "/x")


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonl", "application/octet-stream", "text/plain"])
def test_lines_of_any_content_type(api: Api, connect: Connect, kind: str) -> None:
    api.replies(Reply(b'{"id": 1}\r\n\r\n{"id": 2}\n', headers={"Content-Type": kind}))
    (page,) = connect().pages(Fetch(entity="row", path="/x", records="@lines"))
    assert page.records == [b'{"id": 1}', b'{"id": 2}']


def test_a_cut_line_is_tried_again(api: Api, connect: Connect) -> None:
    fetch = Fetch(entity="row", path="/x", records="@lines")
    cut = Reply(b'{"id": 1}\n{"id": ', headers={"Content-Type": "application/x-ndjson"})
    api.replies(cut, Reply(b'{"id": 1}\n{"id": 2}'))
    assert len(next(connect().pages(fetch)).records) == 2
    api.replies(cut)
    with pytest.raises(RetriableError, match="no complete JSON"):
        list(connect(attempts=2).pages(fetch))


@pytest.mark.parametrize("kind", ["application/vnd.api+json", "application/hal+json", "application/problem+json; charset=utf-8"])
def test_kinds_of_json(api: Api, connect: Connect, kind: str) -> None:
    api.replies(Reply(b"[1]", headers={"Content-Type": kind}))
    assert connect().read("/x") == b"[1]"
    accept = api.asked[0].headers["Accept"]
    assert accept.startswith("application/json,")
    assert "*/*;q=0.5" in accept


def test_partial_content_is_content(api: Api, connect: Connect) -> None:
    api.replies(Reply(b'[{"id": 1}]', status=206, headers={"Content-Range": "items 0-0/120"}))
    (page,) = connect().pages(Fetch(entity="row", path="/x"))
    assert (len(page.records), page.declared_total) == (1, 120)


@pytest.mark.parametrize(
    ("envelope", "total"),
    [
        ({"total": 57}, 57),
        ({"total": "57"}, 57),
        ({"count": 57}, 57),
        ({"total_count": 57, "count": 2}, 57),
        ({"count": 2, "meta": {"total": 57}}, 57),
        ({"meta": {"page": {"totalElements": 57, "size": 2}}}, 57),
        ({"_meta": {"pagination": {"total_items": 57}}}, 57),
        ({"@odata.count": 57}, 57),
        ({"total": {"value": 57, "relation": "eq"}}, 57),
        ({"total": {"value": 10000, "relation": "gte"}}, None),
        ({"summary": {"total": 57}, "total": None}, 57),
        ({"total": None}, None),
        ({"NumFound": 57}, 57),
        ({"total": 5.5}, None),
        ({"total": -1}, None),
        ({"total": 10**30}, None),
    ],
)
def test_totals(envelope: dict[str, Any], total: int | None) -> None:
    assert split(json.dumps({**envelope, "data": [{}, {}]}).encode(), "data", "/x")[1] == total
    assert split(json.dumps({"total": 3, "list": {**envelope, "data": [{}]}}).encode(), "list.data", "/x")[1] == (total or 3)
    assert split(b'{"total": 0, "data": [{}]}', "data", "/x")[1] is None
    assert split(b'{"total": 0, "data": []}', "data", "/x")[1] == 0
    hits = {"took": 3, "hits": {"total": {"value": 57}, "hits": [{}]}}
    assert split(json.dumps(hits).encode(), "hits.hits", "/x")[1] == 57


@pytest.mark.parametrize(
    ("name", "text", "total"),
    [
        ("X-Total-Count", "120", 120),
        ("X-Total", " 120 ", 120),
        ("X-WP-Total", "120", 120),
        ("Total-Count", "120", 120),
        ("Content-Range", "items 0-9/120", 120),
        ("Content-Range", "0-9/120", 120),
        ("Content-Range", "rows */120", 120),
        ("Content-Range", "items 0-9/*", None),
        ("X-Total-Count", "many", None),
        ("X-Total-Count", "9" * 40, None),
        ("Content-Length", "120", None),
    ],
)
def test_totals_of_headers(name: str, text: str, total: int | None) -> None:
    assert header_total({name: text}) == total


@pytest.mark.parametrize(
    ("body", "same"),
    [
        (b' [{"page": 1, "total": 2}, [{"n": 1.50}]]', b'{"meta": {"page": 1, "total": 2}, "rows": [{"n": 1.50}]}'),
        (b'[{"page": 1, "total": 0}, null]', b'{"meta": {"page": 1, "total": 0}, "rows": []}'),
        (b'[{"message": "no"}, [{"n": 1}]]', b'[{"message": "no"}, [{"n": 1}]]'),
        (b'[{"page": 1, "total": 2}]', b'[{"page": 1, "total": 2}]'),
        (b'{"rows": [{"n": 1}]}', b'{"rows": [{"n": 1}]}'),
    ],
)
def test_what_tells_of_a_list_beside_its_rows(body: bytes, same: bytes) -> None:
    assert opened_text(body, "rows") == same
    assert opened(json.loads(body)) == json.loads(same)
    assert opened_text(body, "") == body


def test_two_records_are_no_list_beside_what_tells_of_it() -> None:
    for value in ([{"id": 1, "page": 2, "total": 3}, {"id": 2}], [{"page": 1, "total": 2}, [{"page": 4, "total": 9}]]):
        assert opened(value) is value


def test_a_value_alone() -> None:
    body = b'{"a": {"b.c": "x", "d": [1]}, "n": 1}'
    assert sparse(body, "a.b\\.c") == {"a": {"b.c": "x"}}
    assert sparse(body, "n") == {"n": 1}
    for path in ("a", "a.d", "a.x", "n.x", "z"):
        assert sparse(body, path) is None
    assert sparse(b"[1]", "a") is None


def test_an_element_that_a_path_chooses_tells_the_next_page() -> None:
    body = b'{"link": [{"relation": "self", "url": "a"}, 3, {"relation": "next", "url": "b"}], "entry": [1]}'
    assert sparse(body, "link[relation=next].url") == {"link[relation=next]": {"url": "b"}}
    assert text_at(sparse(body, "link[relation=next].url"), "link[relation=next].url") == "b"
    assert text_at({"link": [{"relation": "next", "url": "b"}]}, "link[relation=next].url") == "b"
    for none in (b'{"link": [{"relation": "self"}]}', b'{"link": {}}', b"{}", b"[]"):
        assert sparse(none, "link[relation=next].url") is None


def test_an_array_that_is_left_out_where_there_is_nothing_is_empty() -> None:
    assert split(b'{"resourceType": "Bundle", "total": 0}', "entry", "GET /x") == ([], 0)
    with pytest.raises(SkippableError, match="expected records at 'entry'"):
        split(b'{"resourceType": "Bundle", "total": 3}', "entry", "GET /x")
