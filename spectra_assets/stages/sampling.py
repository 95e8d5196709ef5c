"""Looking at an API's records before all of them are fetched: pages of one list, its ids, samples kept as files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from spectra_assets.covenant.model import NoPaging, OffsetPaging, Paging
from spectra_assets.intelligence.model import Pack
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.stages.answers import Category, Record, Sight
from spectra_assets.stages.probing import Id, Wire, entity_of

SAMPLES = "samples"
"""Folder of the samples below Files."""


@dataclass(frozen=True)
class Listing:
    """Rows of one list as far as they were read. `failure` is empty if the API answered; `whole` if all rows are here.

    `category` is that of the last answer.
    """

    records: list[Record] = field(default_factory=list)
    whole: bool = True
    failure: str = ""
    location: str | None = None
    shape: str = "empty"
    pages: int = 1
    category: Category = "readable"


@dataclass(frozen=True)
class Asked:
    """One list: the path template, what fills it, and further query parameters."""

    path: str
    filled: tuple[tuple[str, Id], ...] = ()
    query: tuple[tuple[str, str], ...] = ()

    def target(self) -> tuple[str, dict[str, str]]:
        """Path and query of the request."""
        path, query = self.path, dict(self.query)
        for name, value in self.filled:
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", str(value))
            else:
                query[name] = str(value)
        return path, query


class Explorer:
    """Reads lists within a budget of requests, none of them twice. `paging` says how the endpoints page."""

    def __init__(self, wire: Wire, pack: Pack, paging: Mapping[str, Paging]) -> None:
        self.wire = wire
        self.pack = pack
        self.paging = dict(paging)
        self._seen: dict[tuple[Asked, int], Listing] = {}

    def one(self, asked: Asked, extra: Mapping[str, str] | None = None) -> Sight:
        """A single answer, with further query parameters such as those of a page."""
        path, query = asked.target()
        entity = entity_of(self.pack, asked.path)
        hint = self.pack.entity(entity).records if entity else None
        return self.wire.get(path, {**query, **(extra or {})}, hint)[0]

    def listing(self, asked: Asked, pages: int = 1) -> Listing:
        """The first `pages` pages of a list. A spent budget is a failure."""
        known = self._seen.get((asked, pages))
        if known is None:
            known = self._seen[(asked, pages)] = self._read(asked, pages)
        return known

    def listings(self, asked: Sequence[Asked], pages: int = 1) -> list[Listing]:
        """Several lists at once, in order."""
        with ThreadPoolExecutor(self.wire.client.in_flight) as pool:
            return list(pool.map(lambda each: self.listing(each, pages), asked))

    def _read(self, asked: Asked, pages: int) -> Listing:
        paging = self.paging.get(asked.path, NoPaging())
        records: list[Record] = []
        location, shape, widest = None, "empty", 0
        for page in range(pages if isinstance(paging, OffsetPaging) else 1):
            if self.wire.spent:
                return Listing(records, False, "the budget of requests is used up", location, shape, page, "notProbed")
            extra = _page(paging, len(records)) if isinstance(paging, OffsetPaging) else {}
            found = self.one(asked, extra)
            if found.category != "readable":
                return Listing(records, False, found.reason or found.category, location, shape, page + 1, found.category)
            if page and found.records and found.records == records[: len(found.records)]:
                return Listing(records, False, "the server ignores the offset", location, shape, page + 1)
            location = found.location if found.location is not None else location
            shape = found.shape if found.shape != "empty" else shape
            records += found.records
            widest = max(widest, len(found.records))
            full = isinstance(paging, OffsetPaging) and len(found.records) >= paging.size
            if not full:
                return Listing(records, True, "", location, shape, page + 1)
        return Listing(records, False, "", location, shape, pages)


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


def read_sample(lakehouse: Lakehouse, entity: str) -> list[Record]:
    """The records kept for the entity, those that showed new fields last; none if nothing was kept."""
    paths = [lakehouse.files(SAMPLES, f"{entity}{kind}.ndjson") for kind in ("", ".drifted")]
    lines = [line for path in paths if path.exists() for line in path.read_bytes().splitlines() if line.strip()]
    return [msgspec.json.decode(line) for line in lines]


def _keep(path: Path, records: Iterable[Record]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    draft.replace(path)
    return path


def _page(paging: OffsetPaging, offset: int) -> dict[str, str]:
    return {paging.offset_param: str(offset), paging.size_param: str(paging.size)}
