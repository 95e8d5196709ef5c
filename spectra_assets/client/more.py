"""Whether an answer says itself that there are more rows than it holds: flags, and numbers of pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from spectra_assets.client.totals import ABOUT, DEPTH, plain
from spectra_assets.covenant.paths import one_record, split_path

_FLAGS = {
    **dict.fromkeys(("hasmore", "hasnext", "hasnextpage", "hasmoreresults", "hasmoreitems", "hasmorerecords"), True),
    **dict.fromkeys(("more", "moreresults", "morerecords", "moreitems", "moreavailable", "istruncated"), True),
    **dict.fromkeys(("islast", "islastpage", "last", "lastpage"), False),
}
"""Plain names of flags → what they say of further rows if they are true."""

_PAGES = ("totalpages", "pagecount", "pagestotal", "numpages", "numberofpages", "lastpage", "pages")
"""Plain names of how many pages there are."""

_BARE = {"pages": 1, "last": 2, "more": 2}
"""Names that records have as well, such as a book its pages → plain members of its own from which on an object is a record."""

_OF_PAGES = re.compile(r"page|size|limit|offset|total|count|next|prev|first|cursor|token")
"""What is in the plain names of members that tell of a list."""

_OF_ANSWER = re.compile(
    r"link|url|self|success|status|code|message|error|kind|type|object|etag|api|version|time|took|request|trace|query"
)
"""The same of any answer."""

_CUT_SHORT = frozenset(
    ("incomplete", "isincomplete", "incompleteresults", "resultsincomplete", "partial", "ispartial", "partialresults", "timedout")
)
"""Plain names of flags which say, if they are true, that an answer lacks some of what it should hold."""

_INCOMPLETE = re.compile(rb"incomplete|partial|timed_?out", re.IGNORECASE)
_EDGE = 2_000
"""Bytes at the ends of an answer in which such a flag stands, before the records or after them."""

_BESIDE = 200
_TRUTHS = {b"true": True, b'"true"': True, b"false": False, b'"false"': False}


def says_more(body: bytes, headers: Mapping[str, str], location: str, number: int) -> bool:
    """Whether the answer, page `number` (from 1) of a list whose records are at `location`, says that rows come after it.

    What stands nearest to the records counts, flags more than numbers of pages. What says nothing says no.
    """
    told = [said for beside in _beside(body, _way(location)) if (said := _says(beside, number, DEPTH)) is not None]
    if told:
        return told[-1]
    if headers.get("X-Next-Page", "").strip():
        return True
    pages = headers.get("X-Total-Pages", "").strip()
    return pages.isdecimal() and len(pages) < 10 and int(pages) > number


def says_incomplete(body: bytes, location: str) -> str:
    """The flag beside the records, or in an object there that tells of the list (`meta.partial`), by which an answer says that it
    does not hold all that it should, since a search ended too early; empty if there is none."""
    if not _INCOMPLETE.search(body[:_EDGE]) and not _INCOMPLETE.search(body[-_EDGE:]):
        return ""
    for beside in _beside(body, (*_way(location), "")) if location != "@lines" and not one_record(location) else ():
        told = _cut_short(beside)
        if told and not _own({plain(name): text for name, text in beside.items() if name != told}):  # a build may have timed out
            return told
        for name, text in beside.items():
            if plain(name) in ABOUT and text[:1] == b"{" and (told := _cut_short(_members(text))):
                return f"{name}.{told}"
    return ""


def _cut_short(beside: Mapping[str, bytes]) -> str:
    return next((name for name, text in beside.items() if plain(name) in _CUT_SHORT and _TRUTHS.get(text) is True), "")


def _way(location: str) -> Sequence[str]:
    """The keys that lead to the records; none where they are the whole answer."""
    way = location.removesuffix("{}")
    return split_path(way) if way != "@lines" and not one_record(way) else ()


def _beside(body: bytes, way: Sequence[str]) -> Iterator[dict[str, bytes]]:
    """What each object on the way holds beside the next key of it, the outermost first. (The text is known to be JSON of this
    form.)"""
    value = body.strip()
    for key in way:
        if value[:1] != b"{":
            return
        envelope = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
        yield {name: bytes(text).strip() for name, text in [*envelope.items()][:_BESIDE] if name != key}
        value = bytes(envelope.get(key, b"")).strip()


def _says(beside: Mapping[str, bytes], number: int, depth: int) -> bool | None:
    """What an object beside the records says, or one in it that speaks of the list."""
    named = {plain(name): text for name, text in beside.items()}
    if depth == DEPTH:
        own = _own(named)
        named = {name: text for name, text in named.items() if own < _BARE.get(name, own + 1)}
    flags = [_TRUTHS[text] == _FLAGS[name] for name, text in named.items() if name in _FLAGS and text in _TRUTHS]
    if flags:
        return any(flags)
    pages = [int(named[name]) for name in _PAGES if name in named and named[name].isdigit() and len(named[name]) < 10]
    if pages:
        return max(pages) > number
    about = [text for name, text in named.items() if name in ABOUT and text[:1] == b"{"] if depth else []
    for text in about:
        said = _says(_members(text), number, depth - 1)
        if said is not None:
            return said
    return None


def _members(text: bytes) -> dict[str, bytes]:
    """The members of an object, each as it is written."""
    inner = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    return {name: bytes(each).strip() for name, each in [*inner.items()][:_BESIDE]}


def _own(named: Mapping[str, bytes]) -> int:
    """How many plain members of its own an object beside the records has, as it is one itself: a book with its chapters. None
    where one tells of the list."""
    plain_ones = [name for name, text in named.items() if name not in _BARE and text[:1] not in (b"{", b"[")]
    if any(_OF_PAGES.search(name) for name in plain_ones):
        return 0
    return sum(not _OF_ANSWER.search(name) for name in plain_ones)
