"""What a client sends its requests through, and two that can stand in its place: one keeps what came, one plays it again.

`transport.Transport` is the wire to the API. A `Recorder` lets a wire do its work and keeps every exchange, whatever came of
it. A `Player` answers from what was kept, with faults if wanted: an offline twin of the API, which asks it nothing, or little.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Protocol

from spectra_assets.client.headers import Headers
from spectra_assets.client.ledger import body_hash
from spectra_assets.client.mask import Mask, masked_url
from spectra_assets.client.pacing import Clock
from spectra_assets.client.tape import AGAIN, LIST, Held, key_of
from spectra_assets.client.transport import Answer
from spectra_assets.errors import RetriableError, SkippableError, SourceError, StorageError

_WIRE = "wire"
_LEFT_OUT = frozenset({"set-cookie", "connection", "transfer-encoding", "content-encoding", "content-length", "keep-alive"})
"""Headers that tell of the connection and not of the answer, and what must not be kept."""

_ERRORS: Mapping[str, type[SourceError]] = MappingProxyType(
    {"RetriableError": RetriableError, "SkippableError": SkippableError, "SourceError": SourceError}
)

_NOTHING: Mapping[str, str] = MappingProxyType({})


class NotRecordedError(StorageError):
    """A twin is asked what was never recorded."""


class Wire(Protocol):
    """Sends GET requests, and the searches by POST that a person allowed. What it raises is described at `Transport`."""

    def get(
        self, url: str, stop: threading.Event, seconds: float | None = None, more: Mapping[str, str] = _NOTHING
    ) -> Answer: ...
    def search(self, url: str, body: bytes, stop: threading.Event, seconds: float | None = None) -> Answer: ...
    def close(self) -> None: ...


Keep = Callable[[bytes, Mapping[str, Any], bytes], None]
"""Keeps one exchange: key, header, body. Raises StorageError."""


@dataclass(frozen=True)
class Recorded:
    """Exchanges with the API at `root`: `find` gives the one under a key."""

    root: str
    find: Callable[[bytes], Held | None]


Fault = Callable[[str], Answer | None]
"""What a twin answers to the request for this target (below the base URL) in place of what was recorded; None: that."""


class Recorder:
    """A wire that keeps what comes: every answer and every failure, numbered for each address. Safe for threads."""

    def __init__(self, wire: Wire, root: str, mask: Mask, keep: Keep) -> None:
        self._wire = wire
        self._root = root
        self._mask = mask
        self._keep = keep
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def get(self, url: str, stop: threading.Event, seconds: float | None = None, more: Mapping[str, str] = _NOTHING) -> Answer:
        """What the wire answers. Raises what the wire raises, and StorageError."""
        return self._kept(url, None, lambda: self._wire.get(url, stop, seconds, more))

    def search(self, url: str, body: bytes, stop: threading.Event, seconds: float | None = None) -> Answer:
        """As `get`."""
        return self._kept(url, body, lambda: self._wire.search(url, body, stop, seconds))

    def _kept(self, url: str, body: bytes | None, send: Callable[[], Answer]) -> Answer:
        target = _target(url, self._root, body)
        with self._lock:
            number = self._asked[target]
            self._asked[target] += 1
        facts = {"target": self._mask(target), "requestedAt": datetime.now(UTC).isoformat(), "number": number}
        try:
            answer = send()
        except SourceError as error:
            told: dict[str, Any] = {"status": None, "error": str(error)[:500], "raised": type(error).__name__}
            self._keep(exchange_key(target, number), {**facts, **told}, b"")
            raise
        headers = {name: text for name, text in answer.headers.items() if name.lower() not in _LEFT_OUT}
        moved = answer.address.removeprefix(self._root) if answer.address != url else None
        told = {"status": answer.status, "headers": headers, "elapsedMs": answer.elapsed_ms, "bodyHash": body_hash(answer.body)}
        self._keep(exchange_key(target, number), {**facts, **told, "address": moved}, answer.body)
        return answer

    def close(self) -> None:
        """Close the wire."""
        self._wire.close()


class Player:
    """A wire that asks nobody: it answers from `reels`, the first that knows the address.

    The n-th request for an address gets its n-th answer, and the last one from there on. What no reel holds is asked of `live`,
    if there is one; else NotRecordedError. `faults` come first. Requests take their recorded time, `in_flight` at once, on the
    `clock` alone. Safe for threads.
    """

    def __init__(
        self,
        root: str,
        reels: Sequence[Recorded],
        live: Wire | None = None,
        faults: Sequence[Fault] = (),
        clock: Clock | None = None,
        in_flight: int = 1,
        without: int | None = None,
    ) -> None:
        """Answers with the status `without` are passed over."""
        self._root = root
        self._reels = reels
        self._without = without
        self._live = live
        self._faults = faults
        self._clock = clock or Clock()
        self._in_flight = in_flight
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    def get(self, url: str, stop: threading.Event, seconds: float | None = None, more: Mapping[str, str] = _NOTHING) -> Answer:
        """What was recorded. Raises what was raised then, and NotRecordedError."""
        live = self._live
        return self._played(url, None, (lambda: live.get(url, stop, seconds, more)) if live else None)

    def search(self, url: str, body: bytes, stop: threading.Event, seconds: float | None = None) -> Answer:
        """As `get`."""
        live = self._live
        return self._played(url, body, (lambda: live.search(url, body, stop, seconds)) if live else None)

    def holds(self, url: str) -> bool:
        """Whether an answer to GET this address was recorded."""
        target = url.removeprefix(self._root)
        return any(_nth(reel, target, None, 0, self._without) is not None for reel in self._reels)

    def _played(self, url: str, body: bytes | None, ask: Callable[[], Answer] | None) -> Answer:
        target = _target(url, self._root, body)
        for fault in self._faults:
            if (answer := fault(target)) is not None:
                return answer
        with self._lock:
            number = self._asked[target]
            self._asked[target] += 1
        for reel in self._reels:
            if (held := _nth(reel, url.removeprefix(self._root), body, number, self._without)) is not None:
                answer = _played(held, self._root, url, "GET" if body is None else "POST")
                self._clock.advance(answer.elapsed_ms / 1000 / self._in_flight)
                return answer
        if ask is None:
            raise NotRecordedError(f"the recording holds no answer to {'GET' if body is None else 'POST'} {target[:300]}")
        return ask()

    def close(self) -> None:
        """Close the wire to the API, if there is one."""
        if self._live is not None:
            self._live.close()


class Metered:
    """A wire that sends so many requests in all, and no more. Safe for threads."""

    def __init__(self, wire: Wire, meter: Meter) -> None:
        self._wire = wire
        self._meter = meter

    def get(self, url: str, stop: threading.Event, seconds: float | None = None, more: Mapping[str, str] = _NOTHING) -> Answer:
        """What the wire answers. Raises NotRecordedError once no request is left, and what the wire raises."""
        if not self._meter.take():
            raise NotRecordedError("the recording lacks more answers than may be asked for")
        return self._wire.get(url, stop, seconds, more)

    def search(self, url: str, body: bytes, stop: threading.Event, seconds: float | None = None) -> Answer:
        """As `get`."""
        if not self._meter.take():
            raise NotRecordedError("the recording lacks more answers than may be asked for")
        return self._wire.search(url, body, stop, seconds)

    def close(self) -> None:
        """Close the wire."""
        self._wire.close()


class Meter:
    """Requests that may still be sent. Safe for threads."""

    def __init__(self, most: int) -> None:
        self.taken = 0
        self.most = most
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether one more may be sent, which is counted."""
        with self._lock:
            left = self.taken < self.most
            self.taken += left
            return left


