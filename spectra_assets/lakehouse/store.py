"""Delta tables and local files of one source's lakehouse.

Writing is atomic (a Delta commit), retried on conflict, locked per table among the processes of one machine, and leaves
in the commit's metadata who wrote what: `spectra.run_id`, `.covenant_version`, `.rows_in`, `.rows_out`, `.gates`,
`.schema_hash`, `.fingerprint`. Every batch handed to deltalake comes from `types.fresh`. Whatever goes wrong is a
StorageError with the path and what to do.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from filelock import FileLock, Timeout
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from spectra_assets.errors import MissingInputError, StorageError
from spectra_assets.lakehouse.adopting import adopted, link, replace
from spectra_assets.lakehouse.commit import (
    FINGERPRINT,
    INPUTS,
    LOOKED_BACK,
    MADE,
    ROW_GROUP,
    ROWS_OUT,
    RUN,
    Candidate,
    CommitInfo,
    Published,
    TableState,
    last_commit,
    properties_of,
    rows_of,
    told,
    writer_properties,
)
from spectra_assets.lakehouse.failure import guarded
from spectra_assets.lakehouse.parts import heads
from spectra_assets.lakehouse.types import fresh, storable
from spectra_assets.names import TableRef, lakehouse_name
from spectra_assets.settings import state_folder

ATTEMPTS = 6
LOCK_SECONDS = 600.0
KEPT_DAYS = 7
"""Days for which earlier versions of a table can be read."""

MOST_VERSIONS = 100
"""Versions of a table that are looked through for what it ever held."""

_TIDIED_EVERY = 10
"""Versions of a table after which the files of those that are older are removed."""

_CONFIGURATION = {"delta.enableDeletionVectors": "false"}
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.=]|-(?!-)){0,99}")
_UNUSABLE_ROOT = re.compile(r"[\[\]{}*?\\]")


class Lakehouse:
    """The lakehouse of `source` below `root`: a folder, or a URI for deltalake (`abfss://…`).

    Files always are local: with a URI as root they live in the user's state folder, which nobody else may read.
    Raises StorageError if `root` has characters that Delta tools take for patterns, or that folder is another user's.
    """

    def __init__(self, root: str, source: str) -> None:
        if "://" not in root:
            root = str(Path(root).expanduser().absolute())
            if _UNUSABLE_ROOT.search(root):
                raise StorageError(f"lakehouse folder {root} has one of [ ] {{ }} * ? \\ in its path; choose another folder")
        self.root = root.rstrip("/") or "/"
        self.source = source
        self.name = lakehouse_name(source)
        self._local = _private(self.root) if "://" in self.root else Path(self.root)

    def path(self, ref: TableRef) -> str:
        """Folder or URI of the table: `<root>/<source>.Lakehouse/Tables/<schema>/<table>`."""
        return f"{self.root}/{self.name}/{ref.location}"

    def files(self, *parts: str) -> Path:
        """Path below the lakehouse's Files area; nothing is created. A long or odd name is replaced by a hashed one.

        Raises StorageError for a part that is no plain name: empty, `.`, `..`, or with a slash, backslash or NUL.
        """
        return self._local.joinpath(self.name, "Files", *(_plain(part) for part in parts))

    def exists(self, ref: TableRef) -> bool:
        """Whether the table has ever been delivered."""
        with guarded(self.path(ref), "read"):
            return bool(DeltaTable.is_deltatable(self.path(ref)))

    def require(self, ref: TableRef) -> str:
        """The table's path. Raises MissingInputError, naming the asset to materialise, if it has not been delivered."""
        if not self.exists(ref):
            key = "/".join(ref.asset_path(self.source))
            raise MissingInputError(
                f"{ref} of {self.source} has not been delivered yet: materialise asset {key} first, e.g. "
                f'`dagster asset materialize -m spectra_assets.definitions --select "{key}"`'
            )
        return self.path(ref)

    def version(self, ref: TableRef) -> int:
        """Delta version of the table. Raises MissingInputError."""
        return int(self._open(ref).version())

    def describe(self, ref: TableRef) -> TableState:
        """State of the table, from its log alone. Raises MissingInputError, StorageError."""
        table = self._open(ref)
        with guarded(self.path(ref), "read"):
            actions = pa.table(table.get_add_actions(flatten=True))
            schema = pa.schema(table.schema().to_arrow())
            last = last_commit(table)
            metadata = told(table, last)
        return TableState(
            version=table.version(),
            rows=rows_of(table),
            bytes=sum(actions["size_bytes"].to_pylist()),
            files=actions.num_rows,
            columns={column.name: str(column.type) for column in storable(schema)},
            metadata=metadata,
            delivered=int(metadata[ROWS_OUT]) if ROWS_OUT in metadata else None,
            written_at=datetime.fromtimestamp(last.get("timestamp", 0) / 1000, UTC),
        )

    def read(self, ref: TableRef, columns: Sequence[str] | None = None) -> pa.Table:
        """The table in memory, all columns or the named ones in that order. Raises MissingInputError, StorageError."""
        reader = self.batches(ref, columns)
        with guarded(self.path(ref), "read"):
            return reader.read_all()

    def version_before(self, ref: TableRef, run_id: str) -> int | None:
        """The version that stood before a run delivered; None if none of the last commits is its, or the first one is."""
        first = self._first_of(self._open(ref), run_id)
        return first - 1 if first else None

    def columns_before(self, ref: TableRef, run_id: str) -> set[str] | None:
        """The columns that a table had before a run delivered, none where that brought its first version; None (not known) if no
        commit of the last ones is its, or what stood is no longer there. Raises MissingInputError."""
        table = self._open(ref)
        first = self._first_of(table, run_id)
        if not first:
            return set() if first == 0 else None
        try:
            with guarded(self.path(ref), "read"):
                table.load_as_version(first - 1)
                return {column.name for column in table.schema().fields}
        except StorageError:
            return None

    def _first_of(self, table: DeltaTable, run_id: str) -> int | None:
        """The first version that a run delivered; None if none of the last commits is its."""
        with guarded(table.table_uri, "read"):
            return min((commit["version"] for commit in table.history(LOOKED_BACK) if commit.get(RUN) == run_id), default=None)

    def blank(self, ref: TableRef, columns: Collection[str], none: Collection[str] = ()) -> set[str]:
        """Those of the columns in which no version of the table ever had a value, or none but the texts `none` (lower case), by
        its log alone. Nothing where the log doesn't tell: it is cut off, longer than MOST_VERSIONS, or has no statistics of it.

        Raises MissingInputError.
        """
        table = self._open(ref)
        left = set(columns)
        if not left or table.version() >= MOST_VERSIONS:
            return set()
        try:
            with guarded(self.path(ref), "read"):
                for version in range(table.version(), -1, -1):
                    table.load_as_version(version)
                    files = pa.table(table.get_add_actions(flatten=True)).to_pylist()
                    there = {column.name for column in table.schema().fields}
                    left = {name for name in left if name not in there or all(_is_blank(file, name, none) for file in files)}
        except StorageError:
            return set()
        return left

    def batches(self, ref: TableRef, columns: Sequence[str] | None = None, version: int | None = None) -> pa.RecordBatchReader:
        """The table as a stream of batches, in flat memory, of one version even while others write: the given one, else the last.

        Raises MissingInputError, StorageError.
        """
        table = self._open(ref)
        with guarded(self.path(ref), "read"):
            if version is not None:
                table.load_as_version(version)
            dataset = table.to_pyarrow_dataset(filesystem=_folder(self.path(ref)))
            absent = [name for name in columns or () if name not in dataset.schema.names]
            if absent:
                raise StorageError(f"{ref} has no column {', '.join(absent)}; it has {', '.join(dataset.schema.names)}")
            scanner = dataset.scanner(
                columns=list(columns) if columns is not None else None,
                batch_size=ROW_GROUP // 2,
                batch_readahead=4,
                fragment_readahead=1,
            )
            return scanner.to_reader()

    def heads(self, ref: TableRef, columns: Sequence[str], rows: int) -> pa.Table:
        """These columns of the first rows at some places of the table. Raises MissingInputError, StorageError."""
        table = self._open(ref)
        with guarded(self.path(ref), "read"):
            fragments = table.to_pyarrow_dataset(filesystem=_folder(self.path(ref))).get_fragments()
            files = sorted(fragments, key=lambda fragment: str(fragment.path))
            return heads([pq.ParquetFile(file.open()) for file in files], columns, rows)

    def publish(self, ref: TableRef, candidate: Candidate, commit: CommitInfo, comment: str = "") -> Published:
        """Replace the table, rows and schema, by the candidate's; do nothing if it holds just that already, made alike from
        the same inputs.

        Its files become the table's, if it has files and the lakehouse is in a folder; else its rows are streamed.

        `comment` becomes the description of a new table. Raises StorageError; the last version then stays as it was.
        """
        schema = storable(candidate.schema)
        metadata = commit.metadata(candidate.rows, schema, candidate.fingerprint)
        with self._writing(ref):
            if self.exists(ref):
                table = self._open(ref)
                last = told(table, last_commit(table))
                alike = all(last.get(name) == metadata.get(name) for name in (FINGERPRINT, INPUTS))
                if alike and commit.extra.get(MADE) in (None, last.get(f"spectra.{MADE}")):
                    return Published(table.version(), candidate.rows, changed=False)
            self._commit(ref, lambda: self._replace(ref, candidate, schema, metadata, comment or None))
            table = self._open(ref)
            rows = rows_of(table)
            untidy = self._tidy(ref, table) if table.version() % _TIDIED_EVERY == 0 else None
        if rows != candidate.rows:
            raise StorageError(
                f"{self.path(ref)} has {rows} rows after {candidate.rows} were published: another machine wrote to it "
                "at the same time; run the asset again with no other writer"
            )
        return Published(table.version(), rows, changed=True, untidy=untidy)

    def _tidy(self, ref: TableRef, table: DeltaTable) -> str | None:
        """Remove the files that no version of the last days needs; why some stay, which is no failure of what was published.
        (The platform of a remote lakehouse does so itself.)"""
        if "://" in self.root:
            return None
        folder = Path(self.path(ref))
        try:
            with guarded(str(folder), "cleaned"):
                # only listed by deltalake, which would commit what it removes: a version of its own, that nobody made
                for name in table.vacuum(KEPT_DAYS * 24, dry_run=True, enforce_retention_duration=False, full=True):
                    (folder / name).unlink(missing_ok=True)
        except StorageError as error:
            return str(error)
        return None

    def move_out(self, ref: TableRef, place: Path) -> None:
        """Move the table's folder to `place`, whole. Raises MissingInputError, StorageError."""
        with self._writing(ref), guarded(str(place), "written"):
            folder = Path(self.require(ref))
            place.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(place)

    def copy_out(self, ref: TableRef, place: Path) -> None:
        """The table's folder at `place`, as it stands between two writers; by hard links where the disk has them, as Delta never
        writes into a file that is there. Raises MissingInputError, StorageError."""
        with self._writing(ref), guarded(str(place), "written"):
            shutil.copytree(self.require(ref), place, copy_function=link, dirs_exist_ok=True)

    def _open(self, ref: TableRef) -> DeltaTable:
        path = self.require(ref)
        with guarded(path, "read"):
            return DeltaTable(path)

    @contextmanager
    def _writing(self, ref: TableRef) -> Iterator[None]:
        """One writer of a table at a time on this machine: a stale overwrite would keep rows appended meanwhile."""
        lock = self.files("locks", f"{ref}.lock")
        with guarded(str(lock.parent), "written"):
            lock.parent.mkdir(parents=True, exist_ok=True)
            handle = FileLock(lock, timeout=LOCK_SECONDS)
            try:
                handle.acquire()
            except Timeout as error:
                raise StorageError(f"{lock} is held by another writer for {LOCK_SECONDS:.0f} s; end that process") from error
        try:
            yield
        finally:
            handle.release()

    def _commit(self, ref: TableRef, write: Callable[[], Any]) -> None:
        """Run `write`, again if another machine committed first: each attempt starts from the newest version."""
        path = self.path(ref)
        for attempt in range(ATTEMPTS):
            try:
                with guarded(path, "written"):
                    write()
                return
            except StorageError as error:
                if not isinstance(error.__cause__, CommitFailedError) or attempt == ATTEMPTS - 1:
                    raise
                time.sleep(0.05 * 2**attempt)

    def _replace(
        self, ref: TableRef, candidate: Candidate, schema: pa.Schema, metadata: Mapping[str, str], comment: str | None
    ) -> None:
        files = candidate.files() if "://" not in self.root else ()
        if not files:
            self._write(ref, _stream(candidate.batches(), schema), metadata, comment)
            return
        path = self.path(ref)
        table = self._open(ref) if self.exists(ref) else None
        with adopted(files, Path(path)) as actions:
            facts = {"description": comment, "configuration": _CONFIGURATION}
            replace(table, path, actions, schema, properties_of(metadata), **facts)

    def _write(self, ref: TableRef, reader: pa.RecordBatchReader, metadata: Mapping[str, str], comment: str | None) -> None:
        write_deltalake(
            self.path(ref),
            reader,
            mode="overwrite",
            schema_mode="overwrite",
            description=comment,
            configuration=_CONFIGURATION,
            writer_properties=writer_properties(),
            commit_properties=properties_of(metadata),
        )


