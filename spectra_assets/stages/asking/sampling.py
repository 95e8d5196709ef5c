"""Looking at an API's records before all of them are fetched: pages of one list, its ids, samples kept as files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from spectra_assets.client.pager import Ask, Got, first, following
from spectra_assets.client.paging import counted
from spectra_assets.client.widest import SMALLEST_CAP
from spectra_assets.covenant.access import KeysetPaging, NoPaging, OffsetPaging, PagePaging, Paging
from spectra_assets.covenant.paths import one_record
from spectra_assets.draft import write_whole
from spectra_assets.intelligence.model import Endpoint, Pack
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.stages.asking.answers import Category, Sight, shape_of, values_at
from spectra_assets.stages.asking.ids import Id
from spectra_assets.stages.asking.locations import Record, location_of, noun_of, records_at
from spectra_assets.stages.asking.searches import body
from spectra_assets.stages.asking.wire import SPENT, Wire, fill

_TORN = ("broken", "notJson")
"""What a single page may be of a list that answers otherwise."""

SAMPLES = "samples"
"""Folder of the samples below Files."""


@dataclass(frozen=True)
class Listing:
    """Rows of one list as far as they were read. `failure` is empty if the API answered; `whole` if all rows are here.

    `category` is that of the last answer. `torn` says why a page after others could not be had: the list answers, and what it
    lacks is for Extract to tell.
    """

    records: list[Record] = field(default_factory=list)
    whole: bool = True
    failure: str = ""
    location: str | None = None
    shape: str = "empty"
    pages: int = 1
    category: Category = "readable"
    torn: str = ""
    values: list[Any] = field(default_factory=list, repr=False)
    """The decoded answers."""


@dataclass(frozen=True)
class Asked:
    """One list: the path template, what fills it, and further query parameters. `odd`: it is filled with an id that is none."""

    path: str
    filled: tuple[tuple[str, Id], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    odd: bool = False

    def target(self) -> tuple[str, dict[str, str]]:
        """Path and query of the request."""
        path, query = fill(self.path, dict(self.filled))
        return path, {**dict(self.query), **query}


class Explorer:
    """Reads lists within a budget of requests, none of them twice.

    `paging` says how the endpoints page, `located` where the records of some were shown to be, `endless` which lists never end.
    """

    def __init__(
        self,
        wire: Wire,
        pack: Pack,
        paging: Mapping[str, Paging],
        located: Mapping[str, str] = MappingProxyType({}),
        endless: Set[str] = frozenset(),
    ) -> None:
        self.wire = wire
        self.pack = pack
        self.paging = dict(paging)
        self.located = dict(located)
        self.endless = frozenset(endless)
        self._seen: dict[tuple[Asked, int], Listing] = {}

    def hint(self, path: str) -> str | None:
        """Where the records of an endpoint are, as answers showed together, or as the pack says."""
        entity = self.pack.entity_at(path)
        return self.located.get(path) or (self.pack.entity(entity).records if entity else None)

    def one(self, asked: Asked, extra: Mapping[str, str] | None = None) -> Sight:
        """A single answer, with further query parameters such as those of a page."""
        return self.page(asked, Ask(extra or {}))[0]

    def page(self, asked: Asked, ask: Ask, here: str | None = None) -> tuple[Sight, str]:
        """The answer to one page of a list, and its address. `here` is that of the page before.

        A page on another server is not asked for: `unreachable`.
        """
        search = self.pack.search(asked.path)
        if search is not None:
            return self._searched(search, asked, ask)
        path, query = asked.target()
        if ask.url is None:
            own = {**query, **ask.query}
            return self.wire.get(path, own, self.hint(asked.path), asked.path, asked.odd).sight, self.wire.url(path, own)
        start = self.wire.url(path, query)
        url = self.wire.resolve(ask.url, here or start, start)
        if url is None:
            reason = f"the next page is on another server, or its address is not valid: {ask.url[:80]!a}"
            return Sight("unreachable", "empty", reason=reason), here or start
        return self.wire.get_url(url, self.hint(asked.path), asked.path).sight, url

    def first(self, asked: Asked) -> Sight:
        """The first page of a list."""
        return self.page(asked, first(self.paging.get(asked.path, NoPaging())))[0]

    def _searched(self, search: Endpoint, asked: Asked, ask: Ask) -> tuple[Sight, str]:
        """The answer of a search by POST, whose parameters stand in its body."""
        inside = {name: value for name, value in asked.filled if name not in search.path_parameters}
        path, _ = fill(asked.path, {name: value for name, value in asked.filled if name not in inside})
        if ask.url is not None:
            return Sight("unreachable", "empty", reason="a search by POST goes on by no address"), self.wire.url(path)
        sent = body(search, inside, {**dict(asked.query), **ask.query})
        return self.wire.search(path, sent, self.hint(asked.path), asked.path, asked.odd).sight, self.wire.url(path)

    def listing(self, asked: Asked, pages: int = 1) -> Listing:
        """The first `pages` pages of a list. A spent budget is a failure."""
        known = self._seen.get((asked, pages))
        if known is None:
            known = self._seen[(asked, pages)] = self._read(asked, pages)
        return known

    def listings(self, asked: Sequence[Asked], pages: int = 1) -> list[Listing]:
        """Several lists at once, in order. Where the records are, those of one path show together."""
        with ThreadPoolExecutor(self.wire.client.in_flight) as pool:
            found = list(pool.map(lambda each: self.listing(each, pages), asked))
        for path in dict.fromkeys(each.path for each in asked):
            alike = [place for place, each in enumerate(asked) if each.path == path and found[place].values]
            location = self._located([found[place].values[0] for place in alike], path, None) if len(alike) > 1 else None
            for place in alike if location is not None else ():
                found[place] = _relocated(found[place], str(location))
        return found

    def _read(self, asked: Asked, pages: int) -> Listing:
        paging = self.paging.get(asked.path, NoPaging())
        sights: list[Sight] = []
        failure, torn, whole = "", "", False
        category: Category = "readable"
        here: str | None = None
        ask: Ask | None = first(paging)
        if asked.path in self.endless:
            return Listing(whole=False, failure="the list never ends: rows are made up for ever", category="broken")
        while ask is not None and len(sights) < pages:
            if self.wire.spent:
                failure, category = SPENT, "notProbed"
                break
            found, here = self.page(asked, ask, here)
            if found.category != "readable":
                # a page past the end is refused by some servers
                whole = bool(sights) and counted(paging) and found.category in ("needsParameters", "notFound", "gone")
                if sights and found.category in _TORN:
                    torn = f"page {len(sights) + 1} could not be read ({found.reason or found.category})"
                elif not whole:
                    failure, category = found.reason or found.category, found.category
                break
            if found.records and any(found.records == each.records for each in sights):
                # past the end some servers give the first or the last page again, of a short list the only one
                whole = len(sights) > 1 or _is_all(found)
                failure = "" if whole else f"the server ignores {_mover(paging)}"
                break
            sights.append(found)
            so_far = sum(each.rows for each in sights)
            last = found.records[-1] if found.records else None
            ask = following(paging, ask, Got(found.rows, so_far, len(sights), last, found.value, found.headers))
            if not is_full(paging, found.rows):
                ask = None
            whole = ask is None
        return replace(self._listing(asked, sights, paging, whole, failure, category), torn=torn)

    def _listing(
        self, asked: Asked, sights: Sequence[Sight], paging: Paging, whole: bool, failure: str, category: Category
    ) -> Listing:
        shown = [each for each in sights if each.shape != "empty"]
        listing = Listing(
            records=[record for each in sights for record in each.records],
            whole=whole,
            failure=failure,
            location=next((each.location for each in reversed(shown) if each.location is not None), None),
            shape=shown[-1].shape if shown else "empty",
            pages=max(1, len(sights) + bool(failure)),
            category=category,
            values=[each.value for each in shown],
        )
        size = None if isinstance(paging, NoPaging) else paging.size
        location = self._located(listing.values, asked.path, size) if len(shown) > 1 else None
        return listing if location is None else _relocated(listing, location)

    def _located(self, values: Sequence[Any], path: str, size: int | None) -> str | None:
        """Where several answers of one endpoint show the records together; None if they are where they are thought to be."""
        return shown_together(values, self.hint(path), noun_of(path), size)


def spread(values: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the values, evenly over all of them, first and last included."""
    if len(values) <= count:
        return list(values)
    if count == 1:
        return [values[0]]
    places = sorted({round(number * (len(values) - 1) / (count - 1)) for number in range(count)})
    return [values[place] for place in places]


