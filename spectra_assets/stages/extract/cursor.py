"""How far each list was read by its cursor, and whether the cursor told every change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Any, TypedDict

import numpy as np
import pyarrow as pa

from spectra_assets.covenant.access import Fetch, Incremental
from spectra_assets.covenant.build import Extraction
from spectra_assets.lakehouse.raw import Attempts
from spectra_assets.stages.asking.moments import micros, reader
from spectra_assets.stages.cursors import refute
from spectra_assets.stages.evidence import EXAMPLES
from spectra_assets.stages.extract import kin
from spectra_assets.stages.extract.keys import told_apart
from spectra_assets.stages.extract.landing import HASH_FORM
from spectra_assets.stages.extract.scope import WATCH, Reached, reached
from spectra_assets.stages.extract.taping import same_answers
from spectra_assets.stages.work import Draft, Work, action


class CursorFacts(TypedDict):
    """What reading by a cursor missed. `unseen` are rows that changed or came although their cursor lies before the instant from
    which the next extraction would have asked; `checked` the rows that lie there. Rows are no others where all records have got,
    or lost, a field."""

    cursor: str
    checked: int
    unseenCount: int
    unseen: list[str]
    """Keys of some."""


_LOOKED_AT = 1_000
"""Rows that differ from the table that stands of which it is seen in what."""

_ALL = 20
"""Of so many rows at least, what all differ in is how the API writes that field now."""


@action(WATCH, "extraction")
def watch_cursor(draft: Draft, work: Work) -> None:
    """Keep how far each list is by its cursor, and compare rows that lie before that with the table that stands.

    Does nothing for an entity that is always read whole but to look whether lists change without their parents (kin.py). Evidence
    `cursor` (CursorFacts) and `lists`. A cursor that missed a change is remembered, so that for a while everything is read (see
    `cursors.refute`).
    """
    build = work.table.build
    fetch = build.fetch if isinstance(build, Extraction) else None
    if fetch is None or draft.batches is None:
        return
    kin.watch(draft, work, fetch)
    if fetch.incremental is None:
        return
    watch = _Watch(fetch, fetch.incremental)
    if not work.replay and draft.afterwards is not None:
        watch.compare(work)
    draft.batches = watch.watched(draft, work, draft.batches)
    if draft.afterwards is not None:
        draft.afterwards.insert(0, lambda status, error: watch.heard(work, status))  # before the turn is given up


@dataclass
class _List:
    rows: int = 0
    seen: int = 0
    requests: set[str] = field(default_factory=set)


class _Watch:
    """Watches the rows of one extraction go by."""

    def __init__(self, fetch: Fetch, known: Incremental) -> None:
        self._fetch = fetch
        self._known = known
        self._value = reader(known.cursor)
        self._key = reader(fetch.primary_key)
        self._lists: dict[str, _List] = {}
        self._before: dict[str, int] = {}
        """List → the instant from which on its changes would have been asked for."""
        self._stood: Any = None
        self._unlike: dict[tuple[str, Any], str] = {}
        """List and key of rows that differ from those that stood → the record."""
        self._facts = CursorFacts(cursor=known.cursor, checked=0, unseenCount=0, unseen=[])

    def compare(self, work: Work) -> None:
        """Compare with the table as it stands and what is known of its lists."""
        chain = Attempts(work.lakehouse, self._fetch.entity).chain()
        if not chain or chain[-1][1].inputs.get("hash") != HASH_FORM or not same_answers(work, chain[-1][1]):
            return
        if not work.lakehouse.exists(work.table.ref):
            return
        latest = chain[-1][1].started_at
        self._before = {name: each.going_on(latest, self._known) for name, each in reached(chain[-1][0]).items()}
        if self._before:
            hashes = (batch.column(0).to_pylist() for batch in work.lakehouse.batches(work.table.ref, ["recordHash"]))
            self._stood = np.unique(np.fromiter((_short(text) for some in hashes for text in some), np.uint64))

    def watched(self, draft: Draft, work: Work, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same batches. At their end the evidence is complete."""
        names = ("parentKey", "requestId", "recordHash", "record")
        for batch in batches:
            for row in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
                self._row(*row)
            yield batch
        doubtful = draft.evidence.get("doubtful", ())
        lists = {name: self._reached(each, name in doubtful) for name, each in self._lists.items()}
        draft.evidence["lists"] = {name: each for name, each in lists.items() if each.pages > 1 and each.seen}
        self._look_closer(work)
        draft.evidence["cursor"] = self._facts

    def heard(self, work: Work, status: str) -> None:
        """What became of the table."""
        if self._facts["unseenCount"] and status in ("published", "unchanged"):
            why = (
                f"run {work.run_id}: {self._facts['unseenCount']} rows changed or came although their {self._known.cursor} lies "
                f"before what was asked for, for example {self._facts['unseen'][0]}"
            )
            refute(work.lakehouse, self._fetch.entity, self._known.cursor, why, work.now)

    def _row(self, parent: str | None, request: str, digest: str, record: str) -> None:
        name = parent or ""
        known = self._lists.get(name)
        if known is None:
            known = self._lists[name] = _List()
        known.rows += 1
        if len(known.requests) < 2:
            known.requests.add(request)
        moment = micros(self._value(record))
        if moment is None:
            return
        known.seen = max(known.seen, moment)
        before = self._before.get(name)
        if before is not None and self._stood is not None and moment < before:
            self._facts["checked"] += 1
            short = np.uint64(_short(digest))
            place = np.searchsorted(self._stood, short)
            if place >= len(self._stood) or self._stood[place] != short:
                self._facts["unseenCount"] += 1
                if len(self._unlike) < _LOOKED_AT:
                    self._unlike[name, told_apart(self._key(record))] = record

    def _look_closer(self, work: Work) -> None:
        """Of the rows that differ from those that stand, those in which a field that both have says something else count; not a
        field that does so in every row, which is how the API writes it now."""
        if not self._unlike:
            return
        lists = {name for name, _ in self._unlike}
        others: dict[tuple[str, Any], set[str]] = {}
        for batch in work.lakehouse.batches(work.table.ref, ["parentKey", "record"]):
            for parent, record in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True):
                place = (parent or "", told_apart(self._key(record))) if (parent or "") in lists else None
                if place in self._unlike:
                    others[place] = _differing(json.loads(record), json.loads(self._unlike[place]))
        every: set[str] = set()
        if len(others) == len(self._unlike) >= _ALL and self._facts["unseenCount"] == self._facts["checked"]:
            every = set.intersection(*others.values())
        missed = [place for place in self._unlike if place not in others or others[place] - every]
        alike = len(self._unlike) - len(missed)
        self._facts["unseenCount"] = self._facts["unseenCount"] - alike if missed else 0
        self._facts["unseen"] = [f"{name}/{key}" for name, key in missed[:EXAMPLES]]

    def _reached(self, each: _List, doubtful: bool) -> Reached:
        size = getattr(self._fetch.paging, "size", None)
        pages = ceil(each.rows / size) if size else len(each.requests)
        return Reached(rows=each.rows, pages=pages, seen=each.seen, doubtful=doubtful)


def _differing(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    """The fields of two records that say something else, of those that both have."""
    return {key for key in old.keys() & new.keys() if not _same(old[key], new[key])}


def _same(old: Any, new: Any) -> bool:
    """Whether two values say the same, but for fields that one of them lacks."""
    if isinstance(old, dict) and isinstance(new, dict):
        return not _differing(old, new)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return bool(old == new)


def _short(digest: str) -> int:
    return int(digest[:16], 16)
