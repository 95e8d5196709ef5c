"""Reads within a budget: what each answered, whatever it was. Only a refused credential and a dead API are errors."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from spectra_assets.client.api import ApiClient
from spectra_assets.client.target import segment
from spectra_assets.client.transport import Answer
from spectra_assets.client.verdict import PASSING, passes_soon
from spectra_assets.errors import CredentialError, RetriableError, SkippableError, SourceError
from spectra_assets.stages.asking.answers import Sight, sight

PROBE_SECONDS = 20.0
"""Seconds that a probed endpoint may take; one that takes longer is not asked again."""

SPENT = "the budget of requests is used up"
NOT_TRIED = f"not tried: {SPENT}"
"""What begins the reason of an entity that nothing speaks against: it was not asked for, or not to the end."""

_REFUSED_IN_A_ROW = 3
_SILENT_IN_A_ROW = 4
_FAULTS_IN_A_ROW = 2
"""Internal errors of one endpoint in a row after which it is not given a second chance until it answers."""

_OUTLASTED = 2
"""Times that a refusal with status 200 outlasts all patience, after which an endpoint's are believed at once."""

_PAUSE = 0.3
"""Seconds before a request that met an internal error is sent again."""

Query = Mapping[str, Any]


class Met(NamedTuple):
    """What came of a request: what the answer shows, its status and how long it took (ms), if there was one."""

    sight: Sight
    status: int | None = None
    latency_ms: float | None = None


