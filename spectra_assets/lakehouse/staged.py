"""A candidate: rows that wait as Parquet files, what is counted of them, and how they are read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import functions as F  # noqa: N812  # the name every Spark programmer reads

from spectra_assets.lakehouse.adopting import holds
from spectra_assets.lakehouse.parts import DUPLICATE, RAW, REASONS, ROW_GROUP, Sorted, heads, places
from spectra_assets.lakehouse.types import fresh, quoted, schema_hash
from spectra_assets.names import TableRef

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from spectra_assets.lakehouse.engine import Engine

_BLANK: dict[str, Callable[[], Column]] = {
    REASONS: lambda: F.array().cast("array<string>"),
    DUPLICATE: lambda: F.lit(False),
    RAW: lambda: F.lit(None).cast("string"),
}
"""The control columns of rows that do not stay behind."""


AT_ONCE, _TURNS = 250_000, 16
"""Values of a key that are compared at a time, in so many turns at most: each reads all keys, and an engine can spill."""


_SAMPLED = 4
"""Row groups that a sample is made of."""


@dataclass(frozen=True)
class Counts:
    """rows = accepted + rejected + duplicates; a rejected duplicate counts as rejected."""

    rows: int
    accepted: int
    rejected: int
    duplicates: int


@dataclass(frozen=True)
class Staged:
    """One candidate: Parquet files in the folder `path`, and in `behind` those of the rows that are not published.

    `schema` is what the table will have (no control columns), `found` what was counted while the rows were written; the columns
    `volatile` are left out of the fingerprint. A context manager that removes the files.
    """

    engine: Engine
    ref: TableRef
    path: Path
    schema: pa.Schema
    volatile: frozenset[str]
    control: tuple[str, ...]
    behind: Path | None
    found: Sorted
    _different: dict[tuple[str, ...], int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def frame(self) -> DataFrame:
        """All rows with the control columns."""
        rows = self.accepted()
        if not self.control:
            return rows
        rows = rows.select("*", *(_BLANK[name]().alias(name) for name in self.control))
        left = self._left()
        return rows if left is None else rows.unionByName(left)

    def accepted(self) -> DataFrame:
        """Rows that will be published, without control columns."""
        return self.engine.read_parquet(str(self.path))

    def rejected(self) -> DataFrame:
        """Rows with at least one reason; `_reasons` (list of text) and `_raw` stay, `_duplicate` goes."""
        left = self._left() if REASONS in self.control else None
        if left is not None:
            return left.where(F.size(REASONS) > 0).drop(DUPLICATE)
        frame = self.frame().where(F.lit(False)).drop(DUPLICATE)
        return frame if REASONS in self.control else frame.withColumn(REASONS, _BLANK[REASONS]())

    def repeats(self, key: Sequence[str]) -> bool:
        """Whether two accepted rows have the same values in the columns `key`; NULL equals NULL."""
        return self.different(key) < self.rows

    def different(self, key: Sequence[str]) -> int:
        """How many different values the columns `key` have in the accepted rows; NULL equals NULL. Counted in turns, each of some
        of the values, so that it takes little memory."""
        found = self._different.get(tuple(key))
        if found is None:
            columns = [F.col(quoted(name)) for name in key]
            # -0.0 equals 0.0, and hashes otherwise
            told = [F.col(quoted(name)) for name in key if not pa.types.is_floating(self.schema.field(name).type)]
            turns = min(_TURNS, -(-self.rows // AT_ONCE)) if told else 1
            turn = F.pmod(F.xxhash64(*told), F.lit(turns)) if turns > 1 else F.lit(0)
            values = self.accepted().select(*columns)
            found = sum(values.where(turn == number).distinct().count() for number in range(max(1, turns)))
            self._different[tuple(key)] = found
        return found

    def counts(self) -> Counts:
        """How many rows there are and what becomes of them."""
        return self._measured[0]

    @property
    def rows(self) -> int:
        """Rows that will be published."""
        return self.counts().accepted

    @property
    def fingerprint(self) -> str:
        """Same text for the same accepted rows in any order: row count, sum of their hashes, hash of the schema."""
        return self._measured[1]

    def empties(self) -> tuple[int, dict[str, int]]:
        """Rows, and how many of them have no value in each plain column, by the files' own statistics: all rows, also those that
        stay behind. A column of which one of the files tells nothing is left out."""
        rows, found = 0, dict[str, int | None]()
        files = (file for folder in (self.path, self.behind) if folder is not None for file in sorted(folder.glob("*.parquet")))
        for group in (each for file in files for each in _parts(file)):
            rows += group.num_rows
            for place in range(group.num_columns):
                column = group.column(place)
                told = column.statistics
                before = found.get(column.path_in_schema, 0)
                known = told is not None and told.has_null_count and before is not None
                found[column.path_in_schema] = (before or 0) + told.null_count if known else None
        return rows, {name: found[name] or 0 for name in self.schema.names if found.get(name) is not None}

    def sample(self, columns: Sequence[str]) -> pa.Table:
        """These columns of some row groups, evenly over all files of the accepted rows: of a small candidate all of them."""
        empty = pa.schema([self.schema.field(name) for name in columns]).empty_table()
        return pa.concat_tables(
            [file.read_row_group(place, list(columns)) for file, place in places(self._files(), _SAMPLED)] or [empty]
        )

    def heads(self, columns: Sequence[str], rows: int) -> pa.Table:
        """These columns of the first rows at some places, evenly over all accepted rows."""
        return heads(self._files(), columns, rows)

    def _files(self) -> list[pq.ParquetFile]:
        return [pq.ParquetFile(file) for file in sorted(self.path.glob("*.parquet"))]

    def batches(self) -> pa.RecordBatchReader:
        """The accepted rows in the table's schema, streaming."""
        return pa.RecordBatchReader.from_batches(self.schema, _scan(self.path, self.schema))

    def files(self) -> list[Path]:
        """Files that hold just the accepted rows in just the table's schema."""
        found = sorted(self.path.glob("*.parquet"))
        return found if holds(found, self.schema) else []

    def discard(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.path.parent, ignore_errors=True)

    def _left(self) -> DataFrame | None:
        """Rows that stay behind, with the control columns; None if there are none."""
        there = self.behind is not None and any(self.behind.glob("*.parquet"))
        return self.engine.read_parquet(str(self.behind)) if there else None

    @cached_property
    def _measured(self) -> tuple[Counts, str]:
        accepted, rejected, duplicates, hashed = self.found
        if hashed is None:
            total = F.sum(row_hash(lasting(self.schema, self.volatile)).cast("decimal(38,0)"))
            hashed = int(self.accepted().agg(total).collect()[0][0] or 0)
        counts = Counts(accepted + rejected + duplicates, accepted, rejected, duplicates)
        return counts, f"{accepted}:{hashed}:{schema_hash(self.schema)}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.discard()


def _parts(file: Path) -> Iterator[pq.RowGroupMetaData]:
    told = pq.read_metadata(file)
    return (told.row_group(place) for place in range(told.num_row_groups))


def row_hash(fields: Sequence[pa.Field]) -> Column:
    """64-bit hash of a row; xxhash64 skips nulls and sees no borders in arrays, so both are hashed with the values."""
    inputs: list[Column] = []
    for each in fields:
        column = F.col(f"`{each.name}`")
        inputs += [F.to_json(column) if pa.types.is_nested(each.type) else column, column.isNull()]
    return F.xxhash64(*inputs) if inputs else F.lit(0)


def lasting(schema: pa.Schema, volatile: frozenset[str]) -> list[pa.Field]:
    """The columns by which rows are compared."""
    return [column for column in schema if column.name not in volatile]


def _scan(folder: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for path in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROW_GROUP, columns=schema.names):
                yield fresh(batch, schema)
