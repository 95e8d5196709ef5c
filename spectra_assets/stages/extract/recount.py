"""Asking for the end of a list again, by other means than it was found with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spectra_assets.client.api import ApiClient
from spectra_assets.client.jsontext import decoded
from spectra_assets.client.lists import Narrow, whole
from spectra_assets.client.pager import Ask
from spectra_assets.client.paging import PAST_END, endpoint_of
from spectra_assets.client.tape import NotTapedError
from spectra_assets.client.target import ParentValue
from spectra_assets.client.verdict import is_lasting
from spectra_assets.client.wire import NotRecordedError
from spectra_assets.covenant.access import Fetch, OffsetPaging, PagePaging
from spectra_assets.errors import RetriableError, SkippableError
from spectra_assets.stages.asking.answers import values_at
from spectra_assets.stages.asking.windows import windows_in
from spectra_assets.stages.extract.keys import told_apart
from spectra_assets.stages.extract.seams import Seam


@dataclass(frozen=True)
class End:
    """What of a list is to be asked for again: its end, if it is `counted`, and pages that others follow.

    `first` and `last` are records, `pages` are those with rows, `first_page` and `last_page` their rows. `refused` is that of the
    page after the last one, see Page; None if that was empty or not asked for. `ask` is how the last one with rows was asked for.
    `moved`: it is known that rows moved. `word` is what the API said as it refused.
    """

    value: ParentValue | None
    rows: int
    first: bytes
    last: bytes
    pages: int
    first_page: int
    last_page: int
    refused: int | None
    ask: Ask | None = None
    seams: tuple[Seam, ...] = ()
    counted: bool = True
    moved: bool = False
    word: str = ""


class Recount:
    """Proves the ends and seams of the lists of one entity. Safe for threads."""

    def __init__(self, client: ApiClient, fetch: Fetch, narrow: Narrow = whole) -> None:
        self._client = client
        self._fetch = fetch
        self._narrow = narrow
        self._endpoint = endpoint_of(fetch)

    def stands(self, end: End) -> tuple[int, str, tuple[int, str] | None]:
        """(seams that held, why one did not, what `ends_there` says)."""
        held, torn = 0, ""
        for seam in end.seams:
            try:
                mark = self._client.mark(self._fetch, seam.ask, end.value, self._narrow)
            except (NotRecordedError, NotTapedError):
                continue  # of a recording, or of raw pages: it shows nothing, and is not counted as held
            except (SkippableError, RetriableError) as error:
                if isinstance(error, RetriableError) and not is_lasting(error):
                    raise
                continue
            if mark != seam.mark:
                torn = f"page {seam.number} has other rows when it is asked for again: the list moved while it was read"
                break
            held += 1
        return held, torn, self.ends_there(end) if end.counted and not torn else None

    def ends_there(self, end: End) -> tuple[int, str] | None:
        """(rows found, why that is not the end); None if the list ends there."""
        paging = self._fetch.paging
        limits = windows_in(end.word)
        if end.rows in limits or (end.pages in limits and end.last_page == end.first_page):
            reached = f"{end.rows} rows" if end.rows in limits else f"{end.pages} pages"
            return end.rows, f"the API gives no more than {reached} of this list: {end.word[:200]}"
        try:
            if isinstance(paging, OffsetPaging):
                return self._at_offset(end, paging)
            return self._at_page(end, paging) if isinstance(paging, PagePaging) else None
        except NotTapedError:
            return None  # of several lists the longest one of a page is asked for its end: which was it hangs on their order
        except (SkippableError, RetriableError) as error:
            if isinstance(error, RetriableError) and not is_lasting(error):
                raise
            return end.rows, f"the end of the list can't be read again: {str(error)[:200]}"

    def _at_offset(self, end: End, paging: OffsetPaging) -> tuple[int, str] | None:
        """From one row before the end on, exactly the last row must come. See `_after` for ragged pages."""
        if (end.ask is not None and end.ask.over) or self._client.widest.ragged(self._endpoint):
            return self._after(end, paging)
        last, steps = str(end.rows - 1), self._client.widest.steps(self._endpoint)
        try:  # whole pages: more than the next row may be left out
            records = self._ask(end, {paging.offset_param: last, paging.size_param: "2" if steps else str(max(paging.size, 2))})
        except SkippableError as error:
            if error.status not in PAST_END:
                raise
            records = self._ask(end, {paging.offset_param: last, paging.size_param: "2"})
        if len(records) != 1:
            if end.ask is not None and not end.moved and self._client.widest.is_short(self._endpoint, end.last_page):
                again = self._ask(end, end.ask.query)
                as_many = 0 < end.last_page <= len(again) <= end.last_page + end.ask.back
                stands = as_many and self._key(again[-1]) == self._key(end.last)
                if stands:
                    self._client.widest.fray(self._endpoint)
            return end.rows - 1 + len(records), f"at offset {end.rows - 1}, {len(records)} rows came where one is the last"
        return self._moved(end, records)

    def _after(self, end: End, paging: OffsetPaging) -> tuple[int, str] | None:
        """The last page must end as it did, and nothing come after it, nor after as many rows more as a page has at most: all of
        those may have been left out."""
        if end.ask is None:
            return None
        records = self._ask(end, end.ask.query)
        if not records:
            return 0, "the last page has no rows when it is asked for again"
        begin, known = int(end.ask.query[paging.offset_param]), set(map(self._key, records))
        for start in (begin + len(records), begin + len(records) + paging.size):
            try:
                after = self._ask(end, {**end.ask.query, paging.offset_param: str(start)})
            except SkippableError as error:
                if error.status not in PAST_END:
                    raise
                break
            fresh = [key for key in map(self._key, after) if key not in known]
            if fresh:
                return end.rows + len(fresh), f"at offset {start}, after the last page, {len(fresh)} more rows came"
        return self._moved(end, records)

    def _at_page(self, end: End, paging: PagePaging) -> tuple[int, str] | None:
        """The last page must come again, and nothing after it where it is full. If the API refuses what is after it, or gives the
        last page in its place, that may be the most rows it ever gives: then the end must be the same with pages of another
        length."""
        size = {paging.size_param: str(paging.size)} if paging.size_param and paging.size else {}
        last = paging.first + end.pages - 1
        records = self._ask(end, {paging.page_param: str(last), **size})
        if len(records) != end.last_page:
            return end.rows - end.last_page + len(records), f"the last page, {last}, now has {len(records)} rows"
        moved = self._moved(end, records)
        if moved:
            return moved
        if end.last_page < end.first_page or (end.pages == 1 and end.refused is None):
            return self._after_short(end, {paging.page_param: str(last + 1), **size})
        try:
            after = self._ask(end, {paging.page_param: str(last + 1), **size})
        except SkippableError as error:
            if error.status not in PAST_END:
                raise
            return self._at_other_pages(end, paging)
        if not after:
            return None
        if [*map(self._key, after)] != [*map(self._key, records)]:
            return end.rows + len(after), f"page {last + 1}, after the last one, has {len(after)} rows"
        return self._at_other_pages(end, paging)

    def _after_short(self, end: End, query: dict[str, str]) -> tuple[int, str] | None:
        """No rows may come after the last page. That it is shorter than others tells nothing where pages are cut first, and
        what the caller may not see is left out of them afterwards."""
        try:
            after = self._ask(end, query)
        except (SkippableError, NotRecordedError):
            return None
        except RetriableError as error:
            if not is_lasting(error):
                raise
            return None
        # some give the last page again, or the first one
        if not after or self._key(after[-1]) == self._key(end.last) or self._key(after[0]) == self._key(end.first):
            return None
        self._client.widest.fray(self._endpoint)
        return end.rows + len(after), f"the page after the last one, which was shorter than others, has {len(after)} rows"

    def _at_other_pages(self, end: End, paging: PagePaging) -> tuple[int, str] | None:
        other = next((size for size in range(end.first_page - 1, 1, -1) if end.rows % size), None)
        if other is None or paging.size_param is None:
            return None
        rest, place = end.rows % other, paging.first + end.rows // other
        try:
            records = self._ask(end, {paging.page_param: str(place), paging.size_param: str(other)})
        except SkippableError as error:
            if error.status not in PAST_END:
                raise
            return end.rows, f"the API refuses every page that reaches beyond {end.rows} rows: what is there was never seen"
        if len(records) != rest:
            return end.rows - rest + len(records), f"page {place} of {other} rows has {len(records)}, not the last {rest}"
        return self._moved(end, records)

    def _ask(self, end: End, query: Mapping[str, str]) -> list[bytes]:
        return self._client.records(self._fetch, query, end.value, self._narrow)

    def _moved(self, end: End, records: list[bytes]) -> tuple[int, str] | None:
        if records and self._key(records[-1]) != self._key(end.last):
            return end.rows, "the last row is another one when asked for again: the list moved while it was read"
        return None

    def _key(self, record: bytes) -> Any:
        key = told_apart(next(values_at(decoded(record), self._fetch.primary_key), None))
        return record if key is None else key
