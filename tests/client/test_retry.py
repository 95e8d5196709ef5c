"""Faults of the wire and of busy servers: what is tried again, how long it waits, what it says in the end."""

from __future__ import annotations

import gzip
import socket
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.client.pacing import LONGEST_WAIT, Pace, backoff, retry_after
from spectra_assets.errors import RetriableError, SkippableError
from tests.client.conftest import Api, PlayedTime, Reply

Connect = Callable[..., ApiClient]
GOOD = Reply(b'{"id": 1}')


@pytest.mark.parametrize("fault", ["cut", "hangup"])
def test_a_cut_connection_is_tried_again(api: Api, connect: Connect, fault: str) -> None:
    api.replies(Reply(b'{"id": 12345678}', fault=fault), GOOD)
    assert connect().read("/x") == GOOD.body
    assert len(api.asked) == 2


def test_a_chunked_body_that_is_cut_is_tried_again(api: Api, connect: Connect) -> None:
    chunked = {"Transfer-Encoding": "chunked", "Content-Length": ""}
    api.replies(
        Reply(b"5\r\n[1, 2\r\n40\r\n, 3, 4", headers=chunked, fault="cut"), Reply(b"3\r\n[1]\r\n0\r\n\r\n", headers=chunked)
    )
    assert connect().read("/x") == b"[1]"


def test_a_connection_that_is_always_cut_ends_in_an_error(api: Api, connect: Connect) -> None:
    api.replies(Reply(b'{"id": 12345678}', fault="cut"))
    with pytest.raises(RetriableError, match=r"cut the connection.*tried 3 times"):
        connect(attempts=3).read("/x")
    assert len(api.asked) == 3


@pytest.mark.parametrize("reply", [Reply(b"", status=202), Reply(b'{"state": "queued"}', 202, {"Retry-After": "0"})])
def test_what_is_still_being_made_is_waited_for(api: Api, connect: Connect, reply: Reply) -> None:
    api.replies(reply, GOOD)
    assert connect().read("/x") == GOOD.body
    api.replies(Reply(b'{"state": "queued"}', 202), GOOD)
    with pytest.raises(SkippableError, match="202 Accepted"):
        connect().read("/x")


def test_a_shorter_body_than_declared_is_tried_again(api: Api, connect: Connect) -> None:
    api.replies(Reply(b"[1]", headers={"Content-Length": "50"}), Reply(b"[1, 2]"))
    assert connect().read("/x") == b"[1, 2]"


def test_complete_answers_with_truncated_json_name_the_byte(api: Api, connect: Connect) -> None:
    api.replies(Reply(b'{"id": 1, "na'))
    with pytest.raises(RetriableError, match=r"truncated \(at byte 13.*tried 2 times"):
        connect(attempts=2).read("/x")
    api.replies(Reply(b'{"id": 1, "na'), GOOD)
    assert connect().read("/x") == GOOD.body


def test_a_damaged_compressed_body_is_tried_again(api: Api, connect: Connect) -> None:
    packed = {"Content-Encoding": "gzip"}
    api.replies(Reply(b"no gzip at all", headers=packed), Reply(gzip.compress(b"[7]"), headers=packed))
    assert connect().read("/x") == b"[7]"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_status_that_passes(api: Api, connect: Connect, status: int) -> None:
    api.replies(Reply(status=status), GOOD)
    assert connect().read("/x") == GOOD.body


@pytest.mark.parametrize(("status", "requests"), [(500, 3), (501, 3), (502, 5), (503, 5), (504, 5), (429, 5)])
def test_a_status_that_stays(api: Api, connect: Connect, status: int, requests: int) -> None:
    api.replies(Reply(b'{"errorMsg": "no such id"}', status=status))
    with pytest.raises(RetriableError, match=f"{status}.*no such id") as caught:
        connect().read("/x")
    assert caught.value.status == status
    assert len(api.asked) == requests


def test_a_probe_gives_any_status_at_once(api: Api, connect: Connect) -> None:
    for status in (200, 204, 401, 403, 404, 429, 500, 503):
        api.replies(Reply(b"{}", status=status))
        before = len(api.asked)
        answer = connect().get("/x", {"a": 1}, attempts=1)
        assert (answer.status, answer.attempts, len(api.asked) - before) == (status, 1, 1)
    assert answer.url == f"{api.url}/x?***"
    assert answer.content_type == "application/json"
    assert answer.elapsed_ms > 0