def ends(records: Sequence[Record], count: int) -> list[Record]:
    """At most `count` records, half of them from the start, half from the end."""
    if len(records) <= count:
        return list(records)
    first = count - count // 2
    return [*records[:first], *records[len(records) - (count - first) :]]


def nonsense(values: Iterable[Id]) -> str:
    """An id that is none: higher than all, or a text that names nothing."""
    numbers = [int(str(value)) for value in values if re.fullmatch(r"-?[0-9]{1,15}", str(value))]
    return str(max(numbers) + 987_654_321) if numbers else "no-such-id-987654321"


def keep_sample(lakehouse: Lakehouse, entity: str, records: Iterable[Record]) -> Path:
    """Write the records as JSON lines, replacing an older sample at once."""
    return _keep(lakehouse.files(SAMPLES, f"{entity}.ndjson"), records)


def keep_drifted(lakehouse: Lakehouse, entity: str, records: Iterable[Record]) -> Path:
    """Keep records with fields that no sample showed, so that the next canon knows these fields."""
    return _keep(lakehouse.files(SAMPLES, f"{entity}.drifted.ndjson"), records)


def forget_drifted(lakehouse: Lakehouse, entity: str) -> None:
    """What was kept so is of no use any more: the entity is as its sample shows it."""
    lakehouse.files(SAMPLES, f"{entity}.drifted.ndjson").unlink(missing_ok=True)


