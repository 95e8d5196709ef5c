"""Coverage: what discovery saw and could not read is a gap, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spectra_assets.covenant.access import Auth, Server
from spectra_assets.intelligence.model import EMPTY, NAMED_EMPTY, Endpoint, Evidence, Pack
from spectra_assets.lakehouse.engine import Engine
from spectra_assets.stages.prepare.coverage import _endpoints, _unread
from spectra_assets.stages.prepare.within import cut_short
from tests.conformance.pipeline import Pipeline, rows_of
from tests.learning.bench.worlds import WORDS, List, Market


def test_gaps_that_discovery_told_are_rows_unless_their_path_is_told_already() -> None:
    about = [
        "GET /orders", "GET /users", "http://inside.example/people", "http://inside.example/users", "POST /search",
        "/users roleId", "GET /orders", "GET /old", "http://[bad/x",
    ]  # fmt: skip
    pack = Pack(
        source="shop",
        title="Shop",
        server=Server(base_url_env="SHOP_BASE_URL", auth=Auth(kind="none"), probe="/"),
        endpoints=[],
        entities=[],
        excluded={"/old": "left out by us"},
        evidence=[
            *(Evidence(about=each, finding="gap", evidence="why") for each in about),
            Evidence(about="GET /fine", finding="one kind of record", evidence="seen"),
        ],
    )
    rows = list(_unread(pack, {"/users"}))
    assert [(row["name"], row["disposition"], row["reason"]) for row in rows] == [
        ("/orders", "gap", "why"),
        ("http://inside.example/people", "gap", "why"),
        ("/old", "excluded", "left out by us"),
        ("http://[bad/x", "gap", "why"),
    ]
    assert {row["kind"] for row in rows} == {"endpoint"}


@pytest.mark.parametrize(
    ("why", "rows", "disposition"),
    [(EMPTY, None, "excluded"), (EMPTY, 0, "excluded"), (EMPTY, 6, "gap"), (NAMED_EMPTY, 0, "gap"), (NAMED_EMPTY, 6, "gap")],
)
def test_a_list_that_was_empty_and_is_no_more_is_a_gap(why: str, rows: int | None, disposition: str) -> None:
    server = Server(base_url_env="SHOP_BASE_URL", auth=Auth(kind="none"), probe="/")
    pack = Pack(source="shop", title="Shop", server=server, endpoints=[], entities=[], excluded={"/referrals": why})
    endpoint = {
        "path": "/referrals",
        "category": "readable",
        "entity": None,
        "answerShape": "array",
        "reason": None,
        "rowCount": rows,
    }
    (row,) = _endpoints([endpoint], [], pack)
    assert row["disposition"] == disposition
    assert ("--rediscover" in row["reason"]) == (rows == 6)


@pytest.mark.parametrize(
    ("path", "origin", "category", "disposition"),
    [
        ("/pilots", "documented", "notFound", "gap"),
        ("/pilots", "documented", "notJson", "gap"),
        ("/pilots/{id}/trips", "documented", "notFound", "excluded"),
        ("/pilots", "discovered", "notFound", "excluded"),
        ("/pilots", "discovered", "notJson", "excluded"),
    ],
)
def test_a_described_list_that_is_not_there_is_a_gap(path: str, origin: str, category: str, disposition: str) -> None:
    server = Server(base_url_env="PORT_BASE_URL", auth=Auth(kind="none"), probe="/")
    known = Endpoint.model_validate({"method": "GET", "path": path, "origin": origin})
    pack = Pack(source="port", title="Port", server=server, endpoints=[known], entities=[], origin="discovered")
    shape = "html" if category == "notJson" else None
    endpoint = {"path": path, "category": category, "entity": None, "answerShape": shape, "reason": "404", "rowCount": None}
    (row,) = _endpoints([endpoint], [], pack)
    assert row["disposition"] == disposition
    assert ("it is not found: 404" if category == "notFound" else "its answer is no JSON: 404") in row["reason"]


@pytest.mark.parametrize(
    ("path", "summary", "disposition"),
    [("/orders", "", "gap"), ("/orders/{id}", "", "excluded"), ("/orders", "a usual name", "excluded")],
)
def test_a_list_that_failed_on_the_day_of_discovery_is_a_gap(path: str, summary: str, disposition: str) -> None:
    server = Server(base_url_env="PORT_BASE_URL", auth=Auth(kind="none"), probe="/")
    known = Endpoint.model_validate({"method": "GET", "path": path, "summary": summary})
    pack = Pack(source="port", title="Port", server=server, endpoints=[known], entities=[], origin="discovered")
    endpoint = {
        "path": path,
        "category": "broken",
        "entity": None,
        "answerShape": None,
        "reason": "500: db down",
        "rowCount": None,
    }
    (row,) = _endpoints([endpoint], [], pack)
    assert row["disposition"] == disposition
    assert ("--rediscover" in row["reason"]) == (disposition == "gap")


@pytest.mark.parametrize(
    ("record", "path", "sign"),
    [
        ({"id": 1, "lines": {"object": "list", "data": [{"id": 1}], "has_more": True, "url": "/v1/x"}}, "lines.data", "more"),
        ({"id": 1, "lines": {"data": [{"id": 1}], "has_more": False, "total_count": 12}}, "lines.data", "total_count is 12"),
        (
            {"key": "A", "fields": {"comment": {"comments": [{"id": 1}], "maxResults": 1, "total": 45, "startAt": 0}}},
            "fields.comment.comments",
            "45 in all",
        ),
        (
            {"Id": 1, "Contacts": {"totalSize": 2001, "done": False, "records": [{"Id": 2}] * 2000}},
            "Contacts.records",
            "totalSize is 2001",
        ),
        (
            {"id": 1, "associations": {"deals": {"results": [{"id": 3}], "paging": {"next": {"after": "x", "link": "https://h/x"}}}}},
            "associations.deals.results",
            "next leads on",
        ),
        (
            {"id": 1, "labels": {"nodes": [{"id": 3}], "pageInfo": {"hasNextPage": True, "endCursor": "x"}}},
            "labels.nodes",
            "more",
        ),
        ({"Id": 1, "Lines": [{"Id": 2}], "Lines@odata.nextLink": "https://h/Lines?$skip=1"}, "Lines", "Lines@odata.nextLink"),
        ({"id": 1, "tasks": {"items": [{"id": 3}], "nextPageToken": "abc"}}, "tasks.items", "nextPageToken leads on"),
    ],
)  # fmt: skip
def test_a_list_inside_of_records_that_goes_on_elsewhere_is_told(record: dict[str, Any], path: str, sign: str) -> None:
    whole = {"id": 2}
    (cut,) = cut_short([record, whole, record])
    assert (cut.path, cut.records) == (path, 2)
    assert sign in cut.sign


@pytest.mark.parametrize(
    "record",
    [
        {"id": 1, "cart": {"items": [{"id": 1}, {"id": 2}], "total": 59, "count": 2}},
        {"id": 1, "lines": {"data": [{"id": 1}], "has_more": False, "total_count": 1}},
        {"id": 1, "book": {"title": "a", "author": "b", "pages": 300, "chapters": [{"n": 1}]}},
        {"id": 1, "comment": {"comments": [{"id": 1}], "maxResults": 50, "total": 1, "startAt": 0}},
        {"id": 1, "steps": [{"id": 1}], "next": "/steps/2", "total": 9},
        {"id": 1, "flow": {"steps": [{"id": 1}], "next": "approve"}},
        {"id": 1, "lines": {"data": [], "has_more": True}},
    ],
)
def test_what_is_whole_or_says_nothing_of_a_list_is_no_part(record: dict[str, Any]) -> None:
    assert cut_short([record]) == []


class Invoices(Market):
    """Orders of which each holds its first lines, and says whether there are more."""

    def made(self) -> dict[str, List]:
        lists = super().made()
        for place, row in enumerate(lists["order"].rows):
            lines = [{"lineId": place * 10 + n, "product": WORDS[n]} for n in range(3)]
            row["lines"] = {"data": lines, "has_more": place % 10 == 0}
        return lists


def test_lines_that_no_list_gives_are_a_gap_of_the_pipeline(tmp_path: Path, engine: Engine) -> None:
    with Invoices() as api:
        pipeline = Pipeline(api, tmp_path, engine)
        found = pipeline.run()
    assert (found.problems, found.crash) == ([], "")
    (row,) = [row for row in rows_of(pipeline.lakehouse, "prepare.coverage") if row["kind"] == "rows"]
    assert (row["name"], row["disposition"], row["entity"]) == ("order.lines.data", "gap", "order")
    assert "of 90 sampled records hold a part of lines.data" in row["reason"]
    assert row["reason"].startswith("9 ")
