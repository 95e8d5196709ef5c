"""Refusals with status 200: what tells them, and that what came too fast, or is no list, is asked for again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.client.records import split
from spectra_assets.client.refusal import refusal_in, refusal_of
from spectra_assets.covenant.access import Fetch
from spectra_assets.errors import RetriableError, SkippableError
from spectra_assets.stages.asking.answers import told_refusal
from tests.client.conftest import Api, Reply

Connect = Callable[..., ApiClient]
JSON = {"Content-Type": "application/json"}
ORDERS = Fetch(entity="order", path="/orders", records="items")


def reply(value: Any) -> Reply:
    return Reply(json.dumps(value).encode(), headers=JSON)


@pytest.mark.parametrize(
    ("value", "text", "too_fast"),
    [
        ({"status": "RATE_LIMIT", "message": "slow down"}, "RATE_LIMIT slow down", True),
        ({"code": 429, "message": "later, please"}, "later, please", True),
        ({"error": {"code": "E17", "message": "backend not available"}}, "E17 backend not available", False),
        ({"success": False}, "", False),
        ({"errors": [{"message": "shard 3"}], "data": None}, "shard 3", False),
        ({"type": "about:blank", "title": "Forbidden", "detail": "no"}, "Forbidden", False),
    ],
)
def test_an_error_is_told_from_an_object(value: dict[str, Any], text: str, too_fast: bool) -> None:
    found = refusal_of(value)
    assert found is not None
    assert (found.text.startswith(text), found.too_fast) == (True, too_fast)


@pytest.mark.parametrize(
    "value",
    [
        {"status": "ok", "message": "welcome"},
        {"items": [{"id": 1}], "errors": [{"message": "one shard"}]},
        {"id": 7, "status": "failed", "message": "timed out"},  # a record of a job
        {"message": "welcome"},
        {"status": "RATE_LIMIT", "message": "slow down", "weight": 3},
        {"error": "timed out", **{f"field{number}": number for number in range(8)}},  # too many members for a refusal
        {},
    ],
)
def test_what_else_an_object_may_be_is_no_error(value: dict[str, Any]) -> None:
    assert refusal_of(value) is None


@pytest.mark.parametrize(
    "first", [{"status": "RATE_LIMIT", "message": "slow down"}, {"state": "BUSY"}, {"items": [], "error": "shard 3"}]
)
def test_a_list_that_answers_a_moment_later_is_read(api: Api, connect: Connect, first: Any) -> None:
    api.replies(reply(first), reply({"items": [{"id": 1}]}))
    pages = list(connect().pages(ORDERS))
    assert [page.records for page in pages] == [[b'{"id": 1}']]
    assert len(api.asked) == 2


def test_one_that_stays_so_is_told_in_its_own_words(api: Api, connect: Connect) -> None:
    api.answer = lambda _: reply({"status": "RATE_LIMIT", "message": "slow down"})
    with pytest.raises(RetriableError, match="200, but the answer is an error: RATE_LIMIT slow down") as caught:
        list(connect().pages(ORDERS))
    assert caught.value.status == 429
    api.answer = lambda _: reply({"state": "BUSY"})
    with pytest.raises(RetriableError, match=r"expected records at 'items'.*it says: .*BUSY"):
        list(connect().pages(ORDERS))


def test_an_object_that_may_hold_the_records_elsewhere_is_asked_for_once(api: Api, connect: Connect) -> None:
    api.replies(reply({"data": {"rows": [{"id": 1}]}}))
    with pytest.raises(SkippableError, match="expected records at 'items'"):
        list(connect().pages(ORDERS))
    assert len(api.asked) == 1


@pytest.mark.parametrize("location", ["$", "{}"])
def test_a_refusal_is_no_record(location: str) -> None:
    with pytest.raises(SkippableError, match="slow down"):
        split(b'{"status": "RATE_LIMIT", "message": "slow down"}', location, "GET /x")
    assert split(b'{"status": "failed", "jobs": 3}', location, "GET /x")[0]  # a state, not a refusal


def test_nothing_found_is_no_refusal() -> None:
    assert split(b'{"items": [], "success": false, "message": "no orders found"}', "items", "GET /x") == ([], None)


JOB = {"jobNo": 12, "status": "failed", "message": "Too many requests from upstream", "attempts": 3}


@pytest.mark.parametrize("record", [JOB, {"paymentNo": 4, "status": "failed", "reason": "card quota exceeded"}])
def test_a_record_that_tells_of_its_own_failure_is_read(api: Api, connect: Connect, record: dict[str, Any]) -> None:
    """Its words are no signal: it is asked for once, and nothing is slowed down."""
    api.answer = lambda _: reply(record)
    fetch = Fetch(entity="job", path="/jobs/12", records="$", primary_key=next(iter(record)))
    pages = list(connect().pages(fetch))
    assert [json.loads(each) for page in pages for each in page.records] == [record]
    assert len(api.asked) == 1
    assert told_refusal(record) is None


@pytest.mark.parametrize(
    "value",
    [
        {"success": False, "message": "too many requests", "cached": True, "data": None},
        {"status": "error", "message": "rate limit reached", "requestNo": "a1"},
        {"status": "fail", "data": {"title": "slow down"}, "message": "slow down"},
        {"error": "throttled", "retryInSeconds": 3},
    ],
)
def test_what_came_too_fast_is_known_by_its_envelope(value: dict[str, Any]) -> None:
    found = refusal_of(value)
    assert found is not None
    assert found.too_fast
    assert told_refusal(value) is not None


def test_a_body_in_another_charset_is_read_all_the_same() -> None:
    """Latin-1, as its header says: its keys are plain, and what its words say is told with marks for the letters."""
    said = '{"error": {"code": "E17", "message": "zu schnell für uns"}}'.encode("latin-1")
    refusal = refusal_in(said)
    assert refusal is not None
    assert refusal.text == "E17 zu schnell f\ufffdr uns"
    assert refusal_in('{"name": "Löwe"}'.encode("latin-1")) is None
