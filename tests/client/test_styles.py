"""Every style of paging on real servers: each row exactly once, however the server pages, caps, ends or leads astray."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.client.lists import Skipped
from spectra_assets.client.paging import Page
from spectra_assets.covenant.access import (
    CursorPaging,
    Fetch,
    KeysetPaging,
    LinkPaging,
    NextPaging,
    OffsetPaging,
    PagePaging,
    Paging,
    ParentKey,
)
from spectra_assets.errors import RetriableError, SkippableError, SourceError
from tests.client.conftest import Api, Asked, Reply

Connect = Callable[..., ApiClient]

STYLES: dict[str, Paging] = {
    "offset": OffsetPaging(offset_param="offset", size_param="limit", size=10),
    "page1": PagePaging(page_param="page", size_param="limit", size=10),
    "page0": PagePaging(page_param="page", first=0, size_param="limit", size=10),
    "page": PagePaging(page_param="page"),
    "cursor": CursorPaging(cursor_param="after", next="meta.next", size_param="limit", size=10),
    "next": NextPaging(next="links.next", size_param="limit", size=10),
    "link": LinkPaging(size_param="limit", size=10),
    "keyset": KeysetPaging(after_param="after_id", field="key.id", size_param="limit", size=10),
}
CHAINED = ("cursor", "next", "link", "keyset")


def plan(style: str, **more: Any) -> Fetch:
    return Fetch(
        **{"entity": "row", "path": "/rows", "records": "data", "primary_key": "key.id", "paging": STYLES[style], **more}
    )


class Rows:
    """A server's list of `total` rows, paged in every style at once. It caps silently, and answers `beyond` past the end."""

    def __init__(self, total: int, cap: int = 1000, beyond: int = 200, base: str = "") -> None:
        self.rows = [{"key": {"id": 5 + 3 * number}} for number in range(total)]
        self.cap = cap
        self.beyond = beyond
        self.base = base
        self.more: dict[str, Any] = {}

    def __call__(self, asked: Asked) -> Reply:
        query = {name: values[0] for name, values in asked.query.items()}
        size = min(int(query.get("limit", 10)), self.cap)
        start = self._start(query, size)
        page = self.rows[start : start + size]
        onward, headers = {}, {}
        if start + size < len(self.rows):
            address = f"{self.base}{asked.path}?limit={query.get('limit', '10')}&start={start + size}"
            headers = {"Link": f'<{address}>; title="a, b"; rel="last next", <{self.base}/rows>; rel="first"'}
            onward = {"meta": {"next": f"t/{start + size}="}, "links": {"next": address}}
        if start and start >= len(self.rows) and self.beyond != 200:
            return Reply(b'{"error": "no such page"}', status=self.beyond)
        return Reply(json.dumps({"data": page, **onward, **self.more}).encode(), headers=headers)

    def _start(self, query: Mapping[str, str], size: int) -> int:
        if "after_id" in query:
            return sum(row["key"]["id"] <= int(query["after_id"]) for row in self.rows)
        if "after" in query:
            return int(query["after"].strip("t/="))
        if "page" in query:
            return (int(query["page"]) - self.first) * size
        return int(query.get("start") or query.get("offset") or 0)

    first = 1


def ids(pages: list[Page]) -> list[int]:
    return [json.loads(record)["key"]["id"] for page in pages for record in page.records]


def serve(api: Api, style: str, rows: Rows) -> Rows:
    rows.first = 0 if style == "page0" else 1
    api.answer = rows
    return rows


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("cap", [1000, 4])
def test_every_row_comes_exactly_once(api: Api, connect: Connect, style: str, cap: int) -> None:
    client = connect()
    for total in (0, 1, 3, 4, 9, 10, 11, 20, 37):
        rows = serve(api, style, Rows(total, cap, base=api.url))
        pages = list(client.pages(plan(style, path=f"/rows{total}")))
        assert ids(pages) == [row["key"]["id"] for row in rows.rows]
        assert pages[0].number == 1
        assert all(page.records for page in pages[1:])
        assert all(one.number < other.number for one, other in pairwise(pages))