class Throttle:
    """A fault: 429 for what goes beyond `per_second` requests, of which `burst` may come at once, by the twin's clock."""

    def __init__(self, per_second: float, burst: float, clock: Clock) -> None:
        self.refused = 0
        self._rate, self._most, self._clock = per_second, max(1.0, burst), clock
        self._tokens, self._filled = self._most, clock.now
        self._lock = threading.Lock()

    def __call__(self, target: str) -> Answer | None:
        with self._lock:
            now = self._clock.now
            self._tokens = min(self._most, self._tokens + (now - self._filled) * self._rate)
            self._filled = now
            if self._tokens >= 1:
                self._tokens -= 1
                return None
            self.refused += 1
        headers = Headers({"Retry-After": "1"})
        return Answer(429, headers, b"{}", 0.0, 1, target, target)


def exchange_key(target: str, number: int) -> bytes:
    """Under what the `number`-th exchange (from 0) about an address below the base URL, or a search there, lies."""
    return key_of(f"{_WIRE}:{number}", target)


def _target(url: str, root: str, body: bytes | None) -> str:
    """What is asked: the address below the base URL, and the body of a search."""
    target = url.removeprefix(root)
    return target if body is None else f"{target} {body.decode()}"


def _nth(reel: Recorded, target: str, body: bytes | None, number: int, without: int | None) -> Held | None:
    """The exchange of this number, or the last one before it; or what an extraction kept of its lists. One with the status
    `without` gives its place to the next that has another."""
    later = number
    while (found := reel.find(exchange_key(_target(target, "", body), later))) is not None:
        if without is None or found.header["status"] != without:
            return found
        later += 1
    for earlier in range(number - 1, -1, -1):
        found = reel.find(exchange_key(_target(target, "", body), earlier))
        if found is not None and (without is None or found.header["status"] != without):
            return found
    purposes = (AGAIN, LIST) if number else (LIST, AGAIN)
    return next(
        (found for purpose in purposes if (found := reel.find(key_of(purpose, reel.root + target, body))) is not None), None
    )


def _played(held: Held, root: str, url: str, method: str) -> Answer:
    """The answer as it came. Raises what was raised in its place."""
    header = held.header
    if header["status"] is None:
        raise _ERRORS.get(str(header.get("raised")), SkippableError)(str(header["error"]))
    moved = header.get("address")
    address = url if moved is None else root + str(moved)
    headers = Headers(header["headers"])
    return Answer(
        header["status"], headers, held.body, float(header["elapsedMs"]), 1, masked_url(url), address, method, played=True
    )
