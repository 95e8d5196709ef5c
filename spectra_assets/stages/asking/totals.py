"""The number of all rows which an answer declares: near its records, or in a header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spectra_assets.client.totals import ABOUT, COUNT, DEPTH, RANGE, TOTAL_HEADERS, TOTALS, plain
from spectra_assets.covenant.paths import join_path, one_record, split_path
from spectra_assets.stages.asking.locations import MAP

_BESIDE = 200
"""Names of an object among which a total is looked for."""


def declared_total(value: Any, location: str | None, headers: Mapping[str, str]) -> tuple[int | None, str]:
    """The total and its place: a JSON path of the answer, or `header <name>`; the one nearest to the records counts."""
    keys = [] if one_record(location) else split_path((location or "").removesuffix(MAP))
    for depth in range(len(keys) - 1, -1, -1):
        level = value
        for key in keys[:depth]:
            level = level.get(key) if isinstance(level, dict) else None
        if isinstance(level, dict):
            for path, total in _totals(level, keys[: depth + 1], DEPTH):
                return total, path
    for name in TOTAL_HEADERS:
        text = headers.get(name, "").strip()
        if text.isascii() and text.isdigit() and len(text) < 19:
            return int(text), f"header {name}"
    found = RANGE.fullmatch(headers.get("Content-Range", "")[:200])
    return (int(found[1]), "header Content-Range") if found else (None, "")


def _totals(level: Mapping[str, Any], records: list[str], depth: int) -> Iterator[tuple[str, int]]:
    """Totals of one object beside the key of the records, and of those in it that speak of the list."""
    above = records[:-1]
    beside = {plain(key): key for key in reversed([*level][:_BESIDE]) if key != records[-1]}
    yield from _named(level, above, beside, TOTALS)
    for name, key in reversed(beside.items()):
        below = level[key]
        if depth and name in ABOUT and isinstance(below, dict) and below.get("relation", "eq") == "eq":
            total = _number(below.get("value")) if name == "total" else None
            if total is not None:
                yield join_path([*above, key, "value"]), total
            yield from _totals(below, [*above, key, ""], depth - 1)
    yield from _named(level, above, beside, (COUNT,))


def _named(
    level: Mapping[str, Any], above: Sequence[str], beside: Mapping[str, str], names: Sequence[str]
) -> Iterator[tuple[str, int]]:
    """The totals under these plain names; `beside` are the names of the object by their plain ones."""
    for key in (beside[name] for name in names if name in beside):
        total = _number(level[key])
        if total is not None:
            yield join_path([*above, key]), total


def _number(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 else None
