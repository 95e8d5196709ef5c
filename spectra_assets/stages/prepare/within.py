"""Lists inside of records of which each record holds its first page alone: what follows is in no answer of the record's list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from spectra_assets.client.more import says_more
from spectra_assets.client.totals import ABOUT, TOTALS, page_of, plain
from spectra_assets.covenant.paths import escaped
from spectra_assets.names import vocabulary
from spectra_assets.stages.asking.answers import Record

DEPTH = 4
"""Levels below a record at which such a list is looked for."""

_NEXT = vocabulary("nextpage nextpagetoken nexttoken nextcursor nextlink nexturl nextpageurl nextpagelink nextrecordsurl next")
_LINKS = frozenset(("links", "link"))
_ODATA = "@odata.nextLink"

_AMOUNTS = frozenset(("total", "found", "matches"))
"""Names of a total that may be one of money, or of anything else that the record counts."""


class Cut(NamedTuple):
    """A list inside of records: its path, what its object or array is called, the records with a page of it, and what says so."""

    path: str
    names: frozenset[str]
    records: int
    sign: str


def cut_short(records: Iterable[Record]) -> list[Cut]:
    """The lists inside of these records of which some hold a part only, as the records themselves say."""
    found: dict[str, Cut] = {}
    for record in records:
        for path, names, sign in _parts(record, ()):
            known = found.get(path, Cut(path, names, 0, sign))
            found[path] = known._replace(records=known.records + 1)
    return list(found.values())


def _parts(level: Mapping[str, Any], way: tuple[str, ...]) -> Iterator[tuple[str, frozenset[str], str]]:
    """(path, names, sign) of each list in an object that is a page of a longer one."""
    for key, value in level.items():
        if _is_list(value):
            sign = _odata(level, key) or (_sign(level, key, value) if way else "")
            if sign:
                path = ".".join(map(escaped, (*way, key)))
                yield path, frozenset(plain(name) for name in (*way[-1:], key)), sign
        elif isinstance(value, dict) and len(way) < DEPTH:
            yield from _parts(value, (*way, key))


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _odata(level: Mapping[str, Any], key: str) -> str:
    name = f"{key}{_ODATA}"
    return name if isinstance(level.get(name), str) and level[name] else ""


def _sign(level: Mapping[str, Any], key: str, rows: list[Any]) -> str:
    """What beside an array of so many rows says that there are more of them; empty if nothing does."""
    if (total := page_of(level, len(rows))) is not None and total > len(rows):
        return f"{total} in all"
    about = [level, *(value for name, value in level.items() if plain(name) in ABOUT | _LINKS and isinstance(value, dict))]
    beside = [(name, value) for each in about for name, value in each.items() if name != key]
    for name, value in beside:
        if plain(name) in TOTALS and plain(name) not in _AMOUNTS and type(value) is int and value > len(rows):
            return f"{name} is {value}"
        if plain(name) in _NEXT and _leads_on(value, plain(name) == "next"):
            return f"{name} leads on"
    return "it says that there are more" if says_more(msgspec.json.encode(level), {}, escaped(key), 1) else ""


def _leads_on(value: Any, anything: bool) -> bool:
    """Whether a value is the address of a next page, or a token of one. What is called `next` alone may be `anything`: there an
    address is asked for."""
    if isinstance(value, dict):
        return any(_leads_on(each, anything) for name, each in value.items() if plain(name) in ("href", "link", "url"))
    return isinstance(value, str) and bool(value) and (not anything or value.startswith(("http://", "https://", "/", "?")))
