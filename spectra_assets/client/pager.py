"""The next request of a list, by each style of paging: what to ask first, and what after an answer. Nothing is sent here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

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
from spectra_assets.covenant.paths import split_path

_LINK = re.compile(r"<([^>]*)>((?:\s*;\s*[\w!#$&+^`|~.-]+\*?\s*=\s*(?:\"(?:[^\"\\]|\\.)*\"|[^\s;,]+))*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,]+))", re.IGNORECASE)

_NO_TOKEN = ("", "0")
"""Some APIs count cursors and end with 0, which would be the first page again."""


@dataclass(frozen=True)
class Ask:
    """One page to ask for: `query` on top of the list's own, or in place of both `url`, absolute or relative."""

    query: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None


@dataclass(frozen=True)
class Got:
    """What came: rows of the page, rows of the list so far, its last record (decoded), the decoded answer, its headers."""

    rows: int
    so_far: int
    number: int
    last: Any = None
    value: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def first(paging: Paging, size: int | None = None) -> Ask:
    """The first page. `size` in place of the plan's own."""
    query: dict[str, str] = {}
    if isinstance(paging, NoPaging):
        return Ask()
    if isinstance(paging, OffsetPaging):
        query[paging.offset_param] = "0"
    elif isinstance(paging, PagePaging):
        query[paging.page_param] = str(paging.first)
    rows = size or paging.size
    if paging.size_param is not None and rows is not None:
        query[paging.size_param] = str(rows)
    return Ask(query)


def following(paging: Paging, asked: Ask, got: Got) -> Ask | None:
    """The page after `got`; None where the style itself says that there is none (an empty page is for the caller to judge)."""
    if isinstance(paging, OffsetPaging):
        return Ask({**asked.query, paging.offset_param: str(got.so_far)})
    if isinstance(paging, PagePaging):
        return Ask({**asked.query, paging.page_param: str(paging.first + got.number)})
    if isinstance(paging, CursorPaging):
        token = text_at(got.value, paging.next)
        return Ask({**asked.query, paging.cursor_param: token}) if token not in _NO_TOKEN else None
    if isinstance(paging, KeysetPaging):
        value = text_at(got.last, paging.field)
        return Ask({**asked.query, paging.after_param: value}) if value else None
    if isinstance(paging, NextPaging):
        address = text_at(got.value, paging.next)
        return Ask(url=address) if address else None
    if isinstance(paging, LinkPaging):
        text = got.headers.get(paging.header, "").strip()
        address = linked(text, "next") or ("" if text.startswith("<") or paging.header == "Link" else text)
        return Ask(url=address) if address else None
    return None


def text_at(value: Any, path: str) -> str:
    """The plain value at a JSON path of an answer, as text; empty if there is none, or null, or false."""
    for key in split_path(path):
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)


def linked(header: str, relation: str) -> str:
    """The address which a `Link` header (RFC 8288) gives for a relation; empty if it gives none."""
    for match in _LINK.finditer(header):
        rel = _REL.search(match[2])
        if rel and relation in (rel[1] or rel[2] or "").lower().split():
            return match[1].strip()
    return ""


def query_of(url: str) -> dict[str, str]:
    """The query parameters of an address."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
