"""What tells that rows come after those of an answer, and what is only called like it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spectra_assets.client.more import says_incomplete, says_more

BOOK = {"isbn": "978-3", "title": "On pages", "chapters": [{"id": 1}]}


@pytest.mark.parametrize(
    ("beside", "more"),
    [
        ({"pages": 3}, True),
        ({"pages": 1}, False),
        ({"pages": 3, "page": 1, "query": "x"}, True),
        ({"pages": 3, "shop": "north", "perPage": 20}, True),
        ({"pages": 320, "isbn": "978-3"}, False),  # a book
        ({"totalPages": 320, "isbn": "978-3"}, True),
        ({"isbn": "978-3", "meta": {"pages": 3}}, True),
        ({"more": True}, True),
        ({"more": True, "kind": "list", "shop": "north"}, True),
        ({"last": False, "name": "Monday", "open": "9"}, False),  # a day with its hours
        ({"last": False, "name": "Monday", "open": "9", "size": 20}, True),
        ({"hasMore": True, "name": "Monday", "open": "9"}, True),
        ({"hasMore": False, "truncated": True}, False),
        ({"hasMore": False, "isTruncated": True}, True),
        ({"last": True, "more": True}, True),
    ],
)
def test_words_of_a_record_are_no_signals(beside: dict[str, Any], more: bool) -> None:
    body = json.dumps({**beside, "items": [{"id": 1}]}).encode()
    assert says_more(body, {}, "items", 1) == more


def test_what_stands_nearest_to_the_records_counts() -> None:
    body = json.dumps({"hasMore": True, "data": {"hasMore": False, "items": []}}).encode()
    assert not says_more(body, {}, "data.items", 1)
    assert not says_more(json.dumps({**BOOK, "pages": 320}).encode(), {}, "chapters", 1)
    assert says_more(json.dumps(BOOK).encode(), {"X-Total-Pages": "2"}, "chapters", 1)


@pytest.mark.parametrize(
    ("body", "location", "flag"),
    [
        ({"incomplete_results": True, "total": 2, "items": [{"id": 1}]}, "items", "incomplete_results"),
        ({"incomplete_results": False, "total": 2, "items": [{"id": 1}]}, "items", ""),
        ({"took": 3, "timed_out": True, "hits": {"total": 2, "hits": [{"id": 1}]}}, "hits.hits", "timed_out"),
        ({"total": 2, "items": [{"id": 1, "timed_out": True}]}, "items", ""),
        ({"number": 7, "branch": "main", "timed_out": True, "steps": [{"id": 1}]}, "steps", ""),  # a build and its steps
        ({"items": [{"id": 1}], "meta": {"page": 1, "partial": True}}, "items", "meta.partial"),
        ({"items": [{"id": 1}], "meta": {"page": 1, "partial": False}}, "items", ""),
        ({"items": [{"id": 1}], "author": {"name": "x", "partial": True}}, "items", ""),
        ([{"incomplete_results": True}], "", ""),
    ],
)
def test_an_answer_says_that_it_is_incomplete(body: Any, location: str, flag: str) -> None:
    assert says_incomplete(json.dumps(body).encode(), location) == flag
