"""From a fetch plan to pages of raw records, complete and without a loop.

Lists that are counted (offset, page). A server may cap a page below the size that was asked for, and say nothing. So a short
page is the last one only if something shows that it was not capped:

- it is empty;
- or an earlier page of the same endpoint held more rows: the cap, a property of the endpoint, is above this page's rows (unless
  rows were seen to come after such a page, `Widest.ragged`: some servers cut pages first and leave rows out afterwards);
- or it completes the total the API declares, which is trusted only from the second page on, if every page declared the same and
  it differs from the page's own row count (some APIs put the page's row count, or 0, into the field of that name).

A page that says itself that there is more (more.py) is none, nor are up to three empty ones by page numbers that say so.
Otherwise one more request is made for the next page. That happens only while pages set a new record in length: about
ln(n) times for n parents of random length, and never again once one page was full. Ties with the record under ten rows
(every parent has exactly one) end it after three empty answers, since nobody caps a page at so few. A full page is followed by
another request, whatever the declared total, unless the caller asks for every end again (`Widest.believe`). An offset goes on
by the rows received, not by the size asked; page numbers go on by one while the size asked stays the same, so that a cap
changes nothing. Where pages are `ragged` an offset counts rows that never come: then the end of a page may come again with the
next one, and is left out there.

Past its end a list answers empty, or 400, 404, 410, 416 or 422, or gives the last page again. That is taken
for the end only if the total is complete, if there are fewer rows than anybody caps at, or if page numbers are known to lead on
here and the end can be proven with pages of another size. The last page of the walk says what happened (`Page.refused`), so
that its reader proves the end.

Lists that are chained (cursor, next, link, keyset) end where an answer names no next page. An empty page that names one goes
on, a bounded number of times; one that hands back what it was asked with is the end. What was asked before is never asked
again: that is a loop, and so is a page whose rows came before.

Rows that go or come while a list is read shift those behind them over the seams between pages. Whoever wants to know (`knit`)
gets the pages of an offset with one row of the page before asked for once more: if that is another one, the list has moved
(`Page.shifted`). Of other styles each page says how it can be asked for again (`Page.ask`) and what tells its rows (`Page.mark`).

A page that answers 500, or something that is no JSON, however often it is asked for (`Page.broken`) is passed over as one of
usual length, unless it is the first one of a parent's list, which is how some servers say that they do not know the parent. Of
a chain only that page says where the next one is, unless a number that goes on evenly shows it (pager.beyond).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any

from spectra_assets.client.knitting import Thread
from spectra_assets.client.pager import Ask, Got, beyond, counts, first, following, text_at
from spectra_assets.client.records import sparse
from spectra_assets.client.sheet import Reader, Request, Sheet
from spectra_assets.client.verdict import is_lasting
from spectra_assets.client.widest import SMALLEST_CAP, Widest
from spectra_assets.covenant.access import (
    Fetch,
    KeysetPaging,
    LinkPaging,
    NoPaging,
    OffsetPaging,
    PagePaging,
    Paging,
)
from spectra_assets.covenant.paths import one_record
from spectra_assets.errors import RetriableError, SkippableError, SourceError

MOST_PAGES = 1_000_000
"""Pages one list may have: a server that makes up rows for ever is noticed at last."""

PAST_END = frozenset({400, 404, 410, 416, 422})
"""What servers answer to a page past the end."""

_UNKNOWN = 1 << 62
"""The size of a page which the server alone decides."""

_EMPTY_IN_A_ROW = 20
_BROKEN_IN_A_ROW = 3
"""Pages one after the other that can't be had until it is the list that is broken, and not they."""

_HOLLOW_IN_A_ROW = 3
"""Pages without rows one after the other that are believed to be followed by others, since they say so."""

_ALL_LEFT_OUT = 1
"""The same, only since pages of the endpoint are ragged."""


