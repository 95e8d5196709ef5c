"""Candidates: rows waiting as Parquet files for their gates, before anything is published.

They live in `Files/staging/<run>/<schema>.<table>/` and go when their Staging ends; what a killed process left is swept
after a day by the clock, but never what a living one holds. Rows that stay behind are in files of their own, with the control
columns that say why (see `parts.py`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from functools import reduce
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa
from filelock import FileLock
from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812  # the name every Spark programmer reads
from pyspark.sql.pandas.types import to_arrow_schema

from spectra_assets.errors import StorageError
from spectra_assets.lakehouse.alive import hold, is_held
from spectra_assets.lakehouse.engine import give_back
from spectra_assets.lakehouse.failure import is_storage_failure, storage_error, writing
from spectra_assets.lakehouse.parts import CONTROL, FORM, HASH, Sorted, Sorter
from spectra_assets.lakehouse.staged import Staged, lasting, row_hash
from spectra_assets.lakehouse.store import Lakehouse
from spectra_assets.lakehouse.types import storable
from spectra_assets.names import TableRef

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

    from spectra_assets.lakehouse.engine import Engine

ROWS = "rows"

STALE_SECONDS = 24 * 3600
_SET_BACK = 3600.0
"""Seconds by which clocks may differ."""


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
            self._alive = hold(folder)

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
        hashed = frame.withColumn(HASH, row_hash(lasting(_published(schema), frozenset(volatile))))
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
        if not -_SET_BACK <= now - newest <= older_than and not is_held(run):
            shutil.rmtree(run, ignore_errors=True)
            gone.append(run.name)
    return gone


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


def _behind(folder: Path) -> Path:
    """Where the rows are that stay behind, of those that are not in `folder`."""
    return folder.with_name(f"{folder.name}-behind")
