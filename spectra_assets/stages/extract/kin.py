"""Lists of parents that did not change: whether they need not be read, as earlier readings showed.

Many sources touch a parent when one of its children changes: its time of change moves, or a number that it holds. Nothing says
so, but it shows. Each reading keeps the hash of every parent's record and what its list was; a later reading of everything finds
lists that changed, and whether their parents had changed too. After some that did, and none that did not, the lists of unchanged
parents are not asked for, until the next sweep reads everything and looks again. A list that changed without its parent ends
that for good, unless the parent shows the change in the run after it: then the list changed while it was read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from spectra_assets.client.jsontext import decoded
from spectra_assets.client.target import parent_text
from spectra_assets.covenant.access import Fetch
from spectra_assets.draft import write_whole
from spectra_assets.lakehouse.raw import PARENTS, Attempts
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.names import TableRef, plural
from spectra_assets.stages.asking.parents import values_of
from spectra_assets.stages.extract.landing import hash_of
from spectra_assets.stages.extract.scope import Standing, sweep_due
from spectra_assets.stages.work import Draft, Work

SEEN = "parents"
"""Folder below Files with what readings showed of the parents of an entity."""

_ENOUGH = 3
"""Lists that must have changed together with their parents; some grew, some changed otherwise."""

_HASH_CHARACTERS = 32
_ODD = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5], np.uint64)
"""Different weights for the words of a hash."""

_MOST = 200_000
"""Lists up to which this is kept."""


class Kin(BaseModel):
    """A list as it was read last: the hash of its parent's record, its rows, and what they sum up to."""

    model_config = ConfigDict(frozen=True)

    parent: str
    rows: int = 0
    digest: int = 0


class Seen(BaseModel):
    """What readings showed: lists that grew and that changed otherwise together with their parents; `suspects` changed without
    (list → hash of its parent then); `refuted` says which list showed that parents do not tell."""

    grew: int = 0
    changed: int = 0
    suspects: dict[str, str] = {}
    refuted: str = ""

    @property
    def proven(self) -> bool:
        """Whether lists of unchanged parents need not be read."""
        enough = self.grew + self.changed >= _ENOUGH and self.grew > 0 and self.changed > 0
        return enough and not self.suspects and not self.refuted


def unchanged(work: Work, fetch: Fetch, standing: Standing, now: datetime) -> tuple[str, ...]:
    """The lists that need not be asked for; none where nothing proves it, or a sweep is due."""
    if not standing.chain or not _single(fetch) or not seen(work.lakehouse, fetch.entity).proven:
        return ()
    runs, days = (int(work.playbooks.setting(name, work.covenant.source)) for name in ("sweep_runs", "sweep_days"))
    known = fetch.incremental
    if sweep_due(known.sweep_runs if known else runs, known.sweep_days if known else days, standing, now):
        return ()
    before = kept(standing)
    return tuple(name for name, parent in parents_now(work, fetch).items() if name in before and before[name].parent == parent)


def parents_now(work: Work, fetch: Fetch) -> dict[str, str]:
    """List → hash of the record, or the records, that its parent's value stands in."""
    assert fetch.parent is not None  # noqa: S101  (the caller's condition)
    ref = TableRef("extract", plural(fetch.parent.entity))
    found: dict[str, str] = {}
    columns = ["record", "parentKey", "recordHash"]
    for batch in work.lakehouse.batches(ref, columns):
        for record, asked, digest in zip(*(batch.column(name).to_pylist() for name in columns), strict=True):
            for value in values_of(decoded(record), asked, fetch.parent):
                name = parent_text(value)
                digest = digest or hash_of(record)  # of a table whose playbook takes no hash
                found[name] = _joined(found[name], digest) if name in found else digest
    return found


def watch(draft: Draft, work: Work, fetch: Fetch) -> None:
    """Let the draft's rows be summed up as they go by: evidence `kin` (list → Kin), and, of a reading of everything, `seen`.

    Does nothing for an entity without a parent, or of two parents that have nothing to do with each other.
    """
    if draft.batches is None or draft.afterwards is None or work.replay or not _single(fetch):
        return
    now = parents_now(work, fetch)
    if len(now) > _MOST:
        return
    chain = Attempts(work.lakehouse, fetch.entity).chain()
    before = kept(Standing(chain, 0))
    draft.batches = _watched(draft, draft.batches, now, before)

    def heard(status: str, error: BaseException | None) -> None:
        if status in ("published", "unchanged") and "kin" in draft.evidence and draft.evidence.get("merge") is None:
            after = _judged(seen(work.lakehouse, fetch.entity), before, draft.evidence["kin"], work.run_id)
            _keep(work.lakehouse, fetch.entity, after)

    draft.afterwards.insert(0, heard)  # before the turn is given up


