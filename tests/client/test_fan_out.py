"""Many parents at once: order, flat memory, skipped parents, prompt ends; and the ledger they fill."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.client.fan_out import Aside, every, fan_out
from spectra_assets.client.ledger import Entry, Ledger
from spectra_assets.client.lists import Skipped
from spectra_assets.covenant.access import Fetch, OffsetPaging, ParentKey
from spectra_assets.errors import CredentialError, RetriableError
from tests.client.conftest import Api, Asked, Reply

Connect = Callable[..., ApiClient]
FETCH = Fetch(entity="row", path="/rows/{n}", parent=ParentKey(entity="project", path="id", parameter="n"))
PAGED = FETCH.model_copy(update={"paging": OffsetPaging(offset_param="offset", size_param="size", size=2)})


def parent_of(asked: Asked) -> int:
    return int(asked.path.rsplit("/", 1)[1])


def test_results_come_in_the_order_of_parents(api: Api, connect: Connect) -> None:
    def answer(asked: Asked) -> Reply:
        time.sleep(random.random() / 200)  # noqa: S311
        rows = [parent_of(asked) * 100 + n for n in range(5)][asked.number("offset") :][:2]
        return Reply(json.dumps([{"id": row} for row in rows]).encode())

    api.answer = answer
    results = list(connect(in_flight=8).fetch_all(PAGED, range(40)))
    pages = [(result[0], result[1]) for result in results if not isinstance(result, Skipped)]
    assert [parent for parent, _ in pages] == [n for n in range(40) for _ in range(3)]
    assert [json.loads(r)["id"] for _, page in pages for r in page.records] == [n * 100 + m for n in range(40) for m in range(5)]


def test_requests_run_at_the_same_time(api: Api, connect: Connect) -> None:
    """Ten and no more, although more threads than that read the answers."""
    lock, now, most, ten = threading.Lock(), 0, 0, threading.Event()

    def answer(asked: Asked) -> Reply:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
            if now == 10:
                ten.set()
        ten.wait(30)
        time.sleep(0.02)
        with lock:
            now -= 1
        return Reply(b"[]")

    api.answer = answer
    assert len(list(connect(in_flight=10).fetch_all(FETCH, range(40)))) == 40
    assert ten.is_set()
    assert most == 10


def test_a_parent_that_is_refused_is_skipped_in_its_place(api: Api, connect: Connect) -> None:
    api.answer = lambda asked: Reply(b"no", status=403) if parent_of(asked) in (0, 3) else Reply(b'[{"id": 1}]')
    results = list(connect(in_flight=2).fetch_all(FETCH, range(5)))
    assert [r.parent_value if isinstance(r, Skipped) else -1 for r in results] == [0, -1, -1, 3, -1]
    assert all(r.error.status == 403 for r in results if isinstance(r, Skipped))


def test_a_parent_that_is_always_an_internal_error_is_skipped(api: Api, connect: Connect) -> None:
    api.answer = lambda asked: Reply(status=500) if parent_of(asked) == 3 else Reply(b'[{"id": 1}]')
    results = list(connect(in_flight=2, backoff_base=0.001).fetch_all(FETCH, range(5)))
    assert [(r.parent_value, r.error.status) for r in results if isinstance(r, Skipped)] == [(3, 500)]
    assert len(results) == 5


def test_many_parents_in_a_row_that_are_internal_errors_are_fatal(api: Api, connect: Connect) -> None:
    api.answer = lambda asked: Reply(status=500) if parent_of(asked) >= 3 else Reply(b"[]")
    with pytest.raises(RetriableError, match=r"20 parents in a row.*500"):
        list(connect(backoff_base=0.001).fetch_all(FETCH, range(1000)))
    assert len(api.asked) < 3 * 100


def test_parents_that_fail_here_and_there_are_skipped_however_many_they_are(api: Api, connect: Connect) -> None:
    api.answer = lambda asked: Reply(status=500) if parent_of(asked) % 2 else Reply(b"[]")
    results = list(connect(in_flight=4, backoff_base=0.001).fetch_all(FETCH, range(50)))
    assert [each.parent_value for each in results if isinstance(each, Skipped)] == list(range(1, 50, 2))


def test_the_first_fatal_error_ends_everything_at_once(api: Api, connect: Connect) -> None:
    stalled = threading.Event()

    def answer(asked: Asked) -> Reply:
        if parent_of(asked) == 3:
            return Reply(status=401)
        if parent_of(asked) == 0:
            api.over.wait(60)
            stalled.set()
        return Reply(b"[]")

    api.answer = answer
    with pytest.raises(CredentialError):
        list(connect(in_flight=4, timeout=(20, 120)).fetch_all(FETCH, range(1000)))
    assert not stalled.is_set(), "it waited for the parent that stalls"
    asked = len(api.asked)
    assert asked < 30
    time.sleep(0.1)
    assert len(api.asked) <= asked + 4, "more than those in flight were sent"


def test_waiting_requests_end_when_another_fails(api: Api, connect: Connect) -> None:
    other_is_under_way = threading.Event()

    def answer(asked: Asked) -> Reply:
        if parent_of(asked) == 0:
            other_is_under_way.wait(60)
            return Reply(status=429, headers={"Retry-After": "110"})
        other_is_under_way.set()
        time.sleep(0.1)
        return Reply(status=401)

    api.answer = answer
    client = connect(in_flight=2)
    with pytest.raises(CredentialError):
        list(client.fetch_all(FETCH, range(2)))
    deadline = time.monotonic() + 60
    while any(thread.name.startswith("fan-out") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_used_up_attempts_are_fatal(api: Api, connect: Connect) -> None:
    api.answer = lambda asked: Reply(status=503) if parent_of(asked) == 5 else Reply(b"[]")
    with pytest.raises(RetriableError, match="503"):
        list(connect(attempts=2).fetch_all(FETCH, range(20)))


def test_parents_are_taken_lazily_and_results_wait_bounded() -> None:
    taken: list[int] = []
    made: list[int] = []

    def pieces() -> Iterator[int]:
        for number in range(10_000):
            taken.append(number)
            yield number

    def work(piece: int, stop: threading.Event) -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield piece

    results = fan_out(pieces(), work, 4)
    next(results)
    time.sleep(0.1)
    assert len(taken) <= 8
    assert len(made) <= 4 * 3 + 1
    results.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 60
    while any(thread.name.startswith("fan-out") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_more_may_wait_of_what_comes_first() -> None:
    """Eight threads: the first two pieces go on when the later ones have to wait, and who waits is told of."""
    made = [0] * 8
    waiting: list[bool] = []
    later_wait = threading.Event()

    def rests(yes: bool) -> None:
        waiting.append(yes)
        if waiting.count(True) - waiting.count(False) == 6:
            later_wait.set()

    def work(piece: int, stop: threading.Event) -> Iterator[int]:
        if piece < 2:
            later_wait.wait(30)
        for number in range(10 if piece < 2 else 90):
            made[piece] += 1
            yield number

    with closing(fan_out(range(8), work, 8, lambda _: 1, 80, rests)) as results:  # type: ignore[type-var]
        assert next(results) == (0, 0)
        assert later_wait.is_set()
        deadline = time.monotonic() + 60
        while made[0] < 10 or made[1] < 10:  # nobody takes their results, and yet they go on
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert sum(made[2:]) <= 80 + 6 * 3
        assert [number for _, number in results] == [*range(1, 10), *range(10), *[*range(90)] * 6]
    assert waiting.count(True) == waiting.count(False)


def test_a_failing_source_of_pieces_is_raised() -> None:
    def pieces() -> Iterator[int]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(fan_out(pieces(), lambda piece, stop: iter([piece]), 2))
    assert list(fan_out([], lambda piece, stop: iter([piece]), 2)) == []


def test_the_ledger_has_a_row_per_request(api: Api, connect: Connect) -> None:
    def answer(asked: Asked) -> Reply:
        if parent_of(asked) == 2:
            return Reply(b'{"errorMsg": "gone"}', status=410)
        return Reply(b'[{"id": 1}, {"id": 2}]' if asked.number("offset") == 0 else b'[{"id": 3}]')

    api.answer = answer
    ledger = Ledger()
    before = datetime.now(UTC)
    results = list(connect(ledger=ledger).fetch_all(PAGED, [1, 2]))
    rows = sorted(ledger.drain(), key=lambda row: (row["parent"], row["page"]))
    assert ledger.drain() == []
    assert [(r["parent"], r["page"], r["status"], r["rows"]) for r in rows] == [
        ("1", 1, 200, 2),
        ("1", 2, 200, 1),
        ("2", 1, 410, None),
    ]
    assert {row["path"] for row in rows} == {"/rows/{n}"}
    first = rows[0]
    assert first["query"] == "offset=0&size=2"
    assert (first["entity"], first["attempts"], first["bytes"], len(first["bodyHash"])) == ("row", 1, 22, 16)
    assert first["requestId"] == results[0][1].request_id  # type: ignore[index,union-attr]
    assert before <= first["requestedAt"] <= before + timedelta(seconds=5)
    assert first["elapsedMs"] > 0
    assert first["error"] is None
    assert "410 Gone" in rows[2]["error"]


def test_the_ledger_counts_attempts_and_failures_of_the_wire(api: Api, connect: Connect) -> None:
    api.replies(Reply(status=503), Reply(b"[1, 2]", fault="cut"), Reply(b"[1]"))
    client = connect()
    client.read("/x")
    api.replies(Reply(b"[1, 2]", fault="cut"))
    with pytest.raises(RetriableError):
        client.read("/x")
    good, bad = client.ledger.drain()
    assert (good["status"], good["attempts"], good["error"]) == (200, 3, None)
    assert (bad["status"], bad["attempts"], bad["bodyHash"]) == (None, 5, None)
    assert "cut the connection" in bad["error"]


def test_the_ledger_is_bounded() -> None:
    ledger = Ledger(capacity=3)
    for number in range(5):
        ledger.add(Entry(f"/{number}"))
    assert (len(ledger), ledger.dropped) == (3, 2)
    assert [row["path"] for row in ledger.drain()] == ["/2", "/3", "/4"]


def test_what_is_asked_aside_is_answered_in_its_order_and_raises_what_went_wrong() -> None:
    later = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            later.wait(10)
        later.set()
        return 10 // (3 - number)

    aside = Aside(work, threads=2)
    for number in range(4):
        aside.ask(number)
    answers = aside.answers()
    assert [next(answers) for _ in range(3)] == [(0, 3), (1, 5), (2, 10)]
    with pytest.raises(ZeroDivisionError):
        next(answers)
    aside.close()


def test_what_holds_of_all_is_asked_of_each_once() -> None:
    seen: list[int] = []
    assert every(range(200), lambda number, stop: seen.append(number) is None, threads=4)
    assert sorted(seen) == list(range(200))
    assert every([], lambda number, stop: False, threads=4)


def test_the_first_of_which_it_does_not_hold_ends_it() -> None:
    seen: list[int] = []

    def holds(number: int, stop: threading.Event) -> bool:
        seen.append(number)
        return number < 10 or (number > 10 and stop.wait(10))

    assert not every(range(10_000), holds, threads=4)
    assert len(seen) <= 14
    with pytest.raises(ZeroDivisionError):
        every(range(100), lambda number, stop: bool(50 // (50 - number)), threads=1)
