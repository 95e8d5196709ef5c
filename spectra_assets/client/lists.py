"""The lists of one API: every page of a plan, for one parent or many at once, and single answers asked for once more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from spectra_assets.client.address import Address, Query
from spectra_assets.client.ahead import Ahead, Spare
from spectra_assets.client.body import body_of, paged
from spectra_assets.client.credential import Credential
from spectra_assets.client.exchange import Course, Exchange
from spectra_assets.client.fan_out import fan_out, hands
from spectra_assets.client.knitting import knits
from spectra_assets.client.ledger import Entry
from spectra_assets.client.mask import Mask
from spectra_assets.client.pager import Ask, first, query_of
from spectra_assets.client.paging import PAST_END, Page, counted, endpoint_of, walk
from spectra_assets.client.pair import opened_text
from spectra_assets.client.records import split
from spectra_assets.client.sheet import Reader, Sheet
from spectra_assets.client.tape import AGAIN, LIST, NotTapedError
from spectra_assets.client.target import ParentValue, Target, parent_text, target
from spectra_assets.client.transport import Answer
from spectra_assets.client.verdict import Verdict, is_lasting
from spectra_assets.client.widest import Widest
from spectra_assets.client.wire import NotRecordedError, Player
from spectra_assets.covenant.access import Fetch
from spectra_assets.errors import RetriableError, SkippableError

Result = TypeVar("Result")

_BROKEN_IN_A_ROW = 20
"""Parents one after the other that answer 500, or no JSON, until it is the API that is broken, and not they."""

_HELD_BYTES = 32 << 20
"""Bytes of records that may wait for their turn while parents are read at the same time."""

NEVER = threading.Event()
"""Says to stop, and never does."""

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


class Lists:
    """Reads lists. Safe to use from many threads."""

    def __init__(
        self,
        address: Address,
        credential: Credential,
        mask: Mask,
        verdict: Verdict,
        exchange: Exchange,
        in_flight: int,
        most_pages: int,
    ) -> None:
        self.widest = Widest()
        self._address, self._credential, self._mask, self._verdict = address, credential, mask, verdict
        self._exchange = exchange
        self.in_flight = in_flight
        self._spare = Spare(in_flight)
        self._most_pages = most_pages

    def close(self) -> None:
        """Begin nothing more."""
        self._spare.close()

    def records(
        self, fetch: Fetch, query: Mapping[str, str], parent_value: ParentValue | None = None, narrow: Narrow = whole
    ) -> list[bytes]:
        """The records of one answer to the list of `fetch`, asked with `query` on top of its own. Raises what `read` raises."""

        def found(body: bytes) -> tuple[list[bytes], int | None]:
            return split(opened_text(body, fetch.records), fetch.records, fetch.told)

        def accept(answer: Answer) -> list[bytes]:
            return self._verdict.decoded(answer, found)[0]

        return self._again(fetch, Ask(query), parent_value, accept, narrow)

    def declared(self, fetch: Fetch, parent_value: ParentValue | None = None) -> int | None:
        """Rows that the API says the list has, asked for with a page of one; None if it does not say. Raises as `read`."""

        def accept(answer: Answer) -> Sheet:
            return self._verdict.decoded(answer, lambda body: Reader(fetch).read(body, answer.headers))

        sheet = self._again(fetch, first(fetch.paging, 1), parent_value, accept)
        # one that is no more than the page's own rows may be just their number
        return sheet.declared_total if (sheet.declared_total or 0) > len(sheet.records) else None

    def mark(self, fetch: Fetch, ask: Ask, parent_value: ParentValue | None = None, narrow: Narrow = whole) -> bytes:
        """What a page that came before (`Page.ask`) now holds, see `Page.mark`. Raises as `read`."""

        def accept(answer: Answer) -> bytes:
            return self._verdict.decoded(answer, lambda body: Reader(fetch).marked(body, answer.headers))

        return self._again(fetch, ask, parent_value, accept, narrow)

    def _again(
        self,
        fetch: Fetch,
        ask: Ask,
        parent_value: ParentValue | None,
        accept: Callable[[Answer], Result],
        narrow: Narrow = whole,
    ) -> Result:
        """What `accept` makes of one answer beside the reading of the list itself."""
        where = _narrowed(fetch, target(fetch, parent_value), narrow(parent_value))
        url, body = self._call(fetch, where, ask.query)
        if ask.url is not None:
            url = self._credential.bare(self._address.follow(ask.url, url, self._address.url(where.path)))
        parent = None if parent_value is None else parent_text(parent_value)
        entry = Entry(fetch.path, fetch.entity, parent, method=fetch.method)
        return self._exchange.listed(AGAIN, url, entry, accept, Course(body=body), NEVER)

    def pages(
        self,
        fetch: Fetch,
        parent_value: ParentValue | None = None,
        limit: int | None = None,
        narrow: Narrow = whole,
        knit: bool = False,
    ) -> Iterator[Page]:
        """Pages of one fetch plan, for one parent if it has one, until all rows (or `limit` records) are there.

        With `knit` they tell whether rows moved meanwhile (see `paging`). `narrow` gives what the list is asked with beside the
        plan's own query. `paging` says how completeness is ensured. Raises what `read` raises; SkippableError if the answer has
        another shape than the plan says; SourceError if the server ignores the paging, leads in a circle or elsewhere;
        ConfigurationError if plan and parent don't fit.
        """
        stop = threading.Event()
        try:
            yield from self._pages(fetch, parent_value, limit, stop, narrow, limit is None, knit)
        finally:
            stop.set()

    def fetch_all(
        self, fetch: Fetch, parent_values: Iterable[ParentValue], narrow: Narrow = whole, knit: bool = False
    ) -> Iterator[tuple[ParentValue, Page] | Skipped]:
        """Pages for many parents, `in_flight` at a time, in the order of `parent_values`, in flat memory.

        A parent that ends in a SkippableError, in a 500 on every attempt (what APIs answer for an id they do not know), or in a
        body that never is JSON, gives a Skipped, after the pages it had. Any other error is raised at once and stops the rest,
        and so is RetriableError for the last of many parents in a row that answer so.
        """

        def work(value: ParentValue, stop: threading.Event) -> Iterator[Page | Skipped]:
            try:
                yield from self._pages(fetch, value, None, stop, narrow, True, knit)
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
        ahead: bool,
        knit: bool,
    ) -> Iterator[Page]:
        where = _narrowed(fetch, target(fetch, parent_value), narrow(parent_value))
        parent = None if parent_value is None else parent_text(parent_value)
        start = here = self._address.url(where.path)

        def fetched(ask: Ask, number: int, reader: Reader, here: str) -> _Fetched:
            query: Mapping[str, str] = {**where.query, **ask.query}
            url, body = self._call(fetch, where, ask.query)
            if ask.url is not None:
                url = self._credential.bare(self._address.follow(ask.url, here, start))
                query = {name: self._mask(value) for name, value in query_of(url).items()}
            entry, course = Entry(fetch.path, fetch.entity, parent, number, method=fetch.method), Course(body=body)
            wire = self._exchange.wire
            if ask.back and body is None and isinstance(wire, Player) and not wire.holds(url):
                raise NotRecordedError(f"the recording holds no page of {fetch.told} that begins with the row before it")

            def accept(answer: Answer) -> tuple[str, Sheet]:
                if number > 1 and answer.status in PAST_END and counted(fetch.paging):
                    entry.error = f"{answer.status} for a page past the last one: the end of the list"
                    return answer.address, Sheet([], [], None, 0, refused=answer.status, word=self._verdict.word(answer))
                sheet = self._verdict.decoded(answer, lambda body: reader.read(body, answer.headers))
                entry.rows = len(sheet.records)
                return answer.address, sheet

            try:
                address, sheet = self._exchange.listed(LIST, url, entry, accept, course, stop)
            except NotTapedError:
                # whether a short page was the last one may have been known earlier when this list was read first; that the
                # replay gives every record is proven by their number
                if number == 1 or not counted(fetch.paging) or ask.back:
                    raise
                return _Fetched(entry, entry.requestId, query, here, Sheet([], [], None, 0))
            sheet = replace(sheet, url=url) if ask.url is not None else sheet
            return _Fetched(entry, course.brought or entry.requestId, query, address, sheet)

        def request(ask: Ask, number: int, reader: Reader) -> tuple[str, Mapping[str, str], Sheet]:
            nonlocal here
            page = (early.take(ask) if early is not None else None) or fetched(ask, number, reader, here)
            here, sheet = page.address, reader.overlapping(page.sheet, ask.back, ask.over)
            page.entry.repeated = sheet.repeated
            if early is not None:
                early.follow(ask, number, len(page.sheet.records), sheet.declared_total)
            return page.request_id, page.query, sheet

        later = Reader(fetch)
        back = int(knit and knits(fetch.paging) and not self.widest.steps(endpoint_of(fetch)))
        early = self._ahead(fetch, lambda ask, number: fetched(ask, number, later, start), back) if ahead else None
        try:
            yield from walk(fetch, request, self.widest, limit, self._most_pages, knit)
        finally:
            if early is not None:
                early.close()

    def _ahead(self, fetch: Fetch, get: Callable[[Ask, int], _Fetched], back: int) -> Ahead[_Fetched] | None:
        told = self._told(fetch) and not self.widest.ragged(endpoint_of(fetch))
        return Ahead(fetch.paging, self._spare, get, self.widest.believes(fetch), back) if told else None

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


def _narrowed(fetch: Fetch, where: Target, more: Mapping[str, str | int]) -> Target:
    """Where a list is asked for, with further parameters in the query, or in the body of a search."""
    if fetch.method == "GET":
        return where._replace(query={**where.query, **{name: str(value) for name, value in more.items()}})
    return where._replace(inside={**where.inside, **more})


def _weight(result: Page | Skipped) -> int:
    """Bytes of a page's records."""
    return 0 if isinstance(result, Skipped) else sum(map(len, result.records))
