"""Staged Parquet files that become the files of a Delta table as they are: linked into its folder, added by one commit.

The rows are written once and read back by nobody. What is in a file when it is linked is what its gates judged.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import DeltaError
from deltalake.transaction import AddAction, create_table_with_add_actions

_LONGEST = 64
"""Characters of a text that a file's statistics in the log hold at most: longer ones help no reader."""


@contextmanager
def adopted(files: Sequence[Path], table: Path) -> Iterator[list[AddAction]]:
    """The files, linked into the folder of `table`, as a commit adds them.

    If the block ends by an error, those that no commit added are taken away again: an interruption may come after the commit.
    """
    there: list[Path] = []
    try:
        table.mkdir(parents=True, exist_ok=True)
        for number, file in enumerate(files):
            there.append(table / f"part-{number:05}-{uuid4()}.zstd.parquet")
            link(file, there[-1])
        yield [_action(file) for file in there]
    except BaseException:
        _take_away(there, table)
        raise


def _take_away(files: Sequence[Path], table: Path) -> None:
    """Remove those of the files that the table does not list; all stay where that can't be told, as nobody reads them."""
    held: set[str] = set()
    if (table / "_delta_log").exists():
        with suppress(DeltaError, OSError):
            held = {Path(uri).name for uri in DeltaTable(table).file_uris()}
        if not held:
            return
    for file in files:
        if file.name not in held:
            file.unlink(missing_ok=True)


def replace(
    table: DeltaTable | None, path: str, actions: list[AddAction], schema: pa.Schema, commit: CommitProperties, **facts: Any
) -> None:
    """One commit: the table consists of the files of `actions`. A new one (`table` is None) is made, with `facts`."""
    form = Schema.from_arrow(schema)
    if table is None:
        create_table_with_add_actions(path, form, actions, mode="error", partition_by=[], commit_properties=commit, **facts)
    else:
        table.create_write_transaction(actions, "overwrite", form, [], commit_properties=commit)


def holds(files: Sequence[Path], schema: pa.Schema) -> bool:
    """Whether the files hold just the columns of `schema`, in the types in which Delta stores them."""
    wanted = [(column.name, column.type) for column in schema]
    return all([(column.name, column.type) for column in pq.read_schema(file)] == wanted for file in files)


def link(file: str | Path, place: str | Path) -> None:
    """A second name for the file, or where the file system has none, a copy. Raises OSError."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copy2(file, place)


def _action(file: Path) -> AddAction:
    state = file.stat()
    stats = json.dumps(_statistics(pq.read_metadata(file)), ensure_ascii=False)
    return AddAction(file.name, state.st_size, {}, int(state.st_mtime * 1000), True, stats)


def _statistics(file: pq.FileMetaData) -> Mapping[str, Any]:
    """Rows, and of plain columns the nulls, of integers and short texts the least and the greatest value."""
    found: dict[str, Any] = {"numRecords": file.num_rows, "minValues": {}, "maxValues": {}, "nullCount": {}}
    groups = [file.row_group(number) for number in range(file.num_row_groups)]
    for place in range(file.num_columns):
        name = file.schema.column(place).path
        seen = [group.column(place).statistics for group in groups]
        if "." in name or not seen or not all(each is not None and each.has_null_count for each in seen):
            continue
        found["nullCount"][name] = sum(each.null_count for each in seen)
        if all(each.has_min_max and _is_short(each.min) and _is_short(each.max) for each in seen):
            found["minValues"][name] = min(each.min for each in seen)
            found["maxValues"][name] = max(each.max for each in seen)
    return found


def _is_short(value: Any) -> bool:
    return type(value) is int or (isinstance(value, str) and len(value) <= _LONGEST)
