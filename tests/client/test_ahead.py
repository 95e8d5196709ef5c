"""Reading ahead: the same pages in the same order, whatever the total says, sooner, and no more than idle threads can do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from spectra_assets.client.ahead import Ahead, Spare
from spectra_assets.client.api import ApiClient
from spectra_assets.client.fan_out import fan_out
from spectra_assets.client.pager import Ask
from spectra_assets.covenant.access import Fetch, OffsetPaging, PagePaging, ParentKey
from spectra_assets.errors import CredentialError, RetriableError, SourceError
from tests.client.conftest import Api, Asked, Reply

Connect = Callable[..., ApiClient]
OFFSET = OffsetPaging(offset_param="offset", size_param="size", size=10)
PAGES = PagePaging(page_param="page", size_param="size", size=10, first=1)


def plan(paging: object = OFFSET, **more: object) -> Fetch:
    return Fetch.model_validate({"entity": "row", "path": "/rows", "records": "items", "paging": paging, **more})


class Rows:
    """`total` rows; `told` is the total it declares, `cap` the longest page it gives, `wait` seconds each answer takes.

    Pages after the first are held back until `crowd` requests are under way at once.
    """

    def __init__(self, total: int, told: int | None = None, cap: int = 10, wait: float = 0.0, crowd: int = 0) -> None:
        self.rows = [{"id": number} for number in range(total)]
        self.told, self.cap, self.wait = total if told is None else told, cap, wait
        self.now = self.most = 0
        self.crowd, self._together = crowd, threading.Event()
        self._lock = threading.Lock()

    def __call__(self, asked: Asked) -> Reply:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
            if self.now >= self.crowd:
                self._together.set()
        time.sleep(self.wait)
        size = min(asked.number("size"), self.cap)
        start = asked.number("offset") if "offset" in asked.query else (asked.number("page") - 1) * size
        if start:
            self._together.wait(60)
        body = json.dumps({"total": self.told, "items": self.rows[start : start + size]}).encode()
        with self._lock:
            self.now -= 1
        return Reply(body)


def ids(client: ApiClient, fetch: Fetch) -> list[int]:
    return [json.loads(record)["id"] for page in client.pages(fetch) for record in page.records]


@pytest.mark.parametrize("paging", [OFFSET, PAGES])
@pytest.mark.parametrize("total", [0, 1, 9, 10, 11, 100, 105, 300])
@pytest.mark.parametrize("told", [-1000, -10, -1, 0, 1, 10, 1000])
def test_every_row_comes_once_and_in_order(api: Api, connect: Connect, paging: object, total: int, told: int) -> None:
    """Whether the declared total is true, too low, too high or nonsense."""
    api.answer = Rows(total, max(0, total + told))
    assert ids(connect(in_flight=8), plan(paging)) == list(range(total))


@pytest.mark.parametrize("total", [30, 35])
def test_no_request_more_than_without(api: Api, connect: Connect, total: int) -> None:
    for cap in (10, 7):
        counts = []
        for totals in ("credible", "notCredible"):
            before = len(api.asked)
            api.answer = Rows(total, cap=cap)
            assert ids(connect(in_flight=8), plan(totals=totals)) == list(range(total))
            counts.append(len(api.asked) - before)
        assert counts[0] == counts[1]


@pytest.mark.parametrize("cap", [10, 7, 2, 1])
def test_pages_that_begin_with_the_row_before_come_ahead_as_well(api: Api, connect: Connect, cap: int) -> None:
    for total, told in [(0, 0), (1, 1), (9, 9), (10, 10), (10, 99), (11, 0), (19, 19), (100, 100), (105, 105), (105, 900)]:
        api.answer = Rows(total, told, cap=cap)
        counts = []
        for totals in ("credible", "notCredible"):
            before = len(api.asked)
            client = connect(in_flight=8)
            pages = list(client.pages(plan(totals=totals, path=f"/rows/{total}"), knit=True))
            assert [json.loads(record)["id"] for page in pages for record in page.records] == list(range(total))
            assert all(page.joined or cap == 1 for page in pages[1:])
            counts.append(len(api.asked) - before)
        assert counts[0] == counts[1] or told != total


def test_a_server_that_gives_whole_pages_only_is_asked_for_them(api: Api, connect: Connect) -> None:
    """It divides the offset by the size: the page before comes again, once for all lists."""
    rows = [{"id": number} for number in range(35)]

    def answer(asked: Asked) -> Reply:
        size = asked.number("size")
        start = asked.number("offset") // size * size
        return Reply(json.dumps({"items": rows[start : start + size]}).encode())

    api.answer = answer
    client = connect()
    for _ in range(2):
        assert [json.loads(record)["id"] for page in client.pages(plan(), knit=True) for record in page.records] == list(
            range(35)
        )
    assert [asked.number("offset") for asked in api.asked] == [0, 9, 10, 20, 30, 0, 10, 20, 30]


def test_one_list_is_read_by_all_threads(api: Api, connect: Connect) -> None:
    api.answer = rows = Rows(400, crowd=6)
    assert len(ids(connect(in_flight=8), plan())) == 400
    assert 6 <= rows.most <= 8


def test_a_list_whose_total_changes_under_way_is_walked_by_what_came(api: Api, connect: Connect) -> None:
    rows = Rows(200)

    def answer(asked: Asked) -> Reply:
        if asked.number("offset") == 50:
            return Reply(json.dumps({"total": 150, "items": rows.rows[50:60]}).encode())
        return rows(asked)

    api.answer = answer
    assert ids(connect(in_flight=8), plan()) == list(range(200))


def test_a_server_that_ignores_the_offset_is_noticed(api: Api, connect: Connect) -> None:
    api.answer = lambda asked: Reply(json.dumps({"total": 95, "items": [{"id": n} for n in range(10)]}).encode())
    with pytest.raises(SourceError, match="server ignores offset"):
        ids(connect(in_flight=8), plan())


@pytest.mark.parametrize(("status", "error"), [(401, CredentialError), (503, RetriableError)])
def test_an_error_comes_in_its_place(api: Api, connect: Connect, status: int, error: type[Exception]) -> None:
    rows = Rows(200)
    api.answer = lambda asked: Reply(status=status) if asked.number("offset") == 60 else rows(asked)
    seen: list[int] = []
    pages = connect(in_flight=8, attempts=1).pages(plan())
    with pytest.raises(error):
        seen.extend(json.loads(record)["id"] for page in pages for record in page.records)
    assert seen == list(range(60))


def test_the_ledger_has_each_page_once_with_its_overlap(api: Api, connect: Connect) -> None:
    rows = Rows(100)
    rows.rows[40] = rows.rows[39]
    api.answer = rows
    client = connect(in_flight=8)
    assert [page.repeated for page in client.pages(plan())] == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    entries = sorted(client.ledger.drain(), key=lambda row: row["page"])
    assert [(row["page"], row["query"], row["repeated"]) for row in entries] == [
        (number + 1, f"offset={number * 10}&size=10", int(number == 4)) for number in range(11)
    ]


def test_a_sample_reads_nothing_ahead(api: Api, connect: Connect) -> None:
    api.answer = Rows(1000)
    assert len(list(connect(in_flight=8).pages(plan(), limit=15))) == 2
    time.sleep(0.05)
    assert len(api.asked) == 2


def test_who_stops_reading_stops_asking(api: Api, connect: Connect) -> None:
    api.answer = Rows(10_000, wait=0.01)
    pages = connect(in_flight=4).pages(plan())
    next(pages)
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    time.sleep(0.3)  # of 1,000 pages, as many as four threads had begun
    assert len(api.asked) <= 20


def test_idle_threads_help_the_last_parents(api: Api, connect: Connect) -> None:
    """Three long lists on eight threads: all eight are busy."""
    fetch = plan(path="/rows/{n}", parent=ParentKey(entity="p", path="id", parameter="n"))
    api.answer = rows = Rows(300, crowd=6)
    client = connect(in_flight=8)
    found = [json.loads(record)["id"] for result in client.fetch_all(fetch, [1, 2, 3]) for record in result[1].records]  # type: ignore[index,union-attr]
    assert found == [*range(300)] * 3
    assert 6 <= rows.most <= 8


def test_a_list_reads_ahead_once_others_rest() -> None:
    """It walks while there is no idle thread, and does not wait for its own next page to read on ahead."""
    spare, fetched = Spare(2), list[int]()
    spare.begin()

    def fetch(ask: Ask, number: int) -> int:
        fetched.append(number)
        return number

    early = Ahead(OFFSET, spare, fetch)
    first = Ask({"offset": "0", "size": "10"})
    early.follow(first, 1, 10, 40)
    second = Ask({"offset": "10", "size": "10"})
    assert early.take(second) is None
    early.follow(second, 2, 10, 40)
    assert not fetched
    spare.rests(True)
    assert early.take(Ask({"offset": "20", "size": "10"})) is None  # the walker's own
    assert early.take(Ask({"offset": "30", "size": "10"})) == 4
    spare.rests(False)
    early.close()
    spare.close()


def test_spare_threads_are_those_that_lists_leave() -> None:
    spare, hold = Spare(4), threading.Event()
    one, *others = [spare.begin() for _ in range(4)]
    assert spare.take(one, hold.wait) is None
    for number in others:
        spare.end(number)
    taken = [spare.take(one, hold.wait) for _ in range(7)]
    assert sum(each is not None for each in taken) == 5  # three threads, and half as many pages more
    hold.set()
    spare.give()
    assert spare.take(one, hold.wait) is not None
    spare.close()


def test_the_lists_that_come_first_read_ahead_however_busy_the_threads_are() -> None:
    spare, hold = Spare(16), threading.Event()
    numbers = [spare.begin() for _ in range(20)]
    taken = [spare.take(number, hold.wait) is not None for number in (*numbers, *numbers[:2] * 4)]
    assert taken == [True] * 2 + [False] * 18 + [True] * 6 + [False] * 2  # eight pages in all
    spare.end(numbers[0])
    for _ in range(8):
        spare.give()
    assert spare.take(numbers[2], hold.wait) is not None  # now it is among the first two
    hold.set()
    spare.close()


def test_results_wait_by_weight_while_the_first_piece_is_slow() -> None:
    """Other threads go on beside a slow first piece, up to what may wait in all."""
    others, made = threading.Event(), [0] * 4

    def work(piece: int, stop: threading.Event) -> Iterator[int]:
        if piece == 0:
            others.wait(60)
        for number in range(30):
            made[piece] = number + 1
            if sum(made[1:]) >= 30:
                others.set()
            yield piece * 100 + number

    results = fan_out(range(4), work, 4, weigh=lambda _: 10, most=300)
    seen = [next(results)]
    assert others.is_set()
    assert sum(made[1:]) <= 30 + 3 * 3 + 1
    seen += list(results)
    assert [result for _, result in seen] == [piece * 100 + number for piece in range(4) for number in range(30)]
