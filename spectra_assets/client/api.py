"""The client of one API. It can only read: it sends GET, and by POST the searches that a person allowed, which is how nothing is
ever written.

(Where the covenant says so, the transport asks the same server for a token by POST. That is no request of a caller.)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from spectra_assets.client.account import account_of
from spectra_assets.client.address import Address, Query
from spectra_assets.client.ahead import Ahead, Spare
from spectra_assets.client.body import body_of, paged
from spectra_assets.client.budget import budget_of
from spectra_assets.client.credential import credential_of
from spectra_assets.client.exchange import Course, Exchange
from spectra_assets.client.fan_out import every, fan_out, hands
from spectra_assets.client.ledger import Entry, Ledger
from spectra_assets.client.mask import Mask, Secret
from spectra_assets.client.pacing import Clock, Pace, PlayedPace, SeenLimit
from spectra_assets.client.pager import Ask, first, query_of
from spectra_assets.client.paging import MOST_PAGES, PAST_END, Page, Reader, Sheet, counted, walk
from spectra_assets.client.records import split
from spectra_assets.client.searches import Searches
from spectra_assets.client.tape import AGAIN, LIST, Held, NotTapedError, Tape, Taped, key_of
from spectra_assets.client.target import ParentValue, Target, parent_text, target
from spectra_assets.client.transport import Answer, Limits, Transport
from spectra_assets.client.verdict import Verdict, is_lasting, json_text
from spectra_assets.client.widest import Widest
from spectra_assets.client.wire import Fault, Keep, Player, Recorded, Recorder, Wire
from spectra_assets.covenant.access import Fetch, Server
from spectra_assets.errors import RetriableError, SkippableError

Result = TypeVar("Result")

_BROKEN_IN_A_ROW = 20
"""Parents one after the other that answer 500, or no JSON, until it is the API that is broken, and not they."""

_HELD_BYTES = 32 << 20
"""Bytes of records that may wait for their turn while parents are read at the same time."""

_NEVER = threading.Event()

Narrow = Callable[[ParentValue | None], Mapping[str, str | int]]
"""From a parent to further parameters of its list: in the query, or in the body of a search."""


def whole(_: ParentValue | None) -> Mapping[str, str | int]:
    """The list as the plan has it."""
    return MappingProxyType({})


@dataclass(frozen=True)
class Skipped:
    """A parent whose rows can't be had. Pages that came before the error were handed over."""

    parent_value: ParentValue
    error: SkippableError
    lasting: bool = False
    """It failed on every attempt (see verdict.is_lasting), and was not refused."""


class _Fetched(NamedTuple):
    """One page of a list as it came; `entry` is its row of the ledger, `address` that which answered."""

    entry: Entry
    request_id: str
    query: Mapping[str, str]
    address: str
    sheet: Sheet


