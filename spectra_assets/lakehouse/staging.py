"""Candidates: rows waiting as Parquet files for their gates, before anything is published.

They live in `Files/staging/<run>/<schema>.<table>/` and go when their Staging ends; what a killed process left is swept
after a day by the clock, but never what a living one holds. Rows that stay behind are in files of their own, with the control
columns that say why (see `parts.py`).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812  # the name every Spark programmer reads
from pyspark.sql.pandas.types import to_arrow_schema

from spectra_assets.errors import StorageError
from spectra_assets.lakehouse.adopting import holds
from spectra_assets.lakehouse.engine import give_back
from spectra_assets.lakehouse.failure import is_storage_failure, storage_error, writing
from spectra_assets.lakehouse.parts import CONTROL, DUPLICATE, FORM, HASH, RAW, REASONS, ROW_GROUP, Sorted, Sorter, heads, places
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.lakehouse.types import fresh, quoted, schema_hash, storable
from spectra_assets.names import TableRef

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row

    from spectra_assets.lakehouse.engine import Engine

ROWS = "rows"

STALE_SECONDS = 24 * 3600
_SET_BACK = 3600.0
"""Seconds by which clocks may differ."""

_ALIVE = ".alive"
"""Ending of the file that the process whose staging it is holds locked."""


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
            total = F.sum(row_hash(_lasting(self.schema, self.volatile)).cast("decimal(38,0)"))
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


class Staging:
    """Stages candidates of one run; removes what it staged when it ends, published or not. A context manager."""

    def __init__(self, lakehouse: Lakehouse, run_id: str, engine: Engine) -> None:
        self.lakehouse = lakehouse
        self.run_id = run_id
        self.engine = engine
        self._folders: set[Path] = set()
        self._alive: FileLock | None = None
        sweep(lakehouse)

    def hold(self) -> None:
        """From here on no other process sweeps the run's folder, whatever its clock says. Raises StorageError."""
        if self._alive is not None:
            return
        folder = self.lakehouse.files("staging", self.run_id)
        with writing(str(folder)):
            folder.mkdir(parents=True, exist_ok=True)
            handle, path = tempfile.mkstemp(_ALIVE, dir=folder)
            os.close(handle)
            self._alive = FileLock(path, thread_local=False)
            self._alive.acquire(timeout=0)

    def stage_frame(
        self,
        ref: TableRef,
        frame: DataFrame,
        partitions: int | None = None,
        volatile: Iterable[str] = (),
        ordered: bool = False,
    ) -> Staged:
        """Run `frame` and write its rows, as the engine splits them or in at most `partitions` files; `ordered`, in one file
        and in the frame's order, by way of this process's memory.

        Raises StorageError for columns that can't be stored and for trouble with the disk; the query's own errors are
        Spark's.
        """
        for name in (each.name for each in frame.schema.fields if each.dataType.typeName() == "void"):
            frame = frame.withColumn(name, F.col(f"`{name}`").cast("string"))
        folder = self._folder(ref)
        if ordered:
            rows = frame.toArrow()
            return self._staged(ref, folder, rows.schema, self._written(folder, rows.schema, rows.to_batches()), volatile)
        schema = to_arrow_schema(frame.schema, timezone="UTC")
        hashed = frame.withColumn(HASH, row_hash(_lasting(_published(schema), frozenset(volatile))))
        sorter = Sorter(str(folder), str(_behind(folder)))
        told = _collected((hashed.coalesce(partitions) if partitions else hashed).mapInArrow(sorter, FORM), folder)
        keep = {row.file for row in told}
        for file in (*folder.glob("*.parquet"), *_behind(folder).glob("*.parquet")):
            if file.name not in keep:  # of an attempt that the engine gave up
                file.unlink()
        parts = [Sorted(row.accepted, row.rejected, row.duplicates, int(row.hashed)) for row in told]
        found = reduce(Sorted.with_more, parts, Sorted(0, 0, 0, 0))
        if not found.accepted:
            self._written(folder, schema, ())  # a table of no rows has a file
        return self._staged(ref, folder, schema, found, volatile)

    def stage_arrow(
        self,
        ref: TableRef,
        data: pa.Table | pa.RecordBatchReader | Iterable[pa.RecordBatch],
        schema: pa.Schema | None = None,
        volatile: Iterable[str] = (),
        part: str = ROWS,
    ) -> Staged:
        """Write Arrow rows in flat memory, columns matched by name, absent ones null. Bare batches need `schema`.

        Another `part` than the rows themselves is written beside them, so that it may be made from them.

        Raises StorageError for a column that is not in `schema`, values that don't fit it, columns that can't be
        stored, and trouble with the disk.
        """
        if schema is None:
            if not isinstance(data, pa.Table | pa.RecordBatchReader):
                raise StorageError(f"batches for {ref} come without a schema; give one")
            schema = data.schema
        folder = self._folder(ref) if part == ROWS else self._beside(ref, part)
        found = self._written(folder, schema, data.to_batches() if isinstance(data, pa.Table) else data)
        return self._staged(ref, folder, schema, found, volatile)

    def close(self) -> None:
        """Remove everything this object staged, and the run's folder if it is empty then."""
        for path in self._folders:
            shutil.rmtree(path, ignore_errors=True)
        self._folders.clear()
        give_back()
        if self._alive is not None:
            Path(self._alive.lock_file).unlink(missing_ok=True)
            self._alive.release()
            self._alive = None
        folder = self.lakehouse.files("staging", self.run_id)
        if folder.is_dir() and not any(folder.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)

    def _beside(self, ref: TableRef, part: str) -> Path:
        return self.lakehouse.files("staging", self.run_id, str(ref)) / part

    def _folder(self, ref: TableRef) -> Path:
        self.hold()
        folder = self._beside(ref, ROWS)
        shutil.rmtree(folder.parent, ignore_errors=True)
        self._folders.add(folder.parent)
        try:
            folder.parent.mkdir(parents=True)
        except OSError as error:
            raise storage_error(str(folder.parent), "written", error) from error
        return folder

    def _written(self, folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Sorted:
        try:
            found = Sorter(str(folder), str(_behind(folder))).sort(batches, "part-0.parquet", schema)
        except OSError as error:  # what makes the rows may write too
            raise storage_error(str(error.filename or folder), "written", error) from error
        assert found is not None  # noqa: S101  (there is a schema)
        return found

    def _staged(self, ref: TableRef, folder: Path, schema: pa.Schema, found: Sorted, volatile: Iterable[str]) -> Staged:
        control = tuple(name for name in CONTROL if name in schema.names)
        return Staged(self.engine, ref, folder, _published(schema), frozenset(volatile), control, _behind(folder), found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def sweep(lakehouse: Lakehouse, older_than: float = STALE_SECONDS) -> list[str]:
    """Remove stagings in which nothing was written for `older_than` seconds, and that no process holds; returns their names.

    One that was written in the future, as the clock was set back since, is as old.
    """
    folder = lakehouse.files("staging")
    gone = []
    now = time.time()
    for run in folder.iterdir() if folder.is_dir() else ():
        try:
            newest = max(path.stat().st_mtime for path in (run, *run.rglob("*")))
        except FileNotFoundError:  # its run is clearing it away just now
            continue
        if not -_SET_BACK <= now - newest <= older_than and not any(map(_is_held, run.glob(f"*{_ALIVE}"))):
            shutil.rmtree(run, ignore_errors=True)
            gone.append(run.name)
    return gone


def _is_held(lock: Path) -> bool:
    """Whether a process that lives holds the lock."""
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # gone meanwhile, or it can't be told: then it is not for us to clear away
        return True


def row_hash(fields: Sequence[pa.Field]) -> Column:
    """64-bit hash of a row; xxhash64 skips nulls and sees no borders in arrays, so both are hashed with the values."""
    inputs: list[Column] = []
    for each in fields:
        column = F.col(f"`{each.name}`")
        inputs += [F.to_json(column) if pa.types.is_nested(each.type) else column, column.isNull()]
    return F.xxhash64(*inputs) if inputs else F.lit(0)


def _collected(frame: DataFrame, folder: Path) -> list[Row]:
    try:
        rows: list[Row] = frame.collect()
    except PySparkException as error:
        if is_storage_failure(error):
            raise storage_error(str(folder), "written", error) from error
        raise
    return rows


def _published(schema: pa.Schema) -> pa.Schema:
    return storable(pa.schema([column for column in schema if column.name not in CONTROL]))


def _lasting(schema: pa.Schema, volatile: frozenset[str]) -> list[pa.Field]:
    return [column for column in schema if column.name not in volatile]


def _behind(folder: Path) -> Path:
    """Where the rows are that stay behind, of those that are not in `folder`."""
    return folder.with_name(f"{folder.name}-behind")


def _scan(folder: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for path in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROW_GROUP, columns=schema.names):
                yield fresh(batch, schema)