@pytest.mark.parametrize("style", ["offset", "page1", "page0", "page"])
@pytest.mark.parametrize("status", [400, 404, 410, 416, 422])
def test_a_refused_page_past_the_end_is_the_end_and_noted(api: Api, connect: Connect, style: str, status: int) -> None:
    client = connect()
    for total in (0, 5, 10, 20):
        rows = serve(api, style, Rows(total, beyond=status))
        pages = list(client.pages(plan(style, path=f"/rows{total}")))
        assert ids(pages) == [row["key"]["id"] for row in rows.rows]
        notes = [row for row in client.ledger.drain() if row["status"] == status]
        assert [page.refused for page in pages if page.refused] == [status] * len(notes)
        assert len(notes) == (total > 0)
        assert all("the end of the list" in row["error"] for row in notes)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("status", [404, 403])
def test_a_refused_first_page_is_no_end(api: Api, connect: Connect, style: str, status: int) -> None:
    api.replies(Reply(status=status))
    with pytest.raises(SkippableError, match=str(status)):
        list(connect().pages(plan(style)))


@pytest.mark.parametrize("style", CHAINED)
def test_a_refused_page_of_a_chain_is_no_end(api: Api, connect: Connect, style: str) -> None:
    rows = Rows(30, base=api.url)
    api.answer = lambda asked: rows(asked) if len(api.asked) < 3 else Reply(status=404)
    with pytest.raises(SkippableError, match="404"):
        list(connect().pages(plan(style)))


BROKEN = {"500": Reply(b'{"error": "no"}', status=500), "corrupt": Reply(b'{"data": [{"key": {"id": 4')}


def broken(page: int, style: str, reply: Reply, rows: Rows) -> Callable[[Asked], Reply]:
    """A list whose page with this number (from 0) never comes."""
    rows.first = 0 if style == "page0" else 1
    bad = json.dumps(rows.rows[page * 10 : page * 10 + 1])[1:-1].encode()

    def answer(asked: Asked) -> Reply:
        made = rows(asked)
        return reply if bad in made.body else made

    return answer


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("style", [style for style in STYLES if style != "page"])
def test_a_page_that_never_comes_is_told_and_what_can_be_reached_after_it_comes(
    api: Api, connect: Connect, style: str, fault: str
) -> None:
    api.answer = broken(1, style, BROKEN[fault], Rows(45))
    pages = list(connect(attempts=2).pages(plan(style)))
    (page,) = [page for page in pages if page.broken]
    reached = style not in ("cursor", "keyset")  # whose pages nothing else tells
    assert (page.number, page.lost, page.cut) == (2, 10 if reached else None, not reached)
    assert ids(pages) == [5 + 3 * number for number in range(45) if number < 10 or (number >= 20 and reached)]


@pytest.mark.parametrize("style", CHAINED)
def test_the_last_page_of_a_chain_never_comes(api: Api, connect: Connect, style: str) -> None:
    """By the declared total it is the last one; without it a number that goes on finds nothing after it."""
    rows = Rows(25)
    rows.more = {"total": 25}
    api.answer = broken(2, style, BROKEN["500"], rows)
    pages = list(connect().pages(plan(style)))
    assert [(page.number, page.lost, page.cut) for page in pages if page.broken] == [(3, 5, False)]
    assert len(ids(pages)) == 20
    if style in ("next", "link"):
        rows = Rows(25, beyond=404)
        api.answer = lambda asked: BROKEN["500"] if asked.query.get("start") == ["20"] else rows(asked)
        pages = list(connect().pages(plan(style)))
        assert [(page.number, page.lost, page.cut) for page in pages if page.broken] == [(3, 10, False)]
        assert len(ids(pages)) == 20


@pytest.mark.parametrize("style", CHAINED)
def test_a_chain_that_is_broken_from_some_page_on_is_an_error(api: Api, connect: Connect, style: str) -> None:
    rows = Rows(100)
    api.answer = lambda asked: rows(asked) if len(api.asked) < 3 else BROKEN["500"]
    if style in ("next", "link"):
        with pytest.raises(RetriableError, match="500"):
            list(connect().pages(plan(style)))
    else:
        assert list(connect().pages(plan(style)))[-1].cut


