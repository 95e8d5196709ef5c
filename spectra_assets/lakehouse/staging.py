"""Candidates: rows waiting as Parquet files for their gates, before anything is published.

They live in `Files/staging/<run>/<schema>.<table>/` and go when their Staging ends; what a killed process left is swept
after a day by the clock, but never what a living one holds. Control columns say which rows stay behind: `_reasons` (list of
text, why the row is rejected) and `_duplicate` (bool); `_raw` (text) is what such a row was made from, for the quarantine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812  # the name every Spark programmer reads

from spectra_assets.errors import StorageError
from spectra_assets.lakehouse.adopting import holds
from spectra_assets.lakehouse.failure import is_storage_failure, storage_error, writing
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.lakehouse.types import fitted, fresh, schema_hash, storable
from spectra_assets.names import TableRef

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from spectra_assets.lakehouse.engine import Engine

REASONS = "_reasons"
DUPLICATE = "_duplicate"
RAW = "_raw"
CONTROL = (REASONS, DUPLICATE, RAW)

ROWS = "rows"

STALE_SECONDS = 24 * 3600
_SET_BACK = 3600.0
"""Seconds by which clocks may differ."""

_ALIVE = ".alive"
"""Ending of the file that the process whose staging it is holds locked."""

WORTH_SPLITTING = 50_000
"""Rows from which on the engine takes control columns away faster than a stream."""

ROW_GROUP = 65_536
GROUP_BYTES = 32 * 2**20
"""A row group ends at whichever comes first: so many rows, or so many bytes in memory."""

_LONG = 100
"""Bytes of a value on average."""


@dataclass(frozen=True)
class Counts:
    """rows = accepted + rejected + duplicates; a rejected duplicate counts as rejected."""

    rows: int
    accepted: int
    rejected: int
    duplicates: int


@dataclass(frozen=True)
class Staged:
    """One candidate: Parquet files in the folder `path`, the columns `volatile` left out of the fingerprint.

    `schema` is what the table will have (no control columns). Counting is one query, run when first asked for.
    A context manager that removes the files.
    """

    engine: Engine
    ref: TableRef
    path: Path
    schema: pa.Schema
    control: tuple[str, ...]
    volatile: frozenset[str]

    def frame(self) -> DataFrame:
        """All rows with the control columns."""
        return self.engine.read_parquet(str(self.path))

    def accepted(self) -> DataFrame:
        """Rows that will be published, without control columns."""
        return self.frame().where(self._accepts).drop(*self.control) if self.control else self.frame()

    def rejected(self) -> DataFrame:
        """Rows with at least one reason; `_reasons` (list of text) and `_raw` stay, `_duplicate` goes."""
        frame = self.frame().where(self._rejects).drop(DUPLICATE)
        return frame if REASONS in self.control else frame.withColumn(REASONS, F.array().cast("array<string>"))

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
        for group in (each for file in sorted(self.path.glob("*.parquet")) for each in _parts(file)):
            rows += group.num_rows
            for place in range(group.num_columns):
                column = group.column(place)
                told = column.statistics
                before = found.get(column.path_in_schema, 0)
                known = told is not None and told.has_null_count and before is not None
                found[column.path_in_schema] = (before or 0) + told.null_count if known else None
        return rows, {name: found[name] or 0 for name in self.schema.names if found.get(name) is not None}

    def batches(self) -> pa.RecordBatchReader:
        """The accepted rows in the table's schema, streaming; split off by the engine only if some stay behind."""
        counts = self.counts()
        folder = self._split() if counts.accepted != counts.rows else self.path
        return pa.RecordBatchReader.from_batches(self.schema, _scan(folder, self.schema))

    def files(self) -> list[Path]:
        """Files of the accepted rows in the table's schema, split off by the engine if that pays; none if they hold more."""
        counts = self.counts()
        folder = self.path
        if self.control:
            if counts.accepted < WORTH_SPLITTING:
                return []
            folder = self._split()
        found = sorted(folder.glob("*.parquet"))
        return found if holds(found, self.schema) else []

    def _split(self) -> Path:
        """A folder with the accepted rows alone, without control columns."""
        folder = self.path.with_name("accepted")
        shutil.rmtree(folder, ignore_errors=True)
        _write_frame(self.accepted(), folder)
        return folder

    def discard(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.path.parent, ignore_errors=True)

    @property
    def _rejects(self) -> Column:
        if REASONS not in self.control:
            return F.lit(False)
        return F.coalesce(F.size(REASONS) > 0, F.lit(False))

    @property
    def _repeats(self) -> Column:
        return F.coalesce(F.col(DUPLICATE), F.lit(False)) if DUPLICATE in self.control else F.lit(False)

    @property
    def _accepts(self) -> Column:
        return ~self._rejects & ~self._repeats

    @cached_property
    def _measured(self) -> tuple[Counts, str]:
        one = F.lit(1)
        hashed = row_hash([field for field in self.schema if field.name not in self.volatile])
        row = self.frame().agg(
            F.count(one),
            F.count(F.when(self._accepts, one)),
            F.count(F.when(self._rejects, one)),
            F.sum(F.when(self._accepts, hashed.cast("decimal(38,0)"))),
        )
        rows, accepted, rejected, total = row.collect()[0]
        counts = Counts(rows, accepted, rejected, rows - accepted - rejected)
        return counts, f"{accepted}:{total or 0}:{schema_hash(self.schema)}"

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
        for name in (field.name for field in frame.schema.fields if field.dataType.typeName() == "void"):
            frame = frame.withColumn(name, F.col(f"`{name}`").cast("string"))
        folder = self._folder(ref)
        if ordered:
            rows = frame.toArrow()
            _write_batches(folder, rows.schema, iter(rows.to_batches()))
            return self._add(ref, folder, volatile)
        _write_frame(frame.coalesce(partitions) if partitions else frame, folder)
        if not any(folder.glob("*.parquet")):  # Sail writes no file for no rows
            _write_batches(folder, frame.where(F.lit(False)).toArrow().schema, iter(()))
        return self._add(ref, folder, volatile)

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
        _write_batches(folder, schema, iter(data.to_batches() if isinstance(data, pa.Table) else data))
        return self._add(ref, folder, volatile)

    def close(self) -> None:
        """Remove everything this object staged, and the run's folder if it is empty then."""
        for path in self._folders:
            shutil.rmtree(path, ignore_errors=True)
        self._folders.clear()
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

    def _add(self, ref: TableRef, folder: Path, volatile: Iterable[str]) -> Staged:
        written = pq.read_schema(min(folder.glob("*.parquet")))
        control = tuple(name for name in CONTROL if name in written.names)
        schema = storable(pa.schema([field for field in written if field.name not in control]))
        return Staged(self.engine, ref, folder, schema, control, frozenset(volatile))

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
    for field in fields:
        column = F.col(f"`{field.name}`")
        inputs += [F.to_json(column) if pa.types.is_nested(field.type) else column, column.isNull()]
    return F.xxhash64(*inputs) if inputs else F.lit(0)


