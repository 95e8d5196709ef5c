"""Pages that are short in the middle of a list, since what the caller may not see is left out of them: no row behind is lost."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from spectra_assets.client.more import says_more
from spectra_assets.lakehouse.engine import Engine
from tests.stages.changing import ITEMS, Changing, ChangingApi, by_page

ONE_PAGE = frozenset({2005, 2006})
MIDDLE = frozenset({1012, 1013, 3001})
WHOLE_PAGE = frozenset(range(3011, 3021))
LAST_OF_PAGE = frozenset({2019, 2020, 3020})
MANY = frozenset(range(1001, 1036)) - {1005, 1010, 1011, 1030, 1035}


@pytest.mark.parametrize("style", ["page", "offset"])
@pytest.mark.parametrize(
    ("hidden", "says"),
    [
        (ONE_PAGE, True),
        (ONE_PAGE, False),
        (MIDDLE, False),
        (ONE_PAGE | MIDDLE, True),
        (ONE_PAGE | MIDDLE, False),
        (WHOLE_PAGE, True),
        (LAST_OF_PAGE, False),
        (LAST_OF_PAGE, True),
        (MANY, False),
    ],
)
def test_rows_after_a_short_page_come(
    tmp_path: Path, engine: Engine, api: ChangingApi, hidden: frozenset[int], says: bool, style: str
) -> None:
    """Of 105 items 25 stood in the table, every gate passed: a page shorter than others was taken for the last one."""
    api.hidden, api.says = hidden, says
    made = Changing(tmp_path, engine, None, by_page() if style == "page" else None, records="items" if says else "")
    if says:
        made.fetches["extract.groups"] = made.fetches["extract.groups"].model_copy(update={"records": "items"})
    made.both("run1")
    assert made.found() == [row for row in api.truth() if row[1] not in hidden]
    if hidden in (MIDDLE, WHOLE_PAGE, LAST_OF_PAGE):  # else it hangs on the order of answers where a first page ends its list
        replayed = made.deliver(ITEMS, "run2", replay=True)
        assert replayed.outcome is not None
        assert replayed.outcome.status == "unchanged"


def test_a_list_that_begins_with_short_pages_comes_whole(tmp_path: Path, engine: Engine, api: ChangingApi) -> None:
    """No longer page was seen when it was read: two of its pages hold the same rows, as of a server that knows whole pages only."""
    api.hidden = MANY
    asked, ended = [], threading.Event()

    def between(address: str) -> None:
        if "groups/1/" in address:
            asked.append(address)
            if len(asked) >= 3:
                ended.set()
        elif "items" in address:
            ended.wait(10)

    api.between = between
    made = Changing(tmp_path, engine)
    made.both("run1")
    assert made.found() == [row for row in api.truth() if row[1] not in MANY]


@pytest.mark.parametrize(
    ("body", "location", "number", "more"),
    [
        ({"items": [], "hasMore": True}, "items", 1, True),
        ({"items": [], "hasMore": False, "totalPages": 9}, "items", 1, False),
        ({"items": [], "has_next_page": "true"}, "items", 1, True),
        ({"content": [], "last": False, "number": 0}, "content", 1, True),
        ({"content": [], "last": True}, "content", 1, False),
        ({"data": [], "meta": {"pagination": {"total_pages": 3}}}, "data", 2, True),
        ({"data": [], "meta": {"pagination": {"total_pages": 3}}}, "data", 3, False),
        ({"data": [], "meta": {"last_page": 4}}, "data", 3, True),
        ({"more": True, "result": {"rows": [], "more": False}}, "result.rows", 1, False),
        ({"items": [{"hasMore": True}], "more": {"a": 1}, "pages": "all"}, "items", 1, False),
        ({"items": {"a": {}}, "hasMore": True}, "items{}", 1, True),
        ([{"hasMore": True}], "", 1, False),
        ({"hasMore": True}, "$", 1, False),
    ],
)
def test_what_an_answer_says_of_further_rows(body: object, location: str, number: int, more: bool) -> None:
    assert says_more(json.dumps(body).encode(), {}, location, number) is more


@pytest.mark.parametrize(
    ("headers", "more"),
    [({"X-Next-Page": "3"}, True), ({"X-Next-Page": ""}, False), ({"X-Total-Pages": "3"}, True), ({"X-Total-Pages": "2"}, False)],
)
def test_headers_say_it_where_the_body_does_not(headers: dict[str, str], more: bool) -> None:
    assert says_more(b"[]", headers, "", 2) is more