def _stream(reader: pa.RecordBatchReader, schema: pa.Schema) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(schema, (fresh(batch, schema) for batch in reader))


def _is_blank(file: Mapping[str, Any], column: str, none: Collection[str]) -> bool:
    """Whether a file of a table has no value in a column, or but one of these texts, by its statistics."""
    if file.get(f"null_count.{column}") == file["num_records"]:
        return True
    least, greatest = file.get(f"min.{column}"), file.get(f"max.{column}")
    return isinstance(least, str) and least == greatest and least.strip().lower() in none


def _plain(part: str) -> str:
    if part in ("", ".", "..") or any(character in part for character in "/\\\0"):
        raise StorageError(f"{part!r} can't name a file of the lakehouse: give one plain name without slashes")
    if _PLAIN_NAME.fullmatch(part):
        return part
    readable = re.sub(r"[^A-Za-z0-9_]+", "_", part)[:40].strip("_") or "name"
    return f"{readable}--{hashlib.sha256(part.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _private(uri: str) -> Path:
    """What lies on this machine of the lakehouse at `uri`: raw pages with all that is personal in them, and the key of hashes."""
    room = state_folder() / "spectra"
    with guarded(str(room), "written"):
        room.mkdir(mode=0o700, parents=True, exist_ok=True)
        if room.stat().st_uid != os.getuid():
            raise StorageError(f"{room} belongs to another user: move it away, or set XDG_STATE_HOME to a folder of your own")
        room.chmod(0o700)
    return room / hashlib.sha256(uri.encode()).hexdigest()[:16]


def _folder(path: str) -> SubTreeFileSystem | None:
    """The folder of a table, read by Arrow alone; None for what is in no folder of this machine.

    deltalake's own file system calls into Python from Arrow's threads: a stream that was left before its end still reads ahead,
    and a process that ends meanwhile hangs or is aborted.
    """
    return None if "://" in path else SubTreeFileSystem(path, LocalFileSystem())