def test_get_retries_and_then_gives_the_last_answer(api: Api, connect: Connect) -> None:
    api.replies(Reply(b"busy", status=503))
    answer = connect(attempts=3).get("/x")
    assert (answer.status, answer.body, answer.attempts) == (503, b"busy", 3)


@pytest.mark.parametrize("value", [None, "0", "-5", "soon", "Sun, 06 Nov 1994 08:49:37 GMT", "٣"])
def test_no_usable_retry_after_is_plain_backoff(api: Api, connect: Connect, value: str | None) -> None:
    headers = {"Retry-After": value.encode().decode("latin-1")} if value else {}
    api.replies(Reply(status=429, headers=headers), GOOD)
    assert retry_after(headers) in (None, 0)
    assert connect().read("/x") == GOOD.body


def test_retry_after_in_seconds_is_waited_for(api: Api, connect: Connect) -> None:
    api.replies(Reply(status=429, headers={"Retry-After": "0.3"}), GOOD)
    connect().read("/x")
    assert api.asked[1].at - api.asked[0].at >= 0.3


def test_who_wants_no_request_for_a_day_is_left_alone(api: Api, connect: Connect) -> None:
    refused = Reply(b'{"message": "the quota of the day is used up"}', status=429, headers={"Retry-After": "86400"})
    api.replies(refused, GOOD)
    with pytest.raises(RetriableError, match=r"quota of the day is used up.*no request for 86,400 s"):
        connect().read("/x")
    assert len(api.asked) == 1
    assert connect().read("/y") == GOOD.body, "nobody else waits for it"


def test_retry_after_values() -> None:
    now = datetime.now(UTC)
    later = format_datetime(now + timedelta(seconds=40), usegmt=True)
    assert retry_after({"Retry-After": "7"}) == 7
    assert retry_after({"Retry-After": "9" * 400}) == LONGEST_WAIT
    assert retry_after({"Retry-After": later}) == pytest.approx(40, abs=3)
    wrong_clock = {"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT", "Date": "Sun, 06 Nov 1994 08:49:07 GMT"}
    assert retry_after(wrong_clock) == 30
    assert retry_after({"Retry-After": "Sun, 06 Nov 9994 08:49:37 GMT"}) == LONGEST_WAIT
    for absurd in ("-1", "soon", "nan", "inf", "1e9", "99 Foo 20"):
        assert retry_after({"Retry-After": absurd}) is None
    assert retry_after({}) is None


def test_backoff_grows_is_jittered_and_capped() -> None:
    assert 0.25 <= backoff(1, 0.5) <= 0.5
    assert 2 <= backoff(4, 0.5) <= 4
    assert backoff(10_000, 0.5) <= 30


def test_a_busy_server_holds_all_threads_and_then_sees_no_stampede(api: Api, connect: Connect) -> None:
    def answer(asked: object) -> Reply:
        return Reply(status=429, headers={"Retry-After": "0.4"}) if len(api.asked) == 1 else GOOD

    api.answer = answer
    client = connect(in_flight=8, backoff_base=0.2)
    client_error = client.get("/first", attempts=1)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.read(f"/{number}"), range(8)))
    assert client_error.status == 429
    instants = [asked.at for asked in api.asked]
    assert instants[1] - instants[0] >= 0.38
    assert instants[-1] - instants[0] >= 0.38 + 7 * 0.02 * 0.8


def test_an_address_that_is_told_for_ever_that_it_comes_too_fast_is_given_up_and_holds_up_nobody(
    api: Api, connect: Connect, tmp_path: Path
) -> None:
    """Every other one is refused, with status 200, whatever the pace: after three of them it is known that waiting is no help."""
    slow = Reply(b'{"status": "RATE_LIMIT", "message": "Rate limit exceeded, try again later"}')
    api.answer = lambda asked: slow if int(asked.query["of"][0]) % 2 else GOOD
    client = connect(budgets=tmp_path)
    for number in range(12):
        if number % 2:
            with pytest.raises(RetriableError, match=r"RATE_LIMIT Rate limit exceeded.*tried \d times"):
                client.read("/x", {"of": number})
        else:
            assert client.read("/x", {"of": number}) == GOOD.body
    tries = Counter(int(asked.query["of"][0]) for asked in api.asked)
    assert [tries[number] for number in range(1, 12, 2)] == [5, 5, 5, 3, 3, 3]
    assert {tries[number] for number in range(0, 12, 2)} == {1}


