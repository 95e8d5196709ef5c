"""The rows of an entity from its pages: all of them, or those asked for merged into the table that stands."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from spectra_assets.client.target import ParentValue, parent_text
from spectra_assets.covenant.access import Fetch, ParentKey
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.forms import HASHING
from spectra_assets.errors import RequestError, one_of
from spectra_assets.names import TableRef, plural
from spectra_assets.stages.asking.parents import crossed, second, values_of
from spectra_assets.stages.asking.sampling import keep_drifted
from spectra_assets.stages.evidence import Drift, Extraction
from spectra_assets.stages.extract import landing
from spectra_assets.stages.extract.census import Census
from spectra_assets.stages.extract.drift import DriftWatch
from spectra_assets.stages.extract.landing import BATCH_ROWS
from spectra_assets.stages.extract.merging import Merge, Spool
from spectra_assets.stages.extract.promise import promised
from spectra_assets.stages.extract.taping import Taping
from spectra_assets.stages.work import Draft, Work

_DRIFTED = 600
"""Records with new fields that are kept for the next sample."""


def read(draft: Draft, work: Work, taped: Taping, fetch: Fetch, known: CanonEntity) -> None:
    """Let the rows stream into `draft.batches`. What was only asked for in part is merged into the table that stands.

    If that makes the same table, the draft is `standing`. Raises RequestError for parents that there are none of.
    """
    if taped.scope is None:
        draft.batches = _whole(draft, work, taped, fetch, known)
        return
    if taped.scope.only is not None and taped.below is None:
        _check_parents(work, fetch, taped.scope.only)
    part = _part(draft, work, taped, fetch, known)
    if taped.below is not None:
        draft.batches = _merged(draft, part, _layers(draft, work, taped.below, fetch, known))
    elif part.merge.changes(work.lakehouse.batches(work.table.ref, ["parentKey", "recordHash"])):
        draft.batches = _merged(draft, part, work.lakehouse.batches(work.table.ref))
    else:
        draft.standing = True
        part.merge.stand(taped.standing.rows)
        part.tell(draft)


def parent_table(fetch: Fetch) -> str:
    """The table that holds the records of the parents."""
    assert fetch.parent is not None  # noqa: S101  (the caller's condition)
    return f"extract.{plural(fetch.parent.entity)}"


def parents_of(work: Work, fetch: Fetch) -> Iterator[ParentValue]:
    """The different values of the parent's table at the paths of the plan, in the order of its rows; of two parents that have
    nothing to do with each other every pair."""
    assert fetch.parent is not None  # noqa: S101  (the caller's condition)
    other = second(fetch.parent)
    mine = _values(work, fetch.parent)
    return mine if other is None else crossed(mine, list(_values(work, other)))


def _values(work: Work, parent: ParentKey) -> Iterator[ParentValue]:
    ref = TableRef("extract", plural(parent.entity))
    work.lakehouse.require(ref)
    columns = ["record", "parentKey"]
    few = work.count(str(ref)) <= BATCH_ROWS
    found = work.lakehouse.read(ref, [*columns, "sequence"]).sort_by("sequence") if few else None
    batches = found.to_batches() if found is not None else work.lakehouse.batches(ref, columns)
    seen: set[str] = set()
    for batch in batches:
        for record, asked in zip(*(batch.column(name).to_pylist() for name in columns), strict=True):
            for value in values_of(msgspec.json.decode(record), asked, parent):
                if parent_text(value) not in seen:
                    seen.add(parent_text(value))
                    yield value


@dataclass
class _Part:
    """What was asked for of an entity, ready to be merged."""

    merge: Merge
    extraction: Extraction
    drift: dict[str, Drift]

    def tell(self, draft: Draft) -> None:
        """Leave the evidence in the draft."""
        draft.evidence["extraction"] = {**self.extraction, "rows": self.merge.facts["rows"]}
        draft.evidence["drift"] = self.drift
        draft.evidence["merge"] = self.merge.facts
        draft.evidence["doubtful"] = self.merge.moved
        draft.notes |= {f"rows {fate}": count for fate, count in self.merge.facts.items() if fate != "rows"}


def _whole(draft: Draft, work: Work, taped: Taping, fetch: Fetch, known: CanonEntity) -> Iterator[pa.RecordBatch]:
    watch, census, batches = _fetched(work, taped, fetch, known)
    yield from batches
    draft.evidence["extraction"] = census.finished(known.sample_size)
    gone = taped.standing.rows - draft.evidence["extraction"]["rows"]
    if gone > 0 and fetch.recursive is None:
        draft.notes["rows fewer than before"] = gone
        work.say(f"{fetch.entity}: {gone:,} rows fewer than before: the API no longer has them")
    draft.evidence["drift"] = watch.finish()
    taped.tell(draft, draft.evidence["extraction"]["records"])


def _layers(draft: Draft, work: Work, taped: Taping, fetch: Fetch, known: CanonEntity) -> Iterator[pa.RecordBatch]:
    """The rows that an attempt left, made from its raw pages and those of the attempts that it built on."""
    if taped.scope is None or taped.below is None:
        return _whole(draft, work, taped, fetch, known)
    part = _part(draft, work, taped, fetch, known)
    return _merged(draft, part, _layers(draft, work, taped.below, fetch, known))


def _part(draft: Draft, work: Work, taped: Taping, fetch: Fetch, known: CanonEntity) -> _Part:
    """Reads what is asked for to its end."""
    assert taped.scope is not None  # noqa: S101  (the caller's condition)
    watch, census, batches = _fetched(work, taped, fetch, known)
    place = work.lakehouse.files("staging", work.run_id, f"{work.table.table}.merge", f"{time.time_ns()}.arrow")
    spool = Spool(place, batches)
    if draft.afterwards is not None:
        draft.afterwards.append(lambda status, error: spool.close())
    extraction = census.finished(None)
    taped.tell(draft, extraction["records"])
    asked, failed = frozenset(census.asked), frozenset(census.failed)
    drift = {path: change for path, change in watch.finish().items() if change["kind"] != "missingField"}
    return _Part(Merge(fetch, taped.scope, asked, failed, spool.table), extraction, drift)


def _merged(draft: Draft, part: _Part, standing: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from part.merge.rows(standing)
    part.tell(draft)


def _fetched(work: Work, taped: Taping, fetch: Fetch, known: CanonEntity) -> tuple[DriftWatch, Census, Iterator[pa.RecordBatch]]:
    """The rows as they come; what watches and counts them is complete once they have been read to the end."""
    drifted: list[dict[str, Any]] = []
    watch = DriftWatch(promised(known, work.covenant), drifted.append)
    census = Census(taped.client, fetch, watch, work.say, taped.scope)
    parents: Iterable[ParentValue] | None = parents_of(work, fetch) if fetch.parent else None
    if parents is not None and taped.scope is not None:
        parents = taped.scope.wanted(parents)
    # read as they come anyway, records are best hashed then; those of a tree are not yet what they will be
    hashed = HASHING in work.table.steps and fetch.recursive is None

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in landing.batches(census.sheets(parents), taped.seen_at, hashed):
            yield batch
            del drifted[:-_DRIFTED]
        if drifted:
            keep_drifted(work.lakehouse, fetch.entity, drifted)

    return watch, census, batches()


def _check_parents(work: Work, fetch: Fetch, only: Iterable[str]) -> None:
    if fetch.parent is None:
        raise RequestError(f"{fetch.entity} hangs on no parent: read all of it again")
    there = {parent_text(value) for value in parents_of(work, fetch)}
    absent = [name for name in only if name not in there]
    if absent:
        raise RequestError(
            f"{fetch.entity} can't be read for {', '.join(absent[:5])}: {parent_table(fetch)} has no such "
            f"{fetch.parent.path}; it has {one_of(sorted(there)[:20])}"
        )
