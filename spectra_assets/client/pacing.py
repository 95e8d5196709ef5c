"""When the next request may go out: pacing for all threads of a client, backoff for one request."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import SystemRandom

from spectra_assets.client.budget import Budget

LONGEST_WAIT = 120.0
"""Seconds; a server that asks for more is tried after this."""

LONGEST_BACKOFF = 30.0
"""Seconds."""

_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
_RANDOM = SystemRandom()
_REMEMBERED, _LATELY = 512, 1.0
"""Answers whose instants are remembered, and seconds over which they are counted when the API first refuses one."""

_JITTER = 0.05
"""Share of a limit without a stated rest that is left: requests arrive a little sooner after one another than they left."""

_STOPPED = 0.2
"""Seconds after which a request that waits behind another one sees that it was given up."""

_RESERVE = 0.25
"""Share of a limit up to which requests leave as fast as they come; the rest is spread over the time until it is renewed."""


class StoppedError(Exception):
    """The work this request belongs to was given up. Seen by no caller of the client."""


@dataclass(frozen=True)
class SeenLimit:
    """A rate limit as answers stated it: `limit` requests per `window_seconds` (None: not said), in the header `header`."""

    limit: int
    window_seconds: float | None
    header: str


@dataclass
class _Budget:
    """Requests left until an instant of the monotonic clock, when there are `limit` again for `span` seconds (0: not known).

    `assumed` if no answer has stated it since it was renewed.
    """

    remaining: int
    renewed: float
    limit: int
    span: float
    assumed: bool = False


@dataclass
class _Bucket:
    """Requests that may leave at once now; more come at `rate` per second up to `most`."""

    tokens: float
    filled: float
    rate: float
    most: float


class Pace:
    """A gate which every request of a client passes.

    With `per_second`, requests leave at that rate, evenly spaced, so that a known limit is kept rather than hit. `hold`
    closes the gate for all threads; afterwards the waiting requests leave one by one, at least `spacing` seconds apart. What
    answers say of a limit is kept too (`spend`): when little is left it is spread over the time, and after the last one the
    gate stays closed until there is more. With a `budget`, rate and pauses are kept together with all others that ask the host.
    """

    def __init__(self, per_second: float | None, spacing: float, crowd: int, budget: Budget | None = None) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._spacing = max(spacing, self._interval)
        self._crowd = crowd
        self._spaced = 0
        self._next = 0.0
        self._budgets: dict[str, _Budget] = {}
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()
        self._budget = budget
        self._turn = threading.Lock()
        self._answers: deque[float] = deque(maxlen=_REMEMBERED)

    def wait(self, stop: threading.Event) -> None:
        """Return when a request may leave. Raises StoppedError as soon as `stop` is set."""
        self._pass(stop)
        budget = self._budget
        if budget is None or not (self._interval or budget.awake):
            return
        # whoever takes a turn long before it is there knows nothing of a new rate
        while not self._turn.acquire(timeout=_STOPPED):
            if stop.is_set():
                raise StoppedError
        try:
            while self._interval or budget.awake:
                if stop.wait(max(budget.reserve(self._interval) - time.monotonic(), 0.0)):
                    raise StoppedError
                if budget.held() <= time.monotonic():
                    return
        finally:
            self._turn.release()

    def answered(self) -> None:
        """Note that the API took a request."""
        self._answers.append(time.monotonic())
        if self._budget is not None and self._budget.awake:
            self._budget.answered()

    def _pass(self, stop: threading.Event) -> None:
        while True:
            with self._lock:
                now = time.monotonic()
                pause = self._next - now
                if pause <= 0 and not stop.is_set():
                    # counting from the planned instant, not from a late waking, keeps the rate exact
                    self._next = max(self._next, now - 0.01) + max(self._gap(), self._spread(now))
                    return
            if stop.wait(max(pause, 0)):
                raise StoppedError

    @property
    def rate(self) -> float:
        """Requests per second that refusals have left; 0 if there were none."""
        return self._budget.rate if self._budget is not None else 0.0

    def restore(self, rate: float) -> None:
        """Let no refusal since then have lowered the rate: they were not about how many requests leave."""
        if self._budget is not None:
            self._budget.restore(rate)

    def hold(self, seconds: float, too_many: bool = False) -> None:
        """Let nothing leave for `seconds`, then space the requests that have gathered. `too_many`: that is why they must wait."""
        if self._budget is not None:
            now = time.monotonic()
            lately = sum(now - each <= _LATELY for each in tuple(self._answers))
            self._budget.hold(seconds, lately if too_many else None)
            return
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)
            self._spaced = 2 * self._crowd

    def spend(self, name: str, remaining: int, reset: float, limit: int | None) -> None:
        """Keep a limit that an answer stated: `remaining` requests for the next `reset` seconds."""
        with self._lock:
            now = time.monotonic()
            known = self._budgets.get(name)
            if known is not None and now < known.renewed and now + reset < known.renewed + 1:
                remaining = min(remaining, known.remaining)  # others are under way, of which this answer knew nothing
            span = max(reset, known.span if known else 0)
            self._budgets[name] = _Budget(remaining, now + reset, limit or 0, span)
            if remaining <= 0:
                self._next = max(self._next, now + min(reset, LONGEST_WAIT))
                self._spaced = 2 * self._crowd

    def allow(self, name: str, limit: int, window: float) -> None:
        """Keep a limit of which answers state no rest: in no `window` seconds leave more than `limit`."""
        with self._lock:
            burst = _RESERVE * limit
            rate = ((1 - _JITTER) * limit - burst) / window
            self._buckets.setdefault(name, _Bucket(burst, time.monotonic(), rate, burst))

    def _spread(self, now: float) -> float:
        """Seconds to the next request, so that what is left of each limit lasts until it is renewed. Counts this one."""
        gap = 0.0
        for bucket in self._buckets.values():
            bucket.tokens = min(bucket.tokens + (now - bucket.filled) * bucket.rate, bucket.most) - 1
            bucket.filled = now
            gap = max(gap, min((1 - bucket.tokens) / bucket.rate, LONGEST_WAIT))
        for name, budget in list(self._budgets.items()):
            if now >= budget.renewed and (budget.assumed or not budget.limit):
                del self._budgets[name]
                continue
            if now >= budget.renewed:
                budget.remaining, budget.renewed, budget.assumed = budget.limit, now + budget.span, True
            budget.remaining -= 1
            if budget.remaining < max(_RESERVE * budget.limit, min(self._crowd, budget.limit / 2)):
                gap = max(gap, min((budget.renewed - now) / max(budget.remaining + 1, 1), LONGEST_WAIT))
        return gap

    def _gap(self) -> float:
        if not self._spaced:
            return self._interval
        self._spaced -= 1
        return self._spacing


class Clock:
    """The time of a twin, in seconds: what waits there takes none of ours. Safe for threads."""

    def __init__(self) -> None:
        self.now = 0.0
        self._lock = threading.Lock()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self.now += max(0.0, seconds)


class PlayedPace(Pace):
    """The pace of a client whose API is a twin: it waits by the twin's clock alone, and heeds what is asked of it, not what
    recorded answers stated of a limit then."""

    def __init__(self, per_second: float | None, clock: Clock) -> None:
        super().__init__(per_second, 0.0, 1)
        self._clock = clock

    def wait(self, stop: threading.Event) -> None:
        if stop.is_set():
            raise StoppedError
        self._clock.advance(self._interval)

    def answered(self) -> None:
        pass

    def hold(self, seconds: float, too_many: bool = False) -> None:
        self._clock.advance(seconds)

    def spend(self, name: str, remaining: int, reset: float, limit: int | None) -> None:
        pass

    def allow(self, name: str, limit: int, window: float) -> None:
        pass


def backoff(attempt: int, base: float) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1): exponential, capped, with jitter."""
    return float(min(LONGEST_BACKOFF, base * 2 ** min(attempt - 1, 16)) * _RANDOM.uniform(0.5, 1))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait where a server asks for it, 0 to 120; None if it does not say, or says something absurd."""
    asked = asked_wait(headers)
    return min(asked, LONGEST_WAIT) if asked is not None else None


def asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait; None if it does not say, or says something absurd.

    A date is compared with the answer's own `Date`, so that a wrong clock on either side does not matter (RFC 9110).
    """
    text = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    until = instant(text)
    if until is None:
        return None
    now = instant(headers.get("Date", "")) or datetime.now(UTC)
    return max((until - now).total_seconds(), 0.0)


def instant(text: str) -> datetime | None:
    """The instant a header such as `Date` gives, in UTC; None if it is none."""
    try:
        found = parsedate_to_datetime(text)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
