"""The rows of an entity from its pages: all of them, or those asked for merged into the table that stands."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from spectra_assets.client.jsontext import decoded
from spectra_assets.client.target import ParentValue, parent_parts, parent_text
from spectra_assets.covenant.access import Fetch, ParentKey
from spectra_assets.covenant.canon import CanonEntity
from spectra_assets.covenant.forms import HASHING
from spectra_assets.errors import RequestError, one_of
from spectra_assets.lakehouse.commit import ELEMENTS
from spectra_assets.names import TableRef, plural
from spectra_assets.stages.asking.parents import crossed, second, values_of
from spectra_assets.stages.asking.sampling import keep_drifted
from spectra_assets.stages.cursors import mergeable
from spectra_assets.stages.evidence import Drift, Extraction
from spectra_assets.stages.extract import landing
from spectra_assets.stages.extract.census import Census
from spectra_assets.stages.extract.drift import DriftWatch
from spectra_assets.stages.extract.landing import BATCH_ROWS
from spectra_assets.stages.extract.merging import Merge, Spool, combined
from spectra_assets.stages.extract.promise import promised, read_otherwise
from spectra_assets.stages.extract.scope import Scope
from spectra_assets.stages.extract.taping import Taping
from spectra_assets.stages.rulings import is_sole
from spectra_assets.stages.work import Draft, Work

_TURNS = 4
"""Times that a list which moved is read again, while it shows another picture each time."""

_DRIFTED = 600
"""Records with new fields that are kept for the next sample."""


@dataclass(frozen=True)
class _Source:
    """What is read, and how."""

    work: Work
    taped: Taping
    fetch: Fetch
    known: CanonEntity


def read(draft: Draft, work: Work, taped: Taping, fetch: Fetch, known: CanonEntity) -> None:
    """Let the rows stream into `draft.batches`. What was only asked for in part is merged into the table that stands.

    If that makes the same table, the draft is `standing`. Lists that moved while they were read are read again, and so are lists
    of which only changes were asked for and which then have not as many rows as the API says: where that shows only once all
    rows are staged, by `draft.mend`. Raises RequestError for parents that there are none of.
    """
    source = _Source(work, taped, fetch, known)
    if taped.scope is None:
        draft.batches = _whole(draft, source)
        return
    if taped.below is not None:
        draft.batches = _layers(draft, source)
        return
    if taped.scope.only is not None:
        _check_parents(work, fetch, taped.scope.only)
    part = _part(draft, source)
    changes = bool(part.moved) or part.merge.changes(work.lakehouse.batches(work.table.ref, ["parentKey", "recordHash"]))
    if not changes:
        part.moved |= part.short({name: each.rows for name, each in taped.standing.lists.items()})
    if changes or part.moved:
        draft.batches = _merged(draft, source, part, work.lakehouse.batches(work.table.ref))
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
            for value in values_of(decoded(record), asked, parent):
                if parent_text(value) not in seen:
                    seen.add(parent_text(value))
                    yield value


@dataclass
class _Part:
    """What was asked for of an entity, ready to be merged. `mismatched`, `moved`, `torn`, `declared`: see Census."""

    merge: Merge
    extraction: Extraction
    drift: dict[str, Drift]
    mismatched: Counter[str]
    moved: dict[str, int]
    torn: set[str]
    declared: Mapping[str, int]

    def short(self, alive: Mapping[str, int]) -> dict[str, int]:
        """The lists which have other numbers of rows, here, than the API says: rows went without a trace among the changes."""
        return {name: 0 for name, total in self.declared.items() if alive.get(name, 0) != total and name not in self.moved}

    def tell(self, draft: Draft) -> None:
        """Leave the evidence in the draft."""
        _note_gone(draft, self.extraction)
        draft.evidence["extraction"] = {**self.extraction, "rows": self.merge.facts["rows"]}
        draft.evidence["mismatched"] = self.mismatched
        draft.evidence["drift"] = self.drift
        draft.evidence["merge"] = self.merge.facts
        draft.evidence["doubtful"] = self.merge.moved
        draft.notes |= {f"rows {fate}": count for fate, count in self.merge.facts.items() if fate not in ("rows", "unlike")}


def _whole(draft: Draft, source: _Source) -> Iterator[pa.RecordBatch]:
    watch, census, batches = _fetched(source)
    yield from batches
    facts = draft.evidence["extraction"] = census.finished(source.known.sample_size)
    draft.evidence["mismatched"] = census.mismatched
    draft.evidence["drift"] = watch.finish()
    draft.evidence["unread"] = census.unread.lists
    if source.fetch.recursive is None:
        draft.evidence[ELEMENTS] = dict(watch.elements)
    source.taped.tell(draft, facts["records"])
    _note_gone(draft, facts)
    if census.moved and mergeable(source.fetch):
        draft.mend = partial(_mended, draft, source, census.moved)
    gone = source.taped.standing.rows - facts["rows"]
    if gone > 0 and source.fetch.recursive is None:
        draft.notes["rows fewer than before"] = gone
        source.work.say(f"{source.fetch.entity}: {gone:,} rows fewer than before: the API no longer has them")


def _note_gone(draft: Draft, facts: Extraction) -> None:
    if facts["refusedCount"]:
        draft.notes["parents that are refused, as a rule says"] = facts["refusedCount"]
    if facts["goneCount"]:
        draft.notes["parents that are gone, or have none"] = facts["goneCount"]


def _layers(draft: Draft, source: _Source) -> Iterator[pa.RecordBatch]:
    """The rows that an attempt left, made from its raw pages and those of the attempts that it built on."""
    taped = source.taped
    rows = _whole(draft, source)
    if taped.scope is not None and taped.below is not None:
        part = _part(draft, source)
        rows = _merged(draft, source, part, _layers(draft, replace(source, taped=taped.below)))
        if not part.declared:
            yield from rows
            return
    spool = _spooled(draft, source.work, rows)
    mend, draft.mend = draft.mend, None
    yield from mend(spool.table.to_batches()) if mend is not None else spool.table.to_batches()


def _part(draft: Draft, source: _Source) -> _Part:
    """Reads what is asked for to its end."""
    scope = source.taped.scope
    assert scope is not None  # noqa: S101  (the caller's condition)
    watch, census, batches = _fetched(source)
    spool = _spooled(draft, source.work, batches)
    extraction = census.finished(None)
    source.taped.tell(draft, extraction["records"])
    asked, failed = frozenset(census.asked), frozenset(census.unread.lists)
    draft.evidence["unread"] = failed
    if scope.only is not None:
        draft.evidence["asked"] = asked
    if scope.stays:
        draft.notes["lists not asked for"] = len(scope.stays)
    drift = {path: change for path, change in watch.finish().items() if change["kind"] != "missingField"}
    moved = census.moved if mergeable(source.fetch) else {}
    merge = Merge(source.fetch, scope, asked, failed, spool.table)
    return _Part(merge, extraction, drift, census.mismatched, moved, census.torn, census.declared)


def _merged(draft: Draft, source: _Source, part: _Part, standing: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    rows = part.merge.rows(standing)
    if part.moved:
        part.tell(draft)
        yield from _mended(draft, source, part.moved, rows)
    else:
        yield from rows
        part.tell(draft)
    draft.evidence.pop(ELEMENTS, None)  # nobody read all that the table has now
    short = part.short(part.merge.alive)
    if short:
        draft.mend = partial(_mended, draft, source, short)


def _mended(draft: Draft, source: _Source, moved: Mapping[str, int], rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows with those lists read again that moved while they were read; some times at most, then the gate tells."""
    facts: Extraction = draft.evidence["extraction"]
    mismatched: Counter[str] = draft.evidence["mismatched"]
    merges = [draft.evidence["merge"]] if "merge" in draft.evidence else []
    draft.notes["lists read again"] = draft.notes.get("lists read again", 0) + len(moved)
    again = frozenset(moved)
    for turn in range(1, _TURNS + 1):
        source.work.say(
            f"{source.fetch.entity}: {len(moved)} lists changed while they were read, or ended too early; they are read again"
        )
        if source.taped.tape is not None:
            source.taped.tape.round = turn
        scope = Scope(only=tuple(sorted(moved)))
        part = _part(draft, replace(source, taped=replace(source.taped, scope=scope, expected=None)))
        rows = part.merge.rows(rows)
        merges.append(part.merge.facts)
        facts = _without(facts, moved, sum(mismatched.pop(name, 0) for name in moved), part.extraction)
        mismatched += part.mismatched
        # a list that shows what it showed before is so: to read it once more would change nothing
        again_moved = {name: count for name, count in part.moved.items() if name in part.torn or moved.get(name) != count}
        if not again_moved:
            break
        moved = again_moved
    if source.taped.tape is not None:
        source.taped.tape.round = 0
    counts: Counter[str] = Counter()
    for batch in rows:
        counts.update(name or "" for name in batch.column("parentKey").to_pylist())
        yield batch
    draft.evidence.pop(ELEMENTS, None)
    draft.evidence["extraction"] = {**facts, "rows": merges[-1]["rows"]}
    draft.evidence["merge"] = combined(merges)
    lists = draft.evidence.get("lists", {})
    for name in again & draft.evidence.get("kin", {}).keys():
        del draft.evidence["kin"][name]  # it was summed up before it was read again
    lists |= {name: lists[name].model_copy(update={"rows": counts[name]}) for name in again & lists.keys()}


