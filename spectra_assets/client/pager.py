"""The next request of a list, by each style of paging: what to ask first, and what after an answer. Nothing is sent here."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from spectra_assets.covenant.access import (
    CursorPaging,
    KeysetPaging,
    LinkPaging,
    NextPaging,
    NoPaging,
    OffsetPaging,
    PagePaging,
    Paging,
)
from spectra_assets.covenant.paths import chosen, split_path
from spectra_assets.untrusted import parts_of

_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w!#$&+^`|~.-]+\*?\s*=\s*(?:\"(?:[^\"\\]|\\.)*\"|[^\s;,]+))*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,]+))", re.IGNORECASE)

_NOTHING_THERE = re.compile(r";\s*results\s*=\s*\"?false\b", re.IGNORECASE)
"""What Sentry says of the page after the last, which its `Link` names all the same."""

_NUMBER = re.compile(r"(?<!\d)\d{1,15}(?!\d)")

_NO_TOKEN = ("", "0")
"""Some APIs count cursors and end with 0, which would be the first page again."""

_LONGEST = 16
"""Digits from which on a text is no number of a page."""


HEADER = "@header:"
"""Begins the place of a token that stands in a header of the answer, not in its body."""

_LEADING = re.compile(r"next|continuation|cursor|bookmark|scrollid|pagetoken")


@dataclass(frozen=True)
class Ask:
    """One page to ask for: `query` on top of the list's own, or in place of both `url`, absolute or relative.

    It begins with the last `back` rows of the page before, which show that nothing moved in between; or, where pages are short
    in their middle (`over`), with so many of them as were behind the rows that the server left out.
    """

    query: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    back: int = 0
    over: bool = False


@dataclass(frozen=True)
class Got:
    """What came: rows of the page, rows of the list so far, its last record (decoded), the decoded answer, its headers; and how
    many of the last rows are to come again with the next page, where that can be."""

    rows: int
    so_far: int
    number: int
    last: Any = None
    value: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    back: int = 0


def first(paging: Paging, size: int | None = None) -> Ask:
    """The first page. `size` in place of the plan's own."""
    query: dict[str, str] = {}
    if isinstance(paging, NoPaging):
        return Ask()
    if isinstance(paging, OffsetPaging):
        query[paging.offset_param] = "0"
    elif isinstance(paging, PagePaging):
        query[paging.page_param] = str(paging.first)
    elif isinstance(paging, CursorPaging) and paging.opening is not None:
        query[paging.cursor_param] = paging.opening
    rows = size or paging.size
    if paging.size_param is not None and rows is not None:
        query[paging.size_param] = str(rows)
    return Ask(query)


def following(paging: Paging, asked: Ask, got: Got) -> Ask | None:
    """The page after `got`; None where the style itself says that there is none (an empty page is for the caller to judge)."""
    if isinstance(paging, OffsetPaging):
        return Ask({**asked.query, paging.offset_param: str(got.so_far - got.back)}, back=got.back)
    if isinstance(paging, PagePaging):
        return Ask({**asked.query, paging.page_param: str(paging.first + got.number)})
    if isinstance(paging, CursorPaging):
        token = token_at(got.value, got.headers, paging.next)
        return Ask({**asked.query, paging.cursor_param: token}) if token not in _NO_TOKEN else None
    if isinstance(paging, KeysetPaging):
        value = text_at(got.last, paging.field)
        return Ask({**asked.query, paging.after_param: value}) if value else None
    if isinstance(paging, NextPaging):
        address = text_at(got.value, paging.next)
        return Ask(url=_as_long(paging, asked, address, got.number)) if address else None
    if isinstance(paging, LinkPaging):
        text = got.headers.get(paging.header, "").strip()
        address = linked(text, "next") or ("" if text.startswith("<") or paging.header == "Link" else text)
        return Ask(url=_as_long(paging, asked, address, got.number)) if address else None
    return None


def token_at(value: Any, headers: Mapping[str, str], place: str) -> str:
    """The token that an answer holds at `place`: a JSON path, or `@header:` and the name of a header; empty if there is none."""
    return headers.get(place.removeprefix(HEADER), "").strip() if place.startswith(HEADER) else text_at(value, place)


def leads_on(header: str) -> bool:
    """Whether a header's name says that it tells of a next page: `Next-Page`, `x-ms-continuationtoken`."""
    return _LEADING.search(header.lower().replace("-", "")) is not None


