"""The number of all rows which an answer declares: near its records, or in a header."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from spectra_assets.covenant.paths import join_path, split_path
from spectra_assets.stages.asking.locations import MAP, words

_NAMES = (
    *("total", "totalcount", "totalresults", "totalelements", "totalrecords", "totalitems", "totalhits", "totalrows"),
    *("totalsize", "totalentries", "resultsize", "recordstotal", "recordcount", "numfound", "odatacount", "nbhits", "found"),
    *("matches", "count"),
)
"""Names of a total in lower case without signs, the surest first; `count` may be the page's own."""

_ABOUT = words(
    """
    meta metadata page paging pagination paginator pager pageinfo pagedetails info resultinfo responsemetadata resultset
    listinfo cursor hits header total summary
    """
)
"""Names of objects that speak of the list."""

_DEPTH = 2

_HEADERS = (
    *("X-Total-Count", "X-Total", "X-WP-Total", "Total-Count", "X-Total-Results", "X-Pagination-Total-Count", "Pagination-Count"),
    *("X-Count", "X-Total-Records", "X-Total-Items"),
)
_RANGE = re.compile(r"\s*[\w-]+\s+(?:\d+-\d+|\*)/(\d{1,18})\s*", re.ASCII)


def declared_total(value: Any, location: str | None, headers: Mapping[str, str]) -> tuple[int | None, str]:
    """The total and its place: a JSON path of the answer, or `header <name>`; the one nearest to the records counts."""
    keys = split_path((location or "").removesuffix(MAP))
    for depth in range(len(keys) - 1, -1, -1):
        level = value
        for key in keys[:depth]:
            level = level.get(key) if isinstance(level, dict) else None
        if isinstance(level, dict):
            for path, total in _totals(level, keys[: depth + 1], _DEPTH):
                return total, path
    for name in _HEADERS:
        text = headers.get(name, "").strip()
        if text.isascii() and text.isdigit() and len(text) < 19:
            return int(text), f"header {name}"
    found = _RANGE.fullmatch(headers.get("Content-Range", "")[:200])
    return (int(found[1]), "header Content-Range") if found else (None, "")


def _totals(level: Mapping[str, Any], records: list[str], depth: int) -> Iterator[tuple[str, int]]:
    """Totals of one object beside the key of the records, and of those in it that speak of the list."""
    above = records[:-1]
    plain = {re.sub(r"[^a-z]", "", key.lower()): key for key in reversed([*level][:200]) if key != records[-1]}
    for name in _NAMES:
        key = plain.get(name)
        total = _number(level[key]) if key is not None else None
        if key is not None and total is not None:
            yield join_path([*above, key]), total
    for name, key in reversed(plain.items()):
        below = level[key]
        if depth and name in _ABOUT and isinstance(below, dict) and below.get("relation", "eq") == "eq":
            total = _number(below.get("value")) if name == "total" else None
            if total is not None:
                yield join_path([*above, key, "value"]), total
            yield from _totals(below, [*above, key, ""], depth - 1)


def _number(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 else None
