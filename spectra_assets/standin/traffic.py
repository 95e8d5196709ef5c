"""Faults of the connection rather than the data, and the books they need: counters and a token bucket."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from spectra_assets.standin.damage import Damage
from spectra_assets.standin.faults import Fault


@dataclass(frozen=True)
class Verdict:
    """What happens to one request: a status instead of an answer, or how the answer is spoilt. Seconds for times."""

    status: int | None = None
    drop: bool = False
    html: bool = False
    not_json: bool = False
    truncate: bool = False
    cut: bool = False
    wait: float = 0.0
    trickle: float = 0.0


class Traffic:
    """One set of faults at work. Setting other faults starts the counts anew. Safe to share between threads."""

    def __init__(self, faults: Sequence[Fault], wait: float = 0.0) -> None:
        self.damage = Damage(faults)
        self._by_name: dict[str, list[Fault]] = {}
        for fault in faults:
            self._by_name.setdefault(fault.name, []).append(fault)
        self._wait = wait + sum(fault.number for fault in self._by_name.get("latency", ())) / 1000
        self._lock = threading.Lock()
        self._requests = 0
        self._tokens = min((fault.burst for fault in self._by_name.get("rate-limit", ())), default=0.0)
        self._filled = time.monotonic()
        self.quiet = not faults and not wait

    @property
    def down(self) -> bool:
        """Connections are closed at once."""
        return "down" in self._by_name

    def ignores_offset(self, path: str) -> bool:
        """Whether every page of `path` is page one."""
        return any(fault.value in path for fault in self._by_name.get("ignore-offset", ()))

    def judge(self, path: str) -> Verdict:
        """Count one API request for `path` and say what happens to it."""
        if self.quiet:
            return _UNHARMED
        with self._lock:
            self._requests += 1
            number = self._requests
            limited = not self._take()
        return Verdict(
            status=self._status(path, number, limited),
            drop=self.down,
            html="html" in self._by_name,
            not_json="not-json" in self._by_name,
            truncate=self._nth("truncate", number),
            cut=self._nth("cut", number),
            wait=self._wait,
            trickle=sum(fault.number for fault in self._by_name.get("slow-body", ())),
        )

    def _status(self, path: str, number: int, limited: bool) -> int | None:
        if any(number > fault.number for fault in self._by_name.get("expire-after", ())):
            return 401
        if limited:
            return 429
        if self._nth("error-500", number):
            return 500
        for name, status in (("forbid", 403), ("gone", 410), ("break", 500)):
            if any(fault.value in path for fault in self._by_name.get(name, ())):
                return status
        return None

    def _nth(self, name: str, number: int) -> bool:
        return any(number % int(fault.number) == 0 for fault in self._by_name.get(name, ()))

    def _take(self) -> bool:
        """Take a token from the bucket, which fills at the allowed rate up to the burst; False if it is empty."""
        limits = self._by_name.get("rate-limit", ())
        if not limits:
            return True
        limit = min(limits, key=lambda fault: fault.number)
        now = time.monotonic()
        self._tokens = min(limit.burst, self._tokens + (now - self._filled) * limit.number)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


_UNHARMED = Verdict()
