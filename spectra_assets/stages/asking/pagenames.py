"""Names that APIs give to parameters of paging: what a described name is for, and which ones to guess without a description."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from spectra_assets.covenant.access import OffsetPaging, PagePaging
from spectra_assets.names import vocabulary

SIZES = (
    *("limit", "per_page", "page_size", "pageSize", "size", "_limit", "maxResults", "perPage", "pagesize", "count", "take"),
    *("$top", "top", "rows", "page[size]", "page[limit]", "max", "first", "num", "max_results", "_per_page", "$limit"),
    "per-page",
)
OFFSETS = (
    "offset",
    "skip",
    "_start",
    "start",
    "startAt",
    "$skip",
    "startIndex",
    "page[offset]",
    "start_index",
    "from",
    "$offset",
)
PAGES = ("page", "_page", "page_number", "pageNumber", "pageNo", "page[number]", "p", "pageIndex", "page_no", "currentPage", "pg")
KEYSETS = (
    *("since_id", "after_id", "starting_after", "after", "since", "min_id", "last_id", "start_after", "id_after", "from_id"),
    *("before_id", "max_id", "before", "page[after]"),
)
CURSORS = (
    *("cursor", "page_token", "pageToken", "after", "next_token", "nextToken", "continuation", "continuationToken", "marker"),
    *("token", "page", "next", "start", "bookmark", "scroll_id", "page[cursor]", "page[after]", "next_cursor", "nextCursor"),
)
"""Well-known names, the likeliest first."""

PAGE_FIRST = frozenset(("per_page", "page_size", "pageSize", "size", "perPage", "pagesize", "_per_page", "page[size]"))
"""Sizes whose partner is a page's number rather than an offset."""

_SIZE = vocabulary(
    """
    limit pagesize perpage size maxresults maxitems count take top rows pagelimit resultsperpage itemsperpage num n first max
    rowsperpage batchsize recordsperpage length maxcount pagelength nbperpage maxnumberofresults numresults maxrecords hitsperpage
    """
)
_OFFSET = vocabulary(
    "offset skip start startat startindex from pageoffset begin startposition firstresult resultoffset recordoffset"
)
_PAGE = vocabulary("page pagenumber pageno p pageindex pagenum currentpage pg pagenr")
_CURSOR = vocabulary(
    """
    cursor pagetoken nexttoken continuation continuationtoken nextcursor marker after token bookmark scrollid pagecursor pageafter
    starttoken paginationtoken nextpagetoken resumetoken searchafter startcursor exclusivestartkey pagingtoken skiptoken
    """
)
_KEYSET = vocabulary(
    """
    sinceid afterid startingafter minid lastid startafter idafter fromid idgt after since beforeid maxid before lastseenid seek
    endingbefore gtid pageafter
    """
)
_ROWS = 10
"""Any positive size: candidates are measured with sizes of their own."""


def plain(name: str) -> str:
    """A name in lower case, letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _said(name: str) -> str:
    """What a parameter is called, of one within another that tells of pages itself this alone: `searchCriteria[pageSize]`."""
    inner = plain(name.partition("[")[2])
    return inner if "page" in inner and inner != "page" else plain(name)


def sizes_in(names: Iterable[str]) -> list[str]:
    """The names that may ask for a page's size."""
    return _known(names, _SIZE, SIZES)


def cursors_in(names: Iterable[str]) -> list[str]:
    """The names that may take a cursor."""
    return _known(names, _CURSOR, CURSORS)


def keysets_in(names: Iterable[str]) -> list[str]:
    """The names that may take the key of the last row."""
    return _known(names, _KEYSET, KEYSETS)


def opening(name: str) -> str | None:
    """What a parameter of this name takes for the first page, if it is one of paging."""
    known = _said(name)
    return "1" if known in _PAGE else "0" if known in _OFFSET - {"from"} else str(_ROWS) if known in _SIZE else None


def numbered(names: Sequence[str]) -> list[OffsetPaging | PagePaging]:
    """Styles by number that the names make up, the likeliest first."""
    found: list[OffsetPaging | PagePaging] = []
    sizes = sizes_in(names)
    offsets = _known(names, _OFFSET, OFFSETS)
    if "first" in names and len(sizes) > 1 and not offsets:
        offsets, sizes = ["first"], [size for size in sizes if size != "first"]
    for page in _known(names, _PAGE, PAGES):
        found += [page_style(page, size) for size in sizes] or [page_style(page, None)]
    for offset in offsets:
        found += [offset_style(offset, size) for size in sizes if size != offset]
    return found


def offset_style(offset: str, size: str) -> OffsetPaging:
    """A style of an offset still to be measured."""
    return OffsetPaging(offset_param=offset, size_param=size, size=_ROWS)


def page_style(page: str, size: str | None) -> PagePaging:
    """A style of a page number still to be measured."""
    return PagePaging(page_param=page, size_param=size, size=_ROWS if size else None)


STRICT_STYLES = tuple(
    offset_style(offset, size)
    for offset, size in (("$skip", "$limit"), ("skip", "limit"), ("offset", "limit"), ("$skip", "$top"), ("_start", "_limit"))
)
"""Styles tried one by one where several names at once give no rows: some servers take each name they do not know for a filter."""


def _known(names: Iterable[str], known: frozenset[str], order: Sequence[str]) -> list[str]:
    fit = [name for name in dict.fromkeys(names) if _said(name) in known]
    return sorted(fit, key=lambda name: order.index(name) if name in order else len(order))