class Wire:
    """Reads of one action, counted against its budget, none after the instant `until` (monotonic). Safe for threads.

    Raises CredentialError once the API refuses the credential several times in a row, RetriableError once it is silent as
    often, unless what answered before still does: then only those endpoints are closed, or hang.
    """

    def __init__(self, client: ApiClient, budget: int, until: float = math.inf) -> None:
        self.client = client
        self.budget = budget
        self._until = until
        self.sent = 0
        self._refused = 0
        self._silent = 0
        self._under_way = 0
        self._faults: Counter[str] = Counter()
        self._outlasted: Counter[str] = Counter()
        self.failed = 0
        """Requests that ended in an error of the server, or in silence, after all patience."""
        self._answered: Callable[[int | None], Answer] | None = None
        self._lock = threading.Lock()
        self._address = client.address

    @property
    def spent(self) -> bool:
        """Whether no request is left, or no time."""
        return self.sent >= self.budget or time.monotonic() > self._until

    @property
    def left(self) -> int:
        """Requests that are left."""
        return 0 if self.spent else self.budget - self.sent

    def get(
        self, path: str, query: Query | None = None, records: str | None = None, endpoint: str | None = None, once: bool = False
    ) -> Met:
        """What GET `path` answers. Passing failures are tried again; what stays silent is `unreachable`.

        `endpoint` is the path's template. An internal error is asked again once, unless the endpoint had several in a row,
        or `once` forbids it: for an id that is none, which some APIs answer so, and for what matters little.
        """
        chance = None if once else endpoint or path
        return self._met(lambda attempts: self.client.get(path, query, attempts, PROBE_SECONDS), f"GET {path}", records, chance)

    def search(self, path: str, body: bytes, records: str | None = None, endpoint: str | None = None, once: bool = False) -> Met:
        """What a search by POST answers, which a person must have allowed; see `get`."""
        chance = None if once else endpoint or path
        send = lambda attempts: self.client.search(path, body, attempts, PROBE_SECONDS)  # noqa: E731
        return self._met(send, f"POST {path}", records, chance)

    def get_url(self, url: str, records: str | None = None, endpoint: str | None = None) -> Met:
        """What an address below the base URL answers, which `resolve` made; see `get`."""
        send = lambda attempts: self.client.get_url(url, attempts, PROBE_SECONDS)  # noqa: E731
        return self._met(send, "the next page", records, endpoint or url)

    def url(self, path: str, query: Query | None = None) -> str:
        """The address of GET `path`."""
        return self._address.url(path, query)

    def resolve(self, link: str, here: str, start: str) -> str | None:
        """The address that `link`, found in the answer of `here`, leads to; None if it is on another server, or none.

        `start` is the address of the list's first page.
        """
        try:
            return self._address.follow(link, here, start)
        except SourceError:
            return None

    def _met(self, send: Callable[[int | None], Answer], what: str, records: str | None, chance: str | None) -> Met:
        """`chance` is the endpoint that may have a second one after an internal error; None if it may not."""
        with self._lock:
            self.sent += 1
            self._under_way += 1
        try:
            answer = self._patient(send, chance or what)
            if chance is not None and self._again_due(chance, answer.status):
                time.sleep(_PAUSE)
                answer = self._patient(send, chance)
                self._again_due(chance, answer.status, last=True)
        except RetriableError as error:
            known = self._ended()
            self._fail()
            self._count(silent=True)
            if known and self._silent >= _SILENT_IN_A_ROW and not self._alive():
                raise
            return Met(Sight("unreachable", "empty", reason=str(error)[:200]))
        except SourceError as error:
            self._ended()
            self._fail()
            status = error.status if isinstance(error, SkippableError) else None
            return Met(Sight("broken", "text", reason=str(error)[:200]), status)
        found = sight(answer, self.client.mask, records)
        if _is_fault(answer.status) or answer.status in PASSING:
            self._fail()
        self._count(refused=found.category == "unauthorized")
        if found.category == "readable":
            self._answered = self._answered or send
        known = self._ended()
        if known and found.category != "readable" and self._refused >= _REFUSED_IN_A_ROW and not self._accepted():
            name = self.client.credential_from
            raise CredentialError(f"the API refuses the credential since {what} (401): set {name} to a valid one and run again")
        return Met(found, answer.status, round(answer.elapsed_ms, 1))

    def _patient(self, send: Callable[[int | None], Answer], endpoint: str) -> Answer:
        """One try, and the client's whole patience only for what may pass soon: a 500, and one that hangs, are mostly final.

        An endpoint which said with status 200 that it was too busy, and went on so for all patience, has shown that this does not
        pass soon.
        """
        started = time.monotonic()
        try:
            answer = send(1)
        except RetriableError:
            if time.monotonic() - started >= PROBE_SECONDS / 2:
                raise
            return send(None)
        if not passes_soon(answer) or (answer.status not in PASSING and self._outlasted[endpoint] >= _OUTLASTED):
            return answer
        answer = send(None)
        with self._lock:
            self._outlasted[endpoint] += answer.status not in PASSING and passes_soon(answer)
        return answer

    def _fail(self) -> None:
        with self._lock:
            self.failed += 1

    def _ended(self) -> bool:
        """Note that a request is over; whether it is known if anything answers: something did, or nothing else is under way."""
        with self._lock:
            self._under_way -= 1
            return self._answered is not None or not self._under_way

    def _again_due(self, endpoint: str, status: int, last: bool = False) -> bool:
        """Note what an endpoint answered; whether to ask it again, which is counted then."""
        with self._lock:
            if not _is_fault(status):
                self._faults.pop(endpoint, None)
                return False
            self._faults[endpoint] += 1
            due = not last and not self.spent and self._faults[endpoint] < _FAULTS_IN_A_ROW
            self.sent += due
            return due

    def _alive(self) -> bool:
        """Whether what answered before still does."""
        again = self._again()
        with self._lock:
            self._silent = 0 if again is not None else self._silent
        return again is not None

    def _accepted(self) -> bool:
        """Whether what was readable before still is."""
        again = self._again()
        accepted = again is not None and again.status != 401
        with self._lock:
            self._refused = 0 if accepted else self._refused
        return accepted

    def _again(self) -> Answer | None:
        if self._answered is None:
            return None
        with self._lock:
            self.sent += 1
        try:
            return self._answered(None)
        except SourceError:
            return None

    def _count(self, refused: bool = False, silent: bool = False) -> None:
        with self._lock:
            self._refused = self._refused + 1 if refused else 0
            self._silent = self._silent + 1 if silent else 0


def _is_fault(status: int) -> bool:
    return status >= 500 and status not in PASSING


def fill(path: str, values: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The path with its parameters filled, and the values it has no place for: they go into the query."""
    filled, query = path, dict[str, str]()
    for name, value in values.items():
        if f"{{{name}}}" in path:
            filled = filled.replace(f"{{{name}}}", quote(segment(path, name, str(value)), safe=""))
        else:
            query[name] = str(value)
    return filled, query
