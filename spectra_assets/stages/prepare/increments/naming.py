"""Parameters that may ask for what changed since an instant, by their names: candidates, to be proven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spectra_assets.covenant.paths import split_path
from spectra_assets.intelligence.model import Endpoint
from spectra_assets.names import words
from spectra_assets.stages.prepare.fields.canonise import CHANGED

_FROM = frozenset(("since", "after", "from", "min", "gte", "gt", "ge", "start", "newer", "begin"))
_UNTIL = frozenset(("before", "until", "to", "max", "lte", "lt", "le", "end", "till", "older"))
_NO_FILTER = frozenset(("sort", "order", "by", "user", "fields", "format", "include", "limit"))
_MOST = 8
"""Candidates of one endpoint."""


def tells_change(path: str) -> bool:
    """Whether the name of a field says that it is the instant of a record's last change."""
    return bool(_said(split_path(path)[-1]) & CHANGED)


def names_change(parameter: str) -> bool:
    """Whether a parameter's own name says that it is about changes, and not about when records were made."""
    return bool(_said(parameter) & CHANGED)


def candidates(endpoint: Endpoint, cursor: str) -> list[str]:
    """Names to try at an endpoint, likeliest first: those that its description gives; where nobody described it, usual ones."""
    leaf = split_path(cursor)[-1]
    own = _said(leaf)
    named = [name for name in endpoint.query if _fits(name, own)]
    if named or endpoint.origin != "discovered":
        return sorted(named, key=lambda name: _rank(name, own))[:_MOST]
    return [*_usual(leaf)]


def _fits(name: str, own: frozenset[str]) -> bool:
    said = _said(name)
    if said & (_UNTIL | _NO_FILTER):
        return False
    return "since" in said or bool(said & CHANGED) or (bool(said & _FROM) and bool(said & own))


def _rank(name: str, own: frozenset[str]) -> tuple[bool, bool, int]:
    said = _said(name)
    return not said & _FROM, not said & own, len(name)


def _usual(leaf: str) -> Iterator[str]:
    """What APIs that describe nothing call it, from the field's own name or not."""
    yield from (f"{leaf}_gte", f"{leaf}__gte", f"{leaf}[gte]", f"{leaf}_since", f"{leaf}_after", f"min_{leaf}", f"{leaf}_min")
    yield from (f"filter[{leaf}][gte]", f"filter[{leaf}][ge]", f"gt_{leaf}", f"{leaf}_from", f"{leaf}From")
    for verb in ("updated", "modified", "changed"):
        yield from (f"{verb}_since", f"{verb}Since", f"{verb}_after", f"{verb}After")
    yield from ("since", "_since", "from_date", "updated_from", "lastModifiedSince", "if_modified_since")


def _said(name: str) -> frozenset[str]:
    return frozenset(word.lower() for word in words(name))


def pages_by(parameters: Sequence[str], name: str) -> bool:
    """Whether a name is one of those that page the list."""
    return name.lower() in {parameter.lower() for parameter in parameters}
