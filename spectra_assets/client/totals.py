"""Where answers declare how many rows a list has in all: names of the number, of what it may stand in, and of headers."""

from __future__ import annotations

import re

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

RANGE = re.compile(r"\s*(?:[\w-]+\s+)?(?:\d+-\d+|\*)/(\d{1,18})\s*", re.ASCII)
"""`Content-Range: items 0-24/319`."""

_SIGNS = re.compile(r"[^a-z]")


def plain(name: str) -> str:
    """A name in lower case without signs: `@odata.count` and `odata_count` are `odatacount`."""
    return _SIGNS.sub("", name.lower())