@dataclass(frozen=True)
class Page:
    """One page: `records` are the raw JSON texts, byte for byte as the API sent them (UTF-8).

    `number` counts from 1. `repeated` is how many of the records stood on the page before as well; they are not removed.
    A fetch without rows gives one page without records. `declared_total` is the API's own count of all rows, if it
    declares one. A page without records after others tells by `refused` that the list ended there because the API refused this
    page (its status, of `PAST_END`, and its `word`) or gave the last one again (200): whether that was its end is for the reader
    to prove. `broken` says why a page could not be had: its rows are missing, usually `lost` of them (None: unknown); those after
    it come all the same, unless `cut`: then nothing tells where they are.
    `joined` is whether the row before its first one is still the last of the page before (None: nothing shows it), `mark` what
    the keys of its rows sum up to in their order, and `ask` how it can be asked for again, where that moves nothing. `lacking`
    is the flag by which the page says that it is incomplete. `more` is whether the only answer of a list says that there are
    further rows, which nothing leads to. (A list without pages whose answer names a next one by the header `Link` goes on there.)
    """

    number: int
    records: list[bytes] = field(repr=False)
    query: Mapping[str, str]
    request_id: str
    declared_total: int | None = None
    repeated: int = 0
    refused: int | None = None
    word: str = ""
    lacking: str = ""
    broken: RetriableError | None = None
    lost: int | None = None
    cut: bool = False
    joined: bool | None = None
    mark: bytes = b""
    ask: Ask | None = None
    more: bool = False


def counted(paging: Paging) -> bool:
    """Whether the list is asked for by numbers, so that a page past its end can be asked for."""
    return isinstance(paging, OffsetPaging | PagePaging)


def endpoint_of(fetch: Fetch, limit: int | None = None) -> tuple[str, int]:
    """What is remembered of a counted list for all its parents goes by this: its path template and the size asked for."""
    return fetch.path, _size(fetch.paging, limit) or _UNKNOWN


def walk(
    fetch: Fetch, request: Request, widest: Widest, limit: int | None, most: int = MOST_PAGES, knit: bool = False
) -> Iterator[Page]:
    """Every page of one fetch, or pages until `limit` records are there; with `knit` it is looked whether rows move meanwhile.

    Raises SkippableError if the answer has another shape than `fetch.records` says; SourceError if the server ignores
    what tells the page, repeats a page, leads in a circle, or gives more than `most` pages; and what `request` raises.
    """
    reader = Reader(fetch)
    if isinstance(fetch.paging, NoPaging):
        request_id, query, sheet = request(Ask(), 1, reader)
        listed = limit is None and not one_record(fetch.records) and bool(sheet.records)
        onward = following(LinkPaging(), Ask(), Got(0, 0, 1, headers=sheet.headers)) if listed else None
        more = limit is None and onward is None and sheet.more(1)
        yield Page(1, sheet.records[:limit], query, request_id, sheet.declared_total, more=more, lacking=sheet.lacking)
        if onward is not None:  # the list of another parent was short enough for one answer, this one goes on
            chain = fetch.model_copy(update={"paging": LinkPaging()})
            yield from _walk_chain(chain, Reader(chain), request, None, most, (Ask(), onward, len(sheet.records)))
    elif counted(fetch.paging):
        yield from _Counted(fetch, reader, request, widest, limit, knit).pages(most)
    else:
        yield from _walk_chain(fetch, reader, request, limit, most)


