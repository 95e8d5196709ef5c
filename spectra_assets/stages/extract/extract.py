"""Extract: every record of an entity as the API gave it, streamed, with the proof that none is missing and none came twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from spectra_assets.client.jsontext import decoded
from spectra_assets.covenant.access import Fetch
from spectra_assets.covenant.build import Extraction
from spectra_assets.covenant.forms import HASHING
from spectra_assets.errors import SpectraError
from spectra_assets.stages.asking.answers import values_at
from spectra_assets.stages.extract.landing import BATCH_BYTES, BATCH_ROWS, hash_of
from spectra_assets.stages.extract.reading import parent_table, read
from spectra_assets.stages.extract.taping import taping
from spectra_assets.stages.tables import EXTRACT_SCHEMA
from spectra_assets.stages.work import Draft, Work, action


class _Row(NamedTuple):
    """A row of the table, its columns in the order of EXTRACT_SCHEMA."""

    record: str
    record_hash: str | None
    parent: str | None
    tree_parent: str | None
    request_id: str
    sequence: int
    seen_at: datetime


@action("extract.fetch_records", "extraction")
def fetch_records(draft: Draft, work: Work) -> None:
    """Fetch by the proven plan, for every value in the parent's table; rows stream into `draft.batches` as they arrive.

    Where the plan has a way to ask for what changed since, and the table of the last time stands, only that is asked for and
    merged into it (see `scope.py`, `merging.py`; evidence `merge`).

    Once the stream has ended, `draft.evidence` holds `extraction` (Extraction) and `drift` (dict[str, Drift]), see
    `stages/evidence.py`, and `tape` where the answers came from (see `taping.py`). If nothing changed since the table
    was published, the draft is `standing` and has no batches. A parent that answers 403, 404, 410 …, or 500 on every attempt, is
    skipped and listed. While the stream is read this raises CredentialError, RetriableError, StorageError and SourceError (the
    server ignores the paging, leads in a circle or to another server). Raises what `taping` raises, and MissingInputError.
    """
    fetch = _fetch(work)
    known = next((entity for entity in work.canon.entities if entity.entity == fetch.entity), None)
    if known is None:
        raise SpectraError(f"{work.table.table} extracts {fetch.entity}, which is not in prepare.schema")
    draft.rows_in = work.count(parent_table(fetch)) if fetch.parent else None
    draft.batches_schema = EXTRACT_SCHEMA
    taped = taping(draft, work, fetch, known)
    if not taped.unchanged:
        read(draft, work, taped, fetch, known)


@action("extract.flatten_tree", "extraction")
def flatten_tree(draft: Draft, work: Work) -> None:
    """Of a tree, make every nested record a row of its own after its holder, and cut it out there. Others pass unchanged."""
    fetch = _fetch(work)
    if fetch.recursive is not None and draft.batches is not None:
        draft.batches = _batches(_flattened(draft, draft.batches, fetch))


@action(HASHING, "extraction")
def hash_records(draft: Draft, work: Work) -> None:
    """Fill `recordHash`: equal records hash alike, whatever the order of their keys."""
    if draft.batches is not None:
        draft.batches = map(_hashed, draft.batches)


def canonical_hash(record: bytes) -> str:
    """Hash of a JSON text with its keys sorted."""
    return hash_of(decoded(record))


def _flattened(draft: Draft, batches: Iterable[pa.RecordBatch], fetch: Fetch) -> Iterator[_Row]:
    """Rows of all nodes, renumbered; the evidence counts them once all are read."""
    assert fetch.recursive is not None  # noqa: S101  (the caller's condition)
    sequence = 0
    for batch in batches:
        for row in map(_Row._make, zip(*(column.to_pylist() for column in batch.columns), strict=True)):
            if row.record_hash is not None:  # it stood already
                yield row._replace(sequence=sequence)
                sequence += 1
                continue
            for parent, node in _nodes(decoded(row.record), fetch.recursive, fetch.primary_key, None):
                text = msgspec.json.encode(node).decode()
                yield row._replace(record=text, tree_parent=parent, sequence=sequence)
                sequence += 1
    draft.evidence["extraction"]["rows"] = sequence


def _nodes(record: Any, recursive: str, key: str, parent: str | None) -> Iterator[tuple[str | None, Any]]:
    """(key of the holder, node without those nested in it), holders first."""
    if not isinstance(record, dict) or not isinstance(record.get(recursive), list):
        yield parent, record
        return
    yield parent, {name: value for name, value in record.items() if name != recursive}
    own = next(values_at(record, key), None)
    for nested in record[recursive]:
        yield from _nodes(nested, recursive, key, None if own is None else str(own))


def _hashed(batch: pa.RecordBatch) -> pa.RecordBatch:
    place = batch.schema.get_field_index("recordHash")
    if not batch.column(place).null_count:
        return batch
    pairs = zip(batch.column(place).to_pylist(), batch.column("record").to_pylist(), strict=True)
    hashes = [have or canonical_hash(record.encode()) for have, record in pairs]
    return batch.set_column(place, EXTRACT_SCHEMA.field(place), pa.array(hashes, pa.string()))


def _batches(rows: Iterable[_Row]) -> Iterator[pa.RecordBatch]:
    held: list[_Row] = []
    size = 0
    for row in rows:
        held.append(row)
        size += len(row.record)
        if len(held) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield _batch(held)
            held, size = [], 0
    if held:
        yield _batch(held)


def _batch(rows: list[_Row]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, EXTRACT_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=EXTRACT_SCHEMA)


def _fetch(work: Work) -> Fetch:
    build = work.table.build
    if not isinstance(build, Extraction):
        raise SpectraError(f"{work.table.table} is no extraction: its build is {build.kind}")
    return build.fetch
