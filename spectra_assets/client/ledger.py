"""The request ledger: one row per request, kept in memory until the caller drains it."""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from xxhash import xxh3_64_hexdigest

_numbers = Random()  # noqa: S311  (an id is no secret, and asking the system for each one lets all other threads in)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_numbers.seed)


@dataclass
class Entry:
    """One request, all its attempts together. `rows` are records, `elapsedMs` the last attempt on the wire; `query` is the
    body of a search by POST.

    `path` is the template (`/cycle/release/{releaseId}`), `parent` the value that filled it. `status` and `bodyHash`
    are None when no complete answer came. `repeated` counts records that the page before held as well. `origin` tells where the
    answer came from: `network`; `tape`, as an earlier request brought it; `notModified`, which the API said of an earlier one.
    """

    path: str
    entity: str | None = None
    parent: str | None = None
    page: int = 1
    method: str = "GET"
    query: str = ""
    status: int | None = None
    attempts: int = 0
    bytes: int = 0
    rows: int | None = None
    repeated: int = 0
    elapsedMs: float = 0.0  # noqa: N815  columns that people see are camelCase
    bodyHash: str | None = None  # noqa: N815
    error: str | None = None
    origin: str = "network"
    requestId: str = field(default_factory=lambda: f"{_numbers.getrandbits(128):032x}")  # noqa: N815
    requestedAt: datetime = field(default_factory=lambda: datetime.now(UTC))  # noqa: N815


class Ledger:
    """Collects entries from any thread. Holds `capacity` of them; beyond that the oldest go, counted in `dropped`."""

    def __init__(self, capacity: int = 100_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._lock = threading.Lock()
        self.dropped = 0

    def add(self, entry: Entry) -> None:
        """Keep `entry`, which nobody changes from here on."""
        with self._lock:
            self.dropped += len(self._entries) == self._entries.maxlen
            self._entries.append(entry)

    def drain(self) -> list[dict[str, Any]]:
        """The rows since the last call, oldest first, and none of them again."""
        with self._lock:
            entries = list(self._entries)
            self._entries.clear()
        return [vars(entry).copy() for entry in entries]

    def __len__(self) -> int:
        return len(self._entries)


def body_hash(body: bytes) -> str:
    """16 hex digits that tell one body from another."""
    return xxh3_64_hexdigest(body)