def _watched(
    draft: Draft, batches: Iterable[pa.RecordBatch], now: Mapping[str, str], before: Mapping[str, Kin]
) -> Iterator[pa.RecordBatch]:
    rows, sums, hashed = dict.fromkeys(now, 0), dict.fromkeys(now, 0), True
    for batch in batches:
        hashed = hashed and not batch.column("recordHash").null_count
        for name, count, total in _summed(batch) if hashed else ():
            if name in rows:
                rows[name] += count
                sums[name] = (sums[name] + total) % 2**64
        yield batch
    if not hashed:  # the playbook takes no hash, so nothing tells whether a list changed
        return
    unread, asked = draft.evidence.get("unread", ()), draft.evidence.get("asked")
    found = draft.evidence["kin"] = {}
    for name, parent in now.items():
        if asked is not None and name not in asked:  # it is as it was for its parent of then
            parent = before[name].parent if name in before else ""
        if parent and name not in unread:
            found[name] = Kin(parent=parent, rows=rows[name], digest=sums[name])


def _summed(batch: pa.RecordBatch) -> Iterator[tuple[str, int, int]]:
    """(list, its rows, the sum of their hashes) of each list in the batch, whatever the order of the rows."""
    encoded = batch.column("parentKey").dictionary_encode()
    places = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy()  # no parent: behind those that count
    digests = batch.column("recordHash").cast(pa.binary(_HASH_CHARACTERS))
    words = np.frombuffer(digests.buffers()[1], np.uint64).reshape(-1, _HASH_CHARACTERS // 8)[digests.offset :][: len(digests)]
    sums = np.zeros(len(encoded.dictionary) + 1, np.uint64)
    np.add.at(sums, places, (words * _ODD).sum(axis=1, dtype=np.uint64))
    counts = np.bincount(places, minlength=len(sums))
    yield from zip(encoded.dictionary.to_pylist(), counts.tolist(), sums.tolist(), strict=False)


def _judged(so_far: Seen, before: Mapping[str, Kin], now: Mapping[str, Kin], run: str) -> Seen:
    """What the lists of two readings show on top of what was seen."""
    grew, changed, suspects, refuted = so_far.grew, so_far.changed, dict(so_far.suspects), so_far.refuted
    for name, each in now.items():
        was = before.get(name)
        if was is None:
            continue
        suspect = suspects.pop(name, None)
        if suspect is not None and suspect == each.parent:
            refuted = refuted or f"run {run}: the list of {name} changed, and its parent did not"
        if (was.rows, was.digest) == (each.rows, each.digest):
            continue
        if was.parent == each.parent:
            suspects[name] = each.parent
        elif each.rows > was.rows:
            grew += 1
        else:
            changed += 1
    return Seen(grew=grew, changed=changed, suspects={} if refuted else suspects, refuted=refuted)


def carried(standing: Standing, now: Mapping[str, str]) -> dict[str, Kin]:
    """What is kept of lists that are as they were, with their parents as those are now."""
    return {name: each.model_copy(update={"parent": now[name]}) for name, each in kept(standing).items() if name in now}


def keep(lists: Mapping[str, Kin]) -> tuple[str, str]:
    """(name, text) of the file beside the raw pages that says what each list was."""
    return PARENTS, json.dumps({name: [each.parent, each.rows, each.digest] for name, each in lists.items()}, ensure_ascii=False)


def kept(standing: Standing) -> dict[str, Kin]:
    """What each list was when the table was made. Nothing where that can't be read: then everything is."""
    try:
        content: dict[str, Any] = json.loads((standing.chain[-1][0] / PARENTS).read_text(encoding="utf-8"))
        return {name: Kin(parent=each[0], rows=each[1], digest=each[2]) for name, each in content.items()}
    except (OSError, ValueError, ValidationError, AttributeError, IndexError, TypeError):
        return {}


def seen(lakehouse: Lakehouse, entity: str) -> Seen:
    """What readings showed of the parents of an entity."""
    try:
        return Seen.model_validate_json(lakehouse.files(SEEN, f"{entity}.json").read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeError):
        return Seen()


def _keep(lakehouse: Lakehouse, entity: str, found: Seen) -> None:
    write_whole(lakehouse.files(SEEN, f"{entity}.json"), found.model_dump_json())


def _single(fetch: Fetch) -> bool:
    return fetch.parent is not None and fetch.parent.across is None


def _joined(one: str, other: str) -> str:
    return blake2b("".join(sorted((one, other))).encode(), digest_size=16).hexdigest()