def test_those_who_waited_leave_one_by_one(played: PlayedTime) -> None:
    pace, instants = Pace(None, 0.02, 8), []
    begun = played.now
    pace.hold(0.4)
    for _ in range(8):
        pace.wait(played)  # type: ignore[arg-type]
        instants.append(played.now - begun)
    assert instants == pytest.approx([0.4 + 0.02 * number for number in range(8)])


@pytest.mark.parametrize("late", [0.0, 0.005, 0.3])
def test_a_rate_is_kept_to_the_end_however_late_a_request_leaves(played: PlayedTime, late: float) -> None:
    pace, begun = Pace(50, 0.0, 8), played.now
    for number in range(26):
        pace.wait(played)  # type: ignore[arg-type]
        played.now += late if number == 3 else 0.0
    assert played.now - begun == pytest.approx(0.5 + max(0.0, late - 0.03), abs=0.03)


def test_requests_per_second_is_kept(api: Api, connect: Connect) -> None:
    client = connect(requests_per_second=50, in_flight=8)
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.read(f"/{number}"), range(26)))
    assert time.monotonic() - begun >= 0.45


def test_no_more_requests_in_flight_than_allowed(api: Api, connect: Connect) -> None:
    running: list[int] = []
    most: list[int] = []

    def answer(asked: object) -> Reply:
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        running.pop()
        return GOOD

    api.answer = answer
    client = connect(in_flight=3)
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda number: client.read(f"/{number}"), range(24)))
    assert max(most) <= 3


def test_a_silent_server_is_an_error(api: Api, connect: Connect) -> None:
    api.replies(Reply(b"{}", fault="stall"))
    with pytest.raises(RetriableError, match=r"sent nothing for 0\.1 s"):
        connect(timeout=(1, 0.1), attempts=2).read("/x")
    assert len(api.asked) == 2


def test_a_body_that_stops_midway_is_an_error(api: Api, connect: Connect) -> None:
    api.replies(Reply(b"[1, 2, 3]", fault="midway"))
    with pytest.raises(RetriableError, match=r"sent nothing for 0\.2 s"):
        connect(timeout=(1, 0.2), attempts=1).read("/x")


def test_a_dripping_body_does_not_last_for_ever(api: Api, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spectra_assets.client.transport._PATIENCE", 0.02)
    api.replies(Reply(b"[" + b"1," * 20_000 + b"1]", fault="drip"))
    with pytest.raises(RetriableError, match=r"did not end within 1 s"):
        connect(timeout=(20, 50), attempts=1).read("/x")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_body_is_refused(api: Api, connect: Connect, chunked: bool) -> None:
    body = b"1" * 300_000
    api.replies(
        Reply(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), headers={"Transfer-Encoding": "chunked", "Content-Length": ""})
        if chunked
        else Reply(body)
    )
    with pytest.raises(SkippableError, match="larger than 100,000 bytes"):
        connect(max_body=100_000).read("/x")
    assert len(api.asked) == 1


def test_a_compressed_body_is_measured_unpacked(api: Api, connect: Connect) -> None:
    api.replies(Reply(gzip.compress(b" " * 50_000_000 + b"[]"), headers={"Content-Encoding": "gzip"}))
    with pytest.raises(SkippableError, match="larger than"):
        connect(max_body=1_000_000).read("/x")


def test_a_compressed_bomb_fills_no_memory(api: Api, connect: Connect) -> None:
    api.replies(Reply(gzip.compress(b" " * 200_000_000, 1), headers={"Content-Encoding": "gzip"}))
    client = connect(max_body=4_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(SkippableError, match="larger than 4,000,000 bytes"):
            client.read("/x")
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_a_body_that_never_ends_is_refused(api: Api, connect: Connect) -> None:
    api.replies(Reply(fault="endless", headers={"Transfer-Encoding": "chunked", "Content-Length": ""}))
    with pytest.raises(SkippableError, match="larger than 3,000,000 bytes"):
        connect(max_body=3_000_000).read("/x")


def test_a_server_that_is_down_is_named(connect: Connect) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RetriableError, match=rf"nothing listens on 127\.0\.0\.1:{port}.*check DEMO_URL.*2 times"):
        connect(f"http://127.0.0.1:{port}", attempts=2).read("/x")


def test_an_unknown_host_is_named(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RetriableError, match=r"does-not-exist\.invalid:80 is not known \(DNS\); check DEMO_URL"):
        connect("http://does-not-exist.invalid", attempts=1).read("/x")