class _Counted:
    """The walk over a list that is asked for by numbers: what came so far, and what to ask for next."""

    def __init__(self, fetch: Fetch, reader: Reader, request: Request, widest: Widest, limit: int | None, knit: bool) -> None:
        self._fetch, self._reader, self._widest, self._limit = fetch, reader, widest, limit
        self._size = _size(fetch.paging, limit)
        self._endpoint = endpoint_of(fetch, limit)
        self._by_page = isinstance(fetch.paging, PagePaging)
        self._holes = knit and isinstance(fetch.paging, OffsetPaging)
        self._thread = Thread(fetch.paging, reader, request, partial(widest.steps, self._endpoint), knit)
        self._number = 1
        self._ask = first(fetch.paging, self._size)
        self._so_far = 0
        self._before = 0
        """Rows of the page before."""
        self._declared: int | None = None
        """The total that the first page declared."""
        self._broken = self._hollow = self._bare = 0
        """Pages in a row that could not be had; that were empty; of these, those of which nothing was left out."""
        self._urged = False
        """Whether the page before said that there is more though all else says it was the last."""

    def pages(self, most: int) -> Iterator[Page]:
        """Its pages, at most so many."""
        for self._number in range(1, most + 1):
            try:
                self._ask, (request_id, query, sheet) = self._thread.page(self._ask, self._number)
            except RetriableError as error:
                yield self._without(error)
                continue
            self._broken = 0
            self._declared = sheet.declared_total if self._number == 1 else self._declared
            again = self._number > 1 and bool(sheet.records) and self._reader.is_last_again(sheet)
            if self._is_hole(sheet):
                yield Page(self._number, [], query, request_id)
                self._pass_hole(sheet)
            elif self._is_past_the_end(sheet, again):
                yield from self._end(sheet, again, query, request_id)
                return
            else:
                yield self._page(sheet, query, request_id)
                if self._is_last(sheet):
                    return
                self._go_on(sheet)
        raise _endless(self._fetch, most)

    def _without(self, error: RetriableError) -> Page:
        """A page that can't be had, passed over as one of usual length. Raises the error where nothing says how long that is."""
        self._broken, self._before = self._broken + 1, self._before or self._size or 0
        whole_list = self._limit is None and (self._number > 1 or self._fetch.parent is None)
        if not is_lasting(error) or not whole_list or self._broken > _BROKEN_IN_A_ROW or not self._before:
            raise error
        ask, rows = self._ask, self._before - self._ask.back
        self._so_far += rows
        self._ask = self._thread.onward(ask, self._before, self._so_far, self._number)
        unknown = ask.back if self._broken > 1 else 0  # the row before it: the page that should have given it is broken too
        self._reader.lose()
        return Page(self._number, [], ask.query, "", broken=error, lost=rows + unknown - self._ask.back)

    def _is_hole(self, sheet: Sheet) -> bool:
        """Whether an empty page may have rows after it: some leave out what they cut pages with, or say that there is more."""
        may = self._limit is None and (self._by_page or self._holes)
        if self._number == 1 or sheet.records or self._hollow >= _HOLLOW_IN_A_ROW or not may:
            return False
        left_out = sheet.over or (self._bare < _ALL_LEFT_OUT and self._widest.ragged(self._endpoint))
        return bool(left_out) or sheet.more(self._number)

    def _pass_hole(self, sheet: Sheet) -> None:
        self._hollow, self._bare = self._hollow + 1, self._bare + (not sheet.over)
        came = max(self._widest.longest(self._endpoint), self._before) if self._holes else self._before
        self._ask = self._thread.onward(self._ask, came, self._so_far, self._number, over=self._holes)

    def _is_past_the_end(self, sheet: Sheet, again: bool) -> bool:
        """Whether the list was over before: nothing comes, or `again` the last page where that can't be the next one."""
        if self._number == 1 or (sheet.records and not again):
            return False
        complete = sheet.declared_total == self._declared == self._so_far
        few = self._number == 2 and self._so_far < min(SMALLEST_CAP, self._endpoint[1])
        sized = getattr(self._fetch.paging, "size_param", None) is not None
        provable = self._by_page and sized and self._widest.moves(self._endpoint)
        urged = self._urged or self._widest.ragged(self._endpoint)
        return not sheet.records or complete or few or provable or urged

    def _end(self, sheet: Sheet, again: bool, query: Mapping[str, str], request_id: str) -> Iterator[Page]:
        self._widest.nothing_followed(self._endpoint, self._before)
        if again or sheet.refused is not None:
            yield Page(self._number, [], query, request_id, refused=sheet.refused or 200, joined=sheet.joined, word=sheet.word)
        elif sheet.joined is False:
            yield Page(self._number, [], query, request_id, joined=False)

    def _page(self, sheet: Sheet, query: Mapping[str, str], request_id: str) -> Page:
        self._reader.turn(sheet, self._number)
        if self._number > 1:
            self._widest.moves(self._endpoint, seen=True)
        keep = sheet.records[: None if self._limit is None else self._limit - self._so_far]
        told = (sheet.declared_total, sheet.repeated)
        rows = len(sheet.records)
        page = Page(
            self._number,
            keep,
            query,
            request_id,
            *told,
            joined=sheet.joined,
            mark=self._reader.mark,
            ask=self._ask,
            lacking=sheet.lacking,
        )
        self._so_far += rows if self._ask.over or sheet.joined is not None else self._came(sheet) - self._ask.back
        return page

    def _is_last(self, sheet: Sheet) -> bool:
        """Whether nothing can come after the page that was just given."""
        came, whole_list = self._came(sheet), self._limit is None
        complete = self._number > 1 and sheet.declared_total == self._declared == self._so_far > len(sheet.records)
        complete = complete and (came < self._endpoint[1] or (whole_list and self._widest.believes(self._fetch)))
        enough = self._limit is not None and self._so_far >= self._limit
        ends = complete or enough or self._widest.is_last(self._endpoint, came)
        self._urged = ends and whole_list and sheet.more(self._number)
        return ends and not self._urged

    def _go_on(self, sheet: Sheet) -> None:
        self._hollow = self._bare = 0
        came = self._came(sheet)
        cut = self._limit is None and came < self._endpoint[1] and sheet.more(self._number)
        over = self._holes and (self._ask.over or self._widest.ragged(self._endpoint) or cut)
        self._ask, self._before = self._thread.onward(self._ask, came, self._so_far, self._number, over), came

    @staticmethod
    def _came(sheet: Sheet) -> int:
        """Rows of the answer, those of the page before among them."""
        return len(sheet.records) + sheet.back + len(sheet.over)