@pytest.mark.parametrize("style", STYLES)
def test_a_list_whose_first_page_is_no_json_is_a_parent_that_is_skipped(api: Api, connect: Connect, style: str) -> None:
    parent = ParentKey(entity="top", path="id", parameter="top")
    rows = Rows(5)
    rows.first = 0 if style == "page0" else 1
    api.answer = lambda asked: BROKEN["corrupt"] if asked.path == "/tops/2/rows" else rows(asked)
    client = connect(attempts=2)
    found = list(client.fetch_all(plan(style, path="/tops/{top}/rows", parent=parent), [1, 2, 3]))
    (skipped,) = [each for each in found if isinstance(each, Skipped)]
    assert (skipped.parent_value, skipped.lasting) == (2, True)
    assert "no complete JSON" in str(skipped.error)
    assert len(ids([each[1] for each in found if not isinstance(each, Skipped)])) == 10


@pytest.mark.parametrize("style", STYLES)
def test_a_limit_reads_no_further(api: Api, connect: Connect, style: str) -> None:
    serve(api, style, Rows(35, base=api.url))
    assert len(ids(list(connect().pages(plan(style), limit=13)))) == 13
    assert len(api.asked) == 2


@pytest.mark.parametrize("style", ["page1", "cursor", "keyset"])
def test_a_server_that_ignores_the_parameter(api: Api, connect: Connect, style: str) -> None:
    answers = [{"key": {"id": number}} for number in range(10)]
    api.answer = lambda asked: Reply(json.dumps({"data": answers, "meta": {"next": f"t{len(api.asked)}"}}).encode())
    what = {"page1": "page", "cursor": "cursor", "keyset": "keyset"}[style]
    with pytest.raises(SourceError, match=rf"server ignores {what}: page 2 of GET /rows"):
        list(connect().pages(plan(style)))
    assert len(api.asked) == 2


@pytest.mark.parametrize("style", ["cursor", "next", "link"])
def test_a_circle_of_pages_is_an_error_that_names_the_page(api: Api, connect: Connect, style: str) -> None:
    def answer(asked: Asked) -> Reply:
        number = len(api.asked)
        onward = 1 + number % 3
        body = {"data": [{"key": {"id": 10 * number}}], "meta": {"next": f"t{onward}"}, "links": {"next": f"/rows?p={onward}"}}
        return Reply(json.dumps(body).encode(), headers={"Link": f'</rows?p={onward}>; rel="next"'})

    api.answer = answer
    with pytest.raises(SourceError, match=r"GET /rows lead in a circle: page 4 names page 2") as caught:
        list(connect().pages(plan(style)))
    assert type(caught.value) is SourceError
    assert len(api.asked) == 4


@pytest.mark.parametrize("style", ["cursor", "next", "link"])
def test_pages_whose_rows_came_before_are_an_error(api: Api, connect: Connect, style: str) -> None:
    def answer(asked: Asked) -> Reply:
        number = len(api.asked)
        body = {"data": [{"key": {"id": number % 3}}], "meta": {"next": f"t{number}"}, "links": {"next": f"?p={number}"}}
        return Reply(json.dumps(body).encode(), headers={"Link": f"<?p={number}>; rel=next"})

    api.answer = answer
    with pytest.raises(SourceError, match=r"page 4 of GET /rows holds the same 1 rows as page 1"):
        list(connect().pages(plan(style)))


@pytest.mark.parametrize("style", ["cursor", "next", "link"])
def test_empty_pages_with_a_next_one_go_on_and_not_for_ever(api: Api, connect: Connect, style: str) -> None:
    def answer(asked: Asked) -> Reply:
        number = len(api.asked)
        rows = [{"key": {"id": number}}] if number in full else []
        body = {"data": rows, "meta": {"next": f"t{number}"}, "links": {"next": f"/rows?p={number}"}}
        body = body if number < last else {"data": rows}
        return Reply(json.dumps(body).encode(), headers={"Link": f'</rows?p={number}>; rel="next"'} if number < last else {})

    api.answer = answer
    full, last = {3, 4, 12}, 14
    pages = list(connect().pages(plan(style)))
    assert ids(pages) == [3, 4, 12]
    assert [page.number for page in pages] == [1, 3, 4, 12]
    api.asked.clear()
    last = 1000
    with pytest.raises(SourceError, match="20 pages in a row without rows"):
        list(connect().pages(plan(style)))
    assert len(api.asked) == 32