def read_sample(lakehouse: Lakehouse, entity: str, key: str | None = None) -> list[Record]:
    """The records kept for the entity, those that showed new fields last; none if nothing was kept.

    With `key`, the path of an id, a record that showed new fields takes the place of the one that it is: what is in both would
    look as if no key told it apart.
    """
    sampled, drifted = (_kept(lakehouse.files(SAMPLES, f"{entity}{kind}.ndjson")) for kind in ("", ".drifted"))
    ids = [_told(record, key) for record in sampled] if key else []
    if not drifted or not ids or len(set(ids)) < len(ids):
        return [*sampled, *drifted]
    newer = {known: record for record in drifted if (known := _told(record, key)) is not None and known in ids}
    rest = [record for record in drifted if _told(record, key) not in newer]
    return [*(newer.get(known or "", record) for known, record in zip(ids, sampled, strict=True)), *rest]


def _told(record: Record, path: str | None) -> str | None:
    """What stands at the path; None if nothing does."""
    return repr(list(values_at(record, path))) if path and any(True for _ in values_at(record, path)) else None


def _kept(path: Path) -> list[Record]:
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [msgspec.json.decode(line) for line in lines if line.strip()]


def _keep(path: Path, records: Iterable[Record]) -> Path:
    write_whole(path, b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    return path


def shown_together(values: Sequence[Any], hint: str | None, noun: str, size: int | None) -> str | None:
    """Where several answers show the records together; None where a single answer tells, or `hint` is not refuted.

    It is if what stands there is the same in all answers, while they differ.
    """
    objects = [value for value in values if isinstance(value, dict)]
    if len(objects) < len(values):
        return None
    held = [records_at(value, hint) for value in objects] if hint else []
    if hint and any(rows is not None for rows in held):
        if one_record(hint):  # what one answer has beside the record is of it: an envelope is one in all answers
            found = location_of(objects, noun).path or ""
            return found if found != hint and hint.startswith(found) else None
        still = all(rows == held[0] for rows in held) and any(value != objects[0] for value in objects)
        if not (still and held[0]):
            return None
    return location_of(objects, noun, size).path


def _relocated(listing: Listing, location: str) -> Listing:
    """The listing with its records taken from `location`, if they are not from there already."""
    if location == listing.location:
        return listing
    records = [record for value in listing.values for record in records_at(value, location) or ()]
    return replace(listing, records=records, location=location, shape=shape_of({}, location))


def is_full(paging: Paging, rows: int) -> bool:
    """Whether another page may follow one of so many rows, where the answer does not tell that itself."""
    if not isinstance(paging, OffsetPaging | PagePaging | KeysetPaging):
        return True
    return rows >= paging.size if paging.size is not None else rows > 0


def _is_all(page: Sight) -> bool:
    """Whether a page holds a whole list, as it says nothing else and has fewer rows than anybody caps at."""
    return page.rows < SMALLEST_CAP and (page.declared_total is None or page.declared_total <= page.rows)


def _mover(paging: Paging) -> str:
    """What asks for another page, in words."""
    if isinstance(paging, OffsetPaging):
        return "the offset"
    if isinstance(paging, PagePaging):
        return f"the page's number ({paging.page_param})"
    return "the paging parameter, or sends the same page twice"
