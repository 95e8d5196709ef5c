"""Searches by POST: what may leave and what never does, paging in the body, retries, the tape, what turns out to be no search."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from spectra_assets.client.api import ApiClient
from spectra_assets.client.body import body_of
from spectra_assets.client.tape import NotTapedError, Tape
from spectra_assets.covenant.access import (
    CursorPaging,
    Fetch,
    KeysetPaging,
    NextPaging,
    OffsetPaging,
    PagePaging,
    Paging,
    ParentKey,
)
from spectra_assets.errors import ConfigurationError, SourceError
from spectra_assets.lakehouse.raw import Attempts, Reel
from spectra_assets.lakehouse.segments import Segments
from spectra_assets.lakehouse.store import Lakehouse
from tests.client.conftest import TOKEN, Api, Asked, Reply

ROWS = [{"id": number} for number in range(1, 8)]
Connect = Callable[..., ApiClient]


def plan(paging: Paging, body: dict[str, Any] | None = None, **more: Any) -> Fetch:
    return Fetch(entity="row", method="POST", path="/rows/filter", body=body or {}, paging=paging, records="rows", **more)


def rows_of(client: ApiClient, fetch: Fetch, parent: Any = None) -> list[Any]:
    return [json.loads(record) for page in client.pages(fetch, parent) for record in page.records]


def sent(api: Api) -> list[Any]:
    return [json.loads(asked.body) for asked in api.asked]


def sliced(start: Callable[[dict[str, Any]], int], size: str) -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        body = json.loads(asked.body)
        first = start(body)
        return Reply(json.dumps({"rows": ROWS[first : first + body[size]]}).encode())

    return answer


def test_no_post_leaves_without_a_persons_word(api: Api, connect: Connect) -> None:
    client = connect()
    for send in (lambda: client.search("/rows/filter", b"{}"), lambda: rows_of(client, plan(PagePaging(page_param="p")))):
        with pytest.raises(
            ConfigurationError, match=r"POST .*/rows/filter is not sent.*\(server.searches of the covenant: none\)"
        ):
            send()
    assert api.asked == []


@pytest.mark.parametrize(
    "path",
    [
        "/rows",
        "/rows/filter/more",
        "/rows/filter/../../orders",
        "/db/a/b/query",
        "/db/../query",
        "/db/%2e%2e/query",
        "/db//query",
    ],
)
def test_only_the_allowed_paths_are_posted_to(api: Api, connect: Connect, path: str) -> None:
    client = connect(searches=["/rows/filter", "/db/{id}/query"])
    with pytest.raises(ConfigurationError, match=r"is not sent|are refused"):
        client.search(path, b"{}")
    assert api.asked == []
    assert client.search("/db/a%2Fb/query", b'{"x":1}').status == 200
    assert [(asked.method, asked.body) for asked in api.asked] == [("POST", b'{"x":1}')]
    assert api.asked[0].headers["Content-Type"] == "application/json"
    assert api.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("paging", "start"),
    [
        (OffsetPaging(offset_param="offset", size_param="limit", size=3), lambda body: body["offset"]),
        (PagePaging(page_param="page.number", size_param="limit", size=3), lambda body: (body["page"]["number"] - 1) * 3),
    ],
)
def test_pages_are_asked_for_in_the_body(api: Api, connect: Connect, paging: Paging, start: Callable[..., int]) -> None:
    api.answer = sliced(start, "limit")
    client = connect(searches=["/rows/filter"])
    assert rows_of(client, plan(paging, {"filter": {}})) == ROWS
    assert all(body["filter"] == {} and body["limit"] == 3 for body in sent(api))
    assert not any(asked.query for asked in api.asked)
    entries = client.ledger.drain()
    assert {entry["method"] for entry in entries} == {"POST"}
    assert json.loads(entries[0]["query"]) == sent(api)[0]


def test_a_cursor_goes_back_into_the_body_as_it_came(api: Api, connect: Connect) -> None:
    def answer(asked: Asked) -> Reply:
        body = json.loads(asked.body)
        start = body.get("start_cursor", "0")
        assert isinstance(start, str), "text came, so text goes back"
        onward = int(start) + 3
        told = {"rows": ROWS[int(start) : onward], "next_cursor": str(onward) if onward < len(ROWS) else None}
        return Reply(json.dumps(told).encode())

    api.answer = answer
    client = connect(searches=["/rows/filter"])
    assert rows_of(client, plan(CursorPaging(cursor_param="start_cursor", next="next_cursor"))) == ROWS


def test_a_key_that_is_a_number_goes_back_as_one(api: Api, connect: Connect) -> None:
    api.answer = sliced(lambda body: body.get("after", 0), "size")
    paging = KeysetPaging(after_param="after", field="id", size_param="size", size=3, number=True)
    assert rows_of(connect(searches=["/rows/filter"]), plan(paging)) == ROWS


def test_parents_stand_in_path_or_body(api: Api, connect: Connect) -> None:
    api.answer = lambda asked: Reply(b'{"rows": []}')
    client = connect(searches=["/rows/filter", "/db/{id}/query"])
    inside = ParentKey(entity="experiment", path="id", parameter="experiment_ids[]", location="query")
    rows_of(client, plan(PagePaging(page_param="p"), {"all": True}, parent=inside), 7)
    path = ParentKey(entity="db", path="id", parameter="id")
    rows_of(client, Fetch(entity="row", method="POST", path="/db/{id}/query", body={}, records="rows", parent=path), "a b")
    assert sent(api)[0] == {"all": True, "experiment_ids": [7], "p": 1}
    assert (api.asked[1].path, api.asked[1].body) == ("/db/a%20b/query", b"{}")


def test_what_a_list_is_narrowed_by_stands_in_the_body_as_text_or_number(api: Api, connect: Connect) -> None:
    api.answer = sliced(lambda body: body["page"]["offset"], "limit")
    client, paging = connect(searches=["/rows/filter"]), OffsetPaging(offset_param="page.offset", size_param="limit", size=3)
    for since in ("2026-01-01T00:00:00Z", 1_767_225_600_000):
        api.asked.clear()
        pages = list(client.pages(plan(paging), narrow=lambda _, since=since: {"filter.changed": since}))
        assert [json.loads(record) for page in pages for record in page.records] == ROWS
        client.records(plan(paging), {"filter.changed": since, "page.offset": "6", "limit": "2"})
        assert all(body["filter"] == {"changed": since} for body in sent(api))
        assert not any(asked.query for asked in api.asked)


def test_a_search_is_tried_again_like_a_get(api: Api, connect: Connect) -> None:
    api.replies(Reply(fault="hangup"), Reply(status=503), Reply(b'{"rows": [{"id": 1}]}'))
    client = connect(searches=["/rows/filter"])
    assert rows_of(client, Fetch(entity="row", method="POST", path="/rows/filter", body={}, records="rows")) == [{"id": 1}]
    assert len(api.asked) == 3


@pytest.mark.parametrize("reply", [Reply(b"{}", 201), Reply(b"{}", 202), Reply(b"{}", 200, {"Location": "/rows/9"})])
def test_what_creates_something_is_struck_out_after_one_answer(api: Api, connect: Connect, reply: Reply) -> None:
    api.answer = lambda asked: reply
    client = connect(searches=["/rows/filter"])
    with pytest.raises(SourceError, match="as what creates something does; it is no search, and not sent again"):
        client.search("/rows/filter", b"{}")
    with pytest.raises(SourceError, match="not sent any more"):
        client.search("/rows/filter", b"{}")
    assert len(api.asked) == 1
    assert list(client.struck) == ["/rows/filter"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_of_a_search_is_followed(api: Api, other_api: Api, connect: Connect, status: int) -> None:
    for place in (f"{other_api.url}/steal", "/orders"):
        api.answer = lambda asked, place=place: Reply(status=status, headers={"Location": place})  # type: ignore[misc]
        with pytest.raises(SourceError):
            connect(searches=["/rows/filter"]).search("/rows/filter", b"{}")
    assert [asked.path for asked in api.asked] == ["/rows/filter", "/rows/filter"]
    assert other_api.asked == []


def test_the_tape_tells_bodies_apart_and_replays_them(api: Api, connect: Connect, tmp_path: Path) -> None:
    api.answer = sliced(lambda body: body["offset"], "limit")
    fetch = plan(OffsetPaging(offset_param="offset", size_param="limit", size=3))
    attempts, now = Attempts(Lakehouse(str(tmp_path), "demo"), "row"), datetime.now(UTC)
    recording = attempts.begin("plan", api.url, "run-1", now, now, {})
    client = connect(searches=["/rows/filter"])
    client.use(Tape(Reel(None, None, recording)))
    assert rows_of(client, fetch) == ROWS
    recording.end("complete")
    asked = len(api.asked)

    client.use(Tape(Reel(Segments(recording.folder), replay=True), only=True))
    assert rows_of(client, fetch) == ROWS
    with pytest.raises(NotTapedError, match="do not hold POST"):
        rows_of(client, fetch.model_copy(update={"body": {"filter": {"x": 1}}}))
    assert len(api.asked) == asked


def test_a_search_that_may_have_changed_is_asked_again(api: Api, connect: Connect, tmp_path: Path) -> None:
    api.answer = lambda asked: Reply(b'{"rows": []}', headers={"ETag": '"1"'})
    attempts, now = Attempts(Lakehouse(str(tmp_path), "demo"), "row"), datetime.now(UTC)
    recording = attempts.begin("plan", api.url, "run-1", now, now, {})
    client = connect(searches=["/rows/filter"])
    client.use(Tape(Reel(None, None, recording)))
    assert rows_of(client, plan(PagePaging(page_param="p"))) == []
    recording.end("complete")
    earlier = Segments(recording.folder)
    client.use(Tape(Reel(None, earlier, attempts.begin("plan", api.url, "run-2", now, now, {}))))
    entries = list(earlier.entries())
    assert [entry.header["status"] for entry in entries if entry is not None] == [200]
    assert client.unmodified(entries) is False


def test_equal_bodies_have_equal_bytes() -> None:
    one = body_of({"b": {"y": 1}, "a": []}, {"page.size": 5, "page.cursor": None})
    assert one == body_of({"a": [], "b": {"y": 1}}, {"page.cursor": None, "page.size": 5})
    with pytest.raises(ConfigurationError, match=r"page\.size has no place in the body: page is no object"):
        body_of({"page": 1}, {"page.size": 5})


def test_a_plan_that_is_no_search_is_refused() -> None:
    with pytest.raises(ValidationError, match="nothing else has one"):
        Fetch(entity="row", path="/rows", body={})
    with pytest.raises(ValidationError, match="nothing else has one"):
        Fetch(entity="row", method="POST", path="/rows")
    with pytest.raises(ValidationError, match="can't go on by an address"):
        Fetch(entity="row", method="POST", path="/rows", body={}, paging=NextPaging(next="next"))