def _without(facts: Extraction, moved: Mapping[str, int], gone: int, again: Extraction) -> Extraction:
    """The facts of a reading, what concerns the lists that moved (`gone` mismatches) replaced by what reading them again says."""
    repeated = [each for each in facts["repeated"] if each["parent"] not in moved]
    mismatches = [each for each in facts["mismatches"] if (each["parent"] or "") not in moved]
    return {
        **facts,
        "requests": facts["requests"] + again["requests"],
        "repeated": [*repeated, *again["repeated"]],
        "repeatedCount": facts["repeatedCount"] - sum(moved.values()) + again["repeatedCount"],
        "mismatches": [*mismatches, *again["mismatches"]],
        "mismatchCount": facts["mismatchCount"] - gone + again["mismatchCount"],
        "gone": [*facts["gone"], *again["gone"]],
        "goneCount": facts["goneCount"] + again["goneCount"],
        "refused": [*facts["refused"], *again["refused"]],
        "refusedCount": facts["refusedCount"] + again["refusedCount"],
        "skipped": [*facts["skipped"], *again["skipped"]],
        "skippedCount": facts["skippedCount"] + again["skippedCount"],
        "broken": [*facts["broken"], *again["broken"]],
        "brokenCount": facts["brokenCount"] + again["brokenCount"],
    }


