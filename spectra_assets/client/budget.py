"""One budget of requests for all that ask one host: every client in every process of this machine that shares its file.

Nothing is done here as long as the host refuses nobody. Once it says 429, all wait until it takes requests again, and from then
on requests leave evenly spaced, one after the other whoever sends them, at a rate that is found as TCP finds its own: a refusal
sets it below what was answered lately, answers let it grow, fast at first and slowly near the rate that was refused. A rate
that is known beforehand is shared from the start.

The state is a few numbers in a file, changed under a lock which the operating system takes from a process that dies. Instants
are those of the monotonic clock, which all processes of a machine share and nobody sets back.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path

_RING = 64
"""Answers whose instants are kept."""

_FORM = struct.Struct(f"<{12 + _RING}d")
_FRONT, _TOUCHED = struct.Struct("<5d"), struct.Struct("<d")
_VERSION = 3.0
_FORGOTTEN = 600.0
"""Seconds without a request after which a rate that was found is found anew."""

_LEAST = 0.2
"""Requests per second at least."""

_SHORTEST = 0.3
"""Seconds over which answers are counted at least."""

_FEW = 5
"""Answers that tell a rate."""

_ROUNDED = 2.0
"""A pause in seconds that may be rounded up, or be said by rote; a longer one says when the host takes requests again."""

_SOON, _LESS = 5.0, 0.9
"""A host that refuses within so many seconds after a pause took at most this share of the rate that was sent at: what it took
at once at first adds too much to what was counted."""

_MOST_BURST = 32
"""More requests than these that a host took at first are its rate, not a burst that it allows."""

_BELOW, _HALF = 0.98, 0.5
"""Share of what the host took lately that a refusal leaves; and of the rate, if it took nothing."""

_FIRST = 5.0
"""Requests per second from which the rate begins to grow, if the host took no more before it refused."""

_FAST, _PER_SECOND = 0.2, 1.2
"""By how much of itself the rate grows with each answer below the rate that was refused; and in a second at most: a faster one is
far too high by the time that the host says so."""

_SLOW, _BEYOND, _TEN = 0.001, 0.006, 10.0
"""The same near the rate that was refused, and above it, where that guess has shown to be too low; in a second ten times that."""

_NEAR, _ABOVE = 0.95, 1.02

_SAME, _MOST_SURE = 0.1, 4
"""Refusals at rates that differ by less than this share say the same; each time it is tried half as often whether the host takes
more by now, so many times."""


@dataclass
class _State:
    """`held`: nothing leaves before. `last`: when the last request leaves that has its turn. `rate` per second, 0: none is known.
    `ceiling`: the one that was refused last. `burst`: what the host took at once when it first refused. `pressed`: requests wait
    for their turn, so that more of them would leave if they might. `took`: answers since the last pause. `long`: long pauses that
    it wanted. `sure`: refusals in a row that said the same. `answers`: instants of the last ones, in no order. `touched`: when
    somebody changed this last."""

    boot: float = 0.0
    held: float = 0.0
    last: float = 0.0
    rate: float = 0.0
    ceiling: float = 0.0
    burst: float = 0.0
    pressed: float = 0.0
    took: float = 0.0
    long: float = 0.0
    sure: float = 0.0
    answers: tuple[float, ...] = (0.0,) * _RING
    touched: float = 0.0

    def taken(self, now: float, pause: float) -> float:
        """Requests per second that the host takes, at least.

        A host that counts in windows takes what it took since its last pause in that time and the `pause` in seconds that it asks
        for: said by a second long pause, that is the rate. A host that fills up evenly took besides what it had saved, the burst:
        over some time up to now it took its rate and no more than that; of all such times the one that says most is nearest. A
        short pause may be one of either, rounded up: then the rate lies between those with the pause and without it.
        """
        since = max(now - self.held, _SHORTEST)
        windowed = self.took / (since + pause)
        if pause > _ROUNDED and self.long:
            return windowed
        latest = sorted((instant for instant in self.answers if instant >= self.held), reverse=True)
        evenly = ((count - self.burst) / max(now - instant, _SHORTEST) for count, instant in enumerate(latest, 1))
        between = (windowed + self.took / since) / 2 if self.took >= _FEW and pause <= _ROUNDED else windowed
        return max(between, (self.took - self.burst) / since, *evenly)

    def grow(self) -> None:
        """The host took a request at this rate while more were waiting: fast at first, slowly near what was refused."""
        near = _NEAR * self.ceiling if self.ceiling else float("inf")
        if self.rate < near:
            self.rate = min(self.rate * (1 + min(_FAST, _PER_SECOND / self.rate)), near)
        else:
            more = _SLOW if self.rate <= _ABOVE * self.ceiling else _BEYOND
            self.rate *= 1 + more * min(1.0, _TEN / self.rate) / 2**self.sure

    def lower(self, now: float, seen: int, pause: float) -> None:
        """A rate below what was taken lately. The first burst tells little: from there the rate grows until it is refused."""
        if not self.rate:
            self.burst = seen if seen <= _MOST_BURST else 0
            self.rate = max(_BELOW * seen, _FIRST)
        elif not self.took:
            self.rate *= _HALF
        else:
            taken = min(self.taken(now, pause), self.rate * (_LESS if now - self.held < _SOON else 1))
            self.sure = min(self.sure + 1, _MOST_SURE) if abs(taken - self.ceiling) <= _SAME * taken else 0
            self.ceiling = taken if self.took >= _FEW else min(self.ceiling or self.rate, self.rate)
            self.rate = _BELOW * taken
        self.rate = max(self.rate, _LEAST)
        self.long += pause > _ROUNDED
        self.took = 0


class Budget:
    """The budget of one host. Safe for threads and processes."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
        if os.fstat(self._file.fileno()).st_size < _FORM.size:
            os.ftruncate(self._file.fileno(), _FORM.size)
        self._map = mmap.mmap(self._file.fileno(), _FORM.size)
        self._lock = threading.Lock()
        self._boot = _boot()

    @property
    def awake(self) -> bool:
        """Whether the host refused somebody lately: only then there is anything to keep."""
        now = time.monotonic()
        version, boot, held, _, rate = _FRONT.unpack_from(self._map)
        (touched,) = _TOUCHED.unpack_from(self._map, _FORM.size - _TOUCHED.size)
        return self._counts(version, boot, touched, now) and (rate > 0 or held > now)

    @property
    def rate(self) -> float:
        """Requests per second that are sent at present; 0 if none is known."""
        return self._read().rate

    def reserve(self, interval: float) -> float:
        """The instant at which one more request may leave. `interval`: seconds between requests at least, as far as is known."""
        with self._changed() as state:
            now = time.monotonic()
            gap = max(interval, 1 / state.rate if state.rate else 0.0)
            slot = max(now, state.held, state.last + gap if state.last >= state.held else 0.0)
            state.last = slot
            state.pressed = float(slot > now)
            return slot

    def held(self) -> float:
        """Until when nothing may leave."""
        return self._read().held

    def hold(self, seconds: float, seen: int | None) -> None:
        """The host wants this pause. `seen` are the requests that it took from this process in the last second, if it refused one
        for their number. Refusals of what was under way already say nothing new."""
        with self._changed() as state:
            now = time.monotonic()
            if seen is not None and now >= state.held:
                state.lower(now, seen, seconds)
            state.held = max(state.held, now + seconds)

    def restore(self, rate: float) -> None:
        """The rate is no lower than this one: what was refused meanwhile would be refused at any (0: none is known)."""
        with self._changed() as state:
            if not rate or rate > state.rate:
                state.rate, state.ceiling, state.sure = rate, 0.0, 0

    def answered(self) -> None:
        """The host took a request."""
        with self._changed() as state:
            now = time.monotonic()
            oldest = min(range(_RING), key=state.answers.__getitem__)
            state.answers = (*state.answers[:oldest], now, *state.answers[oldest + 1 :])
            state.took += now >= state.held
            if state.rate and state.pressed:
                state.grow()

    def _read(self) -> _State:
        facts: tuple[float, ...] = _FORM.unpack(self._map[:])
        version, touched = facts[0], facts[-1]
        boot, held, last, rate, ceiling, burst, pressed, took, long, sure = facts[1:11]
        state = _State(boot, held, last, rate, ceiling, burst, pressed, took, long, sure, facts[11:-1], touched)
        return state if self._counts(version, state.boot, touched, time.monotonic()) else _State(boot=self._boot)

    def _counts(self, version: float, boot: float, touched: float, now: float) -> bool:
        """Whether what the file says is of this form and start of the machine, and not forgotten."""
        return version == _VERSION and boot == self._boot and now - touched <= _FORGOTTEN

    @contextmanager
    def _changed(self) -> Iterator[_State]:
        with self._lock:
            fcntl.flock(self._file.fileno(), fcntl.LOCK_EX)
            try:
                state = self._read()
                yield state
                facts = (state.boot, state.held, state.last, state.rate, state.ceiling, state.burst, state.pressed)
                found = (state.took, state.long, state.sure)
                self._map[:] = _FORM.pack(_VERSION, *facts, *found, *state.answers, time.monotonic())
            finally:
                fcntl.flock(self._file.fileno(), fcntl.LOCK_UN)


@cache
def budget_of(folder: Path, host: str) -> Budget | None:
    """The budget for `host` (name and port) that all clients with this folder share; None where no file can be shared."""
    name = blake2b(host.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    try:
        return Budget(folder / f"{name}.budget")
    except OSError:
        return None


def _boot() -> float:
    """Tells one start of the machine from another, as the monotonic clock begins anew then."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        return float(round(time.time() - time.monotonic(), -2))
    return float(int.from_bytes(blake2b(text, digest_size=4).digest(), "little"))