def _as_long(paging: NextPaging | LinkPaging, asked: Ask, address: str, number: int) -> str:
    """The address of the page after the one of this `number`, with the size that was asked for where it counts pages and forgets
    how long they are: which rows page 2 holds depends on that."""
    name = paging.size_param
    size = _numbers(asked).get(name) if name is not None else None
    if name is None or size is None or name in (told := query_of(address)):
        return address
    before = asked.url is not None and query_of(asked.url).keys() == {*told, name}
    if not before and not {str(number), str(number + 1)} & set(told.values()):
        return address
    parts = urlsplit(address)
    return parts._replace(query=f"{parts.query}&{urlencode({name: size})}").geturl()


def beyond(paging: Paging, before: Ask, ask: Ask, rows: int) -> Ask | None:
    """The page after `ask`, which gave nothing that names it; None where only that page would have said where it is.

    A chain may be counted all the same: if one number alone told `ask` from the page `before` it, of so many rows, and went on
    by one (pages) or by these rows (offsets), it goes on like that. What the first page does not name yet is a page 2, or an
    offset from 0 or 1.
    """
    if isinstance(paging, KeysetPaging):
        return None
    old, new = _numbers(before), _numbers(ask)
    steps: dict[str, int] = {}
    for name, value in new.items():
        if name in old and value - old[name] in (1, rows):
            steps[name] = value - old[name]
        elif name not in old and value in (2, rows, rows + 1) and name != paging_size(paging):
            steps[name] = 1 if value == 2 else rows
    moved = [name for name in new if new[name] != old.get(name)]
    if len(steps) != 1 or rows < 1 or moved != list(steps):
        return None
    ((name, step),) = steps.items()
    there = str(new[name] + step)
    return Ask({**ask.query, name: there}) if ask.url is None else Ask(url=_with(ask.url, name, there))


def counts(paging: Paging, before: Ask, ask: Ask, rows: int) -> bool:
    """Whether what leads from the page `before`, of so many rows, to `ask` looks like a number of rows or pages.

    It may stand inside of a token, also one in base64. Such a page can be asked for again: only what it holds has a state.
    """
    if isinstance(paging, KeysetPaging) or beyond(paging, before, ask, rows) is not None:
        return True
    old, new = _tokens(before), _tokens(ask)
    for name, numbers in new.items():
        if name == paging_size(paging):
            continue
        was = old.get(name)
        if was is None:
            if not {2, rows, rows + 1}.isdisjoint(numbers):
                return True
        elif len(was) == len(numbers) and any(now - then in (1, rows) for then, now in zip(was, numbers, strict=True)):
            return True
    return False


def paging_size(paging: Paging) -> str | None:
    """The parameter that tells how long a page is."""
    return None if isinstance(paging, NoPaging) else paging.size_param


def _numbers(ask: Ask) -> dict[str, int]:
    told = ask.query if ask.url is None else query_of(ask.url)
    return {name: int(text) for name, text in told.items() if text.isdecimal() and len(text) < _LONGEST}


def _tokens(ask: Ask) -> dict[str, list[int]]:
    """The numbers in each parameter."""
    told = ask.query if ask.url is None else query_of(ask.url)
    return {name: [int(number) for number in _NUMBER.findall(_opened(text))] for name, text in told.items()}


def _opened(token: str) -> str:
    """What a token holds, where that is a text in base64."""
    if token.isdecimal():
        return token
    with suppress(ValueError):
        found = b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode("ascii")
        if found.isprintable():
            return found
    return token


def _with(url: str, name: str, value: str) -> str:
    """The address with another value of a query parameter, all else as it was."""
    parts = urlsplit(url)
    pieces = [piece.partition("=") for piece in parts.query.split("&")]
    query = "&".join(f"{key}={value if unquote_plus(key) == name else text}" for key, _, text in pieces)
    return parts._replace(query=query).geturl()


def text_at(value: Any, path: str) -> str:
    """The plain value at a JSON path of an answer, as text; empty if there is none, or null, or false."""
    for key in split_path(path):
        value = _below(value, key)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)


def _below(value: Any, key: str) -> Any:
    if not isinstance(value, dict) or key in value:
        return value.get(key) if isinstance(value, dict) else None
    choice = chosen(key)
    return choice.of(value.get(choice.array)) if choice is not None else None


def linked(header: str, relation: str) -> str:
    """The address which a `Link` header (RFC 8288) gives for a relation; empty if it gives none, or nothing is there."""
    for match in _LINK.finditer(header):
        rel = _REL.search(match[2])
        if rel and relation in (rel[1] or rel[2] or "").lower().split() and not _NOTHING_THERE.search(match[2]):
            return match[1].strip()
    return ""


def query_of(url: str) -> dict[str, str]:
    """The query parameters of an address; none of what is no address."""
    parts = parts_of(url)
    return dict(parse_qsl(parts.query, keep_blank_values=True)) if parts else {}