def _spooled(draft: Draft, work: Work, batches: Iterable[pa.RecordBatch]) -> Spool:
    """The rows on disk, until it is known what became of the table."""
    place = work.lakehouse.files("staging", work.run_id, f"{work.table.table}.merge", f"{time.time_ns()}.arrow")
    spool = Spool(place, batches)
    if draft.afterwards is not None:
        draft.afterwards.append(lambda status, error: spool.close())
    return spool


def _fetched(source: _Source) -> tuple[DriftWatch, Census, Iterator[pa.RecordBatch]]:
    """The rows as they come; what watches and counts them is complete once they have been read to the end."""
    work, taped, fetch = source.work, source.taped, source.fetch
    drifted: list[dict[str, Any]] = []
    read = read_otherwise(fetch.entity, work.covenant)
    watch = DriftWatch(promised(source.known, work.covenant), drifted.append, read)
    sole = is_sole(work.playbooks, work.covenant.source, fetch.entity)
    # where nothing that stands is merged, what a refused list held would be gone
    stays = taped.scope is not None or work.replay or not work.lakehouse.exists(work.table.ref)
    census = Census(taped.client, fetch, watch, work.say, taped.scope, sole, fetch.refused if stays else ())
    parents: Iterable[ParentValue] | None = parents_of(work, fetch) if fetch.parent else None
    if parents is not None and taped.asked is not None:
        parents = _as_asked(parents, taped.asked)
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


def _as_asked(parents: Iterable[ParentValue], asked: frozenset[str]) -> Iterator[ParentValue]:
    """The parents of an earlier attempt: of those there are now, then those that are gone, as their texts tell them."""
    left = set(asked)
    for value in parents:
        if parent_text(value) in left:
            left.discard(parent_text(value))
            yield value
    for text in sorted(left):
        parts = parent_parts(text)
        yield tuple(parts) if len(parts) > 1 else text


def _check_parents(work: Work, fetch: Fetch, only: Iterable[str]) -> None:
    if fetch.parent is None:
        raise RequestError(f"{fetch.entity} has no parent: leave --parent out to read all of it again")
    there = {parent_text(value) for value in parents_of(work, fetch)}
    absent = [name for name in only if name not in there]
    if absent:
        raise RequestError(
            f"{fetch.entity} can't be read for {', '.join(absent[:5])}: {parent_table(fetch)} has no such "
            f"{fetch.parent.path}; it has {one_of(sorted(there)[:20])}"
        )
