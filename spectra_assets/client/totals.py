"""Where answers declare how many rows a list has in all: names of the number, of what it may stand in, and of headers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

TOTALS = (
    *("total", "totalcount", "totalresults", "totalelements", "totalrecords", "totalitems", "totalhits", "totalrows"),
    *("totalsize", "totalentries", "resultsize", "recordstotal", "recordcount", "numfound", "odatacount", "nbhits", "found"),
    "matches",
)
"""Names of a total as `plain` gives them, the surest first."""

COUNT = "count"
"""A total by many an API, by others the rows of the page: looked at last."""

ABOUT = frozenset(
    (
        *("meta", "metadata", "page", "paging", "pagination", "paginator", "pager", "pageinfo", "pagedetails", "info"),
        *("resultinfo", "responsemetadata", "resultset", "listinfo", "cursor", "hits", "header", "total", "summary"),
    )
)
"""Objects beside the records that speak of the list, by their plain names."""

DEPTH = 2
"""Levels below an object about the list at which a total is looked for: `meta.page.totalElements`."""

TOTAL_HEADERS = (
    *("X-Total-Count", "X-Total", "X-WP-Total", "Total-Count", "X-Total-Results", "X-Pagination-Total-Count", "Pagination-Count"),
    *("X-Count", "X-Total-Records", "X-Total-Items"),
)

_BEGINS = frozenset(
    ("p", "page", "pageno", "pagenumber", "pageindex", "currentpage", "offset", "start", "startat", "startindex", "skip")
)
_SIZES = frozenset(
    (
        *("ps", "size", "pagesize", "perpage", "limit", "pagelimit", "maxresults", "take", "top", "count"),
        *("rowsperpage", "itemsperpage", "resultsperpage"),
    )
)
"""Plain names of where a page begins, and of how many rows it may have."""

RANGE = re.compile(r"\s*(?:[\w-]+\s+)?(?:\d+-\d+|\*)/(\d{1,18})\s*", re.ASCII)
"""`Content-Range: items 0-24/319`."""

_SIGNS = re.compile(r"[^a-z]")


def plain(name: str) -> str:
    """A name in lower case without signs: `@odata.count` and `odata_count` are `odatacount`."""
    return _SIGNS.sub("", name.lower())


def page_of(level: Any, rows: int) -> int | None:
    """The total, if the numbers in a decoded object say that an array of so many rows in it is a page of a list: where the page
    begins, how many rows it may have and how many there are in all, which agree with its length. None if they do not."""
    numbers: dict[str, int] = {}
    for name, value in _numbers(level) if isinstance(level, dict) and rows else ():
        numbers.setdefault(name, value)
    total = next((numbers[name] for name in TOTALS if name in numbers), None)
    if total is None or not _BEGINS & numbers.keys():
        return None
    sizes = [value for name, value in numbers.items() if name in _SIZES]
    return total if any(rows == size < total or rows == total <= size for size in sizes) else None


def _numbers(level: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """(plain name, number) of an object, and of those in it that speak of the list."""
    for key, value in level.items():
        if isinstance(value, int) and not isinstance(value, bool):
            yield plain(key), value
        elif isinstance(value, dict) and plain(key) in ABOUT:
            yield from ((plain(name), number) for name, number in value.items() if type(number) is int)
