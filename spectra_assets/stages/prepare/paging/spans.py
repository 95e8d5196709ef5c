"""Lists that give a span of time unless they are asked for another one (the last 30 days), and the parameter that widens it.

The span is told by the description of a parameter or of the list, or by the answer itself: `{"from": "2026-10-27", "data": […]}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spectra_assets.client.pager import first
from spectra_assets.covenant.access import Paging
from spectra_assets.intelligence.model import Endpoint, Parameter
from spectra_assets.names import words
from spectra_assets.stages.asking.answers import Sight
from spectra_assets.stages.asking.locations import LINES
from spectra_assets.stages.asking.sampling import Asked, Explorer
from spectra_assets.stages.prepare.paging.hidden import NAME_IT, count
from spectra_assets.stages.prepare.paging.limits import Finding

_BEGINS = frozenset(("since", "after", "from", "start", "begin", "starting", "beginning", "min", "gte", "oldest", "earliest"))
_NO_TIME = frozenset(("id", "cursor", "token", "page", "index", "offset", "row", "record", "key", "size", "amount", "price"))
_LENGTHS = {"hours": "876000", "days": "36500", "weeks": "5200", "months": "1200", "years": "100"}
"""What tells how long a span is → a hundred years of it."""

_UNIT = r"(?:hour|day|week|month|quarter|year)s?"
_SPAN = re.compile(
    rf"\b(?:last|past|previous|recent|this|current|trailing)\s+(?:[\w-]+\s+)?{_UNIT}\b|\b\d+\s*{_UNIT}\b|\b(?:today|yesterday)\b",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?P<time>[T ]\d{2}:\d{2}.*)?")
_EPOCH = 10**8
"""Seconds from which on a number may be an instant."""

_EARLY = ("1970-01-01", "1970-01-01T00:00:00Z", "2000-01-01", "2000-01-01T00:00:00Z")
"""The begin of all time, as servers may write it: the next is tried where one is refused."""

_USUAL = ("start_date", "from_date", "date_from", "since", "from")
_MOST = 4


@dataclass(frozen=True)
class _Span:
    """What gives another span: a parameter, and values that are refused or ask for all time. `told`: the description names it."""

    name: str
    values: Sequence[str]
    why: str
    told: bool


def spanned(explorer: Explorer, asked: Asked, paging: Paging, endpoint: Endpoint, discovered: bool) -> list[Finding]:
    """Finding `requiredQuery` if a parameter gives all time in place of the span; `hiddenRows` if there is a span, and nothing is
    known to widen it. `discovered`: the answer is looked at as well, and what is said of the list as a whole."""
    spans = list(_described(endpoint))
    if explorer.wire.spent or not (spans or discovered):
        return []
    plain = explorer.page(asked, first(paging))[0]
    if plain.category != "readable":
        return []
    echo = _echo(plain)
    spans = spans or list(_echoed(echo, endpoint)) or list(_said(endpoint))
    base, failed = count(plain, paging), ""
    for span in [each for each in spans if each.name not in {name for name, _ in (*asked.filled, *asked.query)}][:_MOST]:
        sight, value = _wide(explorer, asked, paging, span)
        if sight is None or sight.category != "readable":
            failed = failed or (f"{span.name}={value} is refused ({sight.reason[:120]})" if sight else "")
            continue
        told = count(sight, paging)
        covers = base.marks <= told.marks or not (base.whole and told.whole)
        moved = bool(echo) and _echo(sight) != echo
        if told.rows >= base.rows and covers and (told.rows > base.rows or moved or span.told):
            what = f"{span.name}={value} gives {told.rows} rows, without it {base.rows} come: {span.why}"
            return [
                Finding("requiredQuery", json.dumps({span.name: value}), what, 0.9 if told.rows > base.rows or moved else 0.7)
            ]
        failed = failed or f"{span.name}={value} gives {told.rows} rows, without it {base.rows} come"
    why = spans[0].why if spans else _whole(endpoint)
    if not why:
        return []
    what = f"{why}: what lies outside is kept back{f', and {failed}' if failed else ''}. {NAME_IT}"
    return [Finding("hiddenRows", f"{spans[0].name if spans else 'span'}=…", what, 0.6)]


def _wide(explorer: Explorer, asked: Asked, paging: Paging, span: _Span) -> tuple[Sight | None, str]:
    """The first page of all time, and the value that asked for it; else the last refusal."""
    sight, sent = None, ""
    for value in span.values:
        if explorer.wire.spent:
            break
        sent = value
        sight = explorer.page(replace(asked, query=(*asked.query, (span.name, value))), first(paging))[0]
        if sight.category == "readable":
            break
    return sight, sent


def _described(endpoint: Endpoint) -> Iterator[_Span]:
    """Parameters whose description says which span is given without them."""
    for parameter in endpoint.parameters:
        if parameter.location == "query":
            said = parameter.default or ""
            span = said if parameter.name.lower() in _LENGTHS and said.isdecimal() else ""
            span = span or next(
                (text for text in (said, parameter.omitted or "") if _SPAN.search(text) or _DATE.search(text)), ""
            )
            if span and (values := _values(parameter.name, parameter, span)):
                yield _Span(parameter.name, values, f"by default {parameter.name} is {_short(span)}", True)


def _said(endpoint: Endpoint) -> Iterator[_Span]:
    """Parameters of a list whose description says that it gives a span."""
    whole = _whole(endpoint)
    for name in endpoint.query if whole else ():
        if values := _values(name, endpoint.parameter(name), ""):
            yield _Span(name, values, whole, True)


def _whole(endpoint: Endpoint) -> str:
    found = _SPAN.search(endpoint.summary)
    return f"the list is described as that of {_short(found[0])}" if found else ""


def _values(name: str, parameter: Parameter, like: str) -> Sequence[str]:
    """What asks a parameter for all time, written `like` what is known; nothing if its name does not tell of a span's begin or
    length."""
    said = {word.lower() for word in words(name)}
    length = next((unit for unit in _LENGTHS if unit in said), None)
    if length is not None:
        return (_LENGTHS[length], *((f"{parameter.maximum:.0f}",) if parameter.maximum else ()))
    if not said & _BEGINS or said & _NO_TIME:
        return ()
    if parameter.type in ("integer", "number") or like.isdecimal():
        return ("0",)
    timed = (found := _DATE.search(like)) is not None and found["time"] is not None
    return _EARLY[1:] if timed else _EARLY


def _echo(sight: Sight) -> dict[str, Any]:
    """Where an answer says which span it gives → the begin or length of that."""
    held: dict[str, Any] = {}
    levels: list[tuple[str, Any]] = [("", sight.value)] if sight.location not in ("", LINES) else []
    for _ in range(2):
        levels = [(key, below) for _, level in levels if isinstance(level, dict) for key, below in list(level.items())[:50]]
        for key, below in levels:
            if _names_span(key, below):
                held[key] = below
    return held


def _names_span(key: str, value: Any) -> bool:
    said = {word.lower() for word in words(key)}
    if isinstance(value, bool) or said & _NO_TIME:
        return False
    if isinstance(value, int):
        return (value > 0 and bool(said & _LENGTHS.keys())) or (value >= _EPOCH and bool(said & _BEGINS))
    return isinstance(value, str) and bool(said & _BEGINS) and _DATE.fullmatch(value) is not None


def _echoed(echo: Mapping[str, Any], endpoint: Endpoint) -> Iterator[_Span]:
    """Parameters that may widen the span which an answer tells: a described one, that of the same name, usual ones."""
    for key, value in list(echo.items())[:1]:
        why = f"the answer says that {key} is {_short(str(value))}"
        described = [name for name in endpoint.query if _values(name, endpoint.parameter(name), "")]
        for name in dict.fromkeys([*described, key, *(_USUAL if isinstance(value, str) else ())]):
            if values := _values(name, endpoint.parameter(name), str(value)):
                yield _Span(name, values, why, False)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"
