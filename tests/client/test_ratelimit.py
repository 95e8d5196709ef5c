"""Rate limits that answers state: what is read from the headers, and that they are kept rather than run into."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import pytest

from spectra_assets.client.api import ApiClient
from spectra_assets.client.pacing import Pace, SeenLimit
from spectra_assets.client.ratelimit import Gauge, Quota, quotas, renewal
from spectra_assets.errors import SkippableError
from tests.client.conftest import Api, Asked, PlayedTime, Reply

Connect = Callable[..., ApiClient]
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
DATE = format_datetime(NOW, usegmt=True)
SOON = int(NOW.timestamp()) + 40


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"RateLimit": '"default";r=50;t=30', "RateLimit-Policy": '"default";q=100;w=60'}, Quota("RateLimit", 100, 60, 50, 30)),
        ({"RateLimit": '"b";r=5;t=3', "RateLimit-Policy": '"a";q=9;w=1, "b";q=8;w=60'}, Quota("RateLimit", 8, 60, 5, 3)),
        ({"RateLimit": "limit=100, remaining=50, reset=5", "RateLimit-Policy": "100;w=10"}, Quota("RateLimit", 100, 10, 50, 5)),
        ({"RateLimit-Policy": '"x";q=7;w=2'}, Quota("RateLimit-Policy", 7, 2)),
        (
            {"RateLimit-Limit": "100, 100;w=60, 900;w=3600", "RateLimit-Remaining": "4", "RateLimit-Reset": "9"},
            Quota("RateLimit-Limit", 100, 60, 4, 9),
        ),
        ({"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0"}, Quota("X-RateLimit-Limit", 60, None, 0, None)),
        ({"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": str(SOON)}, Quota("X-RateLimit-Limit", None, None, 7, 40)),
        ({"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": f"{SOON}000"}, Quota("X-RateLimit-Limit", None, None, 7, 40)),
        ({"X-Rate-Limit-Remaining": "7", "X-Rate-Limit-Reset": "40"}, Quota("X-Rate-Limit-Limit", None, None, 7, 40)),
        (
            {"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": format_datetime(NOW + timedelta(seconds=40), usegmt=True)},
            Quota("X-RateLimit-Limit", None, None, 7, 40),
        ),
        ({"X-RateLimit-Remaining": "7", "X-RateLimit-Reset-After": "1.5"}, Quota("X-RateLimit-Limit", None, None, 7, 1.5)),
        (
            {"X-RateLimit-Limit-Minute": "20", "X-RateLimit-Remaining-Minute": "19"},
            Quota("X-RateLimit-Limit-Minute", 20, 60, 19, None),
        ),
    ],
)
def test_headers(headers: dict[str, str], expected: Quota) -> None:
    found = quotas({"Date": DATE, **headers})
    assert expected in found
    assert len({quota.header for quota in found} - {"RateLimit-Policy"}) <= 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"RateLimit": ""},
        {"RateLimit": "soon"},
        {"RateLimit-Limit": "-1", "RateLimit-Remaining": "-1"},
        {"X-RateLimit-Limit": "0", "X-RateLimit-Remaining": "0"},
        {"X-RateLimit-Limit": "1e9"},
        {"X-RateLimit-Limit": "9" * 400},
        {"RateLimit-Policy": ";;;,,,=" * 200},
    ],
)
def test_what_says_nothing(headers: dict[str, str]) -> None:
    assert quotas(headers) == []


def test_an_instant_in_the_past_is_now_and_one_far_away_is_bounded() -> None:
    assert renewal({"Date": DATE, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(SOON - 900)}) == 0
    assert renewal({"Date": DATE, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(SOON + 90_000)}) == 120
    assert renewal({"Date": DATE, "X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "9"}) is None


def test_the_strictest_limit_is_seen() -> None:
    gauge = Gauge(Pace(None, 0.01, 4))
    assert gauge.seen is None
    gauge.read({"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "9"})
    assert gauge.seen == SeenLimit(10, None, "X-RateLimit-Limit")
    gauge.read({"RateLimit-Limit": "5000", "RateLimit-Remaining": "4999", "RateLimit-Reset": "3600"})
    assert gauge.seen == SeenLimit(5000, 3600, "RateLimit-Limit")
    gauge.read({"RateLimit-Limit": "5000", "RateLimit-Remaining": "4000", "RateLimit-Reset": "17"})
    assert gauge.seen == SeenLimit(5000, 3600, "RateLimit-Limit")
    gauge.read({"RateLimit-Policy": '"burst";q=10;w=60'})
    assert gauge.seen == SeenLimit(10, 60, "RateLimit-Policy")


class Window:
    """A server that allows `limit` requests per `seconds`, says so in `style`, and counts those it had to refuse."""

    def __init__(self, limit: int, seconds: float, style: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit, self.seconds, self.style, self._clock = limit, seconds, style, clock
        self.opened, self.used, self.refused = 0.0, 0, 0

    def __call__(self, asked: Asked) -> Reply:
        now = self._clock()
        if now - self.opened >= self.seconds:
            self.opened, self.used = now, 0
        self.used += 1
        rest, reset = max(self.limit - self.used, 0), self.opened + self.seconds - now
        headers = {
            "x": {"X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": str(rest), "X-RateLimit-Reset": f"{reset:.3f}"},
            "ietf": {"RateLimit": f'"a";r={rest};t={reset:.3f}', "RateLimit-Policy": f'"a";q={self.limit};w={self.seconds}'},
            "policy": {"RateLimit-Policy": f'"a";q={self.limit};w={self.seconds}'},
        }[self.style]
        self.refused += self.used > self.limit
        return Reply(b"[]", status=429 if self.used > self.limit else 200, headers=headers)


@pytest.mark.parametrize("style", ["x", "ietf", "policy"])
def test_a_stated_limit_is_never_run_into(api: Api, connect: Connect, style: str) -> None:
    window = api.answer = Window(10, 0.8, style)
    client = connect(in_flight=4)
    client.read("/first")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.read(f"/{number}"), range(23)))
    assert window.refused <= 8, "a few may be late on a busy machine; without care it were 14"
    assert client.seen_limit is not None
    assert client.seen_limit.limit == 10


@pytest.mark.parametrize("style", ["x", "ietf", "policy"])
def test_a_stated_limit_is_never_run_into_and_is_made_use_of(played: PlayedTime, style: str) -> None:
    """One request, then 23 more, up to four of them under way at a time; each answer takes 5 ms."""
    window, pace = Window(10, 0.8, style, played.monotonic), Pace(None, 0.001, 4)
    gauge, begun = Gauge(pace), played.now
    for number in range(24):
        pace.wait(played)  # type: ignore[arg-type]
        reply = window(Asked("/x", {}, {}))
        played.later.append((played.now + 0.005, partial(gauge.read, reply.headers)))
        while len(played.later) == 4 or (number == 0 and played.later):
            played.wait(0.001)
    assert window.refused == 0
    assert played.now - begun < 2.6, "two waits, not more"


def test_a_generous_limit_slows_nothing(api: Api, connect: Connect) -> None:
    api.answer = Window(1000, 10_000, "x")
    client = connect()
    begun = time.monotonic()
    for _ in range(30):
        client.read("/x")
    assert time.monotonic() - begun < 60, "evenly spaced they would take 300 s"


def test_after_the_last_request_all_wait(api: Api, connect: Connect) -> None:
    api.replies(
        Reply(b"[]", headers={"RateLimit-Limit": "5", "RateLimit-Remaining": "0", "RateLimit-Reset": "0.3"}), Reply(b"[]")
    )
    client = connect()
    client.read("/x")
    client.read("/x")
    assert api.asked[1].at - api.asked[0].at >= 0.29


@pytest.mark.parametrize(
    "headers", [{"Retry-After": "0.2"}, {"X-RateLimit-Remaining": "0", "X-RateLimit-Limit": "9", "X-RateLimit-Reset": "0.2"}]
)
def test_a_403_that_means_too_many_requests(api: Api, connect: Connect, headers: dict[str, str]) -> None:
    api.replies(Reply(b"slow down", status=403, headers=headers), Reply(b"[]"))
    assert connect().read("/x") == b"[]"
    assert api.asked[1].at - api.asked[0].at >= 0.19
    api.replies(Reply(b"no", status=403, headers={"X-RateLimit-Remaining": "8", "X-RateLimit-Limit": "9"}))
    with pytest.raises(SkippableError, match="403"):
        connect().read("/x")


def test_a_429_waits_for_the_reset_it_names(api: Api, connect: Connect) -> None:
    api.replies(Reply(status=429, headers={"RateLimit": "limit=1, remaining=0, reset=0.2"}), Reply(b"[]"))
    connect().read("/x")
    assert api.asked[1].at - api.asked[0].at >= 0.19
