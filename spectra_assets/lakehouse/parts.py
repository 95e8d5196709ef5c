"""Rows on their way into Parquet files, in flat memory: those that will be published apart from those that stay behind.

Control columns tell them apart: `_reasons` (list of text, why the row is rejected), `_duplicate` (bool), and `_raw` (text), what
the row was made from. Rows to be published are written without them, so that their files can become a table's as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from spectra_assets.lakehouse.types import fitted, storable

REASONS = "_reasons"
DUPLICATE = "_duplicate"
RAW = "_raw"
CONTROL = (REASONS, DUPLICATE, RAW)

HASH = "_hash"
"""Hash of the row, if the query gives one: they are added up, and not stored."""

ROW_GROUP = 65_536
GROUP_BYTES = 8 * 2**20
"""A row group ends at whichever comes first: so many rows, or so many bytes in memory."""

_HEADS = 4
"""Row groups of which the first rows are read."""

_LONG = 100
"""Bytes of a value on average."""

_TOLD = {"file": "string", "accepted": "bigint", "rejected": "bigint", "duplicates": "bigint", "hashed": "string"}


class Sorted(NamedTuple):
    """How many rows there are of each fate; a rejected duplicate counts as rejected. `hashed` is the sum of the hashes of the
    accepted ones, None if they have none."""

    accepted: int
    rejected: int
    duplicates: int
    hashed: int | None

    def with_more(self, other: Sorted) -> Sorted:
        """Both together."""
        hashed = other.hashed if self.hashed is None else self.hashed + (other.hashed or 0)
        return Sorted(self.accepted + other.accepted, self.rejected + other.rejected, self.duplicates + other.duplicates, hashed)


class Part:
    """One Parquet file, made with its first row group; with `always` even if there are no rows. A context manager."""

    def __init__(self, path: Path, schema: pa.Schema | None = None, always: bool = False) -> None:
        """Without a `schema` it is the first batch's."""
        self._path = path
        self._schema = storable(schema) if schema is not None else None
        self._always = always
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._rows = self._size = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Raises StorageError for columns that can't be stored or are not in the schema, OSError."""
        if self._schema is None:
            self._schema = storable(batch.schema)
        step = max(1, min(ROW_GROUP, batch.num_rows * GROUP_BYTES // max(1, batch.nbytes)))
        for start in range(0, batch.num_rows, step):
            piece = fitted(batch.slice(start, step), self._schema)
            if self._waiting and (self._rows + piece.num_rows > ROW_GROUP or self._size + piece.nbytes > GROUP_BYTES):
                self._flush(self._schema)
            self._waiting.append(piece)
            self._rows += piece.num_rows
            self._size += piece.nbytes

    def _flush(self, schema: pa.Schema) -> None:
        group = pa.Table.from_batches(self._waiting, schema)
        self._waiting, self._rows, self._size = [], 0, 0
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(
                self._path, schema, compression="zstd", compression_level=1, store_schema=False, use_dictionary=_repeating(group)
            )
        self._writer.write_table(group, row_group_size=max(1, group.num_rows))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None and self._schema is not None and (self._waiting or (self._always and self._writer is None)):
                self._flush(self._schema)
        finally:
            if self._writer is not None:
                self._writer.close()


@dataclass(frozen=True)
class Sorter:
    """Writes rows into files of two folders, `accepted` and `behind`, and tells what became of them.

    Called by the engine with the batches of a query, as `mapInArrow` does it, where it makes them; so both must see the folders.
    """

    accepted: str
    behind: str

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        name = f"part-{uuid4().hex}.parquet"
        told = self.sort(batches, name)
        if told is not None:
            row = {"file": name, **told._asdict(), "hashed": None if told.hashed is None else str(told.hashed)}
            types = (pa.string() if kind == "string" else pa.int64() for kind in _TOLD.values())
            yield pa.RecordBatch.from_pylist([row], pa.schema(list(zip(_TOLD, types, strict=True))))

    def sort(self, batches: Iterable[pa.RecordBatch], name: str, schema: pa.Schema | None = None) -> Sorted | None:
        """Write the files called `name`. Without a batch None, or with a `schema` a file of no rows.

        Raises StorageError for columns that can't be stored or are not in the schema, OSError.
        """
        told = Sorted(0, 0, 0, None) if schema is not None else None
        published = None if schema is None else pa.schema([column for column in schema if column.name not in CONTROL])
        with (
            Part(Path(self.accepted, name), published, always=schema is not None) as accepted,
            Part(Path(self.behind, name), schema) as behind,
        ):
            for batch in batches:
                found = _sorted(batch, accepted, behind)
                told = found if told is None else told.with_more(found)
        return told


FORM = ", ".join(f"{name} {kind}" for name, kind in _TOLD.items())
"""What `Sorter` yields, as the engine's schema strings write it."""


def _sorted(batch: pa.RecordBatch, accepted: Part, behind: Part) -> Sorted:
    there = set(batch.schema.names)
    hashes = batch[HASH] if HASH in there else None
    rows = batch.drop_columns([HASH]) if HASH in there else batch
    plain = rows.drop_columns([name for name in CONTROL if name in there])
    nothing = pa.repeat(pa.scalar(False), batch.num_rows)
    rejected = pc.fill_null(pc.greater(pc.list_value_length(batch[REASONS]), 0), False) if REASONS in there else nothing
    repeated = pc.fill_null(batch[DUPLICATE], False) if DUPLICATE in there else nothing
    left = pc.or_(rejected, repeated)
    if left.true_count:
        stay = pc.invert(left)
        behind.add(rows.filter(left))
        plain = plain.filter(stay)
        hashes = hashes.filter(stay) if hashes is not None else None
    accepted.add(plain)
    # 64 bits would not hold the sum
    total = int(pc.sum(hashes.cast(pa.decimal128(38, 0))).as_py() or 0) if hashes is not None else None
    return Sorted(plain.num_rows, rejected.true_count, left.true_count - rejected.true_count, total)


def _repeating(table: pa.Table) -> list[str]:
    """Columns whose values may well repeat: long texts do not, and looking for repetitions costs as much as writing them."""
    return [name for name in table.column_names if table[name].nbytes <= _LONG * max(1, table.num_rows)]


def places(files: Sequence[pq.ParquetFile], most: int) -> list[tuple[pq.ParquetFile, int]]:
    """Some row groups, evenly over all of the files, each as its file and its number in it; of few all."""
    every = [(file, place) for file in files for place in range(file.num_row_groups)]
    return [every[round(n * (len(every) - 1) / (most - 1))] for n in range(most)] if len(every) > most else every


def heads(files: Sequence[pq.ParquetFile], columns: Sequence[str], rows: int) -> pa.Table:
    """The first `rows` rows of some row groups: little of a large table is read."""
    schema = pa.schema([files[0].schema_arrow.field(name) for name in columns]) if files else pa.schema([])
    found = (
        next(file.iter_batches(batch_size=rows, row_groups=[place], columns=list(columns)), None)
        for file, place in places(files, _HEADS)
    )
    return pa.Table.from_batches([batch for batch in found if batch is not None], schema)
