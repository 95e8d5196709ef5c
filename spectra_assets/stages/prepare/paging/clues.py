"""What an answer itself tells about the page after it: addresses and tokens in its body, the header Link."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spectra_assets.client.pager import HEADER, leads_on, linked, query_of
from spectra_assets.covenant.access import CursorPaging, LinkPaging, NextPaging
from spectra_assets.covenant.paths import escaped, join_path, one_record, split_path
from spectra_assets.stages.asking.answers import Sight
from spectra_assets.stages.asking.locations import LINES, MAP
from spectra_assets.stages.asking.pagenames import CURSORS, cursors_in, numbered, opening, plain, sizes_in
from spectra_assets.untrusted import parts_of

_DEPTH = 5
_BREADTH = 200
_LONGEST = 4_000
"""Characters of an address or token."""

_NOT_NEXT = re.compile(
    r"prev|previous|before|first|last|self|current|start(?!(?:ing)?(?:token|cursor|after))|request|access|csrf|session|docs?|help"
)
_NEXT = re.compile(r"next|continu|nextpage|nextlink|more")
_TOKEN = re.compile(r"next|cursor|continu|token|marker|after|bookmark|scroll")
_OF_NEXT = ("next", "nextpage", "nextparams", "nextquery")
"""Plain names of an object whose members are the parameters of the next page: `{"page": 2, "starting_after": "x"}`."""

_ADDRESS = re.compile(r"(https?://|/|\?|\./|[\w.~-]+\?)\S*")
_MOST = 4

ToldPaging = NextPaging | LinkPaging | CursorPaging


@dataclass(frozen=True)
class Clues:
    """Styles in which the next page may be told, likeliest first, and the query of an address of it."""

    told: list[ToldPaging] = field(default_factory=list)
    query: dict[str, str] = field(default_factory=dict)
    """Parameters which the address of the next page has."""

    @property
    def names(self) -> list[str]:
        return list(self.query)


def clues(found: Sight, named: Sequence[str] = ()) -> Clues:
    """What an answer tells. `named` are the parameters that the endpoint's description names."""
    addresses: list[tuple[int, str, str]] = []
    tokens: list[tuple[int, str, str]] = []
    inside: list[tuple[int, str, str]] = []
    for keys, value in _plain_values(found.value, _skipped(found), ()):
        name, text = plain(keys[-1]), str(value)
        whole = "".join(map(plain, keys[-2:]))
        if not text or len(text) > _LONGEST or isinstance(value, bool):
            continue
        if len(keys) > 1 and plain(keys[-2]) in _OF_NEXT and not _ADDRESS.fullmatch(text) and not sizes_in([keys[-1]]):
            inside.append((0 if isinstance(value, str) else 1, join_path(list(keys)), keys[-1]))
        if _NOT_NEXT.search(name):
            continue
        if isinstance(value, str) and _ADDRESS.fullmatch(text) and _leads_on(text, name):
            addresses.append((0 if _NEXT.search(whole) else 1, join_path(list(keys)), text))
        elif _is_token(name, value):
            tokens.append((0 if _NEXT.search(name) else 1, join_path(list(keys)), keys[-1]))
    link = linked(found.headers.get("Link", ""), "next") if found.headers else ""
    told: list[ToldPaging] = [*(NextPaging(next=path) for _, path, _ in sorted(addresses)[:_MOST])]
    place, in_list = _in_lists(found.value)
    told += [NextPaging(next=place)] if place else []
    told += [LinkPaging()] if link else []
    told += [LinkPaging(header=name) for name, text in found.headers.items() if _header_leads_on(name, text)]
    told += [CursorPaging(cursor_param=key, next=path) for _, path, key in sorted(inside)[:_MOST]]
    tokens += [(2, f"{HEADER}{name}", _bare(name)) for name, text in found.headers.items() if _header_holds_token(name, text)]
    for _, path, key in sorted(tokens)[:_MOST]:
        told += [CursorPaging(cursor_param=name, next=path) for name in _takers(key, named)]
    first = next((text for rank, _, text in sorted(addresses) if rank == 0), "") or link or in_list
    return Clues(told, query_of(first) if first else {})