@pytest.mark.parametrize("style", ["cursor", "next", "link"])
def test_an_empty_page_is_the_end_if_as_many_rows_came_as_it_declares(api: Api, connect: Connect, style: str) -> None:
    """CKAN's datastore names a next page for ever. A number that tells the rows of the page alone is 0 there."""

    def answer(asked: Asked) -> Reply:
        number = len(api.asked)
        rows = [{"key": {"id": number}}] if number in full else []
        told = total if total else len(rows)
        body = {"data": rows, "total": told, "meta": {"next": f"t{number}"}, "links": {"next": f"/rows?p={number}"}}
        return Reply(json.dumps(body).encode(), headers={"Link": f'</rows?p={number}>; rel="next"'})

    api.answer = answer
    full, total = {1, 2, 5}, 3
    assert ids(list(connect().pages(plan(style)))) == [1, 2, 5]
    assert len(api.asked) == 6
    api.asked.clear()
    total = 0
    with pytest.raises(SourceError, match="20 pages in a row without rows"):
        list(connect().pages(plan(style)))


def test_a_window_of_rows_that_ends_early_says_so(api: Api, connect: Connect) -> None:
    """It was asked for from row 0 in place of a page that fits, and told as a server that ignores the offset."""
    rows = Rows(90, cap=4)

    def answer(asked: Asked) -> Reply:
        late = int(asked.query.get("offset", ["0"])[0]) >= 8
        return Reply(b'{"message": "offset must be less than 8"}', status=400) if late else rows(asked)

    api.answer = answer
    pages = list(connect().pages(plan("offset"), knit=True))
    assert len(ids(pages)) == len(set(ids(pages))) == 10
    assert (pages[-1].refused, pages[-1].word) == (400, '400 Bad Request: {"message": "offset must be less than 8"}')


@pytest.mark.parametrize("style", ["cursor", "next"])
def test_a_page_between_others_may_leave_out_what_would_be_empty(api: Api, connect: Connect, style: str) -> None:
    def answer(asked: Asked) -> Reply:
        number = len(api.asked)
        onward = {"meta": {"next": f"t{number}"}, "links": {"next": f"/rows?p={number}"}} if number < 3 else {}
        return Reply(json.dumps({**({"data": [{"key": {"id": number}}]} if number != 2 else left), **onward}).encode())

    api.answer, left = answer, {"kind": "rows"}
    assert ids(list(connect().pages(plan(style)))) == [1, 3]
    api.asked.clear()
    left = {"results": [{"key": {"id": 2}}]}  # its records stand elsewhere
    with pytest.raises(SkippableError, match="expected records at 'data', found an object with only: "):
        list(connect().pages(plan(style)))


def test_an_empty_page_that_hands_back_its_own_token_is_the_end(api: Api, connect: Connect) -> None:
    def answer(asked: Asked) -> Reply:
        token = asked.query.get("after", ["a"])[0]
        onward = {"a": "b", "b": "c", "c": "c"}[token]
        rows = [] if token == "c" else [{"key": {"id": ord(token)}}]
        return Reply(json.dumps({"data": rows, "meta": {"next": onward}}).encode())

    api.answer = answer
    assert ids(list(connect().pages(plan("cursor")))) == [97, 98]


@pytest.mark.parametrize("end", [None, "", 0, "0", False, {}, []])
def test_what_is_no_token(api: Api, connect: Connect, end: Any) -> None:
    api.replies(Reply(json.dumps({"data": [{"key": {"id": 1}}], "meta": {"next": end}}).encode()))
    assert ids(list(connect().pages(plan("cursor")))) == [1]
    assert len(api.asked) == 1


@pytest.mark.parametrize("style", STYLES)
def test_a_list_without_an_end_is_given_up(api: Api, connect: Connect, style: str) -> None:
    serve(api, style, Rows(10_000, base=api.url))
    with pytest.raises(SourceError, match=r"GET /rows: after 12 pages the list still goes on"):
        list(connect(most_pages=12).pages(plan(style)))
    assert len(api.asked) == 12


