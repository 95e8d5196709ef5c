"""Pages of fetch plans: shapes, completeness whatever the server does, and what it costs in requests."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.client.pager import linked
from spectra_assets.client.paging import Page, Reader
from spectra_assets.covenant.access import Fetch, OffsetPaging, ParentKey
from spectra_assets.errors import ConfigurationError, RetriableError, SkippableError, SourceError
from tests.client.conftest import Api, Asked, Reply

Connect = Callable[..., ApiClient]
ROWS = ParentKey(entity="project", path="id", parameter="n")


def plan(records: str = "", size: int | None = None, path: str = "/rows", parent: ParentKey | None = None) -> Fetch:
    paging = {"paging": OffsetPaging(offset_param="offset", size_param="pagesize", size=size)} if size else {}
    return Fetch(entity="row", path=path, records=records, parent=parent, **paging)


def rows_of(asked: Asked, total: int, cap: int) -> list[dict[str, int]]:
    """What a server with `total` rows and a silent `cap` answers."""
    start = asked.number("offset")
    return [{"id": number} for number in range(start, min(total, start + min(asked.number("pagesize"), cap)))]


def as_bytes(value: object) -> Reply:
    return Reply(json.dumps(value).encode())


def ids(pages: list[Page]) -> list[int]:
    return [json.loads(record)["id"] for page in pages for record in page.records]


@pytest.mark.parametrize(
    ("records", "body", "expected"),
    [
        ("", b' [ {"id" : 1.50} ,\n{"id":"\\u00e9"}] ', [b'{"id" : 1.50}', b'{"id":"\\u00e9"}']),
        ("$", b' {"id":  1}\n', [b'{"id":  1}']),
        ("results", b'{"n": 1, "results": [1, [2], "x"]}', [b'{"value": 1}', b'{"value": [2]}', b'{"value": "x"}']),
        ("a.b", b'{"a": {"b": [{}]}}', [b"{}"]),
        ("", b"", []),
        ("$", b"", []),
        ("results", b"", []),
        ("", b"null", []),
        ("results", b'{"results": null}', []),
        ("results", b'{"results": []}', []),
    ],
)
def test_records_are_verbatim(api: Api, connect: Connect, records: str, body: bytes, expected: list[bytes]) -> None:
    api.replies(Reply(body))
    (page,) = connect().pages(plan(records))
    assert (page.records, page.number, page.query) == (expected, 1, {})


def test_no_content_is_one_empty_page(api: Api, connect: Connect) -> None:
    api.replies(Reply(status=204))
    (page,) = connect().pages(plan("results", size=10))
    assert page.records == []
    assert len(api.asked) == 1


@pytest.mark.parametrize(
    ("records", "body", "text"),
    [
        ("results", b"[1]", "expected an object with 'results'.*found an array"),
        ("", b'{"results": []}', "expected an array, found an object"),
        ("$", b"[{}]", "expected one object, found an array"),
        ("results", b'{"rows": [], "n": 1}', "expected records at 'results', found an object with only: n, rows"),
        ("a.b", b'{"a": []}', "expected an object with 'b'.*found an array"),
        ("results", b'{"results": {"id": 1}}', "expected an array at 'results', found an object"),
        ("", b'"text"', "found a text"),
        ("", b"12", "found a plain value"),
    ],
)
def test_another_shape_is_not_guessed(api: Api, connect: Connect, records: str, body: bytes, text: str) -> None:
    api.replies(Reply(body))
    with pytest.raises(SkippableError, match=text) as caught:
        list(connect().pages(plan(records)))
    assert caught.value.status == 200
    assert len(api.asked) == 1


@pytest.mark.parametrize("records", ["", "$", "results"])
def test_truncated_pages_are_tried_again(api: Api, connect: Connect, records: str) -> None:
    whole = {"": b'[{"id": 1}]', "$": b'{"id": 1}', "results": b'{"results": [{"id": 1}]}'}[records]
    api.replies(Reply(whole[:-1]), Reply(whole))
    assert ids(list(connect().pages(plan(records)))) == [1]
    api.replies(Reply(whole[:-1]))
    with pytest.raises(RetriableError, match="byte"):
        list(connect(attempts=2).pages(plan(records)))


@pytest.mark.parametrize("total", [0, 1, 10, 19, 20, 21, 57, 60])
@pytest.mark.parametrize("cap", [3, 10, 19, 1000])
def test_every_row_comes_once_whatever_the_cap(api: Api, connect: Connect, total: int, cap: int) -> None:
    api.answer = lambda asked: as_bytes(rows_of(asked, total, cap))
    pages = list(connect(backoff_base=0.001).pages(plan(size=20)))
    assert ids(pages) == list(range(total))
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))
    assert all(page.records for page in pages[1:])


def per_parent(api: Api, connect: Connect, totals: list[int], cap: int, size: int = 50) -> int:
    """Fetch many parents; prove that all rows are there; the number of requests."""

    def answer(asked: Asked) -> Reply:
        return as_bytes(rows_of(asked, totals[int(asked.path.rsplit("/", 1)[1])], cap))

    api.answer = answer
    client = connect(in_flight=1)
    fetch = plan(size=size, path="/rows/{n}", parent=ROWS)
    for number, total in enumerate(totals):
        assert ids(list(client.pages(fetch, number))) == list(range(total))
    return len(api.asked)


def test_short_pages_cost_one_more_request_only_while_they_set_records(api: Api, connect: Connect) -> None:
    assert per_parent(api, connect, [7, 3, 12, 5, 0, 11, 30, 8, 2, 29], cap=1000) == 10 + 3


def test_after_a_full_page_short_pages_are_the_last(api: Api, connect: Connect) -> None:
    assert per_parent(api, connect, [51, 1, 49, 50, 3], cap=1000) == 5 + 1 + 1


def test_parents_with_one_row_each_stop_costing_more(api: Api, connect: Connect) -> None:
    assert per_parent(api, connect, [1] * 30, cap=1000) == 30 + 3


def test_a_capped_server_is_read_whole_for_every_parent(api: Api, connect: Connect) -> None:
    assert per_parent(api, connect, [10, 25, 10, 4, 20, 31], cap=10) == 2 + 3 + 2 + 1 + 3 + 4


def test_a_declared_total_saves_the_last_request_but_is_not_trusted_alone(api: Api, connect: Connect) -> None:
    def answer(asked: Asked) -> Reply:
        return as_bytes({"results": rows_of(asked, 30, 10), "resultSize": declared(asked)})

    api.answer = answer
    for declared, requests in ((lambda asked: 30, 3), (lambda asked: 0, 4), (lambda asked: 10, 4)):
        before = len(api.asked)
        pages = list(connect().pages(plan("results", size=20)))
        assert ids(pages) == list(range(30))
        assert len(api.asked) - before == requests
        assert {page.declared_total for page in pages} == {declared(None) or None}  # type: ignore[arg-type]


def test_a_server_that_ignores_the_offset_is_an_error(api: Api, connect: Connect) -> None:
    def answer(asked: Asked) -> Reply:
        return as_bytes([{"id": number, "seen": len(api.asked)} for number in range(10)])

    api.answer = answer
    with pytest.raises(SourceError, match=r"server ignores offset: page 2 of GET /rows .*offset went on") as caught:
        list(connect().pages(plan(size=10)))
    assert type(caught.value) is SourceError
    assert len(api.asked) == 2


def test_rows_without_keys_are_told_apart_by_their_bytes(api: Api, connect: Connect) -> None:
    api.answer = lambda asked: as_bytes([{"id": 0, "n": row["id"]} for row in rows_of(asked, 25, 100)])
    assert len([r for page in connect().pages(plan(size=10)) for r in page.records]) == 25
    api.answer = lambda asked: as_bytes([{"n": 1}, {"n": 2}])
    with pytest.raises(SourceError, match="ignores offset"):
        list(connect().pages(plan(size=2)))


def test_a_loop_of_pages_is_an_error(api: Api, connect: Connect) -> None:
    starts = {0: 0, 2: 2, 4: 4, 6: 2}
    api.answer = lambda asked: as_bytes([{"id": starts[asked.number("offset")] + n} for n in range(2)])
    with pytest.raises(SourceError, match=r"repeats a page: page 4 .* as page 2"):
        list(connect().pages(plan(size=2)))


def test_an_overlap_is_reported_and_kept(api: Api, connect: Connect) -> None:
    answers = {0: [1, 2, 3], 3: [3, 4, 5], 6: [6]}
    api.answer = lambda asked: as_bytes([{"id": n, "at": len(api.asked)} for n in answers[asked.number("offset")]])
    client = connect()
    pages = list(client.pages(plan(size=3)))
    assert ids(pages) == [1, 2, 3, 3, 4, 5, 6]
    assert [page.repeated for page in pages] == [0, 1, 0]
    assert [row["repeated"] for row in client.ledger.drain()] == [0, 1, 0]


@pytest.mark.parametrize(("limit", "rows", "requests"), [(3, 3, 1), (10, 10, 1), (15, 15, 2), (1000, 25, 3)])
def test_a_limit_reads_no_further(api: Api, connect: Connect, limit: int, rows: int, requests: int) -> None:
    api.answer = lambda asked: as_bytes(rows_of(asked, 25, 1000))
    assert ids(list(connect().pages(plan(size=10), limit=limit))) == list(range(rows))
    assert len(api.asked) == requests


def test_a_limit_without_paging(api: Api, connect: Connect) -> None:
    api.replies(as_bytes([{"id": n} for n in range(9)]))
    assert ids(list(connect().pages(plan(), limit=4))) == [0, 1, 2, 3]


@pytest.mark.parametrize("records", ["", "$"])
def test_a_list_without_pages_goes_on_where_its_answer_names_a_next_one(api: Api, connect: Connect, records: str) -> None:
    """One record has none: the header then speaks of something inside of it."""

    def answer(asked: Asked) -> Reply:
        page = int(asked.query.get("page", ["1"])[0])
        found: object = [{"id": page * 10 + number} for number in range(3)] if not records else {"id": page}
        return Reply(json.dumps(found).encode(), headers={"Link": f'</rows?page={page + 1}>; rel="next"'} if page < 3 else {})

    api.answer = answer
    pages = list(connect().pages(plan(records)))
    assert ids(pages) == ([10, 11, 12, 20, 21, 22, 30, 31, 32] if not records else [1])
    assert [page.number for page in pages] == [1, 2, 3][: len(pages)]
    api.asked.clear()
    assert ids(list(connect().pages(plan(records), limit=1))) == [10 if not records else 1]
    assert len(api.asked) == 1


def test_parents_fill_path_or_query(api: Api, connect: Connect) -> None:
    client = connect()
    in_query = ROWS.model_copy(update={"location": "query"})
    list(client.pages(plan(path="/rows/{n}/all", parent=ROWS), "a/b ü"))
    list(client.pages(plan(path="/rows", parent=in_query), 7))
    assert api.asked[0].path == "/rows/a%2Fb%20%C3%BC/all"
    assert api.asked[1].query == {"n": ["7"]}


def test_a_plan_and_parent_that_do_not_fit(connect: Connect) -> None:
    client = connect()
    for fetch, parent, text in (
        (plan(), 1, "needs no parent value"),
        (plan(path="/rows/{n}", parent=ROWS), None, "needs a value for n"),
        (plan(parent=ROWS), 1, "no place for {n}"),
        (plan(path="/rows/{m}"), None, "nothing fills {m}"),
    ):
        with pytest.raises(ConfigurationError, match=text):
            list(client.pages(fetch, parent))
    with pytest.raises(SkippableError, match=r"'\.\.' can't stand for n"):
        list(client.pages(plan(path="/rows/{n}", parent=ROWS), ".."))


def test_nested_keys_tell_records_apart(api: Api, connect: Connect) -> None:
    def answer(asked: Asked) -> Reply:
        return as_bytes([{"testcase": {"id": row["id"]}, "at": len(api.asked)} for row in rows_of(asked, 4, 9)])

    api.answer = answer
    fetch = plan(size=2).model_copy(update={"primary_key": "testcase.id"})
    assert sum(len(page.records) for page in connect().pages(fetch)) == 4


def test_a_hostile_link_header_is_read_in_time() -> None:
    assert linked("<" * 200_000, "next") == ""
    last = (
        '<http://x/a>; rel="previous"; results="true"; cursor="0:0:1", <http://x/b>; rel="next"; results="{}"; cursor="0:100:0"'
    )
    assert linked(last.format("true"), "next") == "http://x/b"
    assert linked(last.format("false"), "next") == ""  # as Sentry says it


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'[{"id": 1 , "a": 2}, {"id":"x", "id2": 3}, { "id" :-7}]', [b"1", b'"x"', b"-7"]),
        (b'[{"a": {"id": 9}, "id": 1 }, {"id": "x\\"y"}]', [b"1", b'"x\\"y"']),  # not in front, or not plain
        (b'[{"id": 1.5}, {"id": 1e3}]', [b"1.5", b"1e3"]),
    ],
)
def test_keys_are_the_same_texts_wherever_they_stand(body: bytes, expected: list[bytes]) -> None:
    assert Reader(plan(size=10)).read(body, {}).identities == expected


@pytest.mark.parametrize("body", [b'[{"id": null}, {"id": 2}]', b'[{"id": 1}, {"id": 1}]', b'[{"ID": 1}, {"id": 2}]', b"[{}]"])
def test_records_without_a_key_of_their_own_are_told_apart_by_their_bytes(body: bytes) -> None:
    sheet = Reader(plan(size=10)).read(body, {})
    assert [len(each) for each in sheet.identities] == [16] * len(sheet.records)
