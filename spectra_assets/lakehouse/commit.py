"""A table's commits: why it was written, what it came to, and what its log tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, WriterProperties

from spectra_assets.lakehouse.types import schema_hash

ROW_GROUP = 131_072
"""Rows of one row group at most: what a writer holds in memory."""

FINGERPRINT = "spectra.fingerprint"

INPUTS = "spectra.inputs"
"""Tables this one was made from, as `CommitInfo.extra` gives them: other inputs make another version."""

MADE = "made"
"""In `CommitInfo.extra`: how the values were made, since only what was made alike is compared. If that changes it makes another
version, though the values are the same."""

ELEMENTS = "elements"
"""In `CommitInfo.extra`: of raw records, path of a list in them → its elements in all, as JSON; left out where they were not
counted."""

ROWS_OUT = "spectra.rows_out"
RUN = "spectra.run_id"

LOOKED_BACK = 20
"""Commits by others (OPTIMIZE, VACUUM, an edit by hand) behind which the last delivery is looked for."""

_LEAVES_ROWS = frozenset((
    "OPTIMIZE", "REORG", "VACUUM START", "VACUUM END", "COMPUTE STATS", "SET TBLPROPERTIES", "UNSET TBLPROPERTIES",
    "ADD CONSTRAINT", "DROP CONSTRAINT", "ADD FEATURE", "UPGRADE PROTOCOL",
))  # fmt: skip
"""Operations by which a platform or a person keeps a table in order, and no row of it changes."""


class Candidate(Protocol):
    """What `publish` takes: rows that passed their gates. `staging.Staged` is one."""

    @property
    def rows(self) -> int: ...
    @property
    def schema(self) -> pa.Schema: ...
    @property
    def fingerprint(self) -> str: ...
    def batches(self) -> pa.RecordBatchReader: ...
    def files(self) -> Sequence[Path]:
        """Local Parquet files that hold just these rows in just this schema; none if the rows must be written anew."""


@dataclass(frozen=True)
class CommitInfo:
    """Why a table is written. `gates` is JSON text, `extra` goes into the metadata under `spectra.<name>`."""

    run_id: str
    covenant_version: str
    rows_in: int | None = None
    gates: str = "[]"
    extra: Mapping[str, str] = field(default_factory=dict)

    def metadata(self, rows_out: int | None, schema: pa.Schema, fingerprint: str | None = None) -> dict[str, str]:
        """The commit's metadata; what is unknown is left out."""
        values = {
            "run_id": self.run_id,
            "covenant_version": self.covenant_version,
            "rows_in": self.rows_in,
            "rows_out": rows_out,
            "gates": self.gates,
            "schema_hash": schema_hash(schema),
            "fingerprint": fingerprint,
            **self.extra,
        }
        return {f"spectra.{name}": str(value) for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Published:
    """The table after a write: version, rows it holds, whether this write changed it; `untidy` says why files of versions that
    nobody reads any more are still there, if some should not be."""

    version: int
    rows: int
    changed: bool
    untidy: str | None = None


@dataclass(frozen=True)
class TableState:
    """The table as it is: `columns` are name → Arrow type, `metadata` the `spectra.…` entries of the newest delivery, whoever
    committed after it; without its fingerprint, if others changed the rows since.

    `delivered` are the rows which the newest delivery says that it published; None if none of the last commits is one.
    """

    version: int
    rows: int
    bytes: int
    files: int
    columns: dict[str, str]
    metadata: dict[str, str]
    delivered: int | None
    written_at: datetime


def properties_of(metadata: Mapping[str, str]) -> CommitProperties:
    return CommitProperties(custom_metadata=dict(metadata))


def writer_properties() -> WriterProperties:
    return WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=ROW_GROUP)


def last_commit(table: DeltaTable) -> dict[str, Any]:
    return next(iter(table.history(1)), {})


def told(table: DeltaTable, last: Mapping[str, Any]) -> dict[str, str]:
    """What the newest delivery tells in its commit, whoever committed after it; {} if none of the last commits is one."""
    commits = [last] if RUN in last else table.history(LOOKED_BACK)
    mine = next((place for place, commit in enumerate(commits) if RUN in commit), None)
    if mine is None:
        return {}
    found = {name: str(value) for name, value in commits[mine].items() if name.startswith("spectra.")}
    if any(commit.get("operation") not in _LEAVES_ROWS for commit in commits[:mine]):
        found.pop(FINGERPRINT, None)
    return found


def rows_of(table: DeltaTable) -> int:
    """Rows by the log; files of writers that left no statistics are counted."""
    counts = pa.table(table.get_add_actions(flatten=True))["num_records"]
    if counts.null_count:
        return int(table.to_pyarrow_dataset().count_rows())
    return int(pc.sum(counts).as_py() or 0)