def test_a_record_without_the_key_of_the_next_page(api: Api, connect: Connect) -> None:
    api.replies(Reply(b'{"data": [{"key": {"id": 1}}, {"key": null}]}'))
    with pytest.raises(SkippableError, match=r"no plain value at key\.id"):
        list(connect().pages(plan("keyset")))


def test_the_last_page_again_is_the_end_where_that_can_be_known(api: Api, connect: Connect) -> None:
    rows = Rows(10)

    def answer(asked: Asked) -> Reply:
        asked.query["page"] = [str(min(asked.number("page"), len(rows.rows) // 10))]
        return rows(asked)

    api.answer = answer
    client = connect()
    with pytest.raises(SourceError, match="ignores page"):
        list(client.pages(plan("page1")))
    rows.more = {"meta": {"pagination": {"total": 10}}}
    assert len(ids(list(client.pages(plan("page1"))))) == 10
    rows.rows, rows.more = Rows(20).rows, {}
    with pytest.raises(SourceError, match="repeats a page"):
        list(connect().pages(plan("page")))
    pages = list(client.pages(plan("page1")))
    assert len(ids(pages)) == 20
    assert pages[-1].refused == 200
    rows.rows = Rows(10).rows
    assert len(ids(list(client.pages(plan("page1"))))) == 10  # now it is known that pages lead on here


def test_a_total_that_grows_with_the_pages_is_not_trusted(api: Api, connect: Connect) -> None:
    rows = Rows(40)

    def answer(asked: Asked) -> Reply:
        rows.more = {"total": 10 * asked.number("page")}
        return rows(asked)

    api.answer = answer
    assert len(ids(list(connect().pages(plan("page"))))) == 40


# ---------------------------------------------------------------- where links lead


@pytest.mark.parametrize("style", ["next", "link"])
@pytest.mark.parametrize("form", ["{url}/api/rows", "/api/rows", "rows", "", "//127.0.0.1:{port}/api/rows"])
def test_links_are_followed_in_every_form(api: Api, connect: Connect, style: str, form: str) -> None:
    rows = Rows(25)
    address = form.format(url=api.url, port=api.port)

    def answer(asked: Asked) -> Reply:
        reply = rows(asked)
        return Reply(
            reply.body.replace(b'"/api/rows?', b'"' + address.encode() + b"?"),
            headers={name: text.replace("</api/rows?", f"<{address}?") for name, text in reply.headers.items()},
        )

    api.answer = answer
    pages = list(connect(base_path="/api").pages(plan(style)))
    assert len(ids(pages)) == 25
    assert pages[1].query == {"limit": "10", "start": "10"}
    assert {asked.path for asked in api.asked} == {"/api/rows"}


@pytest.mark.parametrize("style", ["next", "link"])
@pytest.mark.parametrize("first", [0, 1])
def test_a_link_that_counts_pages_and_forgets_their_size_gets_it_again(
    api: Api, connect: Connect, style: str, first: int
) -> None:
    rows = Rows(47)
    rows.first = first

    def answer(asked: Asked) -> Reply:
        size, page = int(asked.query.get("limit", ["4"])[0]), int(asked.query.get("page", [str(first)])[0])
        held = rows.rows[(page - first) * size : (page - first + 1) * size]
        onward = f"/rows?page={page + 1}" if (page - first + 1) * size < len(rows.rows) else None
        headers = {"Link": f'<{onward}>; rel="next"'} if onward else {}
        return Reply(json.dumps({"data": held, "links": {"next": onward}}).encode(), headers=headers)

    api.answer = answer
    assert ids(list(connect().pages(plan(style)))) == [row["key"]["id"] for row in rows.rows]
    assert len(api.asked) == 5


@pytest.mark.parametrize("style", ["next", "link"])
def test_a_link_to_another_server_is_refused(api: Api, other_api: Api, connect: Connect, style: str) -> None:
    serve(api, style, Rows(25, base=f"{other_api.url}/elsewhere"))
    with pytest.raises(SourceError) as caught:
        list(connect().pages(plan(style)))
    assert type(caught.value) is SourceError
    assert f"127.0.0.1:{api.port} leads on to another server, http://127.0.0.1:{other_api.port};" in str(caught.value)
    assert other_api.asked == []
    assert len(api.asked) == 1


@pytest.mark.parametrize("base", ["", "/api"])
@pytest.mark.parametrize("style", ["next", "link"])
def test_a_link_to_the_host_behind_a_proxy_is_asked_for_here(
    api: Api, other_api: Api, connect: Connect, style: str, base: str
) -> None:
    serve(api, style, Rows(25, base=other_api.url))
    assert len(ids(list(connect(base_path=base).pages(plan(style))))) == 25
    assert {asked.path for asked in api.asked} == {f"{base}/rows"}
    assert other_api.asked == []


def test_a_proxy_that_adds_the_base_path(api: Api, connect: Connect) -> None:
    rows = Rows(25)

    def answer(asked: Asked) -> Reply:
        assert asked.path == "/proxy/v1/rows"
        asked.path = "http://internal-host/rows"
        return rows(asked)

    api.answer = answer
    assert len(ids(list(connect(base_path="/proxy/v1").pages(plan("next"))))) == 25


@pytest.mark.parametrize(
    "link",
    ["http://eve:pw@127.0.0.1/rows", "http://[bad", "file:///etc/passwd", "javascript:alert(1)", "/rows?" + "x" * 9000],
)
def test_a_link_that_is_no_usable_address(api: Api, connect: Connect, link: str) -> None:
    api.replies(Reply(json.dumps({"data": [{"key": {"id": 1}}], "links": {"next": link}}).encode()))
    with pytest.raises(SourceError) as caught:
        list(connect().pages(plan("next")))
    assert "eve" not in str(caught.value)
    assert len(api.asked) == 1


def test_relative_links_refer_to_where_a_redirect_led(api: Api, connect: Connect) -> None:
    rows = Rows(25)

    def answer(asked: Asked) -> Reply:
        if asked.path == "/rows":
            return Reply(status=301, headers={"Location": "/v2/rows/list?limit=10"})
        assert asked.path == "/v2/rows/list"
        asked.path = "list"
        return rows(asked)

    api.answer = answer
    assert len(ids(list(connect().pages(plan("next"))))) == 25


# ---------------------------------------------------------------- parents


def test_composite_parents_fill_path_and_query(api: Api, connect: Connect) -> None:
    also = [{"parameter": "repo", "path": "name"}, {"parameter": "state", "path": "@parent", "location": "query"}]
    parent = ParentKey(entity="repo", path="owner.login", parameter="owner", also=also)
    fetch = Fetch(entity="issue", path="/repos/{owner}/{repo}/issues", parent=parent)
    api.replies(Reply(b'[{"id": 1}]'))
    client = connect()
    values = [("octo", "re/po", 7), ("{repo}", "ü", "x")]
    results = list(client.fetch_all(fetch, values))
    assert [value for value, _ in results] == values  # type: ignore[misc]
    assert sorted(asked.path for asked in api.asked) == ["/repos/%7Brepo%7D/%C3%BC/issues", "/repos/octo/re%2Fpo/issues"]
    assert {asked.query["state"][0] for asked in api.asked} == {"7", "x"}
    assert {row["parent"] for row in client.ledger.drain()} == {'["octo","re/po","7"]', '["{repo}","ü","x"]'}
    (skipped,) = client.fetch_all(fetch, [("octo", "..", "x")])
    assert isinstance(skipped, Skipped)


@pytest.mark.parametrize("style", STYLES)
def test_numbers_that_begin_anew_are_no_page_that_came_before(api: Api, connect: Connect, style: str) -> None:
    if style == "keyset":
        return  # which leads on by the numbers themselves
    rows = serve(api, style, Rows(60))
    for number, row in enumerate(rows.rows):
        row["key"]["id"], row["year"] = number % 30, number // 30
    found = [json.loads(record) for page in connect().pages(plan(style)) for record in page.records]
    assert [(row["year"], row["key"]["id"]) for row in found] == [(number // 30, number % 30) for number in range(60)]