class ApiClient:
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
    ) -> None:
        """Nothing is sent yet. Raises ConfigurationError and CredentialError for values that can't be used."""
        self.in_flight = in_flight or server.in_flight
        self.ledger = Ledger() if ledger is None else ledger
        self._address = Address.parse(base_url, server.base_path, server.base_url_env, server.bare_root)
        self._mask = Mask()
        self._credential = credential_of(server.auth, secret, user, self._mask)
        self._verdict = Verdict(server.base_url_env, server.auth.token_env, bool(self._credential), self._mask)
        self._searches = Searches(server.searches, self._address)
        limits = Limits(self.in_flight, timeout, max_body)
        wire = Transport(self._address, self._credential, limits, self._mask, self._searches, server.headers)
        self._per_second = server.requests_per_second
        budget = budget_of(budgets, urlsplit(self._address.root).netloc) if budgets is not None else None
        pace = Pace(self._per_second, backoff_base / 10, self.in_flight, budget)
        self._exchange = Exchange(self._address.root, wire, pace, self.ledger, self._mask, attempts, backoff_base)
        self.widest = Widest()
        self._spare = Spare(self.in_flight)
        self._most_pages = most_pages

    @classmethod
    def from_environment(
        cls,
        server: Server,
        in_flight: int | None = None,
        ledger: Ledger | None = None,
        most_pages: int = MOST_PAGES,
        budgets: Path | None = None,
    ) -> ApiClient:
        """The client with base URL, token and user from the variables which `server` names.

        Raises ConfigurationError (no base URL, or not a valid one) and CredentialError (no token, no user).
        """
        base_url, secret, user = account_of(server)
        return cls(server, base_url, secret, user, in_flight, ledger=ledger, most_pages=most_pages, budgets=budgets)

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
        self._exchange.over(player, PlayedPace(self._per_second, clock))

    @property
    def seen_limit(self) -> SeenLimit | None:
        """The strictest rate limit that answers stated so far; None if none did."""
        return self._exchange.seen_limit

    def close(self) -> None:
        """Close the pooled connections."""
        self._spare.close()
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
        return self._exchange.request(url, Entry(path), lambda answer: self._verdict.decoded(answer, json_text), Course(), _NEVER)

    def records(self, fetch: Fetch, query: Query, parent_value: ParentValue | None = None) -> list[bytes]:
        """The records of one answer to the list of `fetch`, asked with `query` on top of its own. Raises what `read` raises."""

        def accept(answer: Answer) -> list[bytes]:
            return self._verdict.decoded(answer, lambda body: split(body, fetch.records, fetch.told))[0]

        return self._again(fetch, query, parent_value, accept)

    def declared(self, fetch: Fetch, parent_value: ParentValue | None = None) -> int | None:
        """Rows that the API says the list has, asked for with a page of one; None if it does not say. Raises as `read`."""

        def accept(answer: Answer) -> Sheet:
            return self._verdict.decoded(answer, lambda body: Reader(fetch).read(body, answer.headers))

        sheet = self._again(fetch, first(fetch.paging, 1).query, parent_value, accept)
        # one that is no more than the page's own rows may be just their number
        return sheet.declared_total if (sheet.declared_total or 0) > len(sheet.records) else None

    def _again(self, fetch: Fetch, query: Query, parent_value: ParentValue | None, accept: Callable[[Answer], Result]) -> Result:
        """What `accept` makes of one answer beside the reading of the list itself."""
        url, body = self._call(fetch, target(fetch, parent_value), query)
        parent = None if parent_value is None else parent_text(parent_value)
        entry = Entry(fetch.path, fetch.entity, parent, method=fetch.method)
        return self._exchange.listed(AGAIN, url, entry, accept, Course(body=body), _NEVER)

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
            url = self._address.root + header["target"]
            entry = Entry(header["path"], header["entity"], header["parent"], header["page"])
            course = Course(ask=True, earlier=taped)
            with suppress(SkippableError, RetriableError):
                self._exchange.request(url, entry, self._verdict.passing, course, stop)
            if course.unmodified:
                tape.confirm(key_of(header["purpose"], url))
            return course.unmodified

        return every(earlier, same, hands(self.in_flight))

    def pages(
        self,
        fetch: Fetch,
        parent_value: ParentValue | None = None,
        limit: int | None = None,
        narrow: Narrow = whole,
    ) -> Iterator[Page]:
        """Pages of one fetch plan, for one parent if it has one, until all rows (or `limit` records) are there.

        `narrow` gives what the list is asked with beside the plan's own query. `paging` says how completeness is ensured.
        Raises what `read` raises; SkippableError if the answer has another
        shape than the plan says; SourceError if the server ignores the paging, leads in a circle or elsewhere;
        ConfigurationError if plan and parent don't fit.
        """
        stop = threading.Event()
        try:
            yield from self._pages(fetch, parent_value, limit, stop, narrow, ahead=limit is None)
        finally:
            stop.set()

    def fetch_all(
        self, fetch: Fetch, parent_values: Iterable[ParentValue], narrow: Narrow = whole
    ) -> Iterator[tuple[ParentValue, Page] | Skipped]:
        """Pages for many parents, `in_flight` at a time, in the order of `parent_values`, in flat memory.

        A parent that ends in a SkippableError, in a 500 on every attempt (what APIs answer for an id they do not know), or in a
        body that never is JSON, gives a Skipped, after the pages it had. Any other error is raised at once and stops the rest,
        and so is RetriableError for the last of many parents in a row that answer so.
        """

        def work(value: ParentValue, stop: threading.Event) -> Iterator[Page | Skipped]:
            try:
                yield from self._pages(fetch, value, None, stop, narrow, ahead=True)
            except SkippableError as error:
                yield Skipped(value, error)
            except RetriableError as error:
                if not is_lasting(error):
                    raise
                yield Skipped(value, SkippableError(str(error), error.status), lasting=True)

        broken, rests = 0, self._spare.rests if self._told(fetch) else lambda _: None
        for value, result in fan_out(parent_values, work, hands(self.in_flight), _weight, _HELD_BYTES, rests):
            if not isinstance(result, Skipped):
                broken = 0
                yield value, result
                continue
            broken = broken + 1 if result.lasting else 0
            if broken >= _BROKEN_IN_A_ROW:
                raise RetriableError(f"{broken} parents in a row: {result.error}", status=result.error.status)
            yield result

    def _pages(
        self,
        fetch: Fetch,
        parent_value: ParentValue | None,
        limit: int | None,
        stop: threading.Event,
        narrow: Narrow,
        ahead: bool = False,
    ) -> Iterator[Page]:
        where = target(fetch, parent_value)
        if fetch.method == "GET":
            where = where._replace(query={**where.query, **{name: str(value) for name, value in narrow(parent_value).items()}})
        else:
            where = where._replace(inside={**where.inside, **narrow(parent_value)})
        parent = None if parent_value is None else parent_text(parent_value)
        start = here = self._address.url(where.path)

        def fetched(ask: Ask, number: int, reader: Reader, here: str) -> _Fetched:
            query: Mapping[str, str] = {**where.query, **ask.query}
            url, body = self._call(fetch, where, ask.query)
            if ask.url is not None:
                url = self._credential.bare(self._address.follow(ask.url, here, start))
                query = {name: self._mask(value) for name, value in query_of(url).items()}
            entry, course = Entry(fetch.path, fetch.entity, parent, number, method=fetch.method), Course(body=body)

            def accept(answer: Answer) -> tuple[str, Sheet]:
                if number > 1 and answer.status in PAST_END and counted(fetch.paging):
                    entry.error = f"{answer.status} for a page past the last one: the end of the list"
                    return answer.address, Sheet([], [], None, 0, refused=answer.status)
                sheet = self._verdict.decoded(answer, lambda body: reader.read(body, answer.headers))
                entry.rows = len(sheet.records)
                return answer.address, sheet

            try:
                address, sheet = self._exchange.listed(LIST, url, entry, accept, course, stop)
            except NotTapedError:
                # whether a short page was the last one may have been known earlier when this list was read first; that the
                # replay gives every record is proven by their number
                if number == 1 or not counted(fetch.paging):
                    raise
                return _Fetched(entry, entry.requestId, query, here, Sheet([], [], None, 0))
            return _Fetched(entry, course.brought or entry.requestId, query, address, sheet)

        def request(ask: Ask, number: int, reader: Reader) -> tuple[str, Mapping[str, str], Sheet]:
            nonlocal here
            page = (early.take(ask) if early is not None else None) or fetched(ask, number, reader, here)
            here, sheet = page.address, reader.overlapping(page.sheet)
            page.entry.repeated = sheet.repeated
            if early is not None:
                early.follow(ask, number, len(sheet.records), sheet.declared_total)
            return page.request_id, page.query, sheet

        later = Reader(fetch)
        early = self._ahead(fetch, lambda ask, number: fetched(ask, number, later, start)) if ahead else None
        try:
            yield from walk(fetch, request, self.widest, limit, self._most_pages)
        finally:
            if early is not None:
                early.close()

    def _ahead(self, fetch: Fetch, get: Callable[[Ask, int], _Fetched]) -> Ahead[_Fetched] | None:
        return Ahead(fetch.paging, self._spare, get, self.widest.believes(fetch)) if self._told(fetch) else None

    def _told(self, fetch: Fetch) -> bool:
        """Whether pages can be told beforehand: of a counted list whose totals are true, of an API that is asked."""
        told = counted(fetch.paging) and fetch.method == "GET" and fetch.totals == "credible"
        return told and not (self._exchange.tape and self._exchange.tape.only)

    def _call(self, fetch: Fetch, where: Target, query: Query) -> tuple[str, bytes | None]:
        """Address and body of one page, whose parameters a search has in its body."""
        if fetch.method == "GET":
            return self._address.url(where.path, {**where.query, **query}), None
        body = body_of(fetch.body or {}, {**where.inside, **paged(fetch.paging, query)})
        return self._address.url(where.path, where.query), body

    def _got(self, url: str, path: str, attempts: int | None, seconds: float | None, body: bytes | None = None) -> Answer:
        """The answer whatever its status."""
        course = Course(seconds, body)
        entry = Entry(self._mask(path), method="GET" if body is None else "POST")
        try:
            return self._exchange.request(url, entry, self._verdict.passing, course, _NEVER, attempts)
        except RetriableError:
            if course.answer is None:
                raise
            return course.answer


def _weight(result: Page | Skipped) -> int:
    """Bytes of a page's records."""
    return 0 if isinstance(result, Skipped) else sum(map(len, result.records))