def _walk_chain(
    fetch: Fetch, reader: Reader, request: Request, limit: int | None, most: int, begun: tuple[Ask, Ask, int] | None = None
) -> Iterator[Page]:
    """`begun`: how page 1 was asked for, what it leads to, and its rows, where that came already."""
    paging = fetch.paging
    ask, so_far, empty = first(paging, _size(paging, limit)), 0, 0
    asked = {_mark(ask): 1}
    before: tuple[Ask, int] | None = None
    total: int | None = None
    broken = 0
    if begun is not None:
        before, ask, so_far = (begun[0], begun[2]), begun[1], begun[2]
        asked = {_mark(before[0]): 1, _mark(ask): 2}
    for number in range(1 if begun is None else 2, most + 1):
        try:
            request_id, query, sheet = request(ask, number, reader)
        except RetriableError as error:
            broken += 1
            if before is None or limit is not None or not is_lasting(error) or broken > _BROKEN_IN_A_ROW:
                raise
            guess, usual = beyond(paging, before[0], ask, before[1]), before[1]
            last_one = total is not None and so_far < total <= so_far + usual
            lost = total - so_far if last_one and total is not None else usual if guess is not None else None
            yield Page(number, [], ask.query, "", broken=error, lost=lost, cut=guess is None and not last_one)
            if guess is None or last_one:
                return
            so_far, before, ask = so_far + usual, (ask, usual), guess
            continue
        except SkippableError as error:
            if broken and error.status in PAST_END:  # the broken page was the last one
                return
            raise
        rows, broken, total = len(sheet.records), 0, sheet.declared_total or total
        reader.turn(sheet, number)
        if rows or number == 1:
            keep = rows if limit is None else limit - so_far
            evenly = before is None or counts(paging, before[0], ask, before[1])
            again = None if not evenly else ask if sheet.url is None else Ask(url=sheet.url)
            told = (sheet.declared_total, sheet.repeated)
            joined = (
                True if before is not None and isinstance(paging, KeysetPaging) else None
            )  # after a value, not a number of rows
            yield Page(
                number,
                sheet.records[:keep],
                query,
                request_id,
                *told,
                joined=joined,
                mark=reader.mark,
                ask=again,
                lacking=sheet.lacking,
            )
        so_far, empty = so_far + rows, 0 if rows else empty + 1
        if limit is not None and so_far >= limit:
            return
        if not rows and sheet.declared_total == so_far and fetch.totals == "credible":  # some name a next page for ever
            return
        last = _last(fetch, sheet)
        onward = following(paging, ask, Got(rows, so_far, number, last, sheet.value, sheet.headers))
        if onward is None:
            return
        earlier = asked.setdefault(_mark(onward), number + 1)
        if earlier == number and not rows:
            return
        if earlier <= number:
            raise SourceError(
                f"the pages of {fetch.told} lead in a circle: page {number} names page {earlier} as the next one, so the "
                "list has no end"
            )
        if empty >= _EMPTY_IN_A_ROW:
            raise SourceError(f"{fetch.told}: {empty} pages in a row without rows, each of which names a next one; given up")
        before, ask = (ask, rows or (before[1] if before else 0)), onward
    raise _endless(fetch, most)


def _size(paging: Paging, limit: int | None) -> int | None:
    """Rows to ask a page for, if the API can be told: for a few rows no more than these."""
    if isinstance(paging, NoPaging) or paging.size_param is None or paging.size is None:
        return None
    return paging.size if limit is None else min(paging.size, max(limit, 1))


def _last(fetch: Fetch, sheet: Sheet) -> Any:
    """The last record, if it tells the next page. Raises SkippableError if it should and does not."""
    if not isinstance(fetch.paging, KeysetPaging) or not sheet.records:
        return None
    last = sparse(sheet.records[-1], fetch.paging.field)
    if not text_at(last, fetch.paging.field):
        raise SkippableError(
            f"{fetch.told}: the last record of a page has no plain value at {fetch.paging.field}, so the next page can't "
            "be asked for"
        )
    return last


def _endless(fetch: Fetch, most: int) -> SourceError:
    return SourceError(f"{fetch.told}: after {most:,} pages the list still goes on; given up (setting most_pages)")


def _mark(ask: Ask) -> bytes:
    text = ask.url or repr(sorted(ask.query.items()))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
