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

_FORM = struct.Struct(f"<{10 + _RING}d")
_FRONT, _TOUCHED = struct.Struct("<5d"), struct.Struct("<d")
_VERSION = 2.0
_FORGOTTEN = 600.0
"""Seconds without a request after which a rate that was found is found anew."""

_LEAST = 0.2
"""Requests per second at least."""

_SHORTEST = 0.3
"""Seconds over which answers are counted at least."""

_FEW = 5
_MOST_BURST = 16
"""More requests than these that a host took at first are its rate, not a burst that it allows."""

_BELOW, _AT_LEAST = 0.95, 0.5
"""Share of what the host took lately that a refusal leaves; and of the rate that was sent at."""

_FIRST = 5.0
"""Requests per second from which the rate begins to grow, if the host took no more before it refused."""

_FAST, _SLOW, _BEYOND = 0.15, 0.001, 0.006
"""By how much of itself the rate grows with each answer: below the rate that was refused, near it, and above it, where that
guess has shown to be too low."""

_PER_SECOND = 0.7
"""By how much of itself it grows in a second at most: a faster one is far too high by the time that the host says so."""

_NEAR, _ABOVE = 0.95, 1.02


@dataclass
class _State:
    """`held`: nothing leaves before. `free`: when the next request may leave. `rate` per second, 0: none is known. `ceiling`: the
    one that was refused, last at `refused`. `burst`: what the host took at once when it first refused. `pressed`: requests wait
    for their turn, so that more of them would leave if they might. `touched`: when somebody changed this last. `answers`: the
    instants of the last ones, in no order."""

    boot: float = 0.0
    held: float = 0.0
    free: float = 0.0
    rate: float = 0.0
    ceiling: float = 0.0
    burst: float = 0.0
    pressed: float = 0.0
    refused: float = 0.0
    answers: tuple[float, ...] = (0.0,) * _RING
    touched: float = 0.0

    def taken(self, now: float) -> float | None:
        """Requests per second that the host takes, at least: what it took up to now over some time, without the burst that it may
        have taken at the beginning of it; of all such times since its last pause the one that says most. None if those are too
        few to tell."""
        latest = sorted((instant for instant in self.answers if instant >= self.held), reverse=True)
        if len(latest) < _FEW:
            return None
        over = ((count - self.burst) / max(now - instant, _SHORTEST) for count, instant in enumerate(latest, 1))
        return max(*over, len(latest) / max(now - self.refused, _SHORTEST), 0.0)


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
            slot = max(now, state.free, state.held)
            state.free = slot + gap
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
                self._lower(state, now, seen)
            state.held = max(state.held, now + seconds)
            state.free = max(state.free, state.held)

    def answered(self) -> None:
        """The host took a request."""
        with self._changed() as state:
            now = time.monotonic()
            oldest = min(range(_RING), key=state.answers.__getitem__)
            state.answers = (*state.answers[:oldest], now, *state.answers[oldest + 1 :])
            if not state.rate or not state.pressed:
                return
            near = _NEAR * state.ceiling if state.ceiling else 0.0
            if near and state.rate >= near:
                state.rate *= 1 + (_SLOW if state.rate <= _ABOVE * state.ceiling else _BEYOND)
            else:
                state.rate = min(state.rate * (1 + min(_FAST, _PER_SECOND / state.rate)), near or float("inf"))

    def _lower(self, state: _State, now: float, seen: int) -> None:
        """A rate below what was taken lately. The first burst tells little: from there the rate grows until it is refused."""
        taken = state.taken(now)
        if not state.rate:
            state.burst = seen if seen <= _MOST_BURST else 0
            state.rate = max(_BELOW * seen, _FIRST)
        elif taken is None:
            state.ceiling, state.rate = 0.0, _AT_LEAST * state.rate
        else:
            state.ceiling = min(state.rate, max(taken, _AT_LEAST * state.rate))
            state.rate = _BELOW * state.ceiling
        state.rate, state.refused = max(state.rate, _LEAST), now

    def _read(self) -> _State:
        facts: tuple[float, ...] = _FORM.unpack(self._map[:])
        version, touched = facts[0], facts[-1]
        boot, held, free, rate, ceiling, burst, pressed, refused = facts[1:9]
        state = _State(boot, held, free, rate, ceiling, burst, pressed, refused, facts[9:-1], touched)
        return state if self._counts(version, boot, touched, time.monotonic()) else _State(boot=self._boot)

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
                facts = (state.boot, state.held, state.free, state.rate, state.ceiling, state.burst, state.pressed, state.refused)
                self._map[:] = _FORM.pack(_VERSION, *facts, *state.answers, time.monotonic())
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
