"""Pages of records as batches of an Extract table, a column at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from xxhash import xxh3_128_hexdigest

from spectra_assets.stages.tables import EXTRACT_SCHEMA

BATCH_ROWS = 5_000
BATCH_BYTES = 16 * 2**20
"""A batch ends at whichever comes first."""

HASH_FORM = "xxh3-128 of sorted JSON"
"""What `recordHash` is made by: hashes of another form say nothing of each other."""

_encoder = msgspec.json.Encoder(order="deterministic")


class Sheet(NamedTuple):
    """Records of one answer: the id of the parent they were asked for with, the request that brought them, their JSON texts, and
    the same read (structs or dicts, see DriftWatch.read)."""

    parent: str | None
    request_id: str
    records: Sequence[bytes]
    read: Sequence[Any]


def hash_of(record: Any) -> str:
    """Hash of a record in its canonical form: JSON with the keys sorted. A struct and a dict of equal content hash alike."""
    return hashes_of((record,))[0]


def hashes_of(records: Iterable[Any]) -> list[str]:
    """As `hash_of`, of many: written one after the other into the same place, which takes a quarter less than a text for each."""
    place, found = bytearray(), []
    for record in records:
        _encoder.encode_into(record, place)
        found.append(xxh3_128_hexdigest(place))
    return found


def batches(sheets: Iterable[Sheet], seen_at: datetime, hashed: bool) -> Iterator[pa.RecordBatch]:
    """The rows in the form of EXTRACT_SCHEMA, numbered from 0; `recordHash` is filled only if `hashed`."""
    held: list[tuple[Sheet, list[str] | None]] = []
    rows = size = sequence = 0
    for sheet in sheets:
        # hashed here, so that what was read need not be held
        held.append((sheet._replace(read=()), hashes_of(sheet.read) if hashed else None))
        rows += len(sheet.records)
        size += sum(map(len, sheet.records))
        if rows >= BATCH_ROWS or size >= BATCH_BYTES:
            yield _batch(held, rows, sequence, seen_at)
            sequence += rows
            held, rows, size = [], 0, 0
    if rows:
        yield _batch(held, rows, sequence, seen_at)


def _batch(held: Sequence[tuple[Sheet, list[str] | None]], rows: int, sequence: int, seen_at: datetime) -> pa.RecordBatch:
    places = pa.array(np.repeat(np.arange(len(held)), [len(sheet.records) for sheet, _ in held]))

    def each(name: str, values: Iterable[str | None]) -> pa.Array:
        """A value for each sheet, repeated for its rows."""
        return pa.array(values, EXTRACT_SCHEMA.field(name).type).take(places)

    hashes = [hash_ for _, found in held for hash_ in found or ()]
    columns = {
        "record": _texts([record for sheet, _ in held for record in sheet.records]),
        "recordHash": pa.array(hashes, pa.string()) if hashes else pa.nulls(rows, pa.string()),
        "parentKey": each("parentKey", (sheet.parent for sheet, _ in held)),
        "treeParentKey": pa.nulls(rows, pa.string()),
        "requestId": each("requestId", (sheet.request_id for sheet, _ in held)),
        "sequence": pa.array(np.arange(sequence, sequence + rows)),
        "seenAt": pa.repeat(pa.scalar(seen_at, EXTRACT_SCHEMA.field("seenAt").type), rows),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in EXTRACT_SCHEMA.names], schema=EXTRACT_SCHEMA)


def _texts(records: Sequence[bytes]) -> pa.Array:
    """The records as one column, their bytes copied once. Raises pa.ArrowInvalid for what is no UTF-8."""
    ends = np.fromiter(accumulate(map(len, records), initial=0), np.int32, len(records) + 1)
    column = pa.Array.from_buffers(pa.string(), len(records), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(records))])
    column.validate(full=True)
    return column
