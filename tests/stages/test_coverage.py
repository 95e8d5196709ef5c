"""Coverage: what discovery saw and could not read is a gap, once."""

from __future__ import annotations

import pytest

from spectra_assets.covenant.access import Auth, Server
from spectra_assets.intelligence.model import EMPTY, NAMED_EMPTY, Endpoint, Evidence, Pack
from spectra_assets.stages.prepare.coverage import _endpoints, _unread


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