def _is_token(name: str, value: str | int | float) -> bool:
    """Whether a value may be what asks for the next page: by its name, or a text where a number would be a page's."""
    if isinstance(value, float):
        return False
    if isinstance(value, str) and not value.isdecimal() and opening(name) is not None:
        return True
    return _TOKEN.search(name if isinstance(value, str) else name.replace("token", "")) is not None


def _leads_on(text: str, name: str) -> bool:
    """Whether an address may be that of a next page: it has a query, or its name says so."""
    parts = parts_of(text)
    return parts is not None and (bool(parts.query) or _NEXT.search(name) is not None)


def _header_leads_on(name: str, text: str) -> bool:
    """Whether a header other than `Link` holds the address of a next page."""
    return "next" in name.lower() and 1 < len(text) < _LONGEST and _ADDRESS.fullmatch(text) is not None


def _header_holds_token(name: str, text: str) -> bool:
    """Whether a header holds what asks for the next page, and no address of it."""
    fits = leads_on(name) and 0 < len(text) < _LONGEST and _NOT_NEXT.search(plain(name)) is None
    return fits and name.lower() != "link" and _ADDRESS.fullmatch(text) is None


def _bare(header: str) -> str:
    """A header's name as a parameter may be called: `x-ms-continuationtoken` is continuationtoken."""
    return re.sub(r"^x-(\w{1,4}-)?", "", header, flags=re.IGNORECASE).replace("-", "_")


def _skipped(found: Sight) -> tuple[str, ...] | None:
    """Keys of the records, which tell nothing of pages; None if the answer is nothing but records."""
    if found.location in ("", LINES, None) or one_record(found.location):
        return None
    return tuple(split_path(str(found.location).removesuffix(MAP)))


def _plain_values(value: Any, skipped: tuple[str, ...] | None, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if skipped is None or not isinstance(value, dict) or len(keys) > _DEPTH:
        return
    for key, below in list(value.items())[:_BREADTH]:
        place = (*keys, key)
        if place == skipped:
            continue
        if isinstance(below, str | int | float):
            yield place, below
        else:
            yield from _plain_values(below, skipped, place)


def _takers(key: str, named: Sequence[str]) -> list[str]:
    """Parameters that may take a token found under `key`: described ones, the key's counterparts, well-known ones."""
    bare = re.sub(r"^(next|end|new|last)_?|_?(next)$", "", key, flags=re.IGNORECASE)
    bare = bare[:1].lower() + bare[1:]
    parts = re.sub(r"([a-z])([A-Z])", r"\1_\2", bare).lower()
    camel = re.sub(r"_(\w)", lambda match: match[1].upper(), parts)
    own = [bare, parts, camel, key] if bare else [key]
    described = cursors_in(named) + [style.page_param for style in numbered(named) if style.kind == "page"]
    exact = [name for name in own if name in named]
    return list(dict.fromkeys([*exact, *described, *own, *CURSORS]))[:24]


def _in_lists(value: Any) -> tuple[str, str]:
    """(place, address) of a link with rel next in a list of links: `links[rel=next].href`; empty if there is none."""
    for key, links in value.items() if isinstance(value, dict) else ():
        for link in links[:20] if isinstance(links, list) else ():
            if not isinstance(link, Mapping):
                continue
            relation = next((name for name in ("rel", "relation") if plain(str(link.get(name, ""))) == "next"), "")
            place = next((name for name in ("href", "url", "uri") if relation and isinstance(link.get(name), str)), "")
            if place and 0 < len(link[place]) < _LONGEST:
                return f"{escaped(key)}[{relation}={link[relation]}].{place}", link[place]
    return "", ""


def size_names(found: Clues, rows: int) -> list[str]:
    """Parameters of the next page's address which ask for its size: by their names, or because they hold the rows that came."""
    alike = [name for name, value in found.query.items() if value == str(rows) and rows > 1]
    return list(dict.fromkeys([*sizes_in(found.names), *alike]))
