"""The client of one API. It can only read: it sends GET, and by POST the searches that a person allowed, which is how nothing is
ever written.

(Where the covenant says so, the transport asks the same server for a token by POST. That is no request of a caller.)
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from spectra_assets.client.account import account_of
from spectra_assets.client.address import Address, Query
from spectra_assets.client.budget import budget_of
from spectra_assets.client.credential import credential_of
from spectra_assets.client.exchange import Course, Exchange
from spectra_assets.client.fan_out import every, hands
from spectra_assets.client.ledger import Entry, Ledger
from spectra_assets.client.lists import NEVER, Lists
from spectra_assets.client.mask import HIDDEN, Mask, Secret
from spectra_assets.client.pacing import Clock, Pace, PlayedPace, SeenLimit
from spectra_assets.client.paging import MOST_PAGES
from spectra_assets.client.searches import Searches
from spectra_assets.client.tape import Held, Tape, Taped, key_of
from spectra_assets.client.transport import Answer, Limits, Transport
from spectra_assets.client.verdict import Verdict, json_text
from spectra_assets.client.wire import Fault, Keep, Player, Recorded, Recorder, Wire
from spectra_assets.client.withheld import Withholding
from spectra_assets.covenant.access import Server
from spectra_assets.errors import RetriableError, SkippableError


class ApiClient(Lists):
    """Reads one API: paced, retried, paged, in parallel, recorded. Safe to use from many threads.

    `timeout` is (seconds to connect, seconds without any byte); `attempts` counts the first one; `max_body` is in bytes;
    `backoff_base` in seconds is what the first retry waits at most, doubled each time; `most_pages` bounds one list.
    Clients with the same folder `budgets` share one budget per host, whatever their process.
    """

    def __init__(
        self,
        server: Server,
        base_url: str,
        secret: Secret | None,
        user: str | None = None,
        in_flight: int | None = None,
        timeout: tuple[float, float] = (10, 60),
        attempts: int = 5,
        max_body: int = 256 << 20,
        ledger: Ledger | None = None,
        backoff_base: float = 0.5,
        most_pages: int = MOST_PAGES,
        budgets: Path | None = None,
        hash_key: bytes = b"",
        pace: Pace | None = None,
    ) -> None:
        """Nothing is sent yet. `pace` is one that other clients of the same API keep as well.

        Raises ConfigurationError and CredentialError for values that can't be used.
        """
        mask = Mask()
        in_flight = in_flight or server.in_flight
        address = Address.parse(base_url, server.base_path, server.base_url_env, server.bare_root)
        credential = credential_of(server.auth, secret, user, mask)
        verdict = Verdict(server.base_url_env, server.auth.token_env, bool(credential), mask)
        self._searches = Searches(server.searches, address)
        limits = Limits(in_flight, timeout, max_body)
        self._withheld, self._hash_key = server.withheld, hash_key
        wire = self._withholding(Transport(address, credential, limits, mask, self._searches, server.headers))
        budget = budget_of(budgets, urlsplit(address.root).netloc) if budgets is not None else None
        self._per_second = server.requests_per_second
        pace = pace or Pace(self._per_second, backoff_base / 10, in_flight, budget)
        self.ledger = Ledger() if ledger is None else ledger
        exchange = Exchange(address.root, wire, pace, self.ledger, mask, attempts, backoff_base)
        super().__init__(address, credential, mask, verdict, exchange, in_flight, most_pages)

    @classmethod
    def from_environment(
        cls,
        server: Server,
        in_flight: int | None = None,
        ledger: Ledger | None = None,
        most_pages: int = MOST_PAGES,
        budgets: Path | None = None,
        hash_key: bytes = b"",
    ) -> ApiClient:
        """The client with base URL, token and user from the variables which `server` names.

        Raises ConfigurationError (no base URL, or not a valid one) and CredentialError (no token, no user).
        """
        base_url, secret, user = account_of(server)
        kept = {"ledger": ledger, "most_pages": most_pages, "budgets": budgets, "hash_key": hash_key}
        return cls(server, base_url, secret, user, in_flight, **kept)  # type: ignore[arg-type]

    @property
    def base_url(self) -> str:
        """Where requests go, base path included."""
        return self._address.root

    @property
    def mask(self) -> Mask:
        """What takes the credential out of texts."""
        return self._mask

    @property
    def credential_from(self) -> str:
        """The variable with the credential, for people."""
        return self._verdict.token_env or "the token variable of the covenant"

    @property
    def address(self) -> Address:
        """Where requests go, and how their URLs are made."""
        return self._address

    @property
    def wire(self) -> Wire:
        """What requests go through."""
        return self._exchange.wire

    def use(self, tape: Tape | None) -> None:
        """From here on, what lists answer goes over `tape` (see there)."""
        self._exchange.tape = tape

    def record(self, keep: Keep) -> None:
        """From here on, every exchange with the API is kept as well."""
        self._exchange.wire = Recorder(self.wire, self._address.root, self._mask, keep)

    def play(
        self,
        reels: Sequence[Recorded],
        live: Wire | None = None,
        faults: Sequence[Fault] = (),
        clock: Clock | None = None,
        without: int | None = None,
    ) -> None:
        """From here on, nothing is sent: `reels` answer (see wire.Player), and what they lack `live` is asked for.

        Waiting takes no time: it passes on `clock` alone.
        """
        clock = clock or Clock()
        self.wire.close()
        player = Player(self._address.root, reels, live, faults, clock, self.in_flight, without)
        self._exchange.over(self._withholding(player), PlayedPace(self._per_second, clock))

    def _withholding(self, wire: Wire) -> Wire:
        return Withholding(wire, self._withheld, self._hash_key) if self._withheld else wire

    @property
    def seen_limit(self) -> SeenLimit | None:
        """The strictest rate limit that answers stated so far; None if none did."""
        return self._exchange.seen_limit

    def close(self) -> None:
        """Close the pooled connections."""
        super().close()
        self.wire.close()

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def get(self, path: str, query: Query | None = None, attempts: int | None = None, seconds: float | None = None) -> Answer:
        """The answer whatever its status, after retries of statuses that may pass (none with `attempts=1`: a probe).

        `seconds` is what each attempt may take, to the last byte; by default the client's timeout for silence alone counts.
        Raises RetriableError if no answer came at all, SkippableError if it is too large, SourceError for a redirect
        to another server.
        """
        return self._got(self._address.url(path, query), path, attempts, seconds)

    def get_url(self, url: str, attempts: int | None = None, seconds: float | None = None) -> Answer:
        """As `get`, for an address which the API gave: absolute, or relative to the base URL.

        Raises SourceError naming both hosts, before anything is sent, for another scheme, host or port.
        """
        sent = self._credential.bare(self._address.follow(url, self._address.root + "/"))
        return self._got(sent, urlsplit(sent).path, attempts, seconds)

    def search(self, path: str, body: bytes, attempts: int | None = None, seconds: float | None = None) -> Answer:
        """The answer to a search by POST, see `get`: it only reads, so it is tried again like a GET.

        Raises ConfigurationError, before anything is sent, for a path that no person allowed (server.searches), and SourceError
        if the answer is one of what creates something: the search is never sent again then.
        """
        return self._got(self._address.url(path), path, attempts, seconds, body)

    @property
    def struck(self) -> Mapping[str, str]:
        """Searches that turned out to be none, and why."""
        return self._searches.struck

    def read(self, path: str, query: Query | None = None) -> bytes:
        """The body of a 200 answer: valid JSON in UTF-8; `b""` if there is no content.

        Raises CredentialError (401), SkippableError (refused, gone, not JSON, too large), RetriableError (attempts used
        up) and SourceError (redirect to another server).
        """
        url = self._address.url(path, query)
        return self._exchange.request(url, Entry(path), lambda answer: self._verdict.decoded(answer, json_text), Course(), NEVER)

    def unmodified(self, earlier: Iterable[Held | None]) -> bool:
        """Whether the API says of every answer of the earlier tape that it did not change. Ends at the first that did.

        `earlier` are the answers, None for one that was not accepted then or can't be read; each is asked for conditionally,
        `in_flight` at a time. What did not change is confirmed on the tape. Raises SourceError for a redirect to another server
        and StorageError; any other error is a change.
        """
        tape = self._exchange.tape
        assert tape is not None  # noqa: S101  (a programmer's error)

        def same(held: Held | None, stop: threading.Event) -> bool:
            taped = Taped(held) if held is not None else None
            if taped is None or not taped.conditions:
                return False
            header = taped.header
            if HIDDEN in header["target"]:  # a secret that is also a word of the address: where that led is not kept
                return False
            url = self._address.root + header["target"]
            entry = Entry(header["path"], header["entity"], header["parent"], header["page"])
            course = Course(ask=True, earlier=taped)
            with suppress(SkippableError, RetriableError):
                self._exchange.request(url, entry, self._verdict.passing, course, stop)
            if course.unmodified:
                tape.confirm(key_of(header["purpose"], url))
            return course.unmodified

        return every(earlier, same, hands(self.in_flight))

    def _got(self, url: str, path: str, attempts: int | None, seconds: float | None, body: bytes | None = None) -> Answer:
        """The answer whatever its status."""
        course = Course(seconds, body)
        entry = Entry(self._mask(path), method="GET" if body is None else "POST")
        try:
            return self._exchange.request(url, entry, self._verdict.passing, course, NEVER, attempts)
        except RetriableError:
            if course.answer is None:
                raise
            return course.answer
