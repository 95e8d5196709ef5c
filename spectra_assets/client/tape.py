"""The tape: answers of lists as they came, from which a client takes what it need not, or must not, ask for again.

A client with a tape keeps every answer it accepted there before anybody sees its records. An answer that the tape holds already
is taken from it: the run before died (resume), or the API is not to be asked (replay). An answer that an earlier tape holds is
asked for conditionally, and taken from there if the API says that it did not change.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import cached_property
from hashlib import blake2b
from typing import Any, Protocol

from spectra_assets.client.headers import Headers
from spectra_assets.client.ledger import Entry
from spectra_assets.client.pager import leads_on
from spectra_assets.client.totals import TOTAL_HEADERS
from spectra_assets.client.transport import Answer
from spectra_assets.errors import StorageError

KEPT_HEADERS = ("Content-Type", "Content-Range", "Link", "ETag", "Last-Modified", "Date", *TOTAL_HEADERS)
"""What of an answer's headers is kept: what tells its type, its total, the next page, and whether it changed; with those whose
names say that they lead on (`leads_on`)."""

_VALIDATORS = ("ETag", "Last-Modified")

_KEPT = {name.lower(): name for name in KEPT_HEADERS}
_KEPT_OF_SEARCHES = {lower: name for lower, name in _KEPT.items() if name not in _VALIDATORS}

_KEY_BYTES = 16
_SETTLED = 2.0
"""Seconds that must lie between Last-Modified and Date: it knows whole seconds only."""

_OF_ENTRY = (
    "path", "entity", "parent", "page", "query", "status", "attempts", "elapsedMs", "rows", "bodyHash", "error", "requestId",
)  # fmt: skip

LIST, AGAIN = "list", "again"
"""Purposes of requests that go over the tape: pages of a list, and rows of it that are asked for once more."""

NETWORK, TAPE, NOT_MODIFIED = "network", "tape", "notModified"
"""Where an answer came from, see ledger.Entry."""


class NotTapedError(StorageError):
    """A replay needs an answer which is not on the tape."""


class Held(Protocol):
    """What was kept of an answer. `confirmed`: it came the last time, and the API said now that it did not change."""

    @property
    def header(self) -> Mapping[str, Any]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def confirmed(self) -> bool: ...


class Reel(Protocol):
    """Where a tape lies. Its methods are called from many threads, and raise StorageError."""

    def find(self, key: bytes) -> Held | None:
        """What is not to be asked for again."""

    def earlier(self, key: bytes) -> Held | None:
        """What was accepted the last time."""

    def add(self, key: bytes, header: Mapping[str, Any], body: bytes, accepted: bool) -> None:
        """Keep an answer."""

    def carry(self, key: bytes) -> None:
        """Keep the answer of the last time as one of this time."""

    def confirm(self, key: bytes) -> None:
        """Note that the answer of the last time did not change: it is not to be asked for again."""


class Taped:
    """An answer of a tape, and the request which brought it. The body is unpacked when it is asked for."""

    def __init__(self, held: Held) -> None:
        self.header = held.header
        self.confirmed = held.confirmed
        self._held = held

    def answer(self, url: str, address: str, method: str = "GET") -> Answer | None:
        """The answer as it came; None if the request ended without one."""
        if self.header["status"] is None:
            return None
        headers = Headers(self.header["headers"])
        elapsed, attempts = self.header["elapsedMs"], self.header["attempts"]
        return Answer(self.header["status"], headers, self._held.body, elapsed, attempts, url, address, method)

    @cached_property
    def conditions(self) -> dict[str, str]:
        """Headers that ask for it only if it changed; empty if the API gave nothing to tell that by."""
        return conditions(self.header)

    @property
    def request_id(self) -> str:
        """Id of the request which brought it."""
        return str(self.header["requestId"])


class Tape:
    """A reel as a client uses it. `only`: nothing is asked for. `counts`: answers by where they came from."""

    def __init__(self, reel: Reel, only: bool = False) -> None:
        self.only = only
        self.round = 0
        """How often lists were read already, as they moved meanwhile: answers of each reading lie apart."""
        self.counts: Counter[str] = Counter()
        self._reel = reel
        self._lock = threading.Lock()

    def named(self, purpose: str) -> str:
        """The purpose of a request in this round."""
        return f"{purpose}{self.round or ''}"

    def held(self, key: bytes) -> Taped | None:
        """What is not to be asked for again."""
        found = self._reel.find(key)
        return Taped(found) if found else None

    def earlier(self, key: bytes) -> Taped | None:
        """What came the last time, if the API can tell whether it changed."""
        found = self._reel.earlier(key)
        taped = Taped(found) if found else None
        return taped if taped and taped.conditions else None

    def keep(self, key: bytes, purpose: str, entry: Entry, answer: Answer | None, target: str, accepted: bool) -> None:
        """Keep what came. `target` is the request's masked address below the base URL.

        Whether the answer to a search by POST changed can't be asked: what would tell that is not kept.
        """
        header: dict[str, Any] = {name: getattr(entry, name) for name in _OF_ENTRY}
        kept = _KEPT if entry.method == "GET" else _KEPT_OF_SEARCHES
        came = answer.headers.items() if answer else ()
        headers = {kept.get(name.lower(), name): text for name, text in came if name.lower() in kept or leads_on(name)}
        header |= {"requestedAt": entry.requestedAt.isoformat(), "purpose": purpose, "target": target, "headers": headers}
        self._reel.add(key, header, answer.body if answer else b"", accepted)
        self.count(NETWORK)

    def carry(self, key: bytes) -> None:
        """Keep what came the last time once more."""
        self._reel.carry(key)
        self.count(NOT_MODIFIED)

    def confirm(self, key: bytes) -> None:
        """What came the last time did not change."""
        self._reel.confirm(key)
        self.count(NOT_MODIFIED)

    def count(self, origin: str) -> None:
        """Note where an answer came from."""
        with self._lock:
            self.counts[origin] += 1


def key_of(purpose: str, url: str, body: bytes | None = None) -> bytes:
    """Under what an answer lies: `body` is that of a search. `purpose` tells answers apart that are asked again on purpose."""
    asked = f"{purpose}\0{url}".encode("utf-8", "surrogatepass")
    return blake2b(asked if body is None else asked + b"\0" + body, digest_size=_KEY_BYTES).digest()


def conditions(header: Mapping[str, Any]) -> dict[str, str]:
    """Headers that ask for an answer only if it changed, by the `header` that was kept with it; empty if nothing tells that."""
    headers = header["headers"]  # under the names of KEPT_HEADERS
    if "ETag" in headers:
        return {"If-None-Match": headers["ETag"]}
    if "Last-Modified" in headers and _settled(headers["Last-Modified"], headers.get("Date", "")):
        return {"If-Modified-Since": headers["Last-Modified"]}
    return {}


def _settled(modified: str, date: str) -> bool:
    try:
        return (parsedate_to_datetime(date) - parsedate_to_datetime(modified)).total_seconds() >= _SETTLED
    except (TypeError, ValueError):
        return False