def _write_frame(frame: DataFrame, folder: Path) -> None:
    try:
        frame.write.mode("overwrite").parquet(str(folder))
    except PySparkException as error:
        if is_storage_failure(error):
            raise storage_error(str(folder), "written", error) from error
        raise


def _write_batches(folder: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    held = storable(schema)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        groups = _groups(batches, held)
        first = next(groups, held.empty_table())
        with pq.ParquetWriter(
            folder / "part-0.parquet",
            held,
            compression="zstd",
            compression_level=1,
            store_schema=False,
            use_dictionary=_repeating(first),
        ) as writer:
            for group in chain((first,), groups):
                writer.write_table(group, row_group_size=max(1, group.num_rows))
    except OSError as error:  # what makes the rows may write too
        raise storage_error(str(error.filename or folder), "written", error) from error


def _repeating(table: pa.Table) -> list[str]:
    """Columns whose values may well repeat: long texts do not, and looking for repetitions costs as much as writing them."""
    return [name for name in table.column_names if table[name].nbytes <= _LONG * max(1, table.num_rows)]


def _groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Tables of about one row group each, whatever the size of the batches."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        step = max(1, min(ROW_GROUP, batch.num_rows * GROUP_BYTES // max(1, batch.nbytes)))
        for start in range(0, batch.num_rows, step):
            piece = fitted(batch.slice(start, step), schema)
            if waiting and (rows + piece.num_rows > ROW_GROUP or size + piece.nbytes > GROUP_BYTES):
                yield pa.Table.from_batches(waiting, schema)
                waiting, rows, size = [], 0, 0
            waiting.append(piece)
            rows += piece.num_rows
            size += piece.nbytes
    if waiting:
        yield pa.Table.from_batches(waiting, schema)


def _scan(folder: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for path in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROW_GROUP, columns=schema.names):
                yield fresh(batch, schema)
