"""When the next request may go out: pacing for all threads of a client, backoff for one request."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import SystemRandom

LONGEST_WAIT = 120.0
"""Seconds; a server that asks for more is tried after this."""

LONGEST_BACKOFF = 30.0
"""Seconds."""

_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)
_RANDOM = SystemRandom()


class StoppedError(Exception):
    """The work this request belongs to was given up. Seen by no caller of the client."""


class Pace:
    """A gate which every request of a client passes.

    With `per_second`, requests leave at that rate, evenly spaced, so that a known limit is kept rather than hit. `hold`
    closes the gate for all threads; afterwards the waiting requests leave one by one, at least `spacing` seconds apart.
    """

    def __init__(self, per_second: float | None, spacing: float, crowd: int) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._spacing = max(spacing, self._interval)
        self._crowd = crowd
        self._spaced = 0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, stop: threading.Event) -> None:
        """Return when a request may leave. Raises StoppedError as soon as `stop` is set."""
        while True:
            with self._lock:
                now = time.monotonic()
                pause = self._next - now
                if pause <= 0 and not stop.is_set():
                    # counting from the planned instant, not from a late waking, keeps the rate exact
                    self._next = max(self._next, now - 0.01) + self._gap()
                    return
            if stop.wait(max(pause, 0)):
                raise StoppedError

    def hold(self, seconds: float) -> None:
        """Let nothing leave for `seconds`, then space the requests that have gathered."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)
            self._spaced = 2 * self._crowd

    def _gap(self) -> float:
        if not self._spaced:
            return self._interval
        self._spaced -= 1
        return self._spacing


def backoff(attempt: int, base: float) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1): exponential, capped, with jitter."""
    return float(min(LONGEST_BACKOFF, base * 2 ** min(attempt - 1, 16)) * _RANDOM.uniform(0.5, 1))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds a server asks to wait, 0 to 120; None if it does not say, or says something absurd.

    A date is compared with the answer's own `Date`, so that a wrong clock on either side does not matter (RFC 9110).
    """
    text = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_WAIT)
    until = _instant(text)
    if until is None:
        return None
    now = _instant(headers.get("Date", "")) or datetime.now(UTC)
    return min(max((until - now).total_seconds(), 0.0), LONGEST_WAIT)


def _instant(text: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text)
        return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
